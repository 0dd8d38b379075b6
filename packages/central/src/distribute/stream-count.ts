// How many streams each certificate has open. A stream counts until the transport has let go of it: one that central has ended keeps
// its unread bytes as long as the other side does not read. Plain counting; called by distributor.ts.

/** An agent has one; a few more may still hang on connections that are gone. */
export const MAX_STREAMS = 16;

export class StreamCount {
  readonly #open = new Map<string, number>();

  /** False = it is one too many. Counted either way. */
  opened(who: string): boolean {
    const count = (this.#open.get(who) ?? 0) + 1;
    this.#open.set(who, count);
    return count <= MAX_STREAMS;
  }

  closed(who: string): void {
    const count = (this.#open.get(who) ?? 0) - 1;
    if (count > 0) this.#open.set(who, count);
    else this.#open.delete(who);
  }
}
