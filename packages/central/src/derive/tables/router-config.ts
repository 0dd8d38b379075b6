// router/<key>/config: the router is up.

import { encodeBody, equalBytes, keySegment } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const routerConfig: DerivedTable<"router-config"> = {
  name: "router-config",
  sources: [
    { table: "router", keys: (_id, row) => (row.adminUp ? [`router/${row.key}/config`] : []) },
  ],
  derive(read, key) {
    const routerId = read.first("routerByKey", keySegment(key, 1));
    if (routerId === undefined) return undefined;
    const routerKey = Number(keySegment(key, 1));
    return encodeBody({ $case: "router", value: { routerKey, routerId } });
  },
  equal: equalBytes,
};
