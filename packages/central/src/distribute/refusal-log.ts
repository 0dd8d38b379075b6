// Says in the log what was refused to a chassis: one line a second and stream at most, whatever an agent sends. Called by
// distributor.ts.

import type { Clock } from "@weft/shared/clock.ts";
import type { Refused } from "../bindings/placement.ts";
import type { DistributorLogger } from "./options.ts";
import type { Session } from "./session.ts";

const INTERVAL_MS = 1000;

interface Noted {
  /** Refused since the last line. */
  count: number;
  loggedMs: number;
}

export class RefusalLog {
  readonly #clock: Clock;
  readonly #logger: DistributorLogger;
  readonly #noted = new WeakMap<Session, Noted>();

  constructor(options: { clock: Clock; logger: DistributorLogger }) {
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** What is not said is counted in the next line. */
  note(session: Session, refused: readonly Refused[]): void {
    const [first] = refused;
    if (first === undefined) return;
    const noted = this.#noted.get(session) ?? { count: 0, loggedMs: Number.NEGATIVE_INFINITY };
    this.#noted.set(session, noted);
    noted.count += refused.length;
    const nowMs = this.#clock.nowMs();
    if (nowMs - noted.loggedMs < INTERVAL_MS) return;
    this.#logger.warn({ ...first, count: noted.count }, "reports refused");
    noted.count = 0;
    noted.loggedMs = nowMs;
  }
}
