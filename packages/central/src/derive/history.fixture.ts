// Random histories over all tables for property tests: small pools of ids, keys that are used again, rows that refer to what is
// not there, several changes a batch in any order. Test support.

import fc from "fast-check";
import type { RowEdit } from "./memory-rows.ts";
import { rowOf } from "./memory-rows.ts";
import { withTouches } from "./touched-rows.fixture.ts";

const CHASSIS = 4;
const NETWORKS = 4;
const PORTS = 6;
const ROUTERS = 4;
const RULES = 3;
const LINKS = 2;
const below = (count: number) => fc.integer({ min: 0, max: count - 1 });
const chassisId = (slot: number): string => `chassis-${slot}`;
const projectOf = (networkSlot: number): string => (networkSlot % 2 === 0 ? "red" : "blue");
const networkId = (slot: number, life: number): string => `net-${slot}.${life}`;
const routerId = (slot: number, life: number): string => `router-${slot}.${life}`;
const portId = (slot: number, life: number): string => `port-${slot}.${life}`;
/** Equal addresses in different networks, and some that ports and pairs share. */
const ADDRESSES = ["10.0.0.5", "10.0.0.6", "fd00::5", "10.0.0.7"];
const VIRTUAL_MAC = "00:00:5e:00:01:07";
const PROVIDER = 3;

/** The last network is a provider network. */
function networkRow(slot: number, life: number, more: { mtuBytes?: number; shared?: boolean }) {
  const provider = slot === PROVIDER;
  return rowOf.network({
    ...more,
    id: networkId(slot, life),
    key: slot + 1,
    project: projectOf(slot),
    encap: provider ? null : slot === 2 ? 2 : 1,
    physicalNetwork: provider ? "physnet1" : null,
    shared: provider && more.shared === true,
  });
}

const chassis = fc
  .record({
    slot: below(CHASSIS),
    mtu: fc.constantFrom(0, 1500, 1600),
    encaps: below(4),
    drain: fc.boolean(),
  })
  .map(({ slot, mtu, encaps, drain }): RowEdit[] => {
    const v4 = { ip: `172.31.0.${slot + 1}`, underlayMtuBytes: mtu };
    const v6 = { ip: `fd31::${slot + 1}`, underlayMtuBytes: mtu };
    const announced =
      [
        [{ type: 1 as const, ...v4 }],
        [
          { type: 1 as const, ...v6 },
          { type: 2 as const, ...v4 },
        ],
        [{ type: 2 as const, ...v4 }],
        [],
      ][encaps] ?? [];
    const id = chassisId(slot);
    // Two slots share a block, the others have their own.
    const key = slot < 2 ? slot + 1 : slot * 128;
    return [{ table: "chassis", id, row: rowOf.chassis({ id, key, drain, encaps: announced }) }];
  });

/** One of two lives of a slot: the other one, with the same key, goes in the same batch. */
const network = fc
  .record({
    slot: below(NETWORKS),
    life: below(2),
    mtuBytes: fc.constantFrom(0, 1400),
    shared: fc.boolean(),
  })
  .map(({ slot, life, mtuBytes, shared }): RowEdit[] => {
    const row = networkRow(slot, life, { mtuBytes, shared });
    return [
      { table: "network", id: networkId(slot, 1 - life), row: undefined },
      { table: "network", id: row.id, row },
    ];
  });

const subnet = fc
  .record({ slot: below(NETWORKS), life: below(2), v6: fc.boolean(), gateway: fc.boolean() })
  .map(({ slot, life, v6, gateway }): RowEdit[] => {
    const id = `sub-${slot}.${v6 ? 6 : 4}`;
    const cidr = v6 ? "fd00::/64" : "10.0.0.0/24";
    const gatewayIp = !gateway ? null : v6 ? "fd00::1" : "10.0.0.1";
    const on = networkId(slot, life);
    return [{ table: "subnet", id, row: rowOf.subnet({ id, network: on, cidr, gatewayIp }) }];
  });

