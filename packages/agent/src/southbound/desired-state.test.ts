import fc from "fast-check";
import { expect, test } from "vitest";
import { DesiredState, type Frame } from "./desired-state.ts";

const STORE = "store-a";

function frame(change: Partial<Frame>): Frame {
  return {
    upserts: [],
    deletes: [],
    dropScopes: [],
    sequence: 1n,
    revision: 1n,
    inSync: false,
    adopted: false,
    ...change,
  };
}

const upsert = (key: string, text: string) => ({ key, body: Buffer.from(text) });

const TWO_KEYS = frame({ upserts: [upsert("network/1/a", "x"), upsert("network/1/b", "y")] });

test("a frame answers only what it changed", () => {
  const state = new DesiredState();
  state.apply(STORE, 1n, TWO_KEYS);
  const effect = state.apply(
    STORE,
    1n,
    frame({
      upserts: [upsert("network/1/a", "x"), upsert("network/1/b", "z")],
      deletes: ["network/1/absent"],
    }),
  );
  expect(effect).toEqual({ upserts: [upsert("network/1/b", "z")], deletes: [] });
});

test("a dropped scope goes whole, but for what the same frame puts back", () => {
  const state = new DesiredState();
  state.apply(STORE, 1n, TWO_KEYS);
  const effect = state.apply(
    STORE,
    1n,
    frame({ dropScopes: ["network/1"], upserts: [upsert("network/1/b", "y")] }),
  );
  expect(effect.deletes).toEqual(["network/1/a"]);
  expect([...state.instructions()]).toEqual([upsert("network/1/b", "y")]);
});

test("digests depend on what is held, not on how it came; another store changes them", () => {
  const operation = fc.record({
    key: fc.constantFrom("network/1/a", "network/1/b", "network/2/a", "chassis/c/x"),
    body: fc.option(fc.constantFrom("1", "2", "3"), { nil: null }),
  });
  fc.assert(
    fc.property(fc.array(operation), (operations) => {
      const walked = new DesiredState();
      const last = new Map<string, string>();
      for (const { key, body } of operations) {
        if (body === null) last.delete(key);
        else last.set(key, body);
        const change = body === null ? { deletes: [key] } : { upserts: [upsert(key, body)] };
        walked.apply(STORE, 1n, frame(change));
      }
      const direct = new DesiredState();
      const upserts = [...last].map(([key, body]) => upsert(key, body));
      direct.apply(STORE, 1n, frame({ upserts }));
      expect(walked.digests()).toEqual(direct.digests());
      expect(walked.size).toBe(last.size);
      const other = new DesiredState();
      other.apply("store-b", 1n, frame({ upserts }));
      walked.apply("store-b", 2n, frame({}));
      expect(walked.digests()).toEqual(other.digests());
    }),
  );
});
