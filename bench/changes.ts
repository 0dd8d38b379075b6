// A workload of bench/workloads as northbound change sets: networks, subnets, ports, routers with their interfaces and routes, and
// what the operations add and delete. What Weft does not know yet (rules, gateways ...) is left out; workload.ts counts it. Pure.
// Called by measure.ts and the operations.

import {
  type Change,
  ChangeAction,
  type ChangeResult,
  Kind,
  type Meta,
  type Object as NorthboundObject,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import type {
  InterfaceOperation,
  Workload,
  WorkloadInterface,
  WorkloadNetwork,
  WorkloadPort,
  WorkloadRoute,
} from "./workload.ts";

/** Everything the workload holds before its operations, as one change set: what is referred to comes first. */
export function loadChanges(workload: Workload): Change[] {
  const projects = projectsOf(workload);
  return [
    ...workload.networks.map((network) => networkUpsert(network, tenantOf(network))),
    ...workload.networks.flatMap((network) => subnetUpserts(network, tenantOf(network))),
    ...workload.ports.map((port) => portUpsert(port, projectFor(port, projects))),
    ...workload.routers.map(({ id }) => routerUpsert(id)),
    ...workload.routers.flatMap((router) =>
      router.interfaces.map((attached) => interfaceUpsert(router.id, attached)),
    ),
    ...(workload.routes ?? []).map(routeUpsert),
  ];
}

/** One port, in the project of its network. */
export function portAdd(workload: Workload): (port: WorkloadPort) => Change {
  const projects = projectsOf(workload);
  return (port) => portUpsert(port, projectFor(port, projects));
}

export function portDelete(port: { readonly id: string }): Change {
  return deletion(Kind.PORT, port.id);
}

/** What is there before an interface operation begins: its network, with ports, attached to nothing. */
export function detachedNetwork({ router, network, ports }: InterfaceOperation): Change[] {
  return [
    networkUpsert(network, router),
    ...subnetUpserts(network, router),
    ...ports.map((port) => portUpsert(port, router)),
  ];
}

export function interfaceAdd(operation: InterfaceOperation): Change {
  return interfaceUpsert(operation.router, operation.interface);
}

export function interfaceDelete(operation: InterfaceOperation): Change {
  return deletion(Kind.ROUTER_INTERFACE, interfaceId(operation.interface));
}

export function routeAdd(route: WorkloadRoute): Change {
  return routeUpsert(route);
}

export function routeDelete(route: WorkloadRoute): Change {
  return deletion(Kind.ROUTE, route.id);
}

/** What an Apply did, by action; to say that a load created everything it sent. */
export function countCreated(results: readonly ChangeResult[]): number {
  return results.filter(({ action }) => action === ChangeAction.CREATED).length;
}

/** Network -> project: a router stands for its tenant. */
function projectsOf(workload: Workload): ReadonlyMap<string, string> {
  return new Map(workload.networks.map((network) => [network.id, tenantOf(network)]));
}

function tenantOf({ router }: WorkloadNetwork): string {
  return router ?? "default";
}

function projectFor(port: WorkloadPort, projects: ReadonlyMap<string, string>): string {
  const project = projects.get(port.network);
  if (project === undefined) throw new RangeError(`${port.id}: no network ${port.network}`);
  return project;
}

function meta(id: string, project: string): Meta {
  return {
    ...{ id, project, name: "", labels: {}, revision: 0n },
    ...{ createdAt: undefined, updatedAt: undefined },
  };
}

function upsert(object: NonNullable<NorthboundObject["object"]>): Change {
  return { change: { $case: "upsert", value: { object } } };
}

function deletion(kind: Kind, id: string): Change {
  return { change: { $case: "delete", value: { kind, id, project: "" } } };
}

function networkUpsert(network: WorkloadNetwork, project: string): Change {
  return upsert({
    $case: "network",
    value: {
      meta: meta(network.id, project),
      spec: {
        type: { $case: "overlay", value: { encap: EncapType.GENEVE } },
        mtuBytes: network.mtu,
      },
      status: undefined,
    },
  });
}

function subnetUpserts(network: WorkloadNetwork, project: string): Change[] {
  const { id, cidr, gateway_ip, cidr6, gateway_ip6 } = network;
  const one = (subnet: string, prefix: string, gatewayIp: string): Change =>
    upsert({
      $case: "subnet",
      value: {
        meta: meta(subnet, project),
        spec: {
          ...{ network: id, cidr: prefix, gatewayIp, noGateway: false },
          ...{ allocationRanges: [], reserved: [], ipv6Allocation: 0 },
        },
        status: undefined,
      },
    });
  const first = one(subnetId(id), cidr, gateway_ip);
  return cidr6 && gateway_ip6 ? [first, one(subnet6Id(id), cidr6, gateway_ip6)] : [first];
}

function subnetId(network: string): string {
  return `sub-${network}`;
}

function subnet6Id(network: string): string {
  return `sub6-${network}`;
}

function portUpsert(port: WorkloadPort, project: string): Change {
  const fixedIps = [{ subnet: subnetId(port.network), ip: port.ip }];
  if (port.ip6) fixedIps.push({ subnet: subnet6Id(port.network), ip: port.ip6 });
  return upsert({
    $case: "port",
    value: {
      meta: meta(port.id, project),
      spec: {
        ...{ network: port.network, mac: port.mac, fixedIps, noFixedIps: false },
        ...{ allowedAddressPairs: [], adminDown: false, portSecurityDisabled: !port.port_security },
        ...{ requestedChassis: port.chassis, deviceOwner: "", deviceId: "" },
      },
      status: undefined,
    },
  });
}

/** The router of a tenant has the tenant's name, and so has the project. */
function routerUpsert(id: string): Change {
  const value = { meta: meta(id, id), spec: { adminDown: false }, status: undefined };
  return upsert({ $case: "router", value });
}

function interfaceId(attached: WorkloadInterface): string {
  return `rif-${attached.network}`;
}

/** Its addresses are the gateways of the network's subnets, which it takes by itself. */
function interfaceUpsert(router: string, attached: WorkloadInterface): Change {
  const { network, mac } = attached;
  return upsert({
    $case: "routerInterface",
    value: {
      meta: meta(interfaceId(attached), router),
      spec: { router, network, mac, fixedIps: [], routeTable: 0 },
      status: undefined,
    },
  });
}

function routeUpsert(route: WorkloadRoute): Change {
  const { id, router, destination, next_hops } = route;
  const nextHops = next_hops.map((ip) => ({ ip }));
  return upsert({
    $case: "route",
    value: {
      meta: meta(id, router),
      spec: { router, table: 0, destination, nextHops, blackhole: false },
      status: undefined,
    },
  });
}
