// Who owns a port, sequence by sequence: the steps of a case happen in order, and the row that results is what counts.
import { expect, test } from "vitest";
import { FakeClock } from "../../../../test/fakes/clock.ts";
import { MemoryRows, type RowEdit, rowOf } from "../derive/memory-rows.ts";
import type { BindingState, RowChange, Rows } from "../model/rows.ts";
import { Bindings, type BindingsConfig } from "./bindings.ts";
import type { Report } from "./placement.ts";

const LEASE_MS = 1000;
const STALE_MS = 60_000;

function setup(
  options: {
    ports?: Partial<Rows["port"]>;
    checkpoint?: Rows["binding"][];
    claims?: Rows["claim"][];
    fenced?: string[];
    /** Chassis that exist and are lost. */
    lost?: string[];
    config?: Partial<BindingsConfig>;
  } = {},
) {
  const rows = new MemoryRows();
  const clock = new FakeClock();
  const edits: RowEdit[] = ["a", "b"].map((id, at) => ({
    table: "chassis",
    id,
    row: rowOf.chassis({ id, key: at + 1 }),
  }));
  for (const id of options.lost ?? []) {
    edits.push({ table: "chassis", id, row: rowOf.chassis({ id, key: 3, lost: true }) });
  }
  edits.push({ table: "network", id: "net", row: rowOf.network({ id: "net", key: 1 }) });
  const port = rowOf.port({ id: "p", key: 1, network: "net", ...options.ports });
  edits.push({ table: "port", id: "p", row: port });
  rows.edit(1n, edits);
  const published: RowChange[][] = [];
  const bindings = new Bindings({
    rows,
    isFixedIp: (_network, ip) => ip === "10.0.0.1",
    isRouted: (_network, ip) => ip.startsWith("10.0.0."),
    clock,
    publish: (changes) => {
      published.push([...changes]);
      rows.apply(changes);
    },
    config: { leaseMs: LEASE_MS, staleAfterMs: STALE_MS, ...options.config },
  });
  bindings.load(options.checkpoint ?? [], options);
  const edit = (change: RowEdit): void => bindings.modelChanged(rows.edit(2n, [change]));
  return {
    rows,
    clock,
    bindings,
    published,
    edit,
    port: (over: Partial<Rows["port"]>) =>
      edit({ table: "port", id: "p", row: { ...port, ...over } }),
    chassis: (id: string, over: Partial<Rows["chassis"]>) => {
      const row = rows.get("chassis", id);
      if (row !== undefined) edit({ table: "chassis", id, row: { ...row, ...over } });
    },
    says: (chassis: string, state: BindingState, generation = 0n, complete = false) =>
      bindings.report(chassis, [report("p", state, generation)], complete),
    binding: () => rows.get("binding", "p"),
    liveness: (id: string) => rows.get("liveness", id)?.state,
  };
}

function report(portId: string, state: BindingState, generation = 0n): Report {
  return { portId, state, reason: "", generation, mtuBytes: 0 };
}

test("the first claim has the port, and a second one is told who has it", () => {
  const t = setup();
  expect(t.says("a", "plugged")).toEqual([]);
  expect(t.says("b", "up")).toEqual([{ port: "p", chassis: "b", reason: "a has the port" }]);
  t.says("a", "up");
  expect(t.binding()).toMatchObject({ chassis: "a", generation: 1n, state: "up" });
});

test("when the owner lets go, the waiting claim takes over with a higher generation", () => {
  const t = setup();
  t.says("a", "up");
  t.says("b", "up");
  t.says("a", "down");
  expect(t.binding()).toMatchObject({ chassis: "b", generation: 2n, state: "up" });
  // Late news of the old owner changes nothing.
  t.says("a", "up", 1n);
  expect(t.binding()).toMatchObject({ chassis: "b", generation: 2n });
});

test("a complete report ends what it does not name", () => {
  const t = setup();
  t.says("a", "up");
  t.bindings.report("b", [], true);
  expect(t.binding()).toMatchObject({ chassis: "a" });
  t.bindings.report("a", [], true);
  expect(t.binding()).toMatchObject({ chassis: "", state: "down", generation: 1n });
  expect(t.binding()?.reason).toBe("no interface on a any more");
});

