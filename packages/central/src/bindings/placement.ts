// Which chassis owns a port, judged from what chassis report. Pure over a reader; ARCHITECTURE.md, "Central", states the rules:
//
//   requested chassis set      only that one may take the port
//   nobody has it, or DOWN     the claim takes it, generation + 1
//   another has it             the first claim stands while that chassis is reachable
//     ... is unreachable       the newer plug takes over
//     ... right after a start  the higher generation wins: it is the later one of an earlier life
//   VXLAN or GRE network       no chassis beyond those that a flood reaches (spread.ts)
//
// An ended binding stays as a row without a chassis: its generation must go on rising. A claim that was refused is remembered
// (one a chassis and port) and judged again when the owner lets go.

import type { BindingRow, BindingState, PortRow } from "../model/rows.ts";
import type { RowReader } from "../derive/spec.ts";
import { VolatileTable } from "./changes.ts";
import { Spread } from "./spread.ts";

/** What a chassis says of one port. */
export interface Report {
  readonly portId: string;
  readonly state: BindingState;
  readonly reason: string;
  /** Of the binding that the agent held; 0 = a new claim. */
  readonly generation: bigint;
  readonly mtuBytes: number;
}

export interface Refused {
  readonly port: string;
  readonly chassis: string;
  readonly reason: string;
}

export interface PlacementOptions {
  readonly rows: RowReader;
  readonly reachable: (chassis: string) => boolean;
}

type Verdict = { readonly generation: bigint } | { readonly refused: string };

/** Bindings that end between two steps. */
const STEP = 32;

/** No binding changed hands so often: a report with more is a new claim. The store keeps numbers up to 2^53. */
const MAX_GENERATION = 2n ** 48n;

export class Placement {
  readonly table = new VolatileTable("binding");
  readonly #rows: RowReader;
  readonly #reachable: (chassis: string) => boolean;
  readonly #portsOf = new Map<string, Set<string>>();
  readonly #spread: Spread;
  /** Networks with room for another chassis again, whose refused claims are still to be judged. */
  readonly #roomIn = new Set<string>();
  /** Port -> chassis -> its refused report, in order of arrival. */
  readonly #refused = new Map<string, Map<string, Report>>();
  /** While true the generation of a claim decides; see above. */
  #settling = true;

  constructor(options: PlacementOptions) {
    this.#rows = options.rows;
    this.#reachable = options.reachable;
    this.#spread = new Spread(options.rows);
  }

  /** The time after a start is over: from now on only central raises generations. */
  settled(): void {
    this.#settling = false;
  }

  /** Takes rows of a checkpoint; those of ports that are gone are left out. */
  load(rows: readonly BindingRow[]): void {
    for (const row of rows) {
      if (this.#rows.get("port", row.id) !== undefined) this.#put(row);
    }
  }

  ports(chassis: string): Iterable<string> {
    return this.#portsOf.get(chassis) ?? [];
  }

  report(chassis: string, reports: readonly Report[], complete: boolean): Refused[] {
    const refused: Refused[] = [];
    for (const report of reports) {
      const reason = this.#reportOne(chassis, report);
      if (reason !== undefined) refused.push({ port: report.portId, chassis, reason });
    }
    this.#fillRoom();
    if (complete) {
      for (const _ of this.endOthers(chassis, new Set(reports.map((report) => report.portId))));
    }
    return refused;
  }

  /** The chassis has no port but the named ones. A step at a time; others may report between the steps. */
  *endOthers(chassis: string, named: ReadonlySet<string>): Generator<void, void> {
    for (const [port, reports] of this.#refused) {
      if (!named.has(port)) this.#withdraw(port, reports, chassis);
    }
    let ended = 0;
    for (const port of [...this.ports(chassis)]) {
      if (named.has(port) || this.table.get(port)?.chassis !== chassis) continue;
      this.#end(port, `no interface on ${chassis} any more`);
      ended += 1;
      if (ended % STEP > 0) continue;
      this.#fillRoom();
      yield;
    }
    this.#fillRoom();
  }

  /** Ends all bindings of a chassis. */
  endAll(chassis: string, reason: string): void {
    for (const [port, reports] of this.#refused) this.#withdraw(port, reports, chassis);
    for (const port of [...this.ports(chassis)]) this.#end(port, reason);
    this.#fillRoom();
  }

  /** These chassis became unreachable: refused claims of their ports are judged again. */
  reconsiderPortsOf(chassis: ReadonlySet<string>): void {
    if (chassis.size === 0) return;
    for (const port of [...this.#refused.keys()]) {
      if (chassis.has(this.table.get(port)?.chassis ?? "")) this.#reconsider(port);
    }
  }

  /** The chassis is reachable again: what it was refused may have been let go meanwhile. */
  reconsiderClaimsOf(chassis: string): void {
    for (const [port, reports] of [...this.#refused]) {
      if (reports.has(chassis)) this.#reconsider(port);
    }
  }

  portChanged(before: PortRow | undefined, after: PortRow | undefined): void {
    this.#portChanged(before, after);
    this.#fillRoom();
  }

  #portChanged(before: PortRow | undefined, after: PortRow | undefined): void {
    if (after === undefined) {
      if (before !== undefined) this.#forget(before.id);
      return;
    }
    if (before?.requestedChassis === after.requestedChassis) return;
    const binding = this.table.get(after.id);
    const wanted = after.requestedChassis;
    if (
      binding !== undefined &&
      binding.chassis !== "" &&
      wanted !== null &&
      wanted !== binding.chassis
    ) {
      this.#end(after.id, `requested on ${wanted}: plug it there`);
    } else {
      this.#reconsider(after.id);
    }
  }

  /** Why the report does not count; undefined = it does. */
  #reportOne(chassis: string, said: Report): string | undefined {
    const report = said.generation > MAX_GENERATION ? { ...said, generation: 0n } : said;
    const port = this.#rows.get("port", report.portId);
    // A port may be deleted before the chassis that is to have it plugs it: then it says that it is down, and so it is.
    if (port === undefined) {
      return report.state === "down" ? undefined : "no such port: unplug it, or create the port";
    }
    const binding = this.table.get(port.id);
    if (report.state === "down") {
      const reports = this.#refused.get(port.id);
      if (reports !== undefined) this.#withdraw(port.id, reports, chassis);
      if (binding?.chassis === chassis) this.#end(port.id, report.reason);
      return undefined;
    }
    const verdict = this.#judge(port, binding, chassis, report);
    if ("refused" in verdict) {
      this.#refuse(port.id, binding, chassis, report, verdict.refused);
      return verdict.refused;
    }
    this.#take(chassis, report, verdict.generation);
    return undefined;
  }

  #judge(port: PortRow, binding: BindingRow | undefined, chassis: string, report: Report): Verdict {
    const wanted = port.requestedChassis;
    if (wanted !== null && wanted !== chassis) return { refused: `requested on ${wanted}` };
    const last = binding?.generation ?? 0n;
    if (binding?.chassis === chassis) {
      return { generation: this.#settling && report.generation > last ? report.generation : last };
    }
    const beyond = this.#spread.refusal(port.network, chassis);
    if (beyond !== undefined) return { refused: beyond };
    const older = this.#settling && report.generation > last;
    if (binding !== undefined && binding.chassis !== "" && !older) {
      if (this.#reachable(binding.chassis)) return { refused: `${binding.chassis} has the port` };
    }
    if (wanted === null && report.generation === 0n && this.#rows.get("chassis", chassis)?.drain) {
      return { refused: `${chassis} is drained and takes no new port` };
    }
    return { generation: older ? report.generation : last + 1n };
  }

  #take(chassis: string, report: Report, generation: bigint): void {
    const { portId: id, state, reason, mtuBytes } = report;
    const reports = this.#refused.get(id);
    if (reports !== undefined) this.#withdraw(id, reports, chassis);
    const loser = this.table.get(id);
    if (loser !== undefined && loser.chassis !== "" && loser.chassis !== chassis) {
      // Should it still hold the port it is next in line.
      const held = { ...loser, portId: id };
      this.#remember(id, loser.chassis, held);
    }
    this.#put({ id, chassis, generation, state, reason, mtuBytes });
  }

  #refuse(
    id: string,
    binding: BindingRow | undefined,
    chassis: string,
    report: Report,
    why: string,
  ): void {
    this.#remember(id, chassis, report);
    if (binding !== undefined && binding.chassis !== "") return;
    this.#down(id, `plugged on ${chassis}, but ${why}`);
  }

  #remember(id: string, chassis: string, report: Report): void {
    const reports = this.#refused.get(id);
    if (reports === undefined) this.#refused.set(id, new Map([[chassis, report]]));
    else reports.set(chassis, report);
  }

