// A trace as text: one line a decision, indented per chassis, the verdict last. On a terminal decisions are cut at its width and
// sentences go on in the next line; elsewhere, and when it is to be wide, every line is whole. Pure.
import type {
  TraceComparison,
  TraceEvent,
  TraceResponse,
  TraceStep,
  TraceVisit,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import { TraceAgreement } from "@weft/shared/gen/weft/v1/orchestration.ts";
import { plain } from "./table.ts";
import { wrap } from "./wrap.ts";

export interface TraceRenderOptions {
  /** Width to fit into; null = whatever it takes. */
  readonly width: number | null;
  /** Every lookup, with match, actions and cookie. */
  readonly wide: boolean;
}

/** Columns of the object, at most. */
const MAX_OBJECT_CHARS = 34;
const INDENT = "  ";

/** A decision is one of many to be looked over; a sentence is to be read whole. */
interface Line {
  readonly text: string;
  readonly isDecision: boolean;
}

const sentence = (text: string): Line => ({ text, isDecision: false });

export function renderTrace(response: TraceResponse, options: TraceRenderOptions): string {
  // Who it is sent to has a line of its own: addresses of IPv6 are long.
  const lines = response.packet.split(/, (?=sent to )/).map(sentence);
  const print = (visit: TraceVisit, number: number, indent: string): void => {
    lines.push(sentence(""), sentence(`${indent}${visit.chassis}: ${visit.entry}`));
    for (const { text, isDecision } of visitLines(visit, options)) {
      lines.push({ text: `${indent}${INDENT}${text}`, isDecision });
    }
    response.visits.forEach((next, at) => {
      // A visit comes after the one that it came from: this ends.
      if (next.from === number && at + 1 > number) print(next, at + 1, indent + INDENT);
    });
  };
  const [first] = response.visits;
  if (first !== undefined) print(first, 1, "");
  lines.push(sentence(""));
  for (const note of response.notes) lines.push(sentence(`note: ${note}`));
  const differing = response.visits.filter(
    ({ real }) => real?.agreement === TraceAgreement.DIFFERENT,
  );
  const others = [...new Set(differing.map(({ chassis }) => chassis))].join(", ");
  const doubt = others === "" ? "" : `, if the switch of ${others} did what Weft compiled`;
  lines.push(sentence(`${response.text}${doubt}`));
  return lines
    .flatMap(({ text, isDecision }) =>
      isDecision ? fit(plain(text), options.width) : wrap(plain(text), options.width),
    )
    .map((line) => `${line}\n`)
    .join("");
}

function visitLines(visit: TraceVisit, { wide, width }: TraceRenderOptions): Line[] {
  const lines: Line[] = [];
  const say = (text: string): void => void lines.push(sentence(text));
  if (wide && visit.packet !== "") say(`packet ${visit.packet}`);
  const shown = visit.events.filter((event, at) => wide || isShown(event, visit.events[at + 1]));
  const steps = shown.flatMap(({ event }) => (event?.$case === "step" ? [event.value] : []));
  const tableChars = longest(steps.map(({ tableName }) => tableName));
  const mostObjectChars = width === null ? null : MAX_OBJECT_CHARS;
  const objects = steps.map((step) => fit(objectOf(step), mostObjectChars));
  const objectChars = longest(objects);
  for (const { event } of shown) {
    if (event?.$case === "step") {
      const step = event.value;
      const object = fit(objectOf(step), mostObjectChars).padEnd(objectChars);
      const text = `${step.tableName.padEnd(tableChars)}  ${object}  ${step.rule}`;
      lines.push({ text, isDecision: true });
      if (wide) details(step).forEach(say);
    } else if (event?.$case === "choice") {
      const { bucket, buckets, members, real } = event.value;
      const which = real ? "the switch takes" : "followed here:";
      say(`-> one of ${members} next hops: ${which} bucket ${bucket} of ${buckets}`);
    } else if (event?.$case === "outcome") say(`-> ${event.value.text}`);
  }
  if (visit.problem !== "") say(`-> not known: ${visit.problem}`);
  if (visit.real !== undefined) comparisonLines(visit.real, wide).forEach(say);
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
