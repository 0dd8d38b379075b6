// What should become of a packet, worked out from the topology alone, in the plainest way there is: no tables, no incremental state.
// Shares no code with Weft. It is no judge between the systems; differences.ts needs it to say of which packets a difference is meant,
// and tests hold what OVN does against it. Pure.

import { type IpPacket, TCP, UDP } from "./packets.ts";
import { speaksFor } from "./side.ts";
import {
  all,
  type Attachment,
  attachments,
  contains,
  familyOf,
  get,
  isProvider,
  type Policy,
  type Port,
  portsOf,
  prefixLength,
  type Route,
  shownBy,
  type Topology,
} from "./topology.ts";

/** The end of one possible way; `ttl` as the packet would arrive. */
export type Fate =
  | {
      readonly end: "delivered";
      readonly port: string;
      readonly ttl: number;
      readonly routed: boolean;
      /** A leak led there. */
      readonly leaked?: true;
    }
  /** To every other port of the network. */
  | { readonly end: "flooded"; readonly network: string }
  | { readonly end: "silent"; readonly why: Silence }
  /** Something that a router says. */
  | {
      readonly end: RouterEnd;
      readonly ingress: Attachment;
      readonly ttl: number;
      readonly hops: number;
    }
  | {
      readonly end:
        | "unknown host"
        | "host down"
        | "router beyond"
        | "port beyond"
        | "behind a leak";
      readonly ingress: Attachment;
      readonly ttl: number;
      readonly hops: number;
      readonly network: string;
      readonly target: string;
    };

export type RouterEnd = "echo" | "own address" | "ttl exceeded" | "no route" | "too big";

export type Silence =
  | "sender down"
  | "spoofed"
  | "receiver down"
  | "own MAC"
  | "nobody has the MAC"
  | "router down"
  | "never routed"
  | "blackhole"
  | "policy"
  | "loop"
  /** A router of another project on a shared network: only chassis that host the project have it. */
  | "router of others";

const MOST_ROUTERS = 8;

/** All ways that the packet may take: more than one only where ECMP decides. */
export function fates(topology: Topology, from: string, packet: IpPacket): readonly Fate[] {
  const sender = get(topology, "port", from);
  if (!sender.up) return [silent("sender down")];
  if (sender.security && (packet.src !== sender.mac || !speaksFor(sender, packet.from))) {
    return [silent("spoofed")];
  }
  const router = attachments(topology).find(
    ({ segment, mac }) => segment === sender.network && mac === packet.dst,
  );
  if (router !== undefined) {
    const { project } = get(topology, "router", router.router);
    const others: readonly Fate[] = project === sender.project ? [] : [silent("router of others")];
    return [...others, ...routed(topology, router, packet, packet.ttl, 0)];
  }
  if (isGroup(packet.dst)) return [{ end: "flooded", network: sender.network }];
  if (packet.dst === sender.mac) return [silent("own MAC")];
  const receiver = portsOf(topology, sender.network).find(({ mac }) => mac === packet.dst);
  if (receiver === undefined) return [silent("nobody has the MAC")];
  return [arrival(receiver, packet.ttl, false)];
}

function isGroup(mac: string): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
}

function silent(why: Silence): Fate {
  return { end: "silent", why };
}

function arrival(port: Port, ttl: number, isRouted: boolean): Fate {
  return port.up
    ? { end: "delivered", port: port.id, ttl, routed: isRouted }
    : silent("receiver down");
}

