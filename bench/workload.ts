// A workload of bench/workloads as northbound change sets: networks, their subnets, ports, and the ports that the operations add.
// What Weft does not know yet (routers, rules ...) is not translated but counted by skippedOf. Pure. Called by run.ts and ovn.ts.

import {
  type Change,
  ChangeAction,
  type ChangeResult,
  Kind,
  type Meta,
  type Object as NorthboundObject,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";

export const sizes = ["S", "M", "L", "XL"] as const;
export type Size = (typeof sizes)[number];

/** The fields of a workload that are read here; bench/workloads/README.md describes all. */
export interface Workload {
  readonly name: string;
  readonly params: { readonly chassis: number; readonly networks: number; readonly ports: number };
  readonly chassis: readonly WorkloadChassis[];
  readonly networks: readonly WorkloadNetwork[];
  readonly ports: readonly WorkloadPort[];
  readonly external_networks: readonly unknown[];
  readonly routers: readonly unknown[];
  readonly security_groups: readonly { readonly rules: readonly unknown[] }[];
  readonly load_balancers: readonly unknown[];
  readonly floating_ips: readonly unknown[];
  readonly ops: {
    readonly port_add_local: readonly WorkloadPort[];
    readonly port_add_remote: readonly WorkloadPort[];
  };
}

export interface WorkloadChassis {
  readonly name: string;
  readonly ip: string;
  readonly real: boolean;
}

export interface WorkloadNetwork {
  readonly id: string;
  readonly cidr: string;
  readonly gateway_ip: string;
  readonly mtu: number;
  /** The router of the tenant; null = attached to none. */
  readonly router: string | null;
}

export interface WorkloadPort {
  readonly id: string;
  readonly network: string;
  readonly mac: string;
  readonly ip: string;
  readonly chassis: string;
  readonly port_security: boolean;
}

/** Everything the workload holds before its operations, as one change set: networks, subnets, ports. */
export function loadChanges(workload: Workload): Change[] {
  const projects = projectsOf(workload);
  return [
    ...workload.networks.map((network) => upsert(networkObject(network))),
    ...workload.networks.map((network) => upsert(subnetObject(network))),
    ...workload.ports.map((port) => upsert(portObject(port, projects))),
  ];
}

/** One port, in the project of its network. */
export function portAdd(workload: Workload): (port: WorkloadPort) => Change {
  const projects = projectsOf(workload);
  return (port) => upsert(portObject(port, projects));
}

export function portDelete(port: { readonly id: string }): Change {
  return {
    change: { $case: "delete", value: { kind: Kind.PORT, id: port.id, project: "" } },
  };
}

/** Objects left out, by kind; a kind that the workload has none of is absent. */
export function skippedOf(workload: Workload): Readonly<Record<string, number>> {
  const counts = {
    "external networks": workload.external_networks.length,
    routers: workload.routers.length,
    "security group rules": workload.security_groups.flatMap(({ rules }) => rules).length,
    "load balancers": workload.load_balancers.length,
    "floating IPs": workload.floating_ips.length,
  };
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

/**
 * `count` new ports on simulated chassis in networks that the real chassis hosts no port of, dealt evenly over networks and
 * chassis. Their addresses and MACs are used by nothing else in the workload.
 */
export function simulatedPorts(
  workload: Workload,
  count: number,
  prefix = "port-sim",
): WorkloadPort[] {
  const real = realChassis(workload).name;
  const others = workload.chassis.filter(({ name }) => name !== real);
  const hosted = new Set(
    workload.ports.filter(({ chassis }) => chassis === real).map(({ network }) => network),
  );
  const networks = workload.networks.filter(({ id }) => !hosted.has(id));
  if (networks.length === 0)
    throw new RangeError(`${workload.name}: every network has a port on ${real}`);
  if (count > networks.length * FREE_HOSTS) {
    throw new RangeError(
      `${workload.name}: ${count} ports do not fit into ${networks.length} networks`,
    );
  }
  return Array.from({ length: count }, (_, at) => {
    const network = networks[at % networks.length];
    const chassis = others[(at * CHASSIS_STRIDE) % others.length];
    if (network === undefined || chassis === undefined)
      throw new RangeError("no chassis to simulate");
    const host = FIRST_FREE_HOST + Math.floor(at / networks.length);
    return {
      id: `${prefix}-${at}`,
      network: network.id,
      mac: `06:73:00:00:${hex(at >> 8)}:${hex(at & 255)}`,
      ip: network.cidr.replace(/\.0\/24$/, `.${host}`),
      chassis: chassis.name,
      port_security: true,
    };
  });
}

export function realChassis(workload: Workload): WorkloadChassis {
  const real = workload.chassis.find((chassis) => chassis.real);
  if (real === undefined) throw new RangeError(`workload ${workload.name}: no real chassis`);
  return real;
}

/** Last octets that no workload uses: its ports are below 200, a load balancer's address is 250. */
const FIRST_FREE_HOST = 200;
const FREE_HOSTS = 50;
/** Neighbouring samples go to chassis far apart. */
const CHASSIS_STRIDE = 37;

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

/** Network -> project: a router stands for its tenant. */
function projectsOf(workload: Workload): ReadonlyMap<string, string> {
  return new Map(workload.networks.map(({ id, router }) => [id, router ?? "default"]));
}

function meta(id: string, project: string): Meta {
  return {
    ...{ id, project, name: "", labels: {}, revision: 0n },
    ...{ createdAt: undefined, updatedAt: undefined },
  };
}

function upsert(object: NorthboundObject): Change {
  return { change: { $case: "upsert", value: object } };
}

function networkObject(network: WorkloadNetwork): NorthboundObject {
  return {
    object: {
      $case: "network",
      value: {
        meta: meta(network.id, network.router ?? "default"),
        spec: {
          type: { $case: "overlay", value: { encap: EncapType.GENEVE } },
          mtuBytes: network.mtu,
        },
        status: undefined,
      },
    },
  };
}

function subnetObject(network: WorkloadNetwork): NorthboundObject {
  return {
    object: {
      $case: "subnet",
      value: {
        meta: meta(`sub-${network.id}`, network.router ?? "default"),
        spec: {
          network: network.id,
          cidr: network.cidr,
          gatewayIp: network.gateway_ip,
          noGateway: false,
          allocationRanges: [],
          reserved: [],
          ipv6Allocation: 0,
        },
        status: undefined,
      },
    },
  };
}

function portObject(port: WorkloadPort, projects: ReadonlyMap<string, string>): NorthboundObject {
  const project = projects.get(port.network);
  if (project === undefined) throw new RangeError(`${port.id}: no network ${port.network}`);
  return {
    object: {
      $case: "port",
      value: {
        meta: meta(port.id, project),
        spec: {
          network: port.network,
          mac: port.mac,
          fixedIps: [{ subnet: `sub-${port.network}`, ip: port.ip }],
          noFixedIps: false,
          allowedAddressPairs: [],
          adminDown: false,
          portSecurityDisabled: !port.port_security,
          requestedChassis: port.chassis,
          deviceOwner: "",
          deviceId: "",
        },
        status: undefined,
      },
    },
  };
}

/** What an Apply did, by action; to say that a load created everything it sent. */
export function countCreated(results: readonly ChangeResult[]): number {
  return results.filter(({ action }) => action === ChangeAction.CREATED).length;
}
