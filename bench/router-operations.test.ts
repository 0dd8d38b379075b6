import { expect, test } from "vitest";
import { compareTold, inRounds, toldBetween } from "./router-operations.ts";

test("told are those with more frames than before, also their first", () => {
  const before = { "ch-0001": 3, "ch-0002": 1 };
  expect(toldBetween(before, { "ch-0001": 3, "ch-0002": 2, "ch-0003": 1 })).toEqual([
    "ch-0002",
    "ch-0003",
  ]);
  expect(toldBetween(before, before)).toEqual([]);
});

test("as many told as host the router is not enough: they must be the same", () => {
  const set = (...names: string[]): Set<string> => new Set(names);
  expect(compareTold(set("a", "b"), set("b", "a")).wrong).toEqual([]);
  expect(compareTold(set("a", "b"), set("b", "c"))).toEqual({
    ...{ told: 2, hosting: 2, wrong: ["a", "c"] },
  });
});

test("rounds keep the order, and the last may be short", () => {
  expect(inRounds([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
  expect(inRounds([], 2)).toEqual([]);
});
