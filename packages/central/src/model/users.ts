// Who still needs something: named, up to a few, and counted. Pure; made by the checks, which turn it into an IN_USE problem.

import { describeObject } from "./references.ts";
import type { DurableTableName } from "./rows.ts";
import type { Tables } from "./tables.ts";

const MAX_NAMED = 5;

export class Users {
  readonly #tables: Tables;
  readonly #named: string[] = [];
  readonly #seen = new Set<string>();

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  get count(): number {
    return this.#seen.size;
  }

  add(table: DurableTableName, id: string): void {
    const key = `${table} ${id}`;
    if (this.#seen.has(key)) return;
    const row = this.#tables.get(table, id);
    if (row === undefined) return;
    this.#seen.add(key);
    if (this.#named.length < MAX_NAMED) this.#named.push(describeObject(table, row));
  }

  addAll(table: DurableTableName, ids: Iterable<string>): void {
    for (const id of ids) this.add(table, id);
  }

  /** `route a, route b and 3 more`. */
  get text(): string {
    const more = this.count - this.#named.length;
    return `${this.#named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  }
}
