// What the guests of one system received, put to the probes that caused it and said in words that do not depend on the system: MACs
// by whose they are, ICMP errors by what they are about. Pure. What neither a probe nor its answer explains is kept apart.

import * as frames from "../lab/frames.ts";
import { ICMP_PROTOCOLS, type Probe } from "./probes.ts";
import { ICMP, readPacketFrame, type SeenFrame, type SeenPacket, TCP } from "./packets.ts";
import type { Received } from "./side.ts";
import { all, attachments, get, isProvider, type Topology } from "./topology.ts";

/** One frame at one guest. Equal arrivals of both systems have equal text. */
export interface Arrival {
  readonly port: string;
  readonly src: string;
  readonly dst: string;
  readonly what: ArrivedIp | ArrivedError | ArrivedArp | ArrivedNd | ArrivedOther;
}

export interface ArrivedIp {
  readonly kind: "ip";
  readonly from: string;
  readonly to: string;
  readonly ttl: number;
  /** udp, tcp, echo request, echo reply, tcp reset ... */
  readonly content: string;
  readonly fragment: "whole" | "first" | "later";
  readonly bytes: number;
}

export interface ArrivedError {
  readonly kind: "error";
  readonly from: string;
  readonly to: string;
  readonly ttl: number;
  readonly family: 4 | 6;
  readonly type: number;
  readonly code: number;
  readonly mtu: number;
  /** Addresses of the packet that it is about. */
  readonly about: string;
}

export interface ArrivedArp {
  readonly kind: "arp";
  readonly op: "request" | "reply";
  readonly senderMac: string;
  readonly senderIp: string;
  readonly targetIp: string;
}

export interface ArrivedNd {
  readonly kind: "nd";
  readonly op: "solicitation" | "advertisement";
  readonly from: string;
  readonly to: string;
  readonly target: string;
  readonly option: string;
}

export interface ArrivedOther {
  readonly kind: "other";
  readonly text: string;
}

/** Arrivals of each probe, sorted by text; the same index as the probes. */
export interface Observation {
  readonly outcomes: readonly (readonly Arrival[])[];
  /** What belongs to no probe. */
  readonly strays: readonly Arrival[];
}

export interface SentProbe {
  readonly probe: Probe;
  /** First of its `flows` numbers. */
  readonly id: number;
}

export function observe(
  topology: Topology,
  sent: readonly SentProbe[],
  received: readonly Received[],
  hostMacs: ReadonlySet<string>,
): Observation {
  const outcomes = sent.map((): Arrival[] => []);
  const strays: Arrival[] = [];
  const roles = new Roles(topology, hostMacs);
  for (const { port, frame } of received) {
    if (!topology.has(port)) continue;
    const seen = readPacketFrame(frame);
    const at = sent.findIndex((one) => belongs(one, port, seen));
    // Of an earlier round, for a guest that took its time.
    if (at < 0 && seen.id !== null) continue;
    const arrival = arrivalOf(roles, topology, port, seen);
    (outcomes[at] ?? strays).push(arrival);
  }
  const sorted = (list: Arrival[]) =>
    list.sort((a, b) => (arrivalText(a) < arrivalText(b) ? -1 : 1));
  return {
    outcomes: outcomes.map((list, at) =>
      sent[at]?.probe.kind === "ip" && sent[at].probe.flows > 1
        ? distinct(sorted(list))
        : sorted(list),
    ),
    strays: sorted(strays),
  };
}

function distinct(list: readonly Arrival[]): readonly Arrival[] {
  return [...new Map(list.map((arrival) => [arrivalText(arrival), arrival])).values()];
}

function belongs({ probe, id }: SentProbe, receiver: string, seen: SeenFrame): boolean {
  if (probe.kind === "ip") {
    const within = (number: number) => number >= id && number < id + probe.flows;
    if (seen.id !== null) return within(seen.id);
    const quoted = seen.ip?.quoted ?? null;
    if (quoted !== null) {
      const bits = quoted.family === 4 ? 0xffff : 0xf_ffff;
      return (
        (quoted.label - id) % (bits + 1) >= 0 && ((quoted.label - (id & bits)) & bits) < probe.flows
      );
    }
    // A reset names nothing but the connection.
    const ports = seen.ip?.protocol === TCP ? seen.ip.ports : null;
    const { body, to } = probe.packet;
    if (ports === null || "echo" in body) return false;
    return (
      seen.ip?.from === to &&
      ports[0] === body.toPort &&
      ports[1] >= body.fromPort &&
      ports[1] < body.fromPort + probe.flows
    );
  }
  const { arp, nd } = seen;
  if (probe.kind === "announcement") {
    if (arp !== null) return arp.senderIp === probe.ip && arp.targetIp === probe.ip;
    return (
      nd?.type === frames.ND_ADVERTISEMENT &&
      nd.target === probe.ip &&
      seen.ip?.to === frames.ALL_NODES &&
      seen.src === probe.mac
    );
  }
  const as = probe.as ?? "0.0.0.0";
  if (arp !== null) {
    return arp.op === "request"
      ? arp.senderIp === as && arp.targetIp === probe.target && arp.senderIp !== arp.targetIp
      : receiver === probe.from && arp.senderIp === probe.target;
  }
  if (nd === null || nd.target !== probe.target) return false;
  return nd.type === frames.ND_SOLICITATION
    ? seen.ip?.from === (probe.as ?? "::")
    : receiver === probe.from || probe.as === null;
}