test("only the requested chassis may take the port; where else it is plugged is said", () => {
  const t = setup({ ports: { requestedChassis: "b" } });
  t.says("a", "up");
  expect(t.binding()).toMatchObject({
    chassis: "",
    state: "down",
    reason: "plugged on a, but requested on b",
  });
  t.says("a", "down");
  expect(t.binding()?.reason).toBe("");
  t.says("b", "up");
  expect(t.binding()).toMatchObject({ chassis: "b", generation: 1n });
  t.port({ requestedChassis: "a" });
  expect(t.binding()).toMatchObject({ chassis: "", reason: "requested on a: plug it there" });
});

test("reports of unknown ports are refused and leave no row", () => {
  const t = setup();
  expect(t.bindings.report("a", [report("ghost", "up")], false)).toMatchObject([
    { port: "ghost", reason: "no such port: unplug it, or create the port" },
  ]);
  expect(t.rows.get("binding", "ghost")).toBeUndefined();
});

test("a port that is gone and says that it is down is no failure", () => {
  const t = setup();
  expect(t.bindings.report("a", [report("ghost", "down")], false)).toEqual([]);
  expect(t.rows.get("binding", "ghost")).toBeUndefined();
});

test("a drained chassis keeps what it has and takes nothing new", () => {
  const t = setup();
  t.chassis("a", { drain: true });
  expect(t.says("a", "up")).toMatchObject([{ reason: "a is drained and takes no new port" }]);
  t.port({ requestedChassis: "a" });
  t.says("a", "up");
  expect(t.binding()).toMatchObject({ chassis: "a" });
});

test("a silent chassis is unreachable, its bindings stay, and a plug elsewhere takes over", () => {
  const t = setup();
  t.bindings.start();
  t.says("a", "up");
  t.says("b", "up");
  t.clock.advance(LEASE_MS / 2);
  t.bindings.heard("b");
  t.clock.advance(LEASE_MS * 0.9);
  expect(t.liveness("a")).toBe("unreachable");
  expect(t.liveness("b")).toBe("alive");
  expect(t.binding()).toMatchObject({ chassis: "b", generation: 2n });
  t.bindings.heard("a");
  expect(t.liveness("a")).toBe("alive");
});

test("a claim that waits is judged again when its chassis is heard of again", () => {
  const t = setup();
  t.says("a", "up");
  t.says("b", "up");
  t.clock.advance(LEASE_MS + 1);
  t.bindings.heard("a");
  t.bindings.tick();
  t.says("a", "down");
  expect(t.liveness("b")).toBe("unreachable");
  expect(t.binding()).toMatchObject({ chassis: "" });
  t.bindings.heard("b");
  expect(t.binding()).toMatchObject({ chassis: "b", generation: 2n, state: "up" });
});

test("a chassis past staleAfter is fenced until it is in sync", () => {
  const t = setup();
  t.bindings.start();
  t.says("a", "up");
  t.clock.advance(STALE_MS + LEASE_MS);
  expect(t.liveness("a")).toBe("fenced");
  expect(t.binding()).toMatchObject({ chassis: "a", state: "up" });
  t.bindings.heard("a");
  expect(t.liveness("a")).toBe("fenced");
  t.bindings.inSync("a");
  expect(t.liveness("a")).toBe("alive");
});

test("a chassis declared lost loses its ports and may not report before it is adopted", () => {
  const t = setup();
  t.says("a", "up");
  t.chassis("a", { lost: true });
  expect(t.liveness("a")).toBe("fenced");
  expect(t.binding()).toMatchObject({ chassis: "", reason: "chassis a was declared lost" });
  expect(t.says("a", "up")[0]?.reason).toContain("weft chassis adopt a");
  t.bindings.inSync("a");
  expect(t.liveness("a")).toBe("fenced");
  t.chassis("a", { lost: false });
  t.bindings.inSync("a");
  expect(t.liveness("a")).toBe("alive");
});

