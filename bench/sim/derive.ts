// Measures derivation alone: from cold, an added port, memory a key. Prints a table of figures.
//   node --expose-gc bench/sim/derive.ts WORKLOAD.json

import { createDeriver } from "@weft/central/derive/deriver.ts";
import { MemoryRows, rowOf } from "@weft/central/derive/memory-rows.ts";
import { readWorkload } from "./workload.ts";

const file = process.argv[2];
if (file === undefined) {
  console.error("usage: node --expose-gc bench/sim/derive.ts WORKLOAD.json");
  process.exit(2);
}
const workload = readWorkload(file, { bound: true });
const rows = new MemoryRows();
rows.edit(1n, workload.rows);
const used = (): number => {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
const before = used();
const started = performance.now();
const deriver = createDeriver({ rows });
const coldMs = performance.now() - started;
const bytes = used() - before;
const { keys, edges, entries } = deriver.counts;

const SAMPLES = 300;
const samples: number[] = [];
for (let at = 0; at < SAMPLES; at++) {
  const id = `extra-${at}`;
  const chassis = workload.chassis[at % workload.chassis.length] ?? "";
  const network = workload.networks[at % workload.networks.length] ?? "";
  const fixedIps = [{ subnet: `sub-${network}`, ip: `10.200.${at >> 8}.${at & 255}` }];
  const project = workload.projects.get(network) ?? "default";
  const port = { id, key: 100_000 + at, project, network, requestedChassis: chassis, fixedIps };
  const add = rows.edit(2n, [{ table: "port", id, row: rowOf.port(port) }]);
  const bind = rows.edit(2n, [{ table: "binding", id, row: rowOf.binding({ id, chassis }) }]);
  const from = performance.now();
  deriver.apply(add);
  deriver.apply(bind);
  samples.push(performance.now() - from);
}
samples.sort((a, b) => a - b);
const verifyStarted = performance.now();
const differences = [...deriver.verify({ slice: 1000 })].flat().length;
console.table({
  cold_ms: coldMs.toFixed(1),
  keys,
  edges,
  entries,
  bytes_per_key: (bytes / keys).toFixed(0),
  port_add_p50_ms: samples[SAMPLES >> 1]?.toFixed(3),
  port_add_p99_ms: samples[Math.floor(SAMPLES * 0.99)]?.toFixed(3),
  verify_ms: (performance.now() - verifyStarted).toFixed(0),
  differences,
});
