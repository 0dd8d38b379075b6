// Opens the store's file: lock, identity, migrations, pragmas; loads everything that lives in memory. Owns the file's life before the
// threads take over. Synchronous: called at start by store.ts, and by restore.ts.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { uuidFromBytes } from "@weft/shared/ids.ts";
import Database from "better-sqlite3";
import type { FreedValue } from "../ipam/allocator.ts";
import type { BindingRow, BindingState, ClaimRow, DurableTableName, Rows } from "../model/rows.ts";
import { decodeRow } from "./codec.ts";
import { corruptText, StoreCorruptError, StoreError, storeError, toWireError } from "./errors.ts";
import { applicationId, migrations } from "./schema.ts";

export const databaseName = "central.db";

/** Where a restore prepares the database that is to replace the one at `path`. */
export const stagedPath = (path: string): string => `${path}.restoring`;

/** Cached pages of a connection, in KiB. */
const CACHE_KIB = 8192;

export interface LoadedStore {
  readonly storeId: string;
  readonly revision: bigint;
  readonly rows: { readonly [T in DurableTableName]: readonly Rows[T][] };
  readonly freed: readonly FreedValue[];
  readonly bindings: readonly BindingRow[];
  readonly claims: readonly ClaimRow[];
  /** Chassis ids. */
  readonly fenced: readonly string[];
}

/** Pragmas that every connection needs. */
export function configure(db: Database.Database): void {
  db.pragma("foreign_keys = ON");
  db.pragma(`cache_size = -${CACHE_KIB}`);
  // Only the threads of this process share the file; they wait for each other's short locks.
  db.pragma("busy_timeout = 5000");
}

/** Holds the right to be the only central on a database until it is closed. */
export class StoreLock implements Disposable {
  readonly #db: Database.Database;

  /** Throws StoreError (rejected) when another process has it. */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    this.#db = new Database(`${path}.lock`, { timeout: 0 });
    try {
      this.#db.pragma("locking_mode = EXCLUSIVE");
      this.#db.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      this.#db.close();
      const text = `another weft-central uses ${path}: stop it, or give another --data-dir`;
      throw new StoreError("rejected", text, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

/** Creates or migrates the database and reads what lives in memory. Throws StoreError. */
export function loadStore(path: string): LoadedStore {
  const isNew = !existsSync(path);
  if (isNew && existsSync(stagedPath(path))) {
    const text = `a restore of ${path} was interrupted: run "weft-central restore FILE" again`;
    throw new StoreError("rejected", text);
  }
  let db: Database.Database | undefined;
  try {
    db = new Database(path);
    configure(db);
    checkIdentity(db, path, isNew);
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = FULL");
    migrate(db, path);
    forgetDeleted(db);
    return load(db, path);
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw storeError(toWireError(error), path);
  } finally {
    db?.close();
  }
}

function checkIdentity(db: Database.Database, path: string, isNew: boolean): void {
  const isEmpty = db.prepare("SELECT count(*) FROM sqlite_schema").pluck().get() === 0;
  const id = db.pragma("application_id", { simple: true });
  if (isNew || (isEmpty && id === 0)) {
    db.pragma(`application_id = ${applicationId}`);
  } else if (id !== applicationId) {
    throw new StoreCorruptError("rejected", corruptText(path, "it is no Weft database"));
  }
}

function migrate(db: Database.Database, path: string): void {
  const version = Number(db.pragma("user_version", { simple: true }));
  if (version > migrations.length) {
    const text = `${path} was written by a newer weft-central (schema ${version}, known ${migrations.length}): run that version`;
    throw new StoreError("rejected", text);
  }
  for (const [index, sql] of migrations.entries()) {
    if (index < version) continue;
    db.transaction(() => {
      db.exec(sql);
      db.pragma(`user_version = ${index + 1}`);
      if (index === 0) writeNewStoreId(db);
    }).immediate();
  }
}

/** Gives the store a new identity: agents then ask before they take its state. */
export function writeNewStoreId(db: Database.Database): string {
  const storeId = uuidFromBytes(randomBytes(16));
  db.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('store_id', ?)").run(storeId);
  return storeId;
}

/** Deletions are durable before the next checkpoint is: what it kept of them must not meet an object that has the id again. */
function forgetDeleted(db: Database.Database): void {
  const ids = (kind: string): string => `(SELECT id FROM object WHERE kind = '${kind}')`;
  db.exec(`
    DELETE FROM binding WHERE port NOT IN ${ids("port")};
    DELETE FROM claim WHERE port NOT IN ${ids("port")};
    DELETE FROM fenced WHERE chassis NOT IN ${ids("chassis")};
  `);
}

function load(db: Database.Database, path: string): LoadedStore {
  const storeId = db.prepare("SELECT value FROM meta WHERE key = 'store_id'").pluck().get();
  if (typeof storeId !== "string") {
    throw new StoreCorruptError("rejected", corruptText(path, "it has no store id"));
  }
  const revision = db.prepare("SELECT coalesce(max(revision), 0) FROM commits").pluck().get();
  const bodies = db.prepare("SELECT body FROM object WHERE kind = ?").pluck();
  const rowsOf = <T extends DurableTableName>(table: T): Rows[T][] => {
    try {
      return (bodies.all(table) as string[]).map((body) => decodeRow(table, body));
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
      const text = corruptText(path, `a ${table} cannot be read`);
      throw new StoreCorruptError("rejected", text, { cause: error });
    }
  };
  return {
    storeId,
    revision: BigInt(revision as number),
    rows: {
      network: rowsOf("network"),
      subnet: rowsOf("subnet"),
      port: rowsOf("port"),
      chassis: rowsOf("chassis"),
      router: rowsOf("router"),
      "router-interface": rowsOf("router-interface"),
      route: rowsOf("route"),
      "policy-route": rowsOf("policy-route"),
      "router-link": rowsOf("router-link"),
      "route-leak": rowsOf("route-leak"),
    },
    freed: loadFreed(db),
    bindings: loadBindings(db),
    claims: loadClaims(db),
    fenced: db.prepare("SELECT chassis FROM fenced").pluck().all() as string[],
  };
}

function loadFreed(db: Database.Database): FreedValue[] {
  const rows = db
    .prepare("SELECT space, value, at_ms AS atMs, revision FROM freed ORDER BY at_ms, revision")
    .all() as { space: string; value: string; atMs: number; revision: number }[];
  return rows.map(({ space, value, atMs, revision }) => ({
    space,
    value,
    atMs,
    revision: BigInt(revision),
  }));
}

function loadBindings(db: Database.Database): BindingRow[] {
  const rows = db.prepare("SELECT * FROM binding").all() as {
    port: string;
    chassis: string;
    generation: number;
    state: string;
    reason: string;
    mtu_bytes: number;
  }[];
  return rows.map((row) => ({
    id: row.port,
    chassis: row.chassis,
    generation: BigInt(row.generation),
    state: row.state as BindingState,
    reason: row.reason,
    mtuBytes: row.mtu_bytes,
  }));
}

function loadClaims(db: Database.Database): ClaimRow[] {
  const rows = db.prepare("SELECT * FROM claim").all() as (Omit<ClaimRow, "id" | "generation"> & {
    generation: number;
  })[];
  return rows.map(({ network, ip, mac, port, generation }) => {
    const id = `${network}/${ip}`;
    return { id, network, ip, mac, port, generation: BigInt(generation) };
  });
}
