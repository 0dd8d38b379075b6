// What topologies of the comparison are made of: networks, ports, routers, links and routes put into a topology, each with ids, addresses
// and MACs that follow from what is there already. No decision of its own but the random ones. Pure; called by features.ts, generate.ts.

import { cidrAddress, parseCidr } from "@weft/shared/net/cidr.ts";
import type { Random } from "./random.ts";
import {
  all,
  attachments,
  familyOf,
  get,
  type Interface,
  isProvider,
  MTUS_BYTES,
  type Item,
  type Link,
  type Network,
  type Policy,
  type Port,
  portsOf,
  put,
  type Route,
  subnetsOf,
  type Topology,
  without,
} from "./topology.ts";

export const HOSTS = 2;
const MOST_PORTS = 10;

/** A new id of a kind: its letter and a number that was never used in this topology. */
export function freshId(topology: Topology, letter: string): string {
  let number = 1;
  while (topology.has(`${letter}${number}`)) number++;
  return `${letter}${number}`;
}

export function numberOf(id: string): number {
  return Number.parseInt(id.replace(/\D/g, ""), 10);
}

/** Projects of the two tenants; they have the same addresses and MACs. */
export const PROJECTS = ["red", "blue"] as const;

/** The n-th network of a tenant has the same prefixes in both. */
export function prefixesOf(place: number): Readonly<Record<4 | 6, string>> {
  return { 4: `10.0.${place}.0/24`, 6: `fd00:${place}::/64` };
}

export function mac(part: number, number: number): string {
  const hex = (value: number) => value.toString(16).padStart(2, "0");
  return `02:00:00:00:${hex(part)}:${hex(number)}`;
}

export function networkWith(
  topology: Topology,
  project: string,
  random: Random,
  type: Network["type"],
): Topology {
  const id = freshId(topology, "n");
  const taken = all(topology, "network").filter((one) => one.project === project);
  const place = Math.max(0, ...taken.map((one) => placeOf(topology, one))) + 1;
  const mtuBytes = random.chance(0.2) ? MTUS_BYTES.small : MTUS_BYTES.large;
  const network: Network = { kind: "network", id, project, type, mtuBytes };
  const families = random.pick([[4, 6], [4, 6], [4, 6], [4], [6]] as const);
  return families.reduce(
    (current, family) => withSubnet(current, network, prefixesOf(place)[family]),
    put(topology, network),
  );
}

export function placeOf(topology: Topology, network: Network): number {
  const [subnet] = subnetsOf(topology, network.id);
  const cidr = subnet?.cidr ?? "10.0.0.0/24";
  return Number.parseInt(
    cidr.includes(":") ? (cidr.split(":")[1] ?? "0") : (cidr.split(".")[2] ?? "0"),
    cidr.includes(":") ? 16 : 10,
  );
}

export function withSubnet(
  topology: Topology,
  { id: network, project }: Network,
  cidr: string,
): Topology {
  const prefix = parseCidr(cidr);
  if (prefix === undefined) throw new Error(`no prefix: ${cidr}`);
  const gateway = cidrAddress(prefix, 1n);
  const id = freshId(topology, "s");
  return put(topology, { kind: "subnet", id, project, network, cidr, gateway });
}

export function withPort(topology: Topology, network: Network, random: Random): Topology {
  if (all(topology, "port").length >= MOST_PORTS) return topology;
  const subnets = subnetsOf(topology, network.id);
  const taken = portsOf(topology, network.id);
  const last = Math.max(10, ...taken.map(lastPart)) + 1;
  const port: Port = {
    ...{ kind: "port", id: freshId(topology, "p"), project: network.project, network: network.id },
    mac: mac(placeOf(topology, network), last),
    ips: subnets.map(({ cidr }) => addressAt(cidr, last)),
    ...{ pairs: [], claims: [], security: true, up: true },
    host: random.between(0, HOSTS - 1),
  };
  return port.ips.length === 0 ? topology : put(topology, port);
}

export function lastPart({ mac: text }: Port): number {
  return Number.parseInt(text.slice(-2), 16);
}

export function addressAt(cidr: string, offset: number): string {
  const prefix = parseCidr(cidr);
  if (prefix === undefined) throw new Error(`no prefix: ${cidr}`);
  return cidrAddress(prefix, BigInt(offset));
}