  #withdraw(id: string, reports: Map<string, Report>, chassis: string): void {
    if (!reports.delete(chassis)) return;
    if (reports.size === 0) this.#refused.delete(id);
    const binding = this.table.get(id);
    if (binding?.chassis === "" && binding.reason.startsWith(`plugged on ${chassis}, `)) {
      this.#down(id, "");
    }
  }

  #end(id: string, reason: string): void {
    this.#down(id, reason);
    this.#reconsider(id);
  }

  /** The row of a port that nobody has. */
  #down(id: string, reason: string): void {
    const generation = this.table.get(id)?.generation ?? 0n;
    this.#put({ id, chassis: "", generation, state: "down", reason, mtuBytes: 0 });
  }

  /** Judges refused claims again, first come first. */
  #reconsider(id: string): void {
    const port = this.#rows.get("port", id);
    if (port === undefined) return;
    for (const [chassis, report] of this.#refused.get(id) ?? []) {
      if (!this.#reachable(chassis)) continue;
      const verdict = this.#judge(port, this.table.get(id), chassis, report);
      if ("generation" in verdict) return this.#take(chassis, report, verdict.generation);
    }
  }

  /** Judges refused claims of ports of networks that have room for another chassis again. */
  #fillRoom(): void {
    if (this.#roomIn.size === 0) return;
    for (const id of [...this.#refused.keys()]) {
      const network = this.#rows.get("port", id)?.network;
      if (network !== undefined && this.#roomIn.has(network)) this.#reconsider(id);
    }
    // What moved over made no more room than it took.
    this.#roomIn.clear();
  }

  #count(port: string, chassis: string): void {
    const network = this.#spread.set(port, chassis);
    if (network !== undefined) this.#roomIn.add(network);
  }

  #forget(id: string): void {
    this.#refused.delete(id);
    this.#count(id, "");
    const chassis = this.table.get(id)?.chassis;
    if (chassis !== undefined) this.#unlist(chassis, id);
    this.table.delete(id);
  }

  #put(row: BindingRow): void {
    const before = this.table.get(row.id);
    if (before !== undefined && before.chassis !== row.chassis)
      this.#unlist(before.chassis, row.id);
    this.table.put(row);
    this.#count(row.id, row.chassis);
    if (row.chassis === "") return;
    const ports = this.#portsOf.get(row.chassis);
    if (ports === undefined) this.#portsOf.set(row.chassis, new Set([row.id]));
    else ports.add(row.id);
  }

  #unlist(chassis: string, port: string): void {
    const ports = this.#portsOf.get(chassis);
    if (ports?.delete(port) && ports.size === 0) this.#portsOf.delete(chassis);
  }
}