/** Whose MAC it is. */
class Roles {
  readonly #topology: Topology;
  readonly #hostMacs: ReadonlySet<string>;

  constructor(topology: Topology, hostMacs: ReadonlySet<string>) {
    this.#topology = topology;
    this.#hostMacs = hostMacs;
  }

  of(mac: string, network: string): string {
    const port = all(this.#topology, "port").find(
      (one) => one.mac === mac && one.network === network,
    );
    if (port !== undefined) return port.id;
    // On the physical network a router speaks with its host's MAC, or seems to.
    const provider = isProvider(get(this.#topology, "network", network));
    const gateway = attachments(this.#topology).find(
      (one) => one.mac === mac && one.segment === network,
    );
    if (provider && (gateway !== undefined || this.#hostMacs.has(mac))) return "a router";
    return gateway === undefined ? mac : `router ${gateway.router}`;
  }
}

function arrivalOf(roles: Roles, topology: Topology, port: string, seen: SeenFrame): Arrival {
  const { network } = get(topology, "port", port);
  const role = (mac: string) => roles.of(mac, network);
  return {
    port,
    src: role(seen.src),
    // Where a group address is written is checked by the address in the packet.
    dst: role(seen.dst),
    what: whatArrived(role, seen),
  };
}

function whatArrived(role: (mac: string) => string, seen: SeenFrame): Arrival["what"] {
  const { arp, nd, ip } = seen;
  if (arp !== null) {
    const { op, senderIp, targetIp } = arp;
    return { kind: "arp", op, senderMac: role(arp.senderMac), senderIp, targetIp };
  }
  if (nd !== null && ip !== null) {
    return {
      kind: "nd",
      op: nd.type === frames.ND_SOLICITATION ? "solicitation" : "advertisement",
      ...{ from: ip.from, to: ip.to, target: nd.target },
      option: nd.option === null ? "none" : role(nd.option),
    };
  }
  if (ip === null) return { kind: "other", text: `ethertype ${seen.etherType.toString(16)}` };
  const { from, to, ttl, quoted, icmp, family } = ip;
  if (quoted !== null && icmp !== null) {
    const about = `${quoted.from} > ${quoted.to}`;
    return { kind: "error", from, to, ttl, family, ...icmp, about };
  }
  const content = ip.checksumOk ? contentOf(ip) : `${contentOf(ip)}, BAD CHECKSUM`;
  const { fragment, bytes } = ip;
  return { kind: "ip", from, to, ttl, content, fragment, bytes };
}

function contentOf({ protocol, icmp, fragment }: SeenPacket): string {
  if (fragment === "later") return `protocol ${protocol}`;
  if (icmp !== null && ICMP_PROTOCOLS.has(protocol)) {
    const isEcho =
      protocol === ICMP
        ? icmp.type === 8 || icmp.type === 0
        : icmp.type === 128 || icmp.type === 129;
    if (isEcho) return icmp.type === 8 || icmp.type === 128 ? "echo request" : "echo reply";
    return `icmp ${icmp.type}/${icmp.code}`;
  }
  return protocol === TCP ? "tcp" : protocol === 17 ? "udp" : `protocol ${protocol}`;
}

export function arrivalText({ port, src, dst, what }: Arrival): string {
  return `${port} gets ${src} > ${dst}: ${whatText(what)}`;
}

function whatText(what: Arrival["what"]): string {
  switch (what.kind) {
    case "ip": {
      const { from, to, ttl, content, fragment, bytes } = what;
      const part = fragment === "whole" ? "" : `, ${fragment} fragment`;
      return `${from} > ${to}, ttl ${ttl}, ${content}${part}, ${bytes} bytes`;
    }
    case "error": {
      const { from, to, ttl, family, type, code, mtu, about } = what;
      const size = mtu === 0 ? "" : ` mtu ${mtu}`;
      return `${from} > ${to}, ttl ${ttl}, icmp${family} error ${type}/${code}${size} about ${about}`;
    }
    case "arp":
      return `arp ${what.op}, ${what.senderIp} is at ${what.senderMac}, for ${what.targetIp}`;
    case "nd":
      return `neighbour ${what.op}, ${what.from} > ${what.to}, ${what.target}, option ${what.option}`;
    case "other":
      return what.text;
  }
}
