// network/<key>/address/<ip in hex>: which port of an overlay a moving address (VRRP, keepalived) belongs to now.
// chassis/<name>/address/<network key>/<ip in hex>: the same on a provider network, where nobody but the chassis of the port is told:
// it takes the frames for the address. Routers there are told by router-neighbour.

import { ipToBytes, ipToHex } from "@weft/shared/net/ip.ts";
import { macToBytes } from "@weft/shared/net/mac.ts";
import { encodeBody, equalBytes, keySegment } from "../encode.ts";
import type { Claimed, DerivedTable } from "../spec.ts";

export const addressOwner: DerivedTable<"address-owner"> = {
  name: "address-owner",
  sources: [{ table: "claimed", keys: (_id, row) => [keyOf(row)] }],
  derive(read, key) {
    const wired = key.startsWith("chassis/");
    const [networkKey, ipHex] = [keySegment(key, wired ? 3 : 1), keySegment(key, wired ? 4 : 3)];
    const id = read.first("claimByAddress", `${networkKey}/${ipHex}`);
    const claim = id === undefined ? undefined : read.row("claimed", id);
    const at = claim && read.row("located", claim.port);
    if (claim === undefined || at === undefined || keyOf(claim) !== key) return undefined;
    return encodeBody({
      $case: "addressOwner",
      value: {
        networkKey: claim.networkKey,
        ip: Buffer.from(ipHex, "hex"),
        mac: macToBytes(claim.mac),
        portKey: at.portKey,
        chassisKey: at.chassisKey,
        vtepIp: at.vtepIp === null ? Buffer.alloc(0) : ipToBytes(at.vtepIp),
      },
    });
  },
  equal: equalBytes,
};

function keyOf({ networkKey, chassis, ip }: Claimed): string {
  const hex = ipToHex(ip);
  return chassis === null
    ? `network/${networkKey}/address/${hex}`
    : `chassis/${chassis}/address/${networkKey}/${hex}`;
}
