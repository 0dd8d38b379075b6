import { expect, test } from "vitest";
import { FakeClock } from "../../../../test/fakes/clock.ts";
import type { Frame } from "./desired-state.ts";
import { Heartbeats } from "./heartbeats.ts";

const EPOCH = { storeId: "s", epoch: 3n };

const frame = (sequence: bigint, change: Partial<Frame> = {}): Frame => ({
  upserts: [],
  deletes: [],
  dropScopes: [],
  sequence,
  revision: sequence,
  inSync: false,
  adopted: false,
  ...change,
});
const position = (sequence: bigint) => ({ ...EPOCH, sequence, revision: sequence });

function setUp() {
  const clock = new FakeClock();
  const said: string[] = [];
  const heartbeats = new Heartbeats({
    clock,
    send: () => {
      said.push(`${heartbeats.durableSequence} ${heartbeats.waitingFor}`.trim());
      heartbeats.sent();
    },
  });
  return { clock, said, heartbeats };
}

test("one goes out early when a frame that frees something is on disk, not for others, not before", () => {
  const { clock, said, heartbeats } = setUp();
  heartbeats.welcomed(EPOCH);
  heartbeats.applied(frame(1n));
  heartbeats.written(position(1n));
  heartbeats.applied(frame(2n, { deletes: ["network/1/location/7"] }));
  clock.advance(60_000);
  expect(said).toEqual([]);
  expect(heartbeats.durableSequence).toBe(1n);
  heartbeats.written(position(2n));
  clock.advance(0);
  expect(said).toEqual(["2"]);
  heartbeats.written(position(2n));
  clock.advance(60_000);
  expect(said).toEqual(["2"]);
});

test("a burst is told at most once a second, and its end is told", () => {
  const { clock, said, heartbeats } = setUp();
  heartbeats.welcomed(EPOCH);
  for (let at = 1n; at <= 25n; at++) {
    heartbeats.applied(frame(at, { dropScopes: ["network/1"] }));
    if (at < 25n) heartbeats.written(position(at));
    clock.advance(100);
  }
  expect(said).toEqual(["1", "10", "20"]);
  heartbeats.written(position(25n));
  clock.advance(1_000);
  expect(said).toEqual(["1", "10", "20", "25"]);
});

test("the end of a resync is told once it is on disk, deletes or not", () => {
  const { clock, said, heartbeats } = setUp();
  heartbeats.welcomed(EPOCH);
  heartbeats.applied(frame(1n, { inSync: true }));
  heartbeats.written(position(1n));
  clock.advance(0);
  expect(said).toEqual(["1"]);
});

test("a sequence of another epoch or store is none", () => {
  const { clock, said, heartbeats } = setUp();
  heartbeats.written(position(4711n));
  expect(heartbeats.durableSequence).toBe(0n);
  heartbeats.welcomed({ storeId: "s", epoch: 4n });
  expect(heartbeats.durableSequence).toBe(0n);
  heartbeats.welcomed({ storeId: "other", epoch: 3n });
  expect(heartbeats.durableSequence).toBe(0n);
  clock.advance(60_000);
  expect(said).toEqual([]);
  heartbeats.welcomed(EPOCH);
  clock.advance(0);
  expect(said).toEqual(["4711"]);
});

test("what is waited for is told soon, joined, and so is its end", () => {
  const { clock, said, heartbeats } = setUp();
  heartbeats.welcomed(EPOCH);
  heartbeats.setWaiting("checkpoint", "the disk is full");
  heartbeats.setWaiting("openflow", "no answer");
  heartbeats.setWaiting("openflow", "no answer");
  clock.advance(0);
  heartbeats.setWaiting("openflow", "");
  clock.advance(1_000);
  heartbeats.setWaiting("checkpoint", "");
  clock.advance(1_000);
  expect(said).toEqual(["0 no answer; the disk is full", "0 the disk is full", "0"]);
  heartbeats[Symbol.dispose]();
  heartbeats.setWaiting("central", "an operator");
  expect(clock.pendingTimers).toBe(0);
});
