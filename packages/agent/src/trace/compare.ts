// Compares the way that the compiled flows lead a packet with that of the switch itself, both given: every lookup, and the ports that
// copies leave by, which groups decide without a lookup. Pure; called by trace.ts.

import type { TraceComparisonReply } from "@weft/shared/trace-query.ts";
import { IN_PORT, type Lookup, type OfprotoTrace } from "./ofproto-text.ts";

const MAX_ACTIONS_CHARS = 2000;
/** Ports that a difference names. */
const MAX_PORTS_NAMED = 20;

export interface CompiledWay {
  readonly lookups: readonly Lookup[];
  /** Ofports that copies leave by; null = not all of them are known. */
  readonly outputs: readonly number[] | null;
  /** The one that the packet came in by. */
  readonly inPort: number;
}

export function compareWays(compiled: CompiledWay, switchs: OfprotoTrace): TraceComparisonReply {
  if (switchs.kind === "not-understood") return notKnown(switchs.reason);
  const ours = compiled.lookups;
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
    const { inPort } = compiled;
    const real = inOrder(switchs.outputs.map((port) => (port === IN_PORT ? inPort : port)));
    const own = compiled.outputs === null ? real : inOrder(compiled.outputs);
    if (own.join() === real.join()) {
      return { ...answer, agreement: "same", text: `all ${length} lookups are the same` };
    }
    const text =
      `all ${length} lookups are the same, but not what they do: weft compiled ` +
      `${portsText(own)}, the switch has ${portsText(real)}`;
    return { ...answer, agreement: "different", text };
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

/** Copies leave in an order that says nothing. */
const inOrder = (outputs: readonly number[]): number[] => outputs.toSorted((a, b) => a - b);

function portsText(outputs: readonly number[]): string {
  if (outputs.length === 0) return "no output";
  const named = outputs.slice(0, MAX_PORTS_NAMED);
  const more = outputs.length - named.length;
  return `output to ofport ${named.join(" ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function describe(lookup: Lookup | undefined): string {
  if (lookup === undefined) return "no further lookup";
  const { table, priority, cookie } = lookup;
  if (priority === null) return `no flow in table ${table}`;
  return `table ${table} priority ${priority} cookie 0x${cookie.toString(16)}`;
}
