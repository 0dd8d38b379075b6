// What a router is connected to: one segment for each address that it has, on a network or on a link. Pure over tables; one rule for
// validation and for the status that callers see. A view is a picture of one moment: RouterViews keeps them only while the tables
// stay as they are.

import type { Cidr } from "@weft/shared/net/cidr.ts";
import { cidrContainsCidr, cidrOf, formatCidr } from "@weft/shared/net/cidr.ts";
import type { Ip } from "@weft/shared/net/ip.ts";
import { parseIp } from "@weft/shared/net/ip.ts";
import { addressGroup } from "./indexes.ts";
import { interfaceAddresses } from "./router-addresses.ts";
import type { RouterInterfaceRow, RouterLinkRow, SubnetRow } from "./rows.ts";
import type { Tables } from "./tables.ts";

/** A connected prefix, and the router's own address in it. */
export type Segment = {
  readonly cidr: Cidr;
  /** Canonical text of the prefix. */
  readonly prefix: string;
  /** The router's address. */
  readonly ip: string;
} & (
  | {
      readonly kind: "network";
      readonly interface: RouterInterfaceRow;
      /** Id. */
      readonly subnet: string;
    }
  | {
      readonly kind: "link";
      readonly link: RouterLinkRow;
      readonly peer: { readonly router: string; readonly ips: readonly string[] };
    }
);

export interface RouterView {
  /** By family and first address. */
  readonly segments: readonly Segment[];
  /** Pairs of segments that share addresses; none in a valid model. Each such segment is in one of the pairs at least. */
  readonly overlaps: readonly (readonly [Segment, Segment])[];
}

export function subnetsOf(tables: Tables, network: string): SubnetRow[] {
  const subnets: SubnetRow[] = [];
  for (const id of tables.members("subnetNetwork", network)) {
    const subnet = tables.get("subnet", id);
    if (subnet !== undefined) subnets.push(subnet);
  }
  return subnets;
}

export function routerView(tables: Tables, router: string): RouterView {
  const segments: Segment[] = [];
  for (const id of tables.members("interfaceRouter", router)) {
    const row = tables.get("router-interface", id);
    if (row !== undefined) segments.push(...interfaceSegments(row, subnetsOf(tables, row.network)));
  }
  for (const id of tables.members("linkRouter", router)) {
    const link = tables.get("router-link", id);
    if (link !== undefined) segments.push(...linkSegments(link, router));
  }
  segments.sort((a, b) => compare(a.cidr, b.cidr));
  return { segments, overlaps: overlapsOf(segments) };
}

export function interfaceSegments(
  row: RouterInterfaceRow,
  subnets: Iterable<SubnetRow>,
): Segment[] {
  return interfaceAddresses(row.fixedIps, subnets).flatMap(({ subnet, ip, prefixLen }) => {
    const own = parseIp(ip);
    const cidr = own && cidrOf(own, prefixLen);
    if (cidr === undefined) return [];
    return [{ kind: "network", interface: row, subnet, ip, cidr, prefix: formatCidr(cidr) }];
  });
}

export function linkSegments(link: RouterLinkRow, router: string): Segment[] {
  const own = link.ends.find((end) => end.router === router);
  const other = link.ends.find((end) => end !== own);
  const ips = other?.addresses.map((address) => splitAddress(address).ip) ?? [];
  const peer = { router: other?.router ?? "", ips };
  return (own?.addresses ?? []).flatMap((address) => {
    const { ip, prefixLen } = splitAddress(address);
    const parsed = parseIp(ip);
    const cidr = parsed && cidrOf(parsed, prefixLen);
    if (cidr === undefined) return [];
    return [{ kind: "link", link, peer, ip, cidr, prefix: formatCidr(cidr) }];
  });
}

/** `10.255.0.1/30` in its two parts. */
export function splitAddress(address: string): { ip: string; prefixLen: number } {
  const slash = address.indexOf("/");
  return { ip: address.slice(0, slash), prefixLen: Number(address.slice(slash + 1)) };
}

function compare(a: Cidr, b: Cidr): number {
  if (a.family !== b.family) return a.family - b.family;
  if (a.first !== b.first) return a.first < b.first ? -1 : 1;
  return a.prefixLen - b.prefixLen;
}

