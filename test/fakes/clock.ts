// A clock that stands still until a test moves it. Timers fire in order of their time, then of their
// creation, inside `advance`. It must not be used where a real socket or process is waited for.
import type { Clock, Timer } from "@weft/shared/clock.ts";

interface PendingTimer {
  readonly atMs: number;
  readonly fire: () => void;
}

export class FakeClock implements Clock {
  #nowMs: number;
  readonly #timers = new Set<PendingTimer>();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer: PendingTimer = { atMs: this.#nowMs + Math.max(delayMs, 0), fire };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Number of timers not yet fired or cancelled. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Delay until the next timer; null when there is none. */
  get nextTimerMs(): number | null {
    const next = this.#earliest();
    return next === undefined ? null : next.atMs - this.#nowMs;
  }

  /** Moves time forward, firing what falls due, also timers set by fired timers. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let next = this.#earliest(); next !== undefined; next = this.#earliest()) {
      if (next.atMs > untilMs) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fire();
    }
    this.#nowMs = untilMs;
  }

  /** As `advance`, then lets pending promise reactions run. */
  async advanceAndSettle(ms: number): Promise<void> {
    this.advance(ms);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  #earliest(): PendingTimer | undefined {
    let first: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (first === undefined || timer.atMs < first.atMs) first = timer;
    }
    return first;
  }
}
