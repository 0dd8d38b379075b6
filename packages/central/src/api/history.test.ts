// Pages of history over a real store: each entry once, whatever happens meanwhile; tokens lead nowhere else.

import { status as Code } from "@grpc/grpc-js";
import { HistoryRequest, HistoryResponse, Kind } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { HistoryEntry } from "@weft/shared/gen/weft/v1/northbound.ts";
import { beforeAll, afterAll, describe, expect, it } from "vitest";
import type { DurableTableName } from "../model/rows.ts";
import { CompactedError } from "../store/errors.ts";
import { Fixture, network, remove } from "../store/transactor.fixture.ts";
import { readHistory } from "./history.ts";
import { Objects } from "./objects.ts";
import { maxPageBytes } from "./page.ts";
import type { South } from "./south.ts";
import { Refused } from "./status.ts";

/** What was, says nothing of the southbound side. */
const unasked = new Proxy({} as South, {
  get: (_, name) => {
    throw new Error(`history asks for ${String(name)}`);
  },
});

function page(
  f: Fixture,
  fields: Partial<HistoryRequest>,
  table?: DurableTableName,
): Promise<HistoryResponse> {
  const objects = new Objects({
    model: f.model,
    south: unasked,
    statistics: () => ({ total: 0n, used: 0n, quarantined: 0n }),
    portWithIp: () => undefined,
  });
  const options = { model: f.model, store: f.store, objects, table };
  return readHistory(options, HistoryRequest.fromPartial(fields));
}

/** All pages from a token on; `between` runs behind each. */
async function pages(
  f: Fixture,
  fields: Partial<HistoryRequest>,
  between: (page: HistoryResponse) => Promise<void> = async () => undefined,
): Promise<HistoryEntry[][]> {
  const read: HistoryEntry[][] = [];
  let pageToken = fields.pageToken ?? "";
  do {
    const one = await page(f, { ...fields, pageToken });
    read.push(one.entries);
    await between(one);
    pageToken = one.nextPageToken;
  } while (pageToken !== "");
  return read;
}

const networks = (prefix: string, count: number, labels = {}) =>
  Array.from({ length: count }, (_, at) =>
    network(`${prefix}${at}`, { id: `${prefix}${at}`, labels }),
  );
const nameOf = ({ revision, id }: HistoryEntry): string => `${revision} ${id}`;
const compactTo = (f: Fixture, horizon: bigint): Promise<void> =>
  f.store.compact({
    nowMs: 1e15,
    retentionMs: 0,
    minRevisions: f.store.revision - horizon,
    idempotencyMs: 0,
    addressReuseAfterMs: 0,
  });

async function refusal(promise: Promise<unknown>): Promise<Refused> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof Refused)) throw new Error(`expected a refusal, got ${String(thrown)}`);
  return thrown;
}

