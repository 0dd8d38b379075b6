// Random routed topologies: three projects with overlays and routers, provider networks of which one is shared, links that make long
// chains, leaks in any direction, ports everywhere, addresses that move between them. Rows of one topology, and of changes to it. Test
// support.

import fc from "fast-check";
import { type RowEdit, rowOf } from "./memory-rows.ts";

export const CHASSIS = ["c0", "c1", "c2", "c3", "c4"];
const PROJECTS = ["red", "blue", "green"];
/** Red has enough to be further apart than a packet gets. */
const ROUTERS = [11, 3, 2];
const NETWORKS = 5;
const PORTS = 18;
const LINKS = 10;
const LEAKS = 6;
const RULES = 4;
const below = (count: number) => fc.integer({ min: 0, max: count - 1 });
const project = below(PROJECTS.length);
const nameOf = (at: number): string => PROJECTS[at] ?? "";

/** A network by number: five of each project, then the shared provider network and one that is not. */
const SHARED = PROJECTS.length * NETWORKS;
const OWN = SHARED + 1;
const networkOf = (projectAt: number, at: number): number =>
  at < NETWORKS ? projectAt * NETWORKS + at : at === NETWORKS ? SHARED : OWN;
/** The second provider network is red's alone. */
const choiceOf = (projectAt: number): number => (projectAt === 0 ? NETWORKS + 2 : NETWORKS + 1);
const cidr4 = (network: number): string => `10.0.${network}.0/24`;
/** Above the addresses that ports are given. */
const pairOf = (network: number): string => `10.0.${network}.64/26`;
const VIRTUAL_MAC = "00:00:5e:00:01:07";
const cidr6 = (network: number): string => `fd00:${network + 1}::/64`;
const routerId = (projectAt: number, at: number): string => `r-${nameOf(projectAt)}-${at}`;

/** Of a project's things, one: the number is taken modulo how many there are. */
const some = below(1000);

const network = fc
  .record({ at: below(OWN + 1), shared: fc.integer({ min: 0, max: 7 }) })
  .map(({ at, shared }): RowEdit[] => {
    const provider = at >= SHARED;
    const id = `n-${at}`;
    const row = rowOf.network({
      id,
      key: at + 1,
      project: provider ? "red" : nameOf(Math.floor(at / NETWORKS)),
      encap: provider ? null : at % 2 === 0 ? 1 : 2,
      physicalNetwork: provider ? "physnet1" : null,
      shared: at === SHARED && shared > 0,
    });
    return [{ table: "network", id, row }];
  });

const subnet = fc
  .record({ at: below(OWN + 1), v6: fc.boolean(), gateway: fc.integer({ min: 0, max: 3 }) })
  .map(({ at, v6, gateway }): RowEdit[] => {
    const id = `s-${at}.${v6 ? 6 : 4}`;
    const cidr = v6 ? cidr6(at) : cidr4(at);
    const gatewayIp = gateway === 0 ? null : v6 ? `fd00:${at + 1}::1` : `10.0.${at}.1`;
    return [
      { table: "subnet", id, row: rowOf.subnet({ id, network: `n-${at}`, cidr, gatewayIp }) },
    ];
  });

const router = fc
  .record({ project, some, up: fc.integer({ min: 0, max: 7 }) })
  .map(({ project: of, some: at, up }): RowEdit[] => {
    const slot = at % (ROUTERS[of] ?? 1);
    const id = routerId(of, slot);
    const row = rowOf.router({ id, key: of * 20 + slot + 1, project: nameOf(of), adminUp: up > 0 });
    return [{ table: "router", id, row }];
  });

const routerInterface = fc
  .record({ project, some, network: some, given: fc.boolean() })
  .map(({ project: of, some: at, network: on, given }): RowEdit[] => {
    const slot = at % (ROUTERS[of] ?? 1);
    // The network that is not shared too: such an interface must not count.
    const number = networkOf(of, on % (NETWORKS + 2));
    const id = `i-${of}-${slot}-${number}`;
    const row = rowOf["router-interface"]({
      id,
      key: (of * 20 + slot) * 20 + number + 1,
      project: nameOf(of),
      router: routerId(of, slot),
      network: `n-${number}`,
      fixedIps: given ? [{ subnet: `s-${number}.4`, ip: `10.0.${number}.${100 + slot}` }] : [],
    });
    return [{ table: "router-interface", id, row }];
  });

