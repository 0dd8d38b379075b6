// Runs long work in slices, so that the JS thread is never held for long: a generator is stepped until the budget of a slice is used
// up, then everybody else gets a turn. Used by the transactor, the publisher and verification.

import { setImmediate } from "node:timers/promises";

/** What one slice may take; the promise is 20 ms, and a step may be late. */
const BUDGET_MS = 8;

/** Runs a generator to its end and answers what it returns. */
export async function runInSlices<T>(work: Generator<unknown, T>): Promise<T> {
  let startMs = performance.now();
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    if (performance.now() - startMs < BUDGET_MS) continue;
    await setImmediate();
    startMs = performance.now();
  }
}
