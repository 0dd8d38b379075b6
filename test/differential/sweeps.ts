// Sweeps: so many connections over one ECMP route or policy that each of its slots is met, the same ones after every change. Which are
// sent, and what is wrong with where they went: a connection that does not stay with its next hop, moves without need, is lost or goes
// to a member that is gone. Pure; sweeper.ts sends them.

import { cidrAddress, parseCidr } from "@weft/shared/net/cidr.ts";
import { mayReceive } from "./disagreement.ts";
import { type IpPacket, TCP, UDP } from "./packets.ts";
import { FAR } from "./probes.ts";
import { fates } from "./reference.ts";
import {
  all,
  attachments,
  contains,
  familyOf,
  get,
  heldBy,
  type Policy,
  type Port,
  type Route,
  type Topology,
  without,
} from "./topology.ts";

export interface Sweep {
  /** Route or policy that chooses. */
  readonly group: string;
  readonly from: string;
  /** The first of its connections: the others have the source ports after its own. */
  readonly packet: IpPacket;
}

/** Connections of a sweep: with 256 slots about one sweep in fifty misses some given slot. */
export const SWEEP_FLOWS = 1_024;
/** Groups of one case that are swept. */
const MOST_SWEEPS = 2;
const FIRST_PORT = 1_024;
/** Of what is wrong with a sweep so much is said. */
const MOST_LINES = 5;

/** The sweeps of each step: those of the first groups that have several next hops in some step, in all steps that they make sense in. */
export function sweepsOf(topologies: readonly Topology[]): readonly (readonly Sweep[])[] {
  const found = new Map<string, Sweep>();
  for (const topology of topologies) {
    for (const { id } of [...all(topology, "route"), ...all(topology, "policy")]) {
      if (found.size >= MOST_SWEEPS || found.has(id)) continue;
      const sweep = sweepOver(topology, id);
      if (sweep !== null) found.set(id, sweep);
    }
  }
  return topologies.map((topology) =>
    [...found.values()].filter((sweep) => membersOf(topology, sweep) !== null),
  );
}

function groupOf(topology: Topology, id: string): Route | Policy | null {
  const item = topology.get(id);
  return item?.kind === "route" || item?.kind === "policy" ? item : null;
}

function nextHopsOf(group: Route | Policy): readonly string[] {
  if (group.kind === "route") return group.nextHops;
  return typeof group.action === "object" ? group.action.nextHops : [];
}

/** Some packets that several members of the group may get; null = there are none. */
function sweepOver(topology: Topology, id: string): Sweep | null {
  const group = groupOf(topology, id);
  if (group === null || nextHopsOf(group).length < 2) return null;
  for (const from of all(topology, "port")) {
    for (const gateway of attachments(topology).filter(({ segment }) => segment === from.network)) {
      for (const packet of packetsFor(topology, group, from, gateway.mac)) {
        const sweep = { group: id, from: from.id, packet };
        if ((membersOf(topology, sweep)?.size ?? 0) > 1) return sweep;
      }
    }
  }
  return null;
}

function packetsFor(
  topology: Topology,
  group: Route | Policy,
  sender: Port,
  dst: string,
): readonly IpPacket[] {
  const [hop = ""] = nextHopsOf(group);
  const family = familyOf(hop);
  const isOurs = (ip: string) =>
    familyOf(ip) === family && contains(group.destination ?? ANY[family], ip);
  // Nobody's, as long as there is one: where a member has the address, who chose does not show.
  const nobodys = all(topology, "subnet").map(({ cidr }) => within(cidr));
  const known = all(topology, "port").flatMap(({ ips }) => ips);
  const near = within(group.destination ?? ANY[family]);
  const targets = [FAR[family], near, ...nobodys, ...known].filter(isOurs);
  const { ports, protocol } = group.kind === "policy" ? group : { ports: null, protocol: 0 };
  const body: IpPacket["body"] = {
    protocol: protocol === UDP ? UDP : TCP,
    fromPort: FIRST_PORT,
    toPort: ports?.first ?? 80,
  };
  return sender.ips
    .filter((ip) => familyOf(ip) === family)
    .flatMap((from) => targets.map((to) => ({ src: sender.mac, dst, from, to, ttl: 64, body })));
}

const ANY = { 4: "0.0.0.0/0", 6: "::/0" } as const;

/** The ninth address of a prefix, or its last. */
function within(cidr: string): string {
  const prefix = parseCidr(cidr);
  if (prefix === undefined) throw new Error(`no prefix: ${cidr}`);
  const room = prefix.last - prefix.first;
  return cidrAddress(prefix, room < 9n ? room : 9n);
}

