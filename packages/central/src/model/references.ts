// References between objects: finding one by id or name, and who uses it. Pure over tables; used by the planner and by reads.

import { defaultProject } from "@weft/shared/ids.ts";
import { addressGroup, nameGroup, nameIndex } from "./indexes.ts";
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

/** The objects that still refer to a row, at most `limit` of them, and how many there are. */
export function usersOf(
  tables: Tables,
  table: DurableTableName,
  row: Rows[DurableTableName],
  limit: number,
): { users: string[]; count: number } {
  const users = new Set<string>();
  let count = 0;
  const add = (userTable: "subnet" | "port", members: Iterable<string>): void => {
    for (const member of members) {
      count += 1;
      const user = tables.get(userTable, member);
      if (users.size < limit && user !== undefined) users.add(describeObject(userTable, user));
    }
  };
  if (table === "network") {
    add("subnet", tables.members("subnetNetwork", row.id));
    add("port", tables.members("portNetwork", row.id));
  } else if (table === "subnet") {
    const { network } = row as Rows["subnet"];
    for (const ip of tables.members("subnetAddress", row.id)) {
      add("port", tables.members("portIp", addressGroup(network, ip)));
    }
  } else if (table === "chassis") {
    add("port", tables.members("portRequestedChassis", row.id));
  }
  return { users: [...users], count };
}
