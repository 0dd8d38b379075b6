// From a leak as asked for to its row: whose prefixes, to whom, and that they can be told apart there. Pure; names every problem. Called
// by kinds.ts.

import { cidrsOverlap, parseCidr } from "@weft/shared/net/cidr.ts";
import type { RouteLeakSpecIntent } from "./intents.ts";
import { maxLeaksPerRouter, maxPrefixesPerLeak } from "./limits.ts";
import { completePrefix } from "./next-hop-rules.ts";
import { completeForeignRouterRef, completeRouterRef } from "./object-refs.ts";
import type { ObjectProblems } from "./problems.ts";
import { describeObject } from "./references.ts";
import { isLeakable, segmentAround } from "./router-view.ts";
import type { RouteLeakRow, RowMeta } from "./rows.ts";
import type { Tables } from "./tables.ts";
import type { Whole } from "./whole.ts";

/** The row to be; undefined when nothing sensible can be made of it. */
export function completeLeak(
  tables: Tables,
  meta: RowMeta,
  spec: RouteLeakSpecIntent | null,
  before: RouteLeakRow | undefined,
  problems: ObjectProblems,
): RouteLeakRow | undefined {
  if (spec === null) {
    if (before !== undefined) return { ...before, ...meta };
    const text = "a new route-leak needs spec.from, spec.to and spec.prefixes";
    problems.add("MISSING_FIELD", "spec", text);
    return undefined;
  }
  const common = { tables, meta, problems, what: "route-leak" };
  const from = completeForeignRouterRef({
    ...common,
    ref: spec.from,
    before: before?.from,
    field: "spec.from",
  });
  const to = completeRouterRef({
    ...common,
    ref: spec.to,
    before: before?.to,
    field: "spec.to",
  });
  const prefixes = completePrefixes(spec.prefixes, problems);
  if (from === undefined || to === undefined) return undefined;
  if (from === to) {
    const text =
      "from and to are the same router: a router reaches its own networks without a leak";
    problems.add("INVALID_FIELD", "spec.to", text);
    return undefined;
  }
  return { ...meta, key: before?.key ?? 0, from, to, prefixes };
}

function completePrefixes(asked: readonly string[], problems: ObjectProblems): string[] {
  const field = "spec.prefixes";
  if (asked.length === 0) {
    problems.add("MISSING_FIELD", field, "name the prefixes that are to be reached");
  }
  if (asked.length > maxPrefixesPerLeak) {
    const text = `${asked.length} prefixes, at most ${maxPrefixesPerLeak}: join them, or make another leak`;
    problems.add("OVER_LIMIT", field, text);
    return [];
  }
  const prefixes = asked.flatMap(
    (text, index) => completePrefix(text, `${field}[${index}]`, problems) ?? [],
  );
  return [...new Set(prefixes)].sort();
}

/** What can only be judged once all rows of the set are in place. */
export function checkLeakInPlace(whole: Whole, row: RouteLeakRow, problems: ObjectProblems): void {
  checkCount(whole, "leakFrom", row.from, "spec.from", problems);
  checkCount(whole, "leakTo", row.to, "spec.to", problems);
  for (const prefix of row.prefixes) checkPrefix(whole, row, prefix, problems);
}

function checkCount(
  { tables }: Whole,
  index: "leakFrom" | "leakTo",
  router: string,
  field: string,
  problems: ObjectProblems,
): void {
  const count = tables.count(index, router);
  if (count <= maxLeaksPerRouter) return;
  const direction = index === "leakFrom" ? "from" : "to";
  const text = `there would be ${count} leaks ${direction} this router, at most ${maxLeaksPerRouter}: name more prefixes in one leak`;
  problems.add("OVER_LIMIT", field, text);
}

function checkPrefix(
  whole: Whole,
  row: RouteLeakRow,
  prefix: string,
  problems: ObjectProblems,
): void {
  const { tables, views } = whole;
  const nameOf = (router: string): string => {
    const found = tables.get("router", router);
    return found === undefined ? router : describeObject("router", found);
  };
  const cidr = parseCidr(prefix);
  if (cidr === undefined) return;
  const field = "spec.prefixes";
  if (!isLeakable(tables, segmentAround(views.of(row.from), cidr))) {
    const text = `${prefix} is in no overlay network that ${nameOf(row.from)} has an interface on: name the prefix of such a network, or a part of one`;
    problems.add("OUTSIDE_SUBNET", field, text);
  }
  const own = views.of(row.to).segments.find((segment) => cidrsOverlap(segment.cidr, cidr));
  if (own !== undefined) {
    const text = `${prefix} overlaps ${own.prefix}, which ${nameOf(row.to)} is connected to itself: name another prefix, or use another router`;
    problems.add("OVERLAPPING_PREFIX", field, text);
  }
  for (const id of tables.members("leakTo", row.to)) {
    const other = id === row.id ? undefined : tables.get("route-leak", id);
    if (other === undefined || !other.prefixes.includes(prefix)) continue;
    const text = `${describeObject("route-leak", other)} brings ${prefix} to ${nameOf(row.to)} already: take it out of one of them`;
    problems.add("DUPLICATE_ROUTE", field, text);
  }
}
