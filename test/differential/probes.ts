// The packets that are sent after each change: what each is, the frames that it is made of, and a seeded choice of them that reaches
// into every corner of a router. The frames are the same in both systems, down to the byte. Pure.

import { cidrAddress, parseCidr } from "@weft/shared/net/cidr.ts";
import * as frames from "../lab/frames.ts";
import { ICMP, ICMP6, type IpPacket, ipFrame, TCP, UDP } from "./packets.ts";
import type { Random } from "./random.ts";
import { announcementOf } from "./side.ts";
import {
  all,
  attachments,
  type Attachment,
  contains,
  familyOf,
  get,
  heldBy,
  MTUS_BYTES,
  type Port,
  type Topology,
} from "./topology.ts";

export type Probe = IpProbe | QuestionProbe | AnnouncementProbe;

export interface IpProbe {
  readonly kind: "ip";
  readonly from: string;
  readonly packet: IpPacket;
  /** Sent so often with other ports, because ECMP may decide: then the set of outcomes counts. */
  readonly flows: number;
}

/** ARP request or neighbour solicitation. */
export interface QuestionProbe {
  readonly kind: "question";
  readonly from: string;
  readonly target: string;
  /** As whom the sender asks; null = nobody (address detection). */
  readonly as: string | null;
}

/** Gratuitous ARP or unsolicited neighbour advertisement. */
export interface AnnouncementProbe {
  readonly kind: "announcement";
  readonly from: string;
  readonly ip: string;
  readonly mac: string;
}

/** Different sources that one ECMP probe is sent from: enough that each of a few next hops is chosen. */
export const ECMP_FLOWS = 24;

/** The frames of a probe, with consecutive ids from `id` on where they carry one. */
export function framesOf(topology: Topology, probe: Probe, id: number): readonly Buffer[] {
  const port = topology.get(probe.from);
  if (port?.kind !== "port") throw new Error(`a probe from ${probe.from}, which is no port`);
  if (probe.kind === "ip") {
    return Array.from({ length: probe.flows }, (_, flow) =>
      ipFrame(variant(probe.packet, flow), id + flow),
    );
  }
  return [probe.kind === "question" ? question(port, probe) : announcementOf(probe.mac, probe.ip)];
}

/** The same probe as other connections: another try for ECMP. */
export function otherFlows(probe: Probe, attempt: number): Probe {
  if (probe.kind !== "ip" || probe.flows === 1) return probe;
  return { ...probe, packet: variant(probe.packet, attempt * 1_000) };
}

/** The same packet as another connection. */
export function variant(packet: IpPacket, flow: number): IpPacket {
  const { body } = packet;
  return "echo" in body ? packet : { ...packet, body: { ...body, fromPort: body.fromPort + flow } };
}

function question({ mac }: Port, { target, as }: QuestionProbe): Buffer {
  if (familyOf(target) === 6) {
    const link = { src: mac, dst: frames.multicastMac(frames.solicitedNode(target)) };
    const option = as === null ? null : mac;
    return frames.solicitation(link, { from: as ?? "::", target, option });
  }
  const link = { src: mac, dst: frames.BROADCAST };
  return frames.arp(link, {
    ...{ op: "request", senderMac: mac, senderIp: as ?? "0.0.0.0" },
    ...{ targetMac: frames.NO_MAC, targetIp: target },
  });
}

/** Probes of one round, in a random order; the same for the same topology and random. */
export function chooseProbes(topology: Topology, random: Random, count: number): readonly Probe[] {
  const ports = all(topology, "port");
  const found = new Map<string, Probe>();
  for (let attempt = 0; attempt < count * 4 && found.size < count && ports.length > 0; attempt++) {
    const probe = random.pick(MAKERS)(topology, random.pick(ports), random);
    if (probe === null) continue;
    // Two questions alike could not be told apart in what comes back.
    const key =
      probe.kind === "ip"
        ? JSON.stringify(probe)
        : `${probe.from} ${"ip" in probe ? probe.ip : probe.target}`;
    found.set(key, probe);
  }
  return [...found.values()];
}

type Maker = (topology: Topology, from: Port, random: Random) => Probe | null;

const STRANGER = "02:ee:ee:ee:ee:01";
/** Where no subnet is. */
export const FAR = { 4: "198.51.100.7", 6: "2001:db8:ffff::7" } as const;

