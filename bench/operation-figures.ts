// Which operations are measured, in which order, and into which figures they go. An operation that fails leaves its own figures
// empty, with the reason. Called by measure.ts; operations.ts and router-operations.ts do the work.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AgentProcess } from "./agent-process.ts";
import type { CentralProcess } from "./central-process.ts";
import { portAdd, portDelete } from "./changes.ts";
import type { FieldName } from "./fields.ts";
import type { Fleet } from "./fleet.ts";
import type { FlowMonitor } from "./flow-monitor.ts";
import type { Northbound } from "./northbound.ts";
import {
  addLocal,
  addRemote,
  addSimulated,
  firstPackets,
  repeated,
  repeatedAnew,
  type Rig,
} from "./operations.ts";
import type { RealSwitch } from "./real-switch.ts";
import type { Findings } from "./report.ts";
import { addRoutes, attachInterfaces, prepareInterfaces, type Told } from "./router-operations.ts";
import { summarize } from "./stats.ts";
import {
  localPortAdds,
  realChassis,
  simulatedPorts,
  type Workload,
  type WorkloadPort,
} from "./workload.ts";

export interface Operations {
  readonly workload: Workload;
  readonly northbound: Northbound;
  readonly central: CentralProcess;
  readonly agent: AgentProcess;
  readonly fleet: Fleet;
  readonly ovs: RealSwitch;
  readonly found: Findings;
  readonly samples: number;
  readonly say: (text: string) => void;
}

const RESULTS = fileURLToPath(new URL("results", import.meta.url));

export async function measureOperations(operations: Operations): Promise<void> {
  const { workload, northbound, central, ovs, found, say, samples } = operations;
  await northbound.watchPorts();
  const rig: Rig = { ...operations, addition: portAdd(workload) };
  await warmUp(rig, workload);
  const idle = await central.cpuUsPerMs(3000);
  await attempt(found, say, ["port_add_sim_p99_ms"], async () => {
    const simulated = await addSimulated(rig, simulatedPorts(workload, samples), idle);
    found.setDistribution("port_add_sim", summarize(simulated.addsMs), "");
    found.set("port_add_deliveries", simulated.deliveries, 2);
    found.set("port_add_central_cpu_us_per_delivery", simulated.centralCpuUsPerDelivery, 1);
    await compareWithS(workload, found, simulated.centralCpuUsPerDelivery);
  });
  await attempt(found, say, ["port_plug_p50_ms"], () => plug(operations));
  const monitor = await ovs.monitor();
  await localPorts(operations, rig, monitor);
  await attempt(found, say, ["port_add_remote_p50_ms", "port_add_remote_p99_ms"], async () => {
    const remote = repeatedAnew(workload.ops.port_add_remote, samples);
    found.setDistribution("port_add_remote", summarize(await addRemote(rig, monitor, remote)), "");
  });
  await routerInterfaces(operations, rig, monitor);
  await routes(operations, rig, monitor);
  await monitor.stop();
}

