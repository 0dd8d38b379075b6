// What derivation says in known situations, decoded; and what a change costs: which keys it touches and which it must not.
import { expect, test } from "vitest";
import { derived, keysOf, put } from "./derived.fixture.ts";
import { createDeriver } from "./deriver.ts";
import { MemoryRows, type RowEdit, rowOf } from "./memory-rows.ts";
import { touch } from "./touched-rows.fixture.ts";

/** A network over `chassis` chassis with one UP port on each; keys count from 1. */
function cloud(chassis: number, network: Partial<Parameters<typeof rowOf.network>[0]> = {}) {
  const edits = [put("network", rowOf.network({ id: "net", key: 7, ...network }))];
  for (let at = 1; at <= chassis; at++) edits.push(...host(at));
  return derived(...edits);
}

function host(at: number): RowEdit[] {
  const id = `port-${at}`;
  const ip = `10.0.${at >> 8}.${at & 255}`;
  return [
    put("chassis", rowOf.chassis({ id: `ch-${at}`, key: at })),
    put("port", rowOf.port({ id, key: at, network: "net", fixedIps: [{ subnet: "s", ip }] })),
    put("binding", rowOf.binding({ id, chassis: `ch-${at}` })),
  ];
}

test("a port that plugs costs its own keys and no others", () => {
  const { apply } = cloud(3);
  const [chassis, port, binding] = host(4);
  if (!chassis || !port || !binding) throw new Error("host() makes three rows");
  expect(keysOf(apply(chassis))).toEqual(["chassis/ch-4/config"]);
  expect(keysOf(apply(port))).toEqual([]);
  const plugged = { ...binding, row: { ...binding.row, state: "plugged" } } as RowEdit;
  const batch = apply(plugged);
  expect(keysOf(batch)).toEqual(["chassis/ch-4/port/4"]);
  expect(batch.subscriptions).toEqual([
    { chassis: "ch-4", scope: "network/7", subscribed: true },
    { chassis: "ch-4", scope: "flood/7", subscribed: true },
  ]);
  expect(keysOf(apply(binding))).toEqual(["flood/7/peer/4", "network/7/location/4"]);
});

test("a claim leaves the bytes of a requested port as they were", () => {
  const { apply, read } = cloud(2);
  apply(put("port", rowOf.port({ id: "p", key: 9, network: "net", requestedChassis: "ch-1" })));
  expect(read("chassis/ch-1/port/9")).toMatchObject({
    portId: "p",
    generation: 1n,
    mtuBytes: 1534,
  });
  const claimed = apply(
    put("binding", rowOf.binding({ id: "p", chassis: "ch-1", state: "plugged" })),
  );
  expect(claimed.instructions).toEqual([]);
});

test("only crossing the limit reaches the instructions of a network that floods through relays", () => {
  const { apply, read } = cloud(200);
  expect(read("network/7/config")).toMatchObject({ relayed: false });
  expect(keysOf(apply(...host(201)))).toContain("network/7/config");
  expect(read("network/7/config")).toMatchObject({ relayed: true });
  expect(keysOf(apply(...host(202)))).not.toContain("network/7/config");
  // One relay a block: the lowest key there. Blocks: 1..127, 128..202.
  const relays = Array.from({ length: 202 }, (_, at) => read(`flood/7/peer/${at + 1}`)).filter(
    (peer) => peer !== undefined && "relay" in peer && peer.relay,
  );
  expect(relays).toMatchObject([
    { chassisKey: 1, block: 0 },
    { chassisKey: 128, block: 1 },
  ]);
  const gone = apply({ table: "binding", id: "port-128", row: undefined });
  expect(keysOf(gone)).toContain("flood/7/peer/129");
  expect(read("flood/7/peer/129")).toMatchObject({ relay: true });
  apply({ table: "binding", id: "port-5", row: undefined });
  expect(read("network/7/config")).toMatchObject({ relayed: false });
});

test("a port that is administratively down is nowhere to others: neither it nor what it claimed", () => {
  const { apply, read } = cloud(2);
  const allowedAddressPairs = [{ ip: "10.0.9.9", mac: null }];
  const port = (adminUp: boolean) =>
    rowOf.port({ id: "port-1", key: 1, network: "net", allowedAddressPairs, adminUp });
  const claim = { id: "net/10.0.9.9", network: "net", ip: "10.0.9.9", generation: 1n };
  apply(put("port", port(true)));
  apply(put("claim", { ...claim, port: "port-1", mac: port(true).mac } as { id: string }));
  const told = ["network/7/location/1", "network/7/address/0a000909", "flood/7/peer/1"];
  for (const key of told) expect(read(key), key).toBeDefined();
  const down = apply(put("port", port(false)));
  expect(keysOf(down)).toEqual(expect.arrayContaining(["chassis/ch-1/port/1", ...told]));
  for (const key of told) expect(read(key), key).toBeUndefined();
  expect(read("chassis/ch-1/port/1")).toMatchObject({ adminUp: false });
  apply(put("port", port(true)));
  for (const key of told) expect(read(key), key).toBeDefined();
});

test("a port without port security asks for unknown unicast", () => {
  const { apply, read } = cloud(2);
  const open = rowOf.port({ id: "port-1", key: 1, network: "net", portSecurity: false });
  apply(put("port", open));
  expect(read("network/7/config")).toMatchObject({ unknownUnicast: true });
  expect(read("flood/7/peer/1")).toMatchObject({ unknownUnicast: true });
  expect(read("flood/7/peer/2")).toMatchObject({ unknownUnicast: false });
});

