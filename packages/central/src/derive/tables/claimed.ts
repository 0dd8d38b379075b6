// claimed: claims that still hold: an allowed pair of the port covers the address, or the port has port security off and a router
// may ask it for the address, which none does on a provider network; and nobody in the network owns it as a fixed address, no router
// either. Judged here again, because pairs and addresses may change after the claim was taken. On a provider network of a port that
// has a chassis: that alone is told (address-owner), beside routers. Intermediate.

import type { NetworkRow } from "../../model/rows.ts";
import { pairsAllow } from "../address-pairs.ts";
import { connects } from "../prefixes.ts";
import type { DerivedTable, Segment } from "../spec.ts";

export const claimed: DerivedTable<"claimed"> = {
  name: "claimed",
  sources: [{ table: "claim", keys: (id) => [id] }],
  derive(read, id) {
    const claim = read.row("claim", id);
    const port = claim && read.row("port", claim.port);
    const network = claim && read.row("network", claim.network);
    if (!claim || !port || !network || port.network !== claim.network) return undefined;
    const segments = {
      members: (group: string) => read.members("segmentByNetwork", group),
      segment: (key: string) => read.row("segment", key),
    };
    const open = !port.portSecurity && isRouted(network, claim.ip, segments);
    if (!open && !pairsAllow(port, claim.ip, claim.mac)) return undefined;
    const address = `${claim.network} ${claim.ip}`;
    if (read.count("portByFixedIp", address) > 0) return undefined;
    if (read.count("interfaceByAddress", address) > 0) return undefined;
    const chassis = network.encap === null ? read.row("placement", claim.port)?.chassis : null;
    if (chassis === undefined) return undefined;
    return {
      networkKey: network.key,
      chassis,
      ip: claim.ip,
      mac: claim.mac,
      port: claim.port,
    };
  },
  equal: (a, b) =>
    a.networkKey === b.networkKey &&
    a.chassis === b.chassis &&
    a.ip === b.ip &&
    a.mac === b.mac &&
    a.port === b.port,
};

/** What is read of the index segmentByNetwork and of the table segment; deriver.ts reads both untracked. */
interface Segments {
  readonly members: (group: string) => readonly string[];
  readonly segment: (key: string) => Segment | undefined;
}

/** A router of the network's project that is up has the address in a connected prefix there, on an overlay. */
export function isRouted(network: NetworkRow, ip: string, segments: Segments): boolean {
  if (network.encap === null) return false;
  return segments.members(`${network.id} ${network.project}`).some((key) => {
    const segment = segments.segment(key);
    return segment !== undefined && connects(segment, ip);
  });
}
