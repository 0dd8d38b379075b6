// The one write path: plans a set against the head (what is durable plus what is queued), appends it, publishes it, answers. Owns the
// order: sets are planned one after the other, become durable together, and are published in the order of their revisions.
//
//   run -> [planning, one at a time] -> head + queue -> append (group commit) -> [publishing, in order] -> answer
//
// When an append fails, the head is taken back to what is published and every queued set fails with it.

import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock } from "@weft/shared/clock.ts";
import type { Diagnostic } from "@weft/shared/diagnostics.ts";
import type { FreedValue } from "../ipam/allocator.ts";
import { addressSpace, Allocator } from "../ipam/allocator.ts";
import type { AllocationDraft, AllocatorOptions } from "../ipam/allocator.ts";
import type { PoolDraft } from "../ipam/reuse-pool.ts";
import type { ChangeIntent, PlanResult } from "../model/intents.ts";
import type { Plan, PlanContext, PlanOutcome } from "../model/plan.ts";
import { planChanges, undoPlan } from "../model/plan.ts";
import type { Batch, DurableTableName, RowChange, Rows } from "../model/rows.ts";
import { durableTables, Tables } from "../model/tables.ts";
import { runInSlices } from "../slices.ts";
import { encodeRow } from "./codec.ts";
import type { CommitEntry, CommitSet, PoolValue } from "./commit-log.ts";
import type { Store } from "./store.ts";

/** Who asks, why, and under which conditions. */
export interface RunOptions {
  readonly actor: string;
  readonly comment: string;
  readonly dryRun: boolean;
  /** 0n = any. */
  readonly expectedRevision: bigint;
  /** null = none. `body` is what must be equal when the key comes again. */
  readonly idempotency: { readonly key: string; readonly body: () => Uint8Array } | null;
}

export interface RunOutcome {
  /** Of the commit; of a dry run or a set without effect, the current one. */
  readonly revision: bigint;
  readonly results: readonly PlanResult[];
}

export type RunAnswer =
  | { readonly kind: "done"; readonly outcome: RunOutcome }
  /** The key came before with the same body: what was answered then. */
  | { readonly kind: "replayed"; readonly outcome: Uint8Array }
  | { readonly kind: "refused"; readonly problems: readonly Diagnostic[]; readonly count: number };

export interface TransactorOptions {
  readonly store: Store;
  /** Shows what is durable; the head begins as its copy. */
  readonly published: Tables;
  readonly allocation: Omit<AllocatorOptions, "tables">;
  readonly freed: readonly FreedValue[];
  readonly clock: Clock;
  readonly newId: () => string;
  readonly chassisInUse: (id: string) => string | undefined;
  /** Makes a durable change visible; called in the order of revisions, one at a time. */
  readonly publish: (batch: Batch) => Promise<void>;
  /** The answer of a set as bytes, kept for its idempotency key. */
  readonly encodeOutcome: (outcome: RunOutcome) => Uint8Array | Promise<Uint8Array>;
}

interface InFlight {
  readonly bodyHash: Buffer;
  readonly answer: Promise<RunAnswer>;
}

export class Transactor {
  readonly #options: TransactorOptions;
  readonly #inFlight = new Map<string, InFlight>();
  #head: Tables;
  #allocator: Allocator;
  #headRevision: bigint;
  #planning: Promise<unknown> = Promise.resolve();
  #publishing: Promise<unknown> = Promise.resolve();
  /** The newest commit under way: it rejects when one that it builds on fails. */
  #lastCommit: Promise<void> = Promise.resolve();
  /** Values that queued sets took out of quarantine, to be put back when they fail. */
  readonly #queuedDrafts = new Set<AllocationDraft>();

  constructor(options: TransactorOptions) {
    this.#options = options;
    this.#headRevision = options.store.revision;
    this.#head = copyDurable(options.published);
    this.#allocator = new Allocator({ ...options.allocation, tables: this.#head });
    this.#allocator.restore(options.freed);
  }

  /** The tables with everything queued; for reading only. */
  get head(): Tables {
    return this.#head;
  }

  get allocator(): Allocator {
    return this.#allocator;
  }

