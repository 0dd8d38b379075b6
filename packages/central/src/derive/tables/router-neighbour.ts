// router/<key>/neighbour/<port key>: a port that a router reaches though the locations of its network need not be told to the
// router's chassis: on a provider network, or behind a leak.

import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { ipToBytes } from "@weft/shared/net/ip.ts";
import { macToBytes } from "@weft/shared/net/mac.ts";
import { encodeBody, equalBytes, keySegment, sortedIps } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const routerNeighbour: DerivedTable<"router-neighbour"> = {
  name: "router-neighbour",
  sources: [
    {
      table: "neighbour",
      keys: (_id, row) => row.map((one) => `router/${one.routerKey}/neighbour/${one.portKey}`),
    },
  ],
  derive(read, key) {
    const routerKey = Number(keySegment(key, 1));
    const id = read.first("portByKey", keySegment(key, 3));
    if (id === undefined) return undefined;
    const port = read.row("port", id);
    const at = read.row("located", id);
    const found = read.row("neighbour", id)?.find((one) => one.routerKey === routerKey);
    if (port === undefined || at === undefined || found === undefined) return undefined;
    const encap = at.vtepIp === null ? null : read.row("network", at.network)?.encap;
    return encodeBody({
      $case: "routerNeighbour",
      value: {
        routerKey,
        portKey: at.portKey,
        networkKey: at.networkKey,
        mac: macToBytes(port.mac),
        ips: sortedIps(found.ips),
        chassisKey: at.chassisKey,
        encap: encap ?? EncapType.UNSPECIFIED,
        vtepIp: at.vtepIp === null ? Buffer.alloc(0) : ipToBytes(at.vtepIp),
      },
    });
  },
  equal: equalBytes,
};
