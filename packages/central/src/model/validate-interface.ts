// From a router interface as asked for to its row: router, network, MAC, addresses. Pure; names every problem. Called by kinds.ts in two
// steps, so that nothing dynamic takes what another object of the set names.

import type { AddressSlot } from "./address-slots.ts";
import { completeSlots, knownAddresses } from "./address-slots.ts";
import { checkConnected, ofInterface, segmentsBefore } from "./connected.ts";
import { addressGroup, placeGroup } from "./indexes.ts";
import type { RouterInterfaceSpecIntent } from "./intents.ts";
import { maxInterfacesPerRouter, maxRouteTable, maxSubnetsPerNetwork } from "./limits.ts";
import { checkMacInPlace, completeMac } from "./macs.ts";
import { completeNetworkRef, completeOwnRouter } from "./object-refs.ts";
import type { ObjectProblems } from "./problems.ts";
import { describeObject } from "./references.ts";
import { countGatewayHolders, gatewayHolders, subnetsOf } from "./router-view.ts";
import type { RouterInterfaceRow, RowMeta, SubnetRow } from "./rows.ts";
import type { Tables } from "./tables.ts";
import type { Whole } from "./whole.ts";

const what = "router-interface";

/** The row with known addresses only, mac "" = to be generated; undefined when nothing sensible can be made of it. */
export function completeInterface(
  tables: Tables,
  meta: RowMeta,
  spec: RouterInterfaceSpecIntent | null,
  before: RouterInterfaceRow | undefined,
  problems: ObjectProblems,
): { row: RouterInterfaceRow; slots: readonly AddressSlot[] } | undefined {
  if (spec === null) {
    if (before !== undefined) return { row: { ...before, ...meta }, slots: before.fixedIps };
    const text = "a new router-interface needs spec.router and spec.network";
    problems.add("MISSING_FIELD", "spec", text);
    return undefined;
  }
  const router = completeOwnRouter({ tables, meta, spec, before, problems, what });
  const network = completeNetworkRef({ tables, meta, spec, before, problems, what });
  checkRouteTable(spec.routeTable, "spec.route_table", problems);
  if (router === undefined || network === undefined) return undefined;
  const slots = slotsOf({ tables, network, project: meta.project, spec, before, problems });
  const row: RouterInterfaceRow = {
    ...meta,
    key: before?.key ?? 0,
    router,
    network,
    mac: completeMac(spec.mac, "spec.mac", problems) ?? before?.mac ?? "",
    fixedIps: knownAddresses(slots),
    routeTable: spec.routeTable,
  };
  return { row, slots };
}

export function checkRouteTable(table: number, field: string, problems: ObjectProblems): void {
  if (table > maxRouteTable) {
    const text = `${table} is no route table: give 0 (main) to ${maxRouteTable}`;
    problems.add("OUT_OF_BOUNDS", field, text);
  }
}

function slotsOf(options: {
  readonly tables: Tables;
  readonly network: string;
  readonly project: string;
  readonly spec: RouterInterfaceSpecIntent;
  readonly before: RouterInterfaceRow | undefined;
  readonly problems: ObjectProblems;
}): AddressSlot[] {
  const { tables, spec, before, problems } = options;
  if (spec.fixedIps.length > maxSubnetsPerNetwork) {
    const text = `${spec.fixedIps.length} addresses, at most one a subnet (${maxSubnetsPerNetwork})`;
    problems.add("OVER_LIMIT", "spec.fixed_ips", text);
    return [];
  }
  const slots = completeSlots({
    ...options,
    asked: spec.fixedIps,
    before: before?.fixedIps ?? [],
  });
  const seen = new Set<string>();
  slots.forEach(({ subnet }, index) => {
    const row = seen.has(subnet) ? tables.get("subnet", subnet) : undefined;
    seen.add(subnet);
    if (row === undefined) return;
    const text = `${describeObject("subnet", row)} is named twice: an interface has one address a subnet`;
    problems.add("DUPLICATE_IP", `spec.fixed_ips[${index}]`, text);
  });
  return slots;
}

