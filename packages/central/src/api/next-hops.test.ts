// Which next hops can be used, as cases: who has the address, where that one is, and what to do when it is nowhere.
import { describe, expect, it } from "vitest";
import { addressGroup } from "../model/indexes.ts";
import { linked, newContext, planned, router } from "../model/plan.fixture.ts";
import { given, other, world } from "../model/routing.fixture.ts";
import type { BindingRow, BindingState, ChassisRow, PortRow } from "../model/rows.ts";
import { port } from "../store/transactor.fixture.ts";
import { NextHops } from "./next-hops.ts";

const binding = (id: string, state: BindingState): BindingRow => ({
  id,
  chassis: "c1",
  generation: 1n,
  state,
  reason: "",
  mtuBytes: 0,
});

/** The world of routing with two chassis that hold every router, x1 apart; c1 alone is on the wire. */
function setUp(chassis: readonly string[] = ["c1", "c2"], ofX1: readonly string[] = chassis) {
  const context = newContext();
  planned(context, [
    ...world,
    port("pe", { network: "ext", ...given("192.0.2.77") }, { id: "pe" }),
    port("px", { network: "ext", ...given("192.0.2.78") }, { id: "px", ...other }),
    port("pair", { network: "n1", ...given("10.1.0.20") }, { id: "pair" }),
    linked("l14", ["r1", "r4"], [["10.254.0.1/29", "10.254.0.2/29"]]),
  ]);
  const { tables } = context;
  const c1 = tables.get("chassis", "c1") as ChassisRow;
  tables.put("chassis", "c1", { ...c1, physicalNetworks: ["physical"] });
  tables.put("chassis", "c2", { ...c1, id: "c2", name: "c2", key: 2 });
  for (const id of ["pe", "px"]) tables.put("binding", id, binding(id, "up"));
  const x1 = tables.get("router", "x1")?.key;
  const nextHops = new NextHops({
    tables,
    portWithIp: (network, ip) => tables.first("portIp", addressGroup(network, ip)),
    portReason: ({ name }) => `plug ${name}`,
    routerChassis: (key) => (key === x1 ? ofX1 : chassis),
  });
  return { context, tables, nextHops };
}

