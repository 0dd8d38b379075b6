// Faults of the disk and of the file, and long work beside short: what ends writing, what goes on, and who waits for whom.

import { execFileSync } from "node:child_process";
import { mkdtempSync, openSync, closeSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { databaseName } from "./database.ts";
import {
  StoreCorruptError,
  StoreError,
  StoreFullError,
  StoreIoError,
  storeError,
} from "./errors.ts";
import { Reader } from "./reader.ts";
import { Fixture, network } from "./transactor.fixture.ts";
import { Writer } from "./writer.ts";

const labels = Object.fromEntries(
  Array.from({ length: 60 }, (_, at) => [`k${at}`, "x".repeat(250)]),
);
const big = (name: string) => network(name, { id: name, labels });

const body = (name: string): string =>
  JSON.stringify({ id: "b0", name, project: "default", key: 1, revision: "1" });

/** From now on no write of this process goes beyond so many bytes of a file: the kernel answers EFBIG. */
function limitFiles(bytes: number | "unlimited"): void {
  execFileSync("prlimit", ["--pid", String(process.pid), `--fsize=${bytes}:`]);
}

describe("an I/O error of a write", () => {
  it("ends writing and the process; the next life has all that was confirmed", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "weft-faults-"));
    const fatal: Error[] = [];
    const f = new Fixture({ dataDir, onFatal: (error) => fatal.push(error) });
    await f.apply([network("n1", { id: "n1" })]);
    let outcomes: PromiseSettledResult<unknown>[];
    limitFiles(512 * 1024);
    try {
      outcomes = await Promise.allSettled(
        Array.from({ length: 200 }, (_, at) => f.apply([big(`b${at}`)])),
      );
    } finally {
      limitFiles("unlimited");
    }
    const failed = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(failed.length).toBeGreaterThan(0);
    for (const { reason } of failed) expect(reason).toBeInstanceOf(StoreIoError);
    expect(fatal).toHaveLength(1);
    const [error] = fatal;
    expect(error).toMatchObject({ kind: "transient" });
    expect(String(error)).toMatch(
      /^StoreIoError: writing .*central\.db or its -wal failed \(SQLITE_IOERR_WRITE\): see .*kernel log.*central stops.*same idempotency key/,
    );

    // The disk is well again; this life still writes nothing, and reads.
    await f.store.probe();
    expect(f.store.writeState).toBe(error?.message);
    await expect(f.apply([network("n2")])).rejects.toBe(error);
    await f.store.checkpoint({
      bindings: { upserts: [], deletes: [] },
      claims: { upserts: [], deletes: [] },
      fenced: { upserts: ["c1"], deletes: [] },
    });
    expect(await f.store.getAt({ kind: "network", id: "n1", revision: 1n })).not.toBeNull();
    const confirmed = f.model.revision;
    await f.close();

    await using again = new Fixture({ dataDir });
    expect(again.model.revision).toBeGreaterThanOrEqual(confirmed);
    for (const id of f.model.sortedIds("network")) {
      expect(again.model.get("network", id)).toEqual(f.model.get("network", id));
    }
    await again.apply([network("n2")]);
    rmSync(dataDir, { recursive: true, force: true });
  });

  it.each<[string, new (...args: never[]) => StoreError, RegExp]>([
    ["SQLITE_FULL", StoreFullError, /^the disk of F is full/],
    ["SQLITE_IOERR_FSYNC", StoreIoError, /^flushing F or its -wal failed \(SQLITE_IOERR_FSYNC\)/],
    ["SQLITE_IOERR_DIR_FSYNC", StoreIoError, /^flushing the folder of F/],
    ["SQLITE_IOERR_WRITE", StoreIoError, /^writing F or its -wal failed/],
    ["SQLITE_IOERR_SHORT_READ", StoreIoError, /^reading F or its -wal failed/],
    ["SQLITE_IOERR_SHMMAP", StoreIoError, /^using F or its -wal failed/],
    ["SQLITE_IOERR", StoreIoError, /^using F or its -wal failed/],
    ["SQLITE_CORRUPT_INDEX", StoreCorruptError, /^the database F is damaged/],
    ["SQLITE_BUSY", StoreError, /^F: text \(SQLITE_BUSY\)/],
  ])("%s is told as what it is", (code, type, message) => {
    const error = storeError({ code, message: "text" }, "F") as StoreError;
    expect(error.constructor).toBe(type);
    expect(error.message).toMatch(message);
  });
});

