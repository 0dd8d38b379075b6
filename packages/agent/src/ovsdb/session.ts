// A connection to one OVSDB server that is kept up: connect, probe, reconnect with jittered capped
// backoff. Offers requests while connected and tells its listeners about connection and
// notifications. Knows no database, keeps no data, resends nothing: replica.ts reads again instead.
//
//   idle -> connecting -> connected -> waiting -> connecting ...      any -> closed
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Clock, Timer } from "@weft/shared/clock.ts";
import { describeError, WeftError } from "@weft/shared/errors.ts";
import { Backoff, type BackoffPolicy, LOCAL_BACKOFF } from "@weft/shared/reconnect.ts";
import { type OvsdbAddress, parseOvsdbAddress } from "./address.ts";
import { OvsdbConnectionError } from "./errors.ts";
import { DEFAULT_JSONRPC_LIMITS, type Json, JsonRpcPeer, type JsonRpcLimits } from "./jsonrpc.ts";

export type SessionState = "idle" | "connecting" | "connected" | "waiting" | "closed";

const LEGAL: Readonly<Record<SessionState, readonly SessionState[]>> = {
  idle: ["connecting", "closed"],
  connecting: ["connected", "waiting", "closed"],
  connected: ["waiting", "closed"],
  waiting: ["connecting", "closed"],
  closed: [],
};

export interface SessionListener {
  connected?(): void;
  /** Also called for a failed attempt to connect. `retryMs` is the wait before the next one. */
  disconnected?(error: WeftError, retryMs: number): void;
  /** May throw a WeftError: the connection is then cut with that reason. */
  notification?(method: string, params: Json): void;
}

export interface TlsFiles {
  /** PEM texts. The server's name is not checked, only that this CA signed it, as OVS itself does. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface OvsdbSessionOptions {
  /** unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT. */
  readonly address: string;
  readonly clock: Clock;
  /** In [0, 1), as Math.random. */
  readonly random: () => number;
  readonly tls?: TlsFiles;
  readonly backoff?: BackoffPolicy;
  readonly limits?: JsonRpcLimits;
  /** Silence after which an echo is sent; a second such silence ends the connection. Default 5 s. */
  readonly probeIntervalMs?: number;
  readonly connectTimeoutMs?: number;
}

/** Unsent bytes beyond this mean that the server does not read: the connection is cut. */
const MAX_UNSENT_BYTES = 64 * 1024 * 1024;
const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;

export class OvsdbSession implements AsyncDisposable {
  readonly #options: OvsdbSessionOptions;
  readonly #address: OvsdbAddress;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #listeners = new Set<SessionListener>();
  #state: SessionState = "idle";
  #socket: Socket | null = null;
  #peer: JsonRpcPeer | null = null;
  /** Connect timeout, next probe or next attempt, by state. */
  #timer: Timer | null = null;
  #receivedSinceProbe = true;
  #lastError: WeftError | null = null;

