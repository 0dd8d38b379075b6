// neighbour: the routers that must be told of a port, or of an address that one claimed, by itself: those of its project on its provider
// network, where nothing has a location, and those that a leak shows its own addresses. Other routers learn of it with the network.
// Intermediate.

import { cidrContains } from "@weft/shared/net/cidr.ts";
import { ipToHex, parseIp } from "@weft/shared/net/ip.ts";
import type { DerivedTable, Located, Neighbour, Read } from "../spec.ts";

/** What of it each router is told. */
type Told = Omit<Neighbour, "routerKey">;

export const neighbour: DerivedTable<"neighbour"> = {
  name: "neighbour",
  sources: [
    {
      table: "located",
      keys: (id, row) => (row.vtepIp === null || row.leaked ? [`port/${id}`] : []),
    },
    { table: "claimed", keys: (id, row) => (row.chassis === null ? [] : [`claim/${id}`]) },
  ],
  derive(read, key) {
    const id = key.slice(key.indexOf("/") + 1);
    const found = key.startsWith("port/") ? ofPort(read, id) : ofClaim(read, id);
    return found.length === 0 ? undefined : found.sort((a, b) => a.routerKey - b.routerKey);
  },
  equal: (a, b) => a.length === b.length && a.every((one, at) => sameNeighbour(one, b[at])),
};

function ofPort(read: Read, id: string): Neighbour[] {
  const at = read.row("located", id);
  const port = at && read.row("port", id);
  if (at === undefined || port === undefined || port.fixedIps.length === 0) return [];
  const ips = port.fixedIps.map((fixed) => fixed.ip);
  const told = { port: id, key: `neighbour/${at.portKey}`, mac: port.mac, ips };
  return at.vtepIp === null ? onTheWire(read, at, told) : leakedTo(read, at, told);
}

/** Claims of ports on overlays are told with the network. */
function ofClaim(read: Read, id: string): Neighbour[] {
  const claim = read.row("claimed", id);
  const at = claim && read.row("located", claim.port);
  if (claim === undefined || at?.vtepIp !== null) return [];
  const { port, networkKey, ip, mac } = claim;
  const key = `claimed/${networkKey}/${ipToHex(ip)}`;
  return onTheWire(read, at, { port, key, mac, ips: [ip] });
}

function onTheWire(read: Read, at: Located, { port, key, mac, ips }: Told): Neighbour[] {
  const routers = read.row("routers-on", `${at.network} ${at.project}`) ?? [];
  return routers.map((router) => ({ routerKey: router.key, port, key, mac, ips }));
}

function leakedTo(read: Read, at: Located, { port, key, mac, ips }: Told): Neighbour[] {
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
  return [...shown].map(([routerKey, some]) => {
    const seen = ips.filter((ip) => some.has(ip));
    return { routerKey, port, key, mac, ips: seen };
  });
}

function sameNeighbour(a: Neighbour, b: Neighbour | undefined): boolean {
  return (
    a.routerKey === b?.routerKey &&
    a.port === b.port &&
    a.key === b.key &&
    a.mac === b.mac &&
    a.ips.length === b.ips.length &&
    a.ips.every((ip, at) => ip === b.ips[at])
  );
}
