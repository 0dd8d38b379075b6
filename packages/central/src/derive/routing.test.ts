// What derivation says of routers in known situations, and what a change costs: derivations counted table by table, because a change
// must touch its own keys and its own routers, whatever else there is.
import { expect, test } from "vitest";
import { derived, keysOf, put } from "./derived.fixture.ts";
import { Engine } from "./engine.ts";
import { graph } from "./graph.ts";
import { indexes } from "./indexes.ts";
import { Interest } from "./interest.ts";
import { MemoryRows, type RowEdit, rowOf } from "./memory-rows.ts";
import type { DerivedTable } from "./spec.ts";
import { subscription } from "./tables/subscription.ts";
import { concernsDerivation } from "./unread-fields.ts";

const chassis = (key: number): RowEdit => put("chassis", rowOf.chassis({ id: `c${key}`, key }));

/** A network with a subnet of each family; the key is in the addresses. */
function network(key: number, more: Partial<Parameters<typeof rowOf.network>[0]> = {}): RowEdit[] {
  const id = `n${key}`;
  const hex = key.toString(16);
  const [v4, v6] = [`10.${key >> 8}.${key & 255}`, `fd00:${hex}:`];
  return [
    put("network", rowOf.network({ id, key, ...more })),
    put(
      "subnet",
      rowOf.subnet({ id: `${id}.4`, network: id, cidr: `${v4}.0/24`, gatewayIp: `${v4}.1` }),
    ),
    put(
      "subnet",
      rowOf.subnet({ id: `${id}.6`, network: id, cidr: `${v6}:/64`, gatewayIp: `${v6}:1` }),
    ),
  ];
}

/** A port with one address, bound to a chassis. */
function port(
  key: number,
  on: number,
  where: number,
  more: Partial<Parameters<typeof rowOf.port>[0]> = {},
): RowEdit[] {
  const id = `p${key}`;
  const fixedIps = [{ subnet: `n${on}.4`, ip: `10.${on >> 8}.${on & 255}.${(key % 200) + 2}` }];
  return [
    put("port", rowOf.port({ id, key, network: `n${on}`, fixedIps, ...more })),
    put("binding", rowOf.binding({ id, chassis: `c${where}` })),
  ];
}

const router = (key: number, more: Partial<Parameters<typeof rowOf.router>[0]> = {}): RowEdit =>
  put("router", rowOf.router({ id: `r${key}`, key, ...more }));

type Interface = Parameters<(typeof rowOf)["router-interface"]>[0];

/** An interface of router `of` on network `on`. */
const attach = (of: number, on: number, more: Partial<Interface> = {}): RowEdit => {
  const given = { id: `i${of}.${on}`, key: of * 1000 + on, router: `r${of}`, network: `n${on}` };
  return put("router-interface", rowOf["router-interface"]({ ...given, ...more }));
};

const link = (key: number, first: number, second: number): RowEdit => {
  const end = (of: number, last: number) => ({
    router: `r${of}`,
    addresses: [`10.200.${key & 255}.${last}/30`],
  });
  const ends = [end(first, 1), end(second, 2)] as const;
  return put("router-link", rowOf["router-link"]({ id: `l${key}`, key, ends }));
};

/** An engine whose derivations are counted; `spent` answers those since the last call, by table. */
function counted(edits: readonly RowEdit[]) {
  const rows = new MemoryRows();
  const first = rows.edit(1n, edits);
  let counts: Record<string, number> = {};
  const counting = (table: DerivedTable): DerivedTable => ({
    ...table,
    derive: (read, key) => {
      counts[table.name] = (counts[table.name] ?? 0) + 1;
      return table.derive(read, key);
    },
  });
  const tables = (graph as unknown as readonly DerivedTable[]).map(counting);
  const onError = (table: string, key: string, cause: unknown): never => {
    throw new Error(`${table} ${key}`, { cause });
  };
  const interest = new Interest();
  const engine = new Engine({
    ...{ rows, tables, indexes, pairSources: subscription, pairs: interest },
    ...{ concerns: concernsDerivation, onChange: () => undefined, onError },
  });
  engine.apply(first.changes);
  interest.takeChanges();
  return (...changes: readonly RowEdit[]): Record<string, number> => {
    counts = {};
    engine.apply(rows.edit(2n, changes).changes);
    const told = interest.takeChanges().length;
    return told === 0 ? counts : { ...counts, subscription: told };
  };
}

