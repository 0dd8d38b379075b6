// Frames are put to the probes that caused them, and told apart by what matters.
import { expect, test } from "vitest";
import * as frames from "../lab/frames.ts";
import { arrivalText, observe, type SentProbe } from "./observe.ts";
import { ipFrame } from "./packets.ts";
import { framesOf, type Probe } from "./probes.ts";
import type { Received } from "./side.ts";
import { gatewayMac, WORLD } from "./topology.fixture.ts";

const P1 = "02:00:00:00:00:11";
const HOST = "0e:57:00:00:00:01";

const udp: Probe = {
  ...{ kind: "ip", from: "p1", flows: 1 },
  packet: {
    ...{ src: P1, dst: gatewayMac(1, 1), from: "10.0.1.11", to: "10.0.2.13", ttl: 64 },
    body: { protocol: 17, fromPort: 1000, toPort: 2000 },
  },
};
const question: Probe = { kind: "question", from: "p1", target: "10.0.1.12", as: "10.0.1.11" };
const sent: readonly SentProbe[] = [
  { probe: udp, id: 100 },
  { probe: { ...udp, flows: 3 }, id: 101 },
  { probe: question, id: 104 },
];

function check(
  received: readonly Received[],
  expected: readonly (readonly string[])[],
  strays: readonly string[] = [],
): void {
  const seen = observe(WORLD, sent, received, new Set([HOST]));
  expect(seen.outcomes.map((list) => list.map(arrivalText))).toEqual(expected);
  expect(seen.strays.map(arrivalText)).toEqual(strays);
}

const routed = (id: number, src: string, dst: string, port: string): Received => ({
  port,
  frame: ipFrame({ ...(udp.kind === "ip" ? udp.packet : ({} as never)), src, dst, ttl: 63 }, id),
});

test("a routed packet", () => {
  const line = "p3 gets router r1 > p3: 10.0.1.11 > 10.0.2.13, ttl 63, udp, 43 bytes";
  check([routed(100, gatewayMac(1, 2), "02:00:00:00:00:13", "p3")], [[line], [], []]);
});

test("on a provider network a router is one by its own MAC and by its host's", () => {
  const line = "p5 gets a router > p5: 10.0.1.11 > 10.0.2.13, ttl 63, udp, 43 bytes";
  for (const mac of [HOST, gatewayMac(1, 3)]) {
    check([routed(100, mac, "02:00:00:00:00:15", "p5")], [[line], [], []]);
  }
});

test("of many flows the set counts, of one every copy", () => {
  const line = "p3 gets router r1 > p3: 10.0.1.11 > 10.0.2.13, ttl 63, udp, 43 bytes";
  const ids = [100, 100, 101, 102, 103];
  const received = ids.map((id) => routed(id, gatewayMac(1, 2), "02:00:00:00:00:13", "p3"));
  check(received, [[line, line], [line], []]);
});

test("a question that travels, and its answer", () => {
  const [asked] = framesOf(WORLD, question, 104);
  const reply = frames.arp(
    { src: "02:00:00:00:00:12", dst: P1 },
    {
      ...{ op: "reply", senderMac: "02:00:00:00:00:12", senderIp: "10.0.1.12" },
      ...{ targetMac: P1, targetIp: "10.0.1.11" },
    },
  );
  check(
    [
      { port: "p2", frame: asked ?? Buffer.alloc(0) },
      { port: "p1", frame: reply },
    ],
    [
      [],
      [],
      [
        "p1 gets p2 > p1: arp reply, 10.0.1.12 is at p2, for 10.0.1.11",
        "p2 gets p1 > ff:ff:ff:ff:ff:ff: arp request, 10.0.1.11 is at p1, for 10.0.1.12",
      ],
    ],
  );
});

test("a router that asks is a stray; a packet of an earlier round is nothing", () => {
  const link = { src: gatewayMac(1, 2), dst: frames.BROADCAST };
  const frame = frames.arp(link, {
    ...{ op: "request", senderMac: gatewayMac(1, 2), senderIp: "10.0.2.1" },
    ...{ targetMac: frames.NO_MAC, targetIp: "10.0.2.99" },
  });
  check(
    [{ port: "p4", frame }, routed(7, gatewayMac(1, 2), "02:00:00:00:00:13", "p3")],
    [[], [], []],
    ["p4 gets router r1 > ff:ff:ff:ff:ff:ff: arp request, 10.0.2.1 is at router r1, for 10.0.2.99"],
  );
});
