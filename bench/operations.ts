// The operations of the benchmark, one at a time on a quiet system: ports added and deleted on simulated chassis, on the real one,
// and elsewhere in networks of the real one. Adds and deletes alternate in rounds until there are enough samples. Called by
// measure.ts; README.md says from which event to which each time runs.

import { setTimeout as pause } from "node:timers/promises";
import type { Change } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { AgentProcess } from "./agent-process.ts";
import type { CentralProcess } from "./central-process.ts";
import { FirstPacket } from "./first-packet.ts";
import type { Fleet } from "./fleet.ts";
import type { FlowMonitor } from "./flow-monitor.ts";
import { processCpuUs } from "./machine.ts";
import type { Northbound } from "./northbound.ts";
import type { FleetStats } from "./sim/agents.ts";
import { portDelete } from "./changes.ts";
import { deviceName } from "./real-switch.ts";
import type { WorkloadPort } from "./workload.ts";

export interface Rig {
  readonly northbound: Northbound;
  readonly central: CentralProcess;
  readonly agent: AgentProcess;
  readonly fleet: Fleet;
  readonly addition: (port: WorkloadPort) => Change;
  readonly say: (text: string) => void;
}

/** Ports that exist at once beside the workload's. */
const ROUND = 50;
/** Between two operations, so that each meets a system at rest. */
const PACE_MS = 15;
/** No flow changed for this long = the operation is over. */
const FLOWS_QUIET_MS = 20;
export const FLOW_DEADLINE_MS = 20_000;

export interface SimulatedAdds {
  readonly addsMs: readonly number[];
  /** Instructions x chassis that one add caused, on average. */
  readonly deliveries: number;
  /** CPU of central for the adds, what it uses when idle subtracted. */
  readonly centralCpuUsPerDelivery: number;
}

/**
 * Ports on simulated chassis in networks without the real one. Deliveries are counted where they arrive: by the simulation, and where
 * the real chassis hears of them too (it holds every router at S), by how many instructions more it then holds.
 */
export async function addSimulated(
  rig: Rig,
  ports: readonly WorkloadPort[],
  idleCpuUsPerMs: number,
): Promise<SimulatedAdds> {
  const addsMs: number[] = [];
  let deliveries = 0;
  let cpuUs = 0;
  for (const round of roundsOf(ports)) {
    const before = await rig.fleet.stats();
    const heldBefore = await rig.agent.instructions();
    const cpuBefore = await processCpuUs(rig.central.pid);
    const from = performance.now();
    for (const port of round) addsMs.push(await addUntilUp(rig, port));
    await settled(rig.fleet);
    cpuUs += (await processCpuUs(rig.central.pid)) - cpuBefore;
    cpuUs -= idleCpuUsPerMs * (performance.now() - from);
    deliveries += (await rig.fleet.stats()).deliveries - before.deliveries;
    deliveries += Math.max(0, (await rig.agent.instructions()) - heldBefore);
    await deleteAll(rig, round);
    await settled(rig.fleet);
    rig.say(`port_add_sim: ${addsMs.length} of ${ports.length}`);
  }
  return {
    addsMs,
    deliveries: deliveries / addsMs.length,
    centralCpuUsPerDelivery: Math.max(0, cpuUs) / deliveries,
  };
}

export interface LocalPorts {
  readonly addsMs: readonly number[];
  readonly flowsMs: readonly number[];
  readonly deletesMs: readonly number[];
}

/** Ports of the real chassis whose devices are there already. `what` is how the figures are called. */
export async function addLocal(
  rig: Rig,
  monitor: FlowMonitor,
  ports: readonly WorkloadPort[],
  what = "port_add_local",
): Promise<LocalPorts> {
  const addsMs: number[] = [];
  const flowsMs: number[] = [];
  const deletesMs: number[] = [];
  for (const round of roundsOf(ports)) {
    for (const port of round) {
      monitor.clear();
      const from = performance.now();
      const up = rig.northbound.whenUp(port.id);
      await Promise.all([rig.northbound.apply([rig.addition(port)]), up]);
      addsMs.push((await up) - from);
      const last = await monitor.settle(FLOWS_QUIET_MS);
      if (last === null) throw new Error(`port ${port.id} is UP, but no flow changed`);
      flowsMs.push(last - from);
    }
    for (const port of round) {
      monitor.clear();
      const from = performance.now();
      await rig.northbound.apply([portDelete(port)]);
      const deleted = ({ kind }: { kind: string }): boolean => kind === "DELETED";
      await monitor.first(`flows of ${port.id} to go`, deleted, FLOW_DEADLINE_MS);
      const last = await monitor.settle(FLOWS_QUIET_MS);
      if (last !== null) deletesMs.push(last - from);
    }
    rig.say(`${what}: ${addsMs.length} of ${ports.length}`);
  }
  return { addsMs, flowsMs, deletesMs };
}

