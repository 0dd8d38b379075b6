// router/<key>/interface/<key of the network or link>: an interface of a router, or its end of a link; its addresses are the
// connected routes.

import { ipToBytes } from "@weft/shared/net/ip.ts";
import { macToBytes } from "@weft/shared/net/mac.ts";
import { maxMtuBytes } from "@weft/shared/net/vni.ts";
import { encodeBody, equalBytes, keySegment } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const routerPort: DerivedTable<"router-port"> = {
  name: "router-port",
  sources: [
    {
      table: "segment",
      keys: (_id, row) => (row.up ? [`router/${row.routerKey}/interface/${row.networkKey}`] : []),
    },
  ],
  derive(read, key) {
    const id = read.first("segmentByKey", `${keySegment(key, 1)}/${keySegment(key, 3)}`);
    const segment = id === undefined ? undefined : read.row("segment", id);
    if (segment === undefined) return undefined;
    const { network } = segment;
    return encodeBody({
      $case: "routerPort",
      value: {
        routerKey: segment.routerKey,
        networkKey: segment.networkKey,
        interfaceKey: segment.interfaceKey,
        mac: macToBytes(segment.mac),
        addresses: segment.addresses.map(({ ip, prefixLen }) => ({ ip: ipToBytes(ip), prefixLen })),
        routeTable: segment.routeTable,
        // A link has no wire: what comes after it limits the packet.
        mtuBytes: network === null ? maxMtuBytes : (read.row("network-mtu", network) ?? 0),
        link: network === null,
      },
    });
  },
  equal: equalBytes,
};