const port = fc
  .record({
    slot: below(PORTS),
    life: below(2),
    // Several on the provider network, so that what is claimed there moves.
    networkSlot: fc.constantFrom(0, 1, 2, PROVIDER, PROVIDER),
    networkLife: below(2),
    requested: fc.option(below(CHASSIS)),
    addresses: fc.subarray(ADDRESSES),
    pairs: fc.subarray(["10.0.0.7", "10.0.0.0/24", "fd00::/64"]),
    virtual: fc.boolean(),
    portSecurity: fc.boolean(),
    adminUp: fc.boolean(),
    foreign: fc.boolean(),
  })
  .map((given): RowEdit[] => {
    const id = portId(given.slot, given.life);
    // On the provider network, which may be shared, ports of both projects.
    const foreign = given.networkSlot === PROVIDER && given.foreign;
    const row = rowOf.port({
      id,
      key: given.slot + 1,
      network: networkId(given.networkSlot, given.networkLife),
      project: projectOf(foreign ? 0 : given.networkSlot),
      requestedChassis: given.requested === null ? null : chassisId(given.requested),
      fixedIps: given.addresses.map((ip) => ({ subnet: "any", ip })),
      allowedAddressPairs: given.pairs.map((ip) => ({
        ip,
        mac: given.virtual ? VIRTUAL_MAC : null,
      })),
      portSecurity: given.portSecurity,
      adminUp: given.adminUp,
    });
    return [
      { table: "port", id: portId(given.slot, 1 - given.life), row: undefined },
      { table: "port", id, row },
    ];
  });

const binding = fc
  .record({
    slot: below(PORTS),
    life: below(2),
    on: below(CHASSIS + 1),
    state: fc.constantFrom(
      "down" as const,
      "plugged" as const,
      "programmed" as const,
      "up" as const,
    ),
    generation: fc.bigInt({ min: 1n, max: 3n }),
  })
  .map(({ slot, life, on, state, generation }): RowEdit[] => {
    const id = portId(slot, life);
    const chassisName = on === CHASSIS || state === "down" ? "" : chassisId(on);
    const row = rowOf.binding({
      id,
      chassis: chassisName,
      state: chassisName === "" ? "down" : state,
      generation,
    });
    return [{ table: "binding", id, row }];
  });

const claim = fc
  .record({
    networkSlot: below(NETWORKS),
    networkLife: below(2),
    slot: below(PORTS),
    life: below(2),
    ip: fc.constantFrom(...ADDRESSES),
    virtual: fc.boolean(),
  })
  .map((given): RowEdit[] => {
    const on = networkId(given.networkSlot, given.networkLife);
    const id = `${on}/${given.ip}`;
    const own = rowOf.port({ id: "", key: given.slot + 1, network: on }).mac;
    const mac = given.virtual ? VIRTUAL_MAC : own;
    const row = {
      id,
      network: on,
      ip: given.ip,
      mac,
      port: portId(given.slot, given.life),
      generation: 1n,
    };
    return [{ table: "claim", id, row }];
  });

const liveness = fc
  .record({
    slot: below(CHASSIS),
    state: fc.constantFrom("alive" as const, "unreachable" as const, "fenced" as const),
  })
  .map(({ slot, state }): RowEdit[] => {
    const id = chassisId(slot);
    return [{ table: "liveness", id, row: { id, state } }];
  });

const router = fc
  .record({ slot: below(ROUTERS), life: below(2), adminUp: fc.boolean() })
  .map(({ slot, life, adminUp }): RowEdit[] => {
    const id = routerId(slot, life);
    const row = rowOf.router({ id, key: slot + 1, project: projectOf(slot), adminUp });
    return [
      { table: "router", id: routerId(slot, 1 - life), row: undefined },
      { table: "router", id, row },
    ];
  });

/** One a pair of slots; of routers and networks that are there or not, of the same project or not. */
const routerInterface = fc
  .record({
    routerSlot: below(ROUTERS),
    routerLife: below(2),
    networkSlot: below(NETWORKS),
    networkLife: below(2),
    given: fc.boolean(),
    routeTable: below(2),
  })
  .map(({ routerSlot, routerLife, networkSlot, networkLife, given, routeTable }): RowEdit[] => {
    const id = `if-${routerSlot}.${networkSlot}`;
    const row = rowOf["router-interface"]({
      id,
      key: routerSlot * NETWORKS + networkSlot + 1,
      router: routerId(routerSlot, routerLife),
      network: networkId(networkSlot, networkLife),
      project: projectOf(routerSlot),
      fixedIps: given ? [{ subnet: `sub-${networkSlot}.4`, ip: `10.0.0.${10 + routerSlot}` }] : [],
      routeTable,
    });
    return [{ table: "router-interface", id, row }];
  });

