// What becomes of a set: what is refused of any object whatever its kind, what an upsert keeps, what is generated, and undoing it.
import { describe, expect, it } from "vitest";
import { network, port, remove, subnet } from "../store/transactor.fixture.ts";
import type { ChangeIntent, UpsertIntent } from "./intents.ts";
import { maxLabels } from "./limits.ts";
import { expectRefused, world } from "./networks.fixture.ts";
import {
  chassisRow,
  dumpWithIndexes,
  many,
  newContext,
  plan,
  planned,
  type RefusedCase,
} from "./plan.fixture.ts";
import { undoPlan } from "./plan.ts";
import type { PortRow, SubnetRow } from "./rows.ts";

const chassis = (spec: Partial<NonNullable<Extract<UpsertIntent, { table: "chassis" }>["spec"]>>) =>
  ({
    action: "upsert",
    table: "chassis",
    at: "chassis",
    meta: { id: "c1", project: "", name: "", labels: {}, revision: 0n },
    spec: { drain: false, lost: false, hostname: "", encaps: [], physicalNetworks: [], ...spec },
  }) satisfies ChangeIntent;

describe("a set is refused for", () => {
  it.each<RefusedCase>([
    ["a bad name", [network("-bad")], ["INVALID_NAME network.meta.name"]],
    ["a bad id", [network("ok", { id: "a/b" })], ["INVALID_NAME network.meta.id"]],
    ["a bad project", [network("ok", { project: "ö" })], ["INVALID_NAME network.meta.project"]],
    [
      "a name that is taken",
      [network("n1", { id: "other" })],
      ["DUPLICATE_NAME network.meta.name"],
    ],
    [
      "two changes of one object",
      [port("p1"), port("p1", {}, { id: "p1" })],
      ["DUPLICATE_CHANGE port"],
    ],
    ["two new objects of one name", [network("x"), network("x")], ["DUPLICATE_CHANGE network"]],
    [
      "too many labels",
      [network("x", { labels: Object.fromEntries(many(maxLabels + 1, (i) => [`k${i}`, ""])) })],
      ["OVER_LIMIT network.meta.labels"],
    ],
    [
      "a bad label",
      [network("x", { labels: { "": "" } })],
      ['INVALID_LABEL network.meta.labels[""]'],
    ],
    [
      "another project",
      [network("n1", { id: "n1", project: "p" })],
      ["IMMUTABLE_FIELD network.meta.project"],
    ],
    ["deleting a network in use", [remove("network", "n1")], ["IN_USE delete"]],
    ["deleting a subnet in use", [remove("subnet", "s4")], ["IN_USE delete"]],
    ["deleting what is not there", [remove("port", "none")], ["NOT_FOUND delete.id"]],
    [
      "facts of a chassis",
      [chassis({ hostname: "other" })],
      ["IMMUTABLE_FIELD chassis.spec.hostname"],
    ],
    ["a chassis lost by Apply", [chassis({ lost: true })], ["IMMUTABLE_FIELD chassis.spec.lost"]],
    [
      "a chassis that never registered",
      [{ ...chassis({}), meta: { ...chassis({}).meta, id: "c9" } }],
      ["NOT_REGISTERED chassis.meta.id"],
    ],
  ])("%s", (_, intents, expected) => expectRefused(intents, expected));
});

