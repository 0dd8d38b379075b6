// WIRING of `make bench`, in the namespace that run.ts made: one central, simulated chassis in a process of their own, one real chassis
// (switch and agent). Loads the workload, measures, prints a table and writes one flat JSON object. It cleans up nothing: run.ts does.
//
//   measure.ts --Apply, Watch, GetStatus--> central <--southbound over mutual TLS-- fleet-main.ts (simulated chassis)
//       |                                      ^-------southbound over mutual TLS-- weft-agent (ch-0000)
//       +--ovs-ofctl monitor, OVSDB--> ovs-vswitchd <--OpenFlow, OVSDB----------------+
//
// usage: measure.ts WORKLOAD.json FOLDER SAMPLES RESULT.json

import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "@weft/test/lab/processes.ts";
import { AgentProcess } from "./agent-process.ts";
import { CentralProcess, NORTHBOUND, SOUTHBOUND } from "./central-process.ts";
import { Certificates } from "./certificates.ts";
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
import {
  addLocal,
  addRemote,
  addSimulated,
  firstPackets,
  repeated,
  repeatedAnew,
  type Rig,
} from "./operations.ts";
import { RealSwitch, UNDERLAY_MTU_BYTES } from "./real-switch.ts";
import { Findings, figureTable } from "./report.ts";
import { nearestRank, summarize } from "./stats.ts";
import {
  countCreated,
  loadChanges,
  portAdd,
  portDelete,
  realChassis,
  simulatedPorts,
  skippedOf,
  type Workload,
  type WorkloadPort,
} from "./workload.ts";

const [workloadPath = "", labDir = "", samplesText = "200", resultPath = ""] =
  process.argv.slice(2);
const samples = Number(samplesText);
const startedMs = performance.now();
const RESULTS = fileURLToPath(new URL("results", import.meta.url));

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

function median(values: readonly number[]): number {
  return nearestRank(
    values.toSorted((a, b) => a - b),
    50,
  );
}

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

/** Devices of the local operations, plugged and unplugged until there are enough samples; at the end each is there and up. */
async function plug(world: World): Promise<void> {
  const { workload, ovs, found } = world;
  const devices = workload.ops.port_add_local.slice(0, samples);
  const times: number[] = [];
  while (times.length < samples) {
    if (times.length > 0) for (const { id } of devices) await ovs.unplug(id);
    for (const { id, mac } of devices) times.push(await ovs.plug({ portId: id, mac }));
  }
  await ovs.linkUp(devices.map(({ id }) => id));
  found.setDistribution("port_plug", summarize(times), "");
  say(`port_plug: ${times.length} samples`);
}

async function operations(world: World, fleet: Fleet): Promise<void> {
  const { workload, central, ovs, found } = world;
  await using northbound = operator(world);
  await northbound.watchPorts();
  const rig: Rig = { northbound, central, fleet, addition: portAdd(workload), say };
  await warmUp(rig, workload);
  const idle = await central.cpuUsPerMs(3000);
  await attempt(found, ["port_add_sim_p99_ms"], async () => {
    const simulated = await addSimulated(rig, simulatedPorts(workload, samples), idle);
    found.setDistribution("port_add_sim", summarize(simulated.addsMs), "");
    found.set("port_add_deliveries", simulated.deliveries, 2);
    found.set("port_add_central_cpu_us_per_delivery", simulated.centralCpuUsPerDelivery, 1);
    await compareWithS(world, simulated.centralCpuUsPerDelivery);
  });
  await attempt(found, ["port_plug_p50_ms"], () => plug(world));
  const monitor = await ovs.monitor();
  const local = workload.ops.port_add_local.slice(0, samples);
  await attempt(found, ["port_add_local_p50_ms", "port_add_local_p99_ms"], async () => {
    const added = await addLocal(rig, monitor, repeated(local, samples));
    found.setDistribution("port_add_local", summarize(added.addsMs), "");
    found.setDistribution("port_add_local_flows", summarize(added.flowsMs), "");
    found.setDistribution("port_delete", summarize(added.deletesMs), "");
  });
  await attempt(found, ["port_add_local_first_packet_p50_ms"], async () => {
    const passed = await firstPackets(rig, monitor, repeated(local, samples), neighbours(workload));
    found.setDistribution("port_add_local_first_packet", summarize(passed), "");
  });
  await attempt(found, ["port_add_remote_p50_ms", "port_add_remote_p99_ms"], async () => {
    const remote = repeatedAnew(workload.ops.port_add_remote, samples);
    found.setDistribution("port_add_remote", summarize(await addRemote(rig, monitor, remote)), "");
  });
  await monitor.stop();
}

