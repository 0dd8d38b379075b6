// chassis/<name>/fence/<chassis key>: tunnel packets from a fenced chassis are refused.

import { encodeBody, equalBytes, keySegment, sortedIps } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const fencedPeer: DerivedTable<"fenced-peer"> = {
  name: "fenced-peer",
  sources: [{ table: "fences", keys: (id, row) => row.map((key) => `chassis/${id}/fence/${key}`) }],
  derive(read, key) {
    const id = read.first("chassisByKey", keySegment(key, 3));
    const peer = id === undefined ? undefined : read.row("chassis", id);
    if (peer === undefined) return undefined;
    const vtepIps = sortedIps([...new Set(peer.encaps.map((encap) => encap.ip))]);
    return encodeBody({ $case: "fencedPeer", value: { chassisKey: peer.key, vtepIps } });
  },
  equal: equalBytes,
};
