// What a resync must carry: the difference between what an agent holds and what it should. Pure. First digests are compared, then
// the keys of the scopes that differ; called by session.ts, a step at a time. What changes between the steps is queued for the
// agent anyway: it may be in the result or not.

import type { Scopes } from "../derive/interest.ts";
import { scopeOf } from "@weft/shared/instruction-digest.ts";
import type { ScopeDigest } from "@weft/shared/gen/weft/v1/southbound.ts";

export interface ResyncReader {
  instructions(scope: string): ReadonlyMap<string, Buffer>;
  scopes: Scopes;
  digest(scope: string): Generator<void, Buffer>;
  hash(key: string, body: Buffer): Buffer;
}

/**
 * Scopes whose keys must be asked for: those that differ, and those that the agent should not hold at all. `foreign`: digests cannot
 * be compared, and all differ.
 */
export function* differingScopes(
  held: readonly ScopeDigest[],
  foreign: boolean,
  reader: ResyncReader,
): Generator<void, string[]> {
  const differing: string[] = [];
  for (const { scope, digest } of held) {
    const isComparable = !foreign && reader.scopes.has(scope);
    const ours = isComparable ? yield* reader.digest(scope) : undefined;
    if (ours?.equals(digest) !== true) differing.push(scope);
    yield;
  }
  return differing;
}

export interface ResyncPlan {
  /** To be sent: absent ones are deletes. */
  readonly keys: readonly string[];
  readonly dropScopes: readonly string[];
  /** Instructions that the agent holds and loses. */
  readonly deletes: number;
}

/**
 * `equal`: scopes that were found equal; what changed in them since is pending anyway. `theirs`: key -> hash in the scopes that
 * were asked for.
 */
export function* planResync(
  given: {
    asked: readonly string[];
    equal: ReadonlySet<string>;
    theirs: ReadonlyMap<string, Buffer>;
  },
  reader: ResyncReader,
): Generator<void, ResyncPlan> {
  const keys: string[] = [];
  // Decided once: a scope that is gained between the steps is dropped, and then comes as a whole.
  const dropScopes = new Set(given.asked.filter((scope) => !reader.scopes.has(scope)));
  let deletes = 0;
  for (const key of given.theirs.keys()) {
    const scope = scopeOf(key);
    if (dropScopes.has(scope)) deletes += 1;
    else if (!reader.instructions(scope).has(key)) {
      deletes += 1;
      keys.push(key);
    }
    yield;
  }
  for (const scope of reader.scopes.keys()) {
    if (given.equal.has(scope)) continue;
    for (const [key, body] of reader.instructions(scope)) {
      const theirs = given.theirs.get(key);
      if (theirs === undefined || !theirs.equals(reader.hash(key, body))) keys.push(key);
      yield;
    }
  }
  return { keys, dropScopes: [...dropScopes], deletes };
}

/** The breaker: more than a fifth of what the agent holds, and more than a few. */
export function tripsBreaker(deletes: number, held: number): boolean {
  return deletes > 16 && deletes * 5 > held;
}
