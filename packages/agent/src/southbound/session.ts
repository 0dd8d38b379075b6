// The agent's stream to central: connect, hello, stage frames until their end, send acks, port reports, claims and heartbeats,
// reconnect with jitter. It decides nothing: complete frames go to the callbacks, which own state and order. What is to be sent
// while the stream is down is not queued here: on each connect the callbacks are asked for everything. Called by agent.ts.

import type { ChannelCredentials, ClientDuplexStream, ClientOptions } from "@grpc/grpc-js";
import type { Clock, Timer } from "@weft/shared/clock.ts";
import {
  type AgentMessage,
  type CentralMessage,
  type FrameChunk,
  type Heartbeat,
  type Hello,
  type KeyHash,
  type PortRefusal,
  type Query,
  type QueryReply,
  SouthboundServiceClient,
  type Welcome,
} from "@weft/shared/gen/weft/v1/southbound.ts";
import { Backoff, REMOTE_BACKOFF } from "@weft/shared/reconnect.ts";
import type { Logger } from "pino";
import type { Frame } from "./desired-state.ts";

/** A frame larger than this is central's mistake: the stream is cut rather than memory filled. */
const MAX_STAGED_BYTES = 256 * 1024 * 1024;

/** Keys in one ScopeKeys message: well below the 1 MiB limit of a message. */
const KEYS_PER_MESSAGE = 4096;

/** No welcome within this time after the stream was opened: try again. */
const WELCOME_TIMEOUT_MS = 15_000;

export type SessionState = "idle" | "connecting" | "greeting" | "streaming" | "waiting" | "closed";

/** Legal transitions; anything else is a bug. */
const TRANSITIONS: Readonly<Record<SessionState, readonly SessionState[]>> = {
  idle: ["connecting", "closed"],
  connecting: ["greeting", "waiting", "closed"],
  greeting: ["streaming", "waiting", "closed"],
  streaming: ["waiting", "closed"],
  waiting: ["connecting", "closed"],
  closed: [],
};

export interface SessionCallbacks {
  hello(): Hello;
  /** After each welcome; the agent then sends its complete port reports. */
  welcomed(welcome: Welcome): void;
  frame(frame: Frame): void;
  scopeKeys(scope: string): readonly KeyHash[];
  heartbeat(): Heartbeat;
  /** Ports that this chassis reported and does not own. */
  refused(refusals: readonly PortRefusal[]): void;
  query(query: Query): Promise<QueryReply>;
  /** The stream ended; why. */
  disconnected(reason: string): void;
}

