// Makes changes visible: model, derivation, distribution, in this order. Owns the slices of a large batch and knows when readers would
// see half of one. Volatile changes (bindings, claims, liveness) come the same way. Made by central.ts.

import { setImmediate } from "node:timers/promises";
import type { DerivedBatch } from "./derive/deriver.ts";
import type { Batch, RowChange, TableName } from "./model/rows.ts";
import type { Model } from "./model/tables.ts";

export interface PublisherOptions {
  readonly model: Model;
  /** Derivation begins on parts of a revision: nothing may go out before distribute() has all of it. */
  readonly hold: () => void;
  /** Derives what a batch changes; the model shows its rows already. */
  readonly derive: (batch: Batch) => DerivedBatch;
  readonly distribute: (derived: DerivedBatch) => void;
  /** Told last: may publish volatile changes of its own. */
  readonly published: (batch: Batch) => void;
}

/** Changes derived between two looks at the clock; a batch up to this size is one piece. */
const SLICE = 64;
const BUDGET_MS = 8;

/** What refers to others comes after them; deletions come last, the other way round. */
const rank: Readonly<Record<TableName, number>> = {
  chassis: 0,
  network: 1,
  subnet: 2,
  port: 3,
  binding: 4,
  claim: 5,
  liveness: 6,
};

export class Publisher {
  readonly #options: PublisherOptions;
  #slicing: Promise<void> | null = null;
  /** While a large batch is under way: what was derived since it began, to be distributed as one. */
  #held: DerivedBatch[] | null = null;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /**
   * Await it before a read that must not see half a revision, or instructions that are derived and not distributed yet. Costs
   * nothing when nothing is under way.
   */
  async whole(): Promise<void> {
    while (this.#slicing !== null) await this.#slicing;
  }

  /** One durable revision. Resolves when all of it is visible. */
  async publish(batch: Batch): Promise<void> {
    if (batch.changes.length <= SLICE) {
      this.#step(batch, true);
      return;
    }
    this.#slicing = this.#publishSlices(batch);
    try {
      await this.#slicing;
    } finally {
      this.#slicing = null;
      this.#held = null;
    }
  }

  /** Volatile changes, at the revision that is current. */
  publishVolatile(changes: readonly RowChange[]): void {
    if (changes.length === 0) return;
    this.#step({ revision: this.#options.model.revision, changes }, true);
  }

  async #publishSlices(batch: Batch): Promise<void> {
    // Who awaited whole() just before acts first.
    await setImmediate();
    const held: DerivedBatch[] = [];
    this.#held = held;
    this.#options.hold();
    const changes = batch.changes.toSorted((a, b) => order(a) - order(b));
    let startMs = performance.now();
    for (let from = 0; from < changes.length; from += SLICE) {
      const isLast = from + SLICE >= changes.length;
      this.#step({ revision: batch.revision, changes: changes.slice(from, from + SLICE) }, isLast);
      if (performance.now() - startMs < BUDGET_MS) continue;
      await setImmediate();
      startMs = performance.now();
    }
    this.#held = null;
    // One revision is one derived change: an agent must not be sent half of it.
    this.#options.distribute({
      revision: batch.revision,
      instructions: held.flatMap((derived) => derived.instructions),
      subscriptions: held.flatMap((derived) => derived.subscriptions),
    });
  }

  #step(batch: Batch, isLast: boolean): void {
    const { model, derive, distribute, published } = this.#options;
    model.publish(batch, { isLast });
    const derived = derive(batch);
    if (this.#held === null) distribute(derived);
    else this.#held.push(derived);
    published(batch);
  }
}

function order({ table, after }: RowChange): number {
  return after === undefined ? 20 - rank[table] : rank[table];
}