/** One line a kind of probe; those listed twice are sent twice as often. */
const MAKERS: readonly Maker[] = [
  (topology, from, random) => toGateway(topology, from, random),
  (topology, from, random) => betweenPorts(topology, from, random, {}),
  (topology, from, random) => betweenPorts(topology, from, random, {}),
  (topology, from, random) => betweenPorts(topology, from, random, {}),
  (topology, from, random) => betweenPorts(topology, from, random, {}),
  (topology, from, random) =>
    betweenPorts(topology, from, random, { ttl: random.pick([1, 2, 3, 255]) }),
  (topology, from, random) =>
    betweenPorts(topology, from, random, largePacket(topology, from, random)),
  tooLarge,
  (topology, from, random) =>
    betweenPorts(topology, from, random, { fragment: random.pick(["first", "later"] as const) }),
  toRoute,
  toRoute,
  acrossLeak,
  acrossLeak,
  toUnknown,
  toOddAddress,
  toGroup,
  spoofed,
  fromLinkLocal,
  askGateway,
  askAny,
  announce,
];

/** A packet to an address, over the gateway or, within the network, directly. */
function packetTo(
  topology: Topology,
  from: Port,
  to: string,
  random: Random,
  more: Partial<IpPacket>,
): IpProbe | null {
  const family = familyOf(to);
  const source = from.ips.find((ip) => familyOf(ip) === family);
  if (source === undefined && more.from === undefined) return null;
  const near = all(topology, "port").find(
    ({ network, ips }) => network === from.network && ips.includes(to),
  );
  const gateway = gatewayOf(topology, from, random);
  // Also to a neighbour over the gateway, sometimes: it must come back out of the network that it came from.
  const dst = near !== undefined && random.chance(0.8) ? near.mac : gateway?.mac;
  if (dst === undefined) return null;
  const packet: IpPacket = {
    ...{ src: from.mac, dst, from: source ?? "", to, ttl: 64 },
    body: body(random),
    ...more,
  };
  return { kind: "ip", from: from.id, packet, flows: flowsOf(topology, packet) };
}

function body(random: Random): IpPacket["body"] {
  const ports = {
    fromPort: random.between(20_000, 40_000),
    toPort: random.pick([53, 80, 443, 8080]),
  };
  return random.pick<IpPacket["body"]>([
    { protocol: UDP, ...ports },
    { protocol: UDP, ...ports },
    { protocol: TCP, ...ports },
    { echo: "request" },
  ]);
}

/** Several where some router might choose among next hops. */
function flowsOf(topology: Topology, { to, body: { ...rest } }: IpPacket): number {
  if ("echo" in rest) return 1;
  const ecmp = all(topology, "route").some(
    ({ destination, nextHops }) => nextHops.length > 1 && contains(destination, to),
  );
  const reroute = all(topology, "policy").some(
    ({ action }) => typeof action === "object" && action.nextHops.length > 1,
  );
  return ecmp || reroute ? ECMP_FLOWS : 1;
}

function gatewaysOf(topology: Topology, from: Port): readonly Attachment[] {
  return attachments(topology).filter(({ segment }) => segment === from.network);
}

function gatewayOf(topology: Topology, from: Port, random: Random): Attachment | undefined {
  const gateways = gatewaysOf(topology, from);
  return gateways.length === 0 ? undefined : random.pick(gateways);
}

function betweenPorts(
  topology: Topology,
  from: Port,
  random: Random,
  more: Partial<IpPacket>,
): Probe | null {
  const others = all(topology, "port").filter(({ id }) => id !== from.id);
  const addresses = others.flatMap(heldBy);
  if (addresses.length === 0) return null;
  return packetTo(topology, from, random.pick(addresses), random, more);
}

/** One byte more than a network behind some router carries. */
function tooLarge(topology: Topology, from: Port, random: Random): Probe | null {
  const carries = (port: Port) => get(topology, "network", port.network).mtuBytes;
  const { small, large } = MTUS_BYTES;
  const far = all(topology, "port").filter((port) => carries(port) === small);
  if (carries(from) !== large || far.length === 0) return null;
  const to = random.pick(random.pick(far).ips);
  return packetTo(topology, from, to, random, {
    bytes: small + 1,
    dontFragment: random.chance(0.5),
  });
}

