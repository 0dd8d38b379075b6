// The writing SQL: appends sets, keeps the checkpoint of what is volatile, compacts. Owns the one writing connection; synchronous. Run inside
// writer-worker.ts; the tests call it directly.

import Database from "better-sqlite3";
import type { BindingRow, ClaimRow } from "../model/rows.ts";
import type { CommitSet } from "./commit-log.ts";
import { configure } from "./database.ts";
import { toWireError } from "./errors.ts";
import type { WireError } from "./errors.ts";

export interface CompactRequest {
  /** History up to here becomes one image. */
  readonly horizon: number;
  /** Revisions a call. */
  readonly slice: number;
  readonly idempotencyBeforeMs: number;
  readonly addressesBeforeMs: number;
}

export interface CheckpointRequest {
  readonly bindings: {
    readonly upserts: readonly BindingRow[];
    /** Port ids. */
    readonly deletes: readonly string[];
  };
  readonly claims: {
    readonly upserts: readonly ClaimRow[];
    readonly deletes: readonly ClaimRow[];
  };
  /** Chassis that are fenced now, or are not any more. */
  readonly fenced: { readonly upserts: readonly string[]; readonly deletes: readonly string[] };
}

export interface AppendAnswer {
  /** How many of the sets, from the first, are durable. */
  readonly committed: number;
  /** Why the next one is not. */
  readonly error: WireError | null;
}

/** Entries that one slice of compaction looks at; a revision that has more is a slice of its own. */
const COMPACT_ENTRIES = 5000;

export class Writer {
  readonly #db: Database.Database;
  readonly #statements: ReturnType<typeof prepare>;
  #revision: number;

  constructor(options: { path: string; maxPages: number }) {
    this.#db = new Database(options.path, { fileMustExist: true });
    configure(this.#db);
    this.#db.pragma("synchronous = FULL");
    if (options.maxPages > 0) this.#db.pragma(`max_page_count = ${options.maxPages}`);
    this.#statements = prepare(this.#db);
    this.#revision = this.#statements.newestRevision.get() as number;
  }

  /** Commits the sets in one disk transaction. A set that fails takes the later ones with it, not the earlier ones. */
  append(sets: readonly CommitSet[]): AppendAnswer {
    const before = this.#revision;
    let committed = 0;
    let error: WireError | null = null;
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      for (const set of sets) {
        error = this.#appendOne(set);
        if (error !== null) break;
        committed += 1;
      }
      // SQLITE_FULL may have ended the transaction already, with everything in it.
      if (this.#db.inTransaction) this.#db.exec("COMMIT");
      else committed = 0;
    } catch (thrown) {
      error = toWireError(thrown);
      committed = 0;
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
    }
    if (committed === 0) this.#revision = before;
    return { committed, error };
  }

  /** Replaces what is kept of some bindings, claims and fences. */
  checkpoint({ bindings, claims, fenced }: CheckpointRequest): void {
    const { deleteBinding, putBinding, deleteClaim, putClaim, deleteFenced, putFenced } =
      this.#statements;
    this.#db
      .transaction(() => {
        for (const port of bindings.deletes) deleteBinding.run(port);
        for (const row of bindings.upserts) {
          putBinding.run(row.id, row.chassis, row.generation, row.state, row.reason, row.mtuBytes);
        }
        for (const { network, ip } of claims.deletes) deleteClaim.run(network, ip);
        for (const row of claims.upserts) {
          putClaim.run(row.network, row.ip, row.mac, row.port, row.generation);
        }
        for (const chassis of fenced.deletes) deleteFenced.run(chassis);
        for (const chassis of fenced.upserts) putFenced.run(chassis);
      })
      .immediate();
  }

  /** Compacts one slice; true when there is more to do. */
  compact(request: CompactRequest): boolean {
    const { horizon, slice } = request;
    const s = this.#statements;
    return this.#db
      .transaction(() => {
        s.purgeIdempotency.run(request.idempotencyBeforeMs);
        s.purgeAddresses.run(request.addressesBeforeMs);
        if (horizon > Number(s.getMeta.get("horizon") ?? 0))
          s.setMeta.run("horizon", String(horizon));
        const from = Number(s.getMeta.get("compacted") ?? 0);
        const beyond = s.revisionOfEntry.get(from, COMPACT_ENTRIES) as number | undefined;
        const fits = Math.max(from + 1, (beyond ?? Number.MAX_SAFE_INTEGER) - 1);
        const to = Math.min(horizon, from + slice, fits);
        if (to <= from) return false;
        for (const entry of s.entriesBetween.all(from, to) as HistoryKey[]) this.#supersede(entry);
        s.setMeta.run("compacted", String(to));
        return to < horizon;
      })
      .immediate();
  }

  /** Writes something small: does the disk take writes again? */
  probe(): void {
    this.#statements.setMeta.run("probe", String(this.#revision));
  }

  close(): void {
    this.#db.close();
  }

  /** Removes what an entry at or below the horizon made obsolete; a deletion goes with it. */
  #supersede({ revision, kind, id, action }: HistoryKey): void {
    const s = this.#statements;
    for (const old of s.olderEntries.all(kind, id, revision) as { revision: number }[]) {
      s.deleteEntry.run(old.revision, kind, id);
      s.deleteEmptyCommit.run(old.revision, old.revision);
    }
    if (action !== "deleted") return;
    s.deleteEntry.run(revision, kind, id);
    // The newest commit stays: it tells the revision of the store.
    if (revision < this.#revision) s.deleteEmptyCommit.run(revision, revision);
  }

  #appendOne(set: CommitSet): WireError | null {
    if (set.expectedRevision !== BigInt(this.#revision)) {
      const message = `a set expects revision ${set.expectedRevision}, the store is at ${this.#revision}`;
      return { code: "STALE_HEAD", message };
    }
    const revision = set.entries.length === 0 ? this.#revision : this.#revision + 1;
    this.#db.exec("SAVEPOINT one_set");
    try {
      this.#write(set, revision);
      this.#db.exec("RELEASE one_set");
      this.#revision = revision;
      return null;
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK TO one_set; RELEASE one_set");
      return toWireError(error);
    }
  }

  #write(set: CommitSet, revision: number): void {
    const s = this.#statements;
    if (set.entries.length > 0) {
      s.insertCommit.run(revision, set.atMs, set.actor, set.comment);
      // First all out, then all in: names and keys may change places inside a set.
      for (const { kind, id } of set.entries) s.deleteObject.run(kind, id);
      for (const { kind, id, action, body } of set.entries) {
        if (action !== "deleted") s.insertObject.run(kind, id, revision, body);
        s.insertHistory.run(revision, kind, id, action, body);
      }
    }
    for (const { space, value } of set.reused) s.deleteFreed.run(space, value);
    for (const { space, value } of set.freed) s.putFreed.run(space, value, set.atMs, revision);
    if (set.idempotency !== null) {
      const { key, bodyHash, outcome } = set.idempotency;
      s.putIdempotency.run(set.actor, key, bodyHash, outcome, set.atMs);
    }
  }
}

