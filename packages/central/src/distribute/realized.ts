// Which chassis a revision touched, and who waits for them. Bounded: so many revisions are remembered; of an older one every chassis
// counts as touched. Pure but for the clock's timers. Owned by distributor.ts.

import type { Clock } from "@weft/shared/clock.ts";
import type { DerivedInstruction } from "../derive/deriver.ts";
import { newSlice } from "../slices.ts";

export interface Failure {
  readonly key: string;
  readonly reason: string;
}

/** As Realization in northbound.proto. */
export interface Realization {
  readonly complete: boolean;
  readonly realized: string[];
  readonly failed: { readonly chassis: string; readonly failed: Failure[] }[];
  /** Lease not alive, or no answer before the deadline. */
  readonly unreachable: string[];
}

/** What the log needs to know of a chassis now. */
export interface ChassisProgress {
  readonly alive: boolean;
  readonly realizedRevision: bigint;
  readonly failed: readonly Failure[];
}

interface Touched {
  /** Each once. */
  readonly chassis: readonly string[];
  /** undefined = too many to remember: all failures of the chassis count. */
  readonly keys: ReadonlySet<string> | undefined;
}

interface Waiter {
  readonly revision: bigint;
  /** Ends the wait when nothing is waited for any more, or with `force`. True = it ended. */
  readonly settle: (force: boolean) => boolean;
}

const MAX_REVISIONS = 1024;
const MAX_KEYS = 256;
/** Callers that wait at once; one more is told at once how far it is. */
export const MAX_WAITERS = 10_000;

export class RealizedLog {
  readonly #clock: Clock;
  readonly #progress: (chassis: string) => ChassisProgress | undefined;
  readonly #everybody: () => Iterable<string>;
  readonly #touched = new Map<bigint, Touched>();
  readonly #waiters = new Set<Waiter>();
  readonly #budgetMs: number | undefined;
  /** Still to be looked at since something moved. */
  readonly #due = new Set<Waiter>();
  #turn: NodeJS.Immediate | undefined;
  #derived: bigint;
  /** Every touched revision from here on is in the log. */
  #from: bigint;

  constructor(options: {
    clock: Clock;
    revision: bigint;
    /** undefined = it is deleted, and told nothing any more. */
    progress: (chassis: string) => ChassisProgress | undefined;
    everybody: () => Iterable<string>;
    budgetMs?: number | undefined;
  }) {
    this.#budgetMs = options.budgetMs;
    this.#clock = options.clock;
    this.#progress = options.progress;
    this.#everybody = options.everybody;
    this.#derived = options.revision;
    this.#from = options.revision + 1n;
  }

  /** Highest revision derived. */
  get derived(): bigint {
    return this.#derived;
  }

  /** A new revision was derived and queued. */
  add(
    revision: bigint,
    chassis: readonly string[],
    instructions: readonly Pick<DerivedInstruction, "key">[],
  ): void {
    this.#derived = revision;
    if (chassis.length === 0) return;
    const isMany = instructions.length > MAX_KEYS;
    const keys = isMany ? undefined : new Set(instructions.map(({ key }) => key));
    this.#touched.set(revision, { chassis, keys });
    const oldest = this.#touched.keys().next().value;
    if (this.#touched.size > MAX_REVISIONS && oldest !== undefined) {
      this.#touched.delete(oldest);
      this.#from = oldest + 1n;
    }
  }

  /** Something moved: an ack, a stream, a lease. Who waits is looked at when the turn is over, in slices. */
  check(): void {
    if (this.#due.size < this.#waiters.size) {
      for (const waiter of this.#waiters) this.#due.add(waiter);
    }
    if (this.#due.size > 0) this.#turn ??= setImmediate(() => this.#look());
  }

  #look(): void {
    this.#turn = undefined;
    const isOver = newSlice(this.#budgetMs);
    for (const waiter of this.#due) {
      this.#due.delete(waiter);
      if (waiter.settle(false)) this.#waiters.delete(waiter);
      if (isOver()) break;
    }
    if (this.#due.size > 0) this.#turn = setImmediate(() => this.#look());
  }

  /** Calls that wait. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Aborted: as if the deadline had passed. */
  wait(revision: bigint, timeoutMs: number, signal?: AbortSignal): Promise<Realization> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#waiters.delete(waiter);
        this.#due.delete(waiter);
        waiter.settle(true);
      };
      const timer = this.#clock.setTimer(timeoutMs, end);
      const cursor = { at: 0 };
      const waiter: Waiter = {
        revision,
        settle: (force) => {
          const answer = this.#judge(revision, force, cursor);
          if (answer === undefined) return false;
          timer.cancel();
          signal?.removeEventListener("abort", end);
          resolve(answer);
          return true;
        },
      };
      const isOver = signal?.aborted === true || this.#waiters.size >= MAX_WAITERS;
      if (waiter.settle(isOver)) return;
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", end, { once: true });
    });
  }

  /** Ends all waits as if their deadline had passed. */
  close(): void {
    clearImmediate(this.#turn);
    this.#due.clear();
    for (const waiter of this.#waiters) waiter.settle(true);
    this.#waiters.clear();
  }

  /** undefined = somebody alive has still to answer. */
  #judge(revision: bigint, force: boolean, cursor: { at: number }): Realization | undefined {
    if (revision > this.#derived && !force) return undefined;
    const touched = this.#touched.get(revision);
    const chassis = touched?.chassis ?? (revision < this.#from ? [...this.#everybody()] : []);
    if (!force && this.#awaits(revision, chassis, cursor)) return undefined;
    const answer: Realization = { complete: true, realized: [], failed: [], unreachable: [] };
    let complete = revision <= this.#derived;
    for (const id of [...chassis].sort()) {
      const progress = this.#progress(id);
      if (progress === undefined) continue;
      const { realizedRevision, failed } = progress;
      const failures = failed.filter(({ key }) => touched?.keys?.has(key) ?? true);
      if (realizedRevision >= revision) {
        if (failures.length === 0) answer.realized.push(id);
        else answer.failed.push({ chassis: id, failed: failures });
      } else {
        answer.unreachable.push(id);
      }
    }
    complete &&= answer.failed.length === 0 && answer.unreachable.length === 0;
    return { ...answer, complete };
  }

  /** Somebody alive has still to answer: first asked is who it was the last time, so that all acks of a revision cost one round. */
  #awaits(revision: bigint, chassis: readonly string[], cursor: { at: number }): boolean {
    for (let asked = 0; asked < chassis.length; asked += 1) {
      const at = (cursor.at + asked) % chassis.length;
      const progress = this.#progress(chassis[at] ?? "");
      if (progress?.alive !== true || progress.realizedRevision >= revision) continue;
      cursor.at = at;
      return true;
    }
    return false;
  }
}