/** One operation that fails leaves its figures empty, with the reason; the others are still measured. */
export async function attempt(
  found: Findings,
  say: (text: string) => void,
  names: readonly FieldName[],
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

/** Devices of the local operations, plugged and unplugged until there are enough samples; at the end each is there and up. */
async function plug({ workload, ovs, found, samples, say }: Operations): Promise<void> {
  const devices = workload.ops.port_add_local;
  const times: number[] = [];
  while (times.length < samples) {
    if (times.length > 0) for (const { id } of devices) await ovs.unplug(id);
    for (const { id, mac } of devices) times.push(await ovs.plug({ portId: id, mac }));
  }
  await ovs.linkUp(devices.map(({ id }) => id));
  found.setDistribution("port_plug", summarize(times), "");
  say(`port_plug: ${times.length} samples`);
}

async function localPorts(
  { workload, found, samples, say }: Operations,
  rig: Rig,
  monitor: FlowMonitor,
): Promise<void> {
  const { staying, joining } = localPortAdds(workload);
  await attempt(found, say, ["port_add_local_p50_ms", "port_add_local_p99_ms"], async () => {
    const added = await addLocal(rig, monitor, repeated(staying, samples));
    const none = "no network of a router that the real chassis holds";
    found.setDistribution("port_add_local", summarize(added.addsMs), none);
    found.setDistribution("port_add_local_flows", summarize(added.flowsMs), none);
    found.setDistribution("port_delete", summarize(added.deletesMs), none);
  });
  await attempt(found, say, ["port_add_local_first_packet_p50_ms"], async () => {
    const ports = repeated(staying, samples);
    const passed = await firstPackets(rig, monitor, ports, neighbours(workload));
    found.setDistribution("port_add_local_first_packet", summarize(passed), "no such port");
  });
  await attempt(found, say, ["port_add_join_p50_ms", "port_add_join_p99_ms"], async () => {
    const added = await addLocal(rig, monitor, repeated(joining, samples), "port_add_join");
    const none = `the real chassis holds every router of ${workload.name}`;
    found.setDistribution("port_add_join", summarize(added.addsMs), none);
    found.setDistribution("port_add_join_flows", summarize(added.flowsMs), none);
  });
}

async function routerInterfaces(
  { workload, ovs, found, samples, say }: Operations,
  rig: Rig,
  monitor: FlowMonitor,
): Promise<void> {
  const names = ["router_interface_add_p50_ms", "router_interface_add_p99_ms"] as const;
  await attempt(found, say, names, async () => {
    await prepareInterfaces(rig, ovs, workload);
    const times = await attachInterfaces(rig, monitor, workload, samples);
    found.setDistribution("router_interface_add", summarize(times.addsMs), "");
    found.setDistribution("router_interface_delete", summarize(times.deletesMs), "");
    setTold(found, times.told);
  });
}

/** Means over the attachments, and in how many of them the wrong chassis were told. */
function setTold(found: Findings, told: readonly Told[]): void {
  const mean = (of: (one: Told) => number): number =>
    told.reduce((sum, one) => sum + of(one), 0) / told.length;
  const wrong = told.filter((one) => one.wrong.length > 0);
  found.set(
    "router_interface_chassis_told",
    mean((one) => one.told),
    2,
  );
  found.set(
    "router_interface_chassis_hosting",
    mean((one) => one.hosting),
    2,
  );
  found.set("router_interface_chassis_wrong", wrong.length);
  const [first] = wrong;
  if (first === undefined) return;
  const names = `${first.wrong.slice(0, 5).join(", ")}${first.wrong.length > 5 ? " ..." : ""}`;
  found.note("router_interface_chassis_wrong", `told or hosting, not both: ${names}`);
}

async function routes(
  { workload, found, samples, say }: Operations,
  rig: Rig,
  monitor: FlowMonitor,
): Promise<void> {
  await attempt(found, say, ["route_add_p50_ms", "route_add_p99_ms"], async () => {
    const list = workload.ops.route_add ?? [];
    const times = await addRoutes(rig, monitor, list, samples);
    const none = `${workload.name} adds no routes: SR and LR do`;
    found.setDistribution("route_add", summarize(times.addsMs), none);
    found.setDistribution("route_delete", summarize(times.deletesMs), none);
  });
}

/** Network -> the address of one of its ports elsewhere. */
function neighbours(workload: Workload): ReadonlyMap<string, string> {
  const real = realChassis(workload).name;
  const elsewhere = workload.ports.filter(({ chassis }: WorkloadPort) => chassis !== real);
  return new Map(elsewhere.map(({ network, ip }) => [network, ip]));
}

async function compareWithS(
  workload: Workload,
  found: Findings,
  usPerDelivery: number,
): Promise<void> {
  const ratio = "port_add_central_cpu_ratio_to_s";
  const file = join(RESULTS, "S.json");
  if (workload.name === "S") {
    found.missing(ratio, "this is S");
  } else if (!existsSync(file)) {
    found.missing(ratio, "no result at S yet: make bench SIZE=S first");
  } else {
    const result = JSON.parse(await readFile(file, "utf8")) as ResultAtS;
    const atS = result.port_add_central_cpu_us_per_delivery;
    // A result of a Weft without routers had another workload to deliver.
    if (result.notes?.["objects"] === undefined || atS === null || atS === 0) {
      found.missing(ratio, "the result at S does not compare: make bench SIZE=S again");
    } else found.set(ratio, usPerDelivery / atS, 2);
  }
}

interface ResultAtS {
  readonly port_add_central_cpu_us_per_delivery: number | null;
  readonly notes?: Readonly<Record<string, string>>;
}
