// The tracked incremental derivation: keeps every derived key equal to its pure function of the rows, doing work in proportion to
// the change. It knows no table by name: graph.ts and indexes.ts are given to it. It does no I/O, reads no clock and calls
// nobody back but `onChange`. Called by deriver.ts.
//
// apply(): each changed row dirties its readers, moves in and out of index groups, and gives birth or death to keys of the
// tables it is a source of. Then the dirty keys are derived anew in rank order; a value that differs does the same to what
// stands after it. A key is derived at most once an apply.

import type { RowChange } from "../model/rows.ts";
import { type Cell, Dependencies } from "./dependencies.ts";
import { CHANGED_COUNT, CHANGED_FIRST, CHANGED_MEMBERS, Groups } from "./groups.ts";
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

/** One derived key. */
interface Node {
  readonly table: DerivedState;
  readonly key: string;
  readonly slot: number;
  value: unknown;
  /** Rows that project to it; at 0 it dies. */
  refs: number;
  firstEdge: number;
  dirty: boolean;
}

/** What hangs on one table of rows, derived or not. */
interface TableState {
  readonly name: string;
  /** 0 = rows of the model; a derived table reads only lower ranks. */
  readonly rank: number;
  readonly rowCells: Map<string, Cell>;
  readonly existsCells: Map<string, Cell>;
  readonly indexes: IndexState[];
  readonly feeds: { readonly into: DerivedState; readonly keys: Project }[];
  readonly pairs: ProjectPairs[];
}

interface DerivedState extends TableState {
  readonly derive: (read: Read, key: string) => unknown;
  readonly equal: (a: unknown, b: unknown) => boolean;
  readonly nodes: Map<string, Node>;
  dirty: Node[];
}

interface IndexState {
  readonly over: TableState;
  readonly entries: (
    id: string,
    row: unknown,
    emit: (group: string, member: string) => void,
  ) => void;
  readonly groups: Groups;
  readonly membersCells: Map<string, Cell>;
  readonly countCells: Map<string, Cell>;
  readonly firstCells: Map<string, Cell>;
}

type Project = (id: string, row: unknown) => readonly string[];
type ProjectPairs = (id: string, row: unknown) => readonly (readonly [string, string])[];

/** A derived key whose value is not what a derivation from the rows gives. */
export interface Difference {
  readonly table: string;
  readonly key: string;
  readonly problem: string;
}

export interface EngineOptions {
  readonly rows: RowReader;
  readonly tables: readonly DerivedTable[];
  readonly indexes: Readonly<Record<string, Index>>;
  /** What rows keep alive as pairs, and where these are counted. */
  readonly pairSources: readonly PairSource[];
  readonly pairs: Pairs;
  /** A key's value changed; undefined = absent. Rank order; each key at most once an apply. */
  readonly onChange: (table: DerivedName, key: string, before: unknown, after: unknown) => void;
  /** A derivation threw: the key counts as absent (it fails closed) and the others go on. Always a bug or an unvalidated row. */
  readonly onError: (table: DerivedName, key: string, error: unknown) => void;
}

const NOTHING: readonly string[] = [];

