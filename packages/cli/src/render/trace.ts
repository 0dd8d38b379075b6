// A trace as text: one line a decision, indented per chassis, the verdict last. Lines fit the terminal unless it is to be wide. Pure.
import type {
  TraceComparison,
  TraceEvent,
  TraceResponse,
  TraceStep,
  TraceVisit,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import { TraceAgreement } from "@weft/shared/gen/weft/v1/orchestration.ts";

export interface TraceRenderOptions {
  /** Width to fit into; null = whatever it takes. */
  readonly width: number | null;
  /** Every lookup, with match, actions and cookie. */
  readonly wide: boolean;
}

/** Columns of the object, at most. */
const MAX_OBJECT_CHARS = 34;
const INDENT = "  ";

export function renderTrace(response: TraceResponse, options: TraceRenderOptions): string {
  // Who it is sent to has a line of its own: addresses of IPv6 are long.
  const lines = response.packet.split(/, (?=sent to )/);
  const print = (visit: TraceVisit, number: number, indent: string): void => {
    lines.push("", `${indent}${visit.chassis}: ${visit.entry}`);
    for (const line of visitLines(visit, options.wide)) lines.push(`${indent}${INDENT}${line}`);
    response.visits.forEach((next, at) => {
      // A visit comes after the one that it came from: this ends.
      if (next.from === number && at + 1 > number) print(next, at + 1, indent + INDENT);
    });
  };
  const [first] = response.visits;
  if (first !== undefined) print(first, 1, "");
  lines.push("");
  for (const note of response.notes) lines.push(`note: ${note}`);
  lines.push(response.text);
  return lines.map((line) => `${fit(plain(line), options.width)}\n`).join("");
}

function visitLines(visit: TraceVisit, wide: boolean): string[] {
  const lines: string[] = [];
  if (wide && visit.packet !== "") lines.push(`packet ${visit.packet}`);
  const shown = visit.events.filter((event, at) => wide || isShown(event, visit.events[at + 1]));
  const steps = shown.flatMap(({ event }) => (event?.$case === "step" ? [event.value] : []));
  const tableChars = longest(steps.map(({ tableName }) => tableName));
  const objectChars = Math.min(longest(steps.map(objectOf)), MAX_OBJECT_CHARS);
  for (const { event } of shown) {
    if (event?.$case === "step") {
      const step = event.value;
      const object = fit(objectOf(step), MAX_OBJECT_CHARS).padEnd(objectChars);
      lines.push(`${step.tableName.padEnd(tableChars)}  ${object}  ${step.rule}`);
      if (wide) lines.push(...details(step));
    } else if (event?.$case === "choice") {
      const { bucket, buckets, members, real } = event.value;
      const which = real ? "the switch takes" : "followed here:";
      lines.push(`-> one of ${members} next hops: ${which} bucket ${bucket} of ${buckets}`);
    } else if (event?.$case === "outcome") lines.push(`-> ${event.value.text}`);
  }
  if (visit.problem !== "") lines.push(`-> not known: ${visit.problem}`);
  if (visit.real !== undefined) lines.push(...comparisonLines(visit.real, wide));
  return lines;
}

/** What a packet merely passes is no decision, unless it ends there. */
function isShown({ event }: TraceEvent, next: TraceEvent | undefined): boolean {
  if (event?.$case !== "step") return true;
  const isMiss = event.value.object === "" && (event.value.cookie & 0xf_ffffn) === 0n;
  return !isMiss || next?.event?.$case === "outcome";
}

function details({ priority, match, actions, cookie, instruction }: TraceStep): string[] {
  if (priority === undefined) return [];
  const from = instruction === "" ? "" : `  from ${instruction}`;
  return [
    `    priority ${priority}${match === "" ? "" : `, ${match}`}`,
    `    actions ${actions}`,
    `    cookie 0x${cookie.toString(16)}${from}`,
  ];
}

function comparisonLines(
  { agreement, text, datapathActions }: TraceComparison,
  wide: boolean,
): string[] {
  const words = {
    [TraceAgreement.SAME]: "real: the switch agrees: ",
    [TraceAgreement.DIFFERENT]: "real: THE SWITCH DIFFERS: ",
  }[agreement as 1];
  // Both sides of a difference are to be read whole.
  const parts = text.split(/(?<=,) (?=the switch has)/);
  const lines = parts.map((part, at) =>
    at === 0 ? `${words ?? "real: not known: "}${part}` : `      ${part}`,
  );
  return wide && datapathActions !== "" ? [...lines, `      ${datapathActions}`] : lines;
}

const objectOf = ({ object }: TraceStep): string => (object === "" ? "-" : object);

function longest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, text.length), 0);
}

function fit(text: string, width: number | null): string {
  const trimmed = text.trimEnd();
  return width === null || trimmed.length <= width ? trimmed : `${trimmed.slice(0, width - 1)}…`;
}

/** Text from elsewhere must not steer the terminal. */
function plain(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ");
}
