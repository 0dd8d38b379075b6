// A deriver over rows in memory, and what a test asks it: what a change tells, and what an instruction says, decoded. Test support.

import { InstructionBody } from "@weft/shared/gen/weft/v1/southbound.ts";
import { createDeriver } from "./deriver.ts";
import { MemoryRows, type RowEdit } from "./memory-rows.ts";

export const put = (table: RowEdit["table"], row: { id: string }): RowEdit =>
  ({ table, id: row.id, row }) as RowEdit;

export function derived(...edits: RowEdit[]) {
  const rows = new MemoryRows();
  rows.edit(1n, edits);
  const deriver = createDeriver({ rows });
  const apply = (...changes: RowEdit[]) => deriver.apply(rows.edit(2n, changes));
  const read = (key: string) => {
    const body = deriver.interest.instructions(key.split("/", 2).join("/")).get(key);
    return body && InstructionBody.decode(body).body?.value;
  };
  const hears = (of: string) => [...deriver.interest.scopes(of).keys()].sort();
  return { rows, deriver, apply, read, hears };
}

export const keysOf = (batch: { instructions: readonly { key: string }[] }): string[] =>
  batch.instructions.map((change) => change.key).sort();
