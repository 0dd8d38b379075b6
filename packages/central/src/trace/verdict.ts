// The ends of a packet and its copies, and what they come to: one verdict. Pure; called by tracer.ts.

import type { TraceOutcome } from "@weft/shared/gen/weft/v1/orchestration.ts";
import { TraceVerdict } from "@weft/shared/gen/weft/v1/orchestration.ts";

/** Copies that the verdict names. */
const MAX_NAMED = 4;

export interface End {
  readonly outcome: TraceOutcome;
  /** "deliver" and "chassis-a"; what the verdict says between them and after. */
  readonly stage: string;
  readonly chassis: string;
  readonly reason: string;
}

/** `answered`: who answered on the way; null = nobody. */
export function verdictOf(
  ends: readonly End[],
  answered: string | null,
): { verdict: TraceVerdict; text: string } {
  const of = (verdict: TraceVerdict): End[] =>
    ends.filter(({ outcome }) => outcome.verdict === verdict);
  const delivered = of(TraceVerdict.DELIVERED);
  if (delivered.length > 0) {
    const prefix = answered === null ? "" : `${answered}: `;
    const named = delivered
      .slice(0, MAX_NAMED)
      .map(({ reason, chassis }) => `${reason} on ${chassis}`);
    const more = delivered.length - named.length;
    const rest = more > 0 ? ` and ${more} more` : "";
    const text = `${prefix}delivered to ${named.join(", ")}${rest}`;
    return { verdict: TraceVerdict.DELIVERED, text };
  }
  const [left] = of(TraceVerdict.LEFT);
  if (left !== undefined) {
    return { verdict: TraceVerdict.LEFT, text: `left ${left.chassis}: ${left.reason}` };
  }
  const [punted] = of(TraceVerdict.PUNTED);
  if (punted !== undefined) {
    const text = `handed to the engine of ${punted.chassis}: ${punted.reason}`;
    return { verdict: TraceVerdict.PUNTED, text };
  }
  const [unknown] = of(TraceVerdict.UNKNOWN);
  if (unknown !== undefined) {
    const text = `not known beyond ${unknown.chassis}: ${unknown.reason}`;
    return { verdict: TraceVerdict.UNKNOWN, text };
  }
  const dropped = of(TraceVerdict.DROPPED).at(-1);
  if (dropped !== undefined) {
    const text = `dropped at ${dropped.stage} on ${dropped.chassis}: ${dropped.reason}`;
    return { verdict: TraceVerdict.DROPPED, text };
  }
  return { verdict: TraceVerdict.UNKNOWN, text: "the way could not be followed to its end" };
}

export function outcomeOf(verdict: TraceVerdict, text: string): TraceOutcome {
  return { verdict, text, port: "", chassis: "", visit: 0 };
}