test("a checkpointed binding holds until its chassis reports", () => {
  const row = rowOf.binding({ id: "p", chassis: "a", generation: 3n });
  const t = setup({ checkpoint: [row, rowOf.binding({ id: "gone", chassis: "a" })] });
  expect(t.binding()).toEqual(row);
  expect(t.rows.get("binding", "gone")).toBeUndefined();
  t.says("b", "up");
  expect(t.binding()).toMatchObject({ chassis: "a" });
  t.bindings.report("a", [], true);
  expect(t.binding()).toMatchObject({ chassis: "b", generation: 4n });
  expect(t.bindings.snapshot()).toEqual([t.binding()]);
});

test.each(["lost", "gone"])(
  "a binding of a chassis that is %s was checkpointed before it ended: its generation goes on rising",
  (state) => {
    const row = { id: "p", chassis: "c", generation: 5n, state: "up", reason: "", mtuBytes: 0 };
    const t = setup({ checkpoint: [row as Rows["binding"]], lost: state === "lost" ? ["c"] : [] });
    expect(t.binding()).toMatchObject({ chassis: "", state: "down", generation: 5n });
    t.says("b", "up");
    expect(t.binding()).toMatchObject({ chassis: "b", generation: 6n });
  },
);

test("right after a start the higher generation wins, later it does not", () => {
  const early = setup();
  early.says("a", "up", 3n);
  early.says("b", "up", 4n);
  expect(early.binding()).toMatchObject({ chassis: "b", generation: 4n });
  const late = setup({ config: { settleMs: 10 } });
  late.bindings.start();
  late.clock.advance(LEASE_MS / 2);
  late.says("a", "up");
  expect(late.says("b", "up", 99n)).toMatchObject([{ reason: "a has the port" }]);
});

test("a deleted port takes its rows with it", () => {
  const t = setup({ ports: { allowedAddressPairs: [{ ip: "10.0.0.0/24", mac: null }] } });
  t.says("a", "up");
  claim(t, "10.0.0.9", 1n);
  t.edit({ table: "port", id: "p", row: undefined });
  expect(t.binding()).toBeUndefined();
  expect([...t.rows.values("claim")]).toEqual([]);
});

function claim(t: ReturnType<typeof setup>, ip: string, generation: bigint, chassis = "a") {
  const mac = rowOf.port({ id: "p", key: 1, network: "net" }).mac;
  return t.bindings.claim(chassis, [{ portId: "p", ip, mac, generation }])[0]?.reason;
}

test("an address is claimed only by the chassis of the port, in its pairs, and not from its owner", () => {
  const t = setup({ ports: { allowedAddressPairs: [{ ip: "10.0.0.0/28", mac: null }] } });
  t.says("a", "up");
  expect(claim(t, "10.0.0.9", 1n, "b")).toBe("b does not have the port");
  expect(claim(t, "10.0.0.99", 1n)).toContain("no allowed address pair");
  expect(claim(t, "10.0.0.1", 1n)).toContain("fixed address");
  expect(claim(t, "10.0.0.9", 1n)).toBeUndefined();
  expect(claim(t, "10.0.0.8", 1n)).toContain("older");
  expect(t.bindings.claimedIps("p")).toEqual(["10.0.0.9"]);
  t.port({ allowedAddressPairs: [{ ip: "10.0.0.0/30", mac: null }] });
  expect(t.bindings.claimedIps("p")).toEqual([]);
});

test("a fence outlives a restart, until its chassis is in sync", () => {
  const t = setup({ fenced: ["b", "deleted meanwhile"] });
  expect([t.liveness("a"), t.liveness("b")]).toEqual(["alive", "fenced"]);
  expect(t.liveness("deleted meanwhile")).toBeUndefined();
  t.bindings.connected("b");
  expect(t.liveness("b")).toBe("fenced");
  t.bindings.inSync("b");
  expect(t.liveness("b")).toBe("alive");
});

