// Large sets on their way to the writer thread: copying 49,000 entries between threads takes 50 ms in one piece, so their lists travel
// ahead in parts, and the set follows with what is left. Used by store.ts on one side, by writer-worker.ts on the other.

import type { CommitSet } from "./commit-log.ts";

export type SetLists = Pick<CommitSet, "entries" | "freed" | "reused">;

/** Values in a part: about 3 ms of copying. */
const PART = 2_000;

const lists = ["entries", "freed", "reused"] as const;

export function isLarge(set: CommitSet): boolean {
  return lists.some((name) => set[name].length > PART);
}

/** The parts of a large set that travel ahead; the set itself follows without these lists. */
export function* partsOf(set: CommitSet): Generator<SetLists> {
  for (const name of lists) {
    for (let from = 0; from < set[name].length; from += PART) {
      yield { ...nothing, [name]: set[name].slice(from, from + PART) };
    }
  }
}

const nothing: SetLists = { entries: [], freed: [], reused: [] };

export function withoutLists(set: CommitSet): CommitSet {
  return { ...set, ...nothing };
}

/** What came ahead of the next sets; belongs to the first of them, since a large set is appended alone. */
export class Staged {
  #parts: SetLists[] = [];

  add(part: SetLists): void {
    this.#parts.push(part);
  }

  complete(sets: readonly CommitSet[]): readonly CommitSet[] {
    const [first, ...others] = sets;
    if (first === undefined || this.#parts.length === 0) return sets;
    const all = [...this.#parts, first];
    this.#parts = [];
    return [
      {
        ...first,
        entries: all.flatMap(({ entries }) => entries),
        freed: all.flatMap(({ freed }) => freed),
        reused: all.flatMap(({ reused }) => reused),
      },
      ...others,
    ];
  }
}
