// neighbour: the routers that must be told of a port by itself: those of its project on its provider network, where nothing has a
// location, and those that a leak shows its addresses. Other routers learn its location with the network. Intermediate.

import { cidrContains } from "@weft/shared/net/cidr.ts";
import { parseIp } from "@weft/shared/net/ip.ts";
import type { DerivedTable, Located, Neighbour, Read } from "../spec.ts";

export const neighbour: DerivedTable<"neighbour"> = {
  name: "neighbour",
  sources: [
    { table: "located", keys: (id, row) => (row.vtepIp === null || row.leaked ? [id] : []) },
  ],
  derive(read, id) {
    const at = read.row("located", id);
    const port = at && read.row("port", id);
    if (at === undefined || port === undefined) return undefined;
    if (port.fixedIps.length === 0) return undefined;
    const ips = port.fixedIps.map((fixed) => fixed.ip);
    const found = at.vtepIp === null ? onTheWire(read, at, ips) : leakedTo(read, at, ips);
    return found.length === 0 ? undefined : found.sort((a, b) => a.routerKey - b.routerKey);
  },
  equal: (a, b) => a.length === b.length && a.every((one, at) => sameNeighbour(one, b[at])),
};

function onTheWire(read: Read, at: Located, ips: readonly string[]): Neighbour[] {
  const routers = new Set<number>();
  for (const id of read.members("segmentByNetwork", `${at.network} ${at.project}`)) {
    const segment = read.row("segment", id);
    if (segment !== undefined) routers.add(segment.routerKey);
  }
  return [...routers].map((routerKey) => ({ routerKey, portKey: at.portKey, ips }));
}

function leakedTo(read: Read, at: Located, ips: readonly string[]): Neighbour[] {
  const addresses = ips.map((text) => ({ text, ip: parseIp(text) }));
  const shown = new Map<number, Set<string>>();
  for (const id of read.members("leakByNetwork", at.network)) {
    const leak = read.row("leak", id);
    if (leak === undefined) continue;
    const cuts = leak.cuts.filter((cut) => cut.network === at.network);
    for (const { text, ip } of addresses) {
      if (ip === undefined || !cuts.some(({ cidr }) => cidrContains(cidr, ip))) continue;
      const known = shown.get(leak.routerKey);
      if (known === undefined) shown.set(leak.routerKey, new Set([text]));
      else known.add(text);
    }
  }
  return [...shown].map(([routerKey, some]) => ({
    routerKey,
    portKey: at.portKey,
    ips: ips.filter((ip) => some.has(ip)),
  }));
}

function sameNeighbour(a: Neighbour, b: Neighbour | undefined): boolean {
  return (
    a.routerKey === b?.routerKey &&
    a.portKey === b.portKey &&
    a.ips.length === b.ips.length &&
    a.ips.every((ip, at) => ip === b.ips[at])
  );
}
