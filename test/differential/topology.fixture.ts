// A topology of each kind of thing for the tests of the comparison: two overlays and a VLAN behind one router, a second router joined
// by a link, routes, a policy. For tests only.

import {
  EMPTY,
  type Item,
  type Network,
  type Port,
  put,
  type Route,
  type Topology,
} from "./topology.ts";

const project = "red";

export function network(
  number: number,
  type: Network["type"] = { encap: "geneve" },
  mtuBytes = 1400,
): readonly Item[] {
  const id = `n${number}`;
  return [
    { kind: "network", id, project, type, mtuBytes },
    ...[`10.0.${number}.0/24`, `fd00:${number}::/64`].map((cidr): Item => {
      const gateway = cidr.includes(":") ? `fd00:${number}::1` : `10.0.${number}.1`;
      const subnet = `s${number}${cidr.includes(":") ? "6" : "4"}`;
      return { kind: "subnet", id: subnet, project, network: id, cidr, gateway };
    }),
  ];
}

/** The port p<number> of network n<in>; its addresses end in 10 + number. */
export function port(number: number, inNetwork: number, more: Partial<Port> = {}): Port {
  const last = 10 + number;
  return {
    ...{ kind: "port", id: `p${number}`, project, network: `n${inNetwork}` },
    mac: `02:00:00:00:00:${last}`,
    ips: [`10.0.${inNetwork}.${last}`, `fd00:${inNetwork}::${last}`],
    ...{ pairs: [], claims: [], security: true, up: true, host: number % 2 },
    ...more,
  };
}

export function router(number: number, up = true): Item {
  return { kind: "router", id: `r${number}`, project, up };
}

/** Of router r<of> in network n<in>; `ips`: when it is not the gateway. */
export function interface_(of: number, inNetwork: number, ips: readonly string[] = []): Item {
  return {
    ...{ kind: "interface", id: `i${of}${inNetwork}`, project, ips, table: 0 },
    ...{ router: `r${of}`, network: `n${inNetwork}`, mac: gatewayMac(of, inNetwork) },
  };
}

export function gatewayMac(of: number, inNetwork: number): string {
  return `02:00:00:00:f${of}:0${inNetwork}`;
}

export function route(
  id: string,
  of: number,
  destination: string,
  nextHops: readonly string[],
): Route {
  return { kind: "route", id, project, router: `r${of}`, table: 0, destination, nextHops };
}

export function leak(of: string, to: string, prefixes: readonly string[]): Item {
  return { kind: "leak", id: "l1", project, from: of, to, prefixes };
}

/** p1, p2 in n1; p3, p4 (port security off) in n2, which carries less; p5 in the VLAN n3; p6 in n4 behind r2. */
export const WORLD: Topology = put(
  EMPTY,
  ...network(1),
  ...network(2, { encap: "vxlan" }, 1300),
  ...network(3, { vlan: 101, shared: false }),
  ...network(4),
  ...[port(1, 1), port(2, 1), port(3, 2), port(4, 2, { security: false }), port(5, 3), port(6, 4)],
  ...[router(1), interface_(1, 1), interface_(1, 2), interface_(1, 3)],
  ...[router(2), interface_(2, 4)],
  {
    ...{ kind: "link", id: "k1", project },
    ends: [
      { router: "r1", addresses: ["10.255.1.1/30", "fd00:ff:1::1/64"] },
      { router: "r2", addresses: ["10.255.1.2/30", "fd00:ff:1::2/64"] },
    ],
  },
  route("t1", 1, "10.0.4.0/24", ["10.255.1.2"]),
  route("t2", 2, "10.0.1.0/24", ["10.255.1.1"]),
  route("t3", 1, "192.0.2.0/24", []),
  route("t4", 1, "203.0.113.0/24", ["10.0.2.13", "10.0.2.14"]),
  route("t5", 1, "203.0.113.128/25", ["10.0.2.14"]),
  {
    ...{ kind: "policy", id: "q1", project, router: "r1", priority: 10, family: 4 },
    ...{ source: null, destination: "10.0.3.0/24", protocol: 17, ingress: null, action: "drop" },
    ports: { first: 50, last: 60 },
  },
);

/** The same with p7 in n5 behind r3, of which r1 has 10.0.5.16/28 and fd00:5::/64 by a leak; 10.0.5.30 is claimed. */
export const LEAKED: Topology = put(
  WORLD,
  ...network(5),
  port(7, 5, { pairs: [{ ip: "10.0.5.30" }], claims: ["10.0.5.30"] }),
  ...[router(3), interface_(3, 5), leak("r3", "r1", ["10.0.5.16/28", "fd00:5::/64"])],
);

/** The same with n3 shared: p8 and r4 of another project are on it. */
export const SHARED: Topology = put(
  WORLD,
  { ...(WORLD.get("n3") as Network), type: { vlan: 101, shared: true } },
  port(8, 3, { project: "blue" }),
  { kind: "router", id: "r4", project: "blue", up: true },
  {
    ...{ kind: "interface", id: "i43", project: "blue", router: "r4", network: "n3" },
    ...{ mac: gatewayMac(4, 3), ips: ["10.0.3.98", "fd00:3::98"], table: 0 },
  },
);
