// Checks of the backoff: growth, cap, jitter bounds and when failures are forgotten.
import fc from "fast-check";
import { expect, test } from "vitest";
import { Backoff, backoffDelayMs } from "./reconnect.ts";

const policy = { initialMs: 100, capMs: 1_000, stableMs: 5_000 };

test("delays double up to the cap", () => {
  const delays = [1, 2, 3, 4, 5, 6].map((failures) => backoffDelayMs(policy, failures, 0));
  expect(delays).toEqual([50, 100, 200, 400, 500, 500]);
});

test("every delay lies in the upper half of its step and below the cap", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e6 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (n, random) => {
        const delay = backoffDelayMs(policy, n, random);
        expect(delay).toBeGreaterThanOrEqual(policy.initialMs / 2);
        expect(delay).toBeLessThan(policy.capMs);
      },
    ),
  );
});

test("a short connection does not reset the delay, a stable one does", () => {
  const backoff = new Backoff({ policy, random: () => 0 });
  expect([backoff.failed(0), backoff.failed(0), backoff.failed(0)]).toEqual([50, 100, 200]);
  backoff.succeeded(1_000);
  expect(backoff.failed(2_000)).toBe(400);
  backoff.succeeded(10_000);
  expect(backoff.failed(15_000)).toBe(50);
});

test("reset forgets at once", () => {
  const backoff = new Backoff({ policy, random: () => 0 });
  backoff.failed(0);
  backoff.failed(0);
  backoff.reset();
  expect(backoff.failed(0)).toBe(50);
});
