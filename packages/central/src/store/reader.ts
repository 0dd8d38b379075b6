// The reading SQL that is not for the main thread: history, reads as of a revision, outcomes by idempotency key, backup, check. Owns
// one read-only connection. An answer of many rows ends at so many bytes and says that there is more. Run inside reader-worker.ts; the
// tests call it directly.

import { existsSync, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import Database from "better-sqlite3";
import type { DurableTableName } from "../model/rows.ts";
import type { Commit, CommitAction, CommitEntry } from "./commit-log.ts";
import { configure } from "./database.ts";
import { CompactedError, isCorrupt, toWireError } from "./errors.ts";

/** History goes from the newest revision to the oldest, and inside a revision backwards too: by descending kind and id. */
export interface HistoryQuery {
  /** null = all objects. */
  readonly object: { readonly kind: DurableTableName; readonly id: string } | null;
  readonly limit: number;
  /** null = from the newest. */
  readonly beforeRevision: bigint | null;
  /** Goes on behind the last item of a page; null = the first page. */
  readonly after: HistoryPosition | null;
}

export interface HistoryPosition {
  readonly revision: bigint;
  readonly kind: string;
  readonly id: string;
  /** `compacted` of the first page. */
  readonly compacted: bigint;
}

export interface HistoryItem extends CommitEntry {
  readonly revision: bigint;
  readonly atMs: number;
  readonly actor: string;
  readonly comment: string;
}

export interface HistoryPage {
  readonly items: readonly HistoryItem[];
  /** There may be more behind the last item. */
  readonly more: boolean;
  readonly oldestRevision: bigint;
  /** Up to here only the newest change of each object is left. */
  readonly compacted: bigint;
}

export interface ListAtQuery {
  readonly kind: DurableTableName;
  readonly revision: bigint;
  /** Ids above this one. */
  readonly after: string;
  readonly limit: number;
}

export interface ListAtPage {
  /** Rows as JSON, by ascending id. */
  readonly bodies: readonly string[];
  readonly more: boolean;
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

/** Pages copied in one step. */
const BACKUP_PAGES = 256;
/** Entries of all commits of one read() together; a larger commit comes alone. */
const READ_ENTRIES = 2000;
/**
 * Text of the rows of one history() or listAt(), of at least one row, and of all commits of one read(), of at least one commit: what
 * follows comes with the next call.
 */
const PAGE_BYTES = 2 * 1024 * 1024;
const NEWEST = 2n ** 62n;

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

  /**
   * One page. New revisions do not disturb the following pages: they are above. Throws CompactedError when compaction took entries
   * that were to follow.
   */
  history(query: HistoryQuery): HistoryPage {
    return this.#db.transaction(() => this.#history(query))();
  }

  #history({ object, limit, beforeRevision, after }: HistoryQuery): HistoryPage {
    const { historyOf, historyAll } = this.#statements;
    const oldestRevision = this.oldestRevision();
    const compacted = this.#compacted();
    // Below that, entries may have gone since the first page.
    const floor = after === null || after.compacted === compacted ? -1n : compacted;
    const top = after ?? { revision: beforeRevision ?? NEWEST, kind: "", id: "" };
    const rows =
      object === null
        ? historyAll.iterate(top.revision, top.kind, top.id, floor)
        : historyOf.iterate(object.kind, object.id, top.revision, floor);
    const page = pageOf(rows as Iterable<HistoryRow>, limit, sizeOfHistory);
    if (floor >= 0n && page.rows.length === 0) throw new CompactedError(oldestRevision);
    return {
      items: page.rows.map(itemOf),
      more: page.more || floor >= 0n,
      oldestRevision,
      compacted,
    };
  }

  /** Commits after a revision, whole ones, oldest first. */
  read(query: { after: bigint; limit: number }): Commit[] {
    return this.#asOfOneMoment(query.after, () => this.#read(query));
  }

  #read({ after, limit }: { after: bigint; limit: number }): Commit[] {
    const commits: (Commit & { entries: CommitEntry[] })[] = [];
    let entries = 0;
    let bytes = 0;
    for (const row of this.#statements.after.iterate(after) as Iterable<HistoryRow>) {
      const item = itemOf(row);
      const last = commits.at(-1);
      if (last?.revision === item.revision) {
        last.entries.push(item);
      } else {
        const isFull = commits.length >= limit || entries >= READ_ENTRIES || bytes >= PAGE_BYTES;
        if (isFull) break;
        const { revision, atMs, actor, comment } = item;
        commits.push({ revision, atMs, actor, comment, entries: [item] });
      }
      entries += 1;
      bytes += Buffer.byteLength(item.body);
    }
    return commits;
  }

  /** The body of an object as of a revision; null = it did not exist. */
  getAt(query: { kind: DurableTableName; id: string; revision: bigint }): string | null {
    const { kind, id, revision } = query;
    const row = this.#asOfOneMoment(revision, () =>
      this.#statements.getAt.get(kind, id, revision),
    ) as { action: CommitAction; body: string } | undefined;
    return row === undefined || row.action === "deleted" ? null : row.body;
  }

  /** One page of the objects of a kind as of a revision. */
  listAt(query: ListAtQuery): ListAtPage {
    const { kind, after, revision, limit } = query;
    const page = this.#asOfOneMoment(revision, () => {
      const rows = this.#statements.listAt.iterate(kind, after, revision);
      return pageOf(rows as Iterable<string>, limit, (body) => Buffer.byteLength(body));
    });
    return { bodies: page.rows, more: page.more };
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

  /** Copies the database, as of now, while it is in use. Nothing else may be asked of this reader until it is done. */
  async backup({ path }: { path: string }): Promise<{ bytes: number; revision: bigint }> {
    if (!isAbsolute(path)) throw refused(`"${path}": give an absolute path on central's host`);
    if (existsSync(path)) throw refused(`${path} exists: give the path of a new file`);
    // Reads one moment throughout: else SQLite begins the copy again after each commit, and may never end.
    this.#db.exec("BEGIN");
    try {
      this.oldestRevision();
      await this.#db.backup(path, { progress: () => BACKUP_PAGES });
    } catch (error) {
      const { code, message } = toWireError(error);
      if (isCorrupt(code) || code === "SQLITE_IOERR_READ") throw error;
      const wayOut = "give a path in a folder that central may write, with room for a copy";
      throw refused(`${path} cannot be written (${message}): ${wayOut}`);
    } finally {
      this.#db.exec("COMMIT");
    }
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
    try {
      const found = this.#db.pragma("quick_check(10)") as { quick_check: string }[];
      const texts = found.map((row) => row.quick_check).filter((text) => text !== "ok");
      return texts.map((text) => text.replaceAll("\n", " "));
    } catch (error) {
      // Some damage ends the check itself.
      const { code, message } = toWireError(error);
      if (isCorrupt(code)) return [message];
      throw error;
    }
  }

  /** Newest revision that is older than a time; 0n = none. */
  revisionBefore({ atMs }: { atMs: number }): bigint {
    return BigInt(this.#statements.revisionBefore.get(atMs) as number);
  }

  close(): void {
    this.#db.close();
  }

  #compacted(): bigint {
    return BigInt((this.#statements.compacted.get() as string | undefined) ?? 0);
  }

  /** Runs a query of a revision that must still be kept while it runs. */
  #asOfOneMoment<T>(revision: bigint, query: () => T): T {
    return this.#db.transaction(() => {
      const oldest = this.oldestRevision();
      if (revision < oldest) throw new CompactedError(oldest);
      return query();
    })();
  }
}

