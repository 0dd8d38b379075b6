// Makes changes visible: model, derivation, distribution, in this order. Owns the order of all batches, works them off in slices of time
// and knows when readers would see half of one. Volatile changes (bindings, claims, liveness) come the same way. Made by central.ts.
//
//   publish(), publishVolatile() --> queue --> rows --> derive --> distribute --> the next one
//                                               |  a slice is used up: hold(), somebody else's turn, go on
//
// What fits into one slice is done when the call returns. A revision is distributed as one; volatile changes that come while a large
// revision is under way go with it, so that they do not wait for its end.

import type { DerivedBatch, DerivedInstruction } from "./derive/deriver.ts";
import type { DerivedSubscription } from "./derive/interest.ts";
import type { Batch, RowChange, TableName } from "./model/rows.ts";
import type { Model } from "./model/tables.ts";
import { BUDGET_MS, nextTurn, runSlice } from "./slices.ts";

export interface PublisherOptions {
  readonly model: Pick<Model, "revision" | "publish">;
  /** Others get a turn while a batch is half done: nothing may go out before release(). May be told again. */
  readonly hold: () => void;
  /** Everything that was derived is distributed. May be told again. */
  readonly release: () => void;
  /** Derives what a batch changes; the model shows its rows already. Never entered twice. */
  readonly derive: (batch: Batch) => Generator<void, DerivedBatch>;
  readonly distribute: (derived: DerivedBatch) => Generator<void, void>;
  /** Told last: may publish volatile changes of its own. */
  readonly published: (batch: Batch) => void;
  /** Derivation is broken: only a new life derives what is missing. */
  readonly onFatal: (error: unknown) => void;
  readonly budgetMs?: number;
}

interface Job {
  /** null = volatile: whatever revision is current when its turn comes. */
  readonly revision: bigint | null;
  readonly changes: readonly RowChange[];
  readonly ended: (error?: Error) => void;
}

/** Changes that become visible and are derived together. */
const SLICE = 64;

/** What refers to others comes after them; deletions come last, the other way round. */
const rank: Readonly<Record<TableName, number>> = {
  chassis: 0,
  network: 1,
  subnet: 2,
  port: 3,
  router: 4,
  "router-interface": 5,
  "router-link": 6,
  route: 7,
  "policy-route": 8,
  "route-leak": 9,
  binding: 10,
  claim: 11,
  liveness: 12,
};
const RANKS = 2 * Object.keys(rank).length;

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #queue: Job[] = [];
  #current: Job | undefined;
  /** What broke derivation: nothing is published any more. */
  #failure: Error | undefined;
  /** The queue is being worked off in this very turn. */
  #busy = false;
  /** Resolves when the queue is empty; null = nothing is under way. */
  #running: Promise<void> | null = null;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /**
   * Await it before a read that must not see half a revision, or instructions that are derived and not distributed yet. Costs
   * nothing when nothing is under way.
   */
  async whole(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  get isIdle(): boolean {
    return this.#running === null;
  }

  /** One durable revision. Resolves when all of it is visible and distributed. */
  publish({ revision, changes }: Batch): Promise<void> {
    return new Promise((resolve, reject) => {
      const ended = (error?: Error): void => {
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#add({ revision, changes, ended });
    });
  }

  /** Volatile changes, at the revision that is current. In order, but not always visible at once. */
  publishVolatile(changes: readonly RowChange[]): void {
    if (changes.length === 0) return;
    const ended = (error?: Error): void => {
      if (error !== undefined) this.#options.onFatal(error);
    };
    this.#add({ revision: null, changes, ended });
  }

  #add(job: Job): void {
    if (this.#failure !== undefined) return job.ended(this.#failure);
    this.#queue.push(job);
    if (this.#busy || this.#running !== null) return;
    const steps = this.#work();
    // Who awaited whole() just before acts first: it must not see a part of this.
    const waits = job.revision !== null && job.changes.length > SLICE;
    if (!waits && this.#slice(steps)) return;
    this.#running = this.#finish(steps);
  }

  async #finish(steps: Generator<boolean, void>): Promise<void> {
    do await nextTurn();
    while (!this.#slice(steps));
    // In the same breath: what is added from now on has nobody else to work it off.
    this.#running = null;
  }

  /** True = all is done. */
  #slice(steps: Generator<boolean, void>): boolean {
    const { hold, release, budgetMs = BUDGET_MS } = this.#options;
    this.#busy = true;
    try {
      const step = runSlice(steps, budgetMs);
      if (step.done === true || step.value) release();
      else hold();
      return step.done === true;
    } catch (cause) {
      const failure = cause instanceof Error ? cause : new Error(String(cause), { cause });
      this.#failure = failure;
      hold();
      this.#current?.ended(failure);
      for (const job of this.#queue.splice(0)) job.ended(failure);
      return true;
    } finally {
      this.#busy = false;
    }
  }

  /** Works off the queue; yields true where nothing is half done. */
  *#work(): Generator<boolean, void> {
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
      this.#current = job;
      if (job.revision === null) yield* this.#volatile(job.changes);
      else yield* this.#revision(job.revision, job.changes);
      this.#current = undefined;
      job.ended();
      yield true;
    }
  }

  *#revision(revision: bigint, all: readonly RowChange[]): Generator<boolean, void> {
    if (all.length <= SLICE) {
      yield* this.#distribute(yield* this.#derive({ revision, changes: all }, true));
      return;
    }
    const instructions: DerivedInstruction[] = [];
    const subscriptions: DerivedSubscription[] = [];
    const keep = (derived: DerivedBatch): void => {
      for (const one of derived.instructions) instructions.push(one);
      for (const one of derived.subscriptions) subscriptions.push(one);
    };
    let left = all.length;
    for (const changes of parts(inOrder(all))) {
      left -= changes.length;
      keep(yield* this.#derive({ revision, changes }, left === 0));
      while (this.#queue[0]?.revision === null) {
        const volatile = this.#queue.shift()?.changes ?? [];
        for (const some of parts(volatile)) keep(yield* this.#deriveVolatile(some));
      }
    }
    // One revision is one derived change: an agent must not be sent half of it.
    yield* this.#distribute({ revision, instructions, subscriptions });
  }

  *#volatile(changes: readonly RowChange[]): Generator<boolean, void> {
    for (const part of parts(changes)) {
      yield* this.#distribute(yield* this.#deriveVolatile(part));
      yield true;
    }
  }

  #deriveVolatile(changes: readonly RowChange[]): Generator<boolean, DerivedBatch> {
    return this.#derive({ revision: this.#options.model.revision, changes }, true);
  }

  *#derive(batch: Batch, isLast: boolean): Generator<boolean, DerivedBatch> {
    const { model, derive, published } = this.#options;
    model.publish(batch, { isLast });
    const derived = yield* halfDone(derive(batch));
    published(batch);
    return derived;
  }

  *#distribute(derived: DerivedBatch): Generator<boolean, void> {
    yield* halfDone(this.#options.distribute(derived));
  }
}

function* halfDone<T>(work: Generator<void, T>): Generator<boolean, T> {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    yield false;
  }
}

function* parts(changes: readonly RowChange[]): Generator<readonly RowChange[]> {
  for (let from = 0; from < changes.length; from += SLICE) yield changes.slice(from, from + SLICE);
}

/** By rank, else as they come. */
function inOrder(changes: readonly RowChange[]): RowChange[] {
  const ranked: RowChange[][] = Array.from({ length: RANKS }, () => []);
  for (const change of changes) {
    const at = rank[change.table];
    ranked[change.after === undefined ? RANKS - 1 - at : at]?.push(change);
  }
  return ranked.flat();
}
