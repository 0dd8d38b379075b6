// The tracked incremental derivation: keeps every derived key equal to its pure function of the rows, doing work in proportion to
// the change. It knows no table by name: graph.ts and indexes.ts are given to it. It does no I/O and reads no clock. Called by
// deriver.ts; what it keeps is declared in engine-state.ts and checked in engine-verify.ts.
//
// apply(): each changed row of concern dirties its readers, moves in and out of index groups, and gives birth or death to keys
// of the tables it is a source of. Then the dirty keys are derived anew in rank order; a value that differs does the same to
// what stands after it. A key is derived at most once an apply.

import type { RowChange } from "../model/rows.ts";
import { type Cell, Dependencies } from "./dependencies.ts";
import {
  type DerivedState,
  declareState,
  type EngineState,
  hasPair,
  type IndexState,
  isDerived,
  type Node,
  pairsOf,
  sameValue,
  type TableState,
  tableNamed,
} from "./engine-state.ts";
import { type Difference, verifySteps } from "./engine-verify.ts";
import { CHANGED_COUNT, CHANGED_FIRST, CHANGED_MEMBERS } from "./groups.ts";
import type {
  DerivedName,
  DerivedTable,
  Index,
  IndexName,
  Pairs,
  PairSource,
  Read,
  ReadableName,
  RowReader,
} from "./spec.ts";

export interface EngineOptions {
  readonly rows: RowReader;
  readonly tables: readonly DerivedTable[];
  readonly indexes: Readonly<Record<string, Index>>;
  /** What rows keep alive as pairs, and where these are counted. */
  readonly pairSources: readonly PairSource[];
  readonly pairs: Pairs;
  /** False: nothing that is derived, indexed or paired reads what changed. */
  readonly concerns: (change: RowChange) => boolean;
  /** A key's value changed; undefined = absent. Rank order; each key at most once an apply. */
  readonly onChange: (table: DerivedName, key: string, before: unknown, after: unknown) => void;
  /** A derivation threw: the key counts as absent (it fails closed) and the others go on. Always a bug or an unvalidated row. */
  readonly onError: (table: DerivedName, key: string, error: unknown) => void;
}

const NOTHING: readonly string[] = [];

