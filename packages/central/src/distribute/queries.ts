// Questions to agents that wait for an answer. Bounded: so many a chassis, each with a deadline. Owned by distributor.ts.

import type { Clock, Timer } from "@weft/shared/clock.ts";
import { WeftError } from "@weft/shared/errors.ts";
import type { QueryReply } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { Session } from "./session.ts";

/** Questions that one chassis may have open. */
const MAX_OPEN = 64;

interface Open {
  readonly resolve: (json: string) => void;
  readonly reject: (error: Error) => void;
  readonly timer: Timer;
}

export class Queries {
  readonly #clock: Clock;
  readonly #open = new Map<string, Map<bigint, Open>>();
  #lastId = 0n;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ask(
    chassis: string,
    session: Session | undefined,
    text: string,
    timeoutMs: number,
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const open = this.#open.get(chassis) ?? new Map<bigint, Open>();
      if (session === undefined) {
        reject(new WeftError("transient", `chassis ${chassis} is not connected`));
        return;
      }
      if (open.size >= MAX_OPEN) {
        reject(new WeftError("transient", `chassis ${chassis} has ${MAX_OPEN} open queries`));
        return;
      }
      const id = ++this.#lastId;
      const timer = this.#clock.setTimer(timeoutMs, () => {
        this.#take(chassis, id)?.reject(
          new WeftError("transient", `chassis ${chassis} did not answer within ${timeoutMs} ms`),
        );
      });
      open.set(id, { resolve, reject, timer });
      this.#open.set(chassis, open);
      session.query(id, text);
    });
  }

  /** An answer that nobody waits for is dropped. */
  answer(chassis: string, reply: QueryReply): void {
    const open = this.#take(chassis, reply.id);
    if (reply.error === "") open?.resolve(reply.json);
    else open?.reject(new WeftError("rejected", `chassis ${chassis}: ${reply.error}`));
  }

  streamEnded(chassis: string): void {
    for (const id of [...(this.#open.get(chassis)?.keys() ?? [])]) {
      this.#take(chassis, id)?.reject(
        new WeftError("transient", `chassis ${chassis} disconnected before it answered`),
      );
    }
  }

  close(): void {
    for (const chassis of [...this.#open.keys()]) this.streamEnded(chassis);
  }

  #take(chassis: string, id: bigint): Open | undefined {
    const open = this.#open.get(chassis);
    const found = open?.get(id);
    if (found === undefined || open === undefined) return undefined;
    found.timer.cancel();
    open.delete(id);
    if (open.size === 0) this.#open.delete(chassis);
    return found;
  }
}
