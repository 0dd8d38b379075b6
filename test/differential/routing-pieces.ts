// Routers, their interfaces, links, routes, policies and leaks put into a topology, as pieces.ts does it for what they join. Pure; called
// by features.ts.

import {
  addressAt,
  changeOne,
  freshId,
  isHop,
  mac,
  networksFor,
  numberOf,
  projectsOf,
  withPairs,
} from "./pieces.ts";
import type { Random } from "./random.ts";
import {
  all,
  attachments,
  covers,
  familyOf,
  get,
  heldBy,
  type Interface,
  isOverlay,
  type Leak,
  type Link,
  type Network,
  networkOf,
  type Policy,
  portsOf,
  put,
  type Route,
  subnetsOf,
  type Topology,
} from "./topology.ts";

/** A router with interfaces in some of the networks that its project may use. */
export function withRouter(
  topology: Topology,
  random: Random,
  project = random.pick(projectsOf(topology)),
): Topology {
  const id = freshId(topology, "r");
  const networks = networksFor(topology, project);
  const chosen = random.shuffle(networks).slice(0, random.between(1, 3));
  return chosen.reduce(
    (current, network) => withInterface(current, id, network),
    put(topology, { kind: "router", id, project, up: true }),
  );
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
    ...{ kind: "interface", id, project: get(topology, "router", router).project, router },
    network: network.id,
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
  // Those of other projects are strangers on a shared network.
  return segments.flatMap(({ network, project }) =>
    portsOf(topology, network)
      .filter((port) => port.project === project)
      .flatMap(heldBy)
      .filter((ip) => familyOf(ip) === family),
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

/** A leak from one router to another, or both ways: of whole networks or of parts of them. */
export function withLeak(topology: Topology, random: Random): Topology {
  const idle = projectsOf(topology).find(
    (project) => !all(topology, "router").some((router) => router.project === project),
  );
  const ready = idle === undefined ? topology : withRouter(topology, random, idle);
  const [first, second] = random.shuffle(all(ready, "router"));
  if (first === undefined || second === undefined) return topology;
  const there = leaked(ready, first.id, second.id, random);
  return random.chance(0.5) ? leaked(there, second.id, first.id, random) : there;
}

/** Some of the prefixes that can be leaked and are not; the same topology when there are none. */
function leaked(topology: Topology, from: string, to: string, random: Random): Topology {
  const known = attachments(topology, to).flatMap(({ addresses }) => addresses);
  const brought = all(topology, "leak")
    .filter((leak) => leak.to === to)
    .flatMap(({ prefixes }) => prefixes);
  const own = attachments(topology, from).filter(({ segment }) => isOverlay(topology, segment));
  const prefixes = own
    .flatMap(({ addresses }) => addresses.map(({ cidr }) => cidr))
    .filter((cidr) => !known.some((one) => covers(one.cidr, cidr) || covers(cidr, one.cidr)))
    .map((cidr) => (random.chance(0.3) ? partOf(cidr) : cidr))
    .filter((prefix) => !brought.includes(prefix) && random.chance(0.85));
  if (prefixes.length === 0) return topology;
  const leak: Leak = {
    ...{ kind: "leak", id: freshId(topology, "l"), from, to, prefixes },
    project: get(topology, "router", to).project,
  };
  return put(topology, leak);
}

/** The part that has the first few ports of a network. */
function partOf(cidr: string): string {
  return networkOf(`${addressAt(cidr, 11)}/${familyOf(cidr) === 4 ? 29 : 125}`);
}

/** A leak shows a part of a network instead of the whole, or all of it again. */
export function releaked(topology: Topology, random: Random): Topology {
  return changeOne(topology, random, all(topology, "leak"), (leak) => {
    const own = attachments(topology, leak.from).flatMap(({ addresses }) => addresses);
    const one = random.pick(leak.prefixes);
    const whole = own.find(({ cidr }) => covers(cidr, one))?.cidr ?? one;
    const now = one === whole ? partOf(one) : whole;
    return { ...leak, prefixes: leak.prefixes.map((prefix) => (prefix === one ? now : prefix)) };
  });
}

/** Several next hops become one less; rather where there is still a choice then. */
export function withoutMember(topology: Topology, random: Random): Topology {
  const several = all(topology, "route").filter(({ nextHops }) => nextHops.length > 1);
  const many = several.filter(({ nextHops }) => nextHops.length > 2);
  return changeOne(topology, random, many.length > 0 ? many : several, (route) => {
    const gone = random.pick(route.nextHops);
    return { ...route, nextHops: route.nextHops.filter((hop) => hop !== gone) };
  });
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
