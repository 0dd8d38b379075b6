// Whether both systems take a topology: what Weft refuses and what OVN leaves undefined is not generated. Empty = it is valid. Pure;
// called by the generator, which throws away what is not, and by the shrinker, which must not report such a topology.

import { cidrsOverlap, parseCidr } from "@weft/shared/net/cidr.ts";
import {
  all,
  addressesOf,
  attachments,
  contains,
  covers,
  familyOf,
  isAskedFor,
  isOverlay,
  isShared,
  type Item,
  type Topology,
} from "./topology.ts";

export function problems(topology: Topology): readonly string[] {
  return [
    ...dangling(topology),
    ...clashes(topology),
    ...overlaps(topology),
    ...offLink(topology),
    ...loops(topology),
    ...wrongLeaks(topology),
    ...strangers(topology),
    ...unattached(topology),
  ];
}

/** Ids that an item needs. */
function needs(item: Item): readonly string[] {
  switch (item.kind) {
    case "network":
    case "router":
      return [];
    case "subnet":
    case "port":
      return [item.network];
    case "interface":
      return [item.router, item.network];
    case "link":
      return item.ends.map(({ router }) => router);
    case "route":
      return [item.router];
    case "policy":
      return [item.router, ...(item.ingress === null ? [] : [item.ingress])];
    case "leak":
      return [item.from, item.to];
  }
}

function dangling(topology: Topology): readonly string[] {
  return [...topology.values()].flatMap((item) =>
    needs(item)
      .filter((id) => !topology.has(id))
      .map((id) => `${item.id} needs ${id}`),
  );
}

/** Addresses and MACs that are there twice, and addresses outside of all subnets. */
function clashes(topology: Topology): readonly string[] {
  const found: string[] = [];
  for (const { id: network } of all(topology, "network")) {
    const seen = new Set<string>();
    const take = (what: string) => {
      if (seen.has(what)) found.push(`${what} is twice in ${network}`);
      seen.add(what);
    };
    const subnets = all(topology, "subnet").filter((subnet) => subnet.network === network);
    const inside = (ip: string) => subnets.some(({ cidr }) => contains(cidr, ip));
    for (const port of all(topology, "port").filter((one) => one.network === network)) {
      for (const what of [port.mac, ...port.ips, ...port.claims]) take(what);
      if (port.ips.length === 0 || !port.ips.every(inside)) found.push(`${port.id} is outside`);
      for (const ip of port.claims) {
        const isOpen = !port.security && isAskedFor(topology, network, ip);
        if (!isOpen && !port.pairs.some((pair) => pair.ip === ip))
          found.push(`${port.id} may not claim ${ip}`);
      }
    }
    for (const one of all(topology, "interface").filter((each) => each.network === network)) {
      for (const what of [one.mac, ...addressesOf(topology, one).map(({ ip }) => ip)]) take(what);
      if (!one.ips.every(inside)) found.push(`${one.id} is outside`);
    }
  }
  return found;
}

/** Connected prefixes of one router that overlap, and interfaces twice in one network. */
function overlaps(topology: Topology): readonly string[] {
  const found: string[] = [];
  for (const { id: router } of all(topology, "router")) {
    const own = attachments(topology, router);
    const segments = own.map(({ segment }) => segment);
    if (new Set(segments).size < segments.length) found.push(`${router} is twice in a network`);
    const cidrs = own.flatMap(({ addresses }) => addresses.map(({ cidr }) => parseCidr(cidr)));
    for (const [at, a] of cidrs.entries()) {
      for (const b of cidrs.slice(at + 1)) {
        if (a !== undefined && b !== undefined && cidrsOverlap(a, b)) {
          found.push(`connected prefixes of ${router} overlap`);
        }
      }
    }
    if (own.some(({ addresses }) => addresses.length === 0)) found.push(`${router} has no address`);
  }
  return found;
}