/** `count` networks on router 1, each with a port on each of four chassis. */
const wide = (count: number): RowEdit[] => [
  ...[1, 2, 3, 4, 5, 6].map(chassis),
  router(1),
  ...Array.from({ length: count }, (_, at): RowEdit[] => [
    ...network(at + 1),
    attach(1, at + 1),
    ...[1, 2, 3, 4].flatMap((where) => port(1000 * where + at, at + 1, where)),
  ]).flat(),
];

test("one more port costs the same on a router of 10 networks as on one of 100", () => {
  const spent = [10, 100].map((count) => {
    const apply = counted([...wide(count), ...port(9000, 4, 5)]);
    // Where the network is hosted; where another network of the router is; where nothing of it is.
    const steps = [port(9001, 3, 1), port(9002, 3, 5), port(9003, 3, 6)];
    return steps.map((edits) => apply(...edits));
  });
  const [hosted, near, far] = spent[1] ?? [];
  expect(spent[0]?.slice(0, 2)).toEqual([hosted, near]);
  const own = { placement: 1, located: 1, "local-port": 1, location: 1 };
  expect(hosted).toEqual(own);
  const newToNetwork = { presence: 1, relayed: 1, "flood-peer": 1, hosted: 1 };
  expect(near).toEqual({ ...own, ...newToNetwork, subscription: 1 });
  // Two scopes of its network, those of 99 others and the router's.
  const newToRouter = { hears: 1, fences: 1, subscription: 102 };
  expect(far).toEqual({ ...own, ...newToNetwork, ...newToRouter });
  expect(spent[0]?.[2]).toEqual({ ...far, subscription: 12 });
});

/**
 * `components` projects, each with a line of five routers joined by links, a network on each and a port on each of those; the
 * chassis host ports of one project alone.
 */
const lines = (components: number): RowEdit[] =>
  Array.from({ length: components }, (_, at) => line(at * 10 + 1, `project-${at}`)).flat();

function line(base: number, project: string): RowEdit[] {
  const edits: RowEdit[] = [];
  for (let key = base; key < base + 5; key++) {
    edits.push(chassis(key), ...network(key, { project }), router(key, { project }));
    edits.push(attach(key, key), ...port(key, key, key, { project }));
    if (key > base) edits.push(link(2000 + key, key - 1, key));
  }
  return edits;
}

test("attaching a network touches the routers joined to it and who hosts them, not the cloud", () => {
  const spent = [2, 20].map((components) => {
    const apply = counted([...lines(components), ...network(600, { project: "project-0" })]);
    return apply(attach(3, 600));
  });
  expect(spent[1]).toEqual(spent[0]);
  expect(spent[0]).toEqual({
    ...{ segment: 1, "routers-on": 1 },
    // It takes over the answers for its gateways.
    ...{ "network-config": 1, "router-port": 1 },
    adjacent: 1,
    // Five routers are joined, five chassis host them; each hears one scope more.
    ...{ reach: 5, hears: 5, subscription: 5 },
  });
});

test("attaching a network that is hosted touches its chassis as well", () => {
  const spent = [2, 20].map((components) => {
    const more = network(600, { project: "project-0" });
    const hosts = [1, 2].flatMap((where) =>
      port(600 + where, 600, where, { project: "project-0" }),
    );
    return counted([...lines(components), ...more, ...hosts])(attach(3, 600));
  });
  expect(spent[1]).toEqual(spent[0]);
  expect(spent[0]).toEqual({
    ...{ segment: 1, "routers-on": 1, "network-config": 1, "router-port": 1, adjacent: 1 },
    // Two chassis can use router 3 from there; they hear the network already, the three others do not.
    ...{ hosted: 2, reach: 5, hears: 7, subscription: 3 },
  });
});

