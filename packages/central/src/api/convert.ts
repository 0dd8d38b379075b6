// Between the wire and the model: changes to intents, rows to objects. Owns the shape only: it checks enum values and sizes, all other
// rules are model/. Called by the services.

import { Buffer } from "node:buffer";
import type { Diagnostic } from "@weft/shared/diagnostics.ts";
import { Ipv6Allocation, Kind } from "@weft/shared/gen/weft/v1/northbound.ts";
import type {
  Chassis,
  ChassisSpec,
  Network,
  NetworkSpec,
  Object as ObjectMessage,
  ObjectRef,
  Port,
  PortSpec,
  Subnet,
  SubnetSpec,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { bytesToIp, ipToBytes } from "@weft/shared/net/ip.ts";
import type {
  ChangeIntent,
  ChassisSpecIntent,
  NetworkSpecIntent,
  SubnetSpecIntent,
  UpsertIntent,
} from "../model/intents.ts";
import type {
  ChassisRow,
  DurableTableName,
  NetworkRow,
  PortRow,
  SubnetRow,
} from "../model/rows.ts";
import { durableTables } from "../model/tables.ts";
import type { DecodedApply } from "./apply-wire.ts";
import { fromMeta, toMeta } from "./convert-meta.ts";
import {
  toInterfaceSpec,
  toLeakSpec,
  toLinkSpec,
  toPolicySpec,
  toRouterSpec,
  toRouteSpec,
} from "./convert-routing.ts";
import { maxObjectBytes } from "./limits.ts";

export const kindOf: Readonly<Record<DurableTableName, Kind>> = {
  network: Kind.NETWORK,
  subnet: Kind.SUBNET,
  port: Kind.PORT,
  chassis: Kind.CHASSIS,
  router: Kind.ROUTER,
  "router-interface": Kind.ROUTER_INTERFACE,
  route: Kind.ROUTE,
  "policy-route": Kind.POLICY_ROUTE,
  "router-link": Kind.ROUTER_LINK,
  "route-leak": Kind.ROUTE_LEAK,
};

const tables: ReadonlyMap<Kind, DurableTableName> = new Map(
  durableTables.map((table) => [kindOf[table], table]),
);

/** The table of a kind; undefined for one that is not known. */
export function tableOf(kind: Kind): DurableTableName | undefined {
  return tables.get(kind);
}

export interface Converted {
  readonly intents: readonly ChangeIntent[];
  readonly problems: readonly Diagnostic[];
}

/** The intents of a set; what has no meaning on the wire already is a problem. */
export function* toIntents({ request, oversized }: DecodedApply): Generator<void, Converted> {
  const intents: ChangeIntent[] = [];
  const problems: Diagnostic[] = [];
  for (const [index, { change }] of request.changes.entries()) {
    const at = `changes[${index}]`;
    const problem = (field: string, code: string, message: string): void => {
      problems.push({ code, object: "", field, message });
    };
    let intent: ChangeIntent | undefined;
    const bytes = oversized.get(index);
    if (bytes !== undefined) {
      const text = `the object has ${bytes} bytes, at most ${maxObjectBytes}`;
      problem(`${at}.upsert`, "OVER_LIMIT", text);
    } else if (change === undefined) problem(at, "MISSING_FIELD", "give an upsert or a delete");
    else if (change.$case === "delete") intent = toDelete(change.value, `${at}.delete`, problem);
    else intent = toUpsert(change.value, `${at}.upsert`, problem);
    if (intent !== undefined) intents.push(intent);
    yield;
  }
  return { intents, problems };
}

/** Names of the oneof's members as the proto writes them. */
const fieldNames: Readonly<Record<NonNullable<ObjectMessage["object"]>["$case"], string>> = {
  network: "network",
  subnet: "subnet",
  port: "port",
  chassis: "chassis",
  router: "router",
  routerInterface: "router_interface",
  route: "route",
  policyRoute: "policy_route",
  routerLink: "router_link",
  routeLeak: "route_leak",
};

type AddProblem = (field: string, code: string, message: string) => void;

function toDelete(ref: ObjectRef, at: string, problem: AddProblem): ChangeIntent | undefined {
  const table = tableOf(ref.kind);
  if (table === undefined) {
    problem(`${at}.kind`, "UNKNOWN_KIND", `kind ${ref.kind} is not known to this central`);
    return undefined;
  }
  return { action: "delete", table, at, ref: ref.id, project: ref.project };
}

function toUpsert(
  message: ObjectMessage,
  at: string,
  problem: AddProblem,
): UpsertIntent | undefined {
  const { object } = message;
  if (object === undefined) {
    problem(at, "UNKNOWN_KIND", "no object, or of a kind that this central does not know");
    return undefined;
  }
  const path = `${at}.${fieldNames[object.$case]}`;
  const common = { action: "upsert", at: path, meta: toMeta(object.value.meta) } as const;
  switch (object.$case) {
    case "network":
      return { ...common, table: "network", spec: toNetworkSpec(object.value.spec, path, problem) };
    case "subnet":
      return { ...common, table: "subnet", spec: toSubnetSpec(object.value.spec, path, problem) };
    case "port":
      return { ...common, table: "port", spec: object.value.spec ?? null };
    case "chassis":
      return { ...common, table: "chassis", spec: toChassisSpec(object.value.spec) };
    case "router":
      return { ...common, table: "router", spec: toRouterSpec(object.value.spec) };
    case "routerInterface":
      return { ...common, table: "router-interface", spec: toInterfaceSpec(object.value.spec) };
    case "route":
      return { ...common, table: "route", spec: toRouteSpec(object.value.spec) };
    case "policyRoute":
      return { ...common, table: "policy-route", spec: toPolicySpec(object.value.spec) };
    case "routerLink":
      return { ...common, table: "router-link", spec: toLinkSpec(object.value.spec) };
    case "routeLeak":
      return { ...common, table: "route-leak", spec: toLeakSpec(object.value.spec) };
  }
}

function toNetworkSpec(
  spec: NetworkSpec | undefined,
  at: string,
  problem: AddProblem,
): NetworkSpecIntent | null {
  if (spec === undefined) return null;
  const { type, mtuBytes } = spec;
  if (type === undefined) return { type: null, mtuBytes };
  if (type.$case === "provider") {
    return { type: { kind: "provider", ...type.value }, mtuBytes };
  }
  const { encap } = type.value;
  if (encap < EncapType.UNSPECIFIED || encap > EncapType.STT) {
    const text = `encap ${encap} is not known: give GENEVE, VXLAN or GRE`;
    problem(`${at}.spec.overlay.encap`, "UNKNOWN_VALUE", text);
  }
  return { type: { kind: "overlay", encap }, mtuBytes };
}

function toSubnetSpec(
  spec: SubnetSpec | undefined,
  at: string,
  problem: AddProblem,
): SubnetSpecIntent | null {
  if (spec === undefined) return null;
  const words: Readonly<Record<number, SubnetSpecIntent["ipv6Allocation"]>> = {
    [Ipv6Allocation.UNSPECIFIED]: null,
    [Ipv6Allocation.RANDOM]: "random",
    [Ipv6Allocation.EUI64]: "eui64",
  };
  const ipv6Allocation = words[spec.ipv6Allocation];
  if (ipv6Allocation === undefined) {
    const text = `value ${spec.ipv6Allocation} is not known: give RANDOM or EUI64`;
    problem(`${at}.spec.ipv6_allocation`, "UNKNOWN_VALUE", text);
  }
  return { ...spec, ipv6Allocation: ipv6Allocation ?? null };
}

function toChassisSpec(spec: ChassisSpec | undefined): ChassisSpecIntent | null {
  if (spec === undefined) return null;
  const encaps = spec.encaps.map((encap) => ({
    type: encap.type,
    // What is no address can only differ from what the agent registered, and is refused as such.
    ip: encap.ip.length === 4 || encap.ip.length === 16 ? bytesToIp(encap.ip) : "",
    underlayMtuBytes: encap.underlayMtuBytes,
  }));
  return { ...spec, encaps };
}

export function fromNetwork(row: NetworkRow, status: Network["status"]): Network {
  const { shared, vlan } = row;
  const provider = { physicalNetwork: row.physicalNetwork ?? "", vlan, shared };
  return {
    meta: fromMeta(row),
    spec: {
      type:
        row.encap === null
          ? { $case: "provider", value: provider }
          : { $case: "overlay", value: { encap: row.encap } },
      mtuBytes: row.mtuBytes,
    },
    status,
  };
}

export function fromSubnet(row: SubnetRow, status: Subnet["status"]): Subnet {
  const ipv6 = { random: Ipv6Allocation.RANDOM, eui64: Ipv6Allocation.EUI64 };
  return {
    meta: fromMeta(row),
    spec: {
      network: row.network,
      cidr: row.cidr,
      gatewayIp: row.gatewayIp ?? "",
      noGateway: row.gatewayIp === null,
      allocationRanges: [...row.allocationRanges],
      reserved: [...row.reserved],
      ipv6Allocation:
        row.ipv6Allocation === null ? Ipv6Allocation.UNSPECIFIED : ipv6[row.ipv6Allocation],
    },
    status,
  };
}

export function fromPort(row: PortRow, status: Port["status"]): Port {
  const spec: PortSpec = {
    network: row.network,
    mac: row.mac,
    fixedIps: [...row.fixedIps],
    noFixedIps: row.fixedIps.length === 0,
    allowedAddressPairs: row.allowedAddressPairs.map(({ ip, mac }) => ({ ip, mac: mac ?? "" })),
    adminDown: !row.adminUp,
    portSecurityDisabled: !row.portSecurity,
    requestedChassis: row.requestedChassis ?? "",
    deviceOwner: row.deviceOwner,
    deviceId: row.deviceId,
  };
  return { meta: fromMeta(row), spec, status };
}

export function fromChassis(row: ChassisRow, status: Chassis["status"]): Chassis {
  return {
    meta: fromMeta(row),
    spec: {
      drain: row.drain,
      hostname: row.hostname,
      encaps: row.encaps.map((encap) => ({
        type: encap.type,
        ip: Buffer.from(ipToBytes(encap.ip)),
        underlayMtuBytes: encap.underlayMtuBytes,
      })),
      physicalNetworks: [...row.physicalNetworks],
      lost: row.lost,
    },
    status,
  };
}
