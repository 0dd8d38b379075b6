// Where Weft differs from OVN on purpose: each with the packets it is about and what either system does with them. A difference of two
// outcomes that these do not explain to the last arrival is a failure. Pure; judged by case.ts, itself tested in differences.test.ts.

import type { Arrival } from "./observe.ts";
import { arrivalText } from "./observe.ts";
import type { Probe } from "./probes.ts";
import { fates, policyFor } from "./reference.ts";
import { ALL_NODES } from "../lab/frames.ts";
import { contains, familyOf, get, heldBy, isProvider, portsOf, type Topology } from "./topology.ts";
import {
  type Disagreement,
  type Explained,
  NOTHING,
  isIp,
  says,
  sayingAs,
  isForNobody,
  isFrom,
  rerouted,
  drawsErrors,
  onlyWeftSays,
  mayReceive,
  whoHas,
  hopsOf,
  isManyTcp,
  targetOf,
  askedPort,
  isAsked,
  isSaid,
  isOneLess,
  tookLongerBack,
  isError,
  ttlOf,
  endsAt,
  isOfLeak,
  isForeignRouter,
  isLess,
  isSaidOverLeak,
  leadsNowhere,
  sharesWithNobody,
} from "./disagreement.ts";

/** They were seen on this series of OVN; another one may do otherwise. */
export const OVN_SERIES = "23.03";

export interface Difference {
  readonly name: string;
  readonly ovn: string;
  readonly weft: string;
  readonly explain: (disagreement: Disagreement) => Explained;
}

/** What is left of a disagreement, and the names of the differences that explained the rest. */
export interface Verdict extends Explained {
  readonly because: readonly string[];
}

export function judge(
  topology: Topology,
  probe: Probe,
  ovn: readonly Arrival[],
  weft: readonly Arrival[],
): Verdict {
  const ways = probe.kind === "ip" ? fates(topology, probe.from, probe.packet) : [];
  let left: Explained = { ovn: less(ovn, weft), weft: less(weft, ovn) };
  const because: string[] = [];
  for (const { name, explain } of DIFFERENCES) {
    if (left.ovn.length + left.weft.length === 0) break;
    const explained = explain({ topology, probe, fates: ways, ...left });
    if (explained.ovn.length + explained.weft.length === 0) continue;
    because.push(name);
    left = { ovn: less(left.ovn, explained.ovn), weft: less(left.weft, explained.weft) };
  }
  return { ...left, because };
}

