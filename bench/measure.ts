// WIRING of `make bench`, in the namespace that run.ts made: one central, simulated chassis in a process of their own, one real chassis
// (switch and agent). Loads the workload, measures, prints a table and writes one flat JSON object. It cleans up nothing: run.ts does.
//
//   measure.ts --Apply, Watch, GetStatus--> central <--southbound over mutual TLS-- fleet-main.ts (simulated chassis)
//       |                                      ^-------southbound over mutual TLS-- weft-agent (ch-0000)
//       +--ovs-ofctl monitor, OVSDB--> ovs-vswitchd <--OpenFlow, OVSDB----------------+
//
// usage: measure.ts WORKLOAD.json FOLDER SAMPLES RESULT.json install|no-install

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "@weft/test/lab/processes.ts";
import { AgentProcess } from "./agent-process.ts";
import { CentralProcess, NORTHBOUND, SOUTHBOUND } from "./central-process.ts";
import { Certificates } from "./certificates.ts";
import { countCreated, loadChanges } from "./changes.ts";
import { Fleet } from "./fleet.ts";
import { installRatio } from "./install-ratio.ts";
import {
  diskFlushP50Ms,
  loadAverage,
  machineNow,
  ownCpuSeconds,
  processCpuUs,
  processMemory,
  round,
} from "./machine.ts";
import { Northbound } from "./northbound.ts";
import { attempt, measureOperations } from "./operation-figures.ts";
import { RealSwitch, UNDERLAY_MTU_BYTES } from "./real-switch.ts";
import { Findings, figureTable } from "./report.ts";
import { median } from "./stats.ts";
import { realChassis, type Size, skippedOf, type Workload } from "./workload.ts";

const [workloadPath = "", labDir = "", samplesText = "200", resultPath = "", install = "install"] =
  process.argv.slice(2);
const samples = Number(samplesText);
const startedMs = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`[${seconds.padStart(6)} s] ${text}`);
}

/** Everything that runs, once it runs. */
interface World {
  readonly workload: Workload;
  readonly certificates: Certificates;
  readonly pkiDir: string;
  readonly central: CentralProcess;
  readonly ovs: RealSwitch;
  readonly agent: AgentProcess;
  readonly found: Findings;
}

/** Runs of what is measured once a start: the median of them is the figure. */
const starts = samples < 100 ? 1 : 3;

async function build(workload: Workload, found: Findings): Promise<World> {
  const real = realChassis(workload);
  say(`certificates for central and ${workload.chassis.length} chassis`);
  const pkiDir = join(labDir, "pki");
  const names = workload.chassis.map(({ name }) => name);
  const certificates = await Certificates.make(pkiDir, names);
  say("a switch with the devices of the real chassis");
  const ovs = await RealSwitch.start({ dir: join(labDir, "ovs"), vtepIp: real.ip });
  const mine = workload.ports.filter(({ chassis }) => chassis === real.name);
  for (const { id, mac } of mine) await ovs.plug({ portId: id, mac });
  await ovs.linkUp(mine.map(({ id }) => id));
  const central = await CentralProcess.prepare({
    dir: join(labDir, "central"),
    labDir,
    tls: certificates.central,
  });
  const agent = await AgentProcess.prepare({
    dir: join(labDir, "agent"),
    labDir,
    chassis: real.name,
    vtepIp: real.ip,
    central: SOUTHBOUND,
    tls: certificates.chassis(real.name),
    ovs,
  });
  return { workload, certificates, pkiDir, central, ovs, agent, found };
}

/** Simulated chassis that hold nothing; with `plugged` their devices are there already. */
async function newFleet(world: World, plugged: boolean): Promise<Fleet> {
  const { workload, pkiDir } = world;
  const portsOf = Map.groupBy(workload.ports, ({ chassis }) => chassis);
  const fleet = new Fleet();
  await fleet.prepare({
    address: SOUTHBOUND,
    pkiDir,
    chassis: workload.chassis
      .filter(({ real }) => !real)
      .map(({ name, ip }) => ({
        name,
        ip,
        underlayMtuBytes: UNDERLAY_MTU_BYTES,
        plugged: plugged ? (portsOf.get(name) ?? []).map(({ id }) => id) : [],
      })),
  });
  return fleet;
}

function operator(world: World): Northbound {
  return new Northbound({ address: NORTHBOUND, tls: world.certificates.operator });
}

/** Chassis register by connecting; then one Apply brings everything. Answers how many keys central then has derived. */
async function load(world: World): Promise<number> {
  const { workload, central, agent, found } = world;
  say("central on an empty store; the chassis register");
  central.start();
  await central.whenListening(SOUTHBOUND);
  const fleet = await newFleet(world, false);
  await fleet.begin();
  agent.start();
  await using northbound = operator(world);
  await whenRegistered(northbound, workload.chassis.length);
  const changes = loadChanges(workload);
  say(`Apply of ${changes.length} objects`);
  const from = performance.now();
  const { results } = await northbound.apply(changes);
  const created = countCreated(results);
  if (created !== changes.length)
    throw new Error(`${created} of ${changes.length} objects created`);
  found.note("objects", String(created));
  found.note("load_s", ((performance.now() - from) / 1000).toFixed(2));
  await northbound.watchPorts();
  await northbound.whenAllUp(
    workload.ports.map(({ id }) => id),
    180_000,
  );
  found.note("load_until_all_up_s", ((performance.now() - from) / 1000).toFixed(2));
  say("all ports UP");
  await central.whenQuiet();
  const keys = await central.derivedKeys();
  await central.end();
  await agent.end();
  await fleet.stop();
  return keys;
}

