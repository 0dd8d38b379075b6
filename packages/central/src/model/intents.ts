// What a caller asks of the model, free of the wire: one ChangeIntent a change of a set. Plain data; made by api/convert.ts and by
// the orchestrator verbs, read by plan.ts. Text is as the caller wrote it; the empty string means absent, as in the proto.

import type { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import type {
  ChassisRow,
  DurableTableName,
  PolicyRouteRow,
  PortRange,
  PortRow,
  Rows,
} from "./rows.ts";

export interface MetaIntent {
  readonly id: string;
  readonly project: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** 0 = any. */
  readonly revision: bigint;
}

export interface NetworkSpecIntent {
  /** null = as it is. UNSPECIFIED encap = as it is, else Geneve. */
  readonly type:
    | { readonly kind: "overlay"; readonly encap: EncapType }
    | {
        readonly kind: "provider";
        readonly physicalNetwork: string;
        readonly vlan: number;
        readonly shared: boolean;
      }
    | null;
  readonly mtuBytes: number;
}

export interface SubnetSpecIntent {
  readonly network: string;
  readonly cidr: string;
  readonly gatewayIp: string;
  readonly noGateway: boolean;
  readonly allocationRanges: readonly { readonly first: string; readonly last: string }[];
  readonly reserved: readonly string[];
  /** null = random. */
  readonly ipv6Allocation: "random" | "eui64" | null;
}

export interface PortSpecIntent {
  readonly network: string;
  readonly mac: string;
  readonly fixedIps: readonly { readonly subnet: string; readonly ip: string }[];
  readonly noFixedIps: boolean;
  readonly allowedAddressPairs: readonly { readonly ip: string; readonly mac: string }[];
  readonly adminDown: boolean;
  readonly portSecurityDisabled: boolean;
  readonly requestedChassis: string;
  readonly deviceOwner: string;
  readonly deviceId: string;
}

/** Of a chassis a caller sets `drain`; the rest must be absent or as it is. */
export interface ChassisSpecIntent {
  readonly drain: boolean;
  readonly lost: boolean;
  readonly hostname: string;
  readonly encaps: ChassisRow["encaps"];
  readonly physicalNetworks: readonly string[];
}

export interface RouterSpecIntent {
  readonly adminDown: boolean;
}

export interface RouterInterfaceSpecIntent {
  readonly router: string;
  readonly network: string;
  readonly mac: string;
  readonly fixedIps: readonly { readonly subnet: string; readonly ip: string }[];
  readonly routeTable: number;
}

export interface RouteSpecIntent {
  readonly router: string;
  readonly table: number;
  readonly destination: string;
  readonly nextHops: readonly string[];
  readonly blackhole: boolean;
}

export interface PolicyRouteSpecIntent {
  readonly router: string;
  readonly priority: number;
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly sourcePorts: readonly PortRange[];
  readonly destinationPorts: readonly PortRange[];
  readonly ingressNetwork: string;
  /** null = as it is. */
  readonly action: {
    readonly verdict: PolicyRouteRow["verdict"];
    readonly nextHops: readonly string[];
  } | null;
}

export interface RouterLinkEndIntent {
  readonly router: string;
  readonly addresses: readonly string[];
}

export interface RouterLinkSpecIntent {
  /** null = as it is. */
  readonly first: RouterLinkEndIntent | null;
  readonly second: RouterLinkEndIntent | null;
}

export interface RouteLeakSpecIntent {
  readonly from: string;
  readonly to: string;
  readonly prefixes: readonly string[];
}

export interface SpecIntents {
  network: NetworkSpecIntent;
  subnet: SubnetSpecIntent;
  port: PortSpecIntent;
  chassis: ChassisSpecIntent;
  router: RouterSpecIntent;
  "router-interface": RouterInterfaceSpecIntent;
  route: RouteSpecIntent;
  "policy-route": PolicyRouteSpecIntent;
  "router-link": RouterLinkSpecIntent;
  "route-leak": RouteLeakSpecIntent;
}

export type UpsertIntent = {
  [T in DurableTableName]: {
    readonly action: "upsert";
    readonly table: T;
    /** Field path of the object in the request: `changes[3].upsert.port`. */
    readonly at: string;
    readonly meta: MetaIntent;
    /** null = as it is; only the meta changes. */
    readonly spec: SpecIntents[T] | null;
  };
}[DurableTableName];

export interface DeleteIntent {
  readonly action: "delete";
  readonly table: DurableTableName;
  /** `changes[3].delete`. */
  readonly at: string;
  /** An id, or a name within the project. */
  readonly ref: string;
  readonly project: string;
}

/**
 * A change that central itself makes (registration, plug, lost). `change` is given the row as it is and answers the row as it should
 * be; key 0 in a new row asks for one. The same checks run on it as on an upsert.
 */
export type EditIntent =
  | {
      readonly action: "edit";
      readonly table: "port";
      readonly at: string;
      readonly id: string;
      readonly change: (row: PortRow | undefined) => PortRow | undefined;
    }
  | {
      readonly action: "edit";
      readonly table: "chassis";
      readonly at: string;
      readonly id: string;
      readonly change: (row: ChassisRow | undefined) => ChassisRow | undefined;
    };

export type ChangeIntent = UpsertIntent | DeleteIntent | EditIntent;

export type DurableRow = Rows[DurableTableName];

export type PlanAction = "created" | "updated" | "unchanged" | "deleted";

/** What became of one change: the row as it stands after it, or as it stood before a delete. */
export interface PlanResult {
  readonly action: PlanAction;
  readonly table: DurableTableName;
  readonly row: DurableRow;
}
