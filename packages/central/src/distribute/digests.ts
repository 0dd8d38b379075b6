// Digest of each scope as central holds it: made when first asked for, then kept in O(1) per change. Pure. Hashes of single
// instructions are not stored: they are only needed in a resync. Called by distributor.ts and resync.ts.

import {
  digestAdd,
  digestRemove,
  digestToBytes,
  instructionHash,
} from "@weft/shared/instruction-digest.ts";

export class Digests {
  readonly #storeId: string;
  readonly #instructions: (scope: string) => ReadonlyMap<string, Buffer>;
  readonly #held: () => boolean;
  readonly #sums = new Map<string, bigint>();
  /** Calls of changed(). */
  #changes = 0;

  constructor(options: {
    storeId: string;
    instructions: (scope: string) => ReadonlyMap<string, Buffer>;
    /** True while instructions show changes that changed() was not told yet. */
    held: () => boolean;
  }) {
    this.#storeId = options.storeId;
    this.#instructions = options.instructions;
    this.#held = options.held;
  }

  /**
   * 16 bytes, as on the wire; a step at a time. What changes between the steps may be in it or not: who compares is told of it
   * afterwards.
   */
  *digest(scope: string): Generator<void, Buffer> {
    let sum = this.#sums.get(scope);
    if (sum === undefined) {
      const changes = this.#held() ? -1 : this.#changes;
      sum = 0n;
      for (const [key, body] of this.#instructions(scope)) {
        sum = digestAdd(sum, this.#of(key, body));
        yield;
      }
      if (!this.#held() && this.#changes === changes) this.#sums.set(scope, sum);
    }
    return digestToBytes(sum);
  }

  /** An instruction changed; undefined = absent. */
  changed(scope: string, key: string, before: Buffer | undefined, after: Buffer | undefined): void {
    this.#changes += 1;
    let sum = this.#sums.get(scope);
    if (sum === undefined) return;
    if (before !== undefined) sum = digestRemove(sum, this.#of(key, before));
    if (after !== undefined) sum = digestAdd(sum, this.#of(key, after));
    if (this.#instructions(scope).size === 0) this.#sums.delete(scope);
    else this.#sums.set(scope, sum);
  }

  /** Hash of one instruction, 16 bytes, as on the wire. */
  hash(key: string, body: Buffer): Buffer {
    return digestToBytes(this.#of(key, body));
  }

  #of(key: string, body: Buffer): bigint {
    return instructionHash(this.#storeId, key, body);
  }
}