/** What can only be judged once all rows of the set are in place. */
export function checkInterfaceInPlace(
  whole: Whole,
  row: RouterInterfaceRow,
  before: RouterInterfaceRow | undefined,
  problems: ObjectProblems,
): void {
  const { tables } = whole;
  const twin = otherAt(tables, row);
  if (twin !== undefined) {
    const text = `${describeObject(what, twin)} joins this router to the network already: give that one the addresses of all subnets`;
    problems.add("DUPLICATE_INTERFACE", "spec.network", text);
    return;
  }
  const count = tables.count("interfaceRouter", row.router);
  if (count > maxInterfacesPerRouter) {
    const text = `the router would have ${count} interfaces, at most ${maxInterfacesPerRouter}: join another router by a link`;
    problems.add("OVER_LIMIT", "spec.router", text);
  }
  checkMacInPlace(tables, row, problems);
  checkGivenAddresses(tables, row, problems);
  for (const subnet of subnetsOf(tables, row.network)) {
    const isGiven = row.fixedIps.some((fixed) => fixed.subnet === subnet.id);
    const text = isGiven ? undefined : gatewayTaken(tables, row, subnet);
    if (text !== undefined) problems.add("DUPLICATE_IP", "spec.fixed_ips", text);
  }
  checkConnected({
    whole,
    problems,
    router: row.router,
    field: "spec.network",
    isOwn: ofInterface(row.id),
    before: segmentsBefore(whole, before),
  });
}

function otherAt(tables: Tables, row: RouterInterfaceRow): RouterInterfaceRow | undefined {
  for (const id of tables.members("interfacePlace", placeGroup(row.router, row.network))) {
    if (id !== row.id) return tables.get(what, id);
  }
  return undefined;
}

function checkGivenAddresses(
  tables: Tables,
  row: RouterInterfaceRow,
  problems: ObjectProblems,
): void {
  row.fixedIps.forEach(({ subnet, ip }, index) => {
    const holder = otherHolder(tables, row, ip) ?? gatewayHolder(tables, row, { subnet, ip });
    if (holder === undefined) return;
    const text = `${ip} belongs to ${holder}: choose another, or leave the ip empty`;
    problems.add("DUPLICATE_IP", `spec.fixed_ips[${index}].ip`, text);
  });
}

/** The port or the other interface that has the address, given. */
function otherHolder(tables: Tables, row: RouterInterfaceRow, ip: string): string | undefined {
  const group = addressGroup(row.network, ip);
  for (const id of tables.members("interfaceIp", group)) {
    const other = id === row.id ? undefined : tables.get(what, id);
    if (other !== undefined) return describeObject(what, other);
  }
  const id = tables.first("portIp", group);
  const port = id === undefined ? undefined : tables.get("port", id);
  return port === undefined ? undefined : describeObject("port", port);
}

/** The other interface that has the address because it is the gateway's. */
function gatewayHolder(
  tables: Tables,
  row: RouterInterfaceRow,
  { subnet, ip }: { subnet: string; ip: string },
): string | undefined {
  if (tables.get("subnet", subnet)?.gatewayIp !== ip) return undefined;
  for (const other of gatewayHolders(tables, row.network, subnet)) {
    if (other.id !== row.id) return `${describeObject(what, other)}, as the gateway of its subnet`;
  }
  return undefined;
}

/** Why the interface cannot have the gateway of a subnet, with the way out. */
function gatewayTaken(
  tables: Tables,
  row: RouterInterfaceRow,
  subnet: SubnetRow,
): string | undefined {
  const ip = subnet.gatewayIp;
  if (ip === null) return undefined;
  const isContended = countGatewayHolders(tables, row.network, subnet.id) > 1;
  const holder =
    (isContended ? gatewayHolder(tables, row, { subnet: subnet.id, ip }) : undefined) ??
    otherHolder(tables, row, ip);
  if (holder === undefined) return undefined;
  const name = describeObject("subnet", subnet);
  return `${ip}, the gateway of ${name}, belongs to ${holder}: give this interface another address there (fixed_ips {subnet: ${subnet.id}}; an empty ip is dynamic)`;
}

/** A subnet whose gateway two interfaces would have: what its own check says. */
export function checkGatewayOfRouters(
  tables: Tables,
  subnet: SubnetRow,
  problems: ObjectProblems,
): void {
  const ip = subnet.gatewayIp;
  if (ip === null) return;
  const [first, second] = gatewayHolders(tables, subnet.network, subnet.id);
  if (first === undefined) return;
  const other = second === undefined ? undefined : describeObject(what, second);
  const holder = other ?? otherHolder(tables, first, ip);
  if (holder === undefined) return;
  const text = `${ip} would belong to both ${describeObject(what, first)} and ${holder}: set no_gateway, or give all but one of them an address of its own in the same set`;
  problems.add("INVALID_GATEWAY", "spec.gateway_ip", text);
}