export class Engine {
  readonly #rows: RowReader;
  readonly #pairs: Pairs;
  readonly #concerns: EngineOptions["concerns"];
  readonly #onChange: EngineOptions["onChange"];
  readonly #onError: EngineOptions["onError"];
  readonly #state: EngineState;
  readonly #tables: Map<string, TableState>;
  readonly #derived: readonly DerivedState[];
  readonly #indexes: ReadonlyMap<string, IndexState>;
  readonly #dependencies = new Dependencies();
  readonly #nodes: (Node | undefined)[] = [];
  readonly #freeNodes: number[] = [];
  readonly #read: Read;
  /** The rank being derived: a read at or above it is a fault of the graph. */
  #rank = Number.MAX_SAFE_INTEGER;
  #tracking = false;
  #applies = 0;
  /** A batch is half applied: values differ from what the rows give. */
  #applying = false;
  readonly #markDirty = (slot: number): void => {
    const node = this.#nodes[slot];
    if (node !== undefined) this.#enqueue(node);
  };

  constructor(options: EngineOptions) {
    this.#rows = options.rows;
    this.#pairs = options.pairs;
    this.#concerns = options.concerns;
    this.#onChange = options.onChange;
    this.#onError = options.onError;
    this.#state = declareState(options);
    this.#tables = this.#state.tables;
    this.#derived = this.#state.derived;
    this.#indexes = this.#state.indexes;
    this.#read = this.#makeRead();
  }

  /** Applies row changes that the reader already shows. */
  apply(changes: Iterable<RowChange>): void {
    for (const _ of this.applySteps(changes));
  }

  /**
   * As apply(), a step a row and a dirty key: others may read between steps, and see a part of it. The reader must not change meanwhile, and
   * no other apply may begin.
   */
  *applySteps(changes: Iterable<RowChange>): Generator<void, void> {
    if (this.#applying) throw new Error("a batch is applied while another one is");
    this.#applying = true;
    this.#applies += 1;
    for (const change of changes) {
      if (this.#concerns(change)) {
        const { table, id, before, after } = change;
        this.#rowChanged(tableNamed(this.#tables, table), id, before, after);
      }
      yield;
    }
    for (const table of this.#derived) yield* this.#settle(table);
    this.#applying = false;
  }

  /** Value of a derived key, without a dependency. */
  value(table: DerivedName, key: string): unknown {
    return this.#derivedTable(table).nodes.get(key)?.value;
  }

  count(index: IndexName, group: string): number {
    return this.#index(index).groups.count(group);
  }

  /** Sorted; without a dependency. Must not be kept across an apply. */
  members(index: IndexName, group: string): readonly string[] {
    return this.#index(index).groups.members(group);
  }

  get counts(): { keys: number; edges: number; entries: number; byTable: Record<string, number> } {
    const byTable: Record<string, number> = {};
    let keys = 0;
    for (const table of this.#derived) {
      byTable[table.name] = table.nodes.size;
      keys += table.nodes.size;
    }
    let entries = 0;
    for (const index of this.#indexes.values()) entries += index.groups.entries;
    return { keys, edges: this.#dependencies.edges, entries, byTable };
  }

  /**
   * Derives every key again, compares, and checks births and index groups against the rows; yields after each `slice` steps
   * what it found in them. No second copy: one key at a time. apply() may run between slices; the sums over whole tables are
   * then not compared.
   */
  *verify(slice: number): Generator<readonly Difference[], void, void> {
    const applies = this.#applies;
    let found: Difference[] = [];
    let steps = 0;
    const work = verifySteps({
      state: this.#state,
      rows: this.#rows,
      pairs: this.#pairs,
      derive: (node) => this.#guarded(node),
      undisturbed: () => this.#applies === applies,
    });
    for (;;) {
      // Half of a batch is no difference.
      while (this.#applying) yield [];
      const step = work.next();
      if (step.done === true) break;
      const difference = step.value;
      steps += 1;
      if (difference !== undefined) found.push(difference);
      if (steps % slice === 0) {
        yield found;
        found = [];
      }
    }
    yield found;
  }

  // ---- reading ----

  #derivedTable(name: DerivedName): DerivedState {
    const table = this.#tables.get(name);
    if (table === undefined || !isDerived(table)) throw new Error(`no derived table ${name}`);
    return table;
  }

  #index(name: string): IndexState {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`no index ${name}`);
    return index;
  }

  #makeRead(): Read {
    const track = (over: TableState, cells: Map<string, Cell>, name: string): void => {
      if (!this.#tracking) return;
      if (over.rank >= this.#rank) throw new Error(`${over.name} is read before it is derived`);
      this.#dependencies.read(cells, name);
    };
    const rowOf = (table: TableState, id: string): unknown =>
      isDerived(table)
        ? table.nodes.get(id)?.value
        : this.#rows.get(table.name as RowChange["table"], id);
    const read = {
      row: (name: ReadableName, id: string): unknown => {
        const table = tableNamed(this.#tables, name);
        track(table, table.rowCells, id);
        return rowOf(table, id);
      },
      exists: (name: ReadableName, id: string): boolean => {
        const table = tableNamed(this.#tables, name);
        track(table, table.existsCells, id);
        return rowOf(table, id) !== undefined;
      },
      members: (name: IndexName, group: string): readonly string[] => {
        const index = this.#index(name);
        track(index.over, index.membersCells, group);
        return index.groups.members(group);
      },
      count: (name: IndexName, group: string): number => {
        const index = this.#index(name);
        track(index.over, index.countCells, group);
        return index.groups.count(group);
      },
      first: (name: IndexName, group: string): string | undefined => {
        const index = this.#index(name);
        track(index.over, index.firstCells, group);
        return index.groups.first(group);
      },
    };
    return read as Read;
  }

  // ---- change ----

  #rowChanged(table: TableState, id: string, before: unknown, after: unknown): void {
    this.#dirtyReaders(table.rowCells, id);
    if ((before === undefined) !== (after === undefined)) this.#dirtyReaders(table.existsCells, id);
    for (const index of table.indexes) this.#reindex(index, id, before, after);
    for (const feed of table.feeds) {
      const old = before === undefined ? NOTHING : feed.keys(id, before);
      const now = after === undefined ? NOTHING : feed.keys(id, after);
      if (sameKeys(old, now)) continue;
      for (const key of now) this.#hold(feed.into, key);
      for (const key of old) this.#letGo(feed.into, key);
    }
    for (const pairs of table.pairs) {
      const old = before === undefined ? [] : pairs(id, before);
      if (after !== undefined) for (const [a, b] of pairs(id, after)) this.#pairs.hold(a, b);
      for (const [a, b] of old) this.#pairs.letGo(a, b);
    }
  }

  #reindex(index: IndexState, id: string, before: unknown, after: unknown): void {
    const old = before === undefined ? [] : pairsOf(index, id, before);
    const now = after === undefined ? [] : pairsOf(index, id, after);
    for (const [group, member] of old) {
      if (!hasPair(now, group, member)) {
        this.#dirtyGroup(index, group, index.groups.remove(group, member));
      }
    }
    for (const [group, member] of now) {
      this.#dirtyGroup(index, group, index.groups.add(group, member));
    }
  }

  #dirtyGroup(index: IndexState, group: string, changed: number): void {
    if (changed & CHANGED_MEMBERS) this.#dirtyReaders(index.membersCells, group);
    if (changed & CHANGED_COUNT) this.#dirtyReaders(index.countCells, group);
    if (changed & CHANGED_FIRST) this.#dirtyReaders(index.firstCells, group);
  }

  #dirtyReaders(cells: Map<string, Cell>, name: string): void {
    const cell = cells.get(name);
    if (cell !== undefined) this.#dependencies.forEachReader(cell, this.#markDirty);
  }

  #hold(table: DerivedState, key: string): void {
    let node = table.nodes.get(key);
    if (node === undefined) {
      const slot = this.#freeNodes.pop() ?? this.#nodes.length;
      node = { table, key, slot, value: undefined, refs: 0, firstEdge: -1, dirty: false };
      this.#nodes[slot] = node;
      table.nodes.set(key, node);
      this.#enqueue(node);
    }
    node.refs += 1;
  }

  #letGo(table: DerivedState, key: string): void {
    const node = table.nodes.get(key);
    if (node === undefined) throw new Error(`${table.name} ${key} died twice`);
    node.refs -= 1;
    if (node.refs === 0) this.#enqueue(node);
  }

  #enqueue(node: Node): void {
    if (node.dirty) return;
    node.dirty = true;
    node.table.dirty.push(node);
  }

  /** Derives the dirty keys of one table; what they change stands in higher ranks. */
  *#settle(table: DerivedState): Generator<void, void> {
    const dirty = table.dirty;
    if (dirty.length === 0) return;
    table.dirty = [];
    this.#rank = table.rank;
    for (const node of dirty) {
      node.dirty = false;
      const before = node.value;
      const after = node.refs > 0 ? this.#derive(node) : this.#bury(node);
      if (sameValue(table, before, after)) {
        yield;
        continue;
      }
      node.value = after;
      this.#onChange(table.name as DerivedName, node.key, before, after);
      this.#rowChanged(table, node.key, before, after);
      yield;
    }
  }

  #derive(node: Node): unknown {
    this.#dependencies.begin();
    this.#tracking = true;
    try {
      return this.#guarded(node);
    } finally {
      this.#tracking = false;
      node.firstEdge = this.#dependencies.commit(node.slot, node.firstEdge);
    }
  }

  #guarded(node: Node): unknown {
    try {
      return node.table.derive(this.#read, node.key);
    } catch (error) {
      this.#onError(node.table.name as DerivedName, node.key, error);
      return undefined;
    }
  }

  #bury(node: Node): undefined {
    this.#dependencies.release(node.firstEdge);
    node.table.nodes.delete(node.key);
    this.#nodes[node.slot] = undefined;
    this.#freeNodes.push(node.slot);
  }
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((key, at) => key === b[at]);
}