/** Takes rows up to a count or until their bytes reach PAGE_BYTES, whichever is first. */
function pageOf<T>(
  found: Iterable<T>,
  limit: number,
  sizeOf: (row: T) => number,
): { rows: T[]; more: boolean } {
  const rows: T[] = [];
  let bytes = 0;
  for (const row of found) {
    bytes += sizeOf(row);
    if (rows.length > 0 && (rows.length === limit || bytes > PAGE_BYTES)) {
      return { rows, more: true };
    }
    rows.push(row);
  }
  return { rows, more: false };
}

function sizeOfHistory({ body, comment, actor }: HistoryRow): number {
  return Buffer.byteLength(body) + Buffer.byteLength(comment) + Buffer.byteLength(actor);
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
    compacted: sql("SELECT value FROM meta WHERE key = 'compacted'").pluck(),
    // Without a position: kind and id empty, so that only lower revisions are below.
    historyAll: sql(
      `${joined} WHERE (revision, kind, id) < (?, ?, ?) AND revision > ?
       ORDER BY revision DESC, kind DESC, id DESC`,
    ),
    historyOf: sql(
      `${joined} WHERE kind = ? AND id = ? AND revision < ? AND revision > ?
       ORDER BY revision DESC`,
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
       ORDER BY id`,
    ).pluck(),
    outcome: sql("SELECT body_hash, outcome FROM idempotency WHERE actor = ? AND key = ?"),
    revisionBefore: sql("SELECT coalesce(max(revision), 0) FROM commits WHERE at_ms < ?").pluck(),
  };
}