test("a change of addresses or MTU does not touch interest", () => {
  const apply = counted(lines(3));
  expect(
    apply(
      put("network", rowOf.network({ id: "n3", key: 3, project: "project-0", mtuBytes: 1400 })),
    ),
  ).not.toHaveProperty("reach");
  const moved = apply(attach(3, 3, { fixedIps: [{ subnet: "n3.4", ip: "10.0.3.9" }] }));
  expect(moved).toEqual({
    ...{ segment: 1, "routers-on": 1, adjacent: 1 },
    ...{ "network-config": 1, "router-port": 1 },
  });
});

test("nor does it reach the ports of a provider network", () => {
  const provider = network(1, { encap: null, physicalNetwork: "physnet1" });
  const ports = Array.from({ length: 50 }, (_, at) => port(10 + at, 1, (at % 3) + 1)).flat();
  const apply = counted([
    ...[...[1, 2, 3].map(chassis), ...provider, router(1), router(2)],
    ...[attach(1, 1), ...ports],
  ]);
  const moved = apply(attach(1, 1, { fixedIps: [{ subnet: "n1.4", ip: "10.0.1.250" }] }));
  expect(moved).not.toHaveProperty("neighbour");
  expect(moved).not.toHaveProperty("hosted");
  // Another router has to be told of all of them.
  const second = { fixedIps: [{ subnet: "n1.4", ip: "10.0.1.251" }] };
  expect(apply(attach(2, 1, second))).toMatchObject({ neighbour: 50, "router-neighbour": 100 });
});

test("a route is derived again only when its next hop moves to another network", () => {
  const routes = Array.from({ length: 50 }, (_, at) =>
    put(
      "route",
      rowOf.route({
        ...{ id: `x${at}`, key: at + 1, router: "r1", destination: `192.0.${at}.0/24` },
        nextHops: ["10.0.1.9"],
      }),
    ),
  );
  const apply = counted([...wide(3), ...network(7), ...routes]);
  const spent = apply(attach(1, 7));
  expect([spent["connected"], spent["next-hop"], spent["static-route"]]).toEqual([1, 1, undefined]);
});

test("interest ends where a packet does: seven joins from the router of the port", () => {
  const keys = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const { hears, apply } = derived(
    chassis(1),
    ...keys.flatMap((key) => [...network(key), router(key), attach(key, key)]),
    ...keys.slice(1).map((key) => link(500 + key, key - 1, key)),
    ...port(1, 1, 1),
  );
  const routers = () => hears("c1").filter((scope) => scope.startsWith("router/"));
  expect(routers()).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((key) => `router/${key}`));
  expect(hears("c1")).toContain("network/8");
  expect(hears("c1")).not.toContain("network/9");
  // A short cut.
  apply(link(600, 1, 8));
  expect(routers()).toHaveLength(10);
  // The port goes, and all of it with it.
  const gone = apply({ table: "binding", id: "p1", row: undefined });
  expect(hears("c1")).toEqual(["chassis/c1"]);
  expect(new Set(gone.subscriptions.map((one) => one.scope)).size).toBe(gone.subscriptions.length);
});

test("a router that is down is not told, passes no interest on, and keeps its addresses", () => {
  const { hears, apply, read, deriver } = derived(
    ...[chassis(1), ...network(1), ...network(2), ...port(1, 1, 1)],
    ...[router(1), attach(1, 1), attach(1, 2)],
  );
  expect(hears("c1")).toEqual(["chassis/c1", "flood/1", "network/1", "network/2", "router/1"]);
  apply(router(1, { adminUp: false }));
  expect(hears("c1")).toEqual(["chassis/c1", "flood/1", "network/1"]);
  expect([...deriver.interest.instructions("router/1")]).toEqual([]);
  expect(read("network/1/config")).toMatchObject({ gatewayIps: [] });
  expect(deriver.isFixedIp("n1", "10.0.1.1")).toBe(true);
});

