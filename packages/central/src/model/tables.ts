// Typed tables in memory with their indexes, and the published model: what is durable, plus volatile facts. Owns the maps; knows
// no rules (validate-*.ts) and no disk (store/). The transactor works on a Tables of its own, the head, ahead of the Model.

import { headIndexes, indexSpecs, readIndexes } from "./indexes.ts";
import type { AnyIndexSpec, IndexEntry, IndexName } from "./indexes.ts";
import { SpreadMap } from "../spread-map.ts";
import type { AnyRow, Batch, DurableTableName, RowChange, Rows, TableName } from "./rows.ts";

/** What derivation and validation read. */
export interface RowReader {
  get<T extends TableName>(table: T, id: string): Rows[T] | undefined;
  /** In no particular order; must not be kept across a change. */
  values<T extends TableName>(table: T): IterableIterator<Rows[T]>;
}

/** The tables of intent: what refers to others comes after them. */
export const durableTables: readonly DurableTableName[] = [
  "chassis",
  "network",
  "subnet",
  "port",
  "router",
  "router-interface",
  "router-link",
  "route",
  "policy-route",
  "route-leak",
];

export const tableNames: readonly TableName[] = [...durableTables, "binding", "claim", "liveness"];

/** More changes than this at once: the sorted ids are made anew instead of being kept. */
const MAX_INSERTS = 256;

type Members = string | Set<string>;

class Index {
  readonly #spec: AnyIndexSpec;
  // Most groups have one member: a plain string spares a Set each.
  readonly #groups = new SpreadMap<Members>();

  constructor(spec: AnyIndexSpec) {
    this.#spec = spec;
  }

  change(before: AnyRow | undefined, after: AnyRow | undefined): void {
    const entries = this.#spec.entries as (row: AnyRow) => readonly IndexEntry[];
    if (before !== undefined) {
      for (const [group, member] of entries(before)) this.#remove(group, member);
    }
    if (after !== undefined) {
      for (const [group, member] of entries(after)) this.#add(group, member);
    }
  }

  members(group: string): Iterable<string> {
    const found = this.#groups.get(group);
    if (found === undefined) return [];
    return typeof found === "string" ? [found] : found;
  }

  count(group: string): number {
    const found = this.#groups.get(group);
    if (found === undefined) return 0;
    return typeof found === "string" ? 1 : found.size;
  }

  #add(group: string, member: string): void {
    const found = this.#groups.get(group);
    if (found === undefined) this.#groups.set(group, member);
    else if (typeof found !== "string") found.add(member);
    else if (found !== member) this.#groups.set(group, new Set([found, member]));
  }

  #remove(group: string, member: string): void {
    const found = this.#groups.get(group);
    if (found === member) {
      this.#groups.delete(group);
    } else if (found !== undefined && typeof found !== "string") {
      found.delete(member);
      if (found.size === 0) this.#groups.delete(group);
    }
  }
}

/** Tables with indexes. Changes name what was before; undoing is `apply` of the inverse in reverse order. */
export class Tables implements RowReader {
  readonly #rows: { readonly [T in TableName]: Map<string, Rows[T]> } = {
    network: new Map(),
    subnet: new Map(),
    port: new Map(),
    chassis: new Map(),
    router: new Map(),
    "router-interface": new Map(),
    route: new Map(),
    "policy-route": new Map(),
    "router-link": new Map(),
    "route-leak": new Map(),
    binding: new Map(),
    claim: new Map(),
    liveness: new Map(),
  };
  readonly #indexes = new Map<IndexName, Index>();
  readonly #indexesOf = new Map<TableName, Index[]>();
  readonly #sorted = new Map<TableName, string[]>();

  constructor(indexes: readonly IndexName[] = headIndexes) {
    for (const name of indexes) {
      const spec: AnyIndexSpec = indexSpecs[name];
      const made = new Index(spec);
      this.#indexes.set(name, made);
      this.#indexesOf.set(spec.table, [...(this.#indexesOf.get(spec.table) ?? []), made]);
    }
  }

  get<T extends TableName>(table: T, id: string): Rows[T] | undefined {
    return this.#rows[table].get(id);
  }

  values<T extends TableName>(table: T): IterableIterator<Rows[T]> {
    return this.#rows[table].values();
  }

  size(table: TableName): number {
    return this.#rows[table].size;
  }

  /** Members of a group of an index, in no particular order. */
  members(index: IndexName, group: string): Iterable<string> {
    return this.#index(index).members(group);
  }

  count(index: IndexName, group: string): number {
    return this.#index(index).count(group);
  }

  /** The only or any member of a group. */
  first(index: IndexName, group: string): string | undefined {
    for (const member of this.members(index, group)) return member;
    return undefined;
  }

  /** All ids of a table in ascending order. Must not be changed or kept across a change. */
  sortedIds(table: TableName): readonly string[] {
    let ids = this.#sorted.get(table);
    if (ids === undefined) {
      ids = [...this.#rows[table].keys()].sort();
      this.#sorted.set(table, ids);
    }
    return ids;
  }

  apply(changes: readonly RowChange[]): void {
    if (changes.length > MAX_INSERTS) this.#sorted.clear();
    for (const change of changes) this.put(change.table, change.id, change.after);
  }

  /** Sets or (undefined) removes one row; answers the row before. */
  put<T extends TableName>(table: T, id: string, after: Rows[T] | undefined): Rows[T] | undefined {
    const rows: Map<string, Rows[T]> = this.#rows[table];
    const before = rows.get(id);
    if (before === after) return before;
    if (after === undefined) rows.delete(id);
    else rows.set(id, after);
    if ((before === undefined) !== (after === undefined)) this.#resort(table, id, after);
    for (const index of this.#indexesOf.get(table) ?? []) index.change(before, after);
    return before;
  }

  #resort(table: TableName, id: string, after: AnyRow | undefined): void {
    const ids = this.#sorted.get(table);
    if (ids === undefined) return;
    const at = lowerBound(ids, id);
    ids.splice(at, after === undefined ? 1 : 0, ...(after === undefined ? [] : [id]));
  }

  #index(name: IndexName): Index {
    const found = this.#indexes.get(name);
    if (found === undefined) throw new Error(`index ${name} is not kept here`);
    return found;
  }
}

/** Position of the first entry that is not below `id`. */
export function lowerBound(ids: readonly string[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ids[middle] ?? "") < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The published model: durable intent as of `revision`, and volatile facts. */
export class Model extends Tables {
  #revision: bigint;
  readonly #listeners = new Set<(batch: Batch) => void>();

  constructor(revision = 0n) {
    super(readIndexes);
    this.#revision = revision;
  }

  get revision(): bigint {
    return this.#revision;
  }

  /**
   * Makes a batch visible and tells everybody who listens. A large one comes in several parts; the revision is that of the model
   * with the last one.
   */
  publish(batch: Batch, { isLast }: { isLast: boolean } = { isLast: true }): void {
    if (batch.revision < this.#revision) {
      throw new Error(`batch of revision ${batch.revision} after ${this.#revision}`);
    }
    this.apply(batch.changes);
    if (isLast) this.#revision = batch.revision;
    for (const listener of this.#listeners) listener(batch);
  }

  /** Calls `listener` with every batch published from now on; the answer ends that. */
  onBatch(listener: (batch: Batch) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
