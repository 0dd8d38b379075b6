// The gate lets a few in, callers in turn, counts what it let in, and ends who is too slow. Time is vitest's.
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import {
  maxHeldBytesPerCaller,
  maxReceiveMs,
  maxReceiving,
  maxReceivingPerCaller,
  maxRequestStreams,
  maxUnreadCalls,
  maxUnreadCallsPerCaller,
  maxUnreadMs,
  receiveMs,
} from "./limits.ts";
import { ReceiveGate } from "./receive-gate.ts";
import type { Passage } from "./receive-gate.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

let gate: ReceiveGate;
/** What happened, as `<call> starts` or `<call>: <why it is refused>`. */
let events: string[];

beforeEach(() => {
  gate = new ReceiveGate();
  events = [];
});

function open(caller: string, call: string): Passage {
  return gate.open(caller, {
    start: () => events.push(`${call} starts`),
    refuse: (text) => events.push(`${call}: ${text}`),
  });
}

const openMany = (caller: string, count: number): Passage[] =>
  Array.from({ length: count }, (_, at) => open(caller, `${caller}${at}`));

it("lets a call in at once, and forgets it", () => {
  for (let count = 0; count < 10_000; count++) {
    const passage = open("a", "call");
    passage.received(10);
    passage.done();
    passage.done();
  }
  expect(new Set(events)).toEqual(new Set(["call starts"]));
  expect(vi.getTimerCount()).toBe(0);
});

it("bounds what is received, of one caller and of all, and serves callers in turn", () => {
  const a = openMany("a", maxReceivingPerCaller + 2);
  expect(events).toEqual(["a0 starts", "a1 starts"]);
  const b = openMany("b", maxReceivingPerCaller + 1);
  const c = openMany("c", 1);
  expect(events).toHaveLength(maxReceiving);
  events = [];
  a[0]?.received(1);
  a[1]?.received(1);
  expect(events).toEqual(["a2 starts", "c0 starts"]);
  b[0]?.done();
  b[1]?.done();
  expect(events.slice(2).sort()).toEqual(["a3 starts", "b2 starts"]);
  for (const one of [...a, ...b, ...c]) one.done();
  expect(vi.getTimerCount()).toBe(0);
});

it("bounds the bytes that one caller has in flight, not those of others", () => {
  const large = openMany("a", 2);
  for (const one of large) one.received(maxHeldBytesPerCaller / 2 + 1);
  const next = open("a", "next");
  open("b", "other");
  expect(events.slice(2)).toEqual(["other starts"]);
  large[0]?.done();
  expect(events.slice(3)).toEqual(["next starts"]);
  next.done();
});

it("bounds who waits, of one caller and of all", () => {
  openMany("a", maxReceivingPerCaller + maxUnreadCallsPerCaller + 1);
  openMany("b", maxReceiving - maxReceivingPerCaller);
  expect(events.filter((text) => text.includes(":"))).toEqual([
    expect.stringContaining(`${maxUnreadCallsPerCaller} calls of a wait to be read already: make`),
  ]);
  openMany("c", maxUnreadCalls - maxUnreadCallsPerCaller);
  events = [];
  open("d", "d");
  expect(events).toEqual([expect.stringContaining(`${maxUnreadCalls} calls wait to be read`)]);
});

it("ends who is slow while others wait, and only then", () => {
  const [first] = openMany("a", maxReceivingPerCaller);
  vi.advanceTimersByTime(2 * receiveMs);
  expect(events).toHaveLength(2);
  first?.received(1);
  open("a", "second");
  open("a", "third");
  vi.advanceTimersByTime(1000);
  expect(events.slice(3)).toEqual([
    "a1: the request was not there after 21 s, and others wait: make fewer calls at once, or split large sets",
    "third starts",
  ]);
});

it("ends everybody in the end: who never sends, and who is never read", () => {
  openMany("a", 1);
  vi.advanceTimersByTime(maxReceiveMs + 1000);
  expect(events[1]).toContain("a0: the request was not there after 60 s");
  events = [];
  for (const one of openMany("b", 2)) one.received(maxHeldBytesPerCaller);
  open("b", "unread");
  vi.advanceTimersByTime(maxUnreadMs);
  expect(events.slice(2)).toEqual([
    "unread: central could not read the request within 60 s: make fewer calls at once, or split large sets",
  ]);
});

it("bounds the number and the life of calls that stream", () => {
  const openStream = (name: string) =>
    gate.openStream({
      start: () => events.push(`${name} starts`),
      refuse: (text) => events.push(`${name}: ${text}`),
    });
  const streams = Array.from({ length: maxRequestStreams }, (_, at) => openStream(`s${at}`));
  openStream("beyond").done();
  expect(events.at(-1)).toBe("beyond: 4 calls of this kind are open already: end one first");
  streams[0]?.done();
  streams[0]?.done();
  openStream("again");
  expect(events.at(-1)).toBe("again starts");
  vi.advanceTimersByTime(maxReceiveMs);
  expect(events.at(-1)).toContain("the call took more than 60 s");
});
