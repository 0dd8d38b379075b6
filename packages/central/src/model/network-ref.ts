// The network that a port or a subnet names: it must be there, in the same project, and stay the same. Pure; names the problem.
// Called by validate-port.ts and validate-subnet.ts.

import type { ObjectProblems } from "./problems.ts";
import { resolve } from "./references.ts";
import type { RowMeta } from "./rows.ts";
import type { Tables } from "./tables.ts";
import { clip } from "./validate-meta.ts";

/** Its id; undefined when nothing sensible can be made of it. */
export function completeNetworkRef(options: {
  readonly tables: Tables;
  readonly meta: RowMeta;
  readonly spec: { readonly network: string };
  readonly before: { readonly network: string } | undefined;
  readonly problems: ObjectProblems;
  readonly what: "port" | "subnet";
}): string | undefined {
  const { tables, meta, spec, before, problems, what } = options;
  if (spec.network === "") {
    if (before === undefined) {
      problems.add("MISSING_FIELD", "spec.network", `a ${what} needs its network`);
    }
    return before?.network;
  }
  const network = resolve(tables, "network", spec.network, meta.project);
  if (network === undefined) {
    problems.add(
      "DANGLING_REFERENCE",
      "spec.network",
      `no network "${clip(spec.network)}" in project ${meta.project}: create it in the same set or before`,
    );
    return before?.network;
  }
  if (before !== undefined && network.id !== before.network) {
    problems.add(
      "IMMUTABLE_FIELD",
      "spec.network",
      `a ${what} stays in its network: delete it and create it in the other one`,
    );
    return before.network;
  }
  return network.id;
}