test("the network of a next hop is that of the longest connected prefix", () => {
  const route = rowOf.route({
    ...{ id: "x", key: 1, router: "r1", destination: "0.0.0.0/0" },
    nextHops: ["10.0.1.9", "10.0.2.9"],
  });
  const { apply, read } = derived(
    ...[...network(1), ...network(2), router(1), attach(1, 1), put("route", route)],
  );
  const hops = () => read("router/1/route/1");
  expect(hops()).toMatchObject({ nextHops: [{ networkKey: 1 }] });
  apply(attach(1, 2));
  expect(hops()).toMatchObject({ nextHops: [{ networkKey: 1 }, { networkKey: 2 }] });
  const narrow = { id: "s", network: "n2", cidr: "10.0.1.8/30", gatewayIp: "10.0.1.10" };
  apply(put("subnet", rowOf.subnet(narrow)));
  expect(hops()).toMatchObject({ nextHops: [{ networkKey: 2 }, { networkKey: 2 }] });
  apply(
    ...[1, 2].map((on): RowEdit => ({ table: "router-interface", id: `i1.${on}`, row: undefined })),
  );
  // It lost its way; only a route without next hops is a blackhole.
  expect(hops()).toBeUndefined();
  apply(put("route", { ...route, nextHops: [] } as { id: string }));
  expect(hops()).toMatchObject({ nextHops: [] });
});

test("a port of a provider network is a neighbour once it is programmed", () => {
  const provider = { encap: null, physicalNetwork: "physnet1", shared: true };
  const { apply, read } = derived(
    ...[chassis(1), ...network(1, provider), router(1), attach(1, 1), ...port(1, 1, 1)],
    ...[router(2, { project: "blue" }), attach(2, 1)],
  );
  const key = "router/1/neighbour/1";
  expect(read(key)).toMatchObject({ networkKey: 1, chassisKey: 1, encap: 0 });
  expect(read("router/2/neighbour/1")).toBeUndefined();
  const plugged = rowOf.binding({ id: "p1", chassis: "c1", state: "plugged" });
  expect(keysOf(apply(put("binding", plugged)))).toEqual([key]);
  expect(read(key)).toBeUndefined();
  apply(put("binding", rowOf.binding({ id: "p1", chassis: "c1" })));
  expect(keysOf(apply({ table: "router-interface", id: "i1.1", row: undefined }))).toContain(key);
});

/** What a port said: the claim of an address in the network of that number. */
const claim = (on: number, ip: string, by: string, mac = "02:00:00:00:00:aa"): RowEdit => {
  const row = { id: `n${on}/${ip}`, network: `n${on}`, ip, mac, port: by, generation: 1n };
  return { table: "claim", id: row.id, row };
};