/** A router with interfaces in some of the project's networks that it has none in. */
export function withRouter(topology: Topology, random: Random): Topology {
  const project = random.pick(projectsOf(topology));
  const id = freshId(topology, "r");
  const networks = all(topology, "network").filter((one) => one.project === project);
  const chosen = random.shuffle(networks).slice(0, random.between(1, 3));
  return chosen.reduce(
    (current, network) => withInterface(current, id, network),
    put(topology, { kind: "router", id, project, up: true }),
  );
}

export function projectsOf(topology: Topology): readonly string[] {
  return [...new Set(all(topology, "network").map(({ project }) => project))];
}

export function withInterface(topology: Topology, router: string, network: Network): Topology {
  const others = all(topology, "interface").filter((one) => one.network === network.id);
  if (others.some((one) => one.router === router)) return topology;
  const id = freshId(topology, "i");
  // The first has the gateway's addresses, the others some of their own.
  const isFirst = !others.some(({ ips }) => ips.length === 0);
  const ips = isFirst
    ? []
    : subnetsOf(topology, network.id).map(({ cidr }) => addressAt(cidr, 100 + numberOf(id)));
  const one: Interface = {
    ...{ kind: "interface", id, project: network.project, router, network: network.id },
    ...{ mac: mac(0xf0 + (numberOf(id) >> 8), numberOf(id) & 0xff), ips, table: 0 },
  };

  return put(topology, one);
}

export function withLink(topology: Topology, first: string, second: string): Topology {
  const id = freshId(topology, "k");
  const n = numberOf(id);
  const end = (router: string, part: number) => ({
    router,
    addresses: [`10.255.${n}.${part}/30`, `fd00:ff:${n}::${part}/64`],
  });
  const link: Link = {
    ...{ kind: "link", id, project: get(topology, "router", first).project },
    ends: [end(first, 1), end(second, 2)],
  };
  return put(topology, link);
}

/** Routes over a link (or another joined segment) to all that is connected at the other router. */
export function withRoutesTo(topology: Topology, from: string, to: string): Topology {
  const near = attachments(topology, from);
  const far = attachments(topology, to);
  const joint = far.find(({ segment }) => near.some((one) => one.segment === segment));
  if (joint === undefined) return topology;
  const known = near.flatMap(({ addresses }) => addresses.map(({ cidr }) => cidr));
  const wanted = far.flatMap(({ addresses }) => addresses.map(({ cidr }) => cidr));
  return wanted
    .filter((cidr) => !known.includes(cidr))
    .reduce((current, destination) => {
      const hop = joint.addresses.find(({ ip }) => familyOf(ip) === familyOf(destination));
      return hop === undefined ? current : withRoute(current, from, 0, destination, [hop.ip]);
    }, topology);
}

export function withRoute(
  topology: Topology,
  router: string,
  table: number,
  destination: string,
  nextHops: readonly string[],
): Topology {
  const exists = all(topology, "route").some(
    (one) => one.router === router && one.table === table && one.destination === destination,
  );
  if (exists) return topology;
  const route: Route = {
    ...{ kind: "route", id: freshId(topology, "t"), router, table, destination, nextHops },
    project: get(topology, "router", router).project,
  };
  return put(topology, route);
}

/** Prefixes that nothing in a topology is connected to, for static routes. */
const FAR_PREFIXES: Readonly<Record<4 | 6, readonly string[]>> = {
  4: ["0.0.0.0/0", "192.0.2.0/24", "192.0.2.64/26", "203.0.113.9/32"],
  6: ["::/0", "2001:db8:2::/48", "2001:db8:2:1::/64", "2001:db8:9::9/128"],
};

export function anyRouter(topology: Topology, random: Random): string | null {
  const routers = all(topology, "router");
  return routers.length === 0 ? null : random.pick(routers).id;
}

/** Addresses of ports that a router can use as next hops, those of one family. */
export function hopsOf(topology: Topology, router: string, family: 4 | 6): readonly string[] {
  const segments = all(topology, "interface").filter((one) => one.router === router);
  return segments.flatMap(({ network }) =>
    portsOf(topology, network).flatMap(({ ips, claims }) =>
      [...ips, ...claims].filter((ip) => familyOf(ip) === family),
    ),
  );
}

