// What a caller may change of a chassis: drain, labels, name. The rest belongs to its agent's registration. Pure; called by plan.ts.

import type { ChassisSpecIntent } from "./intents.ts";
import type { ObjectProblems } from "./problems.ts";
import type { ChassisRow, RowMeta } from "./rows.ts";

/** The row to be; undefined for a chassis that has not registered. */
export function completeChassis(
  meta: RowMeta,
  spec: ChassisSpecIntent | null,
  before: ChassisRow | undefined,
  problems: ObjectProblems,
): ChassisRow | undefined {
  if (before === undefined) {
    const text = "a chassis comes into being when its agent registers: start the agent first";
    problems.add("NOT_REGISTERED", "meta.id", text);
    return undefined;
  }
  // Its name is in its certificate and in the keys of its instructions.
  if (meta.name !== before.name) {
    problems.add("IMMUTABLE_FIELD", "meta.name", `the name is ${before.name} and stays`);
  }
  if (spec === null) return { ...before, ...meta, name: before.name };
  const refuse = (field: string): void => {
    const text = "is written by the agent's registration: leave it out or as it is";
    problems.add("IMMUTABLE_FIELD", `spec.${field}`, text);
  };
  if (spec.hostname !== "" && spec.hostname !== before.hostname) refuse("hostname");
  if (spec.encaps.length > 0 && !sameJson(spec.encaps, before.encaps)) refuse("encaps");
  if (
    spec.physicalNetworks.length > 0 &&
    !sameJson(spec.physicalNetworks, before.physicalNetworks)
  ) {
    refuse("physical_networks");
  }
  if (spec.lost && !before.lost) {
    problems.add("IMMUTABLE_FIELD", "spec.lost", "use DeclareLost (weft chassis lost)");
  }
  return { ...before, ...meta, name: before.name, drain: spec.drain };
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
