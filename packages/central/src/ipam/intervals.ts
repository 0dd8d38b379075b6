// Sets of addresses as sorted, disjoint, inclusive intervals of integers. Pure; used by address-pool.ts to cut the reserved out of
// the ranges, so that a pool's size does not show in its cost.

export interface Interval {
  readonly first: bigint;
  readonly last: bigint;
}

/** The union of intervals, sorted and joined. */
export function normalize(intervals: readonly Interval[]): Interval[] {
  const sorted = intervals.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const joined: Interval[] = [];
  for (const next of sorted) {
    const last = joined.at(-1);
    if (last === undefined || next.first > last.last + 1n) joined.push(next);
    else if (next.last > last.last) joined[joined.length - 1] = { ...last, last: next.last };
  }
  return joined;
}

/** What is in `from` and not in `cut`; both need not be normalized. */
export function subtract(from: readonly Interval[], cut: readonly Interval[]): Interval[] {
  const cuts = normalize(cut);
  const rest: Interval[] = [];
  for (const { first, last } of normalize(from)) {
    let at = first;
    for (const hole of cuts) {
      if (hole.last < at || hole.first > last) continue;
      if (hole.first > at) rest.push({ first: at, last: hole.first - 1n });
      at = hole.last + 1n;
    }
    if (at <= last) rest.push({ first: at, last });
  }
  return rest;
}

/** Number of values in disjoint intervals. */
export function intervalsSize(intervals: readonly Interval[]): bigint {
  return intervals.reduce((sum, { first, last }) => sum + (last - first + 1n), 0n);
}

/** The value at `position` in ascending order. Throws RangeError beyond the end. */
export function intervalsAt(intervals: readonly Interval[], position: bigint): bigint {
  let rest = position;
  for (const { first, last } of intervals) {
    const size = last - first + 1n;
    if (rest < size) return first + rest;
    rest -= size;
  }
  throw new RangeError(`no value at position ${position}`);
}