function routed(
  topology: Topology,
  ingress: Attachment,
  packet: IpPacket,
  ttl: number,
  hops: number,
): readonly Fate[] {
  const says = (end: RouterEnd): Fate => ({ end, ingress, ttl, hops });
  if (hops >= MOST_ROUTERS) return [silent("loop")];
  if (!get(topology, "router", ingress.router).up) return [silent("router down")];
  const own = attachments(topology, ingress.router);
  if (own.some(({ addresses }) => addresses.some(({ ip }) => ip === packet.to))) {
    const isEcho = "echo" in packet.body && packet.body.echo === "request";
    return [says(isEcho && packet.fragment !== "later" ? "echo" : "own address")];
  }
  if (neverRouted(packet.from, packet.to, own)) return [silent("never routed")];
  if (ttl <= 1) return [says("ttl exceeded")];
  const found = lookUp(topology, ingress, packet.to, own);
  if (found === null) return [says("no route")];
  if (found.hops.length === 0) return [silent("blackhole")];
  const policy = policyFor(topology, ingress, packet);
  if (policy?.action === "drop") return [silent("policy")];
  const override = policy !== undefined && typeof policy.action === "object";
  if (!override && found.leaked !== null) {
    return [leaked(topology, ingress, packet, ttl, hops, found.leaked)];
  }
  const nextHops =
    override && typeof policy.action === "object" ? policy.action.nextHops : found.hops;
  return nextHops.flatMap((hop) => onward(topology, ingress, packet, ttl, hops, own, hop));
}

function onward(
  topology: Topology,
  ingress: Attachment,
  packet: IpPacket,
  ttl: number,
  hops: number,
  own: readonly Attachment[],
  hop: string,
): readonly Fate[] {
  const egress = own.find(({ addresses }) => addresses.some(({ cidr }) => contains(cidr, hop)));
  if (egress === undefined) return [{ end: "no route", ingress, ttl, hops }];
  if ((packet.bytes ?? 0) > mtuOf(topology, egress))
    return [{ end: "too big", ingress, ttl, hops }];
  const next = attachments(topology).find(
    ({ segment, router, addresses }) =>
      segment === egress.segment &&
      router !== ingress.router &&
      addresses.some(({ ip }) => ip === hop),
  );
  const host = { ingress, ttl, hops, network: egress.segment, target: hop };
  if (next !== undefined) {
    if (!get(topology, "router", next.router).up) return [{ end: "host down", ...host }];
    const segment = topology.get(egress.segment);
    // Routers meet on a physical network as strangers do, unless one chassis knows both.
    const beyond = segment?.kind === "network" && isProvider(segment);
    const stranger: readonly Fate[] = beyond ? [{ end: "router beyond", ...host }] : [];
    return [...stranger, ...routed(topology, next, packet, ttl - 1, hops + 1)];
  }
  const port = ownerOf(topology, egress.segment, hop);
  if (port === undefined) return [{ end: "unknown host", ...host }];
  const { project } = get(topology, "router", ingress.router);
  // On a shared network the ports of other projects are strangers too.
  const others: readonly Fate[] = project === port.project ? [] : [{ end: "port beyond", ...host }];
  return [...others, port.up ? arrival(port, ttl - 1, true) : { end: "host down", ...host }];
}

/** Straight into the network of another router, where only the ports with fixed addresses are known. */
function leaked(
  topology: Topology,
  ingress: Attachment,
  packet: IpPacket,
  ttl: number,
  hops: number,
  { segment }: Attachment,
): Fate {
  const { to } = packet;
  const { mtuBytes } = get(topology, "network", segment);
  if ((packet.bytes ?? 0) > mtuBytes) return { end: "too big", ingress, ttl, hops };
  const host = { ingress, ttl, hops, network: segment, target: to };
  const port = portsOf(topology, segment).find(({ ips }) => ips.includes(to));
  if (port !== undefined) {
    if (!port.up) return { end: "host down", ...host };
    return { end: "delivered", port: port.id, ttl: ttl - 1, routed: true, leaked: true };
  }
  const isRouter = attachments(topology).some(
    (one) => one.segment === segment && one.addresses.some(({ ip }) => ip === to),
  );
  const isKnown = isRouter || ownerOf(topology, segment, to) !== undefined;
  return { end: isKnown ? "behind a leak" : "unknown host", ...host };
}

/** A link carries what the networks at its ends do. */
function mtuOf(topology: Topology, { segment }: Attachment): number {
  const item = topology.get(segment);
  return item?.kind === "network" ? item.mtuBytes : Number.POSITIVE_INFINITY;
}

