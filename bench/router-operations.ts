// The operations on routers, one at a time on a quiet system: a network with ports attached and detached, routes added and deleted,
// each until the last flow is in on the real chassis, which hosts every router here. Who was told is compared with who hosts the
// router. Called by operation-figures.ts; README.md says from which event to which each time runs.

import type { Change } from "@weft/shared/gen/weft/v1/northbound.ts";
import {
  detachedNetwork,
  interfaceAdd,
  interfaceDelete,
  routeAdd,
  routeDelete,
} from "./changes.ts";
import type { FlowMonitor } from "./flow-monitor.ts";
import { FLOW_DEADLINE_MS, repeated, type Rig, settled } from "./operations.ts";
import type { RealSwitch } from "./real-switch.ts";
import {
  hostsOfRouters,
  type InterfaceOperation,
  realChassis,
  type Workload,
  type WorkloadRoute,
} from "./workload.ts";

/** No flow changed for this long = the operation is over. Longer than for ports: an interface changes several tables. */
const FLOWS_QUIET_MS = 60;
/** No simulated chassis was sent a frame for this long = all that are told have been. */
const FRAMES_QUIET_MS = 40;
/** Routes that exist at once beside the workload's. */
const ROUND = 50;

export interface AddsAndDeletes {
  readonly addsMs: readonly number[];
  readonly deletesMs: readonly number[];
}

export interface InterfaceTimes extends AddsAndDeletes {
  /** One an attachment. */
  readonly told: readonly Told[];
}

export interface Told {
  /** Chassis that were sent a frame. */
  readonly told: number;
  /** Chassis with a port in a network of the router, after the change. */
  readonly hosting: number;
  /** Told without hosting it, or the other way round; names. */
  readonly wrong: readonly string[];
}

/** The networks of the operations with their ports, all UP; on the real chassis with devices. */
export async function prepareInterfaces(
  rig: Rig,
  ovs: RealSwitch,
  workload: Workload,
): Promise<void> {
  const real = realChassis(workload).name;
  for (const operation of workload.ops.router_interface_add) {
    const here = operation.ports.filter(({ chassis }) => chassis === real);
    for (const { id, mac } of here) await ovs.plug({ portId: id, mac });
    await ovs.linkUp(here.map(({ id }) => id));
    await rig.northbound.apply(detachedNetwork(operation));
    for (const { id } of operation.ports) await rig.northbound.whenUp(id);
  }
  await settled(rig.fleet);
}

/** Attaches every network of the operations, detaches them again, and so on until there are `samples` of each. */
export async function attachInterfaces(
  rig: Rig,
  monitor: FlowMonitor,
  workload: Workload,
  samples: number,
): Promise<InterfaceTimes> {
  const real = realChassis(workload).name;
  const addsMs: number[] = [];
  const deletesMs: number[] = [];
  const told: Told[] = [];
  const operations = workload.ops.router_interface_add;
  for (const round of inRounds(repeated(operations, samples), operations.length)) {
    const hosts = new Map([...hostsOfRouters(workload)].map(([id, set]) => [id, new Set(set)]));
    for (const operation of round) {
      const before = (await settled(rig.fleet, FRAMES_QUIET_MS)).framesOf;
      const ms = await untilLastFlow(rig, monitor, interfaceAdd(operation), named(operation));
      addsMs.push(ms);
      const after = (await settled(rig.fleet, FRAMES_QUIET_MS)).framesOf;
      for (const { chassis } of operation.ports) hosts.get(operation.router)?.add(chassis);
      // The real chassis is no part of the simulation; its flows changed, so it was told.
      const heard = new Set([...toldBetween(before, after), real]);
      told.push(compareTold(heard, hosts.get(operation.router) ?? new Set()));
    }
    for (const operation of round) {
      const change = interfaceDelete(operation);
      deletesMs.push(await untilLastFlow(rig, monitor, change, named(operation)));
    }
    rig.say(`router_interface: ${addsMs.length} of ${samples}`);
  }
  return { addsMs, deletesMs, told };
}

/** Routes of routers that the real chassis hosts. */
export async function addRoutes(
  rig: Rig,
  monitor: FlowMonitor,
  routes: readonly WorkloadRoute[],
  samples: number,
): Promise<AddsAndDeletes> {
  const addsMs: number[] = [];
  const deletesMs: number[] = [];
  for (const round of inRounds(repeated(routes, samples), Math.min(routes.length, ROUND))) {
    for (const route of round) {
      addsMs.push(await untilLastFlow(rig, monitor, routeAdd(route), route.id));
    }
    for (const route of round) {
      deletesMs.push(await untilLastFlow(rig, monitor, routeDelete(route), route.id));
    }
    rig.say(`route: ${addsMs.length} of ${samples}`);
  }
  return { addsMs, deletesMs };
}

/** From Apply sent to the arrival of the last change of the flow table. */
async function untilLastFlow(
  rig: Rig,
  monitor: FlowMonitor,
  change: Change,
  what: string,
): Promise<number> {
  monitor.clear();
  const from = performance.now();
  await rig.northbound.apply([change]);
  await monitor.first(`a change by ${what}`, () => true, FLOW_DEADLINE_MS);
  const last = await monitor.settle(FLOWS_QUIET_MS);
  return (last ?? Number.NaN) - from;
}

function named({ router, network }: InterfaceOperation): string {
  return `interface of ${router} in ${network.id}`;
}

/** Chassis with more frames after than before. */
export function toldBetween(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): string[] {
  return Object.keys(after).filter((chassis) => (after[chassis] ?? 0) > (before[chassis] ?? 0));
}

export function compareTold(told: ReadonlySet<string>, hosting: ReadonlySet<string>): Told {
  const wrong = [...told, ...hosting].filter((one) => !(told.has(one) && hosting.has(one))).sort();
  return { told: told.size, hosting: hosting.size, wrong };
}

export function inRounds<T>(list: readonly T[], size: number): T[][] {
  if (list.length === 0) return [];
  const count = Math.ceil(list.length / size);
  return Array.from({ length: count }, (_, at) => list.slice(at * size, (at + 1) * size));
}
