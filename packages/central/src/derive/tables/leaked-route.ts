// router/<key>/leaked/<leak key>/<network key>/<prefix in hex>/<length>: what a leak shows of one connected prefix of another router.

import { macToBytes } from "@weft/shared/net/mac.ts";
import { encodeBody, equalBytes, keySegment } from "../encode.ts";
import { prefixBytes } from "../prefixes.ts";
import type { DerivedTable } from "../spec.ts";

export const leakedRoute: DerivedTable<"leaked-route"> = {
  name: "leaked-route",
  sources: [{ table: "leak", keys: (_id, row) => row.cuts.map((cut) => cut.key) }],
  derive(read, key) {
    const id = read.first("leakByKey", keySegment(key, 3));
    const leak = id === undefined ? undefined : read.row("leak", id);
    const cut = leak?.cuts.find((one) => one.key === key);
    const segment = cut && read.row("segment", cut.segment);
    if (leak === undefined || cut === undefined || segment === undefined) return undefined;
    return encodeBody({
      $case: "leakedRoute",
      value: {
        routerKey: leak.routerKey,
        leakKey: leak.leakKey,
        networkKey: segment.networkKey,
        prefix: prefixBytes(cut.cidr),
        prefixLen: cut.cidr.prefixLen,
        mac: macToBytes(segment.mac),
        mtuBytes: read.row("network-mtu", cut.network) ?? 0,
      },
    });
  },
  equal: equalBytes,
};
