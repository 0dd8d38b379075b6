// Percentiles of measured samples, by nearest rank: a percentile is always a value that was measured; and how sure a median is. Pure.
// Used by measure.ts and what it calls, and by throughput.ts.

export interface Summary {
  readonly n: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** The smallest sample that at least `percent` (above 0, at most 100) of all samples do not exceed. */
export function nearestRank(sorted: readonly number[], percent: number): number {
  if (!(percent > 0 && percent <= 100)) throw new RangeError(`percent ${percent}: not in 0..100`);
  const value = sorted[Math.ceil((sorted.length * percent) / 100) - 1];
  if (value === undefined) throw new RangeError("a percentile of no samples");
  return value;
}

/** Nearest rank: of an even number the smaller of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return nearestRank(sorted, 50);
}

/** Null when there is no sample: nothing was measured, which is not 0. */
export function summarize(samples: readonly number[]): Summary | null {
  if (samples.length === 0) return null;
  const sorted = samples.toSorted((a, b) => a - b);
  return {
    n: sorted.length,
    min: sorted[0] ?? Number.NaN,
    p50: nearestRank(sorted, 50),
    p90: nearestRank(sorted, 90),
    p99: nearestRank(sorted, 99),
    max: sorted.at(-1) ?? Number.NaN,
  };
}

export interface Interval {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The median of `values` with a 95 % interval by bootstrap: medians of `rounds` samples drawn with replacement, between their 2.5 %
 * and 97.5 % ranks. `random` answers 0..1 (1 excluded). Here the median of an even number is the mean of the two in the middle.
 */
export function medianInterval(
  values: readonly number[],
  random: () => number,
  rounds = 10_000,
): Interval {
  const drawn = (): number => values[Math.floor(random() * values.length)] ?? Number.NaN;
  const medians = Array.from({ length: rounds }, () => middle(values.map(drawn)));
  const sorted = medians.toSorted((a, b) => a - b);
  const [low, high] = [nearestRank(sorted, 2.5), nearestRank(sorted, 97.5)];
  return { median: middle(values), low, high };
}

function middle(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("a median of no samples");
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** A sequence of numbers 0..1 that is the same for the same seed (mulberry32): a verdict must not change by being printed twice. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
