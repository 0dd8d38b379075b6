// Reads what `ofproto/trace` prints (Open vSwitch 3.1 to 3.5): the lookups on one bridge in order, the buckets that groups chose, the ports
// that copies leave by, and the datapath actions. Pure; tolerant of what it does not need, and says so when it does not understand what it needs. Called by compare.ts.
//
//   bridge("br-int")                            a section; a bridge behind a patch port or a tunnel has its own, indented
//   ----------------
//    0. in_port=1, priority 100, cookie 0x57..  a lookup: table, match, priority, cookie (none printed when 0)
//       goto_table:10                           an action
//        -> using bucket 3                      a remark
//       output:NXM_NX_REG3[]                    an output, whose port is in the remark below; else in the action
//        -> output port is 7
//   10. No match.

/** `priority` null: no flow matched. */
export interface Lookup {
  readonly table: number;
  readonly priority: number | null;
  readonly cookie: bigint;
}

export type OfprotoTrace =
  | {
      readonly kind: "read";
      readonly lookups: readonly Lookup[];
      /** In the order of their groups. */
      readonly buckets: readonly number[];
      /** Ofports that copies leave by, in order; IN_PORT for the one that the packet came in by. */
      readonly outputs: readonly number[];
      /** A group needs a hash that only the datapath makes. */
      readonly needsHash: boolean;
      readonly datapathActions: string;
    }
  | { readonly kind: "not-understood"; readonly reason: string };

const BRIDGE = /^( *)bridge\("(.*)"\)$/;
const TABLE = /^( *)(\d{1,3})(?:\([^)]*\))?\. (.*)$/;
const FLOW = /^(?:.*, )?priority (\d{1,5})(?:, cookie 0x([0-9a-f]{1,16}))?$/;
/** Ends of a lookup, in whatever words it begins. */
const LOOKUP_END = /\bpriority \d+(?:, cookie 0x[0-9a-f]+)?$|\bNo match\b/;
/** Remarks after which the text is not the whole way. */
const BROKEN =
  /resubmit actions recursed|over max translation depth|resubmits yielded|stack underflow/;
const OUTPUT = /^ *(?:output:|-> output port is )(\d{1,10})$/;
const BACK = /^ *IN_PORT$/;
/** Of the output before: it does not leave. */
const WITHHELD = /skipping output|Nonexistent output port/i;
const MARK = 0x57n;
/** OFPP_IN_PORT, OpenFlow 1.5.1 section 7.2.1. */
export const IN_PORT = 0xffff_fff8;

export function readOfprotoTrace(text: string, bridge: string): OfprotoTrace {
  const lookups: Lookup[] = [];
  const buckets: number[] = [];
  const outputs: number[] = [];
  let needsHash = false;
  let datapathActions: string | undefined;
  let inBridge = false;
  /** Indentation of the section of another bridge that the lines are in. */
  let foreign: number | null = null;
  let sawForeign = false;
  for (const line of text.split("\n")) {
    const section = BRIDGE.exec(line);
    if (section !== null) {
      const isOurs = section[2] === bridge;
      if (isOurs && foreign === null) inBridge = true;
      else if (foreign === null) foreign = section[1]?.length ?? 0;
      sawForeign ||= !isOurs;
      continue;
    }
    if (line.startsWith("Datapath actions: ")) datapathActions = line.slice(18);
    if (!inBridge || line.trim() === "" || /^ *-+$/.test(line)) continue;
    const table = TABLE.exec(line);
    // Numbers of tables are right-aligned in two columns.
    const indent =
      table === null
        ? line.length - line.trimStart().length
        : (table[1]?.length ?? 0) - (table[2]?.length === 1 ? 1 : 0);
    if (foreign !== null) {
      if (indent > foreign) continue;
      foreign = null;
    }
    if (BROKEN.test(line)) return { kind: "not-understood", reason: line.trim() };
    if (table === null) {
      // Better no answer than a false difference.
      if (LOOKUP_END.test(line.trimEnd())) return { kind: "not-understood", reason: line.trim() };
      const bucket = /^ *-> using bucket (\d{1,9})$/.exec(line);
      const output = OUTPUT.exec(line);
      if (bucket !== null) buckets.push(Number(bucket[1]));
      else if (output !== null) outputs.push(Number(output[1]));
      else if (BACK.test(line)) outputs.push(IN_PORT);
      else if (WITHHELD.test(line)) outputs.pop();
      else if (/^ *-> no live bucket$/.test(line)) needsHash = true;
      continue;
    }
    const [, , number, rest = ""] = table;
    if (rest.startsWith("No match")) {
      lookups.push({ table: Number(number), priority: null, cookie: 0n });
      continue;
    }
    const flow = FLOW.exec(rest.trimEnd());
    if (flow === null) return { kind: "not-understood", reason: line.trim() };
    const cookie = BigInt(`0x${flow[2] ?? "0"}`);
    // A table that another bridge went on to may be indented like our own.
    if (sawForeign && cookie >> 56n !== MARK) continue;
    lookups.push({ table: Number(number), priority: Number(flow[1]), cookie });
  }
  if (lookups.length === 0 || datapathActions === undefined) {
    const start = text.trim().split("\n")[0] ?? "";
    const reason = `no lookups on bridge ${bridge} in the answer: ${start.slice(0, 200)}`;
    return { kind: "not-understood", reason };
  }
  return { kind: "read", lookups, buckets, outputs, needsHash, datapathActions };
}
