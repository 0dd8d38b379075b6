// reach: what a chassis hears because a port that it hosts can use a router: that router and those joined to it, transitively, with
// their networks. It follows packets: one passes at most 8 routers, so that 7 joins are as far as it gets. Kept only for routers
// that somebody hosts. Intermediate.

import { equalStrings } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

/** Joins between the first router of a packet and the last: one less than the routers that it may pass (ARCHITECTURE.md). */
export const MAX_JOINS = 7;

export const reach: DerivedTable<"reach"> = {
  name: "reach",
  sources: [{ table: "hosted", keys: (_key, routers) => routers }],
  derive(read, first) {
    const scopes = new Set<string>();
    const known = new Set([first]);
    let ring: readonly string[] = [first];
    for (let joins = 0; ring.length > 0 && joins <= MAX_JOINS; joins++) {
      const next: string[] = [];
      for (const router of ring) {
        const adjacent = read.row("adjacent", router);
        for (const scope of adjacent?.scopes ?? []) scopes.add(scope);
        for (const joined of adjacent?.routers ?? []) {
          if (known.has(joined)) continue;
          known.add(joined);
          next.push(joined);
        }
      }
      ring = next;
    }
    return scopes.size === 0 ? undefined : [...scopes].sort();
  },
  equal: equalStrings,
};
