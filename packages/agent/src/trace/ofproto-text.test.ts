// Texts of ofproto/trace, as Open vSwitch 3.1 prints them and as later ones vary them: what is read of them, and that nothing read
// wrongly passes for a difference.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareWays } from "./compare.ts";
import { IN_PORT, type Lookup, readOfprotoTrace } from "./ofproto-text.ts";

const end = `
Final flow: unchanged
Megaflow: recirc_id=0,eth,ip,in_port=1,nw_frag=no
Datapath actions: 3`;

const read = (body: string, tail = end) =>
  readOfprotoTrace(
    `Flow: ip,in_port=1\n\nbridge("br-int")\n----------------\n${body}\n${tail}`,
    "br-int",
  );

/** `0:100:1 70:-`: table, priority, end of the cookie. */
function shown(body: string, tail = end): string {
  const trace = read(body, tail);
  if (trace.kind === "not-understood") return trace.reason;
  const lookups = trace.lookups.map(({ table, priority, cookie }) =>
    priority === null ? `${table}:-` : `${table}:${priority}:${cookie & 0xffn}`,
  );
  const buckets = trace.buckets.length === 0 ? "" : ` buckets ${trace.buckets.join(",")}`;
  const outputs = trace.outputs.length === 0 ? "" : ` out ${trace.outputs.join(",")}`;
  return `${lookups.join(" ")}${buckets}${outputs}${trace.needsHash ? " needs a hash" : ""}`;
}

const cases: readonly (readonly [string, string, string])[] = [
  [
    "goto and a miss",
    ` 0. in_port=1,vlan_tci=0x0000/0x1fff, priority 100, cookie 0x5700000000000001
    set_field:0x7->reg1
    goto_table:10
10. priority 0, cookie 0x570a000000000000
    goto_table:70
70. No match.
    drop`,
    "0:100:1 10:0:0 70:-",
  ],
  [
    "a cookie of zero is not printed",
    ` 0. priority 5
    drop`,
    "0:5:0",
  ],
  [
    "both ways of check_pkt_larger",
    ` 0. arp, priority 32768, cookie 0x5700000000000002
    check_pkt_larger(1514)->NXM_NX_REG5[0]
    goto_table:36
    36. reg5=0x1/0x1, priority 200, cookie 0x5700000000000003
            controller(userdata=03.04)
    goto_table:36
36. priority 7, cookie 0x5700000000000004
    resubmit(,70)
    70. No match.
            drop`,
    "0:32768:2 36:200:3 36:7:4 70:-",
  ],
  [
    "a bucket by hash, with its lookups",
    ` 0. ip, priority 100, cookie 0x5700000000000001
    group:2147483657
     -> bucket 1: score 50287
     -> bucket 2: score 3818
     -> using bucket 1
    bucket 1
            resubmit(,33)
        33. priority 0, cookie 0x5721000000000006`,
    "0:100:1 33:0:6 buckets 1",
  ],
  [
    "a group without a hash",
    ` 0. ip, priority 100, cookie 0x5700000000000001
    group:1
     -> no live bucket`,
    "0:100:1 needs a hash",
  ],
  [
    "the bridge behind a patch port is not ours",
    ` 0. tcp,in_port=3, priority 100, cookie 0x5700000000000006
    output:50

    bridge("br-ext")
    ----------------
         0. priority 0
            NORMAL
             -> no learned MAC for destination, flooding
    resubmit(,70)
70. No match.
    drop`,
    "0:100:6 70:- out 50",
  ],
  [
    "tables that the other bridge goes on to are not ours either",
    ` 0. priority 100, cookie 0x5700000000000006
    output:50

    bridge("br-ext")
    ----------------
         0. priority 9, cookie 0x11
            goto_table:1
    1. priority 8, cookie 0x12
            NORMAL
    resubmit(,70)
    70. priority 7, cookie 0x5700000000000007`,
    "0:100:6 70:7:7 out 50",
  ],
  [
    "a foreign flow on our own bridge is a lookup",
    ` 0. priority 65000, cookie 0x99
    drop`,
    "0:65000:153",
  ],
  [
    "outputs: to a port, to the port in a register, and two that do not leave",
    ` 0. priority 100, cookie 0x5700000000000006
    output:50
    output:NXM_NX_REG3[]
     -> output port is 7
    output:1
     >> skipping output to input port
    output:9
     >> Nonexistent output port
    IN_PORT`,
    "0:100:6 out 50,7,4294967288",
  ],
  [
    "a broken translation",
    ` 0. priority 100, cookie 0x5700000000000006
    resubmit(,0)
     >> resubmit actions recursed over 64 times`,
    ">> resubmit actions recursed over 64 times",
  ],
  ["a lookup in other words", " 0. in_port=1, prio 100", "0. in_port=1, prio 100"],
  [
    "a table that is printed with its name",
    ` 0(classify). in_port=1, priority 100, cookie 0x5700000000000001
10(anti-spoof). No match.`,
    "0:100:1 10:-",
  ],
  [
    "a table without its number",
    "classify: in_port=1, priority 100, cookie 0x5700000000000001",
    "classify: in_port=1, priority 100, cookie 0x5700000000000001",
  ],
  [
    "fragments that the switch drops by itself",
    ' 0. Packets are IP fragments and the fragment handling mode is "drop".',
    '0. Packets are IP fragments and the fragment handling mode is "drop".',
  ],
  ["nothing", "", "no lookups on bridge br-int in the answer: Flow: ip,in_port=1"],
];

