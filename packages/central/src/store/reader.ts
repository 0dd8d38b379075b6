// The reading SQL that is not for the main thread: history, reads as of a revision, outcomes by idempotency key, backup, check. Owns
// one read-only connection. Run inside reader-worker.ts; the tests call it directly.

import { existsSync, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import Database from "better-sqlite3";
import type { DurableTableName } from "../model/rows.ts";
import type { Commit, CommitAction, CommitEntry } from "./commit-log.ts";
import { configure } from "./database.ts";
import { CompactedError } from "./errors.ts";

export interface HistoryQuery {
  /** null = all objects. */
  readonly object: { readonly kind: DurableTableName; readonly id: string } | null;
  readonly limit: number;
  /** null = from the newest. */
  readonly beforeRevision: bigint | null;
}

export interface HistoryItem extends CommitEntry {
  readonly revision: bigint;
  readonly atMs: number;
  readonly actor: string;
  readonly comment: string;
}

export interface HistoryPage {
  readonly items: readonly HistoryItem[];
  readonly oldestRevision: bigint;
}

export interface ListAtQuery {
  readonly kind: DurableTableName;
  readonly revision: bigint;
  /** Ids above this one. */
  readonly after: string;
  readonly limit: number;
}

interface HistoryRow {
  revision: number;
  at_ms: number;
  actor: string;
  comment: string;
  action: CommitAction;
  kind: DurableTableName;
  id: string;
  body: string;
}

/** Pages copied between two looks at other calls. */
const BACKUP_PAGES = 256;
/** Entries of all commits of one read() together; a larger commit comes alone. */
const READ_ENTRIES = 2000;

export class Reader {
  readonly #db: Database.Database;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(options: { path: string }) {
    this.#db = new Database(options.path, { readonly: true, fileMustExist: true });
    configure(this.#db);
    this.#statements = prepare(this.#db);
  }

  /** Oldest revision that can be read; everything before it is one image. */
  oldestRevision(): bigint {
    return BigInt((this.#statements.horizon.get() as string | undefined) ?? 0);
  }

  history(query: HistoryQuery): HistoryPage {
    const before = query.beforeRevision ?? 2n ** 62n;
    const { historyOf, historyAll } = this.#statements;
    const rows =
      query.object === null
        ? historyAll.all(before, query.limit)
        : historyOf.all(query.object.kind, query.object.id, before, query.limit);
    return { items: (rows as HistoryRow[]).map(itemOf), oldestRevision: this.oldestRevision() };
  }

  /** Commits after a revision, whole ones, oldest first. */
  read({ after, limit }: { after: bigint; limit: number }): Commit[] {
    this.#checkKept(after);
    const commits: (Commit & { entries: CommitEntry[] })[] = [];
    let entries = 0;
    for (const row of this.#statements.after.iterate(after) as Iterable<HistoryRow>) {
      const item = itemOf(row);
      const last = commits.at(-1);
      if (last?.revision === item.revision) {
        last.entries.push(item);
      } else {
        if (commits.length >= limit || entries >= READ_ENTRIES) break;
        const { revision, atMs, actor, comment } = item;
        commits.push({ revision, atMs, actor, comment, entries: [item] });
      }
      entries += 1;
    }
    return commits;
  }

  /** The body of an object as of a revision; null = it did not exist. */
  getAt(query: { kind: DurableTableName; id: string; revision: bigint }): string | null {
    this.#checkKept(query.revision);
    const row = this.#statements.getAt.get(query.kind, query.id, query.revision) as
      | { action: CommitAction; body: string }
      | undefined;
    return row === undefined || row.action === "deleted" ? null : row.body;
  }

  /** Bodies of the objects of a kind as of a revision, by ascending id. */
  listAt(query: ListAtQuery): string[] {
    this.#checkKept(query.revision);
    const { kind, after, revision, limit } = query;
    return this.#statements.listAt.all(kind, after, revision, limit) as string[];
  }

  outcome(query: {
    actor: string;
    key: string;
  }): { bodyHash: Uint8Array; outcome: Uint8Array } | null {
    const row = this.#statements.outcome.get(query.actor, query.key) as
      | { body_hash: Buffer; outcome: Buffer }
      | undefined;
    return row === undefined ? null : { bodyHash: row.body_hash, outcome: row.outcome };
  }

  /** Copies the database while it is in use. */
  async backup({ path }: { path: string }): Promise<{ bytes: number; revision: bigint }> {
    if (!isAbsolute(path)) throw refused(`"${path}": give an absolute path on central's host`);
    if (existsSync(path)) throw refused(`${path} exists: give the path of a new file`);
    await this.#db.backup(path, { progress: () => BACKUP_PAGES });
    const copy = new Database(path);
    try {
      // As one file that can be moved.
      copy.pragma("journal_mode = DELETE");
      const revision = copy.prepare("SELECT coalesce(max(revision), 0) FROM commits").pluck().get();
      return { bytes: statSync(path).size, revision: BigInt(revision as number) };
    } finally {
      copy.close();
    }
  }

  /** What SQLite's own check finds; empty = sound. */
  check(): string[] {
    const found = this.#db.pragma("quick_check(10)") as { quick_check: string }[];
    return found.map((row) => row.quick_check).filter((text) => text !== "ok");
  }

  /** Newest revision that is older than a time; 0n = none. */
  revisionBefore({ atMs }: { atMs: number }): bigint {
    return BigInt(this.#statements.revisionBefore.get(atMs) as number);
  }

  close(): void {
    this.#db.close();
  }

  #checkKept(revision: bigint): void {
    const oldest = this.oldestRevision();
    if (revision < oldest) throw new CompactedError(oldest);
  }
}

function refused(message: string): Error {
  return Object.assign(new Error(message), { code: "REFUSED" });
}

function itemOf(row: HistoryRow): HistoryItem {
  const { at_ms: atMs, revision, actor, comment, action, kind, id, body } = row;
  return { revision: BigInt(revision), atMs, actor, comment, action, kind, id, body };
}

function prepare(db: Database.Database) {
  const sql = (text: string): Database.Statement => db.prepare(text);
  const columns = "revision, at_ms, actor, comment, action, kind, id, body";
  const joined = `SELECT ${columns} FROM history JOIN commits USING (revision)`;
  return {
    horizon: sql("SELECT value FROM meta WHERE key = 'horizon'").pluck(),
    historyAll: sql(`${joined} WHERE revision < ? ORDER BY revision DESC, kind, id LIMIT ?`),
    historyOf: sql(
      `${joined} WHERE kind = ? AND id = ? AND revision < ? ORDER BY revision DESC LIMIT ?`,
    ),
    after: sql(`${joined} WHERE revision > ? ORDER BY revision, kind, id`),
    getAt: sql(
      `SELECT action, body FROM history WHERE kind = ? AND id = ? AND revision <= ?
       ORDER BY revision DESC LIMIT 1`,
    ),
    listAt: sql(
      `SELECT body FROM history AS h WHERE kind = ? AND id > ? AND action <> 'deleted'
       AND revision = (SELECT max(revision) FROM history
                       WHERE kind = h.kind AND id = h.id AND revision <= ?)
       ORDER BY id LIMIT ?`,
    ).pluck(),
    outcome: sql("SELECT body_hash, outcome FROM idempotency WHERE actor = ? AND key = ?"),
    revisionBefore: sql("SELECT coalesce(max(revision), 0) FROM commits WHERE at_ms < ?").pluck(),
  };
}