  /** Runs one set. `intents` sees the head as it is when the set's turn has come. */
  async run(
    options: RunOptions,
    intents: (head: Tables) => readonly ChangeIntent[],
  ): Promise<RunAnswer> {
    const { idempotency, dryRun, actor } = options;
    // A dry run leaves nothing to repeat.
    if (idempotency === null || dryRun) return this.#enqueue(options, intents, null);
    const bodyHash = createHash("sha256").update(idempotency.body()).digest();
    const slot = JSON.stringify([actor, idempotency.key]);
    const known = this.#inFlight.get(slot);
    if (known !== undefined) return this.#repeat(known, bodyHash, idempotency.key);
    const answer = this.#runKeyed(options, intents, { key: idempotency.key, bodyHash });
    this.#inFlight.set(slot, { bodyHash, answer });
    try {
      return await answer;
    } finally {
      this.#inFlight.delete(slot);
    }
  }

  async #repeat(known: InFlight, bodyHash: Buffer, key: string): Promise<RunAnswer> {
    if (!timingSafeEqual(known.bodyHash, bodyHash)) return keyReused(key);
    return known.answer;
  }

  async #runKeyed(
    options: RunOptions,
    intents: (head: Tables) => readonly ChangeIntent[],
    idempotency: { key: string; bodyHash: Buffer },
  ): Promise<RunAnswer> {
    const { key, bodyHash } = idempotency;
    const kept = await this.#options.store.outcome({ actor: options.actor, key });
    if (kept === null) return this.#enqueue(options, intents, idempotency);
    if (!bodyHash.equals(kept.bodyHash)) return keyReused(key);
    return { kind: "replayed", outcome: kept.outcome };
  }

  /** Waits for the turn, plans, and (outside the turn) waits until the set is durable and published. */
  async #enqueue(
    options: RunOptions,
    intents: (head: Tables) => readonly ChangeIntent[],
    idempotency: { key: string; bodyHash: Buffer } | null,
  ): Promise<RunAnswer> {
    const turn = this.#planning.then(() => this.#plan(options, intents, idempotency));
    this.#planning = turn.catch(() => undefined);
    const { answer, published } = await turn;
    await published;
    return answer;
  }

  async #plan(
    options: RunOptions,
    intents: (head: Tables) => readonly ChangeIntent[],
    idempotency: { key: string; bodyHash: Buffer } | null,
  ): Promise<{ answer: RunAnswer; published: Promise<void> }> {
    // Judged by what is queued: answered when that is durable, and failed with it.
    const done = (answer: RunAnswer): { answer: RunAnswer; published: Promise<void> } => ({
      answer,
      published: this.#lastCommit,
    });
    const { expectedRevision } = options;
    if (expectedRevision !== 0n && expectedRevision !== this.#headRevision) {
      return done(staleRevision(expectedRevision, this.#headRevision));
    }
    const context = this.#context();
    const asked = intents(this.#head);
    let planned: PlanOutcome;
    try {
      planned = await runInSlices(planChanges(context, asked));
    } catch (error) {
      // A bug; what the plan did to the head until then is not known.
      await this.#beginAgain([]);
      throw error;
    }
    if (!planned.ok) {
      return done({ kind: "refused", problems: planned.problems, count: planned.count });
    }
    const { plan } = planned;
    const hasEffect = plan.changes.length > 0;
    if (options.dryRun) {
      await runInSlices(undoPlan(context, plan));
      const revision = this.#headRevision;
      return done({ kind: "done", outcome: { revision, results: plan.results } });
    }
    const revision = hasEffect ? context.revision : this.#headRevision;
    const outcome: RunOutcome = { revision, results: plan.results };
    if (!hasEffect && idempotency === null) return done({ kind: "done", outcome });
    const set: CommitSet = {
      expectedRevision: this.#headRevision,
      atMs: context.nowMs,
      actor: options.actor,
      comment: options.comment,
      entries: await runInSlices(entriesOf(plan.changes)),
      ...(await runInSlices(poolValuesOf(plan.draft))),
      idempotency:
        idempotency === null
          ? null
          : { ...idempotency, outcome: await this.#options.encodeOutcome(outcome) },
    };
    await runInSlices(this.#allocator.keep(plan.draft));
    this.#headRevision = revision;
    const published = this.#commit(set, plan, revision);
    this.#lastCommit = published;
    // Whoever asked awaits it as well; nobody may be too late.
    published.catch(() => undefined);
    return { answer: { kind: "done", outcome }, published };
  }

  async #commit(set: CommitSet, plan: Plan, revision: bigint): Promise<void> {
    const { store, publish } = this.#options;
    this.#queuedDrafts.add(plan.draft);
    const before = this.#publishing;
    const durable = store.append(set);
    const published = (async (): Promise<void> => {
      try {
        await durable;
      } finally {
        await before;
      }
      if (plan.changes.length > 0) await publish({ revision, changes: plan.changes });
    })();
    this.#publishing = published.catch(() => undefined);
    try {
      await published;
      this.#queuedDrafts.delete(plan.draft);
    } catch (error) {
      this.#failed();
      throw error;
    }
  }

  /** An append failed: every queued set fails, and the head begins again from what is published. */
  #failed(): void {
    if (this.#queuedDrafts.size === 0) return;
    const drafts = [...this.#queuedDrafts];
    this.#queuedDrafts.clear();
    // After the set that is being planned: it would build on a head that is gone.
    const reset = this.#planning.then(() => this.#beginAgain(drafts));
    this.#planning = reset.catch(() => undefined);
  }

  /** Makes the head anew of what is published; what these drafts drew from quarantine goes back there. */
  async #beginAgain(drafts: readonly AllocationDraft[]): Promise<void> {
    await this.#publishing;
    this.#head = copyDurable(this.#options.published);
    this.#headRevision = this.#options.store.revision;
    this.#lastCommit = Promise.resolve();
    const old = this.#allocator;
    this.#allocator = new Allocator({ ...this.#options.allocation, tables: this.#head });
    this.#allocator.restore(old.freedValues());
    for (const draft of drafts) this.#allocator.restore(await takenOf(draft));
  }

  #context(): PlanContext {
    const { clock, newId, chassisInUse } = this.#options;
    return {
      tables: this.#head,
      allocator: this.#allocator,
      revision: this.#headRevision + 1n,
      nowMs: Math.floor(clock.nowMs()),
      newId,
      chassisInUse,
    };
  }
}

function copyDurable(tables: Tables): Tables {
  const copy = new Tables();
  for (const table of durableTables) {
    for (const row of tables.values(table)) {
      copy.put(table, row.id, row);
    }
  }
  return copy;
}

/** Changes encoded between two yields. */
const ENCODE_SLICE = 128;

function* entriesOf(changes: readonly RowChange[]): Generator<void, CommitEntry[]> {
  const entries: CommitEntry[] = [];
  for (const [index, { table, id, before, after }] of changes.entries()) {
    const row = (after ?? before) as Rows[DurableTableName];
    const action = after === undefined ? "deleted" : before === undefined ? "created" : "updated";
    entries.push({ kind: table as DurableTableName, id, action, body: encodeRow(row) });
    if (index % ENCODE_SLICE === ENCODE_SLICE - 1) yield;
  }
  return entries;
}

function* poolValuesOf(
  draft: AllocationDraft,
): Generator<void, { freed: PoolValue[]; reused: PoolValue[] }> {
  const freed: PoolValue[] = [];
  const reused: PoolValue[] = [];
  const pools: [space: string, drawn: PoolDraft<number> | PoolDraft<string>][] = [
    ...draft.keys,
    ...[...draft.addresses].map(([subnet, { draft: drawn }]): [string, PoolDraft<string>] => [
      addressSpace(subnet),
      drawn,
    ]),
  ];
  for (const [space, drawn] of pools) {
    for (const value of drawn.taken) {
      reused.push({ space, value: String(value) });
      yield;
    }
    for (const value of drawn.released.keys()) {
      freed.push({ space, value: String(value) });
      yield;
    }
  }
  return { freed, reused };
}

/** What a failed set drew from quarantine counts as released when the set was made: late rather than early. */
async function takenOf(draft: AllocationDraft): Promise<FreedValue[]> {
  const { atMs, revision } = draft.release;
  const { reused } = await runInSlices(poolValuesOf(draft));
  return reused.map(({ space, value }) => ({ space, value, atMs, revision }));
}

function staleRevision(expected: bigint, current: bigint): RunAnswer {
  const message = `the store is at revision ${current}, not at ${expected}: read again and repeat the change, or send 0`;
  return refusedWith("STALE_REVISION", "expected_revision", message);
}

function keyReused(key: string): RunAnswer {
  const message = `the key "${key}" came before with another body: use a new key for a new change`;
  return refusedWith("KEY_REUSED", "idempotency_key", message);
}

function refusedWith(code: string, field: string, message: string): RunAnswer {
  return { kind: "refused", problems: [{ code, object: "", field, message }], count: 1 };
}