/** Next hops that are not on a network of their router, or that are the router itself. */
function offLink(topology: Topology): readonly string[] {
  const hopsOf = (item: Item): readonly string[] => {
    if (item.kind === "route") return item.nextHops;
    return item.kind === "policy" && typeof item.action === "object" ? item.action.nextHops : [];
  };
  return [...all(topology, "route"), ...all(topology, "policy")].flatMap((item) => {
    const own = attachments(topology, item.router).flatMap(({ addresses }) => addresses);
    return hopsOf(item)
      .filter(
        (hop) => !own.some(({ cidr }) => contains(cidr, hop)) || own.some(({ ip }) => ip === hop),
      )
      .map((hop) => `${item.id}: ${hop} is not on-link`);
  });
}

/** Leaks of what the one router is not connected to, or the other is, or gets from another leak already. */
function wrongLeaks(topology: Topology): readonly string[] {
  const cidrsOf = (router: string, kind: "overlay" | "any") =>
    attachments(topology, router)
      .filter(({ segment }) => kind === "any" || isOverlay(topology, segment))
      .flatMap(({ addresses }) => addresses.map(({ cidr }) => cidr));
  const overlap = (a: string, b: string) => covers(a, b) || covers(b, a);
  return all(topology, "leak").flatMap(({ id, from, to, prefixes }) => {
    const others = all(topology, "leak").filter((one) => one.to === to && one.id !== id);
    const wrong = prefixes.filter(
      (prefix) =>
        !cidrsOf(from, "overlay").some((cidr) => covers(cidr, prefix)) ||
        cidrsOf(to, "any").some((cidr) => overlap(cidr, prefix)) ||
        others.some((other) => other.prefixes.includes(prefix)),
    );
    const self = from === to || prefixes.length === 0 ? [`${id} leaks nothing`] : [];
    return [...self, ...wrong.map((prefix) => `${id} cannot leak ${prefix}`)];
  });
}

/** Ports and interfaces on a network of another project that is not shared. */
function strangers(topology: Topology): readonly string[] {
  return [...all(topology, "port"), ...all(topology, "interface")]
    .filter(({ project, network: on }) => {
      const network = topology.get(on);
      return network?.kind === "network" && network.project !== project && !isShared(network);
    })
    .map(({ id, network }) => `${id} is on ${network} of another project`);
}

/** Policies about packets from a network that their router has no interface in. */
function unattached(topology: Topology): readonly string[] {
  return all(topology, "policy")
    .filter(
      ({ router, ingress }) =>
        ingress !== null &&
        !attachments(topology, router).some(({ segment }) => segment === ingress),
    )
    .map(({ id, router, ingress }) => `${id}: ${router} has no interface in ${ingress}`);
}

/** Static routes that lead over routers back to where they began, in any table. */
function loops(topology: Topology): readonly string[] {
  return all(topology, "router").flatMap(({ id }) =>
    ([4, 6] as const).flatMap((family) => overlappingBack(topology, id, family) ?? []),
  );
}

/** Follows every destination of a router along routers; a loop for an overlapping prefix is one for both systems. */
function overlappingBack(topology: Topology, start: string, family: 4 | 6): string | null {
  const routesOf = (router: string) =>
    all(topology, "route").filter(
      (route) => route.router === router && familyOf(route.destination) === family,
    );
  const routersAt = (router: string, hops: readonly string[]) =>
    attachments(topology)
      .filter(
        (other) => other.router !== router && other.addresses.some(({ ip }) => hops.includes(ip)),
      )
      .map((other) => other.router);
  const overlap = (a: string, b: string) => {
    const [one, other] = [parseCidr(a), parseCidr(b)];
    return one !== undefined && other !== undefined && cidrsOverlap(one, other);
  };
  for (const first of routesOf(start)) {
    const seen = new Set<string>();
    let reached = routersAt(start, first.nextHops);
    while (reached.length > 0) {
      if (reached.includes(start)) return `${first.id} leads back to ${start}`;
      const fresh = reached.filter((router) => !seen.has(router));
      for (const router of fresh) seen.add(router);
      reached = fresh.flatMap((router) =>
        routesOf(router)
          .filter(({ destination }) => overlap(destination, first.destination))
          .flatMap(({ nextHops }) => routersAt(router, nextHops)),
      );
    }
  }
  return null;
}
