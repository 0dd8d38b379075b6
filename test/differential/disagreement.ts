// What one can ask about a disagreement of the two systems: what an arrival says, from whom it may be, which port a question is about.
// Pure; the differences that are meant (differences.ts) are made of it.

import type { Arrival, ArrivedError, ArrivedIp } from "./observe.ts";
import { arrivalText } from "./observe.ts";
import { TCP } from "./packets.ts";
import type { IpProbe, Probe } from "./probes.ts";
import { isMulticastMac, parseMac } from "@weft/shared/net/mac.ts";
import { linkLocal } from "../lab/frames.ts";
import { LEAK_PREFIXES } from "./ovn-rows.ts";
import { type Fate, ownerOf } from "./reference.ts";
import { speaksFor } from "./side.ts";
import {
  all,
  attachments,
  contains,
  familyOf,
  get,
  heldBy,
  isProvider,
  type Port,
  portsOf,
  shownBy,
  type Topology,
} from "./topology.ts";

/** A probe, and what only one of the systems did with it. */
export interface Disagreement {
  readonly topology: Topology;
  readonly probe: Probe;
  /** All ways that the probe may go; none for what is not IP. */
  readonly fates: readonly Fate[];
  readonly ovn: readonly Arrival[];
  readonly weft: readonly Arrival[];
}

/** The arrivals that a difference explains. */
export interface Explained {
  readonly ovn: readonly Arrival[];
  readonly weft: readonly Arrival[];
}

export const NOTHING: Explained = { ovn: [], weft: [] };

export function isError(arrival: Arrival): arrival is Arrival & { what: ArrivedError } {
  return arrival.what.kind === "error";
}

export function isIp(arrival: Arrival): arrival is Arrival & { what: ArrivedIp } {
  return arrival.what.kind === "ip";
}

/** Type and code of what an error of a family means. */
export const ERRORS = {
  noRoute: { 4: [3, 0], 6: [1, 0] },
  hostUnreachable: { 4: [3, 1], 6: [1, 3] },
  portUnreachable: { 4: [3, 3], 6: [1, 4] },
  protocolUnreachable: { 4: [3, 2], 6: [4, 1] },
  timeExceeded: { 4: [11, 0], 6: [3, 0] },
  tooBig: { 4: [3, 4], 6: [2, 0] },
} as const;

export function says(arrival: Arrival, meaning: keyof typeof ERRORS): boolean {
  if (!isError(arrival)) return false;
  const [type, code] = ERRORS[meaning][arrival.what.family];
  return arrival.what.type === type && arrival.what.code === code;
}

/** An error to the source of the packet, from an address of the router that gave up, on the network that it came in from. */
export function isFrom(
  { port, what }: Arrival,
  { topology, probe }: Disagreement,
  fate: Fate,
): boolean {
  if (what.kind !== "error" || probe.kind !== "ip" || !("ingress" in fate)) return false;
  const { from, to } = probe.packet;
  // A port that may speak for others speaks for them here too; and a policy may send the answer elsewhere.
  const receiver = get(topology, "port", port);
  const isTheirs =
    port === probe.from || receiver.ips.includes(from) || rerouted(topology).includes(port);
  const isOurs = fate.ingress.addresses.some(({ ip }) => ip === what.from);
  return isTheirs && isOurs && what.to === from && what.about === `${from} > ${to}`;
}

/** Whether an arrival is the end of this way of the probe. */
export function endsAt(fate: Fate, { port, what }: Arrival): boolean {
  return (
    fate.end === "delivered" && fate.port === port && what.kind === "ip" && what.ttl === fate.ttl
  );
}

/** Whether an address is an end of the join that a leak is in OVN. */
export function isOfLeak(ip: string): boolean {
  return LEAK_PREFIXES.some((prefix) => contains(prefix, ip));
}

