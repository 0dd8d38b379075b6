// Puts a backup in the place of the store: checks it, keeps what was there aside, gives the copy a new store id. Run by
// `weft-central restore`; refuses while a central uses the store.

import {
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  closeSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { databaseName, stagedPath, StoreLock, writeNewStoreId } from "./database.ts";
import { StoreError, storeError, toWireError } from "./errors.ts";
import { applicationId, migrations } from "./schema.ts";

export interface Restored {
  readonly storeId: string;
  readonly revision: bigint;
  /** Where the store that was there is now; null = there was none. */
  readonly replaced: string | null;
}

/** Throws StoreError; then the store is as it was. */
export function restore(options: { backup: string; dataDir: string; nowMs: number }): Restored {
  const { backup, dataDir } = options;
  if (!existsSync(backup)) {
    throw new StoreError("rejected", `${backup} does not exist: name a file that Backup wrote`);
  }
  const path = join(dataDir, databaseName);
  mkdirSync(dataDir, { recursive: true, mode: 0o750 });
  using _lock = new StoreLock(path);
  const staged = stagedPath(path);
  const dropStaged = (): void => {
    for (const suffix of ["", "-journal", "-wal", "-shm"]) rmSync(staged + suffix, { force: true });
  };
  // The journal of a restore that was cut short must not be applied to this copy.
  dropStaged();
  try {
    copyFileSync(backup, staged);
    const identity = checkAndRename(staged, backup);
    sync(staged);
    // The log of an old database must not be applied to the new one; it may be all that an earlier, interrupted restore left.
    const old = ["", "-wal", "-shm"].filter((suffix) => existsSync(path + suffix));
    const aside = `${path}.before-restore-${options.nowMs}`;
    for (const suffix of old) renameSync(path + suffix, aside + suffix);
    const replaced = old.length === 0 ? null : aside;
    renameSync(staged, path);
    sync(dataDir);
    return { ...identity, replaced };
  } finally {
    dropStaged();
  }
}

function checkAndRename(staged: string, backup: string): { storeId: string; revision: bigint } {
  let db: Database.Database | undefined;
  try {
    db = new Database(staged);
    const version = Number(db.pragma("user_version", { simple: true }));
    if (db.pragma("application_id", { simple: true }) !== applicationId || version === 0) {
      throw new StoreError("rejected", `${backup} is no backup of weft-central: name another file`);
    }
    if (version > migrations.length) {
      throw new StoreError(
        "rejected",
        `${backup} is of a newer weft-central: restore it with that`,
      );
    }
    const [result] = db.pragma("integrity_check(1)") as { integrity_check: string }[];
    if (result?.integrity_check !== "ok") {
      const text = `${backup} is damaged (${result?.integrity_check}): use another backup`;
      throw new StoreError("rejected", text);
    }
    const storeId = writeNewStoreId(db);
    // Who held a port or an address then, or was fenced, says nothing about now. An older backup has not all of these.
    for (const { name } of db
      .prepare("SELECT name FROM sqlite_schema WHERE name IN ('binding', 'claim', 'fenced')")
      .all() as { name: string }[]) {
      db.exec(`DELETE FROM ${name}`);
    }
    const revision = db.prepare("SELECT coalesce(max(revision), 0) FROM commits").pluck().get();
    db.pragma("journal_mode = DELETE");
    return { storeId, revision: BigInt(revision as number) };
  } catch (error) {
    throw error instanceof StoreError ? error : storeError(toWireError(error), backup);
  } finally {
    db?.close();
  }
}

function sync(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
