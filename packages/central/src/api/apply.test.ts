// Apply from bytes to bytes: what arrives is what the generated codec would have read, and however large a set is, others get a turn.
import {
  ApplyRequest,
  ApplyResponse,
  ChangeAction,
  Kind,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type { ChangeResult } from "@weft/shared/gen/weft/v1/northbound.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Model } from "../model/tables.ts";
import { Fixture } from "../store/transactor.fixture.ts";
import { runInSlices } from "../slices.ts";
import { Apply, encodeOutcome } from "./apply.ts";
import { decodeApply, encodeParts, repeatableDigest, RequestBytes } from "./apply-wire.ts";
import type { CallContext } from "./calls.ts";
import { maxObjectBytes } from "./limits.ts";
import { Objects } from "./objects.ts";
import type { South } from "./south.ts";

const promiseMs = 20;

const south: South = {
  networkMtu: () => 1450,
  chassisStatus: () => {
    throw new Error("no chassis here");
  },
} as unknown as South;

const context: CallContext = {
  actor: "operator/test",
  signal: new AbortController().signal,
  allowWait: () => undefined,
};

const upsert = (value: object) => ({ change: { $case: "upsert", value: { object: value } } });
const network = upsert({
  $case: "network",
  value: { meta: { name: "n" }, spec: { type: { $case: "overlay", value: {} } } },
});
const subnet = upsert({
  $case: "subnet",
  value: { meta: { name: "s" }, spec: { network: "n", cidr: "10.0.0.0/8" } },
});
const port = (name: string, labels = {}) =>
  upsert({ $case: "port", value: { meta: { name, labels }, spec: { network: "n" } } });
const bytesOf = (fields: object): Buffer =>
  Buffer.from(ApplyRequest.encode(ApplyRequest.fromPartial(fields)).finish());

describe("on the wire", () => {
  const decode = (bytes: Buffer) => runInSlices(decodeApply(bytes));

  it.each([
    ["nothing", {}],
    [
      "everything",
      {
        changes: [network, { change: { $case: "delete", value: { kind: Kind.PORT, id: "p" } } }],
        dryRun: true,
        expectedRevision: 2n ** 63n,
        idempotencyKey: "k",
        wait: 2,
        waitTimeoutMs: 7,
        comment: "why",
      },
    ],
  ])("%s is read as the generated codec reads it", async (_what, fields) => {
    const bytes = bytesOf(fields);
    const { request, changeCount } = await decode(bytes);
    expect(request).toEqual(ApplyRequest.decode(bytes));
    expect(changeCount).toBe(request.changes.length);
  });

  it("in any order, with fields that are not known, and the last of what comes twice", async () => {
    const unknown = Buffer.from("fa070161", "hex");
    const bytes = Buffer.concat([
      bytesOf({ comment: "first" }),
      bytesOf({ changes: [network] }),
      unknown,
      bytesOf({ comment: "second", changes: [subnet] }),
    ]);
    const { request } = await decode(bytes);
    expect(request).toEqual(ApplyRequest.decode(bytes));
    expect(request.comment).toBe("second");
    expect(request.changes).toHaveLength(2);
  });

  it("what is cut off or is garbage anywhere is refused, as a message that cannot be read", async () => {
    const bytes = bytesOf({ changes: [network, subnet], comment: "c" });
    for (let length = 1; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      let expected: ApplyRequest | null = null;
      try {
        expected = ApplyRequest.decode(cut);
      } catch {
        expected = null;
      }
      const got = await decode(cut).catch((error: unknown) => error);
      const unreadable = { code: 13, message: expect.stringContaining("is no weft") as unknown };
      expect(got).toMatchObject(expected === null ? unreadable : { request: expected });
    }
  });

  it("an object above its limit is counted and not decoded", async () => {
    const large = port("x".repeat(maxObjectBytes));
    const { request, oversized } = await decode(bytesOf({ changes: [network, large] }));
    expect([...oversized.keys()]).toEqual([1]);
    expect(oversized.get(1)).toBeGreaterThan(maxObjectBytes);
    expect(request.changes[1]).toEqual({ change: undefined });
  });

  it("parts of an answer are the answer", async () => {
    const results = Array.from({ length: 100 }, () => ({
      action: ChangeAction.CREATED,
      object: undefined,
    }));
    const head = ApplyResponse.encode({
      revision: 7n,
      results: [],
      realization: undefined,
    }).finish();
    const encode = (some: readonly ChangeResult[]) =>
      ApplyResponse.encode({ revision: 0n, results: [...some], realization: undefined }).finish();
    const bytes = await runInSlices(encodeParts(head, results, encode));
    expect(ApplyResponse.decode(bytes)).toEqual({ revision: 7n, results, realization: undefined });
  });

  it("a digest knows everything but the order of labels and how the caller waits", async () => {
    const digest = async (fields: object): Promise<string> => {
      const work = repeatableDigest(ApplyRequest.fromPartial(fields));
      return Buffer.from(await runInSlices(work)).toString("hex");
    };
    const one = { changes: [port("a", { x: "1", y: "2" })], comment: "c", idempotencyKey: "k" };
    const same = { ...one, changes: [port("a", { y: "2", x: "1" })], wait: 2, waitTimeoutMs: 9 };
    expect(await digest(one)).toBe(await digest({ ...same, idempotencyKey: "k2" }));
    for (const other of [
      { comment: "d" },
      { changes: [port("a", { x: "1", y: "3" })] },
      { changes: [...one.changes, ...one.changes] },
      { expectedRevision: 1n },
    ]) {
      expect(await digest({ ...one, ...other })).not.toBe(await digest(one));
    }
  });
});

describe("in slices", () => {
  let fixture: Fixture;
  let apply: Apply;

  beforeEach(async () => {
    fixture = new Fixture();
    const { model, transactor } = fixture;
    const objects = objectsOf(model);
    apply = new Apply({ model, transactor, objects, south });
    await apply.run(new RequestBytes(bytesOf({ changes: [network, subnet] })), context);
  });

  afterEach(() => fixture[Symbol.asyncDispose]());

  it("a set of 10,000 ports never holds the thread: created, planned only, changed back", async () => {
    const changes = Array.from({ length: 10_000 }, (_, at) => port(`p${at}`));
    for (const fields of [{ changes, dryRun: true }, { changes }, { changes }]) {
      const attempts: number[] = [];
      // The machine may be busy: one quiet run of three shows it. What is created once is looked up after that.
      for (let attempt = 0; attempt < 3; attempt++) {
        const request = new RequestBytes(bytesOf(fields));
        const { longestMs, answer } = await watched(() => apply.run(request, context));
        expect(ApplyResponse.decode(answer).results).toHaveLength(changes.length);
        attempts.push(longestMs);
      }
      expect(Math.min(...attempts)).toBeLessThan(3 * promiseMs);
    }
  });

  it("of a large set that waits for its turn nothing is kept once its caller left", async () => {
    const changes = Array.from({ length: 5000 }, (_, at) => port(`p${at}`));
    const first = apply.run(new RequestBytes(bytesOf({ changes })), context);
    const left = new AbortController();
    const waiting = new RequestBytes(bytesOf({ changes }));
    const second = apply.run(waiting, { ...context, signal: left.signal });
    left.abort();
    expect(() => waiting.take()).toThrow(/taken/);
    await expect(second).rejects.toThrow(/aborted/);
    await first;
  });

  it("and neither does its answer that is kept for a key", async () => {
    const changes = Array.from({ length: 10_000 }, (_, at) => port(`p${at}`));
    const request = new RequestBytes(bytesOf({ changes, idempotencyKey: "k" }));
    const first = ApplyResponse.decode(await apply.run(request, context));
    expect(first.results).toHaveLength(changes.length);
    const results = changes.map((_, at) => {
      const id = fixture.model.first("portName", `default/p${at}`) ?? "";
      const row = fixture.model.get("port", id);
      if (row === undefined) throw new Error(`no port p${at}`);
      return { action: "created" as const, table: "port" as const, row };
    });
    const objects = objectsOf(fixture.model);
    const { longestMs } = await watched(() => encodeOutcome(objects, { revision: 1n, results }));
    expect(longestMs).toBeLessThan(3 * promiseMs);
  });
});

function objectsOf(model: Model): Objects {
  return new Objects({
    model,
    south,
    statistics: () => ({ total: 0n, used: 0n, quarantined: 0n }),
    portWithIp: () => undefined,
  });
}

/** The longest work of this thread between two turns of a timer of 1 ms: time on the processor, so that others do not count. */
async function watched<T>(run: () => Promise<T>): Promise<{ longestMs: number; answer: T }> {
  let longestMs = 0;
  let lastMs = workedMs();
  const timer = setInterval(() => {
    const nowMs = workedMs();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
  }, 1);
  try {
    const answer = await run();
    return { longestMs: Math.max(longestMs, workedMs() - lastMs), answer };
  } finally {
    clearInterval(timer);
  }
}

function workedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
