// The volatile side of the model: who owns a port, who spoke for an address, who is alive. Takes what chassis report and what the
// model publishes, and publishes row changes. Holds the only timer; the rules are in placement.ts, claims.ts and liveness.ts.
// Made by central.ts; told by distribute and by the model.
//
//   PortReports, AddressClaims, heartbeats --> Bindings --> publish(changes) --> model -> derive -> distribute

import type { Clock, Timer } from "@weft/shared/clock.ts";
import type { RowReader } from "../derive/spec.ts";
import type { Batch, BindingRow, ClaimRow, RowChange } from "../model/rows.ts";
import { type Claim, Claims } from "./claims.ts";
import { Liveness } from "./liveness.ts";
import { Placement, type Refused, type Report } from "./placement.ts";

export interface BindingsConfig {
  /** A chassis that is silent for longer is unreachable. */
  readonly leaseMs: number;
  /** A chassis that is silent for longer is fenced. */
  readonly staleAfterMs: number;
  /** So long after the start generations that chassis report still count. */
  readonly settleMs: number;
  readonly maxClaimsPerPort: number;
  readonly claimBurst: number;
  readonly claimsPerSecond: number;
}

export const defaultBindingsConfig: BindingsConfig = {
  leaseMs: 15_000,
  staleAfterMs: 24 * 3600 * 1000,
  settleMs: 600_000,
  maxClaimsPerPort: 16,
  claimBurst: 10,
  claimsPerSecond: 1,
};

export interface BindingsOptions {
  /** The model. */
  readonly rows: RowReader;
  readonly isFixedIp: (network: string, ip: string) => boolean;
  /** See Deriver. */
  readonly isRouted: (network: string, ip: string) => boolean;
  readonly clock: Clock;
  /**
   * Called with one set of changes that belong together; never with none, never while publish() runs. The model must show the sets
   * in the order in which they came; it need not at once.
   */
  readonly publish: (changes: readonly RowChange[]) => void;
  readonly config?: Partial<BindingsConfig>;
}

/** Leases are looked at so many times a lease. */
const TICKS_PER_LEASE = 4;

export class Bindings {
  readonly config: BindingsConfig;
  readonly #rows: RowReader;
  readonly #clock: Clock;
  readonly #publish: BindingsOptions["publish"];
  readonly #placement: Placement;
  readonly #liveness: Liveness;
  readonly #claims: Claims;
  readonly #startedMs: number;
  #timer: Timer | undefined;
  #publishing = false;

