// One stream of one chassis: its states, the resync (in slices of time), and the writing of frames as fast as the stream takes them. It
// does no I/O of its own: a Wire is given to it, messages and drains are told to it, and fan-out.ts says when it writes. Owned by
// distributor.ts.
//
//   greeting --hello--> registering --> streaming                       (held nothing, or CONTINUE, or all digests equal)
//                            |--> comparing --keys--> judging --> streaming
//                            |--> holding --adopt--> comparing        |--> holding --adopt--> comparing
//   any --> closed

import {
  type AgentMessage,
  type CentralMessage,
  type Hello,
  type KeyHash,
  type PortRefusal,
  Resume,
} from "@weft/shared/gen/weft/v1/southbound.ts";
import { CentralMessage as Messages } from "@weft/shared/gen/weft/v1/southbound.ts";
import { DIGEST_BYTES } from "@weft/shared/instruction-digest.ts";
import { FrameChunks, type FrameEncoder } from "./frames.ts";
import type { SlicedWork } from "../slices.ts";
import type { Outbox } from "./outbox.ts";
import {
  differingScopes,
  planResync,
  type ResyncPlan,
  type ResyncReader,
  tripsBreaker,
} from "./resync.ts";

export type SessionState =
  | "greeting"
  | "registering"
  | "comparing"
  | "judging"
  | "holding"
  | "streaming"
  | "closed";

/** Legal transitions; anything else is a bug. */
const TRANSITIONS: Readonly<Record<SessionState, readonly SessionState[]>> = {
  greeting: ["registering", "closed"],
  registering: ["comparing", "judging", "holding", "streaming", "closed"],
  comparing: ["judging", "closed"],
  judging: ["holding", "streaming", "closed"],
  holding: ["comparing", "judging", "closed"],
  streaming: ["closed"],
  closed: [],
};

/** The stream as a session sees it. */
export interface Wire {
  /** An encoded CentralMessage; false = write no more before drained() is told. */
  write(message: Buffer): boolean;
  /** Ends the stream from this side. */
  end(): void;
}

export interface SessionOptions {
  readonly wire: Wire;
  readonly encoder: FrameEncoder;
  readonly maxUnackedFrames: number;
  /** True while no frame may be frozen. */
  readonly held: () => boolean;
  /** A new sequence, at least as high as all that were given. */
  readonly nextSequence: (after: bigint) => bigint;
  readonly revision: () => bigint;
  readonly nowMs: () => number;
  /** There may be something to write: pump() is wanted. */
  readonly wake: () => void;
  /** Takes the long work of a resync. */
  readonly work: SlicedWork;
}

/** Where the session stands after hello; made by the distributor. */
export interface Greeted {
  readonly chassis: string;
  readonly hello: Hello;
  readonly outbox: Outbox;
  readonly reader: ResyncReader;
  readonly resume: "continue" | "resync";
  /** Why an operator must agree first; undefined = nobody must. */
  readonly hold: string | undefined;
  /** What was held is of another store or schema: no digest and no hash can be compared. */
  readonly foreign: boolean;
  readonly welcome: { storeId: string; epoch: bigint; leaseMs: number };
}

/** Keeps a message far below 1 MiB: an id has at most 63 bytes, a reason a few hundred. */
const REFUSALS_PER_MESSAGE = 512;
/** Refusals that wait for the stream; of more than these ports the agent hears when it reports them again. */
const MAX_REFUSALS = 10_000;

/** Keys that an agent may name in one resync. */
const MAX_KEYS = 200_000;
/** Length of all of them together. */
const MAX_KEY_BYTES = 32 * 1024 * 1024;

export class Session {
  readonly #options: SessionOptions;
  #state: SessionState = "greeting";
  #greeted: Greeted | undefined;
  #hold: string | undefined;
  #adopted = false;
  /** The complete port reports of this stream came, or are waited for no longer. */
  #reported = false;
  /** Scopes whose keys are asked for; undefined = not yet. */
  #asked: readonly string[] | undefined;
  #equal: ReadonlySet<string> = new Set();
  readonly #theirs = new Map<string, Buffer>();
  #theirKeyBytes = 0;
  /** Since when keys are waited for and none came. */
  #keysSinceMs: number | undefined;
  /** A plan is being made. */
  #planning = false;
  /** What it was made of is not true any more. */
  #planAnew = false;
  /** Port -> why it is refused; still to be said. */
  readonly #refusals = new Map<string, string>();
  #syncDue = false;
  #writing: FrameChunks | undefined;
  #blockedSinceMs: number | undefined;
  readonly startedMs: number;
  heardMs: number;
  #judgingSinceMs: number | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.startedMs = options.nowMs();
    this.heardMs = this.startedMs;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Empty before hello. */
  get chassis(): string {
    return this.#greeted?.chassis ?? "";
  }

  /** Why it waits for an operator; empty = it does not. */
  get waitingFor(): string {
    return this.#state === "holding" ? (this.#hold ?? "") : "";
  }