interface HistoryKey {
  readonly revision: number;
  readonly kind: string;
  readonly id: string;
  readonly action: string;
}

function prepare(db: Database.Database) {
  const sql = (text: string): Database.Statement => db.prepare(text);
  return {
    newestRevision: sql("SELECT coalesce(max(revision), 0) FROM commits").pluck(),
    insertCommit: sql("INSERT INTO commits (revision, at_ms, actor, comment) VALUES (?, ?, ?, ?)"),
    deleteObject: sql("DELETE FROM object WHERE kind = ? AND id = ?"),
    insertObject: sql("INSERT INTO object (kind, id, revision, body) VALUES (?, ?, ?, ?)"),
    insertHistory: sql(
      "INSERT INTO history (revision, kind, id, action, body) VALUES (?, ?, ?, ?, ?)",
    ),
    putFreed: sql(
      "INSERT OR REPLACE INTO freed (space, value, at_ms, revision) VALUES (?, ?, ?, ?)",
    ),
    deleteFreed: sql("DELETE FROM freed WHERE space = ? AND value = ?"),
    putIdempotency: sql(
      `INSERT OR REPLACE INTO idempotency (actor, key, body_hash, outcome, at_ms)
       VALUES (?, ?, ?, ?, ?)`,
    ),
    putBinding: sql(
      `INSERT OR REPLACE INTO binding (port, chassis, generation, state, reason, mtu_bytes)
       VALUES (?, ?, ?, ?, ?, ?)`,
    ),
    deleteBinding: sql("DELETE FROM binding WHERE port = ?"),
    putClaim: sql(
      "INSERT OR REPLACE INTO claim (network, ip, mac, port, generation) VALUES (?, ?, ?, ?, ?)",
    ),
    putFenced: sql("INSERT OR IGNORE INTO fenced (chassis) VALUES (?)"),
    deleteFenced: sql("DELETE FROM fenced WHERE chassis = ?"),
    deleteClaim: sql("DELETE FROM claim WHERE network = ? AND ip = ?"),
    getMeta: sql("SELECT value FROM meta WHERE key = ?").pluck(),
    setMeta: sql("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"),
    purgeIdempotency: sql("DELETE FROM idempotency WHERE at_ms < ?"),
    purgeAddresses: sql("DELETE FROM freed WHERE space GLOB 'address/*' AND at_ms < ?"),
    revisionOfEntry: sql(
      "SELECT revision FROM history WHERE revision > ? ORDER BY revision LIMIT 1 OFFSET ?",
    ).pluck(),
    entriesBetween: sql(
      `SELECT revision, kind, id, action FROM history WHERE revision > ? AND revision <= ?
       ORDER BY revision`,
    ),
    olderEntries: sql("SELECT revision FROM history WHERE kind = ? AND id = ? AND revision < ?"),
    deleteEntry: sql("DELETE FROM history WHERE revision = ? AND kind = ? AND id = ?"),
    deleteEmptyCommit: sql(
      `DELETE FROM commits WHERE revision = ?
       AND NOT EXISTS (SELECT 1 FROM history WHERE revision = ?)`,
    ),
  };
}
