// What central does by the clock: the checkpoint of bindings, retention of the history, the check of the file, trying a full disk again.
// Owns the timers; each job is one function that may fail without harm. Made by central.ts.

import type { Clock, Timer } from "@weft/shared/clock.ts";
import { describeError } from "@weft/shared/errors.ts";
import type { Logger } from "@weft/shared/logging.ts";
import type { BindingRow } from "./model/rows.ts";
import type { Model } from "./model/tables.ts";
import type { Store } from "./store/store.ts";

export interface HousekeepingOptions {
  readonly model: Model;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly retentionMs: number;
  readonly minRevisions: bigint;
  readonly addressReuseAfterMs: number;
}

const checkpointMs = 1000;
const probeMs = 5000;
const firstCompactMs = 60_000;
const compactMs = 3_600_000;
const checkAfterMs = 10_000;
/** Outcomes of idempotency keys are kept so long. */
const idempotencyMs = 24 * 3_600_000;

export class Housekeeping implements AsyncDisposable {
  readonly #options: HousekeepingOptions;
  readonly #timers = new Set<Timer>();
  readonly #running = new Set<Promise<void>>();
  readonly #unsubscribe: () => void;
  /** Bindings changed since the last checkpoint; undefined = gone. */
  #changed = new Map<string, BindingRow | undefined>();
  #closed = false;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
    this.#unsubscribe = options.model.onBatch(({ changes }) => {
      for (const change of changes) {
        if (change.table === "binding") this.#changed.set(change.id, change.after);
      }
    });
    this.#every("checkpoint of bindings", checkpointMs, checkpointMs, () => this.#checkpoint());
    this.#every("probe of the disk", probeMs, probeMs, () => options.store.probe());
    this.#every("retention", firstCompactMs, compactMs, () => this.#compact());
    this.#every("check of the database", checkAfterMs, null, () => this.#check());
  }

  /** Stops the timers and writes the last checkpoint. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    for (const timer of this.#timers) timer.cancel();
    await Promise.all(this.#running);
    await this.#guard("checkpoint of bindings", () => this.#checkpoint());
  }

  #every(name: string, delayMs: number, nextMs: number | null, job: () => Promise<void>): void {
    const timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      const run = this.#guard(name, job).finally(() => {
        this.#running.delete(run);
        if (nextMs !== null && !this.#closed) this.#every(name, nextMs, nextMs, job);
      });
      this.#running.add(run);
    });
    this.#timers.add(timer);
  }

  async #guard(name: string, job: () => Promise<void>): Promise<void> {
    try {
      await job();
    } catch (error) {
      this.#options.logger.warn(
        { reason: describeError(error) },
        `${name} failed; it is tried again`,
      );
    }
  }

  async #checkpoint(): Promise<void> {
    if (this.#changed.size === 0) return;
    const changed = this.#changed;
    this.#changed = new Map();
    try {
      const upserts = [...changed.values()].filter((row) => row !== undefined);
      const deletes = [...changed].flatMap(([id, row]) => (row === undefined ? [id] : []));
      await this.#options.store.checkpoint({ upserts, deletes });
    } catch (error) {
      // What changed meanwhile is newer.
      this.#changed = new Map([...changed, ...this.#changed]);
      throw error;
    }
  }

  async #compact(): Promise<void> {
    const { store, clock, retentionMs, minRevisions, addressReuseAfterMs } = this.#options;
    await store.compact({
      nowMs: clock.nowMs(),
      retentionMs,
      minRevisions,
      idempotencyMs,
      addressReuseAfterMs,
    });
  }

  async #check(): Promise<void> {
    const found = await this.#options.store.check();
    if (found.length === 0) return;
    const wayOut = 'stop central and run "weft-central restore FILE" with a backup';
    this.#options.logger.fatal({ found }, `the database is damaged; writes are refused: ${wayOut}`);
  }
}