describe("an upsert", () => {
  it("keeps what it does not say", () => {
    const context = newContext();
    planned(context, world);
    const { results } = planned(context, [
      port("", { network: "", deviceId: "vm" }, { id: "p1" }),
      subnet("", { network: "" }, { id: "s4" }),
    ]);
    expect(results.map(({ action }) => action)).toEqual(["updated", "unchanged"]);
    expect(results[0]?.row).toMatchObject({
      name: "p1",
      mac: "0a:00:00:00:00:01",
      fixedIps: [{ subnet: "s4", ip: "10.0.0.10" }],
      deviceId: "vm",
    });
  });

  it("keeps a dynamic address when the subnet is named again", () => {
    const context = newContext();
    planned(context, world);
    const spec = {
      fixedIps: [
        { subnet: "s6", ip: "" },
        { subnet: "s4", ip: "" },
      ],
    };
    const first = planned(context, [port("d", spec)]).results[0]?.row as PortRow;
    const again = planned(context, [port("d", spec)]).results[0];
    expect(again?.action).toBe("unchanged");
    expect(again?.row).toMatchObject({ fixedIps: first.fixedIps });
    expect(first.fixedIps.map(({ subnet: id }) => id)).toEqual(["s6", "s4"]);
  });

  it("takes facts of a chassis as they are, and drain", () => {
    const context = newContext();
    const { encaps, hostname } = chassisRow;
    const { results } = planned(context, [chassis({ drain: true, hostname, encaps })]);
    expect(results[0]).toMatchObject({ action: "updated", row: { drain: true, key: 1 } });
  });

  it("makes canonical text of every spelling", () => {
    const context = newContext();
    planned(context, world);
    const { results } = planned(context, [
      subnet("c6", { cidr: "FD01:0::/64", gatewayIp: "fd01:0:0:0::1", reserved: ["FD01::00ff"] }),
      port("c", { mac: "0A:00:00:00:0A:0B", fixedIps: [{ subnet: "", ip: "fd00:0::00ab" }] }),
    ]);
    expect(results[0]?.row).toMatchObject({
      cidr: "fd01::/64",
      gatewayIp: "fd01::1",
      reserved: ["fd01::ff"],
    });
    expect(results[1]?.row).toMatchObject({
      mac: "0a:00:00:00:0a:0b",
      fixedIps: [{ subnet: "s6", ip: "fd00::ab" }],
    });
  });

  it("gives EUI-64 addresses from the MAC", () => {
    const context = newContext();
    planned(context, [
      network("e", { id: "e" }),
      subnet("e6", { network: "e", cidr: "fd0e::/64", ipv6Allocation: "eui64" }),
    ]);
    const { results } = planned(context, [port("x", { network: "e", mac: "0a:57:00:00:00:01" })]);
    expect(results[0]?.row).toMatchObject({ fixedIps: [{ ip: "fd0e::857:ff:fe00:1" }] });
  });

  it("keeps dynamic addresses inside the ranges and off the reserved", () => {
    const context = newContext();
    planned(context, [
      network("r", { id: "r" }),
      subnet("r4", {
        network: "r",
        cidr: "10.0.0.0/24",
        allocationRanges: [{ first: "10.0.0.10", last: "10.0.0.14" }],
        reserved: ["10.0.0.11", "10.0.0.12/31"],
      }),
    ]);
    const rows = planned(
      context,
      ["a", "b"].map((name) => port(name, { network: "r" })),
    ).results.map(({ row }) => (row as PortRow).fixedIps[0]?.ip);
    expect(rows).toEqual(["10.0.0.10", "10.0.0.14"]);
    // By name anything in the subnet may be had.
    planned(context, [port("c", { network: "r", fixedIps: [{ subnet: "", ip: "10.0.0.11" }] })]);
  });
});

it("generates MACs until the prefix is used up, and says so", () => {
  const context = newContext({ macPrefix: "0a:00:00:00:00" });
  planned(context, [network("n1", { id: "n1" })]);
  const all = Array.from({ length: 256 }, (_, index) => port(`p${index}`));
  const macs = planned(context, all).results.map(({ row }) => (row as PortRow).mac);
  expect(new Set(macs).size).toBe(256);
  const outcome = plan(context, [port("one-more")]);
  expect(outcome.ok ? "" : outcome.problems[0]?.code).toBe("EXHAUSTED");
});

it("gives 50,000 addresses in seconds, out of a /15 as out of many /29", () => {
  const measure = (world: ChangeIntent[], ports: ChangeIntent[]): number => {
    const context = newContext();
    planned(context, world);
    const startMs = performance.now();
    const { results } = planned(context, ports);
    const tookMs = performance.now() - startMs;
    const addresses = results.map(({ row }) => {
      const { network: id, fixedIps, mac, key } = row as PortRow;
      expect(fixedIps).toHaveLength(1);
      return `${id} ${fixedIps[0]?.ip} ${mac} ${key}`;
    });
    expect(new Set(addresses).size).toBe(ports.length);
    return tookMs;
  };
  const count = 50_000;
  const perSmall = 5;
  const large = measure(
    [network("n1", { id: "n1" }), subnet("s", { cidr: "10.0.0.0/15" })],
    many(count, (i) => port(`p${i}`)),
  );
  const small = measure(
    many(count / perSmall, (i) => [
      network(`m${i}`, { id: `m${i}` }),
      subnet(`t${i}`, { network: `m${i}`, cidr: "10.0.0.0/29" }),
    ]).flat(),
    many(count, (i) => port(`p${i}`, { network: `m${Math.floor(i / perSmall)}` })),
  );
  console.log(`50,000 ports: /15 ${large.toFixed(0)} ms, /29 ${small.toFixed(0)} ms`);
  expect(large).toBeLessThan(15_000);
  expect(small).toBeLessThan(15_000);
});

it("puts everything back when a plan is undone", () => {
  const context = newContext();
  planned(context, world);
  const before = dumpWithIndexes(context.tables);
  const outcome = plan(context, [
    port("new"),
    port("p1", { mac: "0a:00:00:00:00:09" }, { id: "p1" }),
    remove("port", "full"),
    subnet("s9", { cidr: "10.9.0.0/24" }),
  ]);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  for (const step of undoPlan(context, outcome.plan)) expect(step).toBeUndefined();
  expect(dumpWithIndexes(context.tables)).toEqual(before);
  const tiny = context.tables.get("subnet", "tiny") as SubnetRow;
  expect(context.allocator.statistics(tiny, 1000)).toEqual({
    total: 1n,
    used: 1n,
    quarantined: 0n,
  });
});
