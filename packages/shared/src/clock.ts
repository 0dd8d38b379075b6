// Time as an argument. Code that needs the time or a timer takes a Clock, so that tests drive it
// with the fake in test/fakes/clock.ts. Pure code takes a plain `nowMs: number` instead.

export interface Clock {
  /** Milliseconds since the Unix epoch as of process start, then monotonic: it never goes back. */
  nowMs(): number;
  /** Calls `fire` once, not before `delayMs` milliseconds have passed. */
  setTimer(delayMs: number, fire: () => void): Timer;
}

export interface Timer {
  /** After this `fire` is not called any more. Idempotent. */
  cancel(): void;
}

/** The real clock. Its timers keep the process alive, as a pending piece of work should. */
export class SystemClock implements Clock {
  nowMs(): number {
    return performance.timeOrigin + performance.now();
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const handle = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(handle) };
  }
}
