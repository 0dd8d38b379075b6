// router/<key>/route/<route key>: a static route with the network or link of each next hop. A next hop that is on none is left out; a
// route that loses all of them so is absent, which a blackhole is not.

import { encodeBody, equalBytes, keySegment } from "../encode.ts";
import { segmentHops } from "../next-hops.ts";
import { prefixBytes, prefixOf } from "../prefixes.ts";
import type { DerivedTable } from "../spec.ts";

export const staticRoute: DerivedTable<"static-route"> = {
  name: "static-route",
  sources: [{ table: "rule", keys: (id, key) => (id.startsWith("route/") ? [key] : []) }],
  derive(read, key) {
    const id = read.first("routeByKey", keySegment(key, 3));
    const route = id === undefined ? undefined : read.row("route", id);
    if (route === undefined) return undefined;
    const nextHops = segmentHops(read, route.router, route.nextHops);
    if (nextHops.length === 0 && route.nextHops.length > 0) return undefined;
    const destination = prefixOf(route.destination);
    return encodeBody({
      $case: "staticRoute",
      value: {
        routerKey: Number(keySegment(key, 1)),
        routeKey: route.key,
        table: route.table,
        prefix: prefixBytes(destination),
        prefixLen: destination.prefixLen,
        nextHops,
      },
    });
  },
  equal: equalBytes,
};
