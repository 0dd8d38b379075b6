// What is known to be on an agent's disk; the bound must err towards waiting.
import { expect, test } from "vitest";
import { DurableFrames } from "./durable-frames.ts";

test("a change is covered when the frame that carries it is on the disk", () => {
  const frames = new DurableFrames();
  expect(frames.covers(100n)).toBe(true);
  frames.sent(5n, 3n);
  frames.sent(9n, 6n);
  for (const [sequence, covered] of [
    [2n, true],
    [3n, false],
    [7n, false],
  ] as const) {
    expect(frames.covers(sequence)).toBe(covered);
  }
  frames.durable(4n);
  expect(frames.covers(3n)).toBe(false);
  frames.durable(5n);
  expect(frames.covers(5n)).toBe(true);
  expect(frames.covers(6n)).toBe(false);
  frames.durable(2n);
  expect(frames.covers(5n)).toBe(true);
  frames.durable(9n);
  expect(frames.covers(100n)).toBe(true);
});

test("of an agent that never says anything few frames are remembered, and none is forgotten", () => {
  const frames = new DurableFrames();
  for (let sequence = 1n; sequence <= 10_000n; sequence++) frames.sent(sequence, sequence);
  for (const durable of [1n, 500n, 9_999n]) {
    frames.durable(durable);
    expect(frames.covers(durable + 1n)).toBe(false);
    expect(frames.covers(10_000n)).toBe(false);
  }
  frames.durable(10_000n);
  expect(frames.covers(10_000n)).toBe(true);
});
