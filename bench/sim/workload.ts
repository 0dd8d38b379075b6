// Reads a workload of bench/workloads (networks and ports only) into rows of the model, for measurements that need no store.
// Pure but for reading the file it is given. Called by bench/sim/*.ts.

import { readFileSync } from "node:fs";
import { type RowEdit, rowOf } from "@weft/central/derive/memory-rows.ts";

interface WorkloadFile {
  readonly chassis: readonly { readonly name: string; readonly ip: string }[];
  readonly networks: readonly {
    readonly id: string;
    readonly cidr: string;
    readonly gateway_ip: string;
    readonly router: string | null;
  }[];
  readonly ports: readonly {
    readonly id: string;
    readonly network: string;
    readonly mac: string;
    readonly ip: string;
    readonly chassis: string;
  }[];
}

export interface Workload {
  readonly chassis: readonly string[];
  readonly networks: readonly string[];
  readonly rows: readonly RowEdit[];
}

/** The bench's underlay; with our option a Geneve network then carries 1534 bytes. */
const UNDERLAY_MTU_BYTES = 1600;

/** `bound` = the ports are UP on their chassis, as after a restart that found its checkpoint. */
export function readWorkload(file: string, options: { bound: boolean }): Workload {
  const given = JSON.parse(readFileSync(file, "utf8")) as WorkloadFile;
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
    const project = network.router ?? "default";
    rows.push({ table: "network", id, row: rowOf.network({ id, key: at + 1, project }) });
    const subnet = {
      id: `sub-${id}`,
      network: id,
      cidr: network.cidr,
      gatewayIp: network.gateway_ip,
    };
    rows.push({ table: "subnet", id: subnet.id, row: rowOf.subnet(subnet) });
  });
  given.ports.forEach((port, at) => {
    const { id, network, mac } = port;
    const fixedIps = [{ subnet: `sub-${network}`, ip: port.ip }];
    const row = { id, network, mac, fixedIps, key: at + 1, requestedChassis: port.chassis };
    rows.push({ table: "port", id, row: rowOf.port(row) });
    if (!options.bound) return;
    rows.push({ table: "binding", id, row: rowOf.binding({ id, chassis: port.chassis }) });
  });
  return {
    chassis: given.chassis.map((chassis) => chassis.name),
    networks: given.networks.map((network) => network.id),
    rows,
  };
}
