// The walk from chassis to chassis, with agents that answer what each case says: outcomes, objects, verdicts and bounds.

import { WeftError } from "@weft/shared/errors.ts";
import {
  TraceAgreement,
  type TraceRequest,
  type TraceResponse,
  TraceVerdict,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import type { TraceReply, TraceReplyEvent } from "@weft/shared/trace-query.ts";
import { expect, test } from "vitest";
import { Refused } from "../api/status.ts";
import { tracePacket } from "./tracer.ts";
import { agents, reply, request, step, worldModel } from "./world.fixture.ts";

const model = worldModel();
const classify = step("classify", [0, 2, 1, 1]);
const toPort = (portId: string): TraceReplyEvent => ({
  ...{ kind: "output", to: { kind: "port", portId }, fields: {} },
});
const toVtep = (last: number, more: Record<string, string> = {}): TraceReplyEvent => ({
  ...{ kind: "output", to: { kind: "tunnel", encap: EncapType.GENEVE } },
  fields: {
    ...{ tun_id: "0x8", tun_dst: `0xc00002${last.toString(16).padStart(2, "0")}` },
    ...{ tun_metadata0: `0x${((1n << 92n) | (3n << 40n)).toString(16)}` },
    ...more,
  },
});

async function trace(
  answer: Parameters<typeof agents>[0],
  change: Partial<TraceRequest> = {},
  nowMs: () => number = () => 0,
): Promise<TraceResponse> {
  const asked = request({ destination: "10.0.1.3", ...change });
  const port = model.get("port", asked.port);
  if (port === undefined) throw new Error("no such port");
  const south = agents(answer);
  const signal = new AbortController().signal;
  return tracePacket({ model, south, signal, nowMs }, port, asked);
}

/** Indented by visit; objects and outcomes. */
function shown({ visits, text, notes }: TraceResponse): string[] {
  const lines = visits.flatMap(({ chassis, entry, from, events, problem }) => [
    `${chassis} ${entry} (${from})`,
    ...events.flatMap(({ event }) => {
      if (event?.$case === "step")
        return `  ${event.value.tableName} ${event.value.object}`.trimEnd();
      if (event?.$case === "choice") return `  one of ${event.value.members}`;
      return `  > ${event?.value.text}${event?.value.visit ? ` (${event.value.visit})` : ""}`;
    }),
    ...(problem === "" ? [] : [`  ! ${problem}`]),
  ]);
  return [...lines, ...notes.map((note) => `note ${note}`), text];
}

test("over two chassis, with what is behind each flow", async () => {
  const south = agents((chassis) =>
    chassis === "chassis-a"
      ? reply([
          classify,
          step("router-entry", [30, 7, 11, 80]),
          step("route", [32, 6, 4, 88]),
          step("router-out", [35, 1, 8, 99]),
          step("l2-lookup", [50, 4, 3, 61]),
          toVtep(2),
        ])
      : reply([step("tunnel-in", [5, 2, 3, 65]), step("deliver", [70, 2, 3, 69]), toPort("db-1")]),
  );
  const port = model.get("port", "web-1");
  if (port === undefined) throw new Error("no such port");
  const options = { model, south, signal: new AbortController().signal, nowMs: () => 0 };
  const response = await tracePacket(options, port, request({ destination: "db-1", real: true }));
  expect(shown(response)).toEqual([
    "chassis-a from port web-1 (0)",
    "  classify port web-1",
    "  router-entry router-interface main-web",
    "  route router main",
    "  router-out network db",
    "  l2-lookup port db-1",
    "  > to chassis chassis-b at 192.0.2.2 by geneve, network key 8, egress key 3 (2)",
    "chassis-b by geneve from chassis chassis-a (1)",
    "  tunnel-in port db-1",
    "  deliver port db-1",
    "  > delivered to port db-1",
    "note the underlay was not tried: should packets be lost all the same, ping 192.0.2.2 from chassis-a, with long packets too (-M do -s)",
    "delivered to port db-1 on chassis-b",
  ]);
  expect(response.verdict).toBe(TraceVerdict.DELIVERED);
  expect(
    south.asked.map(({ chassis, query: { entry, real } }) => ({ chassis, entry, real })),
  ).toEqual([
    { chassis: "chassis-a", entry: { kind: "port", portId: "web-1" }, real: true },
    { chassis: "chassis-b", entry: { kind: "tunnel", encap: EncapType.GENEVE }, real: true },
  ]);
  // The header that the sender made is what comes in.
  expect(south.asked[1]?.query.fields).toMatchObject({ tun_id: "0x8", tun_dst: "0xc0000202" });
});

test.each<[string, TraceReplyEvent[], TraceVerdict, string]>([
  [
    "a spoofed source",
    [classify, step("anti-spoof", [10, 0, 0, 19], { drops: true })],
    TraceVerdict.DROPPED,
    "dropped at anti-spoof on chassis-a: port web-1 may not send from 10.0.0.1",
  ],
  [
    "a MAC that is not the port's",
    [step("anti-spoof", [10, 0, 0, 0], { drops: true })],
    TraceVerdict.DROPPED,
    "dropped at anti-spoof on chassis-a: port web-1 may not send from 02:00:00:00:00:01, 10.0.0.1",
  ],
  [
    "a blackhole",
    [step("route", [32, 8, 99, 92], { drops: true })],
    TraceVerdict.DROPPED,
    "dropped at route on chassis-a: route with key 99, which is not there any more: the route drops",
  ],
  [
    "no flow at all",
    [step("deliver", [70, 0, 0, 0], { priority: null, cookie: "0", drops: true })],
    TraceVerdict.DROPPED,
    "dropped at deliver on chassis-a: no flow takes it",
  ],
  [
    "an unknown destination",
    [step("l2-lookup", [50, 0, 0, 0], { drops: true })],
    TraceVerdict.DROPPED,
    "dropped at l2-lookup on chassis-a: nobody in the network is known to have 0a:00:00:00:00:10",
  ],
  [
    "a group without members",
    [step("l2-lookup", [50, 1, 7, 62])],
    TraceVerdict.DROPPED,
    "dropped at l2-lookup on chassis-a: network web: broadcast and multicast",
  ],
  [
    "back to itself",
    [classify, { kind: "withheld" }],
    TraceVerdict.DROPPED,
    "dropped at classify on chassis-a: not sent back to where it came from",
  ],
  [
    "time exceeded",
    [step("punt-out", [39, 0, 0, 106]), { kind: "controller", service: "time-exceeded" }],
    TraceVerdict.PUNTED,
    "handed to the engine of chassis-a: TTL or hop limit ran out: the router answers with time exceeded",
  ],
  [
    "a claim goes on",
    [{ kind: "controller", service: "claim" }, toPort("web-2")],
    TraceVerdict.DELIVERED,
    "delivered to port web-2 on chassis-a",
  ],
  [
    "answered by the router",
    [step("router-in", [31, 7, 11, 82]), toPort("web-1")],
    TraceVerdict.DELIVERED,
    "answered by router main: delivered to port web-1 on chassis-a",
  ],
  [
    "ARP answered for a neighbour",
    [step("services", [20, 4, 2, 40]), toPort("web-1")],
    TraceVerdict.DELIVERED,
    "answered for port web-2: delivered to port web-1 on chassis-a",
  ],
  [
    "answered by the pipeline",
    [step("echo", [41, 0, 0, 110]), toPort("web-1")],
    TraceVerdict.DELIVERED,
    "answered on the way: delivered to port web-1 on chassis-a",
  ],
  [
    "many copies",
    ["web-1", "web-2", "bare", "gone", "web-2", "web-2"].map(toPort),
    TraceVerdict.DELIVERED,
    "delivered to port web-1 on chassis-a, port web-2 on chassis-a, port bare on chassis-a, port gone on chassis-a and 2 more",
  ],
  [
    "a VTEP of nobody",
    [step("geneve4-out", [51, 0, 0, 70]), toVtep(9)],
    TraceVerdict.DROPPED,
    "dropped at geneve4-out on chassis-a: no chassis has the VTEP 192.0.2.9",
  ],
  [
    "a port that is not Weft's",
    [classify, { kind: "output", to: { kind: "unknown", ofport: 77 }, fields: {} }],
    TraceVerdict.DROPPED,
    "it left by port 77 of the switch, which is not Weft's",
  ],
])("the end: %s", async (_, events, verdict, text) => {
  const response = await trace(() => reply(events));
  expect(response.text).toContain(text);
  expect(response.verdict).toBe(verdict);
});

const toPhysical = (fields: Record<string, string>): TraceReplyEvent => ({
  ...{ kind: "output", to: { kind: "patch", physicalNetwork: "phys1" }, fields },
});

test("on a physical network it goes on where Weft knows the receiver", async () => {
  const out = { vlan_vid: "0x1064", eth_dst: "0x20000000005" };
  const known = await trace((chassis) =>
    reply([chassis === "chassis-a" ? toPhysical(out) : toPort("lan-2")]),
  );
  expect(shown(known)).toEqual([
    "chassis-a from port web-1 (0)",
    "  > out to physical network phys1, VLAN 100, to chassis chassis-b (2)",
    "chassis-b by physical network phys1 from chassis chassis-a (1)",
    "  > delivered to port lan-2",
    "delivered to port lan-2 on chassis-b",
  ]);
  const claimed = await trace((chassis) =>
    reply([
      chassis === "chassis-a" ? toPhysical({ ...out, eth_dst: "0x5e000102" }) : toPort("lan-2"),
    ]),
  );
  expect(claimed.text).toBe("delivered to port lan-2 on chassis-b");
  const stranger = await trace(() => reply([toPhysical({ ...out, eth_dst: "0x20000000099" })]));
  expect(stranger).toMatchObject({
    verdict: TraceVerdict.LEFT,
    text: "left chassis-a: out to physical network phys1, VLAN 100",
  });
  const untagged = await trace(() => reply([toPhysical({ eth_dst: "0x20000000005" })]));
  expect(untagged.text).toBe("left chassis-a: out to physical network phys1, untagged");
  const all = await trace((chassis) =>
    reply([
      chassis === "chassis-a" ? toPhysical({ ...out, eth_dst: "0xffffffffffff" }) : toPort("lan-2"),
    ]),
  );
  expect(all.visits.map(({ chassis }) => chassis)).toEqual(["chassis-a", "chassis-b"]);
});

test("the switch's word is passed on, and a choice by hash is said to be one", async () => {
  const real = {
    agreement: "different",
    text: "lookup 3 differs",
    lookups: 4,
    datapathActions: "3",
  } as const;
  const bucket = {
    kind: "bucket",
    group: 1,
    bucket: 0,
    buckets: 256,
    members: 2,
    real: false,
  } as const;
  const only = { ...bucket, buckets: 1, members: 1 };
  const response = await trace(() => reply([classify, only, bucket, toPort("web-2")], { real }));
  expect(response.visits[0]?.real).toMatchObject({
    agreement: TraceAgreement.DIFFERENT,
    lookups: 4,
  });
  expect(shown(response).filter((line) => line.includes("one of"))).toEqual(["  one of 2"]);
  expect(response.notes).toEqual([
    "which of several next hops a real packet takes is decided by a hash",
  ]);
});

test("who is not there, whose switch is away and which way nobody tried is noted", async () => {
  const options = { model, signal: new AbortController().signal, nowMs: () => 0 };
  const sender = model.get("port", "web-1");
  if (sender === undefined) throw new Error("no such port");
  const told = async (to: string, waits: string, agreement: "same" | "not-known") => {
    const real = { agreement, text: "", lookups: 1, datapathActions: "" };
    const south = agents(
      (chassis) => reply([chassis === "chassis-a" ? toVtep(2) : toPort(to)], { real }),
      waits,
    );
    const asked = request({ destination: to, real: true });
    return (await tracePacket({ ...options, south }, sender, asked)).notes;
  };
  const way =
    "the underlay was not tried: should packets be lost all the same, ping 192.0.2.2 from chassis-a, with long packets too (-M do -s)";
  expect(await told("db-1", "", "same")).toEqual([way]);
  expect(await told("quiet", "Open vSwitch does not answer", "not-known")).toEqual([
    "what the switch of chassis-a does is not known: the rest is what Weft compiled",
    way,
    "chassis chassis-b waits: Open vSwitch does not answer",
    "what the switch of chassis-b does is not known: the rest is what Weft compiled",
    "port quiet is PROGRAMMED, not UP: see weft describe port quiet",
  ]);
});

const disconnected = new WeftError("transient", "chassis chassis-b is not connected");

test("what cannot be asked: first an error, later an end that is not known", async () => {
  const first = trace(() => disconnected);
  await expect(first).rejects.toThrow(Refused);
  await expect(first).rejects.toThrow("is not connected: see that its agent runs");
  const unplugged = new WeftError(
    "rejected",
    "chassis chassis-a: port web-1 has no interface here",
  );
  await expect(trace(() => unplugged)).rejects.toThrow("port web-1 has no interface here");
  for (const nonsense of ["", "[]", '{"packet":1}']) {
    await expect(trace(() => nonsense)).rejects.toThrow("is no trace: update weft-agent");
  }
  const later = await trace((chassis) =>
    chassis === "chassis-a" ? reply([classify, toVtep(2)]) : disconnected,
  );
  expect(later.verdict).toBe(TraceVerdict.UNKNOWN);
  expect(later.text).toBe(
    "not known beyond chassis-b: chassis chassis-b is not connected: see that its agent runs",
  );
});

test("a loop ends, and so does a trace that takes long or is large", async () => {
  const back = (chassis: string): TraceReply =>
    reply([classify, ...Array.from({ length: 3 }, () => toVtep(chassis === "chassis-a" ? 2 : 1))]);
  const loop = await trace(back);
  expect(loop.visits.length).toBe(32);
  expect(loop.notes).toEqual(["copies beyond 32 chassis are not followed"]);
  expect(loop.verdict).toBe(TraceVerdict.UNKNOWN);
  let now = 0;
  const slow = await trace(back, {}, () => (now += 6_000));
  expect(slow.visits.length).toBe(3);
  expect(slow.notes).toEqual(["7 chassis were not asked: the answer is late or large already"]);
  const text = "x".repeat(8_000);
  const wide = step("classify", [0, 2, 1, 1], { matching: text, actions: text });
  const large = await trace((chassis) =>
    reply([...Array.from({ length: 100 }, () => wide), toVtep(chassis === "chassis-a" ? 2 : 1)]),
  );
  expect(large.visits.length).toBe(2);
  const cut = await trace(() => reply([classify], { cut: true }));
  expect(cut.notes).toEqual(["chassis-a: only the first 1 events are told"]);
  expect(cut.text).toBe("the way could not be followed to its end");
});

test.each<[string, TraceReplyEvent[], string, string]>([
  [
    "in the sender's network",
    [classify, step("l2-lookup", [50, 0, 0, 0], { drops: true })],
    "10.0.0.39",
    "note port off has 10.0.0.39, but is administratively down: apply it without adminDown",
  ],
  [
    "behind a router",
    [
      step("route", [32, 7, 12, 88]),
      step("neighbour", [37, 1, 8, 104]),
      { kind: "controller", service: "host-unreachable" },
    ],
    "10.0.1.39",
    "note port lost has 10.0.1.39, but is plugged nowhere: see weft describe port lost",
  ],
])("a port that has the address and cannot take it: %s", async (_, events, destination, note) => {
  expect(shown(await trace(() => reply(events), { destination }))).toContain(note);
});

test("a router that is down", async () => {
  const events = [classify, step("l2-lookup", [50, 0, 0, 0], { drops: true })];
  const asked = { port: "lan-1", destination: "10.9.9.9", ethDst: "0a:00:00:00:00:12" };
  expect(shown(await trace(() => reply(events), asked))).toContain(
    "note router resting has 0a:00:00:00:00:12, but is administratively down: apply it without adminDown",
  );
});
