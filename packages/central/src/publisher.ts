// Makes changes visible: model, derivation, distribution, in this order. Owns the slices of a large batch and knows when readers would
// see half of one. Volatile changes (bindings, claims, liveness) come the same way. Made by central.ts.

import { setImmediate } from "node:timers/promises";
import type { Batch, RowChange, TableName } from "./model/rows.ts";
import type { Model } from "./model/tables.ts";

export interface PublisherOptions {
  readonly model: Model;
  /** Derives and hands on what changed; the model shows the rows already. */
  readonly derive: (batch: Batch) => void;
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

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Await it before a read that must not see half a revision; costs nothing when nothing is under way. */
  async whole(): Promise<void> {
    while (this.#slicing !== null) await this.#slicing;
  }

  /** One durable revision. Resolves when all of it is visible. */
  async publish(batch: Batch): Promise<void> {
    if (batch.changes.length <= SLICE) {
      this.#step(batch, batch.changes, true);
      return;
    }
    this.#slicing = this.#publishSlices(batch);
    try {
      await this.#slicing;
    } finally {
      this.#slicing = null;
    }
  }

  /** Volatile changes, at the revision that is current. */
  publishVolatile(changes: readonly RowChange[]): void {
    if (changes.length === 0) return;
    const { model } = this.#options;
    for (let from = 0; from < changes.length; from += SLICE) {
      const revision = model.revision;
      this.#step({ revision, changes }, changes.slice(from, from + SLICE), true);
    }
  }

  async #publishSlices(batch: Batch): Promise<void> {
    const changes = batch.changes.toSorted((a, b) => order(a) - order(b));
    let startMs = performance.now();
    for (let from = 0; from < changes.length; from += SLICE) {
      const isLast = from + SLICE >= changes.length;
      this.#step(batch, changes.slice(from, from + SLICE), isLast);
      if (performance.now() - startMs < BUDGET_MS) continue;
      await setImmediate();
      startMs = performance.now();
    }
  }

  #step({ revision }: Batch, changes: readonly RowChange[], isLast: boolean): void {
    const batch = { revision, changes };
    this.#options.model.publish(batch, { isLast });
    this.#options.derive(batch);
  }
}

function order({ table, after }: RowChange): number {
  return after === undefined ? 20 - rank[table] : rank[table];
}