describe("ofproto/trace", () => {
  test.each(cases)("%s", (_, body, expected) => {
    expect(shown(body)).toBe(expected);
  });

  test("without datapath actions it is not whole", () => {
    expect(shown(" 0. priority 1, cookie 0x5700000000000001", "")).toContain("no lookups");
  });

  test("the answer of another bridge, or an error, is not understood", () => {
    expect(readOfprotoTrace("Unknown bridge\n", "br-int")).toEqual({
      kind: "not-understood",
      reason: "no lookups on bridge br-int in the answer: Unknown bridge",
    });
  });

  test("any text is read or refused, never thrown at", () => {
    const lines = cases.flatMap(([, body]) => body.split("\n"));
    const line = fc.oneof(fc.constantFrom(...lines), fc.string(), fc.string({ unit: "binary" }));
    fc.assert(
      fc.property(fc.array(line), fc.boolean(), (body, whole) => {
        const trace = read(body.join("\n"), whole ? end : "");
        if (trace.kind === "not-understood") return trace.reason !== "";
        return trace.lookups.every(({ table, priority }) => table < 1000 && (priority ?? 0) < 1e5);
      }),
    );
  });
});

const lookup = (table: number, cookie: bigint): Lookup => ({ table, priority: 100, cookie });
const ours = [lookup(0, 1n), lookup(10, 2n)];
const theirs = (lookups: readonly Lookup[], outputs: readonly number[] = [3, 1]) =>
  compareWays(
    { lookups: ours, outputs: [1, 3], inPort: 1 },
    {
      ...{ kind: "read", lookups, buckets: [], outputs, needsHash: false },
      datapathActions: "3",
    },
  );

test.each<[string, readonly Lookup[], string, string]>([
  ["the same", ours, "same", "all 2 lookups are the same"],
  [
    "another flow",
    [lookup(0, 1n), lookup(10, 3n)],
    "different",
    "lookup 2 differs: weft compiled table 10 priority 100 cookie 0x2, the switch has table 10 priority 100 cookie 0x3",
  ],
  [
    "a missing flow",
    [lookup(0, 1n), { table: 10, priority: null, cookie: 0n }],
    "different",
    "lookup 2 differs: weft compiled table 10 priority 100 cookie 0x2, the switch has no flow in table 10",
  ],
  [
    "an earlier end",
    [lookup(0, 1n)],
    "different",
    "lookup 2 differs: weft compiled table 10 priority 100 cookie 0x2, the switch has no further lookup",
  ],
  [
    "a later end",
    [...ours, lookup(20, 4n)],
    "different",
    "lookup 3 differs: weft compiled no further lookup, the switch has table 20 priority 100 cookie 0x4",
  ],
])("compared: %s", (_, lookups, agreement, text) => {
  expect(theirs(lookups)).toMatchObject({ agreement, text });
});

test.each<[readonly number[], string]>([
  [[], "no output"],
  [[1, 1, 3], "output to ofport 1 1 3"],
  [[1, 4], "output to ofport 1 4"],
])("compared: the same lookups that lead to %j", (outputs, shownAs) => {
  expect(theirs(ours, outputs)).toMatchObject({
    agreement: "different",
    text: `all 2 lookups are the same, but not what they do: weft compiled output to ofport 1 3, the switch has ${shownAs}`,
  });
});

test("back to where it came from, as the switch says it", () => {
  expect(theirs(ours, [3, IN_PORT])).toMatchObject({ agreement: "same" });
});

test("what is not understood is no difference", () => {
  const answer = compareWays(
    { lookups: ours, outputs: [], inPort: 1 },
    { kind: "not-understood", reason: "in other words" },
  );
  expect(answer).toMatchObject({ agreement: "not-known", text: "in other words" });
});
