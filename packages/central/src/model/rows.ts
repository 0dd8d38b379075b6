// The rows of the model: what the store persists and what derivation reads. Plain data, no behaviour.
//
// Addresses are canonical text (shared/net): lower-case MACs with colons, IPv4 dotted, IPv6 per RFC 5952. References are ids.
// A row is never changed in place: a change is a new object. Written by api (through validate and ipam), read by derive.

import type { EncapType } from "@weft/shared/gen/weft/v1/types.ts";

export interface RowMeta {
  readonly id: string;
  /** Empty for a chassis. */
  readonly project: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly revision: bigint;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export interface NetworkRow extends RowMeta {
  /** 1..0xffffff, the VNI of an overlay. */
  readonly key: number;
  /** null for a provider network. */
  readonly encap: EncapType | null;
  /** null for an overlay. */
  readonly physicalNetwork: string | null;
  /** 0 = flat or overlay. */
  readonly vlan: number;
  /** Ports and router interfaces of other projects may name it. Provider networks only. */
  readonly shared: boolean;
  /** 0 = computed. */
  readonly mtuBytes: number;
}

export interface SubnetRow extends RowMeta {
  readonly network: string;
  readonly cidr: string;
  /** null = no gateway. */
  readonly gatewayIp: string | null;
  readonly allocationRanges: readonly { readonly first: string; readonly last: string }[];
  readonly reserved: readonly string[];
  /** null for IPv4. */
  readonly ipv6Allocation: "random" | "eui64" | null;
}

export interface PortRow extends RowMeta {
  /** 1..0xffefff, unique among all ports. */
  readonly key: number;
  readonly network: string;
  readonly mac: string;
  readonly fixedIps: readonly { readonly subnet: string; readonly ip: string }[];
  /** ip is an address or a prefix in canonical text; mac null = the port's. */
  readonly allowedAddressPairs: readonly { readonly ip: string; readonly mac: string | null }[];
  readonly adminUp: boolean;
  readonly portSecurity: boolean;
  /** null = the chassis that plugs it. */
  readonly requestedChassis: string | null;
  readonly deviceOwner: string;
  readonly deviceId: string;
}

export interface ChassisRow extends RowMeta {
  /** 1..65535. */
  readonly key: number;
  readonly drain: boolean;
  readonly lost: boolean;
  readonly hostname: string;
  readonly encaps: readonly {
    readonly type: EncapType;
    readonly ip: string;
    /** 0 = not reported. */
    readonly underlayMtuBytes: number;
  }[];
  readonly physicalNetworks: readonly string[];
}

export interface RouterRow extends RowMeta {
  /** 1..0xffffff. */
  readonly key: number;
  readonly adminUp: boolean;
}

/** One a (router, network). */
export interface RouterInterfaceRow extends RowMeta {
  /** 1..0xffffff, unique among all router interfaces. */
  readonly key: number;
  readonly router: string;
  readonly network: string;
  readonly mac: string;
  /** Only those that differ from the gateway of their subnet; model/router-addresses.ts adds the gateways. */
  readonly fixedIps: readonly { readonly subnet: string; readonly ip: string }[];
  /** 0 = main. */
  readonly routeTable: number;
}

export interface RouteRow extends RowMeta {
  /** 1..0xffffff, unique among all routes. */
  readonly key: number;
  readonly router: string;
  /** 0 = main. */
  readonly table: number;
  readonly destination: string;
  /** Sorted; empty = blackhole. */
  readonly nextHops: readonly string[];
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface PolicyRouteRow extends RowMeta {
  /** 1..0xffffff, unique among all policy routes. */
  readonly key: number;
  readonly router: string;
  /** 1..32767, unique in the router. */
  readonly priority: number;
  /** null = any. */
  readonly source: string | null;
  readonly destination: string | null;
  /** 0 = any. */
  readonly protocol: number;
  readonly sourcePorts: readonly PortRange[];
  readonly destinationPorts: readonly PortRange[];
  /** Id; null = any. */
  readonly ingressNetwork: string | null;
  readonly verdict: "allow" | "drop" | "reroute";
  /** Sorted; with reroute. */
  readonly nextHops: readonly string[];
}

export interface RouterLinkEnd {
  readonly router: string;
  /** Addresses with their prefix length, `10.255.0.1/30`; sorted. */
  readonly addresses: readonly string[];
}

export interface RouterLinkRow extends RowMeta {
  /** A network key: the link is a segment of its own. */
  readonly key: number;
  readonly ends: readonly [RouterLinkEnd, RouterLinkEnd];
}

export interface RouteLeakRow extends RowMeta {
  /** 1..0xffffff, unique among all leaks. */
  readonly key: number;
  /** The router whose prefixes they are, and the one that is to reach them; ids. */
  readonly from: string;
  readonly to: string;
  /** Sorted. */
  readonly prefixes: readonly string[];
}

export type BindingState = "down" | "plugged" | "programmed" | "up";

/** Volatile: which chassis owns a port and how far it has come there. Id = port id. */
export interface BindingRow {
  readonly id: string;
  readonly chassis: string;
  readonly generation: bigint;
  readonly state: BindingState;
  readonly reason: string;
  readonly mtuBytes: number;
}

/** Volatile: the last claim of an address that only allowed pairs name. Id = `<network id>/<ip>`. */
export interface ClaimRow {
  readonly id: string;
  readonly network: string;
  readonly ip: string;
  readonly mac: string;
  readonly port: string;
  readonly generation: bigint;
}

/** Volatile: liveness of a chassis. Id = chassis id. */
export interface LivenessRow {
  readonly id: string;
  readonly state: "alive" | "unreachable" | "fenced";
}

/** The tables of the model and the row type of each. All but the last three are durable intent, those are volatile. */
export interface Rows {
  network: NetworkRow;
  subnet: SubnetRow;
  port: PortRow;
  chassis: ChassisRow;
  router: RouterRow;
  "router-interface": RouterInterfaceRow;
  route: RouteRow;
  "policy-route": PolicyRouteRow;
  "router-link": RouterLinkRow;
  "route-leak": RouteLeakRow;
  binding: BindingRow;
  claim: ClaimRow;
  liveness: LivenessRow;
}
export type TableName = keyof Rows;
export type DurableTableName = Exclude<TableName, "binding" | "claim" | "liveness">;
export type AnyRow = Rows[TableName];

/** One row before and after; undefined = absent. before and after are never both undefined. */
export type RowChange = {
  [T in TableName]: {
    readonly table: T;
    readonly id: string;
    readonly before: Rows[T] | undefined;
    readonly after: Rows[T] | undefined;
  };
}[TableName];

/** What the model publishes as a whole: one commit, or one set of volatile changes at the revision then current. */
export interface Batch {
  readonly revision: bigint;
  readonly changes: readonly RowChange[];
}
