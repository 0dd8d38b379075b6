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
  readonly #sums = new Map<string, bigint>();

  constructor(options: {
    storeId: string;
    instructions: (scope: string) => ReadonlyMap<string, Buffer>;
  }) {
    this.#storeId = options.storeId;
    this.#instructions = options.instructions;
  }

  /** 16 bytes, as on the wire. `keep` = false while instructions show changes that changed() was not told yet. */
  digest(scope: string, keep: boolean): Buffer {
    let sum = this.#sums.get(scope);
    if (sum === undefined) {
      sum = 0n;
      for (const [key, body] of this.#instructions(scope))
        sum = digestAdd(sum, this.#of(key, body));
      if (keep) this.#sums.set(scope, sum);
    }
    return digestToBytes(sum);
  }

  /** An instruction changed; undefined = absent. */
  changed(scope: string, key: string, before: Buffer | undefined, after: Buffer | undefined): void {
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