test("an address that a port of a provider network claimed is told to the routers of its project", () => {
  const provider = { encap: null, physicalNetwork: "physnet1", shared: true };
  const pairs = { allowedAddressPairs: [{ ip: "10.0.1.0/24", mac: "00:00:5e:00:01:02" }] };
  const vip = (by: string) => claim(1, "10.0.1.99", by, "00:00:5e:00:01:02");
  const { apply, read, deriver } = derived(
    ...[chassis(1), chassis(2), network(1, provider), router(1), attach(1, 1)].flat(),
    ...[router(2, { project: "blue" }), attach(2, 1), router(3), attach(3, 1)],
    ...[...port(1, 1, 1, pairs), ...port(2, 1, 2, pairs)],
    ...port(3, 1, 2, { ...pairs, project: "blue" }),
    ...port(4, 1, 2, { portSecurity: false }),
  );
  const [key, third] = ["router/1/claimed/1/0a000163", "router/3/claimed/1/0a000163"];
  const routersOf = (batch: Parameters<typeof keysOf>[0]) =>
    keysOf(batch).filter((one) => one.startsWith("router/"));
  expect(routersOf(apply(vip("p1")))).toEqual([key, third]);
  expect(read(key)).toEqual({
    ...{ routerKey: 1, portKey: 1, networkKey: 1, chassisKey: 1, encap: 0 },
    mac: Buffer.of(0, 0, 0x5e, 0, 1, 2),
    ips: [Buffer.of(10, 0, 1, 99)],
    vtepIp: Buffer.alloc(0),
  });
  // It moves: two rows change, one for each router.
  expect(routersOf(apply(vip("p2")))).toEqual([key, third]);
  expect(read(key)).toMatchObject({ portKey: 2, chassisKey: 2 });
  // To another project, and its router alone.
  expect(routersOf(apply(vip("p3")))).toEqual([key, "router/2/claimed/1/0a000163", third]);
  expect([read(key), read(third)]).toEqual([undefined, undefined]);
  // No router asks there: port security off is no leave to hold an address.
  apply(vip("p4"));
  expect(deriver.isRouted("n1", "10.0.1.99")).toBe(false);
  expect(read(key)).toBeUndefined();
  // The port is not programmed, loses its pairs, goes; the router goes down.
  for (const broken of [
    [put("binding", rowOf.binding({ id: "p1", chassis: "c1", state: "plugged" }))],
    port(1, 1, 1),
    [{ table: "port", id: "p1", row: undefined } as const],
    [router(1, { adminUp: false })],
    [attach(1, 1, { fixedIps: [{ subnet: "n1.4", ip: "10.0.1.99" }] })],
  ]) {
    apply(...port(1, 1, 1, pairs), router(1), attach(1, 1), vip("p1"));
    expect(read(key)).toBeDefined();
    apply(...broken);
    expect(read(key)).toBeUndefined();
  }
});

test("an address that a port of a provider network claimed is told to the chassis of the port", () => {
  const provider = { encap: null, physicalNetwork: "physnet1", shared: true };
  const pairs = { allowedAddressPairs: [{ ip: "10.0.1.0/24", mac: "00:00:5e:00:01:02" }] };
  const vip = (by: string) => claim(1, "10.0.1.99", by, "00:00:5e:00:01:02");
  const { apply, read, hears } = derived(
    ...[chassis(1), chassis(2), chassis(3), network(1, provider)].flat(),
    ...[...port(1, 1, 1, pairs), ...port(2, 1, 2, pairs), ...port(3, 1, 3)],
    ...port(4, 1, 2, { ...pairs, project: "blue" }),
  );
  const [first, second] = ["chassis/c1/address/1/0a000163", "chassis/c2/address/1/0a000163"];
  expect(keysOf(apply(vip("p1")))).toEqual([first]);
  expect(read(first)).toEqual({
    ...{ networkKey: 1, portKey: 1, chassisKey: 1 },
    ip: Buffer.of(10, 0, 1, 99),
    mac: Buffer.of(0, 0, 0x5e, 0, 1, 2),
    vtepIp: Buffer.alloc(0),
  });
  expect(hears("c1")).toEqual(["chassis/c1", "flood/1", "network/1"]);
  // It moves to another chassis, and to another port there.
  expect(keysOf(apply(vip("p2")))).toEqual([first, second]);
  expect([read(first), read(second)]).toMatchObject([undefined, { portKey: 2, chassisKey: 2 }]);
  expect(keysOf(apply(vip("p4")))).toEqual([second]);
  expect(read(second)).toMatchObject({ portKey: 4 });
  // The port moves and takes it along, as soon as it is programmed there.
  const moved = port(4, 1, 1, { ...pairs, project: "blue" });
  expect(keysOf(apply(...moved))).toEqual(expect.arrayContaining([first, second]));
  expect([read(first), read(second)]).toMatchObject([{ portKey: 4, chassisKey: 1 }, undefined]);
  // It is not programmed, is down, loses its pairs, goes; somebody has the address as a fixed one.
  const plugged = rowOf.binding({ id: "p1", chassis: "c1", state: "plugged" });
  const fixedIps = [{ subnet: "n1.4", ip: "10.0.1.99" }];
  for (const broken of [
    [put("binding", plugged)],
    port(1, 1, 1, { ...pairs, adminUp: false }),
    port(1, 1, 1),
    [{ table: "port", id: "p1", row: undefined } as const],
    port(5, 1, 3, { fixedIps }),
  ]) {
    apply(...port(1, 1, 1, pairs), vip("p1"));
    expect(read(first)).toMatchObject({ portKey: 1 });
    expect(keysOf(apply(...broken))).toContain(first);
    expect(read(first)).toBeUndefined();
  }
});