describe("a revision of 5,000 changes", () => {
  let f: Fixture;
  beforeAll(async () => {
    f = new Fixture();
    await f.apply([network("first", { id: "first" })]);
    await f.apply(networks("n", 5000));
    await f.apply([remove("network", "first"), remove("network", "n7")]);
  });
  afterAll(() => f[Symbol.asyncDispose]());

  const expected = [
    ...["3 n7", "3 first"],
    ...Array.from({ length: 5000 }, (_, at) => `2 n${at}`)
      .sort()
      .reverse(),
    "1 first",
  ];

  it("comes in pages of 700, each change once, while new revisions are written", async () => {
    let added = 0;
    const read = await pages(f, { limit: 700 }, async () => {
      await f.apply([network(`new${added++}`)]);
    });
    expect(read.map(({ length }) => length)).toEqual([...Array<number>(7).fill(700), 103]);
    expect(read.flat().map(nameOf)).toEqual(expected);
    expect(read[0]?.[0]?.object).toBeUndefined();
  });

  it("begins below a revision, and goes on there", async () => {
    const read = await pages(f, { limit: 3000, beforeRevision: 3n });
    expect(read.flat().map(nameOf)).toEqual(expected.slice(2));
  });

  it("is followed object by object, by the id that the name had on the first page", async () => {
    const id = "renamed";
    for (const name of ["a", "b", "c"]) await f.apply([network(name, { id })]);
    const ref = { kind: Kind.NETWORK, id: "c", project: "" };
    const first = await page(f, { ref, limit: 2 }, "network");
    await f.apply([network("d", { id }), network("c", { id: "other" })]);
    const pageToken = first.nextPageToken;
    const second = await page(f, { ref, limit: 2, pageToken }, "network");
    const entries = [...first.entries, ...second.entries];
    expect(second.nextPageToken).toBe("");
    expect(entries.map((entry) => entry.id)).toEqual([id, id, id]);
  });

  it("refuses tokens of another query and tokens that it never gave", async () => {
    const { nextPageToken } = await page(f, { limit: 1 });
    const ref = { kind: Kind.NETWORK, id: "n1", project: "" };
    const forged = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString("base64url");
    const cases: [Partial<HistoryRequest>, DurableTableName | undefined, RegExp][] = [
      [{ ref, pageToken: nextPageToken }, "network", /another query: send the ref/],
      [{ beforeRevision: 2n, pageToken: nextPageToken }, undefined, /another query/],
      [{ pageToken: "garbage" }, undefined, /is none that History gave: begin again/],
      [{ pageToken: "x".repeat(100_000) }, undefined, /is none that History gave/],
      [{ pageToken: forged(["q", "0", "-1", "network", "n1"]) }, undefined, /is none/],
      [{ pageToken: forged(["q", "0", "9".repeat(30), "network", "n1"]) }, undefined, /is none/],
      [{ pageToken: forged(["q", "0", "1", "network"]) }, undefined, /is none/],
      [{ pageToken: forged(["q", "0", "1", "network", 7]) }, undefined, /is none/],
      [{ pageToken: forged({ length: 5 }) }, undefined, /is none/],
    ];
    for (const [fields, table, message] of cases) {
      const error = await refusal(page(f, fields, table));
      expect([error.code, error.diagnostics[0]?.field]).toEqual([
        Code.INVALID_ARGUMENT,
        "page_token",
      ]);
      expect(error.message).toMatch(message);
    }
  });
});

describe("compaction between two pages", () => {
  it("below what is still to come disturbs nothing; then the rest is out of range", async () => {
    await using f = new Fixture();
    for (let set = 1; set <= 4; set++) await f.apply(networks("n", 100, { set: String(set) }));
    let moved = false;
    const read: string[] = [];
    // Revision 4 and half of 3 are read; 2 is compacted: 3 is whole, and 2 and 1 are gone.
    const reading = pages(f, { limit: 150 }, async ({ entries }) => {
      read.push(...entries.map(nameOf));
      if (!moved) await compactTo(f, 2n);
      moved = true;
    });
    const error: unknown = await reading.catch((thrown: unknown) => thrown);
    expect(error).toEqual(new CompactedError(2n));
    expect(read).toHaveLength(200);
    expect(new Set(read).size).toBe(200);
    expect(read.every((name) => /^[34] /.test(name))).toBe(true);
  });

  it("before the first page shows the image that is left, to its end", async () => {
    await using f = new Fixture();
    await f.apply(networks("n", 50));
    await f.apply(networks("n", 20, { set: "2" }));
    await f.apply([network("last")]);
    await compactTo(f, 2n);
    const read = await pages(f, { limit: 10 });
    expect(read.flat()).toHaveLength(51);
    expect(new Set(read.flat().map(({ id }) => id)).size).toBe(51);
  });
});

it("ends a page at its bytes, with at least one entry", async () => {
  await using f = new Fixture();
  const labels = Object.fromEntries(
    Array.from({ length: 60 }, (_, at) => [`k${at}`, "é".repeat(120)]),
  );
  await f.apply(networks("n", 500, labels));
  const read = await pages(f, { limit: 10_000 });
  expect(read.length).toBeGreaterThan(2);
  expect(read.flat()).toHaveLength(500);
  expect(new Set(read.flat().map(nameOf)).size).toBe(500);
  for (const entries of read) {
    const fields = { entries, oldestRevision: 0n, nextPageToken: "" };
    const { length } = HistoryResponse.encode(fields).finish();
    expect(length).toBeLessThan(maxPageBytes + 64 * 1024);
  }
});
