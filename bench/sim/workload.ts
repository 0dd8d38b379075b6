// Reads a workload of bench/workloads (networks, ports, routers, routes) into rows of the model, for measurements that need no
// store. Pure but for reading the file it is given. Called by bench/sim/*.ts.

import { readFileSync } from "node:fs";
import { type RowEdit, rowOf } from "@weft/central/derive/memory-rows.ts";
import type { Workload as WorkloadFile, WorkloadNetwork, WorkloadPort } from "../workload.ts";

export interface Workload {
  readonly chassis: readonly string[];
  readonly networks: readonly string[];
  /** By network. */
  readonly projects: ReadonlyMap<string, string>;
  readonly rows: readonly RowEdit[];
}

/** The bench's underlay; with our option a Geneve network then carries 1534 bytes. */
const UNDERLAY_MTU_BYTES = 1600;

/** `bound` = the ports are UP on their chassis, as after a restart that found its checkpoint. */
export function readWorkload(file: string, options: { bound: boolean }): Workload {
  const given = JSON.parse(readFileSync(file, "utf8")) as WorkloadFile;
  // A router stands for its tenant.
  const projects = new Map(given.networks.map(({ id, router }) => [id, router ?? "default"]));
  const projectOf = (network: string): string => projects.get(network) ?? "default";
  const rows: RowEdit[] = [];
  given.chassis.forEach(({ name, ip }, at) => {
    const encaps = [{ type: 1 as const, ip, underlayMtuBytes: UNDERLAY_MTU_BYTES }];
    rows.push({
      table: "chassis",
      id: name,
      row: rowOf.chassis({ id: name, key: at + 1, encaps }),
    });
  });
  given.networks.forEach((network, at) => {
    const { id } = network;
    const project = projectOf(id);
    rows.push({ table: "network", id, row: rowOf.network({ id, key: at + 1, project }) });
    rows.push(...subnetEdits(network, project));
  });
  given.ports.forEach((port, at) => {
    const { id, network, mac } = port;
    const given = { id, network, mac, project: projectOf(network), fixedIps: fixedIpsOf(port) };
    const row = { ...given, key: at + 1, requestedChassis: port.chassis };
    rows.push({ table: "port", id, row: rowOf.port(row) });
    if (!options.bound) return;
    rows.push({ table: "binding", id, row: rowOf.binding({ id, chassis: port.chassis }) });
  });
  return {
    chassis: given.chassis.map((chassis) => chassis.name),
    networks: given.networks.map((network) => network.id),
    projects,
    rows: [...rows, ...routerEdits(given)],
  };
}

function subnetEdits(network: WorkloadNetwork, project: string): RowEdit[] {
  const { id, cidr, gateway_ip, cidr6, gateway_ip6 } = network;
  const edit = (subnet: string, prefix: string, gatewayIp: string): RowEdit => {
    const row = rowOf.subnet({ id: subnet, project, network: id, cidr: prefix, gatewayIp });
    return { table: "subnet", id: subnet, row };
  };
  const first = edit(`sub-${id}`, cidr, gateway_ip);
  return cidr6 && gateway_ip6 ? [first, edit(`sub6-${id}`, cidr6, gateway_ip6)] : [first];
}

function fixedIpsOf({ network, ip, ip6 }: WorkloadPort): { subnet: string; ip: string }[] {
  const first = { subnet: `sub-${network}`, ip };
  return ip6 ? [first, { subnet: `sub6-${network}`, ip: ip6 }] : [first];
}

function routerEdits({ routers, routes = [] }: WorkloadFile): RowEdit[] {
  const edits: RowEdit[] = routers.map(({ id }, at) => ({
    ...{ table: "router" as const, id },
    row: rowOf.router({ id, key: at + 1, project: id }),
  }));
  const interfaces = routers.flatMap((router) =>
    router.interfaces.map((one) => ({ ...one, id: `rif-${one.network}`, router: router.id })),
  );
  interfaces.forEach(({ id, router, network, mac }, at) => {
    const row = { id, router, network, mac, key: at + 1, project: router };
    edits.push({ table: "router-interface", id, row: rowOf["router-interface"](row) });
  });
  routes.forEach(({ id, router, destination, next_hops }, at) => {
    const nextHops = [...next_hops].sort();
    const row = { id, router, destination, nextHops, key: at + 1, project: router };
    edits.push({ table: "route", id, row: rowOf.route(row) });
  });
  return edits;
}
