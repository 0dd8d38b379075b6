// What the engine keeps, and how it is declared from a graph: tables of rows, derived keys, index groups, with the cells that
// say who reads them. Plain data and pure functions over it; what changes when, and who is dirty, is engine.ts' matter. Used by
// engine.ts and engine-verify.ts.

import type { RowChange } from "../model/rows.ts";
import type { Cell } from "./dependencies.ts";
import { Groups } from "./groups.ts";
import type { DerivedTable, Index, PairSource, Read, RowReader } from "./spec.ts";

/** One derived key. */
export interface Node {
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
export interface TableState {
  readonly name: string;
  /** 0 = rows of the model; a derived table reads only lower ranks. */
  readonly rank: number;
  readonly rowCells: Map<string, Cell>;
  readonly existsCells: Map<string, Cell>;
  readonly indexes: IndexState[];
  readonly feeds: { readonly into: DerivedState; readonly keys: Project }[];
  readonly pairs: ProjectPairs[];
}

export interface DerivedState extends TableState {
  readonly derive: (read: Read, key: string) => unknown;
  readonly equal: (a: unknown, b: unknown) => boolean;
  readonly nodes: Map<string, Node>;
  dirty: Node[];
}

export interface IndexState {
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

export interface EngineState {
  readonly tables: Map<string, TableState>;
  /** In rank order. */
  readonly derived: readonly DerivedState[];
  readonly indexes: ReadonlyMap<string, IndexState>;
}

/** The tables and indexes of a graph, without any row. */
export function declareState(graph: {
  readonly tables: readonly DerivedTable[];
  readonly indexes: Readonly<Record<string, Index>>;
  readonly pairSources: readonly PairSource[];
}): EngineState {
  const tables = new Map<string, TableState>();
  const derived: DerivedState[] = [];
  const indexes = new Map<string, IndexState>();
  for (const spec of graph.tables) {
    const state: DerivedState = {
      ...newTable(spec.name, derived.length + 1),
      derive: spec.derive,
      equal: spec.equal as DerivedState["equal"],
      nodes: new Map(),
      dirty: [],
    };
    for (const source of spec.sources) {
      tableNamed(tables, source.table).feeds.push({ into: state, keys: source.keys as Project });
    }
    derived.push(state);
    tables.set(spec.name, state);
  }
  for (const [name, spec] of Object.entries(graph.indexes)) {
    const over = tableNamed(tables, spec.table);
    const state = newIndex(over, spec.entries as IndexState["entries"]);
    over.indexes.push(state);
    indexes.set(name, state);
  }
  for (const { table, pairs } of graph.pairSources) {
    tableNamed(tables, table).pairs.push(pairs as ProjectPairs);
  }
  return { tables, derived, indexes };
}

/** A table by name; a name not seen before is a table of the model. */
export function tableNamed(tables: Map<string, TableState>, name: string): TableState {
  let table = tables.get(name);
  if (table === undefined) {
    table = newTable(name, 0);
    tables.set(name, table);
  }
  return table;
}

function newTable(name: string, rank: number): TableState {
  const cells = { rowCells: new Map(), existsCells: new Map() };
  return { name, rank, ...cells, indexes: [], feeds: [], pairs: [] };
}

function newIndex(over: TableState, entries: IndexState["entries"]): IndexState {
  const cells = { membersCells: new Map(), countCells: new Map(), firstCells: new Map() };
  return { over, entries, groups: new Groups(), ...cells };
}

export function isDerived(table: TableState): table is DerivedState {
  return table.rank > 0;
}

/** The rows of a table that are there, of the model or derived. */
export function* rowsOf(
  table: TableState,
  rows: RowReader,
): Generator<readonly [id: string, row: unknown]> {
  if (isDerived(table)) {
    for (const { key, value } of table.nodes.values()) if (value !== undefined) yield [key, value];
  } else {
    for (const row of rows.values(table.name as RowChange["table"])) yield [row.id, row];
  }
}

export function sameValue(table: DerivedState, a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a === b;
  return table.equal(a, b);
}

/** The distinct pairs of a row. */
export function pairsOf(index: IndexState, id: string, row: unknown): [string, string][] {
  const pairs: [string, string][] = [];
  index.entries(id, row, (group, member) => {
    if (!hasPair(pairs, group, member)) pairs.push([group, member]);
  });
  return pairs;
}

export function hasPair(
  pairs: readonly [string, string][],
  group: string,
  member: string,
): boolean {
  return pairs.some((pair) => pair[0] === group && pair[1] === member);
}
