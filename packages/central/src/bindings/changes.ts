// Volatile rows while they are being changed: the tables that bindings own, and the changes made since they were last taken.
// Plain storage. Used by placement.ts, claims.ts and liveness.ts through bindings.ts.

import type { RowChange, Rows } from "../model/rows.ts";

export type VolatileName = "binding" | "claim" | "liveness";

export class VolatileTable<T extends VolatileName> {
  readonly #table: T;
  readonly #rows = new Map<string, Rows[T]>();
  readonly #before = new Map<string, Rows[T] | undefined>();

  constructor(table: T) {
    this.#table = table;
  }

  get(id: string): Rows[T] | undefined {
    return this.#rows.get(id);
  }

  values(): IterableIterator<Rows[T]> {
    return this.#rows.values();
  }

  put(row: Rows[T]): void {
    this.#remember(row.id);
    this.#rows.set(row.id, row);
  }

  delete(id: string): void {
    this.#remember(id);
    this.#rows.delete(id);
  }

  /** What changed since the last call; a row that ended as it began is left out. */
  take(): RowChange[] {
    const changes: RowChange[] = [];
    // Asked with every message; clear() of an empty map costs a new one.
    if (this.#before.size === 0) return changes;
    for (const [id, before] of this.#before) {
      const after = this.#rows.get(id);
      if (!sameFields(before, after)) {
        changes.push({ table: this.#table, id, before, after } as RowChange);
      } else if (before !== undefined) {
        // The object that others hold stays the one in the table.
        this.#rows.set(id, before);
      }
    }
    this.#before.clear();
    return changes;
  }

  #remember(id: string): void {
    if (!this.#before.has(id)) this.#before.set(id, this.#rows.get(id));
  }
}

/** Rows of these tables are flat: fields compare by value. */
function sameFields(a: object | undefined, b: object | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const fields = Object.entries(a);
  const other: Record<string, unknown> = { ...b };
  return fields.every(([name, value]) => other[name] === value);
}
