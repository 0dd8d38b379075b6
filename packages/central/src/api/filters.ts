// The filters and page tokens of List. Owns the fields that can be filtered by. Pure over objects; called by northbound.ts.

import {
  Chassis,
  Network,
  PolicyRoute,
  Port,
  Route,
  RouteLeak,
  Router,
  RouterInterface,
  RouterLink,
  Subnet,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type { Object as ObjectMessage } from "@weft/shared/gen/weft/v1/northbound.ts";
import { nearestWord } from "@weft/shared/diagnostics.ts";
import type { IndexName } from "../model/indexes.ts";
import { resolve } from "../model/references.ts";
import type { DurableTableName } from "../model/rows.ts";
import type { Tables } from "../model/tables.ts";
import { invalid } from "./status.ts";

/** Paths by kind. A path through a list matches when any element does. */
const fields: Readonly<Record<DurableTableName, readonly string[]>> = {
  network: [
    "spec.overlay.encap",
    "spec.provider.physical_network",
    "spec.provider.vlan",
    "spec.provider.shared",
    "spec.mtu_bytes",
    "status.key",
    "status.mtu_bytes",
    "status.ports",
  ],
  subnet: [
    "spec.network",
    "spec.cidr",
    "spec.gateway_ip",
    "spec.no_gateway",
    "spec.reserved",
    "spec.ipv6_allocation",
  ],
  port: [
    "spec.network",
    "spec.mac",
    "spec.fixed_ips.subnet",
    "spec.fixed_ips.ip",
    "spec.no_fixed_ips",
    "spec.allowed_address_pairs.ip",
    "spec.admin_down",
    "spec.port_security_disabled",
    "spec.requested_chassis",
    "spec.device_owner",
    "spec.device_id",
    "status.state",
    "status.chassis",
    "status.key",
    "status.mtu_bytes",
    "status.claimed_ips",
  ],
  chassis: [
    "spec.drain",
    "spec.lost",
    "spec.hostname",
    "spec.physical_networks",
    "status.key",
    "status.liveness",
    "status.agent_version",
    "status.waiting_for",
  ],
  router: ["spec.admin_down", "status.key", "status.interfaces", "status.routes", "status.chassis"],
  "router-interface": [
    "spec.router",
    "spec.network",
    "spec.mac",
    "spec.fixed_ips.subnet",
    "spec.fixed_ips.ip",
    "spec.route_table",
    "status.key",
    "status.addresses.subnet",
    "status.addresses.ip",
    "status.link_local_ip",
    "status.mtu_bytes",
  ],
  route: [
    "spec.router",
    "spec.table",
    "spec.destination",
    "spec.next_hops.ip",
    "spec.blackhole",
    "status.key",
    "status.active",
  ],
  "policy-route": [
    "spec.router",
    "spec.priority",
    "spec.source",
    "spec.destination",
    "spec.protocol",
    "spec.ingress_network",
    "spec.reroute.next_hops.ip",
    "status.key",
  ],
  "router-link": [
    "spec.first.router",
    "spec.first.addresses",
    "spec.second.router",
    "spec.second.addresses",
    "status.key",
  ],
  "route-leak": ["spec.from", "spec.to", "spec.prefixes", "status.key"],
};
const metaFields = ["meta.id", "meta.name", "meta.project"];

/** Fields that hold a reference: a name is as good as the id. */
const references: Readonly<Record<string, DurableTableName>> = {
  "spec.network": "network",
  "spec.fixed_ips.subnet": "subnet",
  "spec.router": "router",
  "spec.ingress_network": "network",
  "spec.first.router": "router",
  "spec.second.router": "router",
  "spec.from": "router",
  "spec.to": "router",
  "status.addresses.subnet": "subnet",
};

/** The filters that an index narrows down: `<table> <path>`. Each is one that reads have. */
const filterIndexes: Readonly<Record<string, IndexName>> = {
  "port spec.network": "portNetwork",
  "subnet spec.network": "subnetNetwork",
  "router-interface spec.router": "interfaceRouter",
  "router-interface spec.network": "interfaceNetwork",
  "route spec.router": "routeRouter",
  "policy-route spec.router": "policyRouter",
  // Of either end: the filter itself decides which.
  "router-link spec.first.router": "linkRouter",
  "router-link spec.second.router": "linkRouter",
  "route-leak spec.from": "leakFrom",
  "route-leak spec.to": "leakTo",
};

/** The index whose groups are the values of a field; undefined = all objects must be looked at. */
export function filterIndex(table: DurableTableName, path: string): IndexName | undefined {
  return filterIndexes[`${table} ${path}`];
}

export interface FieldFilter {
  readonly path: string;
  readonly keys: readonly string[];
  /** Any of these. */
  readonly values: readonly string[];
}

/** Throws Refused for a field that the kind does not have. */
export function fieldFilters(
  tables: Tables,
  table: DurableTableName,
  project: string,
  asked: Readonly<Record<string, string>>,
): FieldFilter[] {
  const known = [...fields[table], ...metaFields];
  return Object.entries(asked).map(([path, value]) => {
    if (!known.includes(path)) {
      const near = nearestWord(path, known);
      const hint = near === undefined ? `known: ${known.join(", ")}` : `did you mean ${near}?`;
      throw invalid(`fields["${path}"]`, `a ${table} cannot be filtered by it; ${hint}`);
    }
    const referred = references[path];
    const id = referred === undefined ? undefined : resolve(tables, referred, value, project)?.id;
    const keys = path.split(".").map(camelCase);
    return { path, keys, values: id === undefined ? [value] : [value, id] };
  });
}

const camelCase = (word: string): string =>
  word.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** True when the object matches every filter. */
export function matches(object: ObjectMessage, filters: readonly FieldFilter[]): boolean {
  if (filters.length === 0) return true;
  const json = toJson(object);
  return filters.every(({ keys, values }) => {
    const found = valuesAt(json, keys);
    return values.some((value) => found.some((text) => isMatch(text, value)));
  });
}

/** Enum values match with and without their prefix, in any case: UP, up, PORT_STATE_UP. */
function isMatch(found: string, asked: string): boolean {
  if (found === asked) return true;
  if (!/^[A-Z0-9]+(?:_[A-Z0-9]+)+$/.test(found)) return false;
  const upper = asked.toUpperCase();
  return upper !== "" && (found === upper || found.endsWith(`_${upper}`));
}

function valuesAt(json: unknown, keys: readonly string[]): string[] {
  let at: unknown[] = [json];
  for (const key of keys) {
    at = at.flatMap((value) => {
      const next: unknown =
        typeof value === "object" && value !== null
          ? (value as Record<string, unknown>)[key]
          : undefined;
      return Array.isArray(next) ? (next as unknown[]) : next === undefined ? [] : [next];
    });
  }
  // JSON leaves out what is zero, false or empty.
  if (at.length === 0) return ["", "0", "false"];
  return at.map(String);
}

function toJson({ object }: ObjectMessage): unknown {
  switch (object?.$case) {
    case "network":
      return Network.toJSON(object.value);
    case "subnet":
      return Subnet.toJSON(object.value);
    case "port":
      return Port.toJSON(object.value);
    case "chassis":
      return Chassis.toJSON(object.value);
    case "router":
      return Router.toJSON(object.value);
    case "routerInterface":
      return RouterInterface.toJSON(object.value);
    case "route":
      return Route.toJSON(object.value);
    case "policyRoute":
      return PolicyRoute.toJSON(object.value);
    case "routerLink":
      return RouterLink.toJSON(object.value);
    case "routeLeak":
      return RouteLeak.toJSON(object.value);
    case undefined:
      return {};
  }
}

/** The token of the page after an id; opaque to callers. */
export function pageToken(after: string): string {
  return Buffer.from(`1:${after}`).toString("base64url");
}

/** The id that a token stands for; empty = from the beginning. */
export function parsePageToken(token: string): string {
  if (token === "") return "";
  const text = Buffer.from(token, "base64url").toString();
  if (!text.startsWith("1:")) {
    throw invalid("page_token", "is none that this service gave: begin again without");
  }
  return text.slice(2);
}
