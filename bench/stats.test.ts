import { describe, expect, test } from "vitest";
import { nearestRank, summarize } from "./stats.ts";

const upTo = (n: number): number[] => Array.from({ length: n }, (_, at) => at + 1);

describe("nearestRank", () => {
  const cases: readonly [count: number, percent: number, expected: number][] = [
    [1, 50, 1],
    [1, 99, 1],
    [2, 50, 1],
    [3, 50, 2],
    [10, 90, 9],
    [50, 99, 50],
    [100, 99, 99],
    [200, 99, 198],
    [200, 100, 200],
  ];
  test.each(cases)("of 1..%i, %i%% is %i", (count, percent, expected) => {
    expect(nearestRank(upTo(count), percent)).toBe(expected);
  });

  test("refuses what has no answer", () => {
    expect(() => nearestRank([], 50)).toThrow("no samples");
    expect(() => nearestRank([1], 0)).toThrow("percent 0");
  });
});

describe("summarize", () => {
  test("sorts by value, not by text, and leaves its input alone", () => {
    const samples = [10, 9, 100, 1];
    expect(summarize(samples)).toEqual({ n: 4, min: 1, p50: 9, p90: 100, p99: 100, max: 100 });
    expect(samples).toEqual([10, 9, 100, 1]);
  });

  test("no sample is no figure", () => {
    expect(summarize([])).toBeNull();
  });
});
