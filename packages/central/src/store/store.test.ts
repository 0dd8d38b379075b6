import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rowOf } from "../derive/memory-rows.ts";
import type { ChangeIntent } from "../model/intents.ts";
import type { DurableTableName } from "../model/rows.ts";
import { decodeRow } from "./codec.ts";
import { databaseName } from "./database.ts";
import { CompactedError, StoreCorruptError, StoreError } from "./errors.ts";
import { restore } from "./restore.ts";
import { Store } from "./store.ts";
import type { RunAnswer } from "./transactor.ts";
import { Writer } from "./writer.ts";
import {
  durable,
  Fixture,
  network,
  port,
  remove,
  StillClock,
  subnet,
} from "./transactor.fixture.ts";

const n1 = network("n1", { id: "n1" });
const v4 = subnet("s4", { cidr: "10.0.0.0/16" }, { id: "s4" });

function open(dataDir: string): Store {
  return new Store({
    dataDir,
    maxSizeMiB: 0,
    onFatal: (error) => {
      throw error;
    },
  });
}

async function rowsAt(store: Store, revision: bigint): Promise<Record<string, unknown>> {
  const rows: Record<string, unknown> = {};
  for (const kind of durable) {
    const { bodies } = await store.listAt({ kind, revision, after: "", limit: 10_000 });
    for (const body of bodies) {
      const row = decodeRow(kind, body);
      rows[`${kind}/${row.id}`] = row;
    }
  }
  return rows;
}

const retention = { nowMs: 1e15, retentionMs: 0, idempotencyMs: 0, addressReuseAfterMs: 0 };

/** What a dry run and the real one have in common: all but what is drawn at random. */
function essence(answer: RunAnswer): unknown {
  if (answer.kind === "refused") return answer.problems;
  if (answer.kind === "replayed") return answer.kind;
  return answer.outcome.results.map(({ action, row }) => ({ ...row, mac: "", action }));
}

/** A step of a random history: what is done to one of a few objects. */
const step = fc.record({
  what: fc.constantFrom("network", "subnet", "port", "change", "unport", "unnet"),
  index: fc.nat(5),
});

function intentsOf({ what, index }: { what: string; index: number }): ChangeIntent[] {
  const net = `n${index % 2}`;
  switch (what) {
    case "network":
      return [network(net, { id: net })];
    case "subnet":
      return [subnet(`s${net}`, { network: net, cidr: "10.0.0.0/28" }, { id: `s${net}` })];
    case "port":
      return [port(`p${index}`, { network: net }, { id: `p${index}` })];
    case "change":
      return [
        port(
          `p${index}`,
          { network: "", noFixedIps: index % 2 === 0, deviceId: `${index}` },
          { id: `p${index}` },
        ),
      ];
    case "unport":
      return [remove("port", `p${index}`)];
    default:
      return [remove("subnet", `s${net}`), remove("network", net)];
  }
}