test("a claim that moves costs one row, and one a router of its project, however many ports there are", () => {
  const pairs = { allowedAddressPairs: [{ ip: "10.0.1.250", mac: null }] };
  const spent = [10, 100].map((count) => {
    const apply = counted([
      ...[1, 2, 3].map(chassis),
      ...network(1, { encap: null, physicalNetwork: "physnet1" }),
      ...[router(1), attach(1, 1)],
      ...Array.from({ length: count }, (_, at) => port(10 + at, 1, (at % 3) + 1, pairs)).flat(),
      claim(1, "10.0.1.250", "p10", rowOf.port({ id: "", key: 10, network: "" }).mac),
    ]);
    const { mac } = rowOf.port({ id: "", key: 11, network: "" });
    return apply(claim(1, "10.0.1.250", "p11", mac));
  });
  const once = { claimed: 1, neighbour: 1, "router-neighbour": 1, "address-owner": 1 };
  expect(spent).toEqual(Array(2).fill(once));
});

test("a leak shows the addresses that it names, and a port comes and goes by its own keys", () => {
  const leak = rowOf["route-leak"]({
    ...{ id: "k", key: 5, from: "r1", to: "r2" },
    prefixes: ["10.0.1.0/25"],
  });
  const { apply, read } = derived(
    ...[chassis(1), chassis(2), ...network(1), ...network(2, { project: "blue" })],
    ...[router(1), attach(1, 1), router(2, { project: "blue" }), attach(2, 2)],
    ...[...port(1, 1, 1), ...port(2, 2, 2, { project: "blue" }), put("route-leak", leak)],
  );
  expect(read("router/2/leaked/5/1/0a000100/25")).toMatchObject({ mtuBytes: 1534 });
  expect(keysOf(apply(...port(3, 1, 1)))).toEqual([
    ...["chassis/c1/port/3", "network/1/location/3", "router/2/neighbour/3"],
  ]);
  const outside = [{ subnet: "n1.4", ip: "10.0.1.200" }];
  const both = [...outside, { subnet: "n1.4", ip: "10.0.1.100" }];
  apply(...port(3, 1, 1, { fixedIps: both }));
  expect(read("router/2/neighbour/3")).toMatchObject({ ips: [Buffer.of(10, 0, 1, 100)] });
  apply(...port(3, 1, 1, { fixedIps: outside }));
  expect(read("router/2/neighbour/3")).toBeUndefined();
  const gone = apply({ table: "route-leak", id: "k", row: undefined });
  expect(keysOf(gone)).toEqual(["router/2/leaked/5/1/0a000100/25", "router/2/neighbour/1"]);
});

test("a port with port security off may hold an address that a router asks for, and no router's own", () => {
  const { apply, read, deriver } = derived(
    ...[chassis(1), ...network(1), ...port(1, 1, 1, { portSecurity: false })],
    ...port(2, 1, 1),
  );
  apply(...["10.0.1.77", "10.9.9.9", "10.0.1.1"].map((ip) => claim(1, ip, "p1")));
  expect(read("network/1/address/0a00014d")).toBeUndefined();
  apply(router(1), attach(1, 1));
  expect(deriver.isRouted("n1", "10.0.1.77")).toBe(true);
  expect(deriver.isRouted("n1", "10.9.9.9")).toBe(false);
  expect(read("network/1/address/0a00014d")).toMatchObject({ portKey: 1, chassisKey: 1 });
  expect(read("network/1/address/0a090909")).toBeUndefined();
  expect(read("network/1/address/0a000101")).toBeUndefined();
  // What port security keeps a port from saying it cannot claim either.
  apply(claim(1, "10.0.1.77", "p2"));
  expect(read("network/1/address/0a00014d")).toBeUndefined();
});
