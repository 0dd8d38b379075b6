// claimed: claims that still hold: an allowed pair of the port covers the address, or the port has port security off and a router
// may ask it for the address, which none does on a provider network; and nobody in the network owns it as a fixed address, no router
// either. Judged here again, because pairs and addresses may change after the claim was taken. Intermediate.

import type { NetworkRow } from "../../model/rows.ts";
import { pairsAllow } from "../address-pairs.ts";
import { connects } from "../prefixes.ts";
import type { DerivedTable, Read } from "../spec.ts";

export const claimed: DerivedTable<"claimed"> = {
  name: "claimed",
  sources: [{ table: "claim", keys: (id) => [id] }],
  derive(read, id) {
    const claim = read.row("claim", id);
    const port = claim && read.row("port", claim.port);
    const network = claim && read.row("network", claim.network);
    if (!claim || !port || !network || port.network !== claim.network) return undefined;
    const open = !port.portSecurity && isRouted(read, network, claim.ip);
    if (!open && !pairsAllow(port, claim.ip, claim.mac)) return undefined;
    const address = `${claim.network} ${claim.ip}`;
    if (read.count("portByFixedIp", address) > 0) return undefined;
    if (read.count("interfaceByAddress", address) > 0) return undefined;
    return {
      networkKey: network.key,
      overlay: network.encap !== null,
      ip: claim.ip,
      mac: claim.mac,
      port: claim.port,
    };
  },
  equal: (a, b) =>
    a.networkKey === b.networkKey &&
    a.overlay === b.overlay &&
    a.ip === b.ip &&
    a.mac === b.mac &&
    a.port === b.port,
};

/** A router of the network's project that is up has the address in a connected prefix there. */
function isRouted(read: Read, network: NetworkRow, ip: string): boolean {
  if (network.encap === null) return false;
  for (const id of read.members("segmentByNetwork", `${network.id} ${network.project}`)) {
    const segment = read.row("segment", id);
    if (segment !== undefined && connects(segment, ip)) return true;
  }
  return false;
}