const end = (slot: number, life: number, address: string) => ({
  router: routerId(slot, life),
  addresses: [`10.9.0.${address}/30`, `fd09::${address}/64`],
});

const routerLink = fc
  .record({ slot: below(LINKS), one: below(ROUTERS), other: below(ROUTERS), life: below(2) })
  .filter(({ one, other }) => one !== other)
  .map(({ slot, one, other, life }): RowEdit[] => {
    const id = `link-${slot}`;
    const ends = [end(one, 0, "1"), end(other, life, "2")] as const;
    return [{ table: "router-link", id, row: rowOf["router-link"]({ id, key: 100 + slot, ends }) }];
  });

const HOPS = ["10.0.0.5", "10.9.0.2", "192.0.2.1", "fd00::5"];
const PREFIXES = ["0.0.0.0/0", "10.0.0.0/24", "10.0.0.4/31", "fd00::/48", "192.0.2.0/24"];

const route = fc
  .record({
    slot: below(RULES),
    on: below(ROUTERS),
    life: below(2),
    table: below(2),
    destination: fc.constantFrom(...PREFIXES),
    nextHops: fc.subarray(HOPS),
  })
  .map(({ slot, on, life, table, destination, nextHops }): RowEdit[] => {
    const id = `route-${slot}`;
    const router = routerId(on, life);
    const row = rowOf.route({ id, key: slot + 1, router, table, destination, nextHops });
    return [{ table: "route", id, row }];
  });

const policy = fc
  .record({
    slot: below(RULES),
    on: below(ROUTERS),
    life: below(2),
    source: fc.option(fc.constantFrom(...PREFIXES)),
    ingress: fc.option(below(NETWORKS)),
    verdict: fc.constantFrom("allow" as const, "drop" as const, "reroute" as const),
    nextHops: fc.subarray(HOPS, { minLength: 1 }),
    ports: fc.subarray(
      [
        { first: 80, last: 80 },
        { first: 1, last: 9 },
      ].reverse(),
    ),
  })
  .map(({ slot, on, life, source, ingress, verdict, nextHops, ports }): RowEdit[] => {
    const id = `policy-${slot}`;
    const row = rowOf["policy-route"]({
      id,
      key: slot + 1,
      router: routerId(on, life),
      source,
      protocol: 6,
      sourcePorts: ports,
      ingressNetwork: ingress === null ? null : networkId(ingress, 0),
      verdict,
      nextHops: verdict === "reroute" ? nextHops : [],
    });
    return [{ table: "policy-route", id, row }];
  });

const leak = fc
  .record({
    slot: below(RULES),
    from: below(ROUTERS),
    fromLife: below(2),
    to: below(ROUTERS),
    toLife: below(2),
    prefixes: fc.subarray(PREFIXES, { minLength: 1 }),
  })
  .map(({ slot, from, fromLife, to, toLife, prefixes }): RowEdit[] => {
    const id = `leak-${slot}`;
    const ends = { from: routerId(from, fromLife), to: routerId(to, toLife) };
    const row = rowOf["route-leak"]({ id, key: slot + 1, ...ends, prefixes });
    return [{ table: "route-leak", id, row }];
  });

const put = fc.oneof(
  { weight: 3, arbitrary: router },
  { weight: 4, arbitrary: routerInterface },
  { weight: 2, arbitrary: routerLink },
  { weight: 2, arbitrary: route },
  { weight: 2, arbitrary: policy },
  { weight: 2, arbitrary: leak },
  { weight: 3, arbitrary: chassis },
  { weight: 3, arbitrary: network },
  { weight: 1, arbitrary: subnet },
  { weight: 6, arbitrary: port },
  { weight: 6, arbitrary: binding },
  { weight: 2, arbitrary: claim },
  { weight: 1, arbitrary: liveness },
);

