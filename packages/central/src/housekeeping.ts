// What central does by the clock: the checkpoint of what is volatile, retention of the history, the check of the file, trying a full disk again.
// Owns the timers; each job is one function that may fail without harm. Made by central.ts.

import type { Clock, Timer } from "@weft/shared/clock.ts";
import { describeError } from "@weft/shared/errors.ts";
import type { Logger } from "@weft/shared/logging.ts";
import type { BindingRow, ClaimRow, RowChange } from "./model/rows.ts";
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

/** Volatile rows that the next life is to find. */
interface Changed {
  /** Undefined = gone. */
  readonly bindings: Map<string, BindingRow | undefined>;
  readonly claims: Map<string, { readonly row: ClaimRow; readonly gone: boolean }>;
  readonly fenced: Map<string, boolean>;
}

const noChanges = (): Changed => ({
  bindings: new Map(),
  claims: new Map(),
  fenced: new Map(),
});

function note({ bindings, claims, fenced }: Changed, change: RowChange): void {
  if (change.table === "binding") bindings.set(change.id, change.after);
  if (change.table === "liveness") fenced.set(change.id, change.after?.state === "fenced");
  if (change.table !== "claim") return;
  const row = change.after ?? change.before;
  if (row !== undefined) claims.set(change.id, { row, gone: change.after === undefined });
}

export class Housekeeping implements AsyncDisposable {
  readonly #options: HousekeepingOptions;
  readonly #timers = new Set<Timer>();
  readonly #running = new Set<Promise<void>>();
  readonly #unsubscribe: () => void;
  /** Changed since the last checkpoint. */
  #changed: Changed = noChanges();
  #closed = false;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
    this.#unsubscribe = options.model.onBatch(({ changes }) => {
      for (const change of changes) {
        note(this.#changed, change);
      }
    });
    this.#every("checkpoint of volatile rows", checkpointMs, checkpointMs, () =>
      this.#checkpoint(),
    );
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
    await this.#guard("the last checkpoint of volatile rows", false, () => this.#checkpoint());
  }

  #every(name: string, delayMs: number, nextMs: number | null, job: () => Promise<void>): void {
    const timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      const run = this.#guard(name, nextMs !== null, job).finally(() => {
        this.#running.delete(run);
        if (nextMs !== null && !this.#closed) this.#every(name, nextMs, nextMs, job);
      });
      this.#running.add(run);
    });
    this.#timers.add(timer);
  }

  async #guard(name: string, comesAgain: boolean, job: () => Promise<void>): Promise<void> {
    try {
      await job();
    } catch (error) {
      const then = comesAgain ? "; it is tried again" : "";
      this.#options.logger.warn({ reason: describeError(error) }, `${name} failed${then}`);
    }
  }

  async #checkpoint(): Promise<void> {
    const changed = this.#changed;
    const { bindings, claims, fenced } = changed;
    if (bindings.size + claims.size + fenced.size === 0) return;
    const chassis = (state: boolean): string[] =>
      [...fenced].flatMap(([id, isFenced]) => (isFenced === state ? [id] : []));
    this.#changed = noChanges();
    try {
      await this.#options.store.checkpoint({
        bindings: {
          upserts: [...bindings.values()].filter((row) => row !== undefined),
          deletes: [...bindings].flatMap(([id, row]) => (row === undefined ? [id] : [])),
        },
        claims: {
          upserts: [...claims.values()].flatMap(({ row, gone }) => (gone ? [] : [row])),
          deletes: [...claims.values()].flatMap(({ row, gone }) => (gone ? [row] : [])),
        },
        fenced: { upserts: chassis(true), deletes: chassis(false) },
      });
    } catch (error) {
      // What changed meanwhile is newer.
      this.#changed = {
        bindings: new Map([...bindings, ...this.#changed.bindings]),
        claims: new Map([...claims, ...this.#changed.claims]),
        fenced: new Map([...fenced, ...this.#changed.fenced]),
      };
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