async function whenRegistered(northbound: Northbound, count: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const { chassis } = await northbound.status();
    if (chassis.length >= count) return;
    if (performance.now() > deadline) {
      throw new Error(`${chassis.length} of ${count} chassis registered after 60 s`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Central alone on the loaded store: it listens once everything is derived, which `keys` proves. */
async function coldCompile(world: World, keys: number): Promise<void> {
  const { central, found } = world;
  const times: number[] = [];
  for (let at = 0; at < starts; at++) {
    const from = central.start();
    times.push(((await central.whenListening(SOUTHBOUND)) - from) / 1000);
    const derived = await central.derivedKeys();
    if (derived !== keys) throw new Error(`${derived} keys derived of ${keys} before the restart`);
    await central.end();
  }
  found.note("derived_keys", String(keys));
  found.set("cold_compile_s", median(times));
  say(`cold_compile_s ${times.map((time) => time.toFixed(2)).join(" ")}`);
}

/** Central on the loaded store with all simulated chassis connecting at once, none of which holds anything. */
async function converge(world: World): Promise<Fleet> {
  const fleet = await newFleet(world, true);
  const from = world.central.start();
  await world.central.whenListening(SOUTHBOUND);
  await fleet.begin();
  const seconds = (performance.now() - from) / 1000;
  world.found.set("cold_converge_s", seconds);
  say(`cold_converge_s ${seconds.toFixed(2)}`);
  return fleet;
}

async function realChassisStarts(world: World): Promise<void> {
  const { ovs, agent, found } = world;
  const cold: number[] = [];
  const again: number[] = [];
  const bytes: number[] = [];
  for (let at = 0; at < starts; at++) {
    await agent.end();
    await agent.forgetState();
    await ovs.forgetAgent();
    const monitor = await ovs.monitor();
    const from = agent.start();
    await agent.whenSettled();
    const last = await monitor.settle(1000);
    if (last === null) throw new Error(`the agent installed no flow; its log: ${agent.log}`);
    cold.push((last - from) / 1000);
    bytes.push(await agent.bytesFromCentral());
    await monitor.stop();
  }
  for (let at = 0; at < starts; at++) {
    await agent.end();
    const from = agent.start();
    again.push(((await agent.whenSettled()) - from) / 1000);
  }
  found.set("chassis_cold_start_s", median(cold));
  found.set("agent_restart_s", median(again));
  found.set("bytes_to_chassis", median(bytes));
  found.set("flows_on_chassis", await ovs.flowCount());
  say(`chassis_cold_start_s ${cold.map((s) => s.toFixed(2)).join(" ")}`);
  say(`agent_restart_s ${again.map((s) => s.toFixed(2)).join(" ")}`);
}

async function memory(world: World): Promise<void> {
  const { central, agent, found } = world;
  await central.whenQuiet();
  const ofCentral = await processMemory(central.pid);
  found.set("central_rss_mib", ofCentral.rssMib);
  found.set("central_hwm_mib", ofCentral.hwmMib);
  found.set("agent_rss_mib", (await processMemory(agent.pid)).rssMib);
  found.note("central_heap_used_mib", (await central.heapUsedMib()).toFixed(1));
  say(`central ${ofCentral.rssMib} MiB`);
}

const machine = machineNow();
await mkdir(labDir, { recursive: true });
const disk_flush_p50_ms = await diskFlushP50Ms(labDir);
const workload = JSON.parse(await readFile(workloadPath, "utf8")) as Workload;
const skipped = skippedOf(workload);
const left = Object.entries(skipped).map(([kind, count]) => `${count} ${kind}`);
say(
  `workload ${workload.name}: ${workload.networks.length} networks, ${workload.ports.length} ports, ` +
    `${workload.routers.length} routers, ${workload.routes?.length ?? 0} routes`,
);
say(`not known to Weft yet, left out: ${left.join(", ")}`);

const found = new Findings();
const world = await build(workload, found);
const keys = await load(world);
await attempt(found, say, ["cold_compile_s"], () => coldCompile(world, keys));
await world.central.end();
const fleet = await converge(world);
await attempt(found, say, ["chassis_cold_start_s"], () => realChassisStarts(world));
await attempt(found, say, ["central_rss_mib"], () => memory(world));
{
  await using northbound = operator(world);
  await measureOperations({ ...world, fleet, northbound, samples, say });
}
const fleetCpuSeconds = (await processCpuUs(fleet.pid)) / 1e6;
fleet.assertWhole();
await fleet.stop();
await world.agent.end();
await world.central.end();
if (install === "install") say("install_ratio");
const installed = install === "install" ? await installRatio(100_000) : "left out on request";
if (typeof installed === "string") found.missing("install_ratio", installed);
else {
  found.set("install_ratio", installed.ratio);
  if (installed.standstillMaxMs !== null) {
    found.set("install_standstill_max_ms", installed.standstillMaxMs);
  }
}

const result = {
  size: workload.name,
  samples,
  ovs_version: (await run("ovs-vswitchd", "--version")).split("\n")[0] ?? "",
  node_version: process.version,
  ...machine,
  load_average_end: loadAverage(),
  disk_flush_p50_ms,
  /** This process and the simulated chassis; both share the machine with what is measured. */
  loader_cpu_s: round(ownCpuSeconds() + fleetCpuSeconds, 1),
  wall_s: round((performance.now() - startedMs) / 1000, 1),
  ...found.figures,
  notes: found.notes,
  skipped,
};
console.log(`\n${figureTable(found, workload.name as Size)}\n`);
if (machine.noisy) console.log(`noisy: load average ${machine.load_average_start} at the start\n`);
await writeFile(resultPath, `${JSON.stringify(result, null, 2)}\n`);
process.exit(0);
