// A pool of values given out in order and taken back into a quarantine: the common core of address pools and key pools. Pure over
// `isUsed`; time comes in as an argument. Draws belong to a PoolDraft, which counts only once it is kept.
//
//   never used: positions from the cursor on        given out: what isUsed says       quarantine: oldest release first
//
// A value passes the cursor once, so that a draw is O(1) amortized whatever the size. A quarantined value that was taken by name
// meanwhile is skipped and forgotten.

/** When a value was released: what decides about its reuse. */
export interface Release {
  readonly atMs: number;
  readonly revision: bigint;
}

export interface ReusePoolOptions<V> {
  readonly size: bigint;
  /** The value at a position, 0 <= position < size. */
  readonly at: (position: bigint) => V;
  readonly isUsed: (value: V) => boolean;
  /** Above this many quarantined values, those are preferred to never used ones. */
  readonly preferReuseAbove: number;
}

/** Draws and releases of one change set. */
export class PoolDraft<V> {
  readonly taken = new Set<V>();
  readonly released = new Map<V, Release>();
  cursor: bigint;
  /** Where in the quarantine its draws are; undefined = not begun. */
  oldest: Iterator<[V, Release]> | undefined;

  constructor(cursor: bigint) {
    this.cursor = cursor;
  }
}

export class ReusePool<V> {
  readonly #options: ReusePoolOptions<V>;
  #quarantine = new Map<V, Release>();
  #cursor = 0n;

  constructor(options: ReusePoolOptions<V>) {
    this.#options = options;
  }

  get size(): bigint {
    return this.#options.size;
  }

  get quarantined(): ReadonlyMap<V, Release> {
    return this.#quarantine;
  }

  begin(): PoolDraft<V> {
    return new PoolDraft(this.#cursor);
  }

  /** Draws a value that is neither used nor quarantined, else the oldest reusable one; undefined = none. */
  draw(draft: PoolDraft<V>, reusable: (value: V, release: Release) => boolean): V | undefined {
    const preferOld = this.#quarantine.size - draft.taken.size > this.#options.preferReuseAbove;
    if (preferOld) return this.#drawOld(draft, reusable) ?? this.#drawNew(draft);
    return this.#drawNew(draft) ?? this.#drawOld(draft, reusable);
  }

  /** True when a random value may be drawn: not used, not quarantined, not drawn already. */
  isFree(draft: PoolDraft<V>, value: V): boolean {
    const { taken, released } = draft;
    return (
      !this.#options.isUsed(value) &&
      !this.#quarantine.has(value) &&
      !taken.has(value) &&
      !released.has(value)
    );
  }

  /** Makes the draft count, step by step; nothing may be drawn meanwhile. */
  *keep(draft: PoolDraft<V>): Generator<void, void> {
    this.#cursor = draft.cursor;
    for (const value of draft.taken) {
      this.#quarantine.delete(value);
      yield;
    }
    for (const [value, release] of draft.released) {
      this.#quarantine.delete(value);
      this.#quarantine.set(value, release);
      yield;
    }
  }

  /** Takes releases in that an earlier life recorded, oldest first. */
  restore(releases: Iterable<readonly [V, Release]>): void {
    const all = [...this.#quarantine, ...releases];
    all.sort(([, a], [, b]) => a.atMs - b.atMs || Number(a.revision - b.revision));
    this.#quarantine = new Map(all);
  }

  /** Bounds the quarantine: of more than `max` it forgets the oldest that are `done`, down to half, so that this is rare. */
  trim(max: number, done: (release: Release) => boolean): void {
    if (this.#quarantine.size <= max) return;
    for (const [value, release] of this.#quarantine) {
      if (this.#quarantine.size <= max / 2 || !done(release)) return;
      this.#quarantine.delete(value);
      // What is forgotten counts as never used again, and the cursor may be past it.
      this.#cursor = 0n;
    }
  }

  #drawNew(draft: PoolDraft<V>): V | undefined {
    while (draft.cursor < this.#options.size) {
      const value = this.#options.at(draft.cursor);
      draft.cursor += 1n;
      if (!this.isFree(draft, value)) continue;
      draft.taken.add(value);
      return value;
    }
    return undefined;
  }

  #drawOld(draft: PoolDraft<V>, reusable: (value: V, release: Release) => boolean): V | undefined {
    draft.oldest ??= this.#quarantine.entries();
    for (let next = draft.oldest.next(); next.done !== true; next = draft.oldest.next()) {
      const [value, release] = next.value;
      if (draft.taken.has(value) || draft.released.has(value)) continue;
      const isUsed = this.#options.isUsed(value);
      if (!isUsed && !reusable(value, release)) {
        // Oldest first: what came later is not reusable either.
        draft.oldest = [].values();
        return undefined;
      }
      // A used one is forgotten with the draft, if that counts.
      draft.taken.add(value);
      if (!isUsed) return value;
    }
    return undefined;
  }
}
