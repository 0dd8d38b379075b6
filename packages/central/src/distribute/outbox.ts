// What one chassis is still to be told, and what it was told and has not acked. It outlives the stream for a while, so that a
// reconnect goes on where it was (CONTINUE). Keys only: the body is looked up when a frame is frozen, so that the latest goes
// out and `pending` is bounded by keys. Pure; driven by distributor.ts and session.ts.

import type { Scopes } from "../derive/interest.ts";
import { scopeOf } from "@weft/shared/instruction-digest.ts";
import { DurableFrames } from "./durable-frames.ts";
import type { FrameContent } from "./frames.ts";

/** Where a change comes from. `revision` null = a volatile change, which realizes no intent. */
export interface Stem {
  readonly sequence: bigint;
  readonly revision: bigint | null;
}

export interface OutboxReader {
  instructions(scope: string): ReadonlyMap<string, Buffer>;
  scopes(chassis: string): Scopes;
}

interface Unacked {
  readonly sequence: bigint;
  readonly keys: readonly string[];
  readonly dropScopes: readonly string[];
  readonly inSync: boolean;
  readonly sentMs: number;
  /** Oldest of the changes in it. */
  readonly stem: Stem;
  /** When the last of it was written; undefined = it is being written. */
  writtenMs: number | undefined;
}

/** Beyond this many keys of its own count a chassis that does not read starts over: RESYNC. */
const SPARE_KEYS = 16_384;

export class Outbox {
  readonly chassis: string;
  readonly #reader: OutboxReader;
  /** undefined = none. A set for each frame: one that is emptied and kept would leave old garbage with every frame. */
  #pending: Set<string> | undefined;
  readonly #drops = new Set<string>();
  readonly #unacked: Unacked[] = [];
  /** Oldest of what is pending; undefined = nothing is. */
  #stem: Stem | undefined;
  #sent = 0n;
  #acked = 0n;
  #durable = 0n;
  /** When an ack last covered something. */
  #ackedMs = Number.NEGATIVE_INFINITY;
  /** The agent held everything at `#acked`, or will at the frame that says in_sync. */
  #syncSent = false;
  /** Nothing is to be kept: a resync will find what changed. */
  #muted = false;
  readonly #onDisk = new DurableFrames();

  constructor(options: { chassis: string; reader: OutboxReader }) {
    this.chassis = options.chassis;
    this.#reader = options.reader;
  }

  get pending(): number {
    return this.#pendingKeys + this.#drops.size;
  }

  /** Something is to be said, if only that all was said. */
  get isOwed(): boolean {
    return this.#stem !== undefined;
  }

  get unacked(): number {
    return this.#unacked.length;
  }

  get sentSequence(): bigint {
    return this.#sent;
  }

