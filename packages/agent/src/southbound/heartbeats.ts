// What heartbeats say beside counters: what the agent waits for, and how far its checkpoint on disk is. Decides when one goes out
// early: central uses freed keys again, and people look, only by what the last one said. Sends nothing itself: agent.ts does.

import type { Clock, Timer } from "@weft/shared/clock.ts";
import type { Frame, Position } from "./desired-state.ts";

/** Shortest time between two heartbeats that go out early. */
const EARLY_MS = 1_000;

/** In the order in which they are told. */
const TOPICS = ["central", "openflow", "checkpoint"] as const;
export type Topic = (typeof TOPICS)[number];

export interface HeartbeatsOptions {
  readonly clock: Clock;
  /** Something is to be said before the next heartbeat is due: send one. */
  readonly send: () => void;
}

type Epoch = Pick<Position, "storeId" | "epoch">;

export class Heartbeats implements Disposable {
  readonly #options: HeartbeatsOptions;
  readonly #waiting = new Map<Topic, string>();
  /** The central that listens; sequences mean something within its epoch only. */
  #epoch: Epoch | null = null;
  #onDisk: Position | null = null;
  /** Sequences of the first and last frame that freed something and that central does not know to be on disk; 0 = none. */
  #freedFirst = 0n;
  #freedLast = 0n;
  #timer: Timer | null = null;
  #earlyMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
  }

  /** Empty when nothing is waited for. */
  get waitingFor(): string {
    return TOPICS.flatMap((topic) => this.#waiting.get(topic) ?? []).join("; ");
  }

  /** Highest sequence of this epoch whose frame is on disk; 0 = none. */
  get durableSequence(): bigint {
    const [disk, epoch] = [this.#onDisk, this.#epoch];
    if (disk === null || disk.epoch !== epoch?.epoch || disk.storeId !== epoch.storeId) return 0n;
    return disk.sequence;
  }

  /** Empty = it is not waited for any more. Answers whether that is new. */
  setWaiting(topic: Topic, text: string): boolean {
    if ((this.#waiting.get(topic) ?? "") === text) return false;
    if (text === "") this.#waiting.delete(topic);
    else this.#waiting.set(topic, text);
    this.#early();
    return true;
  }

  /** A new stream: whatever was said on the one before may not have arrived. */
  welcomed({ storeId, epoch }: Epoch): void {
    this.#epoch = { storeId, epoch };
    this.#freedFirst = 0n;
    this.#freedLast = 0n;
    if (this.durableSequence > 0n || this.waitingFor !== "") this.#early();
  }

  /** A frame was applied. The last one of a resync counts as freeing: what the disk holds may be older than what was compared. */
  applied({ sequence, deletes, dropScopes, inSync }: Frame): void {
    if (deletes.length === 0 && dropScopes.length === 0 && !inSync) return;
    if (this.#freedFirst === 0n) this.#freedFirst = sequence;
    this.#freedLast = sequence;
  }

  /** This state is on the disk. */
  written({ storeId, epoch, sequence, revision }: Position): void {
    this.#onDisk = { storeId, epoch, sequence, revision };
    if (this.#freedFirst > 0n && this.durableSequence >= this.#freedFirst) this.#early();
  }

  /** A heartbeat with what this says goes out now. */
  sent(): void {
    const durable = this.durableSequence;
    if (durable < this.#freedFirst) return;
    const more = durable < this.#freedLast;
    this.#freedFirst = more ? durable + 1n : 0n;
    if (!more) this.#freedLast = 0n;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #early(): void {
    if (this.#closed || this.#timer !== null) return;
    const { clock, send } = this.#options;
    const waitMs = this.#earlyMs + EARLY_MS - clock.nowMs();
    this.#timer = clock.setTimer(Math.max(0, waitMs), () => {
      this.#timer = null;
      this.#earlyMs = clock.nowMs();
      send();
    });
  }
}