/** A put, or a delete of what that put would have made. */
const edit = fc
  .tuple(put, fc.integer({ min: 0, max: 4 }))
  .map(([edits, dice]): RowEdit[] =>
    dice > 0 ? edits : edits.map(({ table, id }) => ({ table, id, row: undefined })),
  );

/** Where everything is right: most histories start from here, so that they have something to break. */
const whole: RowEdit[] = [
  ...Array.from({ length: CHASSIS }, (_, slot): RowEdit => {
    const id = chassisId(slot);
    const key = slot < 2 ? slot + 1 : slot * 128;
    return { table: "chassis", id, row: rowOf.chassis({ id, key }) };
  }),
  ...Array.from({ length: NETWORKS }, (_, slot): RowEdit => {
    const row = networkRow(slot, 0, {});
    return { table: "network", id: row.id, row };
  }),
  ...Array.from({ length: NETWORKS }, (_, slot): RowEdit => {
    const id = `sub-${slot}.4`;
    const subnet = { id, network: networkId(slot, 0), cidr: "10.0.0.0/24", gatewayIp: "10.0.0.1" };
    return { table: "subnet", id, row: rowOf.subnet(subnet) };
  }),
  ...Array.from({ length: ROUTERS }, (_, slot): RowEdit[] => {
    const id = routerId(slot, 0);
    const row = rowOf.router({ id, key: slot + 1, project: projectOf(slot) });
    // Routers 0 and 2 share a network and a project, router 3 is on the provider network.
    const on = [0, 1, 0, PROVIDER][slot] ?? 0;
    const given = {
      id: `if-${slot}.${on}`,
      key: slot * NETWORKS + on + 1,
      fixedIps: slot === 2 ? [{ subnet: "sub-0.4", ip: "10.0.0.12" }] : [],
    };
    const ends = { router: id, network: networkId(on, 0) };
    return [
      { table: "router", id, row },
      {
        table: "router-interface",
        id: given.id,
        row: rowOf["router-interface"]({ ...given, ...ends, project: projectOf(slot) }),
      },
    ];
  }).flat(),
  {
    table: "route-leak",
    id: "leak-0",
    row: rowOf["route-leak"]({
      ...{ id: "leak-0", key: 1, from: routerId(0, 0), to: routerId(1, 0) },
      prefixes: ["10.0.0.4/31"],
    }),
  },
  ...Array.from({ length: PORTS }, (_, slot): RowEdit[] => {
    const id = portId(slot, 0);
    const on = networkId(slot % NETWORKS, 0);
    const project = projectOf(slot % NETWORKS);
    const allowedAddressPairs = [{ ip: "10.0.0.0/24", mac: null }];
    const fixedIps = slot < 3 ? [{ subnet: "any", ip: "10.0.0.5" }] : [];
    const given = { id, key: slot + 1, network: on, project, fixedIps, allowedAddressPairs };
    const row = rowOf.port(given);
    const claimId = `${on}/10.0.0.6`;
    const claimed = { id: claimId, network: on, ip: "10.0.0.6", port: id, generation: 1n };
    return [
      { table: "port", id, row },
      { table: "binding", id, row: rowOf.binding({ id, chassis: chassisId(slot % CHASSIS) }) },
      { table: "claim", id: claimId, row: { ...claimed, mac: row.mac } },
    ];
  }).flat(),
];

/** One to eight edits, then changes of up to two rows that concern nobody. */
const step = fc
  .record({
    edits: fc.array(edit, { minLength: 1, maxLength: 8 }),
    picks: fc.array(below(1000), { maxLength: 2 }),
  })
  .map(({ edits, picks }) => ({ edits: edits.flat(), picks }));

export const history: fc.Arbitrary<RowEdit[][]> = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: fc.constant(whole) },
      { weight: 1, arbitrary: fc.constant<RowEdit[]>([]) },
    ),
    fc.array(step, { minLength: 1, maxLength: 25, size: "max" }),
  )
  .map(([first, rest]) => withTouches([{ edits: first, picks: [] }, ...rest]));
