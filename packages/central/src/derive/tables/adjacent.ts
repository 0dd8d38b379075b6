// adjacent: what a router that is up touches by itself: its own scope and those of its networks, and the routers joined to it by a
// link or by an overlay network that both are on. A provider network joins nobody. Intermediate: one step of reach.

import { equalStrings } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const adjacent: DerivedTable<"adjacent"> = {
  name: "adjacent",
  sources: [{ table: "router", keys: (id, row) => (row.adminUp ? [id] : []) }],
  derive(read, id) {
    const router = read.row("router", id);
    if (router === undefined) return undefined;
    const scopes = new Set([`router/${router.key}`]);
    const routers = new Set<string>();
    for (const segmentId of read.members("segmentByRouter", id)) {
      const segment = read.row("segment", segmentId);
      if (segment === undefined) continue;
      if (segment.peer !== null) routers.add(segment.peer);
      if (segment.network === null) continue;
      const { networkKey } = segment;
      scopes.add(`network/${networkKey}`);
      // Who routes to a network asks its open ports for addresses that nobody told.
      if (read.exists("open-network", String(networkKey))) scopes.add(`flood/${networkKey}`);
      if (!segment.overlay) continue;
      for (const joined of read.row("routers-on", `${segment.network} ${router.project}`) ?? []) {
        if (joined.id !== id) routers.add(joined.id);
      }
    }
    return { scopes: [...scopes].sort(), routers: [...routers].sort() };
  },
  equal: (a, b) => equalStrings(a.scopes, b.scopes) && equalStrings(a.routers, b.routers),
};