  constructor(options: BindingsOptions) {
    this.config = { ...defaultBindingsConfig, ...options.config };
    this.#rows = options.rows;
    this.#clock = options.clock;
    this.#publish = options.publish;
    this.#startedMs = options.clock.nowMs();
    this.#liveness = new Liveness(this.config);
    this.#placement = new Placement({
      rows: options.rows,
      reachable: (chassis) => this.#liveness.isAlive(chassis),
    });
    this.#claims = new Claims({
      rows: options.rows,
      isFixedIp: options.isFixedIp,
      isRouted: options.isRouted,
      maxPerPort: this.config.maxClaimsPerPort,
      burst: this.config.claimBurst,
      perSecond: this.config.claimsPerSecond,
    });
  }

  /**
   * Call once, before anything else: takes the rows of a checkpoint, and gives every chassis of the model a lease from now. A
   * checkpointed binding then holds until its chassis has reported, or is unreachable and another claims the port; a claim
   * until another port speaks for the address; a fence until the chassis is in sync: it still acts on keys that are others' now.
   */
  load(
    rows: readonly BindingRow[],
    { claims = [], fenced = [] }: { claims?: readonly ClaimRow[]; fenced?: readonly string[] } = {},
  ): void {
    const nowMs = this.#clock.nowMs();
    for (const chassis of this.#rows.values("chassis")) {
      this.#liveness.add(chassis.id, chassis.lost, nowMs);
    }
    for (const chassis of fenced) this.#liveness.fence(chassis);
    this.#placement.load(rows.map((row) => this.#asOfNow(row)));
    this.#claims.load(claims, nowMs);
    this.#flush();
  }

  /** Rows of the checkpoint as of now. */
  snapshot(): BindingRow[] {
    return [...this.#placement.table.values()];
  }

  /** Starts the timer of leases. */
  start(): void {
    this.#timer = this.#clock.setTimer(this.config.leaseMs / TICKS_PER_LEASE, () => {
      this.tick();
      this.start();
    });
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** Ports change hands, lose pairs or go; chassis come, go or are declared lost. Called after the model shows the batch. */
  modelChanged(batch: Batch): void {
    for (const change of batch.changes) {
      if (change.table === "port") {
        this.#placement.portChanged(change.before, change.after);
        if (change.before !== undefined) this.#claims.portChanged(change.id, change.after);
      } else if (change.table === "chassis") {
        this.#chassisChanged(change.id, change.before?.lost, change.after?.lost);
      }
    }
    this.#flush();
  }

  /** A stream of the chassis was accepted. */
  connected(chassis: string): void {
    this.#liveness.heard(chassis, this.#clock.nowMs());
    this.#claims.streamStarted(this.#placement.ports(chassis));
    this.#flush();
  }

  /** Any message of the chassis. */
  heard(chassis: string): void {
    const isBack = this.#liveness.heard(chassis, this.#clock.nowMs());
    if (isBack) this.#placement.reconsiderClaimsOf(chassis);
    this.#flush();
  }

  /** The chassis acked a state that is complete, and has it on its disk. */
  inSync(chassis: string): void {
    const isBack = this.#liveness.inSync(chassis, this.#clock.nowMs());
    if (isBack) this.#placement.reconsiderClaimsOf(chassis);
    this.#flush();
  }

  /** `complete`: what is not named has ended. Answers what was refused; the port's row says so too where it is down. */
  report(chassis: string, reports: readonly Report[], complete: boolean): Refused[] {
    this.#liveness.heard(chassis, this.#clock.nowMs());
    if (this.#liveness.isLost(chassis)) {
      const reason = `${chassis} is declared lost: weft chassis adopt ${chassis}`;
      return reports.map((report) => ({ port: report.portId, chassis, reason }));
    }
    const refused = this.#placement.report(chassis, reports, complete);
    this.#flush();
    return refused;
  }

  /**
   * All reports of a complete message were taken: what is not named has ended. A step at a time; what other chassis report may be
   * taken between the steps.
   */
  *endOthers(chassis: string, named: ReadonlySet<string>): Generator<void, void> {
    const steps = this.#placement.endOthers(chassis, named);
    while (!this.#liveness.isLost(chassis)) {
      const isEnd = steps.next().done === true;
      this.#flush();
      if (isEnd) return;
      yield;
    }
  }

  claim(chassis: string, claims: readonly Claim[]): Refused[] {
    const nowMs = this.#clock.nowMs();
    const refused: Refused[] = [];
    for (const claim of claims) {
      const binding = this.#placement.table.get(claim.portId);
      const reason =
        binding?.chassis === chassis
          ? this.#claims.claim(claim, binding.generation, nowMs)
          : `${chassis} does not have the port`;
      if (reason !== undefined) refused.push({ port: claim.portId, chassis, reason });
    }
    this.#flush();
    return refused;
  }

  isAlive(chassis: string): boolean {
    return this.#liveness.isAlive(chassis);
  }

  isFenced(chassis: string): boolean {
    return this.#liveness.table.get(chassis)?.state === "fenced";
  }

  /** Every chassis of the model. */
  chassis(): Iterable<string> {
    return this.#liveness.chassis();
  }

  /** Addresses of allowed pairs that the port holds, sorted. */
  claimedIps(port: string): string[] {
    return [...this.#claims.ofPort(port)].sort();
  }

  /** Looks at the time; the timer does this. */
  tick(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#startedMs > this.config.settleMs) this.#placement.settled();
    this.#placement.reconsiderPortsOf(new Set(this.#liveness.tick(nowMs)));
    this.#flush();
  }

  /** A checkpointed row whose chassis went after that has ended; its generation counts on. */
  #asOfNow(row: BindingRow): BindingRow {
    const chassis = this.#rows.get("chassis", row.chassis);
    if (row.chassis === "" || chassis?.lost === false) return row;
    const reason = `chassis ${row.chassis} was ${chassis === undefined ? "deleted" : "declared lost"}`;
    return { ...row, chassis: "", state: "down", reason, mtuBytes: 0 };
  }

  #chassisChanged(id: string, lostBefore: boolean | undefined, lost: boolean | undefined): void {
    if (lost === undefined) {
      this.#placement.endAll(id, `chassis ${id} was deleted`);
      this.#liveness.remove(id);
      return;
    }
    if (lostBefore === undefined) this.#liveness.add(id, lost, this.#clock.nowMs());
    else if (lostBefore !== lost) this.#liveness.setLost(id, lost);
    if (lost) this.#placement.endAll(id, `chassis ${id} was declared lost`);
  }

  /** Publishing tells the model, which tells us: those changes are durable tables' only, so that this ends. */
  #flush(): void {
    if (this.#publishing) return;
    this.#publishing = true;
    try {
      for (let changes = this.#take(); changes.length > 0; changes = this.#take()) {
        this.#publish(changes);
      }
    } finally {
      this.#publishing = false;
    }
  }

  #take(): RowChange[] {
    return [
      ...this.#liveness.table.take(),
      ...this.#placement.table.take(),
      ...this.#claims.table.take(),
    ];
  }
}
