// A restore that is killed, or fails, between any two of its steps: the next central opens the old store or the new one, whole.

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LoadedStore } from "./database.ts";
import { databaseName, loadStore, StoreLock } from "./database.ts";
import { StoreError } from "./errors.ts";
import { finishRestore, restore, restoreSteps } from "./restore.ts";
import { Store } from "./store.ts";
import { Fixture, network } from "./transactor.fixture.ts";

const root = mkdtempSync(join(tmpdir(), "weft-restore-"));
const backup = join(root, "backup.db");
/** A store as a killed central leaves it: most of it is in the log only. */
const killed = join(root, "killed");
let oldId = "";
let dirs = 0;

beforeAll(async () => {
  await using f = new Fixture();
  await f.apply([network("kept", { id: "kept" })]);
  await f.store.backup(backup);
  for (let at = 0; at < 20; at++) await f.apply([network(`later${at}`, { id: `later${at}` })]);
  oldId = f.store.storeId;
  mkdirSync(killed);
  for (const suffix of ["", "-wal", "-shm"]) {
    copyFileSync(join(f.dataDir, databaseName) + suffix, join(killed, databaseName) + suffix);
  }
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function killedStore(): string {
  const dataDir = join(root, `data${dirs++}`);
  mkdirSync(dataDir);
  for (const name of readdirSync(killed)) copyFileSync(join(killed, name), join(dataDir, name));
  return dataDir;
}

interface Found {
  readonly state: "old" | "new";
  readonly revision: bigint;
}

/** What a central finds: what the store does when it opens, without its threads. */
function open(dataDir: string): Found {
  const path = join(dataDir, databaseName);
  using _lock = new StoreLock(path);
  stepAndKill(finishRestore(path), Number.POSITIVE_INFINITY);
  const loaded = loadStore(path);
  const db = new Database(path);
  expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
  db.close();
  return foundIn(loaded);
}

function foundIn({ rows, revision, storeId }: LoadedStore): Found {
  expect(rows.network).toHaveLength(Number(revision));
  return { state: storeId === oldId ? "old" : "new", revision };
}

async function openStore(dataDir: string): Promise<Found> {
  const onFatal = (error: Error): void => {
    throw error;
  };
  await using store = new Store({ dataDir, maxSizeMiB: 0, onFatal });
  return foundIn(store.takeLoaded());
}

/** Opens what a restore put aside, as a store of its own. */
function openAside(dataDir: string, atMs: number): Found {
  const own = join(root, `aside${dirs++}`);
  mkdirSync(own);
  for (const suffix of ["", "-wal"]) {
    const aside = `${join(dataDir, databaseName)}.before-restore-${atMs}${suffix}`;
    if (existsSync(aside)) copyFileSync(aside, join(own, databaseName) + suffix);
  }
  return open(own);
}

/** Does so many steps, and nothing behind them: not what `finally` would do either. */
function stepAndKill(steps: Iterator<void, unknown>, count: number): boolean {
  for (let at = 0; at < count; at++) if (steps.next().done === true) return true;
  return false;
}

const oldState = { state: "old", revision: 21n };
const newState = { state: "new", revision: 1n };

describe("a restore that is killed", () => {
  it("behind any step leaves the old store or the new one, and the old one aside is whole", () => {
    const found: string[] = [];
    for (let count = 1; ; count++) {
      const dataDir = killedStore();
      const isDone = stepAndKill(restoreSteps({ backup, dataDir, nowMs: 7 }), count);
      const now = open(dataDir);
      expect(now).toEqual(now.state === "old" ? oldState : newState);
      found.push(now.state);
      const replaced = now.state === "new" ? openAside(dataDir, 7) : now;
      expect(replaced).toEqual(oldState);
      // And a second restore goes through, whatever the first one left.
      restore({ backup, dataDir, nowMs: 8 });
      expect(open(dataDir)).toEqual(newState);
      const left = readdirSync(dataDir).filter((name) => /restor(ing|ed)/.test(name));
      expect(left).toEqual([]);
      if (isDone) break;
    }
    // One step decides.
    expect(found.join(" ")).toMatch(/^(old ){3,}(new ?){5,}$/);
  });

  it("and whose end is killed as well ends the same", () => {
    for (let first = 5; first <= 9; first++) {
      for (let second = 1; second <= 4; second++) {
        const dataDir = killedStore();
        stepAndKill(restoreSteps({ backup, dataDir, nowMs: 7 }), first);
        stepAndKill(finishRestore(join(dataDir, databaseName)), second);
        expect(open(dataDir)).toEqual(newState);
        expect(openAside(dataDir, 7)).toEqual(oldState);
      }
    }
  });

  it("and is run again with another backup keeps both earlier stores", () => {
    const dataDir = killedStore();
    stepAndKill(restoreSteps({ backup, dataDir, nowMs: 7 }), 6);
    const { replaced } = restore({ backup, dataDir, nowMs: 9 });
    expect(replaced).toBe(`${join(dataDir, databaseName)}.before-restore-9`);
    expect(openAside(dataDir, 7)).toEqual(oldState);
    expect(openAside(dataDir, 9)).toEqual(newState);
  });
});

describe("a restore that fails", () => {
  it("before it is decided leaves the old store", () => {
    const dataDir = killedStore();
    // The place of the copy is taken by what cannot be removed as a file.
    mkdirSync(`${join(dataDir, databaseName)}.restoring`);
    expect(() => restore({ backup, dataDir, nowMs: 7 })).toThrow();
    rmSync(`${join(dataDir, databaseName)}.restoring`, { recursive: true });
    expect(open(dataDir)).toEqual(oldState);
  });

  it("behind that says so, and the next start finishes it", async () => {
    const dataDir = killedStore();
    const blocked = `${join(dataDir, databaseName)}.before-restore-7-wal`;
    mkdirSync(blocked);
    let error: unknown;
    try {
      restore({ backup, dataDir, nowMs: 7 });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(StoreError);
    expect(String(error)).toMatch(/decided and not finished .*next start of central/);
    await expect(openStore(dataDir)).rejects.toThrow(/decided and not finished/);
    rmSync(blocked, { recursive: true });
    expect(await openStore(dataDir)).toEqual(newState);
    expect(openAside(dataDir, 7)).toEqual(oldState);
  });
});
