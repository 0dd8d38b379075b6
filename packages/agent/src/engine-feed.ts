// What waits for the engine: changed instructions and local facts, merged by key until the engine takes them as one batch.
// Bounded by the number of keys. Remembers which frame a ticket carries, so that agent.ts acks a sequence only when all of it is
// in the switch. Nothing goes in before open(): half of what is known would be compiled to half of the flows. Owns no state of
// its own beyond that.

import type { Clock, Timer } from "@weft/shared/clock.ts";
import { EngineBatch, type Instruction } from "@weft/shared/gen/weft/v1/southbound.ts";

/** The engine's queue was full: ask again after this. A completion asks at once. */
const RETRY_MS = 5;

/** Tickets in flight with a frame behind each; the engine's own queue is shorter. */
interface Marker {
  readonly ticket: bigint;
  readonly sequence: bigint;
}

export interface EngineFeedOptions {
  /** A ticket, or 0n = busy, nothing taken. */
  readonly submit: (batch: Buffer) => bigint;
  /** These keys changed; they are in the switch at the earliest when the ticket that onSubmitted() names completes. */
  readonly onQueued: (keys: readonly string[]) => void;
  /** The batch with these keys went in under this ticket. */
  readonly onSubmitted: (keys: readonly string[], ticket: bigint) => void;
  readonly clock: Clock;
}

export class EngineFeed {
  readonly #submit: EngineFeedOptions["submit"];
  readonly #onQueued: EngineFeedOptions["onQueued"];
  readonly #onSubmitted: EngineFeedOptions["onSubmitted"];
  readonly #clock: Clock;
  /** key -> body, or null = delete. */
  readonly #pending = new Map<string, Buffer | null>();
  #pendingSequence: bigint | null = null;
  #asks = false;
  #markers: Marker[] = [];
  #retry: Timer | null = null;
  #open = false;

  constructor(options: EngineFeedOptions) {
    this.#submit = options.submit;
    this.#onQueued = options.onQueued;
    this.#onSubmitted = options.onSubmitted;
    this.#clock = options.clock;
  }

  /** Number of keys that the engine has not taken yet. */
  get backlog(): number {
    return this.#pending.size;
  }

  /** The first facts of the host are in: from now on changes go to the engine. Idempotent. */
  open(): void {
    if (this.#open) return;
    this.#open = true;
    this.#flush();
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Hands a change to the engine, now if it takes it. `sequence` = the frame that this completes, if any. */
  push(upserts: readonly Instruction[], deletes: readonly string[], sequence: bigint | null): void {
    for (const key of deletes) this.#pending.set(key, null);
    for (const { key, body } of upserts) this.#pending.set(key, body);
    if (sequence !== null) this.#pendingSequence = sequence;
    this.#onQueued([...deletes, ...upserts.map(({ key }) => key)]);
    this.#flush();
  }

  /** Asks what fails now: the engine answers with a ticket only, and not what it did by itself. */
  ask(): void {
    this.#asks = true;
    this.#flush();
  }

  /** Everything up to this ticket is in the switch. Answers the last sequence that this completes, if any. */
  completed(ticket: bigint): bigint | null {
    let last: bigint | null = null;
    this.#markers = this.#markers.filter((marker) => {
      if (marker.ticket > ticket) return true;
      last = marker.sequence;
      return false;
    });
    this.#flush();
    return last;
  }

  /** No frame given so far is to be acked: who sent them begins anew. What they changed stays. */
  forgetFrames(): void {
    this.#pendingSequence = null;
    this.#markers = [];
  }

  close(): void {
    this.#retry?.cancel();
    this.#pending.clear();
    this.#pendingSequence = null;
  }

  #flush(): void {
    if (!this.#open) return;
    if (this.#pending.size === 0 && this.#pendingSequence === null && !this.#asks) return;
    const upserts: Instruction[] = [];
    const deletes: string[] = [];
    for (const [key, body] of this.#pending) {
      if (body === null) deletes.push(key);
      else upserts.push({ key, body });
    }
    const batch = EngineBatch.encode({ upserts, deletes, dropScopes: [] }).finish();
    const ticket = this.#submit(Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength));
    if (ticket === 0n) {
      this.#retry ??= this.#clock.setTimer(RETRY_MS, () => {
        this.#retry = null;
        this.#flush();
      });
      return;
    }
    const keys = [...this.#pending.keys()];
    this.#pending.clear();
    this.#asks = false;
    if (this.#pendingSequence !== null) {
      this.#markers.push({ ticket, sequence: this.#pendingSequence });
      this.#pendingSequence = null;
    }
    this.#onSubmitted(keys, ticket);
  }
}
