// From the object and key of a cookie to the object of the model. Reads only; used by admin.ts and trace/.

import { Kind } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { IndexName } from "../model/indexes.ts";
import { describeObject } from "../model/references.ts";
import type { DurableTableName } from "../model/rows.ts";
import type { Tables } from "../model/tables.ts";
import type { Cookie, CookieObject } from "./cookie.ts";

type Place = readonly [kind: Kind, table: DurableTableName, index: IndexName];

/** A segment of its own: where a network may be, a link may be. */
const link: Place = [Kind.ROUTER_LINK, "router-link", "linkKey"];
const port: Place = [Kind.PORT, "port", "portKey"];
const places: Readonly<Record<Exclude<CookieObject, "pipeline">, Place>> = {
  network: [Kind.NETWORK, "network", "networkKey"],
  chassis: [Kind.CHASSIS, "chassis", "chassisKey"],
  router: [Kind.ROUTER, "router", "routerKey"],
  "router-interface": [Kind.ROUTER_INTERFACE, "router-interface", "interfaceKey"],
  route: [Kind.ROUTE, "route", "routeKey"],
  "policy-route": [Kind.POLICY_ROUTE, "policy-route", "policyKey"],
  "route-leak": [Kind.ROUTE_LEAK, "route-leak", "leakKey"],
  "router-link": link,
  port,
  location: port,
  address: port,
  "router-neighbour": port,
};

export interface ObjectBehind {
  readonly kind: Kind;
  /** Empty = the pipeline itself. */
  readonly table: DurableTableName | "";
  /** Its key in words when it is not there any more. */
  readonly id: string;
  /** "network web". */
  readonly text: string;
}

export function objectBehind(
  tables: Tables,
  { object, key }: Pick<Cookie, "object" | "key">,
): ObjectBehind {
  if (object === "pipeline") return { kind: Kind.UNSPECIFIED, table: "", id: "", text: "" };
  const own = places[object];
  const ids = (place: Place): string | undefined => tables.first(place[2], String(key));
  const isLink = object === "network" && ids(own) === undefined && ids(link) !== undefined;
  const place = isLink ? link : own;
  const [kind, table] = place;
  const id = ids(place);
  const row = id === undefined ? undefined : tables.get(table, id);
  if (row === undefined) {
    const gone = `with key ${key}, which is not there any more`;
    return { kind, table, id: gone, text: `${table} ${gone}` };
  }
  return { kind, table, id: row.id, text: describeObject(table, row) };
}
