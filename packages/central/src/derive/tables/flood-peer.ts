// flood/<network key>/peer/<chassis key>: a target of broadcast and multicast, and of unknown unicast where a port asks for it.

import { ipToBytes } from "@weft/shared/net/ip.ts";
import { chassisBlock } from "@weft/shared/net/vni.ts";
import { encodeBody, equalBytes, keySegment, vtepOf } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const floodPeer: DerivedTable<"flood-peer"> = {
  name: "flood-peer",
  sources: [
    {
      table: "presence",
      keys: (key) => [`flood/${keySegment(key, 0)}/peer/${keySegment(key, 1)}`],
    },
  ],
  derive(read, key) {
    const networkKey = keySegment(key, 1);
    const chassisKey = keySegment(key, 3);
    const unknownUnicast = read.row("presence", `${networkKey}/${chassisKey}`);
    const networkId = read.first("networkByKey", networkKey);
    const chassisId = read.first("chassisByKey", chassisKey);
    const encap = networkId === undefined ? undefined : read.row("network", networkId)?.encap;
    const chassis = chassisId === undefined ? undefined : read.row("chassis", chassisId);
    if (unknownUnicast === undefined || !encap || chassis === undefined) return undefined;
    const vtepIp = vtepOf(chassis, encap);
    if (vtepIp === undefined) return undefined;
    const block = chassisBlock(chassis.key);
    const first = read.first("chassisByNetwork", `${networkKey}/${block}`);
    return encodeBody({
      $case: "floodPeer",
      value: {
        networkKey: Number(networkKey),
        chassisKey: chassis.key,
        vtepIp: ipToBytes(vtepIp),
        block,
        relay: first !== undefined && Number(first) === chassis.key,
        unknownUnicast,
      },
    });
  },
  equal: equalBytes,
};
