// segment: where a router touches a network or a link, with its addresses there. It checks again what validation promises, because
// interest follows from it: a router is on networks of its own project and on shared ones, and a link joins routers of one project.
// Intermediate.

import { ipToBytes } from "@weft/shared/net/ip.ts";
import { interfaceAddresses } from "../../model/router-addresses.ts";
import type { SubnetRow } from "../../model/rows.ts";
import { compareAddresses, keySegment } from "../encode.ts";
import type { DerivedTable, Read, Segment } from "../spec.ts";

/** First three bytes of the MACs of a link's ends; the key of the link is the rest. Locally administered. */
const LINK_MAC_PREFIXES = ["0a:00:5d", "0a:00:5c"] as const;

export const segment: DerivedTable<"segment"> = {
  name: "segment",
  sources: [
    { table: "router-interface", keys: (id) => [`interface/${id}`] },
    { table: "router-link", keys: (id) => [`link/${id}/0`, `link/${id}/1`] },
  ],
  derive(read, key) {
    const id = keySegment(key, 1);
    if (key.startsWith("interface/")) return ofInterface(read, id);
    return ofLink(read, id, keySegment(key, 2) === "0" ? 0 : 1);
  },
  equal: (a, b) =>
    a.router === b.router &&
    a.routerKey === b.routerKey &&
    a.project === b.project &&
    a.up === b.up &&
    a.network === b.network &&
    a.overlay === b.overlay &&
    a.peer === b.peer &&
    a.networkKey === b.networkKey &&
    a.interfaceKey === b.interfaceKey &&
    a.mac === b.mac &&
    a.routeTable === b.routeTable &&
    sameAddresses(a.addresses, b.addresses),
};

function ofInterface(read: Read, id: string): Segment | undefined {
  const row = read.row("router-interface", id);
  const router = row && read.row("router", row.router);
  const network = row && read.row("network", row.network);
  if (row === undefined || router === undefined || network === undefined) return undefined;
  const overlay = network.encap !== null;
  if (network.project !== router.project && (overlay || !network.shared)) return undefined;
  const subnets: SubnetRow[] = [];
  for (const subnetId of read.members("subnetByNetwork", network.id)) {
    const subnet = read.row("subnet", subnetId);
    if (subnet !== undefined) subnets.push(subnet);
  }
  const addresses = interfaceAddresses(row.fixedIps, subnets);
  return {
    router: router.id,
    routerKey: router.key,
    project: router.project,
    up: router.adminUp,
    network: network.id,
    overlay,
    peer: null,
    networkKey: network.key,
    interfaceKey: row.key,
    mac: row.mac,
    addresses: sorted(addresses),
    routeTable: row.routeTable,
  };
}

function ofLink(read: Read, id: string, side: 0 | 1): Segment | undefined {
  const link = read.row("router-link", id);
  if (link === undefined) return undefined;
  const end = link.ends[side];
  const router = read.row("router", end.router);
  const peer = read.row("router", link.ends[side === 0 ? 1 : 0].router);
  if (router === undefined || peer === undefined || router.project !== peer.project) {
    return undefined;
  }
  return {
    router: router.id,
    routerKey: router.key,
    project: router.project,
    up: router.adminUp,
    network: null,
    overlay: false,
    peer: peer.id,
    networkKey: link.key,
    interfaceKey: link.key,
    mac: linkMac(link.key, side),
    addresses: sorted(
      end.addresses.map((text) => {
        const [ip = "", length] = text.split("/");
        return { ip, prefixLen: Number(length) };
      }),
    ),
    routeTable: 0,
  };
}

function linkMac(key: number, side: 0 | 1): string {
  const hex = key.toString(16).padStart(6, "0");
  return `${LINK_MAC_PREFIXES[side]}:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`;
}

function sorted(addresses: readonly { ip: string; prefixLen: number }[]): Segment["addresses"] {
  return addresses
    .map(({ ip, prefixLen }) => ({ ip, prefixLen, bytes: ipToBytes(ip) }))
    .sort((a, b) => compareAddresses(a.bytes, b.bytes) || a.prefixLen - b.prefixLen)
    .map(({ ip, prefixLen }) => ({ ip, prefixLen }));
}

function sameAddresses(a: Segment["addresses"], b: Segment["addresses"]): boolean {
  return (
    a.length === b.length &&
    a.every(({ ip, prefixLen }, at) => ip === b[at]?.ip && prefixLen === b[at].prefixLen)
  );
}