/** Mostly between neighbours of a row of routers, so that chains grow long. */
const link = fc
  .record({
    project: fc.constantFrom(0, 0, 0, 0, 1, 2),
    slot: below(LINKS),
    some,
    next: fc.integer({ min: 0, max: 20 }),
  })
  .map(({ project: of, slot, some: at, next }): RowEdit[] => {
    const count = ROUTERS[of] ?? 1;
    const first = (next > 1 ? slot : at) % count;
    const second = (first + (next > 1 ? 1 : 2 + next)) % count;
    const id = `l-${slot}`;
    const end = (router: number, last: number) => ({
      router: routerId(of, router),
      addresses: [`10.9.${slot}.${last}/30`, `fd09:${slot + 1}::${last}/64`],
    });
    if (first === second) return [];
    const ends = [end(first, 1), end(second, 2)] as const;
    const row = rowOf["router-link"]({ id, key: 1000 + slot, project: nameOf(of), ends });
    return [{ table: "router-link", id, row }];
  });

const port = fc
  .record({
    slot: below(PORTS),
    project,
    network: some,
    // Most are placed by their binding, so that they are where they are programmed.
    chassis: fc.constantFrom(null, null, null, null, ...CHASSIS.slice(0, 2)),
    last: fc.integer({ min: 2, max: 40 }),
    open: fc.integer({ min: 0, max: 3 }),
    v6: fc.boolean(),
    pair: fc.constantFrom(undefined, null, VIRTUAL_MAC),
  })
  .map(({ slot, project: of, network: on, chassis, last, open, v6, pair }): RowEdit[] => {
    const number = networkOf(of, on % choiceOf(of));
    const id = `p-${slot}`;
    const ips = [`10.0.${number}.${last}`, `fd00:${number + 1}::${last.toString(16)}`];
    const row = rowOf.port({
      id,
      key: slot + 1,
      project: nameOf(of),
      network: `n-${number}`,
      requestedChassis: chassis,
      fixedIps: ips.slice(0, v6 ? 2 : 1).map((ip) => ({ subnet: "any", ip })),
      allowedAddressPairs: pair === undefined ? [] : [{ ip: pairOf(number), mac: pair }],
      portSecurity: open > 0,
    });
    return [{ table: "port", id, row }];
  });

const binding = fc
  .record({
    slot: below(PORTS),
    chassis: fc.constantFrom(...CHASSIS),
    state: fc.constantFrom("plugged" as const, "programmed" as const, "up" as const),
  })
  .map(({ slot, chassis, state }): RowEdit[] => {
    const id = `p-${slot}`;
    return [{ table: "binding", id, row: rowOf.binding({ id, chassis, state }) }];
  });

const rule = fc
  .record({ project, some, slot: below(RULES), policy: fc.boolean(), on: below(OWN + 1) })
  .map(({ project: of, some: at, slot, policy, on }): RowEdit[] => {
    const given = {
      id: `x-${slot}`,
      key: slot + 1,
      project: nameOf(of),
      router: routerId(of, at % (ROUTERS[of] ?? 1)),
      destination: `192.0.${slot}.0/24`,
    };
    const { id } = given;
    if (!policy) {
      const nextHops = [`10.0.${on}.9`, `10.9.${slot}.1`];
      return [{ table: "route", id, row: rowOf.route({ ...given, nextHops }) }];
    }
    const row = rowOf["policy-route"]({ ...given, verdict: "drop", ingressNetwork: `n-${on}` });
    return [{ table: "policy-route", id, row }];
  });

const leak = fc
  .record({
    slot: below(LEAKS),
    ...{ fromProject: project, from: some, toProject: project, to: some },
    prefixes: fc.array(
      fc
        .tuple(below(OWN + 1), below(5))
        .map(
          ([on, cut]) =>
            [cidr4(on), cidr6(on), "10.0.0.0/16", `10.0.${on}.0/27`, `fd00:${on + 1}::/123`][cut] ??
            "",
        ),
      { minLength: 1, maxLength: 6 },
    ),
  })
  .map(({ slot, fromProject, from, toProject, to, prefixes }): RowEdit[] => {
    const id = `k-${slot}`;
    const row = rowOf["route-leak"]({
      id,
      key: slot + 1,
      project: nameOf(toProject),
      from: routerId(fromProject, from % (ROUTERS[fromProject] ?? 1)),
      to: routerId(toProject, to % (ROUTERS[toProject] ?? 1)),
      prefixes: [...new Set(prefixes)],
    });
    return [{ table: "route-leak", id, row }];
  });