  /** Since when a frame that is written waits for an ack, and nothing else was acked; undefined = none does. */
  get unackedSinceMs(): number | undefined {
    const writtenMs = this.#unacked[0]?.writtenMs;
    return writtenMs === undefined ? undefined : Math.max(writtenMs, this.#ackedMs);
  }

  get ackedSequence(): bigint {
    return this.#acked;
  }

  get durableSequence(): bigint {
    return this.#durable;
  }

  /** Instructions that the chassis is to hold. */
  get instructions(): number {
    let count = 0;
    for (const scope of this.#reader.scopes(this.chassis).keys()) {
      count += this.#reader.instructions(scope).size;
    }
    return count;
  }

  /** More is pending than its own keys explain: keys came and went while it did not read. */
  get overflowed(): boolean {
    const keys = this.#pendingKeys;
    return keys > SPARE_KEYS && keys > SPARE_KEYS + 2 * this.instructions;
  }

  put(key: string, stem: Stem): void {
    if (this.#muted) return;
    this.#add(key);
    this.#note(stem);
  }

  /** The whole scope. A drop of it that is still pending stays: an agent drops before it adds. */
  gain(scope: string, stem: Stem): void {
    if (this.#muted) return;
    for (const key of this.#reader.instructions(scope).keys()) this.#add(key);
    this.#note(stem);
  }

  lose(scope: string, stem: Stem): void {
    if (this.#muted) return;
    this.#drops.add(scope);
    this.#note(stem);
  }

  /** Forgets everything: a resync says what is to be sent. `stem` = what it already realized, plus one. */
  reset(stem: Stem): void {
    this.#forgetPending();
    this.#unacked.length = 0;
    this.#stem = stem;
    this.#syncSent = false;
    this.#muted = false;
  }

  /**
   * Until listen() nothing is kept: the chassis may wait for an operator for long, and the resync that follows finds all there is.
   * What it has realized stays as it was.
   */
  mute(): void {
    this.#forgetPending();
    this.#muted = true;
  }

  listen(): void {
    this.#muted = false;
  }

  /**
   * False = this agent's state cannot be continued: resync. Else what it did not get is pending again. It says nothing of the
   * agent's disk.
   */
  resume(sequence: bigint): boolean {
    if (!this.#syncSent) return false;
    const known = sequence === this.#acked || this.#unacked.some((f) => f.sequence === sequence);
    const synced = this.#unacked.every((frame) => !frame.inSync || frame.sequence <= sequence);
    if (!known || !synced) return false;
    for (const frame of this.#unacked) {
      // What it holds but has not acked: nothing is sent again, but the next ack must cover it.
      this.#note(frame.stem);
      if (frame.sequence <= sequence) continue;
      for (const key of frame.keys) this.#add(key);
      // Had the scope been gained again since, its keys are pending or in a later frame.
      for (const scope of frame.dropScopes) this.#drops.add(scope);
    }
    this.#unacked.length = 0;
    this.#acked = sequence;
    return true;
  }

  /** Freezes what is pending as the next frame; undefined = nothing is to be said. */
  freeze(end: {
    sequence: bigint;
    revision: bigint;
    inSync: boolean;
    adopted: boolean;
    nowMs: number;
  }): FrameContent | undefined {
    const stem = this.#stem;
    if (stem === undefined) return undefined;
    const scopes = this.#reader.scopes(this.chassis);
    const keys: string[] = [];
    const bodies: (Buffer | undefined)[] = [];
    for (const key of this.#pending ?? []) {
      const scope = scopeOf(key);
      const body = scopes.has(scope) ? this.#reader.instructions(scope).get(key) : undefined;
      // A key of a scope that goes as a whole needs no delete of its own.
      if (body === undefined && this.#drops.has(scope)) continue;
      keys.push(key);
      bodies.push(body);
    }
    const dropScopes = [...this.#drops];
    const { sequence, revision, inSync, adopted, nowMs } = end;
    const writtenMs = undefined;
    this.#unacked.push({ sequence, keys, dropScopes, inSync, sentMs: nowMs, stem, writtenMs });
    this.#onDisk.sent(sequence, stem.sequence);
    this.#forgetPending();
    this.#stem = undefined;
    this.#sent = sequence;
    this.#syncSent ||= inSync;
    return { keys, bodies, dropScopes, end: { sequence, revision, inSync, adopted } };
  }

  /** The last chunk of the newest frame was written. */
  written(nowMs: number): void {
    const newest = this.#unacked.at(-1);
    if (newest !== undefined) newest.writtenMs ??= nowMs;
  }

  /** Answers what the ack completed; undefined = no such frame was sent. */
  ack(
    sequence: bigint,
    nowMs: number,
  ): { inSync: boolean; oldestSentMs: number | undefined } | undefined {
    if (sequence > this.#sent) return undefined;
    const left = this.#unacked.findIndex((frame) => frame.sequence > sequence);
    const done = this.#unacked.splice(0, left < 0 ? this.#unacked.length : left);
    if (sequence > this.#acked) this.#acked = sequence;
    if (done.length > 0) this.#ackedMs = nowMs;
    return { inSync: done.some((frame) => frame.inSync), oldestSentMs: done[0]?.sentMs };
  }

  /** Highest revision of which nothing is queued or unacked here, given what is derived. */
  realizedRevision(derived: bigint): bigint {
    let realized = derived;
    for (const { revision } of this.#stems()) {
      if (revision !== null && revision - 1n < realized) realized = revision - 1n;
    }
    return realized;
  }

  /** What the agent says is on its disk. A number that it was never sent says nothing. */
  durable(sequence: bigint): void {
    if (sequence > this.#sent) return;
    this.#onDisk.durable(sequence);
    this.#durable = sequence;
  }

  /**
   * True when this chassis will never act again on what was derived away up to this sequence: it was in sync, nothing that stems
   * from then is queued or unacked, and its disk, from which it goes on when it is killed, is as new.
   */
  forgot(sequence: bigint): boolean {
    if (!this.#syncSent || !this.#onDisk.covers(sequence)) return false;
    for (const stem of this.#stems()) if (stem.sequence <= sequence) return false;
    return true;
  }

  get #pendingKeys(): number {
    return this.#pending?.size ?? 0;
  }

  #add(key: string): void {
    this.#pending ??= new Set();
    this.#pending.add(key);
  }

  #forgetPending(): void {
    this.#pending = undefined;
    if (this.#drops.size > 0) this.#drops.clear();
  }

  *#stems(): Generator<Stem> {
    for (const frame of this.#unacked) yield frame.stem;
    if (this.#stem !== undefined) yield this.#stem;
  }

  /** Keeps the oldest sequence and the oldest intent. */
  #note(stem: Stem): void {
    const oldest = this.#stem;
    if (oldest === undefined) {
      this.#stem = stem;
      return;
    }
    this.#stem = {
      sequence: stem.sequence < oldest.sequence ? stem.sequence : oldest.sequence,
      revision: older(stem.revision, oldest.revision),
    };
  }
}

function older(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}
