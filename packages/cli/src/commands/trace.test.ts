// weft trace against a small central in this process: what is asked for, what is printed, and the exit codes.
import {
  TraceAgreement,
  TraceFragment,
  TraceResponse,
  TraceVerdict,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import { describe, expect, test } from "vitest";
import { runWeft, useCentral } from "../testing/run.ts";

const { address, state } = useCentral();

const weft = (args: string, columns: number | null = null) =>
  runWeft(args, { columns, env: { WEFT_SERVER: address, WEFT_PLAINTEXT: "true" } });

const step = (tableName: string, object: string, rule: string, number: number, more = {}) => ({
  event: {
    $case: "step" as const,
    value: {
      ...{ tableName, object, rule, priority: 100, match: "ip,reg2=0x1", actions: "goto_table:20" },
      ...{ cookie: 0x5700_0000_0000_0000n + BigInt(number), instruction: "chassis/a/port/1" },
      ...more,
    },
  },
});
const outcome = (text: string, more = {}) => ({
  event: { $case: "outcome" as const, value: { text, ...more } },
});

/** Routed to another chassis; a copy that is dropped there comes after it. */
const routed = (agreement: TraceAgreement, text: string, verdict: TraceVerdict, end: string) =>
  TraceResponse.fromPartial({
    packet:
      "icmp echo request from port web-1 (10.0.0.1) to 10.0.1.3, TTL 64, 98 bytes, sent to 0a:00:00:00:00:10 (router main)",
    visits: [
      {
        ...{ chassis: "chassis-a", entry: "from port web-1", packet: "in_port=1,icmp" },
        events: [
          step("classify", "port web-1", "packets of the port enter its network", 1),
          step("services", "", "what no other flow of the table takes", 0),
          step(
            "route",
            "route to-the-laboratory-behind-the-mountains",
            "to one of the next hops",
            90,
          ),
          {
            event: {
              $case: "choice" as const,
              value: { group: 7, bucket: 0, buckets: 256, members: 2, real: false },
            },
          },
          outcome("to chassis chassis-b at 192.0.2.2 by geneve, network key 8, egress key 3", {
            visit: 2,
          }),
        ],
        real: { agreement, text, lookups: 14, datapathActions: "set(tunnel()),2" },
      },
      {
        ...{ chassis: "chassis-b", entry: "by geneve from chassis chassis-a", from: 1 },
        events: [
          step("tunnel-in", "port db-1", "from a tunnel to the port", 65),
          step("deliver", "", "what no other flow of the table takes", 0, { priority: undefined }),
          outcome("delivered to port db-1\u001b[31m"),
        ],
      },
    ],
    verdict,
    text: end,
    notes: ["which of several next hops a real packet takes is decided by a hash"],
  });

describe("text", () => {
  test("one line a decision, per chassis, the verdict last; cut at the width of the terminal", async () => {
    const text = "all 14 lookups are the same";
    const end = "delivered to port db-1 on chassis-b";
    state.trace = routed(TraceAgreement.SAME, text, TraceVerdict.DELIVERED, end);
    const result = await weft("trace web-1 10.0.1.3 --real", 100);
    expect(result).toMatchObject({ code: 0, err: "" });
    expect(result.out).toBe(`\
icmp echo request from port web-1 (10.0.0.1) to 10.0.1.3, TTL 64, 98 bytes
sent to 0a:00:00:00:00:10 (router main)

chassis-a: from port web-1
  classify  port web-1                          packets of the port enter its network
  route     route to-the-laboratory-behind-th…  to one of the next hops
  -> one of 2 next hops: followed here: bucket 0 of 256
  -> to chassis chassis-b at 192.0.2.2 by geneve, network key 8, egress key 3
  real: the switch agrees: all 14 lookups are the same

  chassis-b: by geneve from chassis chassis-a
    tunnel-in  port db-1  from a tunnel to the port
    deliver    -          what no other flow of the table takes
    -> delivered to port db-1 [31m

note: which of several next hops a real packet takes is decided by a hash
delivered to port db-1 on chassis-b
`);
    for (const line of result.out.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  });

  test("narrow: decisions are cut, sentences go on; not on a terminal everything is whole", async () => {
    const text = "all 14 lookups are the same";
    const end =
      "handed to the engine of chassis-a: longer than the MTU of the network it was to go to";
    state.trace = routed(TraceAgreement.SAME, text, TraceVerdict.PUNTED, end);
    const narrow = (await weft("trace web-1 10.0.1.3 --real", 60)).out;
    expect(narrow).toContain(`
  classify  port web-1                          packets of …
  route     route to-the-laboratory-behind-th…  to one of t…
  -> one of 2 next hops: followed here: bucket 0 of 256
  -> to chassis chassis-b at 192.0.2.2 by geneve, network
    key 8, egress key 3
`);
    expect(narrow).toMatch(/longer than the MTU of\n {2}the network it was to go to\n$/);
    const whole = (await weft("trace web-1 10.0.1.3 --real")).out;
    expect(whole).toContain(
      "  route     route to-the-laboratory-behind-the-mountains  to one of the next hops\n",
    );
    expect(whole.endsWith(`\n${end}\n`)).toBe(true);
  });

  test("wide: every lookup with match, actions and cookie; a difference shown both ways", async () => {
    const text = "lookup 3 differs: weft compiled table 32, the switch has no flow in table 32";
    state.trace = routed(TraceAgreement.DIFFERENT, text, TraceVerdict.DELIVERED, "delivered");
    const { code, out } = await weft("trace web-1 10.0.1.3 --real --wide", 60);
    expect(code).toBe(7);
    expect(out).toContain(`
  packet in_port=1,icmp
  classify  port web-1                                    packets of the port enter its network
      priority 100, ip,reg2=0x1
      actions goto_table:20
      cookie 0x5700000000000001  from chassis/a/port/1
  services  -                                             what no other flow of the table takes
      priority 100, ip,reg2=0x1
`);
    expect(out).toContain(`
  real: THE SWITCH DIFFERS: lookup 3 differs: weft compiled table 32,
        the switch has no flow in table 32
        set(tunnel()),2
`);
    expect(out.endsWith("\ndelivered, if the switch of chassis-a did what Weft compiled\n")).toBe(
      true,
    );
  });

  test("a switch that could not be asked, and a chassis that could not be", async () => {
    state.trace = TraceResponse.fromPartial({
      visits: [{ chassis: "a", real: { agreement: TraceAgreement.NOT_KNOWN, text: "no socket" } }],
      verdict: TraceVerdict.UNKNOWN,
      text: "not known beyond a",
    });
    state.trace.visits.push({
      ...routed(1, "", 1, "").visits[1],
      problem: "not connected",
      events: [],
    } as never);
    const { code, out } = await weft("trace web-1 10.0.1.3 --real");
    expect(code).toBe(6);
    expect(out).toContain("real: not known: no socket\n");
    expect(out).toContain("-> not known: not connected\n");
  });
});

test.each([
  [TraceVerdict.DELIVERED, 0],
  [TraceVerdict.LEFT, 0],
  [TraceVerdict.DROPPED, 6],
  [TraceVerdict.PUNTED, 6],
  [TraceVerdict.UNKNOWN, 6],
])("verdict %s ends with %s", async (verdict, code) => {
  state.trace = TraceResponse.fromPartial({ verdict, text: "the end" });
  expect(await weft("trace web-1 10.0.1.3")).toEqual({ code, out: "\n\nthe end\n", err: "" });
});

test("everything that is asked for reaches central", async () => {
  await weft(
    "--project red trace web-1 db-1 --proto tcp --source 10.0.0.9 --sport 1 --dport 2 --ttl 0 --size 1500 --fragment later --eth-dst 02:00:00:00:00:01 --real",
  );
  expect(state.traced).toEqual({
    ...{ port: "web-1", project: "red", destination: "db-1", source: "10.0.0.9", protocol: 6 },
    ...{ sourcePort: 1, destinationPort: 2, ttl: 0, sizeBytes: 1500, real: true },
    ...{ fragment: TraceFragment.LATER, ethDst: "02:00:00:00:00:01", frame: Buffer.alloc(0) },
  });
  await weft("trace web-1 --frame 02:00:0a");
  expect(state.traced).toMatchObject({ destination: "", frame: Buffer.from("02000a", "hex") });
  await weft("trace web-1 10.0.0.1 --proto icmp");
  expect(state.traced?.protocol).toBeUndefined();
  await weft("trace web-1 10.0.0.1 --proto 89");
  expect(state.traced).toMatchObject({ protocol: 89, ttl: undefined });
});

test("JSON has everything", async () => {
  state.trace = routed(TraceAgreement.SAME, "all", TraceVerdict.DELIVERED, "delivered");
  const { out } = await weft("trace web-1 10.0.1.3 -o json");
  expect(JSON.parse(out)).toMatchObject({
    text: "delivered",
    visits: [{ chassis: "chassis-a" }, { from: 1 }],
  });
});

test.each([
  ["trace web-1", "error: trace: give a destination, or --frame and none"],
  ["trace web-1 10.0.0.1 --frame 00", "error: trace: give a destination, or --frame and none"],
  ["trace web-1 10.0.0.1 --proto ipx", "Write icmp, tcp, udp, sctp or a number up to 255"],
  ["trace web-1 --frame 0", "Write the bytes in hexadecimal, two digits each"],
  ["trace web-1 10.0.0.1 --dport 0", "Write a number from 1 to 65535"],
  ["trace web-1 10.0.0.1 --ttl 256", "Write a number from 0 to 255"],
  ["trace web-1 10.0.0.1 --size 0", "Write a number from 60 to 65535"],
  ["trace web-1 10.0.0.1 --fragment middle", "Allowed choices are first, later"],
])("%s is refused before it is sent", async (args, message) => {
  const { code, err } = await weft(args);
  expect(code).toBe(2);
  expect(err).toContain(`${message}; see weft trace --help\n`);
  expect(state.traced).toBeUndefined();
});
