// Frames that one agent was sent and whose state is not known to be on its disk: an ack says what the switch does, and may be up to a
// checkpoint ahead of the disk, from which an agent that is killed goes on. Pure and bounded. Owned by outbox.ts.

/** Beyond this two neighbours count as one: what is freed in the first then waits for the second. */
const MAX_FRAMES = 1024;

interface Frame {
  readonly sequence: bigint;
  /** Oldest change in it; 0 = a resync, which may take away anything. */
  readonly oldest: bigint;
}

export class DurableFrames {
  /** Ascending. */
  #frames: Frame[] = [];
  /** Lowest of their oldest changes; undefined = there is none. */
  #oldest: bigint | undefined;

  sent(sequence: bigint, oldest: bigint): void {
    this.#frames.push({ sequence, oldest });
    this.#oldest = lower(this.#oldest, oldest);
    if (this.#frames.length > MAX_FRAMES) this.#halve();
  }

  /** Everything up to this frame is on the disk. */
  durable(sequence: bigint): void {
    const left = this.#frames.findIndex((frame) => frame.sequence > sequence);
    if (left === 0) return;
    this.#frames.splice(0, left < 0 ? this.#frames.length : left);
    this.#oldest = oldestOf(this.#frames);
  }

  /** True when what was derived up to this sequence is on the disk, as far as it was sent. */
  covers(sequence: bigint): boolean {
    return this.#oldest === undefined || this.#oldest > sequence;
  }

  #halve(): void {
    const halved: Frame[] = [];
    for (let at = 0; at < this.#frames.length; at += 2) {
      const pair = this.#frames.slice(at, at + 2);
      const last = pair.at(-1);
      const oldest = oldestOf(pair);
      if (last !== undefined && oldest !== undefined) {
        halved.push({ sequence: last.sequence, oldest });
      }
    }
    this.#frames = halved;
  }
}

function oldestOf(frames: readonly Frame[]): bigint | undefined {
  let low: bigint | undefined;
  for (const { oldest } of frames) low = lower(low, oldest);
  return low;
}

function lower(low: bigint | undefined, value: bigint): bigint {
  return low === undefined || value < low ? value : low;
}