/** Guests that are to forward for others receive for them too. */
export function asForwarders(
  topology: Topology,
  router: string,
  hops: readonly string[],
): Topology {
  const networks = all(topology, "interface")
    .filter((one) => one.router === router)
    .map(({ network }) => network);
  const ports = all(topology, "port").filter(
    ({ network, ips, claims }) =>
      networks.includes(network) && [...ips, ...claims].some((ip) => hops.includes(ip)),
  );
  const any = [{ ip: "0.0.0.0/0" }, { ip: "::/0" }];
  return put(
    topology,
    ...ports.map((port) =>
      withPairs(port, [...port.pairs.filter(({ ip }) => !ip.endsWith("/0")), ...any]),
    ),
  );
}

export function farRoute(topology: Topology, random: Random, hopCount: number): Topology {
  const router = anyRouter(topology, random);
  if (router === null) return topology;
  const family = random.pick([4, 6] as const);
  const hops = random.shuffle([...new Set(hopsOf(topology, router, family))]).slice(0, hopCount);
  if (hops.length < Math.min(hopCount, 2) && hopCount > 0) return topology;
  const table = random.pick(tablesOf(topology, router));
  const destination = random.pick(FAR_PREFIXES[family]);
  // Without the pairs a guest with port security gets nothing for others: that difference is wanted too, now and then.
  const ready = random.chance(0.85) ? asForwarders(topology, router, hops) : topology;
  return withRoute(ready, router, table, destination, hops);
}

export function tablesOf(topology: Topology, router: string): readonly number[] {
  const own = all(topology, "interface").filter((one) => one.router === router);
  return own.length === 0 ? [0] : own.map(({ table }) => table);
}

export function changeOne<T extends Item>(
  topology: Topology,
  random: Random,
  items: readonly T[],
  to: (item: T) => Item | null,
): Topology {
  if (items.length === 0) return topology;
  const item = random.pick(items);
  const now = to(item);
  return now === null ? without(topology, item.id) : put(topology, now);
}

export const dropOne =
  (kind: Item["kind"]) =>
  (topology: Topology, random: Random): Topology =>
    changeOne(
      topology,
      random,
      [...topology.values()].filter((one) => one.kind === kind),
      () => null,
    );

export function withPolicy(topology: Topology, random: Random): Topology {
  const router = anyRouter(topology, random);
  if (router === null) return topology;
  const family = random.pick([4, 6] as const);
  const own = all(topology, "interface").filter((one) => one.router === router);
  const prefixes = all(topology, "subnet")
    .map(({ cidr }) => cidr)
    .filter((cidr) => familyOf(cidr) === family);
  const some = (chance: number) =>
    prefixes.length > 0 && random.chance(chance) ? random.pick(prefixes) : null;
  const protocol = random.pick([0, 0, 6, 17]);
  const hops = random
    .shuffle([...new Set(hopsOf(topology, router, family))])
    .slice(0, random.between(1, 2));
  const kinds = ["allow", "drop", ...(hops.length > 0 ? ["reroute", "reroute"] : [])];
  const chosen = random.pick(kinds);
  const taken = all(topology, "policy").filter((one) => one.router === router);
  const [source, destination] = [some(0.5), some(0.5)];
  const isAny = source === null && destination === null && chosen !== "reroute";
  const policy: Policy = {
    ...{ kind: "policy", id: freshId(topology, "q"), router, protocol, source, destination },
    family: isAny ? null : family,
    project: get(topology, "router", router).project,
    priority: 100 + taken.length * 10 + random.between(0, 5),
    ports:
      protocol !== 0 && random.chance(0.6)
        ? random.pick([
            { first: 80, last: 80 },
            { first: 50, last: 443 },
          ])
        : null,
    ingress: own.length > 0 && random.chance(0.3) ? random.pick(own).network : null,
    action: chosen === "reroute" ? { nextHops: hops } : chosen === "drop" ? "drop" : "allow",
  };
  if (taken.some((one) => one.priority === policy.priority)) return topology;
  const ready = chosen === "reroute" ? asForwarders(topology, router, hops) : topology;
  return put(ready, policy);
}

/** Two routers of a project joined, if they are not, and routes from each to what the other is connected to. */
export function joined(topology: Topology, random: Random): Topology {
  const routers = random.shuffle(all(topology, "router"));
  const [first] = routers;
  const second = routers.find(({ id, project }) => id !== first?.id && project === first?.project);
  if (first === undefined || second === undefined) return topology;
  const isLinked = all(topology, "link").some(({ ends }) =>
    ends.every(({ router }) => router === first.id || router === second.id),
  );
  const link = !isLinked && random.chance(0.8);
  const ready = link ? withLink(topology, first.id, second.id) : topology;
  return withRoutesTo(withRoutesTo(ready, first.id, second.id), second.id, first.id);
}

