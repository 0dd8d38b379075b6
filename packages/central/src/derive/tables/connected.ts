// connected: the prefixes that a router with routes or policy routes is connected to, the longest first, so that the first which
// holds an address is the one that counts. Intermediate, read once by each next hop.

import { prefixAround, samePrefix } from "../prefixes.ts";
import type { ConnectedPrefix, DerivedTable } from "../spec.ts";

export const connected: DerivedTable<"connected"> = {
  name: "connected",
  sources: [
    { table: "route", keys: (_id, row) => [row.router] },
    { table: "policy-route", keys: (_id, row) => [row.router] },
  ],
  derive(read, router) {
    const prefixes: ConnectedPrefix[] = [];
    for (const id of read.members("segmentByRouter", router)) {
      const segment = read.row("segment", id);
      for (const { ip, prefixLen } of segment?.addresses ?? []) {
        const networkKey = segment?.networkKey ?? 0;
        prefixes.push({ cidr: prefixAround(ip, prefixLen), networkKey });
      }
    }
    // Stable: what is equally long keeps the order of the segments' keys.
    return prefixes.sort((a, b) => b.cidr.prefixLen - a.cidr.prefixLen);
  },
  equal: (a, b) => a.length === b.length && a.every((prefix, at) => samePrefixThere(prefix, b[at])),
};

function samePrefixThere(a: ConnectedPrefix, b: ConnectedPrefix | undefined): boolean {
  return a.networkKey === b?.networkKey && samePrefix(a.cidr, b.cidr);
}