export interface SessionOptions {
  /** host:port or unix:/path. */
  readonly address: string;
  readonly credentials: ChannelCredentials;
  readonly channelOptions: ClientOptions;
  readonly callbacks: SessionCallbacks;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

type Stream = ClientDuplexStream<AgentMessage, CentralMessage>;

export class Session implements AsyncDisposable {
  readonly #options: SessionOptions;
  readonly #client: SouthboundServiceClient;
  readonly #backoff: Backoff;
  #state: SessionState = "idle";
  #stream: Stream | null = null;
  #timer: Timer | null = null;
  #heartbeat: Timer | null = null;
  #staged = emptyStage();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ policy: REMOTE_BACKOFF, random: options.random });
    this.#client = new SouthboundServiceClient(
      options.address,
      options.credentials,
      options.channelOptions,
    );
  }

  get state(): SessionState {
    return this.#state;
  }

  start(): void {
    this.#connect();
  }

  /** Sends when streaming; else nothing: the next welcome asks for everything. */
  send(message: NonNullable<AgentMessage["message"]>): boolean {
    if (this.#state !== "streaming" || this.#stream === null) return false;
    this.#stream.write({ message });
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "closed") return;
    this.#enter("closed");
    this.#timer?.cancel();
    this.#heartbeat?.cancel();
    const stream = this.#stream;
    this.#stream = null;
    stream?.end();
    stream?.cancel();
    this.#client.close();
    await Promise.resolve();
  }

  #enter(next: SessionState): void {
    if (!TRANSITIONS[this.#state].includes(next)) {
      throw new Error(`southbound session: no way from ${this.#state} to ${next}`);
    }
    this.#state = next;
  }

  #connect(): void {
    this.#enter("connecting");
    const stream = this.#client.connect();
    this.#stream = stream;
    this.#staged = emptyStage();
    stream.on("data", (message: CentralMessage) => {
      if (this.#stream === stream) this.#receive(message);
    });
    stream.on("error", (error: Error) => this.#lost(stream, error.message));
    stream.on("end", () => this.#lost(stream, "central ended the stream"));
    this.#enter("greeting");
    stream.write({ message: { $case: "hello", value: this.#options.callbacks.hello() } });
    this.#timer = this.#options.clock.setTimer(WELCOME_TIMEOUT_MS, () =>
      this.#lost(stream, `no welcome within ${WELCOME_TIMEOUT_MS} ms`),
    );
  }

  #lost(stream: Stream, reason: string): void {
    if (this.#stream !== stream || this.#state === "closed") return;
    this.#stream = null;
    stream.cancel();
    this.#heartbeat?.cancel();
    this.#heartbeat = null;
    this.#timer?.cancel();
    this.#staged = emptyStage();
    this.#enter("waiting");
    const delayMs = this.#backoff.failed(this.#options.clock.nowMs());
    this.#options.logger.warn({ reason, retryInMs: Math.round(delayMs) }, "no stream to central");
    this.#timer = this.#options.clock.setTimer(delayMs, () => this.#connect());
    this.#options.callbacks.disconnected(reason);
  }

  #receive(message: CentralMessage): void {
    const received = message.message;
    switch (received?.$case) {
      case "welcome":
        return this.#welcome(received.value);
      case "chunk":
        return this.#stage(received.value);
      case "scopeKeysRequest":
        return this.#sendScopeKeys(received.value.scopes);
      case "query":
        void this.#answer(received.value);
        return;
      case "portRefusals":
        return this.#options.callbacks.refused(received.value.refusals);
      case "refusal":
        if (this.#stream !== null) this.#lost(this.#stream, `refused: ${received.value.reason}`);
        return;
      case undefined:
        // A message of a later version: not announced by us, so it may be ignored.
        return;
    }
  }

  #welcome(welcome: Welcome): void {
    if (this.#state !== "greeting") return;
    this.#timer?.cancel();
    this.#backoff.succeeded(this.#options.clock.nowMs());
    this.#enter("streaming");
    this.#beat(Math.max(1000, Math.floor(welcome.leaseMs / 3)));
    this.#options.callbacks.welcomed(welcome);
  }

  #beat(intervalMs: number): void {
    this.#heartbeat = this.#options.clock.setTimer(intervalMs, () => {
      this.send({ $case: "heartbeat", value: this.#options.callbacks.heartbeat() });
      this.#beat(intervalMs);
    });
  }

  #stage(chunk: FrameChunk): void {
    const staged = this.#staged;
    for (const upsert of chunk.upserts) staged.bytes += upsert.key.length + upsert.body.length + 64;
    staged.bytes += 64 * (chunk.deletes.length + chunk.dropScopes.length);
    if (staged.bytes > MAX_STAGED_BYTES && this.#stream !== null) {
      return this.#lost(this.#stream, `a frame exceeds ${MAX_STAGED_BYTES} bytes`);
    }
    staged.upserts.push(...chunk.upserts);
    staged.deletes.push(...chunk.deletes);
    staged.dropScopes.push(...chunk.dropScopes);
    if (chunk.end === undefined) return;
    this.#staged = emptyStage();
    const { upserts, deletes, dropScopes } = staged;
    this.#options.callbacks.frame({ upserts, deletes, dropScopes, ...chunk.end });
  }

  #sendScopeKeys(scopes: readonly string[]): void {
    const keys = scopes.flatMap((scope) => this.#options.callbacks.scopeKeys(scope));
    let first = 0;
    do {
      const part = keys.slice(first, first + KEYS_PER_MESSAGE);
      first += KEYS_PER_MESSAGE;
      this.send({ $case: "scopeKeys", value: { keys: part, last: first >= keys.length } });
    } while (first < keys.length);
  }

  /** On another stream the id may be that of another question. */
  async #answer(query: Query): Promise<void> {
    const stream = this.#stream;
    const reply = await this.#options.callbacks.query(query);
    if (this.#stream === stream) this.send({ $case: "queryReply", value: reply });
  }
}

interface Stage {
  readonly upserts: FrameChunk["upserts"];
  readonly deletes: string[];
  readonly dropScopes: string[];
  bytes: number;
}

function emptyStage(): Stage {
  return { upserts: [], deletes: [], dropScopes: [], bytes: 0 };
}
