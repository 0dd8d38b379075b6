// Which fields of a row derivation never reads: a change of these alone is no change to it, and must not derive anew what reads
// the row (a label of a network: all of its ports). The one place that says so. Pure. Called for every changed row by engine.ts,
// through deriver.ts; derive.property.test.ts refuses any read of a field named here.

import { isDeepStrictEqual } from "node:util";
import type { RowChange, RowMeta, Rows, TableName } from "../model/rows.ts";

const META = [
  "name",
  "labels",
  "revision",
  "createdAtMs",
  "updatedAtMs",
] as const satisfies readonly (keyof RowMeta)[];

/** A field that is not here counts: forgetting one costs work, never a wrong result. */
export const unreadFields: { readonly [T in TableName]: readonly (keyof Rows[T])[] } = {
  network: META,
  subnet: [...META, "allocationRanges", "reserved", "ipv6Allocation"],
  port: [...META, "deviceOwner", "deviceId"],
  chassis: [...META, "drain", "lost", "hostname", "physicalNetworks"],
  router: META,
  "router-interface": META,
  route: META,
  "policy-route": META,
  "router-link": META,
  "route-leak": META,
  binding: ["reason", "mtuBytes"],
  claim: ["generation"],
  liveness: [],
};

/** False when what changed is in fields alone that derivation never reads. Rows of one table all have the same fields. */
export function concernsDerivation({ table, before, after }: RowChange): boolean {
  if (before === undefined || after === undefined) return true;
  const unread: readonly string[] = unreadFields[table];
  const old = before as unknown as Readonly<Record<string, unknown>>;
  for (const [field, value] of Object.entries(after)) {
    if (value === old[field] || unread.includes(field)) continue;
    if (!isDeepStrictEqual(value, old[field])) return true;
  }
  return false;
}
