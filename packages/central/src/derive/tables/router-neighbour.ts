// router/<key>/neighbour/<port key>: a port that a router reaches though the locations of its network need not be told to the
// router's chassis: on a provider network, or behind a leak. router/<key>/claimed/<network key>/<ip in hex>: an address of a provider
// network that only an allowed pair names, at the port that claimed it last.

import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { ipToBytes } from "@weft/shared/net/ip.ts";
import { macToBytes } from "@weft/shared/net/mac.ts";
import { encodeBody, equalBytes, keySegment, sortedIps } from "../encode.ts";
import type { DerivedTable, Read } from "../spec.ts";

export const routerNeighbour: DerivedTable<"router-neighbour"> = {
  name: "router-neighbour",
  sources: [
    {
      table: "neighbour",
      keys: (_id, row) => row.map((one) => `router/${one.routerKey}/${one.key}`),
    },
  ],
  derive(read, key) {
    const routerKey = Number(keySegment(key, 1));
    const id = neighbourId(read, key);
    const all = id === undefined ? undefined : read.row("neighbour", id);
    const found = all?.find((one) => one.routerKey === routerKey);
    const at = found && read.row("located", found.port);
    if (found === undefined || at === undefined) return undefined;
    const encap = at.vtepIp === null ? null : read.row("network", at.network)?.encap;
    return encodeBody({
      $case: "routerNeighbour",
      value: {
        routerKey,
        portKey: at.portKey,
        networkKey: at.networkKey,
        mac: macToBytes(found.mac),
        ips: sortedIps(found.ips),
        chassisKey: at.chassisKey,
        encap: encap ?? EncapType.UNSPECIFIED,
        vtepIp: at.vtepIp === null ? Buffer.alloc(0) : ipToBytes(at.vtepIp),
      },
    });
  },
  equal: equalBytes,
};

/** Of the row that the key of an instruction comes from. */
function neighbourId(read: Read, key: string): string | undefined {
  if (keySegment(key, 2) === "neighbour") {
    const port = read.first("portByKey", keySegment(key, 3));
    return port === undefined ? undefined : `port/${port}`;
  }
  const claim = read.first("claimByAddress", `${keySegment(key, 3)}/${keySegment(key, 4)}`);
  return claim === undefined ? undefined : `claim/${claim}`;
}