describe("a next hop", () => {
  it.each<[string, string, boolean, string]>([
    ["another router's given address", "10.2.0.254", true, ""],
    ["the other end of a link", "10.254.0.2", true, ""],
    [
      "an address of a link that neither end has",
      "10.254.0.3",
      false,
      "the other end of router-link l14 has 10.254.0.2: give one of those",
    ],
    [
      "a port that is not located",
      "10.1.0.10",
      false,
      "port p1 has 10.1.0.10 and is not located: plug p1",
    ],
    [
      "an address that nobody has",
      "10.1.0.99",
      false,
      "nothing in network n1 is known to have 10.1.0.99: create a port with it, or let one claim it by an allowed pair",
    ],
    [
      "a port of a provider network",
      "192.0.2.77",
      true,
      "not on chassis c2: map physical network physical to a bridge there",
    ],
    [
      "another project's port of a shared network",
      "192.0.2.78",
      false,
      "a port of another project has 192.0.2.78, and routers reach those of their own on a shared network: give another next hop",
    ],
    [
      "an address off-link",
      "10.99.0.1",
      false,
      "no interface or link of router r1 is on a prefix with 10.99.0.1: add one, or give another next hop",
    ],
  ])("that is %s", (_, ip, active, reason) => {
    expect(setUp().nextHops.of("r1", [ip])).toEqual([{ ip, active, reason }]);
  });

  it.each<[BindingState, boolean]>([
    ["down", false],
    ["plugged", false],
    ["programmed", true],
    ["up", true],
  ])("that a port has is usable while the port is located: %s", (state, active) => {
    const { tables, nextHops } = setUp();
    tables.put("binding", "p1", binding("p1", state));
    expect(nextHops.of("r1", ["10.1.0.10"])).toMatchObject([{ active }]);
  });

  it("is not usable while its port is administratively down", () => {
    const { tables, nextHops } = setUp();
    tables.put("binding", "p1", binding("p1", "programmed"));
    tables.put("port", "p1", { ...(tables.get("port", "p1") as PortRow), adminUp: false });
    const reason = "port p1 has 10.1.0.10 and is not located: plug p1";
    expect(nextHops.of("r1", ["10.1.0.10"])).toMatchObject([{ active: false, reason }]);
  });

  it("belongs to the port that claimed it", () => {
    const { tables, nextHops } = setUp();
    const claim = { network: "n1", ip: "10.1.0.99", mac: "0a:00:00:00:00:99", port: "pair" };
    tables.put("claim", "n1/10.1.0.99", { ...claim, id: "n1/10.1.0.99", generation: 1n });
    expect(nextHops.of("r1", ["10.1.0.99"])).toMatchObject([
      { active: false, reason: "port pair has 10.1.0.99 and is not located: plug pair" },
    ]);
    tables.put("binding", "pair", binding("pair", "up"));
    expect(nextHops.of("r1", ["10.1.0.99"])).toMatchObject([{ active: true }]);
  });

  it.each<[string, string, Partial<BindingRow>, boolean]>([
    ["a port of a provider network", "192.0.2.77", { id: "pe" }, true],
    ["who claimed an address there", "192.0.2.99", { id: "pe" }, true],
    ["a port that is not located", "192.0.2.77", { id: "pe", state: "plugged" }, false],
    ["a claimer that is not located", "192.0.2.99", { id: "pe", state: "plugged" }, false],
    ["a claimer of another project", "192.0.2.98", { id: "px" }, false],
  ])("on a provider network is usable at %s", (_, ip, bound, active) => {
    const { tables, nextHops } = setUp(["c1"]);
    for (const [last, by] of [
      ["99", "pe"],
      ["98", "px"],
    ] as const) {
      const id = `ext/192.0.2.${last}`;
      const claim = { network: "ext", ip: `192.0.2.${last}`, mac: "0a:00:00:00:00:99", port: by };
      tables.put("claim", id, { ...claim, id, generation: 1n });
    }
    const { id = "" } = bound;
    tables.put("binding", id, { ...binding(id, "up"), ...bound });
    expect(nextHops.of("r1", [ip])).toMatchObject([{ active }]);
  });

  it("that is a router beside it on a provider network is known where something leads to both", () => {
    const reason =
      "not on chassis c1: a provider network does not join router other/x1 to it: add a router-link, or give another next hop";
    const ofX1 = (on: readonly string[], x1: readonly string[]) =>
      setUp(on, x1).nextHops.of("r1", ["192.0.2.9"]);
    expect(ofX1(["c1"], ["c1"])).toMatchObject([{ active: true, reason: "" }]);
    expect(ofX1(["c1"], ["c2"])).toMatchObject([{ active: false, reason }]);
    expect(ofX1(["c2"], ["c2"])).toMatchObject([
      {
        active: false,
        reason: "not on chassis c2: map physical network physical to a bridge there",
      },
    ]);
  });

  it("is not usable while its router, or the router itself, is down", () => {
    const { context, nextHops } = setUp();
    planned(context, [router("r2", { adminDown: true })]);
    nextHops.clear();
    expect(nextHops.of("r1", ["10.2.0.254", "10.254.0.2"])).toMatchObject([
      { active: false, reason: "router r2 is administratively down: apply it without adminDown" },
      { active: true },
    ]);
    planned(context, [router("r1", { adminDown: true })]);
    nextHops.clear();
    expect(nextHops.of("r1", ["10.254.0.2"])).toMatchObject([
      { active: false, reason: "router r1 is administratively down: apply it without adminDown" },
    ]);
  });

  it("counts for nothing behind a connected prefix of the same length", () => {
    const { nextHops } = setUp();
    const hidden = (what: string): string =>
      `hidden by the connected prefix of ${what}: delete the route, or give it a longer prefix`;
    expect(nextHops.hiddenBy("r1", "10.1.0.0/24")).toBe(hidden("router-interface i11"));
    expect(nextHops.hiddenBy("r1", "10.254.0.0/29")).toBe(hidden("router-link l14"));
    for (const prefix of ["10.1.0.0/25", "10.1.0.0/23", "10.254.0.0/30", "0.0.0.0/0", "::/0"]) {
      expect(nextHops.hiddenBy("r1", prefix)).toBeUndefined();
    }
  });

  it("on a provider network is usable nowhere when no chassis of the router is on the wire", () => {
    expect(setUp(["c2"]).nextHops.of("r1", ["192.0.2.77"])).toMatchObject([{ active: false }]);
    expect(setUp([]).nextHops.of("r1", ["192.0.2.77"])).toMatchObject([{ active: true }]);
    expect(setUp(["c1"]).nextHops.of("r1", ["192.0.2.77"])).toMatchObject([{ reason: "" }]);
  });
});
