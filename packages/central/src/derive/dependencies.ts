// Who reads what: edges from cells (a row, its existence, or one aspect of an index group) to readers (derived keys).
// Integers in growing arrays instead of one Set a cell: 20 bytes an edge, O(1) to add and remove. It knows nothing of tables
// or values; engine.ts is its only caller.

/** One thing that can be read. Lives in `home` under `name` while it has readers. */
export interface Cell {
  readonly home: Map<string, Cell>;
  readonly name: string;
  readonly slot: number;
  /** First edge to a reader; none = -1. */
  head: number;
  /** The recording that read it last: a second read in the same recording is no second edge. */
  mark: number;
}

const NONE = -1;
/** Int32 columns of an edge. */
const READER = 0;
const CELL = 1;
const NEXT_OF_CELL = 2;
const PREVIOUS_OF_CELL = 3;
const NEXT_OF_READER = 4;
const COLUMNS = 5;

export class Dependencies {
  #edges = new Int32Array(1024 * COLUMNS);
  #edgesMade = 0;
  #freeEdge = NONE;
  #live = 0;
  readonly #cells: (Cell | undefined)[] = [];
  readonly #freeCells: number[] = [];
  #recording: Cell[] = [];
  #recorded = 0;
  #mark = 0;

  /** Number of edges. */
  get edges(): number {
    return this.#live;
  }

  /** Starts recording the reads of one derived key. Recordings do not nest. */
  begin(): void {
    this.#recorded = 0;
    this.#mark += 1;
  }

  /** Notes that `name` of `home` is read. */
  read(home: Map<string, Cell>, name: string): void {
    let cell = home.get(name);
    if (cell === undefined) {
      const slot = this.#freeCells.pop() ?? this.#cells.length;
      cell = { home, name, slot, head: NONE, mark: 0 };
      this.#cells[slot] = cell;
      home.set(name, cell);
    }
    if (cell.mark === this.#mark) return;
    cell.mark = this.#mark;
    this.#recording[this.#recorded++] = cell;
  }

  /**
   * Ends the recording: what was read since begin() are the dependencies of `reader`, in place of those that start with
   * `firstEdge` (-1 = none). Answers the new first edge.
   */
  commit(reader: number, firstEdge: number): number {
    if (this.#unchanged(firstEdge)) return firstEdge;
    // New edges first: a cell that is read before and after must not lose its last reader in between.
    let first = NONE;
    for (let index = this.#recorded - 1; index >= 0; index--) {
      const cell = this.#recording[index];
      if (cell !== undefined) first = this.#link(reader, cell, first);
    }
    this.release(firstEdge);
    return first;
  }

  /** Removes all edges of a reader. */
  release(firstEdge: number): void {
    let edge = firstEdge;
    while (edge !== NONE) {
      const next = this.#at(edge, NEXT_OF_READER);
      this.#unlink(edge);
      edge = next;
    }
  }

  /** Calls `visit` with each reader of a cell; it must not add or remove edges. */
  forEachReader(cell: Cell, visit: (reader: number) => void): void {
    for (let edge = cell.head; edge !== NONE; edge = this.#at(edge, NEXT_OF_CELL)) {
      visit(this.#at(edge, READER));
    }
  }

  #unchanged(firstEdge: number): boolean {
    let edge = firstEdge;
    for (let index = 0; index < this.#recorded; index++) {
      if (edge === NONE || this.#at(edge, CELL) !== this.#recording[index]?.slot) return false;
      edge = this.#at(edge, NEXT_OF_READER);
    }
    return edge === NONE;
  }

  #link(reader: number, cell: Cell, nextOfReader: number): number {
    let edge = this.#freeEdge;
    if (edge === NONE) {
      edge = this.#edgesMade++;
      if (edge * COLUMNS >= this.#edges.length) {
        const grown = new Int32Array(this.#edges.length * 2);
        grown.set(this.#edges);
        this.#edges = grown;
      }
    } else {
      this.#freeEdge = this.#at(edge, NEXT_OF_CELL);
    }
    const row = edge * COLUMNS;
    this.#edges[row + READER] = reader;
    this.#edges[row + CELL] = cell.slot;
    this.#edges[row + NEXT_OF_CELL] = cell.head;
    this.#edges[row + PREVIOUS_OF_CELL] = NONE;
    this.#edges[row + NEXT_OF_READER] = nextOfReader;
    if (cell.head !== NONE) this.#edges[cell.head * COLUMNS + PREVIOUS_OF_CELL] = edge;
    cell.head = edge;
    this.#live += 1;
    return edge;
  }

  #unlink(edge: number): void {
    const cell = this.#cells[this.#at(edge, CELL)];
    const next = this.#at(edge, NEXT_OF_CELL);
    const previous = this.#at(edge, PREVIOUS_OF_CELL);
    if (next !== NONE) this.#edges[next * COLUMNS + PREVIOUS_OF_CELL] = previous;
    if (previous !== NONE) this.#edges[previous * COLUMNS + NEXT_OF_CELL] = next;
    else if (cell !== undefined) this.#setHead(cell, next);
    this.#edges[edge * COLUMNS + NEXT_OF_CELL] = this.#freeEdge;
    this.#freeEdge = edge;
    this.#live -= 1;
  }

  #setHead(cell: Cell, head: number): void {
    cell.head = head;
    if (head !== NONE) return;
    cell.home.delete(cell.name);
    this.#cells[cell.slot] = undefined;
    this.#freeCells.push(cell.slot);
  }

  #at(edge: number, column: number): number {
    return this.#edges[edge * COLUMNS + column] ?? NONE;
  }
}
