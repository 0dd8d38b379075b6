// Checks and completes the meta of an object: alphabet, labels, what may not change. Pure; called by plan.ts for every kind.

import { defaultProject, idRule, isId, isLabelKey, maxLabelValueBytes } from "@weft/shared/ids.ts";
import type { MetaIntent } from "./intents.ts";
import { maxLabels } from "./limits.ts";
import type { ObjectProblems } from "./problems.ts";
import type { DurableTableName, RowMeta } from "./rows.ts";

export interface MetaContext {
  readonly table: DurableTableName;
  readonly revision: bigint;
  readonly nowMs: number;
  readonly newId: () => string;
}

/** The meta of the row to be; `before` is the row that it replaces. */
export function completeMeta(
  intent: MetaIntent,
  before: RowMeta | undefined,
  context: MetaContext,
  problems: ObjectProblems,
): RowMeta {
  const project = checkProject(intent, before, context.table, problems);
  for (const field of ["id", "name"] as const) {
    if (intent[field] !== "" && !isId(intent[field])) {
      problems.add("INVALID_NAME", `meta.${field}`, `"${clip(intent[field])}" must be ${idRule}`);
    }
  }
  checkLabels(intent.labels, problems);
  if (intent.revision !== 0n && intent.revision !== (before?.revision ?? 0n)) {
    const now = before === undefined ? "does not exist" : `is at revision ${before.revision}`;
    problems.add(
      "STALE_REVISION",
      "meta.revision",
      `the object ${now}, not at ${intent.revision}: read it again and repeat the change, or send revision 0`,
    );
  }
  const id = before?.id ?? (intent.id === "" ? context.newId() : intent.id);
  return {
    id,
    project,
    name: intent.name === "" ? (before?.name ?? id) : intent.name,
    labels: sortedLabels(intent.labels),
    revision: context.revision,
    createdAtMs: before?.createdAtMs ?? context.nowMs,
    updatedAtMs: context.nowMs,
  };
}

function checkProject(
  intent: MetaIntent,
  before: RowMeta | undefined,
  table: DurableTableName,
  problems: ObjectProblems,
): string {
  if (table === "chassis") {
    if (intent.project !== "") {
      problems.add("INVALID_FIELD", "meta.project", "a chassis has no project: leave it out");
    }
    return "";
  }
  if (intent.project !== "" && !isId(intent.project)) {
    const text = clip(intent.project);
    problems.add("INVALID_NAME", "meta.project", `"${text}" must be ${idRule}`);
  }
  if (before !== undefined && intent.project !== "" && intent.project !== before.project) {
    problems.add(
      "IMMUTABLE_FIELD",
      "meta.project",
      `the object is in project ${before.project}: delete it and create it in ${clip(intent.project)}`,
    );
  }
  return before?.project ?? (intent.project === "" ? defaultProject : intent.project);
}

function checkLabels(labels: MetaIntent["labels"], problems: ObjectProblems): void {
  const entries = Object.entries(labels);
  if (entries.length > maxLabels) {
    problems.add("OVER_LIMIT", "meta.labels", `${entries.length} labels, at most ${maxLabels}`);
  }
  for (const [key, value] of entries.slice(0, maxLabels)) {
    const field = `meta.labels["${clip(key)}"]`;
    if (!isLabelKey(key)) {
      problems.add(
        "INVALID_LABEL",
        field,
        "a label key has 1 to 127 letters, digits, dots, underscores, dashes or slashes",
      );
    }
    if (Buffer.byteLength(value) > maxLabelValueBytes) {
      problems.add("OVER_LIMIT", field, `the value has more than ${maxLabelValueBytes} bytes`);
    }
  }
}

/** Equal labels make equal rows, whatever order they came in. */
function sortedLabels(labels: MetaIntent["labels"]): Record<string, string> {
  const keys = Object.keys(labels).sort();
  return Object.fromEntries(keys.map((key) => [key, labels[key] ?? ""]));
}

/** Text of a caller, short enough for an error. */
export function clip(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
