// Says that Open vSwitch does not answer on its OpenFlow socket, once that has lasted: short absences belong to every start and
// restart. Ports stay as they were reported, for their flows are still there. Fed by agent.ts with the engine's events.

import type { Clock, Timer } from "@weft/shared/clock.ts";

/** An absence shorter than this is not said. */
const PATIENCE_MS = 2_000;

export interface OpenFlowWatchOptions {
  readonly socket: string;
  readonly clock: Clock;
  /** Empty = it answers. */
  readonly say: (text: string) => void;
}

export class OpenFlowWatch implements Disposable {
  readonly #options: OpenFlowWatchOptions;
  #reason = "";
  #timer: Timer | null = null;
  #said = false;

  constructor(options: OpenFlowWatchOptions) {
    this.#options = options;
  }

  /** There is no connection, for this reason now. */
  lost(reason: string): void {
    this.#reason = reason;
    if (this.#said) this.#say();
    else this.#timer ??= this.#options.clock.setTimer(PATIENCE_MS, () => this.#say());
  }

  back(): void {
    this[Symbol.dispose]();
    this.#said = false;
    this.#options.say("");
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #say(): void {
    this.#said = true;
    const why = this.#reason === "" ? "" : ` (${this.#reason})`;
    this.#options.say(
      `Open vSwitch does not answer on ${this.#options.socket}${why}: flows stay as they are`,
    );
  }
}
