// References between objects: finding one by id or name, and who uses it. Pure over tables; used by the planner and by reads.

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

/** The objects that still refer to one, at most `limit`, and how many there are. */
export function usersOf(
  tables: Tables,
  table: DurableTableName,
  id: string,
  limit: number,
): { users: string[]; count: number } {
  const users: string[] = [];
  let count = 0;
  const add = (userTable: "subnet" | "port", members: Iterable<string>): void => {
    for (const member of members) {
      count += 1;
      const row = tables.get(userTable, member);
      if (users.length < limit && row !== undefined) users.push(describeObject(userTable, row));
    }
  };
  if (table === "network") {
    add("subnet", tables.members("subnetNetwork", id));
    add("port", tables.members("portNetwork", id));
  } else if (table === "subnet") {
    const network = tables.get("subnet", id)?.network;
    const ips = tables.members("subnetAddress", id);
    // The index names addresses; the subnet itself may be gone already, so its ports are asked.
    for (const ip of ips) {
      count += 1;
      if (users.length < limit) users.push(network === undefined ? ip : `address ${ip}`);
    }
  } else if (table === "chassis") {
    add("port", tables.members("portRequestedChassis", id));
  }
  return { users, count };
}