/** Ports that the group may send the packets to, each with the next hops that are its addresses. */
export type Members = ReadonlyMap<string, readonly string[]>;

/** Those of a sweep; null = it says nothing here: another decides, or not all of it arrives. */
export function membersOf(topology: Topology, sweep: Sweep): Members | null {
  const group = groupOf(topology, sweep.group);
  const sender = topology.get(sweep.from);
  if (group === null || sender?.kind !== "port") return null;
  const ends = endsOf(topology, sweep);
  if (ends === null) return null;
  const hops = nextHopsOf(group);
  const own = (id: string) => heldBy(get(topology, "port", id)).filter((ip) => hops.includes(ip));
  const members = new Map([...ends].map((id) => [id, own(id)] as const));
  if ([...members.values()].some((ips) => ips.length === 0)) return null;
  const others = endsOf(without(topology, sweep.group), sweep);
  return others !== null && same(others, ends) ? null : members;
}

function endsOf(topology: Topology, { from, packet }: Sweep): ReadonlySet<string> | null {
  const ends = new Set<string>();
  for (const fate of fates(topology, from, packet)) {
    if (fate.end !== "delivered") return null;
    ends.add(fate.port);
  }
  return ends;
}

function same(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((one) => b.has(one));
}

/** Connection, from 0 -> the ports that received it, one entry a frame. */
export type Seen = ReadonlyMap<number, readonly string[]>;

/** Where the connections went the last time, and who was a member then. */
export interface Known {
  readonly members: Members;
  readonly ways: ReadonlyMap<number, string>;
}

/** Of the members those that OVN delivers to as well: it does not, what is for others, to a port with port security. */
export function inOvn(
  topology: Topology,
  { packet }: Sweep,
  members: Members,
): ReadonlySet<string> {
  const may = [...members.keys()].filter((id) => mayReceive(get(topology, "port", id), packet));
  return new Set(may);
}

/** What is wrong with how Weft chose; none = nothing. OVN chooses otherwise: its members, those in `ovn`, are compared as a set. */
export function wrongWith(
  { packet }: Sweep,
  { all: members, ovn }: { readonly all: Members; readonly ovn: ReadonlySet<string> },
  seen: Readonly<Record<"ovn" | "weft", Seen>>,
  before: Known | null,
): readonly string[] {
  const wrong: string[] = [];
  const first = "echo" in packet.body ? 0 : packet.body.fromPort;
  for (let flow = 0; flow < SWEEP_FLOWS; flow++) {
    const ports = [...new Set(seen.weft.get(flow))];
    const [now] = ports;
    const was = before?.ways.get(flow);
    const name = `the connection from port ${first + flow}`;
    if (now === undefined) wrong.push(`${name} reaches nobody in Weft`);
    else if (ports.length > 1) wrong.push(`${name} reaches ${ports.join(" and ")} in Weft`);
    else if (!members.has(now)) wrong.push(`${name} reaches ${now} in Weft, which is no next hop`);
    else if (
      was !== undefined &&
      before !== null &&
      isNeedless(was, now, before.members, members)
    ) {
      wrong.push(`${name} moves from ${was} to ${now} in Weft, though both were and are next hops`);
    }
  }
  const used = (system: "ovn" | "weft") => [...new Set([...seen[system].values()].flat())].sort();
  // By addresses alone OVN has but one choice for all of them, unless it is TCP.
  const isComparable = "protocol" in packet.body && packet.body.protocol === TCP;
  const [theirs, ours] = [used("ovn"), used("weft").filter((port) => ovn.has(port))];
  if (isComparable && theirs.join() !== ours.join()) {
    wrong.push(`OVN uses ${theirs.join(", ")}; Weft uses ${ours.join(", ")}`);
  }
  const more = wrong.length - MOST_LINES;
  return more > 0 ? [...wrong.slice(0, MOST_LINES), `and ${more} more`] : wrong;
}

/** Whether a move between ports had no cause: of the one no next hop is gone, of the other none is new. */
function isNeedless(was: string, now: string, before: Members, after: Members): boolean {
  const hops = (members: Members, port: string) => members.get(port) ?? [];
  const kept = hops(before, was).every((ip) => hops(after, was).includes(ip));
  const known = hops(after, now).every((ip) => hops(before, now).includes(ip));
  return was !== now && kept && known;
}

/** What is to be remembered of a sweep. */
export function knownOf(members: Members, weft: Seen): Known {
  const ways = new Map<number, string>();
  for (const [flow, [port]] of weft) if (port !== undefined) ways.set(flow, port);
  return { members, ways };
}
