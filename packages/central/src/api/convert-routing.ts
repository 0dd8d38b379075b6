// Between the wire and the model for routers and what belongs to them: specs to intents, rows to messages. Owns the shape only; the
// rules are model/. Called by convert.ts and objects-routing.ts.

import type {
  PolicyRoute,
  PolicyRouteSpec,
  Route,
  RouteLeak,
  RouteLeakSpec,
  Router,
  RouterInterface,
  RouterInterfaceSpec,
  RouterLink,
  RouterLinkEnd,
  RouterLinkSpec,
  RouterSpec,
  RouteSpec,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type {
  PolicyRouteSpecIntent,
  RouteLeakSpecIntent,
  RouterInterfaceSpecIntent,
  RouterLinkEndIntent,
  RouterLinkSpecIntent,
  RouterSpecIntent,
  RouteSpecIntent,
} from "../model/intents.ts";
import type {
  PolicyRouteRow,
  RouteLeakRow,
  RouteRow,
  RouterInterfaceRow,
  RouterLinkRow,
  RouterRow,
} from "../model/rows.ts";
import { fromMeta } from "./convert-meta.ts";

const ipOf = ({ ip }: { readonly ip: string }): string => ip;
const hopOf = (ip: string): { ip: string } => ({ ip });

export function toRouterSpec(spec: RouterSpec | undefined): RouterSpecIntent | null {
  return spec ?? null;
}

export function toInterfaceSpec(
  spec: RouterInterfaceSpec | undefined,
): RouterInterfaceSpecIntent | null {
  return spec ?? null;
}

export function toRouteSpec(spec: RouteSpec | undefined): RouteSpecIntent | null {
  return spec === undefined ? null : { ...spec, nextHops: spec.nextHops.map(ipOf) };
}

export function toPolicySpec(spec: PolicyRouteSpec | undefined): PolicyRouteSpecIntent | null {
  return spec === undefined ? null : { ...spec, action: toAction(spec.action) };
}

function toAction(action: PolicyRouteSpec["action"]): PolicyRouteSpecIntent["action"] {
  switch (action?.$case) {
    case undefined:
      return null;
    case "allow":
    case "drop":
      return { verdict: action.$case, nextHops: [] };
    case "reroute":
      return { verdict: "reroute", nextHops: action.value.nextHops.map(ipOf) };
  }
}

export function toLinkSpec(spec: RouterLinkSpec | undefined): RouterLinkSpecIntent | null {
  const toEnd = (end: RouterLinkEnd | undefined): RouterLinkEndIntent | null => end ?? null;
  return spec === undefined ? null : { first: toEnd(spec.first), second: toEnd(spec.second) };
}

export function toLeakSpec(spec: RouteLeakSpec | undefined): RouteLeakSpecIntent | null {
  return spec ?? null;
}

export function fromRouter(row: RouterRow, status: Router["status"]): Router {
  return { meta: fromMeta(row), spec: { adminDown: !row.adminUp }, status };
}

export function fromInterface(
  row: RouterInterfaceRow,
  status: RouterInterface["status"],
): RouterInterface {
  const { router, network, mac, fixedIps, routeTable } = row;
  const spec = { router, network, mac, fixedIps: [...fixedIps], routeTable };
  return { meta: fromMeta(row), spec, status };
}

export function fromRoute(row: RouteRow, status: Route["status"]): Route {
  const { router, table, destination, nextHops } = row;
  const blackhole = nextHops.length === 0;
  const spec = { router, table, destination, nextHops: nextHops.map(hopOf), blackhole };
  return { meta: fromMeta(row), spec, status };
}

export function fromPolicy(row: PolicyRouteRow, status: PolicyRoute["status"]): PolicyRoute {
  const { router, priority, source, destination, protocol, ingressNetwork } = row;
  const spec: PolicyRouteSpec = {
    router,
    priority,
    source: source ?? "",
    destination: destination ?? "",
    protocol,
    sourcePorts: [...row.sourcePorts],
    destinationPorts: [...row.destinationPorts],
    ingressNetwork: ingressNetwork ?? "",
    action: fromAction(row),
  };
  return { meta: fromMeta(row), spec, status };
}

function fromAction({ verdict, nextHops }: PolicyRouteRow): PolicyRouteSpec["action"] {
  switch (verdict) {
    case "allow":
      return { $case: "allow", value: {} };
    case "drop":
      return { $case: "drop", value: {} };
    case "reroute":
      return { $case: "reroute", value: { nextHops: nextHops.map(hopOf) } };
  }
}

export function fromLink(row: RouterLinkRow, status: RouterLink["status"]): RouterLink {
  const [first, second] = row.ends.map(({ router, addresses }) => ({
    router,
    addresses: [...addresses],
  }));
  return { meta: fromMeta(row), spec: { first, second }, status };
}

export function fromLeak(row: RouteLeakRow, status: RouteLeak["status"]): RouteLeak {
  const { from, to, prefixes } = row;
  return { meta: fromMeta(row), spec: { from, to, prefixes: [...prefixes] }, status };
}