/** No larger than what the sender's own network carries. */
function largePacket(topology: Topology, from: Port, random: Random): Partial<IpPacket> {
  const { small, large } = MTUS_BYTES;
  const { mtuBytes } = get(topology, "network", from.network);
  const bytes = random.pick([small, small + 1, large].filter((size) => size <= mtuBytes));
  return { bytes, dontFragment: random.chance(0.5) };
}

function toGateway(topology: Topology, from: Port, random: Random): Probe | null {
  const addresses = attachments(topology).flatMap((one) => one.addresses.map(({ ip }) => ip));
  if (addresses.length === 0) return null;
  const echo = random.chance(0.7) ? { body: { echo: "request" } as const } : {};
  return packetTo(topology, from, random.pick(addresses), random, {
    ...echo,
    ttl: random.pick([64, 64, 64, 1]),
  });
}

function toRoute(topology: Topology, from: Port, random: Random): Probe | null {
  const routes = all(topology, "route");
  if (routes.length === 0) return null;
  return packetTo(topology, from, addressIn(random.pick(routes).destination, random), random, {});
}

/** Between the networks at the ends of a leak: mostly the way that it leads, sometimes back, and beside what it shows. */
function acrossLeak(topology: Topology, _from: Port, random: Random): Probe | null {
  const leaks = all(topology, "leak");
  if (leaks.length === 0) return null;
  const leak = random.pick(leaks);
  const near = (router: string) => {
    const segments = attachments(topology, router).map(({ segment }) => segment);
    return all(topology, "port").filter(({ network }) => segments.includes(network));
  };
  const [senders, receivers] = random.chance(0.75)
    ? [near(leak.to), near(leak.from)]
    : [near(leak.from), near(leak.to)];
  const gateways = attachments(topology, leak.from).flatMap(({ addresses }) => addresses);
  const all_ = [...receivers.flatMap(heldBy), ...receivers.flatMap(heldBy)];
  const targets = [...all_, ...gateways.map(({ ip }) => ip)];
  if (senders.length === 0 || targets.length === 0) return null;
  const ttl = random.pick([64, 64, 64, 64, 3, 2, 1]);
  const from = random.pick(senders);
  const size = random.chance(0.15) ? largePacket(topology, from, random) : {};
  return packetTo(topology, from, random.pick(targets), random, { ttl, ...size });
}

/** Some address inside a prefix, often a far one for the default route. */
function addressIn(cidr: string, random: Random): string {
  const prefix = parseCidr(cidr);
  if (prefix === undefined) throw new Error(`no prefix: ${cidr}`);
  if (prefix.prefixLen === 0) return FAR[prefix.family];
  const room = prefix.last - prefix.first;
  const offset = BigInt(random.between(1, 250));
  return cidrAddress(prefix, offset > room ? room : offset);
}

/** An address of a subnet that no port has, or one that no route leads to. */
function toUnknown(topology: Topology, from: Port, random: Random): Probe | null {
  const subnets = all(topology, "subnet");
  if (subnets.length === 0 || random.chance(0.3)) {
    return packetTo(topology, from, FAR[random.pick([4, 6] as const)], random, {});
  }
  const prefix = parseCidr(random.pick(subnets).cidr);
  if (prefix === undefined) return null;
  return packetTo(
    topology,
    from,
    cidrAddress(prefix, BigInt(random.between(200, 203))),
    random,
    {},
  );
}

/** Directed broadcast, network address, loopback, link-local, groups: over the gateway. */
function toOddAddress(topology: Topology, from: Port, random: Random): Probe | null {
  const subnet = all(topology, "subnet").find(
    ({ cidr }) => familyOf(cidr) === 4 && random.chance(0.5),
  );
  const prefix = subnet === undefined ? undefined : parseCidr(subnet.cidr);
  const odd = [
    ...["127.0.0.1", "169.254.9.9", "224.0.0.9", "239.1.2.3", "255.255.255.255", "0.0.0.0"],
    ...["::1", "ff02::9", "ff1e::77", "fe80::99"],
    ...(prefix === undefined ? [] : [cidrAddress(prefix, prefix.last - prefix.first)]),
  ];
  return packetTo(topology, from, random.pick(odd), random, {});
}