describe("histories", () => {
  it("read back what memory holds, at every revision, before and after compaction", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        const f = new Fixture({ clock: new StillClock() });
        const { dataDir } = f;
        try {
          const seen = new Map<bigint, Record<string, unknown>>([[0n, {}]]);
          for (const one of steps) {
            const dry = await f.run(intentsOf(one), { dryRun: true });
            const before = f.rows();
            const answer = await f.run(intentsOf(one));
            expect(essence(answer)).toEqual(essence(dry));
            const unwanted = answer.kind === "refused" ? f.rows() : before;
            expect(unwanted).toEqual(before);
            seen.set(f.model.revision, f.rows());
            // The head is the model when nothing is queued.
            for (const table of durable) {
              expect(f.transactor.head.sortedIds(table)).toEqual(f.model.sortedIds(table));
            }
          }
          for (const [revision, rows] of seen) {
            expect(await rowsAt(f.store, revision)).toEqual(rows);
          }
          const middle = f.model.revision / 2n;
          await f.store.compact({ ...retention, minRevisions: f.model.revision - middle });
          for (const [revision, rows] of seen) {
            const read = await rowsAt(f.store, revision).catch((error: unknown) => error);
            const expected = revision < middle ? new CompactedError(middle) : rows;
            expect(read).toEqual(expected);
          }
          await f.close();
          const again = new Fixture({ dataDir });
          expect(again.rows()).toEqual(f.rows());
          expect(again.model.revision).toBe(f.model.revision);
          await again.close();
        } finally {
          rmSync(dataDir, { recursive: true, force: true });
        }
      }),
      { numRuns: 12 },
    );
  });

  it("are read and watched in order, each commit whole", async () => {
    await using f = new Fixture();
    const abort = new AbortController();
    const seen: string[] = [];
    const watching = (async (): Promise<void> => {
      for await (const { revision, entries } of f.store.watch(0n, abort.signal)) {
        seen.push(`${revision}: ${entries.map(({ action, id }) => `${action} ${id}`).join(", ")}`);
        if (revision === 3n) abort.abort();
      }
    })();
    await f.apply([n1, v4]);
    await f.apply([port("p1", {}, { id: "p1" })], { actor: "me", comment: "why" });
    await f.apply([remove("port", "p1")]);
    await watching;
    expect(seen).toEqual(["1: created n1, created s4", "2: created p1", "3: deleted p1"]);
    expect(await f.store.read(1n, 1)).toMatchObject([
      { revision: 2n, actor: "me", comment: "why" },
    ]);
    const { items } = await f.store.history({
      object: { kind: "port", id: "p1" },
      limit: 10,
      beforeRevision: null,
      after: null,
    });
    expect(items.map(({ revision, action }) => [revision, action])).toEqual([
      [3n, "deleted"],
      [2n, "created"],
    ]);
  });

  it("keep the newest revision's number when everything before it is compacted", async () => {
    const f = new Fixture();
    const { dataDir } = f;
    await f.apply([n1]);
    await f.apply([remove("network", "n1")]);
    await f.store.compact({ ...retention, minRevisions: 0n });
    await f.close();
    await using again = new Fixture({ dataDir });
    expect(again.model.revision).toBe(2n);
    expect(await again.store.oldestRevision()).toBe(2n);
    await again.apply([n1]);
    expect(again.model.get("network", "n1")?.revision).toBe(3n);
  });
});

