// Who is told what, as it stands: instructions by scope, scopes by chassis and chassis by scope. Storage that follows the derivation;
// the rule behind it is tables/subscription.ts. Pairs of chassis and scope are counted: several ports, and several routers, may lead
// to one. Written by engine.ts and deriver.ts, read by distribute.

import type { Pairs } from "./spec.ts";

/** A chassis is told a scope from now on, or no more. */
export interface DerivedSubscription {
  readonly chassis: string;
  readonly scope: string;
  readonly subscribed: boolean;
}

/** The scopes of a chassis. */
export type Scopes = Pick<ReadonlySet<string>, "size" | "has" | "keys">;

const NOBODY: ReadonlySet<string> = new Set();
const NOTHING: ReadonlyMap<string, Buffer> = new Map();

/** Equal text is kept once: `name` is what stands in the sets of others. */
interface OfChassis {
  readonly name: string;
  /** Scope -> how many lead to it. */
  readonly scopes: Map<string, number>;
}

interface OfScope {
  readonly name: string;
  readonly chassis: Set<string>;
}

export class Interest implements Pairs {
  readonly #instructions = new Map<string, Map<string, Buffer>>();
  readonly #ofChassis = new Map<string, OfChassis>();
  readonly #ofScope = new Map<string, OfScope>();
  #count = 0;
  /** Chassis -> scope -> whether it was told it when the changes were taken last; undefined = nobody takes them yet. */
  #touched: Map<string, Map<string, boolean>> | undefined;

  get count(): number {
    return this.#count;
  }

  /** Instructions of a scope: key -> body. */
  instructions(scope: string): ReadonlyMap<string, Buffer> {
    return this.#instructions.get(scope) ?? NOTHING;
  }

  /** Scopes that a chassis is told. */
  scopes(chassis: string): Scopes {
    return this.#ofChassis.get(chassis)?.scopes ?? NOBODY;
  }

  /** Chassis that are told a scope. */
  audience(scope: string): ReadonlySet<string> {
    return this.#ofScope.get(scope)?.chassis ?? NOBODY;
  }

  /** All scopes that somebody is told. */
  allScopes(): IterableIterator<string> {
    return this.#ofScope.keys();
  }

  setInstruction(scope: string, key: string, body: Buffer | undefined): void {
    const instructions = this.#instructions.get(scope);
    if (body === undefined) {
      instructions?.delete(key);
      if (instructions?.size === 0) this.#instructions.delete(scope);
    } else if (instructions === undefined) {
      this.#instructions.set(scope, new Map([[key, body]]));
    } else {
      instructions.set(key, body);
    }
  }

  has(chassis: string, scope: string): boolean {
    return this.#ofChassis.get(chassis)?.scopes.has(scope) ?? false;
  }

  hold(chassis: string, scope: string): void {
    this.#count += 1;
    let own = this.#ofChassis.get(chassis);
    if (own === undefined) {
      own = { name: chassis, scopes: new Map() };
      this.#ofChassis.set(chassis, own);
    }
    const before = own.scopes.get(scope) ?? 0;
    if (before > 0) {
      own.scopes.set(scope, before + 1);
      return;
    }
    this.#touch(own.name, scope, false);
    let told = this.#ofScope.get(scope);
    if (told === undefined) {
      told = { name: scope, chassis: new Set() };
      this.#ofScope.set(scope, told);
    }
    own.scopes.set(told.name, 1);
    told.chassis.add(own.name);
  }

  letGo(chassis: string, scope: string): void {
    const own = this.#ofChassis.get(chassis);
    const before = own?.scopes.get(scope);
    if (own === undefined || before === undefined) {
      throw new Error(`${chassis} is let go of ${scope}, which it does not hold`);
    }
    this.#count -= 1;
    if (before > 1) {
      own.scopes.set(scope, before - 1);
      return;
    }
    this.#touch(chassis, scope, true);
    own.scopes.delete(scope);
    if (own.scopes.size === 0) this.#ofChassis.delete(chassis);
    const told = this.#ofScope.get(scope);
    told?.chassis.delete(chassis);
    if (told?.chassis.size === 0) this.#ofScope.delete(scope);
  }

  /** What differs since the last call; the first one begins and answers nothing. */
  takeChanges(): DerivedSubscription[] {
    const changes: DerivedSubscription[] = [];
    for (const [chassis, scopes] of this.#touched ?? []) {
      for (const [scope, before] of scopes) {
        const subscribed = this.has(chassis, scope);
        if (subscribed !== before) changes.push({ chassis, scope, subscribed });
      }
    }
    this.#touched = new Map();
    return changes;
  }

  #touch(chassis: string, scope: string, before: boolean): void {
    if (this.#touched === undefined) return;
    const scopes = this.#touched.get(chassis);
    if (scopes === undefined) this.#touched.set(chassis, new Map([[scope, before]]));
    else if (!scopes.has(scope)) scopes.set(scope, before);
  }
}
