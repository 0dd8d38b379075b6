// network/<key>/address/<ip in hex>: which port of an overlay a moving address (VRRP, keepalived) belongs to now. On a provider network
// there is no location to tell: there router-neighbour does.

import { ipToBytes, ipToHex } from "@weft/shared/net/ip.ts";
import { macToBytes } from "@weft/shared/net/mac.ts";
import { encodeBody, equalBytes, keySegment } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const addressOwner: DerivedTable<"address-owner"> = {
  name: "address-owner",
  sources: [
    {
      table: "claimed",
      keys: (_id, row) =>
        row.overlay ? [`network/${row.networkKey}/address/${ipToHex(row.ip)}`] : [],
    },
  ],
  derive(read, key) {
    const ipHex = keySegment(key, 3);
    const id = read.first("claimByAddress", `${keySegment(key, 1)}/${ipHex}`);
    const claim = id === undefined ? undefined : read.row("claimed", id);
    const at = claim && read.row("located", claim.port);
    if (claim === undefined || !at || at.vtepIp === null) return undefined;
    return encodeBody({
      $case: "addressOwner",
      value: {
        networkKey: claim.networkKey,
        ip: Buffer.from(ipHex, "hex"),
        mac: macToBytes(claim.mac),
        portKey: at.portKey,
        chassisKey: at.chassisKey,
        vtepIp: ipToBytes(at.vtepIp),
      },
    });
  },
  equal: equalBytes,
};
