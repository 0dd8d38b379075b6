// Runs long work in slices, so that the JS thread is never held for long: a generator is stepped until the budget of a slice is used
// up, then everybody else gets a turn. Used by the transactor, the publisher, distribution and verification.

import { setImmediate as setImmediateOnce } from "node:timers";
import { setImmediate } from "node:timers/promises";

/** What one slice may take. The promise is 20 ms: a few workers may have a slice in the same turn, and a step may be late. */
export const BUDGET_MS = 5;

/** Steps a generator until it ends or a slice is used up; answers its last step. At least one step is done. */
export function runSlice<S, T>(
  work: Generator<S, T>,
  budgetMs: number = BUDGET_MS,
): IteratorResult<S, T> {
  const startMs = performance.now();
  for (;;) {
    const step = work.next();
    if (step.done === true || performance.now() - startMs >= budgetMs) return step;
  }
}

/** Of a slice that is used up to this part, more of another work is not begun in the same turn. */
const RESTED = 4;

/** Runs a generator to its end and answers what it returns. The first slice is done on return. */
export async function runInSlices<T>(
  work: Generator<unknown, T>,
  budgetMs: number = BUDGET_MS,
): Promise<T> {
  for (;;) {
    const startMs = performance.now();
    const step = runSlice(work, budgetMs);
    // What follows often is the first slice of the next work.
    const isTired = performance.now() - startMs > budgetMs / RESTED;
    if (step.done !== true || isTired) await nextTurn();
    if (step.done === true) return step.value;
  }
}

let lastTurn: Promise<unknown> = Promise.resolve();

/** One turn of the event loop for each who asks: slices of several works are never done in a row. */
export function nextTurn(): Promise<unknown> {
  lastTurn = lastTurn.then(() => setImmediate());
  return lastTurn;
}

/** Works on many small things that come at any time: all of them together get one slice a turn, one after the other. */
export class SlicedWork {
  readonly #budgetMs: number;
  readonly #queue: Queued[] = [];
  /** Until when this turn's slice lasts; undefined = nothing was done in this turn. */
  #untilMs: number | undefined;
  #isAwake = false;

  constructor(budgetMs: number = BUDGET_MS) {
    this.#budgetMs = budgetMs;
  }

  /** Runs a generator to its end; undefined = it is done already, because this turn had room for it. */
  start(work: Generator<unknown, void>): Promise<void> | undefined {
    if (this.#queue.length === 0 && this.#isDone(work)) return undefined;
    return new Promise((resolve, reject) => this.#queue.push({ work, resolve, reject }));
  }

  #isDone(work: Generator<unknown, void>): boolean {
    if (!this.#isAwake) setImmediateOnce(() => this.#next());
    this.#isAwake = true;
    const nowMs = performance.now();
    this.#untilMs ??= nowMs + this.#budgetMs;
    if (nowMs > this.#untilMs) return false;
    return runSlice(work, this.#untilMs - nowMs).done === true;
  }

  #next(): void {
    this.#isAwake = false;
    this.#untilMs = undefined;
    for (let first = this.#queue.shift(); first !== undefined; first = this.#queue.shift()) {
      try {
        if (!this.#isDone(first.work)) {
          // The slice is used up. A long one does not hold up all others.
          this.#queue.push(first);
          return;
        }
        first.resolve();
      } catch (error) {
        first.reject(error);
      }
    }
  }
}

interface Queued {
  readonly work: Generator<unknown, void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** True once the slice that begins now is used up. */
export function newSlice(budgetMs: number = BUDGET_MS): () => boolean {
  const startMs = performance.now();
  return () => performance.now() - startMs >= budgetMs;
}
