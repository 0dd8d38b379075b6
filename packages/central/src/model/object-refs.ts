// What a subnet, a port or an object of routing refers to: it must be there, where its kind may look for it, and stay the same. Pure;
// names the problem. Called by validate-*.ts.

import type { ObjectProblems } from "./problems.ts";
import { resolve } from "./references.ts";
import type { NetworkRow, RowMeta } from "./rows.ts";
import type { Tables } from "./tables.ts";
import { clip } from "./validate-meta.ts";

interface RefOptions {
  readonly tables: Tables;
  readonly meta: RowMeta;
  /** As the caller wrote it. */
  readonly ref: string;
  /** Id; undefined = a new object. */
  readonly before: string | undefined;
  readonly field: string;
  readonly problems: ObjectProblems;
  /** The kind that refers. */
  readonly what: string;
}

/** The network's id; undefined when nothing sensible can be made of it. */
export function completeNetworkRef(options: {
  readonly tables: Tables;
  readonly meta: RowMeta;
  readonly spec: { readonly network: string };
  readonly before: { readonly network: string } | undefined;
  readonly problems: ObjectProblems;
  readonly what: "port" | "subnet" | "router-interface";
}): string | undefined {
  const { tables, meta, spec, what } = options;
  return completeRef(
    { ...options, ref: spec.network, before: options.before?.network, field: "spec.network" },
    {
      table: "network",
      find: (ref) => findNetwork(tables, ref, meta.project, what !== "subnet")?.id,
      missing:
        what === "subnet"
          ? "create it in the same set or before"
          : "create it in the same set or before, or name a shared provider network of another project by its id",
    },
  );
}

/** By id or name in the project; a shared one of another project by its id. */
export function findNetwork(
  tables: Tables,
  ref: string,
  project: string,
  mayBeShared: boolean,
): NetworkRow | undefined {
  const found = resolve(tables, "network", ref, project);
  if (found !== undefined || !mayBeShared) return found;
  const byId = tables.get("network", ref);
  return byId?.shared === true ? byId : undefined;
}

/** The router's id, of the same project; undefined when nothing sensible can be made of it. */
export function completeRouterRef(options: RefOptions): string | undefined {
  const { tables, meta } = options;
  return completeRef(options, {
    table: "router",
    find: (ref) => resolve(tables, "router", ref, meta.project)?.id,
    missing: "create it in the same set or before",
  });
}

/** The router that an object names in `spec.router`: its id, as completeRouterRef(). */
export function completeOwnRouter(options: {
  readonly tables: Tables;
  readonly meta: RowMeta;
  readonly spec: { readonly router: string };
  readonly before: { readonly router: string } | undefined;
  readonly problems: ObjectProblems;
  readonly what: "router-interface" | "route" | "policy-route";
}): string | undefined {
  const { spec, before } = options;
  const field = "spec.router";
  return completeRouterRef({ ...options, ref: spec.router, before: before?.router, field });
}

/** The id of a router that may be in another project; there it is found by its id alone. */
export function completeForeignRouterRef(options: RefOptions): string | undefined {
  const { tables, meta } = options;
  return completeRef(options, {
    table: "router",
    find: (ref) =>
      resolve(tables, "router", ref, meta.project)?.id ?? tables.get("router", ref)?.id,
    missing: "create it in the same set or before, or name one of another project by its id",
  });
}

function completeRef(
  { meta, ref, before, field, problems, what }: RefOptions | Omit<RefOptions, "tables">,
  options: {
    readonly table: "network" | "router";
    readonly find: (ref: string) => string | undefined;
    readonly missing: string;
  },
): string | undefined {
  const { table, find, missing } = options;
  if (ref === "") {
    if (before === undefined) problems.add("MISSING_FIELD", field, `a ${what} needs its ${table}`);
    return before;
  }
  const found = find(ref);
  if (found === undefined) {
    const text = `no ${table} "${clip(ref)}" in project ${meta.project}: ${missing}`;
    problems.add("DANGLING_REFERENCE", field, text);
    return before;
  }
  if (before !== undefined && found !== before) {
    const where = table === "network" ? "in its network" : "with its router";
    const text = `a ${what} stays ${where}: delete it and create it ${table === "network" ? "in" : "with"} the other one`;
    problems.add("IMMUTABLE_FIELD", field, text);
    return before;
  }
  return found;
}
