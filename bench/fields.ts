// The figures of the benchmark: names, limits at L, units. One list for the table, the file and the comparison with OVN; README.md
// says from which event to which each runs. Pure data.

export interface Field {
  readonly name: string;
  readonly unit: "s" | "ms" | "us" | "MiB" | "bytes" | "";
  /** The figure must stay below this at L on a quiet machine; absent = shown beside others. */
  readonly below?: number;
  /** As below, but may be equal. */
  readonly atMost?: number;
}

export const fields = [
  { name: "cold_compile_s", unit: "s", below: 1 },
  { name: "cold_converge_s", unit: "s" },
  { name: "central_rss_mib", unit: "MiB", below: 400 },
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
  { name: "chassis_cold_start_s", unit: "s", below: 0.7 },
  { name: "agent_restart_s", unit: "s" },
  { name: "agent_rss_mib", unit: "MiB", below: 120 },
  { name: "bytes_to_chassis", unit: "bytes", below: 0.25 * 1024 * 1024 },
  { name: "flows_on_chassis", unit: "", below: 1500 },
  { name: "install_ratio", unit: "", atMost: 1.5 },
  { name: "install_standstill_max_ms", unit: "ms", atMost: 100 },
] as const satisfies readonly Field[];

export type FieldName = (typeof fields)[number]["name"];