/** The port that has an address: as its own, or claimed for an allowed pair. */
export function ownerOf(topology: Topology, network: string, ip: string): Port | undefined {
  return portsOf(topology, network).find(
    ({ ips, claims }) => ips.includes(ip) || claims.includes(ip),
  );
}

const NEVER = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "255.255.255.255/32",
  "::/128",
  "::1/128",
  "fe80::/10",
  "ff00::/8",
];

function neverRouted(from: string, to: string, own: readonly Attachment[]): boolean {
  if (NEVER.some((prefix) => contains(prefix, from) || contains(prefix, to))) return true;
  return own.some(({ addresses }) => addresses.some(({ cidr }) => isDirectedBroadcast(cidr, to)));
}

/** Last address of an IPv4 prefix that has one to spare. */
export function isDirectedBroadcast(cidr: string, ip: string): boolean {
  if (familyOf(ip) === 6 || prefixLength(cidr) >= 31 || !contains(cidr, ip)) return false;
  const hostBits = 32 - prefixLength(cidr);
  const value = ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return value % 2 ** hostBits === 2 ** hostBits - 1;
}

/** What a lookup answers; no hops = blackhole, unless a leak led there: to where it does. */
interface Found {
  readonly hops: readonly string[];
  readonly leaked: Attachment | null;
}

/** Longest prefix; at equal length connected before static before leaked. Null = no route. */
function lookUp(
  topology: Topology,
  { router, table }: Attachment,
  to: string,
  own: readonly Attachment[],
): Found | null {
  const connected = own.flatMap(({ addresses }) =>
    addresses
      .filter(({ cidr }) => contains(cidr, to))
      .map(({ cidr }) => ({ cidr, hops: [to], leaked: null })),
  );
  const fixed = routesFor(topology, router, table, to).map(({ destination, nextHops }) => ({
    ...{ cidr: destination, hops: nextHops, leaked: null },
  }));
  const foreign = all(topology, "leak")
    .filter((leak) => leak.to === router)
    .flatMap((leak) => shownBy(topology, leak))
    .filter(({ prefix }) => contains(prefix, to))
    .map(({ prefix, at }) => ({ cidr: prefix, hops: [to], leaked: at }));
  const [best] = [...connected, ...fixed, ...foreign].sort(
    (a, b) => prefixLength(b.cidr) - prefixLength(a.cidr),
  );
  return best ?? null;
}

export function routesFor(
  topology: Topology,
  router: string,
  table: number,
  to: string,
): readonly Route[] {
  return all(topology, "route").filter(
    (route) => route.router === router && route.table === table && contains(route.destination, to),
  );
}

/** The policy that decides about a packet which came in there; undefined = none does. */
export function policyFor(
  topology: Topology,
  ingress: Attachment,
  packet: IpPacket,
): Policy | undefined {
  return all(topology, "policy")
    .filter((policy) => policy.router === ingress.router && matches(policy, ingress, packet))
    .sort((a, b) => b.priority - a.priority)[0];
}

function matches(
  policy: Policy,
  ingress: Attachment,
  { from, to, body, fragment }: IpPacket,
): boolean {
  const protocol = "echo" in body ? (familyOf(to) === 6 ? 58 : 1) : body.protocol;
  // Open vSwitch shows no ports of fragments, of the first one neither.
  const port = "echo" in body || fragment !== undefined ? null : body.toPort;
  return (
    (policy.family === null || policy.family === familyOf(to)) &&
    (policy.source === null || contains(policy.source, from)) &&
    (policy.destination === null || contains(policy.destination, to)) &&
    (policy.protocol === 0 || policy.protocol === protocol) &&
    (policy.ingress === null || policy.ingress === ingress.segment) &&
    (policy.ports === null ||
      (port !== null &&
        (protocol === TCP || protocol === UDP) &&
        policy.ports.first <= port &&
        port <= policy.ports.last))
  );
}