/** Ports that policies send packets to. */
export function rerouted(topology: Topology): readonly string[] {
  const hops = all(topology, "policy").flatMap(({ action }) =>
    typeof action === "object" ? action.nextHops : [],
  );
  const isHop = (port: Port) => [...port.ips, ...port.claims].some((ip) => hops.includes(ip));
  return all(topology, "port")
    .filter(isHop)
    .map(({ id }) => id);
}

/** Addressed to one MAC, which no port and no router of the network has. */
export function isForNobody({ dst }: Arrival): boolean {
  return parseMac(dst) !== undefined && !isMulticastMac(dst);
}

/** May errors be made about this packet at all (RFC 1122 3.2.2, RFC 4443 2.4)? */
export function drawsErrors(probe: Probe): boolean {
  return probe.kind === "ip" && probe.packet.fragment !== "later";
}

/** Weft says why, OVN is silent. */
export function onlyWeftSays(
  meaning: keyof typeof ERRORS,
  end: Fate["end"],
): (disagreement: Disagreement) => Explained {
  return (disagreement) => {
    const ways = disagreement.fates.filter((fate) => fate.end === end);
    if (!drawsErrors(disagreement.probe)) return NOTHING;
    const weft = disagreement.weft.filter(
      (arrival) =>
        says(arrival, meaning) && ways.some((fate) => isFrom(arrival, disagreement, fate)),
    );
    return { ovn: [], weft };
  };
}

/** May this port have the packet, as OVN sees it, which filters what is delivered too? */
export function mayReceive(port: Port, what: { readonly to: string }): boolean {
  const group = familyOf(what.to) === 4 ? "224.0.0.0/4" : "ff00::/8";
  return speaksFor(port, what.to) || what.to === "255.255.255.255" || contains(group, what.to);
}

/** Role of the one that has an address of a network: a port or a router; null = nobody is known to. */
export function whoHas(topology: Topology, network: string, ip: string): string | null {
  const port =
    ownerOf(topology, network, ip) ??
    portsOf(topology, network).find(({ mac }) => linkLocal(mac) === ip);
  if (port !== undefined) return port.id;
  const router = attachments(topology).find(
    ({ segment, router: id, mac, addresses }) =>
      segment === network &&
      get(topology, "router", id).up &&
      (linkLocal(mac) === ip || addresses.some((own) => own.ip === ip)),
  );
  if (router === undefined) return null;
  return isProvider(get(topology, "network", network)) ? "a router" : `router ${router.router}`;
}

/** Next hops, and the router that sends to them. */
interface Group {
  readonly router: string;
  readonly nextHops: readonly string[];
}

/** The next hops of each ECMP route and policy. */
function groupsOf(topology: Topology): readonly Group[] {
  const groups = [...all(topology, "route"), ...all(topology, "policy")].map((item): Group => {
    const { router } = item;
    if (item.kind === "route") return { router, nextHops: item.nextHops };
    return { router, nextHops: typeof item.action === "object" ? item.action.nextHops : [] };
  });
  return groups.filter(({ nextHops }) => nextHops.length > 1);
}

/** For each of them: whether a port is one of its next hops. */
export function hopsOf(topology: Topology): readonly ((port: string) => boolean)[] {
  return groupsOf(topology).map(
    ({ nextHops }) =>
      (port) =>
        heldBy(get(topology, "port", port)).some((ip) => nextHops.includes(ip)),
  );
}

export function isManyTcp({ packet, flows }: IpProbe): boolean {
  return (
    flows > 1 &&
    packet.fragment === undefined &&
    "protocol" in packet.body &&
    packet.body.protocol === TCP
  );
}

export function targetOf(probe: Probe): string {
  return probe.kind === "question" ? probe.target : "";
}

/** The port that a question is about; null = it is no question, or about none. */
export function askedPort({ topology, probe }: Disagreement): Port | null {
  if (probe.kind !== "question") return null;
  return ownerOf(topology, get(topology, "port", probe.from).network, probe.target) ?? null;
}

