// Weft's figures beside OVN's on the same workload. Knows which figure of bench/ovn/bench.py measures the same thing as one of
// ours; what OVN has no counterpart for is left out rather than guessed. Pure. Called by ovn.ts.

import { type Field, type FieldName, fields } from "./fields.ts";
import { type Figures, renderTable, show } from "./report.ts";

/** One size's entry of the file that bench.py writes; numbers at any depth. */
export interface OvnResult {
  readonly [key: string]: OvnResult | number | string | null;
}

export interface Compared {
  readonly name: FieldName;
  readonly weft: number | null;
  readonly ovn: number | null;
  /** Everything that the workload holds, of which Weft does not load all yet: beside, not compared. */
  readonly ovnFull: number | null;
  /** OVN / Weft: above 1 Weft needs less. Null when one of them is missing or 0. */
  readonly ratio: number | null;
  /** Which OVN 25.03 is to need at least at LR; null = no such limit. */
  readonly leastRatio: number | null;
}

interface Counterpart {
  readonly name: FieldName;
  readonly ovn: (result: OvnResult) => number | null;
}

const MS = 1000;
const operation =
  (name: string, event: string, rank: string) =>
  (result: OvnResult): number | null =>
    at(result, ["ops", name, "stats", event, rank], MS);
const cold =
  (of: string, figure: string) =>
  (result: OvnResult): number | null =>
    at(result, [of, "summary", figure, "p50"], 1);

/** northd and both database servers: together they do what central does. */
const centralMemory =
  (kind: "rss" | "hwm") =>
  (result: OvnResult): number | null => {
    const parts = ["northd", "sb", "nb"].map((daemon) =>
      at(result, ["cold_compile", "summary", `${daemon}_${kind}_mib`, "p50"], 1),
    );
    return parts.reduce((sum, part) => (sum === null || part === null ? null : sum + part), 0);
  };

const counterparts: readonly Counterpart[] = [
  { name: "cold_compile_s", ovn: cold("cold_compile", "wall_s") },
  { name: "central_rss_mib", ovn: centralMemory("rss") },
  { name: "central_hwm_mib", ovn: centralMemory("hwm") },
  { name: "port_add_local_p50_ms", ovn: operation("port_add_local", "nb_up", "p50") },
  { name: "port_add_local_p99_ms", ovn: operation("port_add_local", "nb_up", "p99") },
  { name: "port_add_local_flows_p50_ms", ovn: operation("port_add_local", "last_flow", "p50") },
  { name: "port_add_local_flows_p99_ms", ovn: operation("port_add_local", "last_flow", "p99") },
  { name: "port_add_join_p50_ms", ovn: operation("port_add_join", "nb_up", "p50") },
  { name: "port_add_join_p99_ms", ovn: operation("port_add_join", "nb_up", "p99") },
  { name: "port_add_join_flows_p50_ms", ovn: operation("port_add_join", "last_flow", "p50") },
  { name: "port_add_join_flows_p99_ms", ovn: operation("port_add_join", "last_flow", "p99") },
  { name: "port_add_remote_p50_ms", ovn: operation("port_add_remote", "output_flow", "p50") },
  { name: "port_add_remote_p99_ms", ovn: operation("port_add_remote", "output_flow", "p99") },
  { name: "port_delete_p50_ms", ovn: operation("port_delete_local", "last_flow", "p50") },
  { name: "port_delete_p99_ms", ovn: operation("port_delete_local", "last_flow", "p99") },
  ...(
    ["router_interface_add", "router_interface_delete", "route_add", "route_delete"] as const
  ).flatMap((name) => [
    { name: `${name}_p50_ms` as const, ovn: operation(name, "last_flow", "p50") },
    { name: `${name}_p99_ms` as const, ovn: operation(name, "last_flow", "p99") },
  ]),
  { name: "chassis_cold_start_s", ovn: cold("cold_chassis", "flows_stable") },
  { name: "agent_rss_mib", ovn: cold("cold_chassis", "controller_rss_mib") },
  { name: "bytes_to_chassis", ovn: cold("cold_chassis", "sb_bytes_to_chassis") },
  { name: "flows_on_chassis", ovn: cold("cold_chassis", "openflow_flows") },
];

export function compare(
  weft: Figures | null,
  ovn: OvnResult | null,
  ovnFull: OvnResult | null,
): Compared[] {
  return counterparts.map((counterpart) => {
    const { name } = counterpart;
    const ours = weft?.[name] ?? null;
    const theirs = ovn === null ? null : counterpart.ovn(ovn);
    const full = ovnFull === null ? null : counterpart.ovn(ovnFull);
    const ratio = !ours || theirs === null ? null : theirs / ours;
    const field: Field | undefined = fields.find((one) => one.name === name);
    const leastRatio = field?.leastRatio ?? null;
    return { name, weft: ours, ovn: theirs, ovnFull: full, ratio, leastRatio };
  });
}

/** How often OVN did each operation. */
export function samplesOf(ovn: OvnResult | null): Readonly<Record<string, number>> {
  const operations = ovn?.["ops"];
  if (typeof operations !== "object" || operations === null) return {};
  const names = Object.keys(operations).sort();
  return Object.fromEntries(names.map((name) => [name, at(operations, [name, "n"], 1) ?? 0]));
}

/** `judged` = these are the size and the OVN for which the least ratios are meant; else they are only shown. */
export function comparisonTable(compared: readonly Compared[], judged: boolean): string {
  return renderTable(
    ["figure", "Weft", "OVN", "OVN / Weft", "at LR", "", "OVN, full workload"],
    compared.map(({ name, weft, ovn, ratio, leastRatio, ovnFull }) => [
      ...[name, show(weft), show(ovn), show(ratio)],
      ...[
        leastRatio === null ? "" : `>= ${leastRatio}`,
        judged ? verdictOf(ratio, leastRatio) : "",
      ],
      show(ovnFull),
    ]),
  );
}

function verdictOf(ratio: number | null, least: number | null): string {
  if (ratio === null || least === null) return "";
  return ratio >= least ? "ok" : "BELOW";
}

function at(result: OvnResult, path: readonly string[], scale: number): number | null {
  let found: OvnResult | number | string | null = result;
  for (const step of path) {
    if (typeof found !== "object" || found === null) return null;
    found = found[step] ?? null;
  }
  return typeof found === "number" ? Number((found * scale).toFixed(3)) : null;
}
