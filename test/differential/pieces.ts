// What topologies of the comparison are made of: networks, ports, their addresses and claims put into a topology, each with ids, addresses
// and MACs that follow from what is there already. No decision of its own but the random ones. Pure; called by features.ts, generate.ts and
// routing-pieces.ts.

import { cidrAddress, parseCidr } from "@weft/shared/net/cidr.ts";
import type { Random } from "./random.ts";
import {
  all,
  get,
  isAskedFor,
  isProvider,
  isShared,
  type Item,
  MTUS_BYTES,
  type Network,
  type Port,
  portsOf,
  put,
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

/** Projects of the tenants: the first two have the same addresses and MACs, the third has others. */
export const PROJECTS = ["red", "blue", "green"] as const;

/** Place of the third tenant's first network. */
const FIRST_PLACE_APART = 8;

/** Networks of the same place have the same prefixes in all projects. */
export function prefixesOf(place: number): Readonly<Record<4 | 6, string>> {
  return { 4: `10.0.${place}.0/24`, 6: `fd00:${place}::/64` };
}

export function mac(part: number, number: number): string {
  const hex = (value: number) => value.toString(16).padStart(2, "0");
  return `02:00:00:00:${hex(part)}:${hex(number)}`;
}

export function anyEncap(random: Random): Network["type"] {
  return { encap: random.pick(["geneve", "geneve", "vxlan", "gre"]) };
}

export function networkWith(
  topology: Topology,
  project: string,
  random: Random,
  type: Network["type"],
): Topology {
  const id = freshId(topology, "n");
  const taken = all(topology, "network").filter((one) => one.project === project);
  const least = project === PROJECTS[2] ? FIRST_PLACE_APART - 1 : 0;
  const place = Math.max(least, ...taken.map((one) => placeOf(topology, one))) + 1;
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

/** The network's own project, on a shared network any. */
export function withPort(topology: Topology, network: Network, random: Random): Topology {
  const project = isShared(network) ? random.pick(projectsOf(topology)) : network.project;
  if (all(topology, "port").length >= MOST_PORTS) return topology;
  const subnets = subnetsOf(topology, network.id);
  const taken = portsOf(topology, network.id);
  const last = Math.max(10, ...taken.map(lastPart)) + 1;
  const port: Port = {
    ...{ kind: "port", id: freshId(topology, "p"), project, network: network.id },
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

/** Networks that routers of a project may be on. */
export function networksFor(topology: Topology, project: string): readonly Network[] {
  return all(topology, "network").filter((one) => one.project === project || isShared(one));
}

export function projectsOf(topology: Topology): readonly string[] {
  return [...new Set(all(topology, "network").map(({ project }) => project))];
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

/** An address out of a subnet that nobody has, for the ports that may claim it; on the wire: of provider networks, else of overlays. */
export function withPair(topology: Topology, random: Random, onTheWire = false): Topology {
  const subnets = all(topology, "subnet").filter(
    ({ network }) => isProvider(get(topology, "network", network)) === onTheWire,
  );
  if (subnets.length === 0) return topology;
  const { cidr, network } = random.pick(subnets);
  const ip = addressAt(cidr, 150);
  const ports = random.shuffle(portsOf(topology, network)).slice(0, 2);
  const ready = put(
    topology,
    ...ports
      .filter(({ pairs }) => !pairs.some((pair) => pair.ip === ip))
      .map((port) => withPairs(port, [...port.pairs, { ip }])),
  );
  return claimed(ready, random);
}

/** An address that no pair names, of a network with a router: up to two of its ports get port security off, and one announces it. */
export function withoutPair(topology: Topology, random: Random): Topology {
  const asked = all(topology, "subnet").flatMap(({ cidr, network }) => {
    const ip = addressAt(cidr, 160);
    return isAskedFor(topology, network, ip) ? [{ ip, network }] : [];
  });
  if (asked.length === 0) return topology;
  const { ip, network } = random.pick(asked);
  const ports = random.shuffle(portsOf(topology, network).filter(({ up }) => up));
  const able = ports.filter((port) => !port.security || unclaimed(port)).slice(0, 2);
  if (able.length === 0) return topology;
  const ready = put(topology, ...able.map((port) => ({ ...port, security: false })));
  return announced(ready, random.pick(able).id, ip);
}

/** A port announces an address of its pairs, and takes it from who has it. */
export function claimed(topology: Topology, random: Random): Topology {
  const able = all(topology, "port").filter(
    ({ up, pairs }) => up && pairs.some(({ ip }) => !ip.includes("/")),
  );
  if (able.length === 0) return topology;
  const port = random.pick(able);
  const { ip } = random.pick(port.pairs.filter((pair) => !pair.ip.includes("/")));
  return announced(topology, port.id, ip);
}

function announced(topology: Topology, id: string, ip: string): Topology {
  const others = portsOf(topology, get(topology, "port", id).network)
    .filter(({ claims }) => claims.includes(ip))
    .map((other) =>
      withClaims(
        other,
        other.claims.filter((one) => one !== ip),
      ),
    );
  const now = get(put(topology, ...others), "port", id);
  const rest = now.claims.filter((one) => one !== ip);
  return put(topology, ...others, withClaims(now, [...rest, ip]));
}

export function withPairs(port: Port, pairs: Port["pairs"]): Port {
  return { ...port, pairs };
}

function withClaims(port: Port, claims: Port["claims"]): Port {
  return { ...port, claims };
}

/** Flat now and then: there is room for one such network. */
export function nextVlan(topology: Topology, random: Random): number {
  const taken = all(topology, "network").flatMap(({ type }) => ("vlan" in type ? [type.vlan] : []));
  return !taken.includes(0) && random.chance(0.4) ? 0 : 101 + taken.length;
}

/** One that may go or move without taking a claimed address along. */
export function unclaimed({ claims }: Port): boolean {
  return claims.length === 0;
}

export function isHop(topology: Topology, ips: readonly string[]): boolean {
  return [...all(topology, "route"), ...all(topology, "policy")].some((item) => {
    const hops = item.kind === "route" ? item.nextHops : [];
    const rerouted =
      item.kind === "policy" && typeof item.action === "object" ? item.action.nextHops : [];
    return [...hops, ...rerouted].some((hop) => ips.includes(hop));
  });
}
