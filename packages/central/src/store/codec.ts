// Rows as JSON text and back. The one bigint of a durable row is its revision: decimal text in JSON. Pure; used on both sides of the
// store's threads.

import type { DurableTableName, Rows } from "../model/rows.ts";

export function encodeRow(row: Rows[DurableTableName]): string {
  return JSON.stringify({ ...row, revision: String(row.revision) });
}

/** Throws SyntaxError or TypeError on text that encodeRow did not write. */
export function decodeRow<T extends DurableTableName>(_table: T, body: string): Rows[T] {
  const parsed = JSON.parse(body) as Rows[T] & { revision: string };
  if (typeof parsed.id !== "string" || typeof parsed.revision !== "string") {
    throw new TypeError("the body is no row");
  }
  return { ...parsed, revision: BigInt(parsed.revision) };
}