/** The arrivals of one list that are not in the other, each counted. */
export function less(list: readonly Arrival[], others: readonly Arrival[]): readonly Arrival[] {
  const counts = new Map<string, number>();
  for (const other of others) {
    const text = arrivalText(other);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return list.filter((arrival) => {
    const text = arrivalText(arrival);
    const count = counts.get(text) ?? 0;
    counts.set(text, count - 1);
    return count <= 0;
  });
}

export const DIFFERENCES: readonly Difference[] = [
  {
    name: "what a router says has TTL 255",
    ovn: "254: its own answer passes its own pipeline",
    weft: "255 on its own networks, one less for each further router",
    explain: ({ topology, ovn, weft }) => {
      const pairs = ovn.flatMap((one) => {
        const twin = isSaid(topology, one)
          ? weft.find((other) => isOneLess(one, other))
          : undefined;
        return twin === undefined ? [] : [{ one, twin }];
      });
      return { ovn: pairs.map(({ one }) => one), weft: pairs.map(({ twin }) => twin) };
    },
  },
  {
    name: "way back of errors",
    ovn: "to the router that the packet came from, and on from there",
    weft: "as the router that speaks has it in its table",
    explain: ({ fates: ways, ovn, weft }) => {
      const pairs = ovn.flatMap((one) => {
        const isFar = ways.some((way) => "hops" in way && way.hops > 0);
        const twin = isFar ? weft.find((other) => tookLongerBack(one, other)) : undefined;
        return twin === undefined ? [] : [{ one, twin }];
      });
      return { ovn: pairs.map(({ one }) => one), weft: pairs.map(({ twin }) => twin) };
    },
  },
  {
    name: "which of its addresses a router speaks with",
    ovn: "any that it has on the network which the packet came in from",
    weft: "one in the sender's subnet, where it has one",
    explain: (disagreement) => {
      const { probe, fates: ways, ovn, weft } = disagreement;
      if (probe.kind !== "ip") return NOTHING;
      const cidrs = ways.flatMap((way) => ("ingress" in way ? way.ingress.addresses : []));
      const near = cidrs.filter(({ cidr }) => contains(cidr, probe.packet.from));
      const isNearest = ({ what }: Arrival) =>
        "from" in what && (near.length === 0 || near.some(({ ip }) => ip === what.from));
      const isOurs = (arrival: Arrival) => ways.some((way) => isFrom(arrival, disagreement, way));
      const pairs = ovn.filter(isOurs).flatMap((one) => {
        const twin = weft.find(
          (other) => isOurs(other) && isNearest(other) && isOneLess(one, sayingAs(other, one)),
        );
        return twin === undefined ? [] : [{ one, twin }];
      });
      return { ovn: pairs.map(({ one }) => one), weft: pairs.map(({ twin }) => twin) };
    },
  },
  {
    name: "time exceeded at a router further on, IPv6",
    ovn: "silence, when it is behind a link",
    weft: "time exceeded",
    explain: (disagreement) => {
      const { probe, fates: ways, weft } = disagreement;
      const far = ways.filter((way) => way.end === "ttl exceeded" && way.hops > 0);
      if (probe.kind !== "ip" || familyOf(probe.packet.to) !== 6) return NOTHING;
      const isMeant = (arrival: Arrival) =>
        says(arrival, "timeExceeded") && far.some((way) => isFrom(arrival, disagreement, way));
      return { ovn: [], weft: weft.filter(isMeant) };
    },
  },
  {
    name: "policies about errors",
    ovn: "errors go back past the policies",
    weft: "a policy for what is for the sender is one for errors too: dropped, or sent to its next hops",
    explain: (disagreement) => {
      const { topology, probe, fates: ways, ovn, weft } = disagreement;
      if (probe.kind !== "ip") return NOTHING;
      const { from: to } = probe.packet;
      const explained = ways.map((way): Explained => {
        if (!("ingress" in way)) return NOTHING;
        const from = way.ingress.addresses.find(({ ip }) => familyOf(ip) === familyOf(to))?.ip;
        if (from === undefined) return NOTHING;
        const answer = { ...probe.packet, from, to, body: { echo: "reply" } as const };
        const policy = policyFor(topology, way.ingress, answer);
        const action = policy?.action ?? "allow";
        if (policy === undefined || action === "allow") return NOTHING;
        const straight = ovn.filter((arrival) => isFrom(arrival, disagreement, way));
        if (action === "drop") return { ovn: straight, weft: [] };
        const isHop = ({ port }: Arrival) =>
          heldBy(get(topology, "port", port)).some((ip) => action.nextHops.includes(ip));
        const sent = weft.filter((one) => isHop(one) && isFrom(one, disagreement, way));
        const arrives = sent.length > 0 || leadsNowhere(topology, { ...policy, ...action });
        return arrives ? { ovn: straight, weft: sent } : NOTHING;
      });
      return {
        ovn: explained.flatMap((one) => one.ovn),
        weft: explained.flatMap((one) => one.weft),
      };
    },
  },
  {
    name: "a leak is one router",
    ovn: "two, which are joined: the one whose prefix it is counts the TTL down as well",
    weft: "the router that a prefix is leaked to delivers by itself",
    explain: ({ topology, probe, fates: ways, ovn, weft }) => {
      if (probe.kind !== "ip") return NOTHING;
      const { from, to } = probe.packet;
      const leaked = ways.filter((way) => way.end === "delivered" && way.leaked === true);
      const isWay = (arrival: Arrival) =>
        isIp(arrival) && arrival.what.to === to && leaked.some((way) => endsAt(way, arrival));
      const pairs = ovn.flatMap((one) => {
        const twin = weft.find(
          (other) =>
            (isWay(other) && isOneLess(one, other)) ||
            (isSaidOverLeak(topology, other) && isLess(one, other, 2)),
        );
        return twin === undefined ? [] : [{ one, twin }];
      });
      const ended = ovn.filter(
        ({ what }) =>
          what.kind === "error" &&
          what.to === from &&
          what.about === `${from} > ${to}` &&
          isOfLeak(what.from),
      );
      const last = weft.filter((arrival) => isWay(arrival) && ttlOf(arrival) === 1);
      return {
        ovn: [...pairs.map(({ one }) => one), ...ended],
        weft: [...pairs.map(({ twin }) => twin), ...last],
      };
    },
  },
  {
    name: "what a leak does not tell",
    ovn: "claimed addresses and routers behind a leak are reached",
    weft: "host unreachable, unless the chassis knows the network anyway",
    explain: (disagreement) => {
      const { probe, fates: ways, ovn } = disagreement;
      const behind = ways.filter(({ end }) => end === "behind a leak");
      if (probe.kind !== "ip" || behind.length === 0) return NOTHING;
      const { from, to } = probe.packet;
      const isMeant = (arrival: Arrival) =>
        behind.some((way) => isFrom(arrival, disagreement, way)) ||
        (isIp(arrival) && (arrival.what.to === to || arrival.what.from === to));
      const isTheirs = (arrival: Arrival) =>
        isMeant(arrival) || (isError(arrival) && arrival.what.about === `${from} > ${to}`);
      return { ovn: ovn.filter(isTheirs), weft: disagreement.weft.filter(isMeant) };
    },
  },
  {
    name: "ports of other projects on a shared network",
    ovn: "reached by every router there",
    weft: "host unreachable, unless they are on the same chassis: the physical network is not asked",
    explain: (disagreement) => {
      const beyond = disagreement.fates.filter(({ end }) => end === "port beyond");
      const ends = disagreement.fates.filter(({ end }) => end === "delivered");
      if (beyond.length === 0) return NOTHING;
      const weft = disagreement.weft.filter(
        (arrival) =>
          says(arrival, "hostUnreachable") &&
          beyond.some((way) => isFrom(arrival, disagreement, way)),
      );
      const ovn = disagreement.ovn.filter((one) => ends.some((way) => endsAt(way, one)));
      return { ovn, weft };
    },
  },
  {
    name: "routers of other projects on a shared network",
    ovn: "route and answer for all who are there",
    weft: "only where a chassis hosts something of their project; elsewhere their MAC is nobody's",
    explain: (disagreement) => {
      const { topology, probe, fates: ways, ovn, weft } = disagreement;
      if (isForeignRouter(disagreement)) {
        return { ovn, weft: weft.filter((one) => isAsked(disagreement, one)) };
      }
      const isTheirs = ways.some((way) => way.end === "silent" && way.why === "router of others");
      if (!isTheirs) return NOTHING;
      const isOpen = ({ port }: Arrival) => !get(topology, "port", port).security;
      const { network } = get(topology, "port", probe.from);
      const flooded = weft.filter(
        (one) => isOpen(one) && get(topology, "port", one.port).network === network,
      );
      return { ovn, weft: weft.length === flooded.length ? flooded : [] };
    },
  },
  {
    name: "no route",
    ovn: "silence",
    weft: "network unreachable (IPv6: no route), from the address that the packet came in at",
    explain: onlyWeftSays("noRoute", "no route"),
  },
  {
    name: "unknown host",
    ovn: "silence, and ARP or ND on the target network",
    weft: "host unreachable, unless a port with port security off might have the address",
    explain: onlyWeftSays("hostUnreachable", "unknown host"),
  },
  {
    name: "host that is down",
    ovn: "silence",
    weft: "host unreachable, where it is not another chassis that finds out",
    explain: onlyWeftSays("hostUnreachable", "host down"),
  },
  {
    name: "ECMP chooses otherwise",
    ovn: "by addresses alone unless it is TCP",
    weft: "by addresses and ports, fragments and echo by addresses",
    explain: ({ fates: ways, probe, ovn, weft }) => {
      // Of many TCP connections both use every member: there the sets are equal.
      const members = ways.filter(({ end }) => end !== "router beyond" && end !== "port beyond");
      if (probe.kind !== "ip" || members.length < 2 || isManyTcp(probe)) return NOTHING;
      const isWay = ({ port, what }: Arrival) =>
        what.kind === "ip" &&
        what.to === probe.packet.to &&
        ways.some((way) => way.end === "delivered" && way.port === port && way.ttl === what.ttl);
      return { ovn: ovn.filter(isWay), weft: weft.filter(isWay) };
    },
  },
  {
    name: "ECMP chooses otherwise for what a router says",
    ovn: "an answer takes one of the next hops, also one that nobody has",
    weft: "an answer takes one of the next hops that somebody has, maybe another",
    explain: ({ topology, ovn, weft }) => {
      const isHop = ({ port }: Arrival) => hopsOf(topology).some((hops) => hops(port));
      const same = (one: Arrival, other: Arrival) =>
        isSaid(topology, one) &&
        isOneLess(one, { ...other, port: one.port, dst: one.dst, src: one.src }) &&
        other.src.includes("router") &&
        isHop(one) &&
        isHop(other);
      const pairs = ovn.flatMap((one) => {
        const twin = weft.find((other) => same(one, other));
        return twin === undefined ? [] : [{ one, twin }];
      });
      if (ovn.length === 0) {
        const isAlone = (one: Arrival) =>
          isSaid(topology, one) && sharesWithNobody(topology, one.port);
        return { ovn: [], weft: weft.filter(isAlone) };
      }
      return { ovn: pairs.map(({ one }) => one), weft: pairs.map(({ twin }) => twin) };
    },
  },
  {
    name: "traffic to a router's own address",
    ovn: "TCP reset, or protocol or port unreachable",
    weft: "silence for all but echo requests",
    explain: ({ fates: ways, ovn, probe }) => {
      if (probe.kind !== "ip" || !ways.some(({ end }) => end === "own address")) return NOTHING;
      const { packet } = probe;
      return {
        ovn: ovn.filter(
          (arrival) =>
            "to" in arrival.what &&
            arrival.what.to === packet.from &&
            (says(arrival, "portUnreachable") ||
              says(arrival, "protocolUnreachable") ||
              (isIp(arrival) && arrival.what.content === "tcp" && arrival.what.from === packet.to)),
        ),
        weft: [],
      };
    },
  },
  {
    name: "never routed",
    ovn: "routes groups, loopback and link-local addresses as any other",
    weft: "routes none of them",
    explain: ({ fates: ways, ovn, weft }) => {
      const never = ways.some((fate) => fate.end === "silent" && fate.why === "never routed");
      return never && weft.length === 0 ? { ovn, weft } : NOTHING;
    },
  },
  {
    name: "router behind a provider network",
    ovn: "reached: it is a neighbour as any other",
    weft: "host unreachable, unless the chassis has a port of that network and so knows both routers",
    explain: (disagreement) => {
      const ways = disagreement.fates.filter(({ end }) => end === "router beyond");
      const weft = disagreement.weft.filter(
        (arrival) =>
          says(arrival, "hostUnreachable") &&
          ways.some((way) => isFrom(arrival, disagreement, way)),
      );
      return ways.length > 0 ? { ovn: disagreement.ovn, weft } : NOTHING;
    },
  },
  {
    name: "packet too big",
    ovn: "packet too big or fragmentation needed, or silence",
    weft: "packet too big or fragmentation needed",
    explain: (disagreement) => {
      const ways = disagreement.fates.filter(({ end }) => end === "too big");
      if (!drawsErrors(disagreement.probe)) return NOTHING;
      const weft = disagreement.weft.filter(
        (arrival) =>
          says(arrival, "tooBig") && ways.some((way) => isFrom(arrival, disagreement, way)),
      );
      return { ovn: [], weft };
    },
  },
  {
    name: "frames for a MAC that is nobody's now",
    ovn: "as unknown unicast: a router's that is down, and a neighbour's that it once learned; to a port that is down they go nowhere",
    weft: "as unknown unicast on overlays; what it once learned it forgets with the port",
    explain: ({ topology, fates: ways, ovn, weft }) => {
      const down = ways.some(
        (fate) =>
          fate.end === "host down" ||
          (fate.end === "silent" && (fate.why === "receiver down" || fate.why === "router down")),
      );
      const isOpen = ({ port }: Arrival) => !get(topology, "port", port).security;
      return {
        ovn: ovn.filter((arrival) => isOpen(arrival) && (down || isForNobody(arrival))),
        weft: down ? weft.filter(isOpen) : [],
      };
    },
  },
  {
    name: "address detection",
    ovn: "drops ARP probes; tells nobody that an IPv6 address is taken, but asks those without port security",
    weft: "tells who asks that the address is taken, as its owner on the wire tells all; asks all others when nobody is known to have it",
    explain: ({ topology, probe, ovn, weft }) => {
      if (probe.kind !== "question" || probe.as !== null) return NOTHING;
      const { network, id } = get(topology, "port", probe.from);
      const owner = whoHas(topology, network, probe.target);
      const asked = weft.filter(({ port, src }) => owner === null && port !== id && src === id);
      // On the wire the owner is asked, if it is elsewhere, and answers to all.
      const isWired = isProvider(get(topology, "network", network));
      const isToAll = ({ what }: Arrival) => isWired && what.kind === "nd" && what.to === ALL_NODES;
      const told = weft.filter(
        (one) => owner !== null && one.src === owner && (one.port === id || isToAll(one)),
      );
      // An answer to the unspecified address is taken by nobody; who is not answered for is asked for.
      const open = portsOf(topology, network).find((port) => port.id === owner)?.security === false;
      const others = ovn.filter(
        ({ port, src, what }) =>
          (what.kind === "nd" && what.to === "::") ||
          (open && port !== id && (src === owner || src === id)),
      );
      return { ovn: others, weft: [...asked, ...told] };
    },
  },
  {
    name: "questions that OVN does not answer at the source",
    ovn: "who has the address is asked itself when its port security is off or it has claimed the address",
    weft: "answers for every address that it knows",
    explain: (disagreement) => {
      const owner = askedPort(disagreement);
      if (owner === null || !owner.up) return NOTHING;
      const open = !owner.security || owner.claims.includes(targetOf(disagreement.probe));
      return {
        ovn: open ? disagreement.ovn.filter((one) => isAsked(disagreement, one)) : [],
        weft: [],
      };
    },
  },
  {
    name: "questions that Weft does not answer at the source",
    ovn: "answers for every port of a provider network",
    weft: "asks for those of other hosts: it is the physical network's to say where they are",
    explain: (disagreement) => {
      const { topology, probe, weft } = disagreement;
      const owner = askedPort(disagreement);
      if (owner === null || !isProvider(get(topology, "network", owner.network))) return NOTHING;
      const remote = owner.host !== get(topology, "port", probe.from).host;
      return { ovn: [], weft: remote ? weft.filter((one) => isAsked(disagreement, one)) : [] };
    },
  },
  {
    name: "questions for a port that is down",
    ovn: "answers for it",
    weft: "answers for those of other hosts; asks the others for those of its own",
    explain: (disagreement) => {
      const { topology, probe, ovn, weft } = disagreement;
      const owner = askedPort(disagreement);
      if (owner === null || owner.up) return NOTHING;
      const isAnswer = ({ port, src }: Arrival) => port === probe.from && src === owner.id;
      const remote = owner.host !== get(topology, "port", probe.from).host;
      return {
        ovn: ovn.filter((one) => owner.security && isAnswer(one)),
        weft: weft.filter((one) => (remote && isAnswer(one)) || isAsked(disagreement, one)),
      };
    },
  },
  {
    name: "port security of the receiver",
    ovn: "delivers to a port only what is for addresses that it may use",
    weft: "delivers what is for its MAC or a group",
    explain: ({ topology, probe, fates: ways, weft }) => {
      if (probe.kind !== "ip") return NOTHING;
      const { from, to } = probe.packet;
      // Where the packet, or what a router says about it, was to go to.
      const isMeant = ({ port, what }: Arrival): boolean => {
        if (what.kind !== "ip" && what.kind !== "error") return false;
        if (mayReceive(get(topology, "port", port), what)) return false;
        if (what.kind === "ip" && what.to === to) {
          return ways.some(
            (way) => way.end === "delivered" && way.port === port && way.ttl === what.ttl,
          );
        }
        return what.to === from && rerouted(topology).includes(port);
      };
      return { ovn: [], weft: weft.filter(isMeant) };
    },
  },
];