/** As addLocal, while a guest keeps asking: until its first packet passes. `neighbours`: network -> an address in it. */
export async function firstPackets(
  rig: Rig,
  monitor: FlowMonitor,
  ports: readonly WorkloadPort[],
  neighbours: ReadonlyMap<string, string>,
): Promise<readonly number[]> {
  await using guest = new FirstPacket();
  const samples: number[] = [];
  for (const round of roundsOf(ports)) {
    for (const { id, mac, ip, network, ...rest } of round) {
      const target = neighbours.get(network);
      if (target === undefined) throw new Error(`network ${network} has no port to ask for`);
      await guest.begin({ device: deviceName(id), mac, ip, target });
      const from = performance.now();
      await rig.northbound.apply([rig.addition({ id, mac, ip, network, ...rest })]);
      const at = await guest.answered();
      if (at === null) throw new Error(`port ${id}: no answer for ${target} after 10 s`);
      samples.push(at - from);
      await monitor.settle(FLOWS_QUIET_MS);
    }
    await deleteAll(rig, round);
    await monitor.settle(FLOWS_QUIET_MS);
    rig.say(`first packet: ${samples.length} of ${ports.length}`);
  }
  return samples;
}

/** Ports elsewhere in networks of the real chassis: until it has the flow that sends to them. */
export async function addRemote(
  rig: Rig,
  monitor: FlowMonitor,
  ports: readonly WorkloadPort[],
): Promise<readonly number[]> {
  const samples: number[] = [];
  for (const round of roundsOf(ports)) {
    for (const port of round) {
      monitor.clear();
      const from = performance.now();
      await rig.northbound.apply([rig.addition(port)]);
      const at = await monitor.first(
        `a flow to ${port.id} (${port.mac})`,
        ({ kind, text }) => kind === "ADDED" && text.includes(`dl_dst=${port.mac}`),
        FLOW_DEADLINE_MS,
      );
      samples.push(at - from);
      await monitor.settle(FLOWS_QUIET_MS);
    }
    await deleteAll(rig, round);
    await monitor.settle(FLOWS_QUIET_MS);
    rig.say(`port_add_remote: ${samples.length} of ${ports.length}`);
  }
  return samples;
}

/** `count` ports from a list of operations, from its beginning again when it is shorter: rounds delete what they added. */
export function repeated<T>(list: readonly T[], count: number): T[] {
  if (list.length === 0) return [];
  return Array.from({ length: Math.ceil(count / list.length) }, () => list)
    .flat()
    .slice(0, count);
}

/** As repeated, with an id of its own for each: a simulated chassis never forgets a port that it plugged. */
export function repeatedAnew(list: readonly WorkloadPort[], count: number): WorkloadPort[] {
  return repeated(list, count).map((port, at) => renamed(port, `${port.id}-${at}`));
}

function renamed(port: WorkloadPort, id: string): WorkloadPort {
  return { ...port, id };
}

/** A MAC may not come twice within a round, not even under another id: a round ends before. */
export function roundsOf(ports: readonly WorkloadPort[]): WorkloadPort[][] {
  const rounds: WorkloadPort[][] = [];
  let current: WorkloadPort[] = [];
  for (const port of ports) {
    if (current.length === ROUND || current.some(({ mac }) => mac === port.mac)) {
      rounds.push(current);
      current = [];
    }
    current.push(port);
  }
  return current.length === 0 ? rounds : [...rounds, current];
}

async function addUntilUp(rig: Rig, port: WorkloadPort): Promise<number> {
  const from = performance.now();
  const up = rig.northbound.whenUp(port.id);
  await Promise.all([rig.northbound.apply([rig.addition(port)]), up]);
  const ms = (await up) - from;
  await pause(PACE_MS);
  return ms;
}

async function deleteAll(rig: Rig, ports: readonly WorkloadPort[]): Promise<void> {
  for (const port of ports) {
    await rig.northbound.apply([portDelete(port)]);
    await rig.northbound.whenGone(port.id);
    await pause(PACE_MS / 3);
  }
}

/** Waits until nothing has been delivered for `quietMs`. */
export async function settled(fleet: Fleet, quietMs = 100): Promise<FleetStats> {
  for (let last = -1; ; ) {
    const stats = await fleet.stats();
    if (stats.frames === last) return stats;
    last = stats.frames;
    await pause(quietMs);
  }
}
