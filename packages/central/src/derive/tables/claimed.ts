// claimed: claims that still hold: the port has the address in an allowed pair and nobody in the network owns it as a fixed
// address. Judged here again, because pairs and addresses may change after the claim was taken. Intermediate.

import { ipToHex } from "@weft/shared/net/ip.ts";
import { pairsAllow } from "../address-pairs.ts";
import type { DerivedTable } from "../spec.ts";

export const claimed: DerivedTable<"claimed"> = {
  name: "claimed",
  sources: [{ table: "claim", keys: (id) => [id] }],
  derive(read, id) {
    const claim = read.row("claim", id);
    const port = claim && read.row("port", claim.port);
    const network = claim && read.row("network", claim.network);
    if (!claim || !port || !network || port.network !== claim.network) return undefined;
    if (!pairsAllow(port, claim.ip, claim.mac)) return undefined;
    if (read.count("portByFixedIp", `${claim.network} ${claim.ip}`) > 0) return undefined;
    return { networkKey: network.key, ipHex: ipToHex(claim.ip), mac: claim.mac, port: claim.port };
  },
  equal: (a, b) =>
    a.networkKey === b.networkKey && a.ipHex === b.ipHex && a.mac === b.mac && a.port === b.port,
};
