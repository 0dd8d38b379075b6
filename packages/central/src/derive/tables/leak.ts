// leak: what a route leak shows: the connected prefixes that its first router has on overlay networks, cut to the prefixes that it
// names. Links and provider networks are not shown: nothing that is found by location is on them. Intermediate.

import { samePrefix, inCommon, prefixAround, prefixBytes, prefixOf } from "../prefixes.ts";
import type { DerivedTable, LeakCut } from "../spec.ts";

export const leak: DerivedTable<"leak"> = {
  name: "leak",
  sources: [{ table: "route-leak", keys: (id) => [id] }],
  derive(read, id) {
    const row = read.row("route-leak", id);
    const from = row && read.row("router", row.from);
    const to = row && read.row("router", row.to);
    if (!row || !from || !to?.adminUp || from.id === to.id) return undefined;
    const prefixes = row.prefixes.map(prefixOf);
    const cuts = new Map<string, LeakCut>();
    for (const segmentId of read.members("segmentByRouter", from.id)) {
      const segment = read.row("segment", segmentId);
      if (!segment?.overlay || segment.network === null) continue;
      const scope = `router/${to.key}/leaked/${row.key}/${segment.networkKey}`;
      for (const { ip, prefixLen } of segment.addresses) {
        const connected = prefixAround(ip, prefixLen);
        for (const prefix of prefixes) {
          const cidr = inCommon(connected, prefix);
          if (cidr === undefined) continue;
          const key = `${scope}/${prefixBytes(cidr).toString("hex")}/${cidr.prefixLen}`;
          cuts.set(key, { key, network: segment.network, segment: segmentId, cidr });
        }
      }
    }
    if (cuts.size === 0) return undefined;
    const sorted = [...cuts.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    return { routerKey: to.key, leakKey: row.key, cuts: sorted };
  },
  equal: (a, b) =>
    a.routerKey === b.routerKey &&
    a.leakKey === b.leakKey &&
    a.cuts.length === b.cuts.length &&
    a.cuts.every((cut, at) => sameCut(cut, b.cuts[at])),
};

function sameCut(a: LeakCut, b: LeakCut | undefined): boolean {
  return (
    a.key === b?.key &&
    a.network === b.network &&
    a.segment === b.segment &&
    samePrefix(a.cidr, b.cidr)
  );
}
