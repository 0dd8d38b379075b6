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

/** The tables of the model and the row type of each. The first four are durable intent, the others volatile. */
export interface Rows {
  network: NetworkRow;
  subnet: SubnetRow;
  port: PortRow;
  chassis: ChassisRow;
  binding: BindingRow;
  claim: ClaimRow;
  liveness: LivenessRow;
}
export type TableName = keyof Rows;
export type DurableTableName = "network" | "subnet" | "port" | "chassis";
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
