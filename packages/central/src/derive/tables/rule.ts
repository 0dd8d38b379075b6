// rule: the instruction key of a route or policy route whose router is up: the row itself names its router by id. Intermediate.

import { equalValues, keySegment } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const rule: DerivedTable<"rule"> = {
  name: "rule",
  sources: [
    { table: "route", keys: (id) => [`route/${id}`] },
    { table: "policy-route", keys: (id) => [`policy/${id}`] },
  ],
  derive(read, key) {
    const kind = keySegment(key, 0);
    const row = read.row(kind === "route" ? "route" : "policy-route", keySegment(key, 1));
    const router = row && read.row("router", row.router);
    return router?.adminUp ? `router/${router.key}/${kind}/${row?.key}` : undefined;
  },
  equal: equalValues,
};
