import { expect, test } from "vitest";
import type { CommitSet } from "./commit-log.ts";
import { isLarge, partsOf, Staged, withoutLists } from "./staging.ts";

const values = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ space: "port", value: String(at) }));

const set = (entries: number, freed: number, reused: number): CommitSet => ({
  expectedRevision: 7n,
  atMs: 1,
  actor: "a",
  comment: "",
  entries: values(entries).map(({ value }) => ({
    kind: "port",
    id: value,
    action: "created",
    body: "{}",
  })),
  freed: values(freed),
  reused: values(reused),
  idempotency: null,
});

test.each([
  [0, 0, 0],
  [2_000, 2_000, 2_000],
  [2_001, 0, 0],
  [0, 9_999, 1],
  [49_000, 49_000, 5],
])("a set of %i entries, %i freed and %i reused values arrives as it was", (...counts) => {
  const original = set(...counts);
  const staged = new Staged();
  const large = isLarge(original);
  const ahead = large ? [...partsOf(original)] : [];
  for (const part of ahead) staged.add(part);
  const longest = ahead.map(
    ({ entries, freed, reused }) => entries.length + freed.length + reused.length,
  );
  expect(Math.max(0, ...longest)).toBeLessThan(2_001);
  const follows = set(1, 0, 0);
  const [first, second] = staged.complete([large ? withoutLists(original) : original, follows]);
  expect(first).toEqual(original);
  expect(second).toEqual(follows);
  expect(staged.complete([follows])).toEqual([follows]);
});
