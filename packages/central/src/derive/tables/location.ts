// network/<key>/location/<port key>: where peers send to. The address of the chassis is inline, so that nothing has all chassis
// as its audience.

import { ipToBytes } from "@weft/shared/net/ip.ts";
import { macToBytes } from "@weft/shared/net/mac.ts";
import { encodeBody, equalBytes, keySegment, sortedIps } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const location: DerivedTable<"location"> = {
  name: "location",
  sources: [
    {
      table: "located",
      keys: (_id, row) =>
        row.vtepIp === null ? [] : [`network/${row.networkKey}/location/${row.portKey}`],
    },
  ],
  derive(read, key) {
    const id = read.first("portByKey", keySegment(key, 3));
    const port = id === undefined ? undefined : read.row("port", id);
    const at = id === undefined ? undefined : read.row("located", id);
    if (port === undefined || !at || at.vtepIp === null) return undefined;
    return encodeBody({
      $case: "location",
      value: {
        portKey: port.key,
        networkKey: at.networkKey,
        mac: macToBytes(port.mac),
        ips: sortedIps(port.fixedIps.map((fixed) => fixed.ip)),
        chassisKey: at.chassisKey,
        vtepIp: ipToBytes(at.vtepIp),
        portSecurity: port.portSecurity,
      },
    });
  },
  equal: equalBytes,
};