/** Whether the probe asks for an address of a router of another project. */
export function isForeignRouter({ topology, probe }: Disagreement): boolean {
  if (probe.kind !== "question") return false;
  const { network, project } = get(topology, "port", probe.from);
  return attachments(topology).some(
    ({ segment, router, mac, addresses }) =>
      segment === network &&
      get(topology, "router", router).project !== project &&
      (linkLocal(mac) === probe.target || addresses.some(({ ip }) => ip === probe.target)),
  );
}

/** The question itself, at some other port. */
export function isAsked({ probe }: Disagreement, { port, src, what }: Arrival): boolean {
  const asks =
    (what.kind === "arp" && what.op === "request") ||
    (what.kind === "nd" && what.op === "solicitation");
  return asks && src === probe.from && port !== probe.from;
}

/** Whether a router made the packet. */
export function isSaid(topology: Topology, { what }: Arrival): boolean {
  return (
    "from" in what &&
    attachments(topology).some(({ addresses }) => addresses.some(({ ip }) => ip === what.from))
  );
}

/** Both are the same but for the TTL, which is one less in OVN. */
export function isOneLess(ovn: Arrival, weft: Arrival): boolean {
  return isLess(ovn, weft, 1);
}

/** Or so much less. */
export function isLess(ovn: Arrival, weft: Arrival, by: number): boolean {
  return (
    ttlOf(ovn) + by === ttlOf(weft) && arrivalText(withTtl(weft, ttlOf(ovn))) === arrivalText(ovn)
  );
}

/** Whether a router made the packet, and a leak led it to its receiver. */
export function isSaidOverLeak(topology: Topology, { what }: Arrival): boolean {
  if (!("from" in what)) return false;
  const { from, to } = what;
  const speakers = attachments(topology)
    .filter(({ addresses }) => addresses.some(({ ip }) => ip === from))
    .map(({ router }) => router);
  return all(topology, "leak").some(
    (leak) =>
      speakers.includes(leak.to) &&
      shownBy(topology, leak).some(({ prefix }) => contains(prefix, to)),
  );
}

/** Whether some of these next hops is nobody's who is up and next to the router. */
export function leadsNowhere(topology: Topology, { router, nextHops }: Group): boolean {
  const segments = new Set(attachments(topology, router).map(({ segment }) => segment));
  const ports = all(topology, "port").filter(({ up, network }) => up && segments.has(network));
  const near = attachments(topology).filter(({ segment }) => segments.has(segment));
  const held = new Set([
    ...ports.flatMap(heldBy),
    ...near.flatMap(({ addresses }) => addresses.map(({ ip }) => ip)),
  ]);
  return nextHops.some((hop) => !held.has(hop));
}

/** Whether the port is a next hop beside one that is nobody's. */
export function sharesWithNobody(topology: Topology, port: string): boolean {
  const own = heldBy(get(topology, "port", port));
  return groupsOf(topology).some(
    (group) => group.nextHops.some((hop) => own.includes(hop)) && leadsNowhere(topology, group),
  );
}

/** The same error of a router further on, which OVN sends back over the router that the packet came from. */
export function tookLongerBack(ovn: Arrival, weft: Arrival): boolean {
  const byRouters = ovn.src.includes("router") && weft.src.includes("router");
  const same = { ...withTtl(weft, ttlOf(ovn)), src: ovn.src };
  return (
    isError(ovn) && byRouters && ttlOf(ovn) < ttlOf(weft) && arrivalText(same) === arrivalText(ovn)
  );
}

/** The same error, from the address that another one is from. */
export function sayingAs(arrival: Arrival, other: Arrival): Arrival {
  if (arrival.what.kind !== "error" || other.what.kind !== "error") return arrival;
  return { ...arrival, what: { ...arrival.what, from: other.what.from } };
}

export function ttlOf({ what }: Arrival): number {
  return "ttl" in what ? what.ttl : 0;
}

export function withTtl(arrival: Arrival, ttl: number): Arrival {
  return "ttl" in arrival.what ? { ...arrival, what: { ...arrival.what, ttl } } : arrival;
}
