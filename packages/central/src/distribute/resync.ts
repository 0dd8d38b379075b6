// What a resync must carry: the difference between what an agent holds and what it should. Pure. First digests are compared, then
// the keys of the scopes that differ; called by session.ts.

import { scopeOf } from "@weft/shared/instruction-digest.ts";
import type { ScopeDigest } from "@weft/shared/gen/weft/v1/southbound.ts";

export interface ResyncReader {
  instructions(scope: string): ReadonlyMap<string, Buffer>;
  scopes: ReadonlySet<string>;
  digest(scope: string): Buffer;
  hash(key: string, body: Buffer): Buffer;
}

/** Scopes whose keys must be asked for: those that differ, and those that the agent should not hold at all. */
export function differingScopes(held: readonly ScopeDigest[], reader: ResyncReader): string[] {
  return held
    .filter(
      ({ scope, digest }) => !reader.scopes.has(scope) || !reader.digest(scope).equals(digest),
    )
    .map(({ scope }) => scope);
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
export function planResync(
  given: {
    asked: readonly string[];
    equal: ReadonlySet<string>;
    theirs: ReadonlyMap<string, Buffer>;
  },
  reader: ResyncReader,
): ResyncPlan {
  const keys: string[] = [];
  let deletes = 0;
  for (const key of given.theirs.keys()) {
    const scope = scopeOf(key);
    if (!reader.scopes.has(scope)) deletes += 1;
    else if (!reader.instructions(scope).has(key)) {
      deletes += 1;
      keys.push(key);
    }
  }
  for (const scope of reader.scopes) {
    if (given.equal.has(scope)) continue;
    for (const [key, body] of reader.instructions(scope)) {
      const theirs = given.theirs.get(key);
      if (theirs === undefined || !theirs.equals(reader.hash(key, body))) keys.push(key);
    }
  }
  return { keys, dropScopes: given.asked.filter((scope) => !reader.scopes.has(scope)), deletes };
}

/** The breaker: more than a fifth of what the agent holds, and more than a few. */
export function tripsBreaker(deletes: number, held: number): boolean {
  return deletes > 16 && deletes * 5 > held;
}
