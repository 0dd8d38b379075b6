// What central last told this agent, as a whole: instructions by key, with a digest per scope. Pure and in memory.
// Changes only by complete frames. The session fills it, the engine and the port table are fed from what apply() answers.

import type { Instruction, KeyHash, ScopeDigest } from "@weft/shared/gen/weft/v1/southbound.ts";
import {
  digestAdd,
  digestRemove,
  digestToBytes,
  instructionHash,
  scopeOf,
} from "@weft/shared/instruction-digest.ts";

/** A complete frame: dropped scopes go first, then deletes, then upserts. */
export interface Frame {
  readonly upserts: readonly Instruction[];
  readonly deletes: readonly string[];
  readonly dropScopes: readonly string[];
  readonly sequence: bigint;
  readonly revision: bigint;
  readonly inSync: boolean;
  readonly adopted: boolean;
}

/** What a frame really changed: keys that were absent before are not among the deletes, equal bodies not among the upserts. */
export interface FrameEffect {
  readonly upserts: readonly Instruction[];
  readonly deletes: readonly string[];
}

/** Where in central's history this state stands; null = nothing was ever received. */
export interface Position {
  readonly storeId: string;
  readonly epoch: bigint;
  readonly sequence: bigint;
  readonly revision: bigint;
}

interface Held {
  readonly body: Buffer;
  readonly hash: bigint;
}

interface Scope {
  readonly instructions: Map<string, Held>;
  digest: bigint;
}

export class DesiredState {
  readonly #scopes = new Map<string, Scope>();
  #size = 0;
  #position: Position | null = null;

  /** Number of instructions held. */
  get size(): number {
    return this.#size;
  }

  get position(): Position | null {
    return this.#position;
  }

  get(key: string): Buffer | undefined {
    return this.#scopes.get(scopeOf(key))?.instructions.get(key)?.body;
  }

  /** Every instruction, in no particular order. */
  *instructions(): Generator<Instruction> {
    for (const scope of this.#scopes.values()) {
      for (const [key, held] of scope.instructions) yield { key, body: held.body };
    }
  }

  /** Applies a complete frame of the store `storeId` in its `epoch`. A digest is keyed by the store: another id re-hashes all. */
  apply(storeId: string, epoch: bigint, frame: Frame): FrameEffect {
    if (this.#position !== null && this.#position.storeId !== storeId) this.#rehash(storeId);
    const deleted = new Set<string>();
    for (const name of frame.dropScopes) {
      const scope = this.#scopes.get(name);
      if (scope === undefined) continue;
      for (const key of scope.instructions.keys()) deleted.add(key);
      this.#size -= scope.instructions.size;
      this.#scopes.delete(name);
    }
    for (const key of frame.deletes) if (this.#remove(key)) deleted.add(key);
    const upserts: Instruction[] = [];
    for (const { key, body } of frame.upserts) {
      const dropped = deleted.delete(key);
      if (this.#put(storeId, key, body) || dropped) upserts.push({ key, body });
    }
    this.#position = { storeId, epoch, sequence: frame.sequence, revision: frame.revision };
    return { upserts, deletes: [...deleted] };
  }

  /** Fills an empty state from a checkpoint. */
  load(position: Position, instructions: readonly Instruction[]): void {
    this.#scopes.clear();
    this.#size = 0;
    for (const { key, body } of instructions) this.#put(position.storeId, key, body);
    this.#position = position;
  }

  /** Digest of each scope held, sorted by scope. */
  digests(): ScopeDigest[] {
    return [...this.#scopes]
      .map(([scope, { digest }]) => ({ scope, digest: digestToBytes(digest) }))
      .sort((a, b) => (a.scope < b.scope ? -1 : 1));
  }

  /** Key and hash of every instruction of a scope; empty for an unknown scope. */
  scopeKeys(scope: string): KeyHash[] {
    const held = this.#scopes.get(scope);
    if (held === undefined) return [];
    return [...held.instructions].map(([key, { hash }]) => ({ key, hash: digestToBytes(hash) }));
  }

  #rehash(storeId: string): void {
    for (const scope of this.#scopes.values()) {
      scope.digest = 0n;
      for (const [key, { body }] of scope.instructions) {
        const hash = instructionHash(storeId, key, body);
        scope.instructions.set(key, { body, hash });
        scope.digest = digestAdd(scope.digest, hash);
      }
    }
  }

  /** False when the same bytes were there already. */
  #put(storeId: string, key: string, body: Buffer): boolean {
    const name = scopeOf(key);
    let scope = this.#scopes.get(name);
    if (scope === undefined) {
      scope = { instructions: new Map(), digest: 0n };
      this.#scopes.set(name, scope);
    }
    const before = scope.instructions.get(key);
    if (before?.body.equals(body)) return false;
    const hash = instructionHash(storeId, key, body);
    if (before === undefined) this.#size += 1;
    else scope.digest = digestRemove(scope.digest, before.hash);
    scope.instructions.set(key, { body, hash });
    scope.digest = digestAdd(scope.digest, hash);
    return true;
  }

  #remove(key: string): boolean {
    const name = scopeOf(key);
    const scope = this.#scopes.get(name);
    const before = scope?.instructions.get(key);
    if (scope === undefined || before === undefined) return false;
    scope.instructions.delete(key);
    scope.digest = digestRemove(scope.digest, before.hash);
    if (scope.instructions.size === 0) this.#scopes.delete(name);
    this.#size -= 1;
    return true;
  }
}
