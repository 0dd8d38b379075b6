// The rules about connected prefixes of a router: they do not overlap, leaks do not hide them, and what routes need of them stays.
// Pure over the whole of a set. Called by the checks of interfaces, links and subnets, each for the segments that are its own.

import { cidrContains, cidrContainsCidr, cidrsOverlap, parseCidr } from "@weft/shared/net/cidr.ts";
import { addressGroup } from "./indexes.ts";
import { maxConnectedPerRouter } from "./limits.ts";
import { findLoop } from "./loops.ts";
import type { ObjectProblems } from "./problems.ts";
import { describeObject } from "./references.ts";
import type { Segment } from "./router-view.ts";
import {
  interfaceSegments,
  isLeakable,
  nextRouter,
  segmentAround,
  segmentOf,
} from "./router-view.ts";
import type { RouterInterfaceRow, RouterLinkRow } from "./rows.ts";
import { Users } from "./users.ts";
import type { Whole } from "./whole.ts";

export interface Connected {
  readonly whole: Whole;
  /** Id. */
  readonly router: string;
  /** True for the segments that the checked object makes. */
  readonly isOwn: (segment: Segment) => boolean;
  /** What the checked object made before the set. */
  readonly before: readonly Segment[];
  readonly field: string;
  readonly problems: ObjectProblems;
}

/** A router as it is connected now, by an object that is there. */
export function checkConnected(connected: Connected): void {
  const { whole, router, isOwn, before, field, problems } = connected;
  const view = whole.views.of(router);
  const count = view.segments.length;
  if (count > maxConnectedPerRouter) {
    const text = `the router would be connected to ${count} prefixes, at most ${maxConnectedPerRouter}: join another router by a link`;
    problems.add("OVER_LIMIT", field, text);
    return;
  }
  const overlap = view.overlaps.find((pair) => pair.some(isOwn));
  if (overlap !== undefined) {
    problems.add("OVERLAPPING_PREFIX", field, overlapText(connected, overlap));
    return;
  }
  // What is as it was has been judged; whatever else changed around it is judged there.
  const changed = view.segments.filter((segment) => isOwn(segment) && !wasThere(before, segment));
  for (const segment of changed) checkSegment(connected, segment);
  const users = new Users(whole.tables);
  addUsersOfRemoved(whole, router, before, users);
  if (users.count > 0) {
    const text = `${users.text} would lose what they need: change or delete them first or in the same set`;
    problems.add("IN_USE", field, text);
  }
}

function wasThere(before: readonly Segment[], segment: Segment): boolean {
  const tableOf = (of: Segment): number => (of.kind === "network" ? of.interface.routeTable : 0);
  return before.some(
    (old) =>
      old.prefix === segment.prefix && old.ip === segment.ip && tableOf(old) === tableOf(segment),
  );
}

function overlapText(
  { whole, router, isOwn }: Connected,
  [a, b]: readonly [Segment, Segment],
): string {
  const [mine, other] = isOwn(a) ? [a, b] : [b, a];
  const row = whole.tables.get("router", router);
  const name = row === undefined ? router : describeObject("router", row);
  const wayOut =
    "a router can tell two networks apart only by their prefixes: use another router, or another prefix";
  return `${mine.prefix} overlaps ${other.prefix} of ${describeSegment(whole, other)}, which ${name} is connected to: ${wayOut}`;
}

function describeSegment({ tables }: Whole, segment: Segment): string {
  if (segment.kind === "link") return describeObject("router-link", segment.link);
  const subnet = tables.get("subnet", segment.subnet);
  return subnet === undefined ? segment.subnet : describeObject("subnet", subnet);
}

function checkSegment(connected: Connected, segment: Segment): void {
  const { whole, router, field, problems } = connected;
  const { tables } = whole;
  for (const id of tables.members("leakTo", router)) {
    const leak = tables.get("route-leak", id);
    const prefix = leak?.prefixes.find((text) => {
      const leaked = parseCidr(text);
      return leaked !== undefined && cidrsOverlap(leaked, segment.cidr);
    });
    if (leak === undefined || prefix === undefined) continue;
    const text = `${segment.prefix} overlaps ${prefix}, which ${describeObject("route-leak", leak)} brings to the router: use another prefix, or take it out of the leak`;
    problems.add("OVERLAPPING_PREFIX", field, text);
  }
  const users = new Users(tables);
  const group = addressGroup(router, segment.ip);
  users.addAll("route", tables.members("routeNextHop", group));
  users.addAll("policy-route", tables.members("policyNextHop", group));
  if (users.count > 0) {
    const text = `${segment.ip} would be the router's own address and is a next hop of ${users.text}: choose another address, or change those`;
    problems.add("IN_USE", field, text);
  }
  checkLoops(connected, segment);
}

