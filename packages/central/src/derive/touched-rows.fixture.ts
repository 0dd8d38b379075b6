// Changes of rows in fields that derivation never reads (unread-fields.ts): labels and the like. Added to histories, they must change
// nothing, and what follows them must find everything as it was. Test support.

import type { TableName } from "../model/rows.ts";
import type { RowEdit } from "./memory-rows.ts";

/** The history with some of the rows that are there touched at the end of each step; a pick is taken modulo how many there are. */
export function withTouches(
  steps: readonly { readonly edits: readonly RowEdit[]; readonly picks: readonly number[] }[],
): RowEdit[][] {
  const present = new Map<string, RowEdit>();
  return steps.map(({ edits, picks }) => {
    for (const edit of edits) {
      const key = `${edit.table} ${edit.id}`;
      if (edit.row === undefined) present.delete(key);
      else present.set(key, edit);
    }
    const all = [...present.keys()];
    const touches = picks.flatMap((pick): RowEdit[] => {
      const key = all[pick % all.length];
      const edit = key === undefined ? undefined : present.get(key);
      if (key === undefined || edit === undefined) return [];
      const touched = touch(edit, pick);
      present.set(key, touched);
      return [touched];
    });
    return [...edits, ...touches];
  });
}

/** The same row with other values in what derivation does not read. */
export function touch(edit: RowEdit, seed: number): RowEdit {
  if (edit.row === undefined) return edit;
  return { ...edit, row: { ...edit.row, ...unreadValues(edit.table, seed) } } as RowEdit;
}

function unreadValues(table: TableName, seed: number): object {
  const text = `touched-${seed}`;
  const meta = { labels: { seed: text }, name: text, revision: BigInt(seed), updatedAtMs: seed };
  if (table === "subnet") return { ...meta, reserved: [text] };
  if (table === "port") return { ...meta, deviceId: text };
  if (table === "chassis") return { ...meta, drain: true, physicalNetworks: [text] };
  if (table === "binding") return { reason: text, mtuBytes: seed };
  if (table === "claim") return { generation: BigInt(seed) };
  return table === "liveness" ? {} : meta;
}