/** A network gets one more subnet, and one of its ports an address there. */
export function withMoreAddresses(topology: Topology, random: Random): Topology {
  const network = random.pick(all(topology, "network"));
  const place = placeOf(topology, network);
  const cidr = random.pick([`10.1.${place * 2}.0/23`, `fd01:${place}::/64`]);
  if (subnetsOf(topology, network.id).some((subnet) => subnet.cidr === cidr)) return topology;
  return changeOne(
    withSubnet(topology, network, cidr),
    random,
    portsOf(topology, network.id),
    (port) => ({ ...port, ips: [...port.ips, addressAt(cidr, lastPart(port))] }),
  );
}

/** A port that has more than one address of a family loses the last. */
export function withFewerAddresses(topology: Topology, random: Random): Topology {
  const able = all(topology, "port").filter(({ ips }) => ips.length > 2 && !isHop(topology, ips));
  return changeOne(topology, random, able, (port) => ({ ...port, ips: port.ips.slice(0, -1) }));
}

/** An address out of the subnet that nobody has, for the ports that may claim it. */
export function withPair(topology: Topology, random: Random): Topology {
  // On a provider network it is the physical network that knows who has such an address.
  const subnets = all(topology, "subnet").filter(
    ({ network }) => !isProvider(get(topology, "network", network)),
  );
  if (subnets.length === 0) return topology;
  const { cidr, network } = random.pick(subnets);
  const ip = addressAt(cidr, 150);
  // Who has no port security needs no pairs.
  const secured = portsOf(topology, network).filter(({ security }) => security);
  const ports = random.shuffle(secured).slice(0, 2);
  const ready = put(
    topology,
    ...ports
      .filter(({ pairs }) => !pairs.some((pair) => pair.ip === ip))
      .map((port) => withPairs(port, [...port.pairs, { ip }])),
  );
  return claimed(ready, random);
}

/** A port announces an address of its pairs, and takes it from who has it. */
export function claimed(topology: Topology, random: Random): Topology {
  const able = all(topology, "port").filter(
    ({ up, security, pairs }) => up && security && pairs.some(({ ip }) => !ip.includes("/")),
  );
  if (able.length === 0) return topology;
  const port = random.pick(able);
  const { ip } = random.pick(port.pairs.filter((pair) => !pair.ip.includes("/")));
  const others = portsOf(topology, port.network)
    .filter(({ claims }) => claims.includes(ip))
    .map((other) =>
      withClaims(
        other,
        other.claims.filter((one) => one !== ip),
      ),
    );
  const now = get(put(topology, ...others), "port", port.id);
  const rest = now.claims.filter((one) => one !== ip);
  return put(topology, ...others, withClaims(now, [...rest, ip]));
}

function withPairs(port: Port, pairs: Port["pairs"]): Port {
  return { ...port, pairs };
}

function withClaims(port: Port, claims: Port["claims"]): Port {
  return { ...port, claims };
}

export function nextVlan(topology: Topology): number {
  return 101 + all(topology, "network").filter(({ type }) => "vlan" in type).length;
}

/** One that may go or move without taking a claimed address along. */
export function unclaimed({ claims }: Port): boolean {
  return claims.length === 0;
}

export function unpaired({ pairs }: Port): boolean {
  return pairs.length === 0;
}

/** One whose addresses are no next hop: such an interface or link may not go. */
export function unhopped(topology: Topology): (one: Interface | Link) => boolean {
  return (one) =>
    !attachments(topology)
      .filter(({ id }) => id === one.id)
      .some(({ addresses }) =>
        isHop(
          topology,
          addresses.map(({ ip }) => ip),
        ),
      );
}

export function isHop(topology: Topology, ips: readonly string[]): boolean {
  return [...all(topology, "route"), ...all(topology, "policy")].some((item) => {
    const hops = item.kind === "route" ? item.nextHops : [];
    const rerouted =
      item.kind === "policy" && typeof item.action === "object" ? item.action.nextHops : [];
    return [...hops, ...rerouted].some((hop) => ips.includes(hop));
  });
}
