// Measures derivation, bindings and distribution together, without API and store: a central with rows in memory serves a fleet in
// another process over mutual TLS. Prints a table of figures.
//   node --expose-gc bench/sim/run.ts WORKLOAD.json [samples]

import { execFileSync, fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { Bindings } from "@weft/central/bindings/bindings.ts";
import { createDeriver } from "@weft/central/derive/deriver.ts";
import { MemoryRows, type RowEdit, rowOf } from "@weft/central/derive/memory-rows.ts";
import { Distributor } from "@weft/central/distribute/distributor.ts";
import type { Batch } from "@weft/central/model/rows.ts";
import { SystemClock } from "@weft/shared/clock.ts";
import type { FleetStats } from "./agents.ts";
import type { FromFleet, TlsFiles, ToFleet } from "./fleet.ts";
import { readWorkload } from "./workload.ts";

const [file, samplesText = "300"] = process.argv.slice(2);
if (file === undefined) {
  console.error("usage: node --expose-gc bench/sim/run.ts WORKLOAD.json [samples]");
  process.exit(2);
}

/** A CA and two certificates, made by openssl. */
function makeTls(): { server: TlsFiles; client: TlsFiles } {
  const folder = mkdtempSync(join(tmpdir(), "weft-sim-"));
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=sim CA");
  const issue = (name: string): TlsFiles => {
    openssl(
      "req",
      "-x509",
      ...newKey,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.pem`,
      "-subj",
      `/CN=${name}`,
      "-addext",
      "subjectAltName=DNS:localhost",
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
    );
    const read = (at: string): string => readFileSync(join(folder, at), "utf8");
    return { ca: read("ca.pem"), cert: read(`${name}.pem`), key: read(`${name}.key`) };
  };
  try {
    return { server: issue("localhost"), client: issue("chassis") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const percentile = (sorted: readonly number[], share: number): string =>
  (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2);

const workload = readWorkload(file, { bound: true });
const rows = new MemoryRows();
let revision = 1n;
rows.edit(revision, workload.rows);
const checkpoint = [...rows.values("binding")];
const plugged = new Map<string, string[]>(workload.chassis.map((name) => [name, []]));
for (const binding of checkpoint) plugged.get(binding.chassis)?.push(binding.id);
rows.clearVolatile();

const coldFrom = performance.now();
const deriver = createDeriver({ rows });
let deliveries = 0;
let onUp: (port: string) => void = () => undefined;
const publish = (batch: Batch): void => {
  const derived = deriver.apply(batch);
  for (const { scope } of derived.instructions) deliveries += deriver.interest.audience(scope).size;
  distributor.publish(derived);
  bindings.modelChanged(batch);
  for (const change of batch.changes) {
    if (change.table === "binding" && change.after?.state === "up") onUp(change.id);
  }
};
const clock = new SystemClock();
const bindings = new Bindings({
  rows,
  isFixedIp: (network, ip) => deriver.isFixedIp(network, ip),
  isRouted: (network, ip) => deriver.isRouted(network, ip),
  clock,
  publish: (changes) => {
    rows.apply(changes);
    publish({ revision, changes });
  },
});
const distributor = new Distributor({
  deriver,
  bindings,
  storeId: "bench",
  epoch: 1n,
  currentRevision: () => revision,
  registerChassis: async ({ chassis }) => {
    const row = rows.get("chassis", chassis);
    if (row === undefined) throw new Error(`no chassis ${chassis} in the workload`);
    return row;
  },
  peerChassis: (_call, hello) => hello.chassis,
  clock,
  logger: { info: () => undefined, warn: (fields, text) => console.error(text, fields) },
});
bindings.load(checkpoint);
bindings.start();
const coldMs = performance.now() - coldFrom;

const tls = makeTls();
const server = new Server({ "grpc.max_receive_message_length": 1 << 20 });
distributor.addTo(server);
const pair = { private_key: Buffer.from(tls.server.key), cert_chain: Buffer.from(tls.server.cert) };
const port = await new Promise<number>((resolve, reject) => {
  const trusted = Buffer.from(tls.server.ca);
  server.bindAsync(
    "localhost:0",
    ServerCredentials.createSsl(trusted, [pair], true),
    (error, at) => (error === null ? resolve(at) : reject(error)),
  );
});

const child = fork(new URL("fleet.ts", import.meta.url), { stdio: "inherit" });
const order = (message: ToFleet): boolean => child.send(message);
function heard(kind: "started" | "stats"): Promise<{ stats: FleetStats; ms?: number }> {
  return new Promise((resolve) => {
    const listen = (message: FromFleet): void => {
      if (message.kind === "lost") console.error(`lost ${message.chassis}: ${message.reason}`);
      if (message.kind !== kind) return;
      child.off("message", listen);
      resolve(message);
    };
    child.on("message", listen);
  });
}

const connectCpu = cpuMs();
const started = heard("started");
order({
  kind: "start",
  address: `localhost:${port}`,
  tls: tls.client,
  chassis: workload.chassis.map((name) => ({
    name,
    ip: rows.get("chassis", name)?.encaps[0]?.ip ?? "",
    underlayMtuBytes: 1600,
    plugged: plugged.get(name) ?? [],
  })),
});
const converged = await started;
const connectCpuMs = cpuMs() - connectCpu;
globalThis.gc?.();
const rssMib = process.memoryUsage().rss / 1048576;

const idleCpu = cpuMs();
await new Promise((resolve) => setTimeout(resolve, 2000));
const idlePerMs = (cpuMs() - idleCpu) / 2000;

const samples = Number(samplesText);
const latencies: number[] = [];
deliveries = 0;
const addCpu = cpuMs();
const addFrom = performance.now();
for (let at = 0; at < samples; at++) {
  const id = `extra-${at}`;
  const chassis = workload.chassis[(at * 7) % workload.chassis.length] ?? "";
  const network = workload.networks[(at * 3) % workload.networks.length] ?? "";
  const fixedIps = [{ subnet: `sub-${network}`, ip: `10.200.${at >> 8}.${at & 255}` }];
  const project = workload.projects.get(network) ?? "default";
  const port = { id, key: 100_000 + at, project, network, requestedChassis: chassis, fixedIps };
  const row = rowOf.port(port);
  const edit: RowEdit = { table: "port", id, row };
  const from = performance.now();
  const up = new Promise<void>((resolve) => {
    onUp = (bound) => {
      if (bound === id) resolve();
    };
  });
  revision += 1n;
  publish(rows.edit(revision, [edit]));
  await up;
  latencies.push(performance.now() - from);
}
const addMs = performance.now() - addFrom;
const addCpuMs = cpuMs() - addCpu - idlePerMs * addMs;
latencies.sort((a, b) => a - b);
const addDeliveries = deliveries;

const realized = await distributor.realized(revision, 5000);
order({ kind: "stats" });
const { stats } = await heard("stats");
console.table({
  cold_derive_ms: coldMs.toFixed(0),
  connect_all_ms: converged.ms?.toFixed(0),
  connect_cpu_ms_per_session: (connectCpuMs / workload.chassis.length).toFixed(2),
  rss_mib: rssMib.toFixed(0),
  rss_after_adds_mib: (process.memoryUsage().rss / 1048576).toFixed(0),
  port_add_sim_p50_ms: percentile(latencies, 0.5),
  port_add_sim_p90_ms: percentile(latencies, 0.9),
  port_add_sim_p99_ms: percentile(latencies, 0.99),
  port_add_deliveries: (addDeliveries / samples).toFixed(1),
  cpu_us_per_delivery: ((addCpuMs * 1000) / addDeliveries).toFixed(0),
  idle_cpu_percent: (idlePerMs * 100).toFixed(1),
  realized: realized.complete,
  bytes_to_a_chassis: Math.round(stats.bytes / workload.chassis.length),
  fleet: JSON.stringify(stats),
});
order({ kind: "stop" });
distributor.close();
bindings.close();
server.forceShutdown();
