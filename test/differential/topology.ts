// A small topology in words that both systems know, and what follows from it: which address an interface has, what a router is
// connected to. Pure data and pure functions; knows neither Weft nor OVN. Ids are unique within a topology; a side adds its own prefix.

import { cidrContains, cidrContainsCidr, formatCidr, parseCidr } from "@weft/shared/net/cidr.ts";
import { parseIp } from "@weft/shared/net/ip.ts";

export interface Network {
  readonly kind: "network";
  readonly id: string;
  readonly project: string;
  readonly type:
    | { readonly encap: "geneve" | "vxlan" | "gre" }
    /** A VLAN of the one physical network that all hosts have; 0 = flat. Shared = ports and routers of other projects may be on it. */
    | { readonly vlan: number; readonly shared: boolean };
  /** The largest IP packet. */
  readonly mtuBytes: number;
}

export interface Subnet {
  readonly kind: "subnet";
  readonly id: string;
  readonly project: string;
  readonly network: string;
  readonly cidr: string;
  readonly gateway: string;
}

export interface Port {
  readonly kind: "port";
  readonly id: string;
  readonly project: string;
  readonly network: string;
  readonly mac: string;
  readonly ips: readonly string[];
  readonly pairs: readonly Pair[];
  /** Speaks for its own addresses only. */
  readonly security: boolean;
  readonly up: boolean;
  /**
   * Addresses that the guest has announced as its own, as the last one that did: of its pairs, or with port security off any that a
   * router asks for.
   */
  readonly claims: readonly string[];
  /** Number of its host, from 0. */
  readonly host: number;
}

/** An address or prefix that the port may use as well, with its own MAC. */
export interface Pair {
  readonly ip: string;
}

export interface Router {
  readonly kind: "router";
  readonly id: string;
  readonly project: string;
  readonly up: boolean;
}

export interface Interface {
  readonly kind: "interface";
  readonly id: string;
  readonly project: string;
  readonly router: string;
  readonly network: string;
  readonly mac: string;
  /** In subnets where it is not the gateway; elsewhere it has the gateway's address. */
  readonly ips: readonly string[];
  readonly table: number;
}

export interface Link {
  readonly kind: "link";
  readonly id: string;
  readonly project: string;
  readonly ends: readonly [LinkEnd, LinkEnd];
}

/** Router `to` reaches prefixes of router `from`; it is of the project of `to`. */
export interface Leak {
  readonly kind: "leak";
  readonly id: string;
  readonly project: string;
  readonly from: string;
  readonly to: string;
  /** Each within a prefix that `from` is connected to. */
  readonly prefixes: readonly string[];
}

export interface LinkEnd {
  readonly router: string;
  /** With prefix length. */
  readonly addresses: readonly string[];
}

export interface Route {
  readonly kind: "route";
  readonly id: string;
  readonly project: string;
  readonly router: string;
  readonly table: number;
  readonly destination: string;
  /** None = blackhole; several = ECMP. */
  readonly nextHops: readonly string[];
}

export interface Policy {
  readonly kind: "policy";
  readonly id: string;
  readonly project: string;
  readonly router: string;
  readonly priority: number;
  /** Of its prefixes and next hops; null = it has none, and is about both. */
  readonly family: 4 | 6 | null;
  /** Null = any. */
  readonly source: string | null;
  readonly destination: string | null;
  /** IP protocol number; 0 = any. */
  readonly protocol: number;
  /** Of the destination, TCP and UDP only; null = any. */
  readonly ports: { readonly first: number; readonly last: number } | null;
  /** Network that packets come from; null = any. */
  readonly ingress: string | null;
  readonly action: "allow" | "drop" | { readonly nextHops: readonly string[] };
}

export type Item = Network | Subnet | Port | Router | Interface | Link | Route | Policy | Leak;
export type ItemKind = Item["kind"];

/** Referred before referring: the order in which things are made. */
export const KINDS: readonly ItemKind[] = [
  "network",
  "subnet",
  "port",
  "router",
  "interface",
  "link",
  "route",
  "policy",
  "leak",
];

/** Id -> item. Never changed in place. */
export type Topology = ReadonlyMap<string, Item>;

export const EMPTY: Topology = new Map();

/** MTUs that networks have. */
export const MTUS_BYTES = { large: 1400, small: 1300 } as const;

export function put(topology: Topology, ...items: readonly Item[]): Topology {
  return new Map([...topology, ...items.map((item) => [item.id, item] as const)]);
}

export function without(topology: Topology, ...ids: readonly string[]): Topology {
  return new Map([...topology].filter(([id]) => !ids.includes(id)));
}

type OfKind<K extends ItemKind> = Extract<Item, { kind: K }>;

export function all<K extends ItemKind>(topology: Topology, kind: K): readonly OfKind<K>[] {
  return [...topology.values()].filter((item): item is OfKind<K> => item.kind === kind);
}

export function get<K extends ItemKind>(topology: Topology, kind: K, id: string): OfKind<K> {
  const item = topology.get(id);
  if (item?.kind !== kind) throw new Error(`no ${kind} ${id} in this topology`);
  return item as OfKind<K>;
}

export interface Difference {
  readonly gone: readonly Item[];
  /** New or changed, as they are now. */
  readonly now: readonly Item[];
}

