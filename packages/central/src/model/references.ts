// References between objects: finding one by id or name. Pure over tables; used by the planner and by reads.

import { defaultProject } from "@weft/shared/ids.ts";
import { nameGroup, nameIndex } from "./indexes.ts";
import type { DurableTableName, Rows } from "./rows.ts";
import type { Tables } from "./tables.ts";

/** The project an object belongs to when the caller names `project`; a chassis has none. */
export function projectOf(table: DurableTableName, project: string): string {
  if (table === "chassis") return "";
  return project === "" ? defaultProject : project;
}

/** The object that `ref` names: an id, else a name within the project (empty = default). */
export function resolve<T extends DurableTableName>(
  tables: Tables,
  table: T,
  ref: string,
  project: string,
): Rows[T] | undefined {
  if (ref === "") return undefined;
  const byId = tables.get(table, ref);
  if (byId !== undefined && (project === "" || table === "chassis" || byId.project === project)) {
    return byId;
  }
  const group = nameGroup(projectOf(table, project), ref);
  const named = tables.first(nameIndex(table), group);
  return named === undefined ? undefined : tables.get(table, named);
}

/** How people call an object: `port web-1`, with its project unless that is the default. */
export function describeObject(
  table: DurableTableName,
  meta: { id: string; project: string; name: string },
): string {
  const name = meta.name === "" ? meta.id : meta.name;
  const inProject = meta.project === "" || meta.project === defaultProject;
  return inProject ? `${table} ${name}` : `${table} ${meta.project}/${name}`;
}
