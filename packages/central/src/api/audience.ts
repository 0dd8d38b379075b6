// Who is told what, for people: the scopes that cost most, each with the object behind it. Reads only, in steps. Called by admin.ts.

import type { ScopeAudience } from "@weft/shared/gen/weft/v1/orchestration.ts";
import type { Tables } from "../model/tables.ts";
import type { CookieObject } from "./cookie.ts";
import { objectBehind } from "./cookie-object.ts";

/** A scope that somebody is told. */
export type ScopeSize = Omit<ScopeAudience, "object">;

/** Scopes that are named. */
const MAX_NAMED = 20;
/** Scopes between two steps. */
const STEP = 64;

export interface Audiences {
  /** The most deliveries first. */
  readonly scopes: ScopeAudience[];
  readonly scopeCount: bigint;
  /** Of all scopes. */
  readonly deliveries: bigint;
}

/** What changes between the steps may be in it or not. */
export function* audiences(sizes: Iterable<ScopeSize>, tables: Tables): Generator<void, Audiences> {
  const most: ScopeSize[] = [];
  let count = 0;
  let deliveries = 0;
  for (const size of sizes) {
    deliveries += deliveriesOf(size);
    count += 1;
    insert(most, size);
    if (count % STEP === 0) yield;
  }
  return {
    scopes: most.map(({ scope, chassis, instructions }) => {
      return { scope, chassis, instructions, object: objectOf(tables, scope) };
    }),
    scopeCount: BigInt(count),
    deliveries: BigInt(deliveries),
  };
}

const deliveriesOf = ({ chassis, instructions }: ScopeSize): number => chassis * instructions;

/** Keeps the first few, sorted; of equals the first in the alphabet. */
function insert(most: ScopeSize[], size: ScopeSize): void {
  const isBefore = (other: ScopeSize): boolean => {
    const more = deliveriesOf(size) - deliveriesOf(other);
    return more > 0 || (more === 0 && size.scope < other.scope);
  };
  const last = most.at(-1);
  if (most.length === MAX_NAMED && last !== undefined && !isBefore(last)) return;
  const at = most.findIndex(isBefore);
  most.splice(at < 0 ? most.length : at, 0, size);
  if (most.length > MAX_NAMED) most.pop();
}

const kinds: Readonly<Record<string, CookieObject>> = {
  network: "network",
  flood: "network",
  router: "router",
};

function objectOf(tables: Tables, scope: string): string {
  const slash = scope.indexOf("/");
  const object = kinds[scope.slice(0, slash)];
  if (object === undefined) return scope.replace("/", " ");
  return objectBehind(tables, { object, key: Number(scope.slice(slash + 1)) }).text;
}
