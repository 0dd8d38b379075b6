// The bounds of the tracer and what it says when it cannot answer; what it answers is test/integration/trace.test.ts, against a real
// Open vSwitch.

import type { Traced, TraceRequest } from "@weft/dataplane-native";
import { expect, test } from "vitest";
import { answerQuery } from "../queries.ts";
import { type TraceFacts, Tracer } from "./trace.ts";

const facts: TraceFacts = {
  vifs: [
    { portId: "web-1", name: "tap1", ofport: 7, error: "" },
    { portId: "web-2", name: "tap2", ofport: 0, error: "could not open network device tap2" },
  ],
  tunnels: [],
  patches: [],
};
const traced: Traced = { packet: "", events: [], cut: false, lookups: [], problem: "" };
const query = (portId: string) =>
  JSON.stringify({ entry: { kind: "port", portId }, fields: {}, lengthBytes: 98, real: false });

function tracer(
  trace: (request: TraceRequest) => Promise<Traced>,
  known: TraceFacts | null = facts,
): Tracer {
  return new Tracer({
    dataplane: { trace },
    ovs: { runDir: "/nowhere", bridge: "br-int" },
    facts: () => known,
  });
}

test("at most four run at once, and a failed one makes room", async () => {
  const waiting: { resolve: (traced: Traced) => void; reject: (error: Error) => void }[] = [];
  const busy = tracer(() => new Promise((resolve, reject) => waiting.push({ resolve, reject })));
  const four = [1, 2, 3, 4].map(() => busy.answer(query("web-1")));
  await expect(busy.answer(query("web-1"))).rejects.toThrow("4 traces run already: try again");
  waiting[0]?.reject(new Error("the engine is closed"));
  await expect(four[0]).rejects.toThrow("the engine is closed");
  const fifth = busy.answer(query("web-1"));
  for (const { resolve } of waiting) resolve(traced);
  expect(JSON.parse(await fifth)).toEqual({
    packet: "",
    events: [],
    cut: false,
    problem: "",
    real: null,
  });
  await Promise.all(four.slice(1));
});

test.each([
  ["no text", "", "the trace is not understood: update the agent"],
  ["no JSON", "{", "the trace is not understood: update the agent"],
  ["other JSON", "[]", "the trace is not understood: update the agent"],
  [
    "a port that is elsewhere",
    query("db-1"),
    "port db-1 has no interface here: set external_ids:iface-id=db-1",
  ],
  [
    "a port that OVS could not open",
    query("web-2"),
    "tap2 has no port in the switch: could not open",
  ],
])("refused: %s", async (_, text, reason) => {
  const asking = tracer(() => Promise.resolve(traced));
  const options = { ports: { get: () => undefined }, dataplane: {}, tracer: asking } as never;
  const answer = await answerQuery({ id: 5n, text: `trace ${text}` }, options);
  expect(answer).toMatchObject({
    id: 5n,
    json: "",
    error: expect.stringContaining(reason) as unknown,
  });
});

test("before OVSDB has answered nothing is known", async () => {
  const early = tracer(() => Promise.resolve(traced), null);
  await expect(early.answer(query("web-1"))).rejects.toThrow("OVSDB has not answered yet");
});
