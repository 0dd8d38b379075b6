// The way out: numbers derived batches, puts them into the outboxes of their audience, and lets sessions write at the end of the turn.
// All of it in slices of time. It accepts no stream and judges nobody. Owned by distributor.ts.
//
//   DerivedBatch --publish--> outbox of each chassis in the audience --next turn--> session.pump --frames--> agent
//
// No frame is frozen between hold() and release(): it would hold a part of a batch. A sequence covers a batch when publish() has ended.

import type { DerivedBatch } from "../derive/deriver.ts";
import type { Interest } from "../derive/interest.ts";
import { newSlice } from "../slices.ts";
import type { Digests } from "./digests.ts";
import { FrameEncoder } from "./frames.ts";
import type { Stem } from "./outbox.ts";
import type { Peer } from "./peers.ts";
import type { RealizedLog } from "./realized.ts";

export interface FanOutOptions {
  readonly interest: Pick<Interest, "audience">;
  readonly digests: Digests;
  readonly realized: RealizedLog;
  /** By chassis; those that were connected in this epoch. */
  readonly peers: ReadonlyMap<string, Peer>;
  /** More waits for it than it may be owed. */
  readonly overflowed: (peer: Peer) => void;
  readonly budgetMs: number | undefined;
}

/** Deliveries between two steps. */
const STEP = 64;
/** Most of a turn that goes into frames: HTTP/2 sends what was written only when the turn is over. */
const WRITE_MS = 0.3;

export class FanOut {
  readonly encoder = new FrameEncoder();
  readonly #options: FanOutOptions;
  readonly #dirty = new Set<Peer>();
  #sequence = 0n;
  #turn: NodeJS.Immediate | undefined;
  #held = false;

  constructor(options: FanOutOptions) {
    this.#options = options;
  }

  /** Number of the last derived change. */
  get sequence(): bigint {
    return this.#sequence;
  }

  /** True while derivation is ahead of what was published: no frame may be frozen. */
  get held(): boolean {
    return this.#held;
  }

  hold(): void {
    this.#held = true;
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    for (const peer of this.#options.peers.values()) this.soon(peer);
  }

  /** A sequence above this one, and at least that of the last derived change. */
  nextSequence(after: bigint): bigint {
    if (this.#sequence <= after) this.#sequence = after + 1n;
    return this.#sequence;
  }

  /** A step at a time; between the steps hold() must be in force. */
  *publish(batch: DerivedBatch): Generator<void, void> {
    const { realized } = this.#options;
    const intent = batch.revision > realized.derived;
    // What volatile changes touch nobody asks for.
    const touched = intent ? new Set<string>() : undefined;
    if (batch.instructions.length > 0 || batch.subscriptions.length > 0) {
      this.#sequence += 1n;
      const stem = { sequence: this.#sequence, revision: intent ? batch.revision : null };
      yield* this.#queue(batch, stem, touched);
    }
    if (touched === undefined) return;
    realized.add(batch.revision, [...touched], batch.instructions);
    realized.check();
  }

  /** Everything of one turn goes out as one frame. Costs nothing when the peer is owed nothing. */
  soon(peer: Peer): void {
    if (peer.session?.hasMore !== true) return;
    this.#dirty.add(peer);
    this.#turn ??= setImmediate(() => this.#flush());
  }

  close(): void {
    clearImmediate(this.#turn);
    this.#dirty.clear();
  }

  *#queue(
    batch: DerivedBatch,
    stem: Stem,
    touched: Set<string> | undefined,
  ): Generator<void, void> {
    const { interest, peers, digests } = this.#options;
    for (const { chassis, scope, subscribed } of batch.subscriptions) {
      touched?.add(chassis);
      const peer = peers.get(chassis);
      if (peer !== undefined) {
        if (subscribed) peer.outbox.gain(scope, stem);
        else peer.outbox.lose(scope, stem);
        this.soon(peer);
      }
      yield;
    }
    let deliveries = 0;
    for (const { scope, key, before, body } of batch.instructions) {
      digests.changed(scope, key, before, body);
      // Derivation waits for the end of this: the audience stays as it is.
      for (const chassis of interest.audience(scope)) {
        touched?.add(chassis);
        const peer = peers.get(chassis);
        if (peer !== undefined) {
          peer.outbox.put(key, stem);
          this.soon(peer);
        }
        deliveries += 1;
        if (deliveries % STEP === 0) yield;
      }
      yield;
    }
  }

  #flush(): void {
    this.#turn = undefined;
    const isOver = newSlice(Math.min(WRITE_MS, this.#options.budgetMs ?? WRITE_MS));
    for (const peer of this.#dirty) {
      this.#dirty.delete(peer);
      if (peer.outbox.overflowed) this.#options.overflowed(peer);
      // Who has more to write is next after all others.
      else if (peer.session?.pump(isOver) === true) this.#dirty.add(peer);
      if (isOver()) break;
    }
    if (this.#dirty.size > 0) this.#turn = setImmediate(() => this.#flush());
    else this.encoder.clear();
  }
}
