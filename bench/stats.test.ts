import { describe, expect, test } from "vitest";
import { medianInterval, nearestRank, seededRandom, summarize } from "./stats.ts";

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

describe("medianInterval", () => {
  const of = (values: readonly number[]) => medianInterval(values, seededRandom(1), 2000);

  test("samples that agree leave no doubt, and the same seed gives the same answer", () => {
    expect(of([2, 2, 2, 2])).toEqual({ median: 2, low: 2, high: 2 });
    expect(of([1, 5, 2, 4, 3])).toEqual(of([1, 5, 2, 4, 3]));
  });

  test("holds the median, and narrows with more samples of the same spread", () => {
    const few = of(upTo(10));
    const many = of(upTo(10).flatMap((value) => Array<number>(20).fill(value)));
    expect(few.median).toBe(5.5);
    expect(few.low).toBeLessThan(few.median);
    expect(few.high).toBeGreaterThan(few.median);
    expect(many.high - many.low).toBeLessThan(few.high - few.low);
  });

  test("of nothing is refused", () => {
    expect(() => of([])).toThrow("no samples");
  });
});

test("seeded numbers are spread over 0..1 and repeat", () => {
  const [a, b] = [seededRandom(7), seededRandom(7)];
  const drawn = Array.from({ length: 1000 }, () => a());
  expect(drawn.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => b()));
  expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...drawn)).toBeLessThan(1);
  expect(drawn.filter((value) => value < 0.5).length).toBeGreaterThan(430);
  expect(drawn.filter((value) => value < 0.5).length).toBeLessThan(570);
});