describe("the file", () => {
  const temporary = (): string => mkdtempSync(join(tmpdir(), "weft-file-"));

  it("serves one central at a time", async () => {
    await using f = new Fixture();
    expect(() => open(f.dataDir)).toThrow(/another weft-central uses/);
  });

  it("keeps its store id, and has a new one after a restore; bindings go, keys stay", async () => {
    const f = new Fixture();
    const { dataDir } = f;
    const change = () => rowOf.chassis({ id: "c1", key: 0 });
    const c1 = { action: "edit", table: "chassis", at: "chassis", id: "c1", change } as const;
    await f.apply([n1, v4, port("p1", {}, { id: "p1" }), c1]);
    const { storeId } = f.store;
    const binding = {
      id: "p1",
      chassis: "c1",
      generation: 3n,
      state: "up",
      reason: "",
      mtuBytes: 1500,
    } as const;
    const claim = {
      ...{ id: "n1/10.0.0.9", network: "n1", ip: "10.0.0.9" },
      ...{ mac: "0a:00:00:00:00:01", port: "p1", generation: 2n },
    };
    const gone = { ...claim, id: "n1/10.0.0.8", ip: "10.0.0.8" };
    const bindings = { upserts: [binding], deletes: [] };
    await f.store.checkpoint({
      ...{ bindings, claims: { upserts: [claim, gone], deletes: [] } },
      fenced: { upserts: ["c1", "c2"], deletes: [] },
    });
    await f.store.checkpoint({
      bindings: { upserts: [], deletes: [] },
      claims: { upserts: [], deletes: [gone] },
      fenced: { upserts: ["c1"], deletes: ["c2"] },
    });
    const backup = join(dataDir, "backup.db");
    expect(await f.store.backup(backup)).toMatchObject({ revision: 1n });
    await expect(f.store.backup(backup)).rejects.toThrow(/exists/);
    await expect(f.store.backup("relative.db")).rejects.toThrow(/absolute/);
    const nowhere = join(dataDir, "no", "backup.db");
    await expect(f.store.backup(nowhere)).rejects.toMatchObject({
      kind: "rejected",
      message: expect.stringMatching(`${nowhere} cannot be written .*: give a path`) as string,
    });
    await f.apply([port("later")]);
    expect(() => restore({ backup, dataDir, nowMs: 1 })).toThrow(/another weft-central/);
    await f.close();

    const store = open(dataDir);
    expect(store.storeId).toBe(storeId);
    expect(store.takeLoaded()).toMatchObject({
      ...{ bindings: [binding], claims: [claim], fenced: ["c1"] },
    });
    await store[Symbol.asyncDispose]();

    const restored = restore({ backup, dataDir, nowMs: 1 });
    expect(restored.storeId).not.toBe(storeId);
    await using after = new Fixture({ dataDir });
    expect(after.store.storeId).toBe(restored.storeId);
    expect(after.model.revision).toBe(1n);
    expect(after.model.size("port")).toBe(1);
  });

  it("tells nothing of who held a port, an address or a fence before it was deleted", async () => {
    const first = new Fixture();
    const { dataDir } = first;
    const bindings = [
      { id: "p1", chassis: "", generation: 3n, state: "down", reason: "", mtuBytes: 0 } as const,
    ];
    const claim = { network: "n1", ip: "10.0.0.9", mac: "0a:00:00:00:00:01", generation: 2n };
    await first.apply([n1, v4, port("p1", {}, { id: "p1" })]);
    await first.store.checkpoint({
      bindings: { upserts: bindings, deletes: [] },
      claims: { upserts: [{ ...claim, id: "n1/10.0.0.9", port: "p1" }], deletes: [] },
      fenced: { upserts: ["c1"], deletes: [] },
    });
    // Killed before the next checkpoint.
    await first.apply([remove("port", "p1")]);
    await first.close();
    const second = new Fixture({ dataDir });
    await second.apply([port("p1", {}, { id: "p1" })]);
    await second.close();
    const store = open(dataDir);
    expect(store.takeLoaded()).toMatchObject({ bindings: [], claims: [], fenced: [] });
    await store[Symbol.asyncDispose]();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it.each<[string, (path: string) => void, RegExp]>([
    ["garbage", (path) => writeFileSync(path, "this is no database".repeat(500)), /damaged/],
    ["a torn file", (path) => truncateSync(path, 20_000), /damaged/],
  ])("refuses to open %s, and says what to do", async (_, damage, message) => {
    const f = new Fixture();
    const { dataDir } = f;
    await f.apply([n1, v4, ...Array.from({ length: 200 }, (__, index) => port(`p${index}`))]);
    await f.close();
    damage(join(dataDir, databaseName));
    let error: unknown;
    try {
      await open(dataDir)[Symbol.asyncDispose]();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(StoreCorruptError);
    expect((error as StoreError).kind).toBe("rejected");
    expect(String(error)).toMatch(message);
    expect(String(error)).toContain("weft-central restore FILE");
    rmSync(dataDir, { recursive: true, force: true });
  });

  it("refuses to restore what is no backup, and leaves the store", async () => {
    const f = new Fixture();
    const { dataDir } = f;
    await f.apply([n1]);
    await f.close();
    const bad = join(dataDir, "bad.db");
    writeFileSync(bad, "no");
    expect(() => restore({ backup: bad, dataDir, nowMs: 1 })).toThrow(StoreError);
    expect(() => restore({ backup: join(dataDir, "none"), dataDir, nowMs: 1 })).toThrow(
      /does not exist/,
    );
    await using after = new Fixture({ dataDir });
    expect(after.model.revision).toBe(1n);
  });

  it("a restore that was cut short is said, not taken for an empty store; restoring again cures it", async () => {
    const f = new Fixture();
    const { dataDir } = f;
    await f.apply([n1]);
    const backup = join(dataDir, "backup.db");
    await f.store.backup(backup);
    await f.close();
    const path = join(dataDir, databaseName);
    // As kill -9 leaves it between the two renames.
    copyFileSync(backup, `${path}.restoring`);
    renameSync(path, `${path}.before-restore-1`);
    writeFileSync(`${path}-wal`, "the log of the old one");
    expect(() => open(dataDir)).toThrow(/was interrupted.*weft-central restore FILE/);
    const { replaced } = restore({ backup, dataDir, nowMs: 2 });
    expect(replaced).toBe(`${path}.before-restore-2`);
    expect(existsSync(`${replaced}-wal`)).toBe(true);
    expect(existsSync("null-wal")).toBe(false);
    await using after = new Fixture({ dataDir });
    expect(after.model.revision).toBe(1n);
  });

  it("opens a copy taken by hand as the same store", async () => {
    const f = new Fixture();
    await f.apply([n1]);
    await f.close();
    const dataDir = temporary();
    copyFileSync(join(f.dataDir, databaseName), join(dataDir, databaseName));
    const store = open(dataDir);
    expect(store.storeId).toBe(f.store.storeId);
    await store[Symbol.asyncDispose]();
    for (const dir of [dataDir, f.dataDir]) rmSync(dir, { recursive: true, force: true });
  });

  it("finds nothing wrong in a sound file", async () => {
    await using f = new Fixture();
    await f.apply([n1]);
    expect(await f.store.check()).toEqual([]);
  });
});

it("compacts so many entries at once, but always a whole revision", async () => {
  await using f = new Fixture();
  for (let set = 0; set < 3; set++) {
    await f.apply(Array.from({ length: 3000 }, (_, at) => network(`n${set}-${at}`)));
  }
  const writer = new Writer({ path: join(f.dataDir, databaseName), maxPages: 0 });
  const request = { horizon: 3, slice: 500, idempotencyBeforeMs: 0, addressesBeforeMs: 0 };
  const more = [1, 2, 3].map(() => writer.compact(request));
  expect(more).toEqual([true, true, false]);
  writer.close();
});

it("commits what is queued together, each set its own revision; a set that breaks a constraint is a bug", async () => {
  await using f = new Fixture();
  const entry = (id: string, name: string) => ({
    kind: "network" as DurableTableName,
    id,
    action: "created" as const,
    body: JSON.stringify({ id, name, project: "default", key: id, revision: "1" }),
  });
  const set = (expectedRevision: bigint, id: string, name: string) => ({
    expectedRevision,
    atMs: 1,
    actor: "a",
    comment: "",
    entries: [entry(id, name)],
    freed: [],
    reused: [],
    idempotency: null,
  });
  const outcomes = await Promise.allSettled([
    f.store.append(set(0n, "a", "a")),
    f.store.append(set(1n, "b", "b")),
    f.store.append(set(2n, "c", "b")),
    f.store.append(set(3n, "d", "d")),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual([
    "fulfilled",
    "fulfilled",
    "rejected",
    "rejected",
  ]);
  expect((outcomes[2] as PromiseRejectedResult).reason).toMatchObject({ kind: "bug" });
  expect(f.store.revision).toBe(2n);
  await f.store.append(set(2n, "c", "c"));
  expect((await f.store.read(0n, 10)).map(({ revision }) => revision)).toEqual([1n, 2n, 3n]);
});