  constructor(options: OvsdbSessionOptions) {
    this.#options = options;
    this.#address = parseOvsdbAddress(options.address);
    this.#clock = options.clock;
    this.#backoff = new Backoff({
      policy: options.backoff ?? LOCAL_BACKOFF,
      random: options.random,
    });
  }

  get state(): SessionState {
    return this.#state;
  }

  get address(): string {
    return this.#options.address;
  }

  /** Why the last connection or attempt ended; null before the first end. */
  get lastError(): WeftError | null {
    return this.#lastError;
  }

  /** Returns the function that removes the listener. */
  listen(listener: SessionListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Begins to connect, and from then on stays connected as far as possible. Once. */
  start(): void {
    if (this.#state === "idle") this.#connect();
  }

  /**
   * Rejects with OvsdbConnectionError when not connected, or when the connection ends first: then
   * the request may or may not have been carried out. A timeout ends the connection.
   */
  async request(
    method: string,
    params: readonly Json[],
    options?: { readonly timeoutMs?: number },
  ): Promise<Json> {
    const peer = this.#peer;
    if (peer === null || this.#state !== "connected") {
      throw new OvsdbConnectionError(
        `${method} not sent: no connection to ovsdb-server at ${this.address}`,
        { cause: this.#lastError ?? undefined },
      );
    }
    const timeoutMs = options?.timeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS;
    const timer = this.#clock.setTimer(timeoutMs, () => {
      if (this.#peer === peer) this.#fail(`no answer to ${method} within ${timeoutMs} ms`);
    });
    try {
      return await peer.request(method, params);
    } finally {
      timer.cancel();
    }
  }

  /** Ends the connection because of what came over it; the next attempt follows after the backoff. */
  drop(error: WeftError): void {
    if (this.#state === "connected") this.#fail(error.message, error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "closed") return;
    const socket = this.#socket;
    this.#become("closed");
    this.#release("session closed");
    if (socket !== null && !socket.closed) {
      await new Promise<void>((resolve) => socket.once("close", () => resolve()));
    }
    this.#listeners.clear();
  }

  #become(next: SessionState): void {
    if (!LEGAL[this.#state].includes(next)) {
      throw new WeftError("bug", `OVSDB session cannot go from ${this.#state} to ${next}`);
    }
    this.#state = next;
  }

  #connect(): void {
    this.#become("connecting");
    const address = this.#address;
    const socket = openSocket(address, this.#options.tls);
    this.#socket = socket;
    const mine = (): boolean => this.#socket === socket;
    socket.on(address.scheme === "ssl" ? "secureConnect" : "connect", () => {
      if (mine()) this.#onConnect(socket);
    });
    socket.on("data", (chunk: Buffer) => {
      if (mine()) this.#onBytes(chunk);
    });
    socket.on("error", (cause: Error) => {
      if (mine()) this.#fail(`connection to ovsdb-server at ${this.address} failed`, cause);
    });
    socket.on("close", () => {
      if (mine()) this.#fail(`ovsdb-server at ${this.address} closed the connection`);
    });
    const timeoutMs = this.#options.connectTimeoutMs ?? 10_000;
    this.#setTimer(timeoutMs, () =>
      this.#fail(`ovsdb-server at ${this.address} did not accept within ${timeoutMs} ms`),
    );
  }

  #onConnect(socket: Socket): void {
    this.#become("connected");
    this.#backoff.succeeded(this.#clock.nowMs());
    this.#peer = new JsonRpcPeer({
      limits: this.#options.limits ?? DEFAULT_JSONRPC_LIMITS,
      write: (text) => {
        socket.write(text);
        if (socket.writableLength > MAX_UNSENT_BYTES) {
          this.#fail(`ovsdb-server at ${this.address} does not read what it is sent`);
        }
      },
      notification: (method, params) => this.#tell((l) => l.notification?.(method, params)),
    });
    this.#receivedSinceProbe = true;
    this.#scheduleProbe();
    this.#tell((listener) => listener.connected?.());
  }

  #onBytes(chunk: Buffer): void {
    this.#receivedSinceProbe = true;
    try {
      this.#peer?.receive(chunk);
    } catch (error) {
      if (!(error instanceof WeftError) || error.kind === "bug") throw error;
      this.#fail(`ovsdb-server at ${this.address} broke the protocol`, error);
    }
  }

  #scheduleProbe(): void {
    const intervalMs = this.#options.probeIntervalMs ?? 5_000;
    this.#setTimer(intervalMs, () => {
      if (!this.#receivedSinceProbe) {
        this.#fail(`ovsdb-server at ${this.address} was silent for ${2 * intervalMs} ms`);
        return;
      }
      this.#receivedSinceProbe = false;
      // Only the bytes of the answer matter; when the connection ends the rejection says nothing new.
      this.#peer?.request("echo", []).catch(() => {});
      this.#scheduleProbe();
    });
  }

  /** Ends the connection or attempt and schedules the next. */
  #fail(message: string, cause?: unknown): void {
    if (this.#state !== "connected" && this.#state !== "connecting") return;
    const error = new OvsdbConnectionError(message, { cause });
    this.#lastError = error;
    this.#become("waiting");
    this.#release(describeError(error));
    const retryMs = this.#backoff.failed(this.#clock.nowMs());
    this.#setTimer(retryMs, () => this.#connect());
    this.#tell((listener) => listener.disconnected?.(error, retryMs));
  }

  #release(reason: string): void {
    this.#timer?.cancel();
    this.#timer = null;
    const peer = this.#peer;
    const socket = this.#socket;
    // Cleared first: what the two closing calls set off must find no connection any more.
    this.#peer = null;
    this.#socket = null;
    peer?.close(reason);
    socket?.destroy();
  }

  #setTimer(delayMs: number, fire: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(delayMs, fire);
  }

  #tell(call: (listener: SessionListener) => void): void {
    for (const listener of [...this.#listeners]) call(listener);
  }
}

function openSocket(address: OvsdbAddress, tls: TlsFiles | undefined): Socket {
  if (address.scheme === "unix") return connectPlain({ path: address.path });
  const { host, port } = address;
  if (address.scheme === "tcp") return connectPlain({ host, port, noDelay: true });
  if (tls === undefined) {
    throw new WeftError("rejected", `ssl:${host}:${port} needs a CA, a certificate and a key`);
  }
  return connectTls({ host, port, ...tls, checkServerIdentity: () => undefined });
}
