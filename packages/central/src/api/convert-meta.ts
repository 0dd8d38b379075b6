// The meta of an object between the wire and the model. Owns nothing else; called by convert.ts and convert-routing.ts.

import type { Meta } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { MetaIntent } from "../model/intents.ts";
import type { RowMeta } from "../model/rows.ts";

export function toMeta(meta: Meta | undefined): MetaIntent {
  return {
    id: meta?.id ?? "",
    project: meta?.project ?? "",
    name: meta?.name ?? "",
    labels: meta?.labels ?? {},
    revision: meta?.revision ?? 0n,
  };
}

export function fromMeta(row: RowMeta): Meta {
  return {
    id: row.id,
    project: row.project,
    name: row.name,
    labels: row.labels,
    revision: row.revision,
    createdAt: new Date(row.createdAtMs),
    updatedAt: new Date(row.updatedAtMs),
  };
}