describe("a damaged file", () => {
  it("that the check finds ends writing for good; reads go on", async () => {
    await using f = new Fixture();
    await f.apply([network("n1", { id: "n1" })]);
    const { dataDir } = f;
    await f.close();
    const path = join(dataDir, databaseName);
    const db = new Database(path);
    const query = "SELECT rootpage FROM sqlite_schema WHERE name = 'idempotency_at'";
    const page = db.prepare(query).pluck().get() as number;
    db.close();
    const file = openSync(path, "r+");
    writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, (page - 1) * 4096);
    closeSync(file);

    const again = new Fixture({ dataDir });
    const found = await again.store.check();
    expect(found).not.toEqual([]);
    expect(again.store.writeState).toMatch(/is damaged .*weft-central restore FILE/);
    const refused: unknown = await again.apply([network("n2")]).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StoreCorruptError);
    expect(refused).toMatchObject({ kind: "transient" });
    await again.store.probe();
    expect(again.store.writeState).toContain("is damaged");
    expect(await again.store.getAt({ kind: "network", id: "n1", revision: 1n })).not.toBeNull();
    await again.close();
  });
});

describe("long work", () => {
  it("a backup is of the moment it began, and ends however much is written meanwhile", async () => {
    await using f = new Fixture();
    await f.apply(Array.from({ length: 300 }, (_, at) => big(`b${at}`)));
    const path = join(f.dataDir, databaseName);
    const writer = new Writer({ path, maxPages: 0 });
    const reader = new Reader({ path });
    let isDone = false;
    const backup = reader.backup({ path: join(f.dataDir, "copy.db") }).finally(() => {
      isDone = true;
    });
    let writes = 0;
    while (!isDone && writes < 1000) {
      writer.append([
        {
          ...{ expectedRevision: BigInt(1 + writes), atMs: 1, actor: "", comment: "" },
          entries: [{ kind: "network", id: "b0", action: "updated", body: body(`name${writes}`) }],
          ...{ freed: [], reused: [], idempotency: null },
        },
      ]);
      writes += 1;
      await setImmediate();
    }
    expect(isDone).toBe(true);
    expect(await backup).toMatchObject({ revision: 1n });
    expect(writes).toBeGreaterThan(5);
    reader.close();
    writer.close();
  });

  it("delays neither a watch that resumes nor a write nor history", async () => {
    await using f = new Fixture();
    for (let set = 0; set < 3; set++) {
      await f.apply(Array.from({ length: 300 }, (_, at) => big(`b${at}-${set}`)));
    }
    const order: string[] = [];
    const done = (name: string) => () => order.push(name);
    const target = join(f.dataDir, "copy.db");
    const long = [
      ...Array.from({ length: 6 }, () => f.store.check().then(done("check"))),
      f.store.backup(target).then(done("backup")),
    ];
    const abort = new AbortController();
    const watching = f.store.watch(1n, abort.signal);
    expect((await watching.next()).value).toMatchObject({ revision: 2n });
    done("watch")();
    abort.abort();
    await f.apply([network("n1")], { idempotency: { key: "k", body: () => Buffer.of(1) } });
    done("write")();
    await f.store.history({ object: null, limit: 9, beforeRevision: null, after: null });
    done("history")();
    await Promise.all(long);
    // Asked for after all of the long work, and there before its end.
    expect(order.filter((name) => name !== "check")).toEqual([
      ...["watch", "write", "history"],
      "backup",
    ]);
  });
});
