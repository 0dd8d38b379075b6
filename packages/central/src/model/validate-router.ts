// From a router as asked for to its row. Pure; called by kinds.ts.

import type { RouterSpecIntent } from "./intents.ts";
import type { RouterRow, RowMeta } from "./rows.ts";

/** A router without a spec is one that is up. */
export function completeRouter(
  meta: RowMeta,
  spec: RouterSpecIntent | null,
  before: RouterRow | undefined,
): RouterRow {
  const adminUp = spec === null ? (before?.adminUp ?? true) : !spec.adminDown;
  return { ...meta, key: before?.key ?? 0, adminUp };
}