/** Prefixes nest or are apart: of those that overlap the widest comes first. */
function overlapsOf(segments: readonly Segment[]): (readonly [Segment, Segment])[] {
  const pairs: (readonly [Segment, Segment])[] = [];
  let widest: Segment | undefined;
  for (const segment of segments) {
    if (widest !== undefined && cidrContainsCidr(widest.cidr, segment.cidr)) {
      pairs.push([widest, segment]);
    } else widest = segment;
  }
  return pairs;
}

/** The segment that an address is on; undefined = off-link. */
export function segmentOf(view: RouterView, ip: Ip): Segment | undefined {
  const { segments } = view;
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const cidr = segments[middle]?.cidr;
    const isAbove =
      cidr !== undefined &&
      (cidr.family === ip.family ? cidr.first > ip.value : cidr.family > ip.family);
    if (isAbove) high = middle;
    else low = middle + 1;
  }
  const found = segments[low - 1];
  if (found?.cidr.family !== ip.family || ip.value > found.cidr.last) return undefined;
  return found;
}

/** The segment that a prefix lies in as a whole. */
export function segmentAround(view: RouterView, prefix: Cidr): Segment | undefined {
  const found = segmentOf(view, { family: prefix.family, value: prefix.first });
  return found !== undefined && cidrContainsCidr(found.cidr, prefix) ? found : undefined;
}

/** A leak can show it: it is on an overlay, where there are locations to tell. */
export function isLeakable(tables: Tables, segment: Segment | undefined): boolean {
  if (segment?.kind !== "network") return false;
  const network = tables.get("network", segment.interface.network);
  return network !== undefined && network.encap !== null;
}

/** The interface whose address in a network this is: given, or as the gateway of the subnet. */
export function interfaceWithIp(
  tables: Tables,
  network: string,
  subnet: string,
  ip: string,
): RouterInterfaceRow | undefined {
  const given = tables.first("interfaceIp", addressGroup(network, ip));
  if (given !== undefined) return tables.get("router-interface", given);
  if (tables.get("subnet", subnet)?.gatewayIp !== ip) return undefined;
  return gatewayHolders(tables, network, subnet).next().value ?? undefined;
}

/** Interfaces that were given no address in the subnet: they take its gateway's. */
export function* gatewayHolders(
  tables: Tables,
  network: string,
  subnet: string,
): Generator<RouterInterfaceRow, undefined> {
  if (countGatewayHolders(tables, network, subnet) === 0) return undefined;
  for (const id of tables.members("interfaceNetwork", network)) {
    const row = tables.get("router-interface", id);
    const isGiven = row?.fixedIps.some((fixed) => fixed.subnet === subnet) ?? true;
    if (row !== undefined && !isGiven) yield row;
  }
  return undefined;
}

export function countGatewayHolders(tables: Tables, network: string, subnet: string): number {
  return tables.count("interfaceNetwork", network) - tables.count("interfaceSubnet", subnet);
}

/** The router that a next hop on a segment leads to, with the table that it looks up in; undefined = no router. */
export function nextRouter(
  tables: Tables,
  segment: Segment,
  ip: string,
): { router: string; table: number } | undefined {
  if (segment.kind === "link") {
    const { router, ips } = segment.peer;
    return ips.includes(ip) ? { router, table: 0 } : undefined;
  }
  const found = interfaceWithIp(tables, segment.interface.network, segment.subnet, ip);
  return found === undefined ? undefined : { router: found.router, table: found.routeTable };
}

/** Views that are kept at once. */
const MAX_VIEWS = 1024;

/** The views of routers while the tables stay as they are. */
export class RouterViews {
  readonly #tables: Tables;
  readonly #views = new Map<string, RouterView>();

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  of(router: string): RouterView {
    let view = this.#views.get(router);
    if (view === undefined) {
      if (this.#views.size >= MAX_VIEWS) this.#views.clear();
      view = routerView(this.#tables, router);
      this.#views.set(router, view);
    }
    return view;
  }

  /** The tables changed. */
  clear(): void {
    this.#views.clear();
  }
}
