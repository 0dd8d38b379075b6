// How long to wait before trying again: capped exponential backoff with jitter. Pure: it owns no
// timer, clock or random source; callers pass both in. Used by every client that reconnects and by
// every retry of a transient error.

export interface BackoffPolicy {
  /** Delay before the first retry, before jitter. */
  readonly initialMs: number;
  /** No delay is longer than this. */
  readonly capMs: number;
  /** A connection that lived at least this long resets the delay to `initialMs`. */
  readonly stableMs: number;
}

/** Good for a local socket: 50 ms to 5 s; reset after 10 s of connection. */
export const LOCAL_BACKOFF: BackoffPolicy = { initialMs: 50, capMs: 5_000, stableMs: 10_000 };

/**
 * Good for a service shared by many clients: 250 ms to 8 s; reset after 10 s of connection. The cap is what a chassis may lag
 * behind after central is back: with 10,000 of them still fewer than 2,500 attempts a second.
 */
export const REMOTE_BACKOFF: BackoffPolicy = { initialMs: 250, capMs: 8_000, stableMs: 10_000 };

/** Doublings beyond this no longer change anything and would overflow. */
const MAX_DOUBLINGS = 30;

/**
 * Delay before retry number `failures` (1 = the first). `random` is in [0, 1): the delay is spread
 * over the upper half of the step, so that many clients do not come back at the same moment.
 */
export function backoffDelayMs(policy: BackoffPolicy, failures: number, random: number): number {
  const doublings = Math.min(Math.max(failures - 1, 0), MAX_DOUBLINGS);
  const stepMs = Math.min(policy.initialMs * 2 ** doublings, policy.capMs);
  return stepMs / 2 + (stepMs / 2) * random;
}

export interface BackoffOptions {
  readonly policy: BackoffPolicy;
  /** In [0, 1), as Math.random. */
  readonly random: () => number;
}

/** Counts failures and answers with the next delay. */
export class Backoff {
  readonly #policy: BackoffPolicy;
  readonly #random: () => number;
  #failures = 0;
  #upSinceMs: number | null = null;

  constructor(options: BackoffOptions) {
    this.#policy = options.policy;
    this.#random = options.random;
  }

  /** Failures since the last reset. */
  get failures(): number {
    return this.#failures;
  }

  /** The thing works since `nowMs`; the count is forgotten only once that lasted `stableMs`. */
  succeeded(nowMs: number): void {
    this.#upSinceMs = nowMs;
  }

  /** It failed, or ended. Returns how long to wait before the next attempt. */
  failed(nowMs: number): number {
    if (this.#upSinceMs !== null && nowMs - this.#upSinceMs >= this.#policy.stableMs) {
      this.#failures = 0;
    }
    this.#upSinceMs = null;
    this.#failures += 1;
    return backoffDelayMs(this.#policy, this.#failures, this.#random());
  }

  /** Forget all failures at once, where one success is proof enough. */
  reset(): void {
    this.#failures = 0;
    this.#upSinceMs = null;
  }
}