export class Engine {
  readonly #rows: RowReader;
  readonly #pairs: Pairs;
  readonly #onChange: EngineOptions["onChange"];
  readonly #onError: EngineOptions["onError"];
  readonly #tables = new Map<string, TableState>();
  readonly #derived: DerivedState[] = [];
  readonly #indexes = new Map<string, IndexState>();
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
    this.#onChange = options.onChange;
    this.#onError = options.onError;
    for (const table of options.tables) this.#declare(table);
    for (const [name, index] of Object.entries(options.indexes)) this.#declareIndex(name, index);
    for (const { table, pairs } of options.pairSources) {
      this.#table(table).pairs.push(pairs as ProjectPairs);
    }
    this.#read = this.#makeRead();
  }

  /** Applies row changes that the reader already shows. */
  apply(changes: Iterable<RowChange>): void {
    for (const _ of this.applySteps(changes));
  }

  /**
   * As apply(), a step at a time: others may read between steps, and see a part of it. The reader must not change meanwhile, and
   * no other apply may begin.
   */
  *applySteps(changes: Iterable<RowChange>): Generator<void, void> {
    if (this.#applying) throw new Error("a batch is applied while another one is");
    this.#applying = true;
    this.#applies += 1;
    for (const { table, id, before, after } of changes) {
      this.#rowChanged(this.#table(table), id, before, after);
      yield;
    }
    for (const table of this.#derived) yield* this.#settle(table);
    this.#applying = false;
  }

  /** Value of a derived key, without a dependency. */
  value(table: DerivedName, key: string): unknown {
    return this.#derivedTable(table).nodes.get(key)?.value;
  }

  /** All keys of a table that have a value. */
  *entries(table: DerivedName): Generator<[key: string, value: unknown]> {
    for (const node of this.#derivedTable(table).nodes.values()) {
      if (node.value !== undefined) yield [node.key, node.value];
    }
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
    const work = this.#verifySteps(applies);
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

  *#verifySteps(applies: number): Generator<Difference | undefined> {
    for (const table of this.#derived) {
      for (const node of table.nodes.values()) {
        const same = sameValue(table, this.#guarded(node), node.value);
        yield same ? undefined : differs(table, node.key, "its value is not what the rows give");
      }
    }
    let pairs = 0;
    for (const table of this.#tables.values()) {
      yield* this.#verifyProjections(table, applies);
      pairs += yield* this.#verifyPairs(table);
    }
    if (this.#applies !== applies || pairs === this.#pairs.count) return;
    yield { table: "pairs", key: "*", problem: `there are ${this.#pairs.count}, not ${pairs}` };
  }

  /** Every row has given birth to its pairs; answers how many. */
  *#verifyPairs(table: TableState): Generator<Difference | undefined, number> {
    let count = 0;
    if (table.pairs.length === 0) return count;
    for (const [id, row] of this.#allRows(table)) {
      const all = table.pairs.flatMap((pairs) => pairs(id, row));
      count += all.length;
      const lost = all.find(([first, second]) => !this.#pairs.has(first, second));
      yield lost && differs(table, id, `the pair ${lost.join(" ")} is missing`);
    }
    return count;
  }

  /** Every row has given birth to its keys and stands in its groups, and nothing else has. */
  *#verifyProjections(table: TableState, applies: number): Generator<Difference | undefined> {
    const refs = table.feeds.map(() => 0);
    const entries = table.indexes.map(() => 0);
    for (const [id, row] of this.#allRows(table)) {
      let missing: string | undefined;
      table.feeds.forEach((feed, at) => {
        for (const key of feed.keys(id, row)) {
          refs[at] = (refs[at] ?? 0) + 1;
          if (!feed.into.nodes.has(key)) missing = `${feed.into.name} lacks its key ${key}`;
        }
      });
      table.indexes.forEach((index, at) => {
        for (const [group, member] of pairsOf(index, id, row)) {
          entries[at] = (entries[at] ?? 0) + 1;
          if (!index.groups.has(group, member)) missing = `it is missing in the group ${group}`;
        }
      });
      yield missing === undefined ? undefined : differs(table, id, missing);
    }
    if (this.#applies !== applies) return;
    for (const [at, index] of table.indexes.entries()) {
      if (index.groups.entries === entries[at]) continue;
      yield differs(table, "*", `an index has ${index.groups.entries} entries, not ${entries[at]}`);
    }
  }

  *#allRows(table: TableState): Generator<[string, unknown]> {
    if (table.rank > 0) yield* this.entries(table.name as DerivedName);
    else for (const row of this.#rows.values(table.name as RowChange["table"])) yield [row.id, row];
  }

  // ---- graph ----

  #declare(spec: DerivedTable): void {
    const state: DerivedState = {
      ...newTable(spec.name, this.#derived.length + 1),
      derive: spec.derive,
      equal: spec.equal as DerivedState["equal"],
      nodes: new Map(),
      dirty: [],
    };
    for (const source of spec.sources) {
      this.#table(source.table).feeds.push({ into: state, keys: source.keys as Project });
    }
    this.#derived.push(state);
    this.#tables.set(spec.name, state);
  }

  #declareIndex(name: string, spec: Index): void {
    const over = this.#table(spec.table);
    const state: IndexState = {
      over,
      entries: spec.entries as IndexState["entries"],
      groups: new Groups(),
      membersCells: new Map(),
      countCells: new Map(),
      firstCells: new Map(),
    };
    over.indexes.push(state);
    this.#indexes.set(name, state);
  }

  /** A table by name; a name not seen before is a table of the model. */
  #table(name: string): TableState {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = newTable(name, 0);
      this.#tables.set(name, table);
    }
    return table;
  }

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
        const table = this.#table(name);
        track(table, table.rowCells, id);
        return rowOf(table, id);
      },
      exists: (name: ReadableName, id: string): boolean => {
        const table = this.#table(name);
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

function newTable(name: string, rank: number): TableState {
  const cells = { rowCells: new Map(), existsCells: new Map() };
  return { name, rank, ...cells, indexes: [], feeds: [], pairs: [] };
}

function isDerived(table: TableState): table is DerivedState {
  return table.rank > 0;
}

function sameValue(table: DerivedState, a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a === b;
  return table.equal(a, b);
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((key, at) => key === b[at]);
}

/** The distinct pairs of a row. */
function pairsOf(index: IndexState, id: string, row: unknown): [string, string][] {
  const pairs: [string, string][] = [];
  index.entries(id, row, (group, member) => {
    if (!hasPair(pairs, group, member)) pairs.push([group, member]);
  });
  return pairs;
}

function hasPair(pairs: readonly [string, string][], group: string, member: string): boolean {
  return pairs.some((pair) => pair[0] === group && pair[1] === member);
}

function differs(table: TableState, key: string, problem: string): Difference {
  return { table: table.name, key, problem };
}
