// The kinds of routing as people write them: routers, their interfaces, routes, policy routes, links and
// leaks. One entry a kind, as in kinds.ts, which lists them with the others. Pure.
import type {
  NextHopStatus,
  PolicyRouteSpec,
  RouterLinkEnd,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import {
  Kind,
  PolicyRoute,
  Route,
  RouteLeak,
  Router,
  RouterInterface,
  RouterLink,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { z } from "zod";
import type { KindEntry, PlainObject } from "./kind-entry.ts";
import {
  failuresOf,
  fieldsOf,
  metadataOf,
  nameOf,
  present,
  text,
  u32,
  withoutAbsent,
  withStatus,
} from "./kind-entry.ts";

/** IP protocols that may be written by name (IANA protocol numbers). */
const protocolNames = { icmp: 1, tcp: 6, udp: 17, gre: 47, icmpv6: 58, sctp: 132 } as const;
type ProtocolName = keyof typeof protocolNames;
const protocolWords = Object.keys(protocolNames) as ProtocolName[];
const protocolSchema = z.union([z.enum(protocolWords), z.int().min(0).max(255)], {
  error: `must be a protocol number, 0 to 255, or one of ${protocolWords.join(", ")}`,
});

const nextHops = z.array(z.strictObject({ ip: text }));
/** `{first: 80}` is one port. */
const portRanges = z.array(z.strictObject({ first: u32, last: u32.optional() }));
const linkEnd = z.strictObject({ router: text, addresses: z.array(text) });

const routerSpec = z.strictObject({ adminDown: z.boolean().optional() });

const routerInterfaceSpec = z.strictObject({
  router: text,
  network: text,
  mac: text.optional(),
  fixedIps: z.array(z.strictObject({ subnet: text.optional(), ip: text.optional() })).optional(),
  routeTable: u32.optional(),
});

const routeSpec = z
  .strictObject({
    router: text,
    table: u32.optional(),
    destination: text,
    nextHops: nextHops.optional(),
    blackhole: z.boolean().optional(),
  })
  .refine(({ nextHops: hops, blackhole }) => !(blackhole === true && (hops ?? []).length > 0), {
    message: "has both nextHops and blackhole; keep one",
  })
  .refine(({ nextHops: hops, blackhole }) => blackhole === true || (hops ?? []).length > 0, {
    message: 'has neither nextHops nor blackhole; write one, such as nextHops: [{ip: "10.0.0.5"}]',
  });

const actionsIn = (spec: { allow?: unknown; drop?: unknown; reroute?: unknown }): number =>
  [spec.allow, spec.drop, spec.reroute].filter((action) => action !== undefined).length;

const policyRouteSpec = z
  .strictObject({
    router: text,
    priority: u32,
    source: text.optional(),
    destination: text.optional(),
    protocol: protocolSchema.optional(),
    sourcePorts: portRanges.optional(),
    destinationPorts: portRanges.optional(),
    ingressNetwork: text.optional(),
    allow: z.strictObject({}).nullish(),
    drop: z.strictObject({}).nullish(),
    reroute: z.strictObject({ nextHops }).optional(),
  })
  .refine((spec) => actionsIn(spec) <= 1, {
    message: "has more than one of allow, drop and reroute; keep one",
  })
  .refine((spec) => actionsIn(spec) >= 1, {
    message: "has no action; write one of allow: {}, drop: {} and reroute: {nextHops: [...]}",
  });

const routerLinkSpec = z.strictObject({ first: linkEnd, second: linkEnd });

const routeLeakSpec = z.strictObject({ from: text, to: text, prefixes: z.array(text) });

export const routingKinds: readonly KindEntry[] = [
  {
    kind: Kind.ROUTER,
    name: "Router",
    singular: "router",
    plural: "routers",
    aliases: [],
    hasProject: true,
    specSchema: routerSpec,
    specFields: fieldsOf(routerSpec),
    toObject(meta, raw) {
      const spec = withoutAbsent(raw as z.output<typeof routerSpec>);
      return { object: { $case: "router", value: Router.fromPartial({ meta, spec }) } };
    },
    toDocument({ object }) {
      if (object?.$case !== "router") return undefined;
      const { meta, spec, status } = object.value;
      return {
        metadata: metadataOf(meta),
        spec: present({ adminDown: spec?.adminDown }),
        ...withStatus(status, ({ key, interfaces, routes, chassis }) =>
          present({ key, interfaces, routes, chassis }),
        ),
      };
    },
  },
  {
    kind: Kind.ROUTER_INTERFACE,
    name: "RouterInterface",
    singular: "router-interface",
    plural: "router-interfaces",
    aliases: ["interface", "interfaces"],
    hasProject: true,
    specSchema: routerInterfaceSpec,
    specFields: fieldsOf(routerInterfaceSpec),
    toObject(meta, raw) {
      const { fixedIps, ...rest } = raw as z.output<typeof routerInterfaceSpec>;
      const spec = { ...withoutAbsent(rest), fixedIps: (fixedIps ?? []).map(withoutAbsent) };
      const value = RouterInterface.fromPartial({ meta, spec });
      return { object: { $case: "routerInterface", value } };
    },
    toDocument({ object }) {
      if (object?.$case !== "routerInterface") return undefined;
      const { meta, spec, status } = object.value;
      return {
        metadata: metadataOf(meta),
        spec: present({
          router: spec?.router,
          network: spec?.network,
          mac: spec?.mac,
          fixedIps: spec?.fixedIps.map(({ subnet, ip }) => present({ subnet, ip })),
          routeTable: spec?.routeTable,
        }),
        ...withStatus(status, ({ key, addresses, linkLocalIp, mtuBytes, failed }) =>
          present({
            key,
            addresses: addresses.map(({ subnet, ip }) => present({ subnet, ip })),
            linkLocalIp,
            mtuBytes,
            failed: failuresOf(failed),
          }),
        ),
      };
    },
  },
  {
    kind: Kind.ROUTE,
    name: "Route",
    singular: "route",
    plural: "routes",
    aliases: [],
    hasProject: true,
    specSchema: routeSpec,
    specFields: fieldsOf(routeSpec),
    toObject(meta, raw) {
      const spec = withoutAbsent(raw as z.output<typeof routeSpec>);
      return { object: { $case: "route", value: Route.fromPartial({ meta, spec }) } };
    },
    toDocument({ object }) {
      if (object?.$case !== "route") return undefined;
      const { meta, spec, status } = object.value;
      return {
        metadata: metadataOf(meta),
        spec: present({
          router: spec?.router,
          table: spec?.table,
          destination: spec?.destination,
          nextHops: spec?.nextHops.map(({ ip }) => ({ ip })),
          blackhole: spec?.blackhole,
        }),
        ...withStatus(status, ({ key, active, nextHops: hops, failed }) => ({
          key,
          active,
          ...present({ nextHops: hops.map(nextHopStatus), failed: failuresOf(failed) }),
        })),
      };
    },
  },
  {
    kind: Kind.POLICY_ROUTE,
    name: "PolicyRoute",
    singular: "policy-route",
    plural: "policy-routes",
    aliases: ["policy", "policies"],
    hasProject: true,
    specSchema: policyRouteSpec,
    specFields: fieldsOf(policyRouteSpec),
    toObject(meta, raw) {
      const { allow, drop, reroute, protocol, sourcePorts, destinationPorts, ...rest } =
        raw as z.output<typeof policyRouteSpec>;
      const spec = {
        ...withoutAbsent(rest),
        protocol: typeof protocol === "string" ? protocolNames[protocol] : (protocol ?? 0),
        sourcePorts: wholeRanges(sourcePorts),
        destinationPorts: wholeRanges(destinationPorts),
        action: actionOf({ allow, drop, reroute }),
      };
      return { object: { $case: "policyRoute", value: PolicyRoute.fromPartial({ meta, spec }) } };
    },
    toDocument({ object }) {
      if (object?.$case !== "policyRoute") return undefined;
      const { meta, spec, status } = object.value;
      return {
        metadata: metadataOf(meta),
        spec: {
          ...present({
            router: spec?.router,
            priority: spec?.priority,
            source: spec?.source,
            destination: spec?.destination,
            protocol: nameOf(protocolNames, spec?.protocol) ?? spec?.protocol,
            sourcePorts: spec?.sourcePorts.map(({ first, last }) => ({ first, last })),
            destinationPorts: spec?.destinationPorts.map(({ first, last }) => ({ first, last })),
            ingressNetwork: spec?.ingressNetwork,
          }),
          ...actionFields(spec?.action),
        },
        ...withStatus(status, ({ key, nextHops: hops }) =>
          present({ key, nextHops: hops.map(nextHopStatus) }),
        ),
      };
    },
  },
  {
    kind: Kind.ROUTER_LINK,
    name: "RouterLink",
    singular: "router-link",
    plural: "router-links",
    aliases: ["link", "links"],
    hasProject: true,
    specSchema: routerLinkSpec,
    specFields: fieldsOf(routerLinkSpec),
    toObject(meta, raw) {
      const spec = raw as z.output<typeof routerLinkSpec>;
      return { object: { $case: "routerLink", value: RouterLink.fromPartial({ meta, spec }) } };
    },
    toDocument({ object }) {
      if (object?.$case !== "routerLink") return undefined;
      const { meta, spec, status } = object.value;
      return {
        metadata: metadataOf(meta),
        spec: { first: endOf(spec?.first), second: endOf(spec?.second) },
        ...withStatus(status, ({ key }) => ({ key })),
      };
    },
  },
  {
    kind: Kind.ROUTE_LEAK,
    name: "RouteLeak",
    singular: "route-leak",
    plural: "route-leaks",
    aliases: ["leak", "leaks"],
    hasProject: true,
    specSchema: routeLeakSpec,
    specFields: fieldsOf(routeLeakSpec),
    toObject(meta, raw) {
      const spec = raw as z.output<typeof routeLeakSpec>;
      return { object: { $case: "routeLeak", value: RouteLeak.fromPartial({ meta, spec }) } };
    },
    toDocument({ object }) {
      if (object?.$case !== "routeLeak") return undefined;
      const { meta, spec, status } = object.value;
      return {
        metadata: metadataOf(meta),
        spec: present({ from: spec?.from, to: spec?.to, prefixes: spec?.prefixes }),
        ...withStatus(status, ({ key }) => ({ key })),
      };
    },
  },
];

function nextHopStatus({ ip, active, reason }: NextHopStatus): PlainObject {
  return { ip, active, ...present({ reason }) };
}

function wholeRanges(
  ranges: z.output<typeof portRanges> | undefined,
): { first: number; last: number }[] {
  return (ranges ?? []).map(({ first, last }) => ({ first, last: last ?? first }));
}

/** What is written as `allow: {}`, `drop: {}` or `reroute: {nextHops}`; the schema lets exactly one through. */
function actionOf({
  allow,
  drop,
  reroute,
}: Pick<
  z.output<typeof policyRouteSpec>,
  "allow" | "drop" | "reroute"
>): PolicyRouteSpec["action"] {
  if (reroute !== undefined) return { $case: "reroute", value: reroute };
  if (drop !== undefined) return { $case: "drop", value: {} };
  return allow === undefined ? undefined : { $case: "allow", value: {} };
}

function actionFields(action: PolicyRouteSpec["action"]): PlainObject {
  if (action === undefined) return {};
  if (action.$case !== "reroute") return { [action.$case]: {} };
  return { reroute: { nextHops: action.value.nextHops.map(({ ip }) => ({ ip })) } };
}

function endOf(end: RouterLinkEnd | undefined): PlainObject {
  return { router: end?.router ?? "", addresses: end?.addresses ?? [] };
}
