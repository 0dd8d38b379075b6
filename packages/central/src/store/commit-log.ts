// The order of commits, as narrow as it can be: append, read from, watch from. SQLite stands behind it (store.ts); a replicated
// log can. Types only. Entries hold resolved values: replaying them allocates nothing and reads no clock.

import type { DurableTableName } from "../model/rows.ts";

export type CommitAction = "created" | "updated" | "deleted";

export interface CommitEntry {
  readonly kind: DurableTableName;
  readonly id: string;
  readonly action: CommitAction;
  /** The row as JSON (codec.ts): after the change, or before a deletion. */
  readonly body: string;
}

/** A key or address that a set gives back (at its revision and time), or takes again. */
export interface PoolValue {
  readonly space: string;
  readonly value: string;
}

export interface IdempotencyRecord {
  readonly key: string;
  readonly bodyHash: Uint8Array;
  readonly outcome: Uint8Array;
}

/** One change set. With entries it makes revision expectedRevision + 1; without, it only keeps its idempotency record. */
export interface CommitSet {
  readonly expectedRevision: bigint;
  readonly atMs: number;
  readonly actor: string;
  readonly comment: string;
  readonly entries: readonly CommitEntry[];
  readonly freed: readonly PoolValue[];
  readonly reused: readonly PoolValue[];
  readonly idempotency: IdempotencyRecord | null;
}

/** A commit as it is read back. */
export interface Commit {
  readonly revision: bigint;
  readonly atMs: number;
  readonly actor: string;
  readonly comment: string;
  readonly entries: readonly CommitEntry[];
}

export interface CommitLog {
  /** The newest durable revision. */
  readonly revision: bigint;
  /** Resolves when the set is durable. Rejects with StoreError; then later sets that build on it reject too. */
  append(set: CommitSet): Promise<void>;
  /** Commits after a revision, oldest first, at least one if there is one. Rejects with CompactedError below the horizon. */
  read(after: bigint, limit: number): Promise<Commit[]>;
  /** All commits after a revision, for ever, until aborted. */
  watch(after: bigint, signal: AbortSignal): AsyncIterable<Commit>;
}