function toGroup(topology: Topology, from: Port, random: Random): Probe | null {
  const to = random.pick(["255.255.255.255", "239.1.2.3", "224.0.0.1", "ff02::1", "ff1e::77"]);
  const dst = to.startsWith("255") ? frames.BROADCAST : frames.multicastMac(to);
  const ports = { fromPort: 4000, toPort: 4001 };
  return packetTo(topology, from, to, random, { dst, body: { protocol: UDP, ...ports } });
}

function spoofed(topology: Topology, from: Port, random: Random): Probe | null {
  const other = random.pick(all(topology, "port"));
  const probe = betweenPorts(topology, from, random, {});
  if (probe?.kind !== "ip") return null;
  const { packet } = probe;
  const source = [...other.ips, familyOf(packet.to) === 4 ? "10.0.0.77" : "fd00::77"].find(
    (ip) => familyOf(ip) === familyOf(packet.to),
  );
  const lie = random.chance(0.5) ? { src: STRANGER } : { from: source ?? packet.from };
  // A switch that learns would learn from this: only who may not say it says it.
  return from.security ? { ...probe, packet: { ...packet, ...lie } } : null;
}

function fromLinkLocal(topology: Topology, from: Port, random: Random): Probe | null {
  const probe = betweenPorts(topology, from, random, {});
  if (probe?.kind !== "ip" || familyOf(probe.packet.to) === 4) return null;
  return { ...probe, packet: { ...probe.packet, from: frames.linkLocal(from.mac) } };
}

function sourceFor(from: Port, target: string): string | undefined {
  return from.ips.find((ip) => familyOf(ip) === familyOf(target));
}

function askGateway(topology: Topology, from: Port, random: Random): Probe | null {
  const gateway = gatewayOf(topology, from, random);
  if (gateway === undefined) return null;
  const targets = [...gateway.addresses.map(({ ip }) => ip), frames.linkLocal(gateway.mac)];
  return ask(from, random.pick(targets), random);
}

function askAny(topology: Topology, from: Port, random: Random): Probe | null {
  const near = all(topology, "port").filter(({ network }) => network === from.network);
  const subnets = all(topology, "subnet").filter(({ network }) => network === from.network);
  const prefix = subnets.length === 0 ? undefined : parseCidr(random.pick(subnets).cidr);
  const unknown =
    prefix === undefined ? [] : [cidrAddress(prefix, BigInt(random.between(210, 213)))];
  const targets = [...near.flatMap(heldBy), ...unknown].filter(
    (ip) => !from.ips.includes(ip) && !from.claims.includes(ip),
  );
  return targets.length === 0 ? null : ask(from, random.pick(targets), random);
}

function ask(from: Port, target: string, random: Random): Probe | null {
  const source = sourceFor(from, target);
  if (source === undefined) return null;
  return { kind: "question", from: from.id, target, as: random.chance(0.9) ? source : null };
}

function announce(_topology: Topology, from: Port, random: Random): Probe | null {
  if (from.ips.length === 0) return null;
  return { kind: "announcement", from: from.id, ip: random.pick(heldBy(from)), mac: from.mac };
}

export function describeProbe(probe: Probe): string {
  if (probe.kind === "question") {
    return `${probe.from} asks who has ${probe.target}${probe.as === null ? " (address detection)" : `, as ${probe.as}`}`;
  }
  if (probe.kind === "announcement") return `${probe.from} announces ${probe.ip} at ${probe.mac}`;
  const { src, dst, from, to, ttl, body: content, bytes, fragment, dontFragment } = probe.packet;
  const what =
    "echo" in content
      ? `echo ${content.echo}`
      : `${content.protocol === TCP ? "tcp" : "udp"} ${content.fromPort} > ${content.toPort}`;
  const extra = [
    ...(bytes === undefined ? [] : [`${bytes} bytes`]),
    ...(fragment === undefined ? [] : [`${fragment} fragment`]),
    ...(dontFragment === true ? ["DF"] : []),
    ...(probe.flows > 1 ? [`${probe.flows} flows`] : []),
  ];
  return `${probe.from} sends ${src} > ${dst}, ${from} > ${to}, ttl ${ttl}, ${[what, ...extra].join(", ")}`;
}

export const ICMP_PROTOCOLS: ReadonlySet<number> = new Set([ICMP, ICMP6]);