test("a port with port security off claims any address that a router connects, and loses it with port security", () => {
  const t = setup({ ports: { portSecurity: false } });
  t.says("a", "up");
  expect(claim(t, "10.0.0.77", 1n)).toBeUndefined();
  expect(claim(t, "10.9.0.77", 2n)).toContain("no allowed address pair");
  expect(claim(t, "10.0.0.1", 3n)).toContain("fixed address");
  expect(t.bindings.claimedIps("p")).toEqual(["10.0.0.77"]);
  t.port({ portSecurity: true });
  expect(t.bindings.claimedIps("p")).toEqual([]);
});

test("claims of a checkpoint hold until another speaks, those that the intent took back do not", () => {
  const ports = { allowedAddressPairs: [{ ip: "10.0.0.0/28", mac: null }] };
  const before = setup({ ports });
  before.says("a", "up");
  claim(before, "10.0.0.9", 7n);
  const [kept] = [...before.rows.values("claim")];
  if (kept === undefined) throw new Error("no claim to keep");
  const of = (ip: string, more: Partial<Rows["claim"]> = {}) => ({
    ...kept,
    ...{ id: `net/${ip}`, ip },
    ...more,
  });
  const claims = [kept, of("10.0.0.99"), of("10.0.0.8", { port: "gone" })];
  const t = setup({ ports, checkpoint: before.bindings.snapshot(), claims });
  expect([...t.rows.values("claim")]).toEqual([kept]);
  expect(t.bindings.claimedIps("p")).toEqual(["10.0.0.9"]);
  // The agent counts from the start again.
  expect(claim(t, "10.0.0.10", 1n)).toBeUndefined();
  t.port({ allowedAddressPairs: [] });
  expect([...t.rows.values("claim")]).toEqual([]);
});

test("claims are bounded in number and in rate, and counted anew with each stream", () => {
  const pairs = [{ ip: "10.0.0.0/16", mac: null }];
  const config = { maxClaimsPerPort: 3, claimBurst: 5, claimsPerSecond: 1 };
  const t = setup({ ports: { allowedAddressPairs: pairs }, config });
  t.says("a", "up");
  const reasons = Array.from({ length: 7 }, (_, at) => claim(t, `10.0.1.${at}`, BigInt(at + 1)));
  expect(reasons).toEqual([
    undefined,
    undefined,
    undefined,
    "the port holds 3 claimed addresses already",
    "the port holds 3 claimed addresses already",
    "too many claims",
    "too many claims",
  ]);
  t.clock.advance(2000);
  t.bindings.connected("a");
  expect(claim(t, "10.0.1.0", 1n)).toBeUndefined();
});

test("what does not change is not published", () => {
  const t = setup();
  t.says("a", "up");
  const before = t.published.length;
  t.says("a", "up");
  t.bindings.heard("a");
  expect(t.published.length).toBe(before);
});

test("a generation beyond all reason is none", () => {
  const t = setup();
  t.says("a", "up", 2n ** 64n - 1n);
  expect(t.binding()).toMatchObject({ chassis: "a", generation: 1n });
  t.says("a", "up", 7n);
  expect(t.binding()).toMatchObject({ chassis: "a", generation: 7n });
});

test("claims of a port that was plugged anew, here or elsewhere, are counted from the start", () => {
  const t = setup({ ports: { allowedAddressPairs: [{ ip: "10.0.0.0/24", mac: null }] } });
  const mac = t.rows.get("port", "p")?.mac ?? "";
  const claim = (chassis: string, ip: string, generation: bigint) =>
    t.bindings.claim(chassis, [{ portId: "p", ip, mac, generation }]);
  t.says("a", "up");
  expect(claim("a", "10.0.0.9", 5n)).toEqual([]);
  expect(claim("a", "10.0.0.8", 1n)).toMatchObject([{ port: "p" }]);
  t.says("a", "down");
  t.says("a", "up");
  expect(claim("a", "10.0.0.8", 1n)).toEqual([]);
  t.says("a", "down");
  t.says("b", "up");
  expect(claim("b", "10.0.0.7", 1n)).toEqual([]);
});