test("the MTU follows the smallest underlay, and a chassis that does not lower it costs nothing", () => {
  const { apply, read, deriver } = cloud(2);
  expect(read("network/7/config")).toMatchObject({ mtuBytes: 1534 });
  const encap = { type: 1 as const, ip: "172.31.9.9", underlayMtuBytes: 9000 };
  const wide = apply(put("chassis", rowOf.chassis({ id: "a-wide", key: 90, encaps: [encap] })));
  expect(keysOf(wide)).toEqual(["chassis/a-wide/config"]);
  const v6 = { type: 1 as const, ip: "fd00::9", underlayMtuBytes: 1500 };
  const narrow = apply(put("chassis", rowOf.chassis({ id: "narrow", key: 91, encaps: [v6] })));
  expect(read("network/7/config")).toMatchObject({ mtuBytes: 1414 });
  expect(keysOf(narrow)).toContain("chassis/ch-1/port/1");
  expect(deriver.networkMtu("net")).toBe(1414);
});

test("ports of a provider network have no location, and its gateway answers for itself", () => {
  const { read, deriver } = cloud(2, { encap: null, physicalNetwork: "physnet1", vlan: 30 });
  expect([...deriver.interest.instructions("network/7").keys()]).toEqual(["network/7/config"]);
  expect(read("network/7/config")).toMatchObject({
    physicalNetwork: "physnet1",
    vlan: 30,
    mtuBytes: 1500,
    gatewayIps: [],
  });
});

test("gateways are sorted and answered by the network's own MAC", () => {
  const { apply, read } = cloud(1);
  apply(
    put(
      "subnet",
      rowOf.subnet({ id: "a", network: "net", cidr: "fd00::/64", gatewayIp: "fd00::1" }),
    ),
    put(
      "subnet",
      rowOf.subnet({ id: "b", network: "net", cidr: "10.0.0.0/24", gatewayIp: "10.0.0.1" }),
    ),
  );
  expect(read("network/7/config")).toMatchObject({
    gatewayIps: [Buffer.of(10, 0, 0, 1), Buffer.from("fd000000000000000000000000000001", "hex")],
    gatewayMac: Buffer.from("0a005e000007", "hex"),
  });
});

test("every chassis that hosts a port refuses a fenced one, but not itself", () => {
  const { apply, read } = cloud(3);
  apply(put("chassis", rowOf.chassis({ id: "idle", key: 50 })));
  const fenced = apply(put("liveness", { id: "ch-2", state: "fenced" } as { id: string }));
  expect(keysOf(fenced)).toEqual(["chassis/ch-1/fence/2", "chassis/ch-3/fence/2"]);
  expect(read("chassis/ch-1/fence/2")).toMatchObject({ vtepIps: [Buffer.of(172, 31, 0, 2)] });
  const back = apply(put("liveness", { id: "ch-2", state: "alive" } as { id: string }));
  expect(back.instructions.map((change) => change.body)).toEqual([undefined, undefined]);
});

test("a claimed address follows the port that holds it, until somebody owns it", () => {
  const { apply, read } = cloud(2);
  const pairs = [{ ip: "10.0.0.0/24", mac: null }];
  const one = rowOf.port({ id: "port-1", key: 1, network: "net", allowedAddressPairs: pairs });
  const two = rowOf.port({ id: "port-2", key: 2, network: "net", allowedAddressPairs: pairs });
  const claim = { id: "net/10.0.0.99", network: "net", ip: "10.0.0.99", generation: 1n };
  const key = "network/7/address/0a000063";
  apply(put("port", one), put("port", two));
  apply(put("claim", { ...claim, port: one.id, mac: one.mac } as { id: string }));
  expect(read(key)).toMatchObject({ portKey: 1, chassisKey: 1 });
  const moved = apply(put("claim", { ...claim, port: two.id, mac: two.mac } as { id: string }));
  expect(keysOf(moved)).toEqual([key]);
  expect(read(key)).toMatchObject({ portKey: 2, chassisKey: 2 });
  // Somebody gets it as a fixed address: nobody may claim it any more.
  const fixedIps = [{ subnet: "s", ip: "10.0.0.99" }];
  apply(put("port", rowOf.port({ id: "owner", key: 3, network: "net", fixedIps })));
  expect(read(key)).toBeUndefined();
});

test("a change of labels derives nothing, however many keys read the row", () => {
  const { rows, deriver, apply } = cloud(1000);
  const network = rowOf.network({ id: "net", key: 7 });
  const router = put("router", rowOf.router({ id: "r", key: 1 }));
  apply(router);
  /** Rows that an apply looks at and keys that it derives. */
  const cost = (edit: RowEdit): number => {
    let steps = 0;
    for (const _ of deriver.applySteps(rows.edit(2n, [edit]))) steps += 1;
    return steps;
  };
  for (const edit of [put("network", network), router, ...host(1)]) {
    expect(cost(touch(edit, 5)), edit.table).toBe(1);
  }
  expect([...deriver.verify({ slice: 1000 })].flat()).toEqual([]);
  // What does concern them costs each a key and more: the count is worth something.
  const smaller = rowOf.network({ ...network, mtuBytes: 1400 });
  expect(cost(put("network", smaller))).toBeGreaterThan(1000);
});

test("a row that cannot be encoded is absent, and the others go on", () => {
  const rows = new MemoryRows();
  rows.edit(1n, [
    put("network", rowOf.network({ id: "net", key: 7 })),
    ...host(1),
    ...host(2),
    put("port", rowOf.port({ id: "port-2", key: 2, network: "net", mac: "nonsense" })),
  ]);
  const failed: string[] = [];
  const onError = (table: string, key: string): void => void failed.push(`${table} ${key}`);
  const deriver = createDeriver({ rows, onError });
  expect(failed).toEqual(["local-port chassis/ch-2/port/2", "location network/7/location/2"]);
  expect([...deriver.interest.instructions("network/7").keys()]).toContain("network/7/location/1");
});
