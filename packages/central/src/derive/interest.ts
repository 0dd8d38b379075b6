// Who is told what, as it stands: instructions by scope, scopes by chassis and chassis by scope. Plain storage that follows the
// derivation; the rule behind it is tables/subscription.ts. Written by deriver.ts, read by distribute.

const NOBODY: ReadonlySet<string> = new Set();
const NOTHING: ReadonlyMap<string, Buffer> = new Map();

export class Interest {
  readonly #scopes = new Map<string, Map<string, Buffer>>();
  readonly #scopesOf = new Map<string, Set<string>>();
  readonly #chassisOf = new Map<string, Set<string>>();

  /** Instructions of a scope: key -> body. */
  instructions(scope: string): ReadonlyMap<string, Buffer> {
    return this.#scopes.get(scope) ?? NOTHING;
  }

  /** Scopes that a chassis is told. */
  scopes(chassis: string): ReadonlySet<string> {
    return this.#scopesOf.get(chassis) ?? NOBODY;
  }

  /** Chassis that are told a scope. */
  audience(scope: string): ReadonlySet<string> {
    return this.#chassisOf.get(scope) ?? NOBODY;
  }

  setInstruction(scope: string, key: string, body: Buffer | undefined): void {
    const instructions = this.#scopes.get(scope);
    if (body === undefined) {
      instructions?.delete(key);
      if (instructions?.size === 0) this.#scopes.delete(scope);
    } else if (instructions === undefined) {
      this.#scopes.set(scope, new Map([[key, body]]));
    } else {
      instructions.set(key, body);
    }
  }

  setSubscribed(chassis: string, scope: string, subscribed: boolean): void {
    setPair(this.#scopesOf, chassis, scope, subscribed);
    setPair(this.#chassisOf, scope, chassis, subscribed);
  }
}

function setPair(sets: Map<string, Set<string>>, from: string, to: string, present: boolean): void {
  const set = sets.get(from);
  if (present) {
    if (set === undefined) sets.set(from, new Set([to]));
    else set.add(to);
  } else if (set?.delete(to) && set.size === 0) {
    sets.delete(from);
  }
}
