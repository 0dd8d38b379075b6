// Puts a backup in the place of the store: checks it, keeps what was there aside, gives the copy a new store id. Run by
// `weft-central restore`; refuses while a central uses the store. What it leaves when it is cut short is finished by `finishRestore`,
// which each start of central runs.
//
//   copy to .restoring, check, flush | rename to .restored-<ms> | old main, -wal, -shm aside, flush | rename to the main file, flush
//   <---------- old state ---------> ^ decided                  <------------ finished at the next start ------------------------>
//
// One rename decides. Before it the old files are untouched; behind it they are only moved, to names that the decided file tells.
// The main file's name stays free until the old log is away on disk, so no log is ever applied to a database that is not its own.

import {
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { describeError } from "@weft/shared/errors.ts";
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

export interface RestoreOptions {
  readonly backup: string;
  readonly dataDir: string;
  readonly nowMs: number;
}

const decidedSuffix = ".restored-";
/** Of the files that belong to a database; a store that was just being created has a journal. */
const fileSuffixes = ["", "-wal", "-shm", "-journal"];

/** Throws StoreError; then the store is as it was, unless the message says that the restore is decided. */
export function restore(options: RestoreOptions): Restored {
  const path = join(options.dataDir, databaseName);
  mkdirSync(options.dataDir, { recursive: true, mode: 0o750 });
  using _lock = new StoreLock(path);
  const steps = restoreSteps(options);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The steps of a restore, under the lock; between any two of them the process may be killed. */
export function* restoreSteps(options: RestoreOptions): Generator<void, Restored> {
  const { backup, dataDir, nowMs } = options;
  const path = join(dataDir, databaseName);
  if (!existsSync(backup)) {
    throw new StoreError("rejected", `${backup} does not exist: name a file that Backup wrote`);
  }
  yield* finishRestore(path);
  const staged = stagedPath(path);
  // The journal of a restore that was cut short must not be applied to this copy.
  dropStaged(staged);
  try {
    yield;
    copyFileSync(backup, staged);
    yield;
    const identity = checkAndRename(staged, backup);
    yield;
    sync(staged);
    const decided = `${path}${decidedSuffix}${nowMs}`;
    const hadStore = fileSuffixes.some((suffix) => existsSync(path + suffix));
    yield;
    renameSync(staged, decided);
    sync(dataDir);
    yield;
    yield* finishRestore(path);
    return { ...identity, replaced: hadStore ? asidePath(path, String(nowMs)) : null };
  } finally {
    dropStaged(staged);
  }
}

/** Puts a database whose restore is decided in its place; nothing without one. Under the lock. Throws StoreError. */
export function* finishRestore(path: string): Generator<void, void> {
  const prefix = `${basename(path)}${decidedSuffix}`;
  const dir = dirname(path);
  const names = existsSync(dir) ? readdirSync(dir) : [];
  const decided = names.find((name) => name.startsWith(prefix));
  if (decided === undefined) return;
  const aside = asidePath(path, decided.slice(prefix.length));
  try {
    for (const suffix of fileSuffixes) {
      if (!existsSync(path + suffix)) continue;
      renameSync(path + suffix, aside + suffix);
      yield;
    }
    sync(dir);
    yield;
    renameSync(join(dir, decided), path);
    sync(dir);
  } catch (error) {
    const text = `the restore of ${path} is decided and not finished (${describeError(error)}): mend that; the next start of central, or the next restore, finishes it`;
    throw new StoreError("rejected", text, { cause: error });
  }
}

/** Where the database that a restore replaces is kept, with its log. */
const asidePath = (path: string, atMs: string): string => `${path}.before-restore-${atMs}`;

function dropStaged(staged: string): void {
  for (const suffix of fileSuffixes) rmSync(staged + suffix, { force: true });
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
