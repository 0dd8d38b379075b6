// Compares the lookups that the compiled flows lead to with those of the switch itself, both given. Pure; called by trace.ts.

import type { TraceComparisonReply } from "@weft/shared/trace-query.ts";
import type { Lookup, OfprotoTrace } from "./ofproto-text.ts";

const MAX_ACTIONS_CHARS = 2000;

export function compareLookups(
  ours: readonly Lookup[],
  switchs: OfprotoTrace,
): TraceComparisonReply {
  if (switchs.kind === "not-understood") return notKnown(switchs.reason);
  const { lookups: theirs, datapathActions } = switchs;
  const at = ours.findIndex((lookup, index) => !sameLookup(lookup, theirs[index]));
  const length = Math.max(ours.length, theirs.length);
  const first = at >= 0 ? at : theirs.length > ours.length ? ours.length : length;
  const answer = {
    lookups: length,
    datapathActions:
      datapathActions.length > MAX_ACTIONS_CHARS
        ? `${datapathActions.slice(0, MAX_ACTIONS_CHARS)}…`
        : datapathActions,
  };
  if (first === length) {
    return { ...answer, agreement: "same", text: `all ${length} lookups are the same` };
  }
  const text =
    `lookup ${first + 1} differs: weft compiled ${describe(ours[first])}, ` +
    `the switch has ${describe(theirs[first])}`;
  return { ...answer, agreement: "different", text };
}

export function notKnown(reason: string): TraceComparisonReply {
  return { agreement: "not-known", text: reason.slice(0, 1000), lookups: 0, datapathActions: "" };
}

function sameLookup(a: Lookup, b: Lookup | undefined): boolean {
  return (
    b !== undefined && a.table === b.table && a.priority === b.priority && a.cookie === b.cookie
  );
}

function describe(lookup: Lookup | undefined): string {
  if (lookup === undefined) return "no further lookup";
  const { table, priority, cookie } = lookup;
  if (priority === null) return `no flow in table ${table}`;
  return `table ${table} priority ${priority} cookie 0x${cookie.toString(16)}`;
}