/** Routes of joined routers that lead to this address now. */
function checkLoops({ whole, field, problems }: Connected, segment: Segment): void {
  const { tables } = whole;
  for (const peer of peersOf(whole, segment)) {
    for (const id of tables.members("routeNextHop", addressGroup(peer, segment.ip))) {
      const route = tables.get("route", id);
      const loop = route && findLoop(whole, route);
      if (route === undefined || loop === undefined) continue;
      const text = `with ${segment.ip} here, ${describeObject("route", route)} closes a loop for ${route.destination}: ${loop.join(" -> ")} and back; change one of their routes in the same set`;
      problems.add("ROUTING_LOOP", field, text);
      return;
    }
  }
}

/** Routers on the other side of a segment that joins them. */
function* peersOf({ tables }: Whole, segment: Segment): Generator<string> {
  if (segment.kind === "link") {
    yield segment.peer.router;
    return;
  }
  const { network, router } = segment.interface;
  if (tables.get("network", network)?.encap === null) return;
  for (const id of tables.members("interfaceNetwork", network)) {
    const other = tables.get("router-interface", id)?.router;
    if (other !== undefined && other !== router) yield other;
  }
}

/** Who needs segments that a router does not have any more: prefixes, and addresses that others route to. */
export function addUsersOfRemoved(
  whole: Whole,
  router: string,
  before: readonly Segment[],
  users: Users,
): void {
  const view = whole.views.of(router);
  for (const old of before) {
    const now = view.segments.find((segment) => segment.prefix === old.prefix);
    if (now === undefined) addUsersOfPrefix(whole, router, old, users);
    if (!isLeakable(whole.tables, now)) addLeaksOfPrefix(whole, router, old, users);
    if (now?.ip !== old.ip) addRoutesToAddress(whole, old, users);
  }
}

function addUsersOfPrefix(whole: Whole, router: string, old: Segment, users: Users): void {
  const { tables, views } = whole;
  const view = views.of(router);
  for (const { ip, table, id } of whole.nextHopsOf(router)) {
    const isLost = cidrContains(old.cidr, ip) && segmentOf(view, ip) === undefined;
    if (isLost) users.add(table, id);
  }
  // The prefix decided about its own addresses until now; a static route for it does from here on.
  for (const id of tables.members("routePrefix", addressGroup(router, old.prefix))) {
    const route = tables.get("route", id);
    if (route !== undefined && findLoop(whole, route) !== undefined) users.add("route", id);
  }
}

function addLeaksOfPrefix(whole: Whole, router: string, old: Segment, users: Users): void {
  const { tables, views } = whole;
  for (const id of tables.members("leakFrom", router)) {
    const isLost = tables.get("route-leak", id)?.prefixes.some((text) => {
      const prefix = parseCidr(text);
      if (prefix === undefined || !cidrContainsCidr(old.cidr, prefix)) return false;
      return !isLeakable(tables, segmentAround(views.of(router), prefix));
    });
    if (isLost === true) users.add("route-leak", id);
  }
}

/** Routes of joined routers whose next hop was the old address, when no router has it now. */
function addRoutesToAddress(whole: Whole, old: Segment, users: Users): void {
  const { tables, views } = whole;
  for (const peer of peersOf(whole, old)) {
    const onPeer = views
      .of(peer)
      .segments.find(({ prefix, kind }) => prefix === old.prefix && kind === old.kind);
    // Without the prefix the peer's own interface or link is gone, which says so itself.
    if (onPeer === undefined || nextRouter(tables, onPeer, old.ip) !== undefined) continue;
    const group = addressGroup(peer, old.ip);
    users.addAll("route", tables.members("routeNextHop", group));
    users.addAll("policy-route", tables.members("policyNextHop", group));
  }
}

export function segmentsBefore(whole: Whole, row: RouterInterfaceRow | undefined): Segment[] {
  return row === undefined ? [] : interfaceSegments(row, whole.subnetsBefore(row.network));
}

/** Segments of a network that one object of the set makes. */
export const ofInterface =
  (id: string) =>
  (segment: Segment): boolean =>
    segment.kind === "network" && segment.interface.id === id;

export const ofSubnet =
  (id: string) =>
  (segment: Segment): boolean =>
    segment.kind === "network" && segment.subnet === id;

export const ofLink =
  ({ id }: RouterLinkRow) =>
  (segment: Segment): boolean =>
    segment.kind === "link" && segment.link.id === id;