/** The first calls of a connection, and code that runs for the first time, are nobody's everyday latency. */
async function warmUp(rig: Rig, workload: Workload): Promise<void> {
  const ports = simulatedPorts(workload, 10, "port-warm");
  for (const port of ports) {
    await rig.northbound.apply([rig.addition(port)]);
    await rig.northbound.whenUp(port.id);
  }
  for (const port of ports) {
    await rig.northbound.apply([portDelete(port)]);
    await rig.northbound.whenGone(port.id);
  }
}

/** Network -> the address of one of its ports elsewhere. */
function neighbours(workload: Workload): ReadonlyMap<string, string> {
  const real = realChassis(workload).name;
  const elsewhere = workload.ports.filter(({ chassis }: WorkloadPort) => chassis !== real);
  return new Map(elsewhere.map(({ network, ip }) => [network, ip]));
}

async function compareWithS(world: World, usPerDelivery: number): Promise<void> {
  const { workload, found } = world;
  const field = "port_add_central_cpu_us_per_delivery";
  const file = join(RESULTS, "S.json");
  if (workload.name === "S") {
    found.missing("port_add_central_cpu_ratio_to_s", "this is S");
  } else if (!existsSync(file)) {
    found.missing("port_add_central_cpu_ratio_to_s", "no result at S yet: make bench SIZE=S first");
  } else {
    const atS = (JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>)[field];
    if (typeof atS === "number" && atS > 0) {
      found.set("port_add_central_cpu_ratio_to_s", usPerDelivery / atS, 2);
    }
  }
}

/** One operation that fails leaves its figures empty, with the reason; the others are still measured. */
async function attempt(
  found: Findings,
  names: readonly Parameters<Findings["missing"]>[0][],
  measure: () => Promise<void>,
): Promise<void> {
  try {
    await measure();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    for (const name of names) found.missing(name, reason);
    say(`FAILED: ${reason}`);
  }
}

const machine = machineNow();
await mkdir(labDir, { recursive: true });
const disk_flush_p50_ms = await diskFlushP50Ms(labDir);
const workload = JSON.parse(await readFile(workloadPath, "utf8")) as Workload;
const skipped = skippedOf(workload);
const left = Object.entries(skipped).map(([kind, count]) => `${count} ${kind}`);
say(
  `workload ${workload.name}: ${workload.networks.length} networks, ${workload.ports.length} ports`,
);
say(`not known to Weft yet, left out: ${left.join(", ")}`);

const found = new Findings();
const world = await build(workload, found);
const keys = await load(world);
await attempt(found, ["cold_compile_s"], () => coldCompile(world, keys));
await world.central.end();
const fleet = await converge(world);
await attempt(found, ["chassis_cold_start_s"], () => realChassisStarts(world));
await attempt(found, ["central_rss_mib"], () => memory(world));
await operations(world, fleet);
const fleetCpuSeconds = (await processCpuUs(fleet.pid)) / 1e6;
fleet.assertWhole();
await fleet.stop();
await world.agent.end();
await world.central.end();
say("install_ratio");
const installed = await installRatio(100_000);
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
console.log(`\n${figureTable(found)}\n`);
if (machine.noisy) console.log(`noisy: load average ${machine.load_average_start} at the start\n`);
await writeFile(resultPath, `${JSON.stringify(result, null, 2)}\n`);
process.exit(0);