/** What to do to get from one to the other: what goes, last made first; then what is put, in the order of making. */
export function difference(before: Topology, after: Topology): Difference {
  const rank = ({ kind }: Item) => KINDS.indexOf(kind);
  const gone = [...before.values()].filter(({ id }) => !after.has(id));
  const now = [...after.values()].filter(
    (item) => JSON.stringify(item) !== JSON.stringify(before.get(item.id)),
  );
  return {
    gone: gone.sort((a, b) => rank(b) - rank(a)),
    now: now.sort((a, b) => rank(a) - rank(b)),
  };
}

export function isProvider(network: Network): boolean {
  return "vlan" in network.type;
}

/** Whether a segment is an overlay network, and not a provider network or a link. */
export function isOverlay(topology: Topology, segment: string): boolean {
  const network = topology.get(segment);
  return network?.kind === "network" && !isProvider(network);
}

export function isShared({ type }: Network): boolean {
  return "vlan" in type && type.shared;
}

/** Whether a router of the network's project asks the ports of it, an overlay, for an address: it is connected to it. */
export function isAskedFor(topology: Topology, network: string, ip: string): boolean {
  if (!isOverlay(topology, network)) return false;
  const { project } = get(topology, "network", network);
  return attachments(topology).some(({ segment, router: id, addresses }) => {
    const router = get(topology, "router", id);
    const connects = addresses.some(({ cidr }) => contains(cidr, ip));
    return segment === network && router.up && router.project === project && connects;
  });
}

/** Addresses that a port has: its own, and those that it claimed. */
export function heldBy({ ips, claims }: Port): readonly string[] {
  return ips.concat(claims);
}

export function subnetsOf(topology: Topology, network: string): readonly Subnet[] {
  return all(topology, "subnet").filter((subnet) => subnet.network === network);
}

export function portsOf(topology: Topology, network: string): readonly Port[] {
  return all(topology, "port").filter((port) => port.network === network);
}

export function familyOf(address: string): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}

export function contains(cidr: string, ip: string): boolean {
  const prefix = parseCidr(cidr);
  const address = parseIp(ip);
  return prefix !== undefined && address !== undefined && cidrContains(prefix, address);
}

export function prefixLength(cidr: string): number {
  return Number(cidr.split("/")[1]);
}

/** Addresses of an interface, each with its subnet's prefix. */
export function addressesOf(
  topology: Topology,
  { network, ips }: Interface,
): readonly { readonly ip: string; readonly cidr: string }[] {
  return subnetsOf(topology, network).map(({ cidr, gateway }) => ({
    ip: ips.find((ip) => contains(cidr, ip)) ?? gateway,
    cidr,
  }));
}

/** One thing that a router is connected to: a network or the other end of a link. */
export interface Attachment {
  /** Interface or link. */
  readonly id: string;
  /** Network, or the link again. */
  readonly segment: string;
  readonly router: string;
  readonly mac: string;
  readonly table: number;
  readonly addresses: readonly { readonly ip: string; readonly cidr: string }[];
}

/** MACs of both ends of a link, as this test names them: neither system tells them to anybody but the other end. */
export function linkMac(link: Link, end: 0 | 1): string {
  const number = Number.parseInt(link.id.replace(/\D/g, ""), 10);
  return `02:11:00:00:0${end + 1}:${number.toString(16).padStart(2, "0")}`;
}

/** Of one router, or of all. */
export function attachments(topology: Topology, router?: string): readonly Attachment[] {
  const found: Attachment[] = [];
  for (const one of all(topology, "interface")) {
    const { id, network: segment, router: of, mac, table } = one;
    found.push({ id, segment, router: of, mac, table, addresses: addressesOf(topology, one) });
  }
  for (const link of all(topology, "link")) {
    for (const side of [0, 1] as const) {
      const { router: of, addresses: own } = link.ends[side];
      const addresses = own.map((address) => ({
        ip: address.split("/")[0] ?? "",
        cidr: networkOf(address),
      }));
      const mac = linkMac(link, side);
      found.push({ id: link.id, segment: link.id, router: of, mac, table: 0, addresses });
    }
  }
  return router === undefined ? found : found.filter((one) => one.router === router);
}

/** A prefix that a leak shows, and where the router whose it is is connected to it. */
export interface Shown {
  readonly prefix: string;
  readonly at: Attachment;
}

/** Its prefixes with where they are, unless their router is down: on overlay networks, as links and provider networks cannot be leaked. */
export function shownBy(topology: Topology, { from, prefixes }: Leak): readonly Shown[] {
  if (!get(topology, "router", from).up) return [];
  const own = attachments(topology, from).filter(({ segment }) => isOverlay(topology, segment));
  return prefixes.flatMap((prefix) => {
    const at = own.find(({ addresses }) => addresses.some(({ cidr }) => covers(cidr, prefix)));
    return at === undefined ? [] : [{ prefix, at }];
  });
}

/** Whether a prefix is within another, or the same. */
export function covers(cidr: string, part: string): boolean {
  const [outer, inner] = [parseCidr(cidr), parseCidr(part)];
  return outer !== undefined && inner !== undefined && cidrContainsCidr(outer, inner);
}

/** The prefix around an address with a length: of 10.0.0.5/24 it is 10.0.0.0/24. */
export function networkOf(address: string): string {
  const cidr = parseCidr(address);
  if (cidr === undefined) throw new Error(`not an address with a prefix length: ${address}`);
  return formatCidr(cidr);
}
