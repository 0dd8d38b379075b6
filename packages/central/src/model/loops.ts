// Loops of static routes that can be proven: from a route along next hops that are addresses of other routers of the project, by the
// routes of the very same prefix, back to it. Pure over the whole of a set. Called by the checks of routes and of connected prefixes.

import { parseCidr } from "@weft/shared/net/cidr.ts";
import { parseIp } from "@weft/shared/net/ip.ts";
import { routeGroup } from "./indexes.ts";
import { describeObject } from "./references.ts";
import { nextRouter, segmentAround, segmentOf } from "./router-view.ts";
import type { RouteRow } from "./rows.ts";
import type { Whole } from "./whole.ts";

/** Lookups followed from one route; a loop beyond is not proven. */
const MAX_LOOKUPS = 1024;

/** The routers of a loop that the route is in, by name, beginning with its own; undefined = none. */
export function findLoop(whole: Whole, start: RouteRow): readonly string[] | undefined {
  const seen = new Set<string>();
  const path: string[] = [];
  let lookups = 0;

  const leadsBack = (route: RouteRow): boolean => {
    lookups += 1;
    path.push(route.router);
    for (const next of nextLookups(whole, route)) {
      if (next.router === start.router && next.table === start.table) return true;
      const group = routeGroup(next.router, next.table, start.destination);
      if (seen.has(group) || lookups >= MAX_LOOKUPS) continue;
      seen.add(group);
      const found = staticRoute(whole, group);
      if (found !== undefined && leadsBack(found)) return true;
    }
    path.pop();
    return false;
  };

  if (staticRoute(whole, routeGroup(start.router, start.table, start.destination)) !== start) {
    return undefined;
  }
  if (!leadsBack(start)) return undefined;
  return path.map((id) => {
    const router = whole.tables.get("router", id);
    return router === undefined ? id : describeObject("router", router);
  });
}

/** The route that decides about its destination: none when a connected prefix does. */
function staticRoute(whole: Whole, group: string): RouteRow | undefined {
  const id = whole.tables.first("routeDestination", group);
  const route = id === undefined ? undefined : whole.tables.get("route", id);
  const destination = route && parseCidr(route.destination);
  if (route === undefined || destination === undefined) return undefined;
  const connected = segmentAround(whole.views.of(route.router), destination);
  return connected?.prefix === route.destination ? undefined : route;
}

/** Where its next hops look the packet up again, inside the project. */
function* nextLookups(whole: Whole, route: RouteRow): Generator<{ router: string; table: number }> {
  const { tables, views } = whole;
  for (const text of route.nextHops) {
    const ip = parseIp(text);
    const segment = ip && segmentOf(views.of(route.router), ip);
    if (segment === undefined) continue;
    // A provider network joins nobody.
    const isJoin =
      segment.kind === "link" || tables.get("network", segment.interface.network)?.encap !== null;
    const next = isJoin ? nextRouter(tables, segment, text) : undefined;
    if (next !== undefined) yield next;
  }
}
