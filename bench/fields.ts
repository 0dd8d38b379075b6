// The figures of the benchmark: names, units, limits at L and at LR, and how many times less than OVN. One list for the table, the
// file and the comparison with OVN; README.md says from which event to which each runs. Pure data.

import type { Size } from "./workload.ts";

export interface Limit {
  /** The figure must stay below this on a quiet machine. */
  readonly below?: number;
  /** As below, but may be equal. */
  readonly atMost?: number;
}

/** A figure without limit is shown beside others. */
export interface Field extends Limit {
  readonly name: string;
  readonly unit: "s" | "ms" | "us" | "MiB" | "bytes" | "";
  /** In place of the limit at L. */
  readonly atLr?: Limit;
  /** OVN 25.03 must need at least so many times as much at LR, in a run of the same size on the same machine. */
  readonly leastRatio?: number;
}

const KIB = 1024;

export const fields = [
  { name: "cold_compile_s", unit: "s", below: 1, atLr: { below: 1.5 }, leastRatio: 8 },
  { name: "cold_converge_s", unit: "s" },
  { name: "central_rss_mib", unit: "MiB", below: 400, atLr: { below: 450 } },
  { name: "central_hwm_mib", unit: "MiB" },
  { name: "port_add_sim_p50_ms", unit: "ms" },
  { name: "port_add_sim_p90_ms", unit: "ms" },
  { name: "port_add_sim_p99_ms", unit: "ms", below: 20 },
  { name: "port_add_sim_max_ms", unit: "ms" },
  { name: "port_add_local_p50_ms", unit: "ms", below: 10 },
  { name: "port_add_local_p90_ms", unit: "ms" },
  { name: "port_add_local_p99_ms", unit: "ms", below: 30 },
  { name: "port_add_local_max_ms", unit: "ms" },
  { name: "port_add_local_flows_p50_ms", unit: "ms" },
  { name: "port_add_local_flows_p99_ms", unit: "ms" },
  { name: "port_add_local_first_packet_p50_ms", unit: "ms" },
  { name: "port_add_local_first_packet_p99_ms", unit: "ms" },
  { name: "port_add_join_p50_ms", unit: "ms", below: 30 },
  { name: "port_add_join_p99_ms", unit: "ms", below: 60 },
  { name: "port_add_join_flows_p50_ms", unit: "ms" },
  { name: "port_add_join_flows_p99_ms", unit: "ms" },
  { name: "port_add_remote_p50_ms", unit: "ms", below: 10 },
  { name: "port_add_remote_p90_ms", unit: "ms" },
  { name: "port_add_remote_p99_ms", unit: "ms", below: 20 },
  { name: "port_add_remote_max_ms", unit: "ms" },
  { name: "port_delete_p50_ms", unit: "ms" },
  { name: "port_delete_p90_ms", unit: "ms" },
  { name: "port_delete_p99_ms", unit: "ms" },
  { name: "port_delete_max_ms", unit: "ms" },
  { name: "port_plug_p50_ms", unit: "ms" },
  { name: "port_plug_p90_ms", unit: "ms" },
  { name: "port_plug_p99_ms", unit: "ms" },
  { name: "port_plug_max_ms", unit: "ms" },
  { name: "port_add_deliveries", unit: "" },
  { name: "port_add_central_cpu_us_per_delivery", unit: "us" },
  { name: "port_add_central_cpu_ratio_to_s", unit: "", atMost: 1.5 },
  { name: "router_interface_add_p50_ms", unit: "ms", below: 20, leastRatio: 20 },
  { name: "router_interface_add_p99_ms", unit: "ms", below: 60 },
  { name: "router_interface_delete_p50_ms", unit: "ms" },
  { name: "router_interface_delete_p99_ms", unit: "ms" },
  { name: "router_interface_chassis_told", unit: "" },
  { name: "router_interface_chassis_hosting", unit: "" },
  { name: "router_interface_chassis_wrong", unit: "", atMost: 0 },
  { name: "route_add_p50_ms", unit: "ms", leastRatio: 20 },
  { name: "route_add_p99_ms", unit: "ms", below: 60 },
  { name: "route_delete_p50_ms", unit: "ms" },
  { name: "route_delete_p99_ms", unit: "ms" },
  { name: "chassis_cold_start_s", unit: "s", below: 0.7, atLr: { below: 1 }, leastRatio: 3 },
  { name: "agent_restart_s", unit: "s" },
  { name: "agent_rss_mib", unit: "MiB", below: 120, atLr: { below: 150 } },
  {
    name: "bytes_to_chassis",
    unit: "bytes",
    below: 256 * KIB,
    atLr: { below: 1024 * KIB },
    leastRatio: 8,
  },
  { name: "flows_on_chassis", unit: "", below: 6500, atLr: { below: 12_000 }, leastRatio: 4 },
  { name: "install_ratio", unit: "", atMost: 1.5 },
  { name: "install_standstill_max_ms", unit: "ms", atMost: 100 },
] as const satisfies readonly Field[];

export type FieldName = (typeof fields)[number]["name"];

/** The limit of a figure at a size. Limits are for L and LR; elsewhere those of L are only shown. */
export function limitAt({ below, atMost, atLr }: Field, size: Size): Limit {
  if (size === "LR" && atLr !== undefined) return atLr;
  return { ...(below !== undefined && { below }), ...(atMost !== undefined && { atMost }) };
}
