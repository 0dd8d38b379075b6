// Random histories over all tables for property tests: small pools of ids, keys that are used again, rows that refer to what is
// not there, several changes a batch in any order. Test support.

import fc from "fast-check";
import type { RowEdit } from "./memory-rows.ts";
import { rowOf } from "./memory-rows.ts";

const CHASSIS = 4;
const NETWORKS = 4;
const PORTS = 6;
const below = (count: number) => fc.integer({ min: 0, max: count - 1 });
const chassisId = (slot: number): string => `chassis-${slot}`;
const projectOf = (networkSlot: number): string => (networkSlot % 2 === 0 ? "red" : "blue");
const networkId = (slot: number, life: number): string => `net-${slot}.${life}`;
const portId = (slot: number, life: number): string => `port-${slot}.${life}`;
/** Equal addresses in different networks, and some that ports and pairs share. */
const ADDRESSES = ["10.0.0.5", "10.0.0.6", "fd00::5", "10.0.0.7"];

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
  .record({ slot: below(NETWORKS), life: below(2), mtuBytes: fc.constantFrom(0, 1400) })
  .map(({ slot, life, mtuBytes }): RowEdit[] => {
    const id = networkId(slot, life);
    const provider = slot === 3;
    const row = rowOf.network({
      id,
      key: slot + 1,
      project: projectOf(slot),
      mtuBytes,
      encap: provider ? null : slot === 2 ? 2 : 1,
      physicalNetwork: provider ? "physnet1" : null,
    });
    return [
      { table: "network", id: networkId(slot, 1 - life), row: undefined },
      { table: "network", id, row },
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
    networkSlot: below(NETWORKS),
    networkLife: below(2),
    requested: fc.option(below(CHASSIS)),
    addresses: fc.subarray(ADDRESSES),
    pairs: fc.subarray(["10.0.0.7", "10.0.0.0/24", "fd00::/64"]),
    portSecurity: fc.boolean(),
    adminUp: fc.boolean(),
  })
  .map((given): RowEdit[] => {
    const id = portId(given.slot, given.life);
    const row = rowOf.port({
      id,
      key: given.slot + 1,
      network: networkId(given.networkSlot, given.networkLife),
      project: projectOf(given.networkSlot),
      requestedChassis: given.requested === null ? null : chassisId(given.requested),
      fixedIps: given.addresses.map((ip) => ({ subnet: "any", ip })),
      allowedAddressPairs: given.pairs.map((ip) => ({ ip, mac: null })),
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
  })
  .map((given): RowEdit[] => {
    const on = networkId(given.networkSlot, given.networkLife);
    const id = `${on}/${given.ip}`;
    const mac = rowOf.port({ id: "", key: given.slot + 1, network: on }).mac;
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

const put = fc.oneof(
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
  ...Array.from({ length: NETWORKS - 1 }, (_, slot): RowEdit => {
    const id = networkId(slot, 0);
    const row = rowOf.network({ id, key: slot + 1, project: projectOf(slot) });
    return { table: "network", id, row };
  }),
  ...Array.from({ length: PORTS }, (_, slot): RowEdit[] => {
    const id = portId(slot, 0);
    const on = networkId(slot % (NETWORKS - 1), 0);
    const project = projectOf(slot % (NETWORKS - 1));
    const allowedAddressPairs = [{ ip: "10.0.0.0/24", mac: null }];
    const row = rowOf.port({ id, key: slot + 1, network: on, project, allowedAddressPairs });
    const claimId = `${on}/10.0.0.6`;
    const claimed = { id: claimId, network: on, ip: "10.0.0.6", port: id, generation: 1n };
    return [
      { table: "port", id, row },
      { table: "binding", id, row: rowOf.binding({ id, chassis: chassisId(slot % CHASSIS) }) },
      { table: "claim", id: claimId, row: { ...claimed, mac: row.mac } },
    ];
  }).flat(),
];

/** Steps of one to eight edits. */
export const history: fc.Arbitrary<RowEdit[][]> = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: fc.constant(whole) },
      { weight: 1, arbitrary: fc.constant<RowEdit[]>([]) },
    ),
    fc.array(fc.array(edit, { minLength: 1, maxLength: 8 }), {
      minLength: 1,
      maxLength: 25,
      size: "max",
    }),
  )
  .map(([first, rest]) => [first].concat(rest.map((step) => step.flat())));