const put = fc.oneof(
  { weight: 2, arbitrary: network },
  { weight: 1, arbitrary: subnet },
  { weight: 2, arbitrary: router },
  { weight: 4, arbitrary: routerInterface },
  { weight: 3, arbitrary: link },
  { weight: 4, arbitrary: port },
  { weight: 4, arbitrary: binding },
  { weight: 2, arbitrary: rule },
  { weight: 2, arbitrary: leak },
);

/** A put, or now and then a delete of what that put would have made. */
const edit = fc
  .tuple(put, below(6))
  .map(([edits, dice]): RowEdit[] =>
    dice > 0 ? edits : edits.map(({ table, id }) => ({ table, id, row: undefined })),
  );

/** Chassis, networks, subnets and routers are all there at first; the rest is random. */
const ground: RowEdit[] = [
  ...CHASSIS.map((id, at): RowEdit => {
    const vtep = { ip: `172.31.0.${at + 1}`, underlayMtuBytes: 1600 };
    const encaps = [
      { type: 1 as const, ...vtep },
      { type: 2 as const, ...vtep },
    ];
    return { table: "chassis", id, row: rowOf.chassis({ id, key: at + 1, encaps }) };
  }),
  ...Array.from({ length: OWN + 1 }, (_, at): RowEdit[] => {
    const provider = at >= SHARED;
    const id = `n-${at}`;
    const row = rowOf.network({
      ...{ id, key: at + 1, shared: at === SHARED },
      project: provider ? "red" : nameOf(Math.floor(at / NETWORKS)),
      encap: provider ? null : 1,
      physicalNetwork: provider ? "physnet1" : null,
    });
    const subnets = [
      { id: `s-${at}.4`, cidr: cidr4(at), gatewayIp: `10.0.${at}.1` },
      { id: `s-${at}.6`, cidr: cidr6(at), gatewayIp: `fd00:${at + 1}::1` },
    ];
    return [
      { table: "network", id, row },
      ...subnets.map(
        (one): RowEdit => ({
          table: "subnet",
          id: one.id,
          row: rowOf.subnet({ ...one, network: id }),
        }),
      ),
    ];
  }).flat(),
  ...PROJECTS.flatMap((name, of) =>
    Array.from({ length: ROUTERS[of] ?? 1 }, (_, slot): RowEdit => {
      const id = routerId(of, slot);
      return {
        table: "router",
        id,
        row: rowOf.router({ id, key: of * 20 + slot + 1, project: name }),
      };
    }),
  ),
];

const claims = fc.array(
  fc.record({ some, wired: fc.boolean(), vip: below(2), forged: below(6), gone: below(6) }),
  { maxLength: 12, size: "max" },
);
type Claims = typeof claims extends fc.Arbitrary<infer T> ? T : never;

/** Claims of some of these ports, where they were put, half of them on provider networks; now and then one is withdrawn. */
function claimed(edits: readonly RowEdit[], choices: Claims): RowEdit[] {
  const ports = edits.flatMap(({ table, row }) => (table === "port" && row ? [row] : []));
  const onTheWire = ports.filter(({ network: on }) => Number(on.slice(2)) >= SHARED);
  return choices.flatMap(({ some: at, wired, vip, forged, gone }): RowEdit[] => {
    const from = wired ? onTheWire : ports;
    const claimer = from[at % from.length];
    if (claimer === undefined) return [];
    const { id: port, network, mac: own, allowedAddressPairs } = claimer;
    const ip = `10.0.${network.slice(2)}.${64 + vip}`;
    const id = `${network}/${ip}`;
    const mac = forged === 0 ? "02:00:00:00:00:ff" : (allowedAddressPairs[0]?.mac ?? own);
    const row = gone === 0 ? undefined : { id, network, ip, mac, port, generation: 1n };
    return [{ table: "claim", id, row }];
  });
}

const many = (arbitrary: fc.Arbitrary<RowEdit[]>, most: number) =>
  fc.array(arbitrary, { minLength: 1, maxLength: most, size: "max" });

/** A topology, then changes to it. */
export const topology: fc.Arbitrary<RowEdit[][]> = fc
  .tuple(
    many(link, 30),
    many(routerInterface, 40),
    many(port, 40),
    many(binding, 40),
    many(leak, 8),
    many(rule, 10),
    claims,
    fc.array(fc.tuple(many(edit, 4), claims), { maxLength: 6 }),
  )
  .map(([links, interfaces, ports, bindings, leaks, rules, held, changes]) => {
    const parts = [links, interfaces, ports, bindings, leaks, rules].flat(2);
    const there = ports.flat();
    const first = ground.concat(parts, claimed(there, held));
    return [first].concat(changes.map(([step, more]) => step.flat().concat(claimed(there, more))));
  });