  /** Since when the stream has taken nothing; undefined = it takes. */
  get blockedSinceMs(): number | undefined {
    return this.#blockedSinceMs;
  }

  /** Since when a plan waits for the complete port reports. */
  get judgingSinceMs(): number | undefined {
    return this.#state === "judging" ? this.#judgingSinceMs : undefined;
  }

  /** Since when keys that were asked for do not come. */
  get keysSinceMs(): number | undefined {
    return this.#state === "comparing" ? this.#keysSinceMs : undefined;
  }

  registering(): void {
    this.#enter("registering");
  }

  /** Hello was accepted. */
  greet(greeted: Greeted): void {
    this.#greeted = greeted;
    const { hello, hold, resume } = greeted;
    const held = hello.held;
    this.#hold = hold;
    this.#send({
      $case: "welcome",
      value: {
        protocolVersion: 1,
        ...greeted.welcome,
        resume:
          hold !== undefined
            ? Resume.HOLD
            : resume === "continue"
              ? Resume.CONTINUE
              : Resume.RESYNC,
        capabilities: [],
        revision: this.#options.revision(),
      },
    });
    if (hold !== undefined) this.#waitForOperator();
    else if (resume === "continue") this.#stream();
    else if (held === undefined) this.#judge();
    else this.#compare();
  }

  /** An operator agreed: everything is compared from the start. False = nothing was waited for. */
  adopt(): boolean {
    if (this.#state !== "holding") return false;
    const { hello, outbox } = this.#known();
    this.#adopted = true;
    this.#hold = undefined;
    outbox.listen();
    if (hello.held === undefined) this.#judge();
    else this.#compare();
    return true;
  }

  /** Answers why the agent broke the protocol; undefined = it did not. */
  scopeKeys(keys: readonly KeyHash[], last: boolean): string | undefined {
    if (this.#state !== "comparing" || this.#asked === undefined) {
      return "scope keys that were not asked for";
    }
    if (keys.length > 0) this.#keysSinceMs = this.#options.nowMs();
    for (const { key, hash } of keys) {
      if (hash.length !== DIGEST_BYTES) return `a hash of ${hash.length} bytes`;
      this.#theirKeyBytes += key.length;
      this.#theirs.set(key, hash);
    }
    if (this.#theirs.size > MAX_KEYS || this.#theirKeyBytes > MAX_KEY_BYTES) {
      return `more than ${MAX_KEYS} keys, or ${MAX_KEY_BYTES} bytes of them`;
    }
    if (last) this.#judge();
    return undefined;
  }

  /** The bindings of this chassis are what it reported: a plan that deletes need wait no longer. */
  reported(): void {
    if (this.#reported) return;
    this.#reported = true;
    if (this.#state === "judging") this.#judge();
  }

  /** Writes what may be written; true = a slice is used up and there is more. Called by fan-out.ts when wake() asked for it. */
  pump(isOver: () => boolean): boolean {
    while (this.#state === "streaming" && this.#blockedSinceMs === undefined) {
      this.#writing ??= this.#freeze();
      if (this.#writing === undefined) return false;
      this.#write(this.#writing.next());
      if (this.#writing.isDone) {
        this.#writing = undefined;
        this.#known().outbox.written(this.#options.nowMs());
      }
      if (isOver()) return this.hasMore;
    }
    return false;
  }

  /** A frame is half written, or there is something to freeze. */
  get hasMore(): boolean {
    return this.#writing !== undefined || this.#greeted?.outbox.isOwed === true;
  }

  drained(): void {
    this.#blockedSinceMs = undefined;
    if (this.#state === "closed") return;
    this.#sendRefusals();
    this.#options.wake();
  }

  query(id: bigint, text: string): void {
    this.#send({ $case: "query", value: { id, text } });
  }

  /** Tells the agent which of the ports it reported it does not own, and why. */
  refusePorts(refusals: readonly PortRefusal[]): void {
    if (this.#state === "closed") return;
    for (const { portId, reason } of refusals) {
      if (this.#refusals.size < MAX_REFUSALS) this.#refusals.set(portId, reason);
    }
    this.#sendRefusals();
  }

  /** As much as the stream takes: an agent that reports and does not read is owed the latest of each port only. */
  #sendRefusals(): void {
    while (this.#refusals.size > 0 && this.#blockedSinceMs === undefined) {
      const part = [...this.#refusals].slice(0, REFUSALS_PER_MESSAGE);
      for (const [portId] of part) this.#refusals.delete(portId);
      const refusals = part.map(([portId, reason]) => ({ portId, reason }));
      this.#send({ $case: "portRefusals", value: { refusals } });
    }
  }

  /** Says why, then ends. */
  refuse(reason: string): void {
    if (this.#state === "closed") return;
    this.#send({ $case: "refusal", value: { reason } });
    this.close();
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#enter("closed");
    this.#writing = undefined;
    this.#theirs.clear();
    this.#refusals.clear();
    this.#options.wire.end();
  }

  /** Finds the scopes that differ, and asks for their keys. */
  #compare(): void {
    this.#asked = undefined;
    this.#keysSinceMs = undefined;
    this.#theirs.clear();
    this.#theirKeyBytes = 0;
    this.#enter("comparing");
    void this.#options.work.start(this.#compareSteps());
  }

  *#compareSteps(): Generator<void, void> {
    const { hello, foreign, reader } = this.#known();
    const held = hello.held?.scopes ?? [];
    const asked = yield* this.#whileOpen(differingScopes(held, foreign, reader));
    if (asked === undefined) return;
    const differs = new Set(asked);
    this.#asked = asked;
    this.#equal = new Set(held.map(({ scope }) => scope).filter((scope) => !differs.has(scope)));
    if (asked.length === 0) return this.#judge();
    this.#keysSinceMs = this.#options.nowMs();
    this.#send({ $case: "scopeKeysRequest", value: { scopes: [...asked] } });
  }

  /** Sends the plan; or waits for the reports that may make deletes needless; or holds. */
  #judge(): void {
    if (this.#state !== "judging") {
      this.#judgingSinceMs = this.#options.nowMs();
      this.#enter("judging");
    }
    this.#planAnew = true;
    if (this.#planning) return;
    this.#planning = true;
    void this.#options.work.start(this.#judgeSteps());
  }

  *#judgeSteps(): Generator<void, void> {
    const { reader, outbox, hello } = this.#known();
    const given = { asked: this.#asked ?? [], equal: this.#equal, theirs: this.#theirs };
    let plan: ResyncPlan | undefined;
    do {
      this.#planAnew = false;
      plan = yield* this.#whileOpen(planResync(given, reader));
      if (plan === undefined) return;
    } while (this.#planAnew);
    this.#planning = false;
    if (plan.deletes > 0 && !this.#reported && !this.#adopted) return;
    const held = hello.held?.instructions ?? 0;
    if (tripsBreaker(plan.deletes, held) && !this.#adopted) {
      this.#hold =
        `a resync would delete ${plan.deletes} of the ${held} instructions it holds: ` +
        `if that is right, weft chassis adopt ${outbox.chassis}`;
      return this.#waitForOperator();
    }
    this.#planning = true;
    const stem = { sequence: 0n, revision: null };
    for (const scope of plan.dropScopes) outbox.lose(scope, stem);
    for (const key of plan.keys) {
      outbox.put(key, stem);
      yield;
      // The outbox may be another stream's by now.
      if (this.#isClosed()) return;
    }
    this.#theirs.clear();
    this.#syncDue = true;
    this.#stream();
  }

  /** Nothing is kept for it meanwhile: what changed is found when an operator has agreed. */
  #waitForOperator(): void {
    this.#theirs.clear();
    this.#known().outbox.mute();
    this.#enter("holding");
  }

  /** Steps of work on what a stream said; undefined = it ended meanwhile. */
  *#whileOpen<T>(work: Generator<void, T>): Generator<void, T | undefined> {
    while (!this.#isClosed()) {
      const step = work.next();
      if (step.done === true) return step.value;
      yield;
    }
    return undefined;
  }

  #isClosed(): boolean {
    return this.#state === "closed";
  }

  #stream(): void {
    this.#enter("streaming");
    this.#options.wake();
  }

  /** undefined = nothing to freeze, or too much unacked. */
  #freeze(): FrameChunks | undefined {
    const { outbox } = this.#known();
    // Asked first: a frame that is not made must not take a sequence.
    if (!outbox.isOwed || this.#options.held()) return undefined;
    if (outbox.unacked >= this.#options.maxUnackedFrames) return undefined;
    const frame = outbox.freeze({
      sequence: this.#options.nextSequence(outbox.sentSequence),
      revision: this.#options.revision(),
      inSync: this.#syncDue,
      adopted: this.#syncDue && this.#adopted,
      nowMs: this.#options.nowMs(),
    });
    if (frame === undefined) return undefined;
    this.#syncDue = false;
    return new FrameChunks(frame, this.#options.encoder);
  }

  #send(message: NonNullable<CentralMessage["message"]>): void {
    this.#write(Buffer.from(Messages.encode({ message }).finish()));
  }

  #write(message: Buffer): void {
    if (!this.#options.wire.write(message)) this.#blockedSinceMs ??= this.#options.nowMs();
  }

  #known(): Greeted {
    if (this.#greeted === undefined) throw new Error("a session acts before its hello");
    return this.#greeted;
  }

  #enter(next: SessionState): void {
    if (!TRANSITIONS[this.#state].includes(next)) {
      throw new Error(`session of ${this.chassis}: no way from ${this.#state} to ${next}`);
    }
    this.#state = next;
  }
}

export type Received = NonNullable<AgentMessage["message"]>;
