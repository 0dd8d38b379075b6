// From a static route as asked for to its row: destination, next hops, loops. Pure; names every problem. Called by kinds.ts.

import { routeGroup } from "./indexes.ts";
import type { RouteSpecIntent } from "./intents.ts";
import { maxRoutesPerRouter } from "./limits.ts";
import { findLoop } from "./loops.ts";
import {
  checkFamilies,
  checkNextHopsInPlace,
  completeNextHops,
  completePrefix,
} from "./next-hop-rules.ts";
import { completeOwnRouter } from "./object-refs.ts";
import type { ObjectProblems } from "./problems.ts";
import { describeObject } from "./references.ts";
import type { RouteRow, RowMeta } from "./rows.ts";
import type { Tables } from "./tables.ts";
import { checkRouteTable } from "./validate-interface.ts";
import type { Whole } from "./whole.ts";

/** The row to be; undefined when nothing sensible can be made of it. */
export function completeRoute(
  tables: Tables,
  meta: RowMeta,
  spec: RouteSpecIntent | null,
  before: RouteRow | undefined,
  problems: ObjectProblems,
): RouteRow | undefined {
  if (spec === null) {
    if (before !== undefined) return { ...before, ...meta };
    const text =
      "a new route needs spec.router, spec.destination and spec.next_hops or spec.blackhole";
    problems.add("MISSING_FIELD", "spec", text);
    return undefined;
  }
  const router = completeOwnRouter({ tables, meta, spec, before, problems, what: "route" });
  const destination = completeDestination(spec, before, problems);
  checkRouteTable(spec.table, "spec.table", problems);
  if (before !== undefined && spec.table !== before.table) {
    const text = `the route is in table ${before.table}: delete it and create it in the other one`;
    problems.add("IMMUTABLE_FIELD", "spec.table", text);
  }
  const nextHops = completeNextHops(spec.nextHops, "spec.next_hops", problems);
  if (spec.blackhole && spec.nextHops.length > 0) {
    const text = "a blackhole drops everything: leave out the next hops, or blackhole";
    problems.add("INVALID_FIELD", "spec.next_hops", text);
  }
  if (!spec.blackhole && spec.nextHops.length === 0) {
    const text = "a route needs next hops: give 1 to 16 addresses, or set blackhole";
    problems.add("MISSING_FIELD", "spec.next_hops", text);
  }
  if (router === undefined || destination === undefined) return undefined;
  checkFamilies(nextHops, [destination], "spec.next_hops", problems);
  const table = before?.table ?? spec.table;
  return { ...meta, key: before?.key ?? 0, router, table, destination, nextHops };
}

function completeDestination(
  spec: RouteSpecIntent,
  before: RouteRow | undefined,
  problems: ObjectProblems,
): string | undefined {
  const field = "spec.destination";
  if (spec.destination === "") {
    if (before === undefined) {
      problems.add(
        "MISSING_FIELD",
        field,
        "a route needs a destination, such as 0.0.0.0/0 or ::/0",
      );
    }
    return before?.destination;
  }
  const destination = completePrefix(spec.destination, field, problems);
  if (before !== undefined && destination !== undefined && destination !== before.destination) {
    const text = `the destination is ${before.destination}: delete the route and create another`;
    problems.add("IMMUTABLE_FIELD", field, text);
  }
  return before?.destination ?? destination;
}

/** What can only be judged once all rows of the set are in place. */
export function checkRouteInPlace(whole: Whole, row: RouteRow, problems: ObjectProblems): void {
  const { tables } = whole;
  const count = tables.count("routeRouter", row.router);
  if (count > maxRoutesPerRouter) {
    const text = `the router would have ${count} routes, at most ${maxRoutesPerRouter}: join prefixes, or use another router`;
    problems.add("OVER_LIMIT", "spec.router", text);
  }
  const group = routeGroup(row.router, row.table, row.destination);
  for (const id of tables.members("routeDestination", group)) {
    const other = id === row.id ? undefined : tables.get("route", id);
    if (other === undefined) continue;
    const table = row.table === 0 ? "the main table" : `table ${row.table}`;
    const text = `${describeObject("route", other)} goes to ${row.destination} in ${table} of this router already: give that one more next hops`;
    problems.add("DUPLICATE_ROUTE", "spec.destination", text);
    return;
  }
  const before = problems.count;
  checkNextHopsInPlace({
    whole,
    problems,
    router: row.router,
    nextHops: row.nextHops,
    field: "spec.next_hops",
  });
  if (problems.count > before) return;
  const loop = findLoop(whole, row);
  if (loop === undefined) return;
  const text = `packets for ${row.destination} would go round: ${loop.join(" -> ")} and back; give one of their routes another next hop`;
  problems.add("ROUTING_LOOP", "spec.next_hops", text);
}
