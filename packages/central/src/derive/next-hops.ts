// Next hops of routes and policy routes as instructions carry them: with the network or link that each is on. Pure; called by
// tables/static-route.ts and tables/policy-rule.ts.

import type { SegmentHop } from "@weft/shared/gen/weft/v1/southbound.ts";
import { sortedIps } from "./encode.ts";
import type { Read } from "./spec.ts";
import { bytesToIp } from "@weft/shared/net/ip.ts";

/** Sorted; without those that are on no network or link of the router. */
export function segmentHops(read: Read, router: string, nextHops: readonly string[]): SegmentHop[] {
  const hops: SegmentHop[] = [];
  for (const ip of sortedIps(nextHops)) {
    const networkKey = read.row("next-hop", `${router} ${bytesToIp(ip)}`);
    if (networkKey !== undefined) hops.push({ ip, networkKey });
  }
  return hops;
}
