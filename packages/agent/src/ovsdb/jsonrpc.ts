// One JSON-RPC 1.0 conversation over one stream, as OVSDB speaks it (RFC 7047 4). An adapter around
// the json-rpc-2.0 library: it strips the `jsonrpc` member on sending (ovsdb-server closes on it),
// adds it on receipt, and maps the always-present `error`/`result`/`id: null` of 1.0. Answers `echo`.
// Owns no socket and never reconnects: session.ts gives it bytes and takes bytes.
import { JSONRPCClient, type JSONRPCResponse, JSONRPCServer } from "json-rpc-2.0";
import { OvsdbConnectionError, OvsdbProtocolError, OvsdbRequestError } from "./errors.ts";
import { JsonFramer } from "./framing.ts";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [member: string]: Json;
}

export interface JsonRpcLimits {
  readonly maxMessageBytes: number;
  readonly maxDepth: number;
  /** Requests of ours without an answer; one more is refused at once. */
  readonly maxPending: number;
  /** Requests of the peer (echo) whose answer is not yet handed to the stream. */
  readonly maxPeerPending: number;
}

export const DEFAULT_JSONRPC_LIMITS: JsonRpcLimits = {
  maxMessageBytes: 64 * 1024 * 1024,
  maxDepth: 64,
  maxPending: 256,
  maxPeerPending: 64,
};

export interface JsonRpcPeerOptions {
  /** Takes one encoded message. */
  readonly write: (text: string) => void;
  /** Called for every notification, in order of arrival, before anything later is looked at. */
  readonly notification: (method: string, params: Json) => void;
  readonly limits?: JsonRpcLimits;
}

export class JsonRpcPeer {
  readonly #options: JsonRpcPeerOptions;
  readonly #limits: JsonRpcLimits;
  readonly #framer: JsonFramer;
  readonly #client: JSONRPCClient;
  readonly #server = new JSONRPCServer({ errorListener: () => {} });
  readonly #pendingIds = new Set<number>();
  #nextId = 1;
  #peerPending = 0;
  #closed: string | null = null;

  constructor(options: JsonRpcPeerOptions) {
    this.#options = options;
    this.#limits = options.limits ?? DEFAULT_JSONRPC_LIMITS;
    this.#framer = new JsonFramer(this.#limits);
    this.#client = new JSONRPCClient((payload: unknown) => this.#send(payload));
    this.#server.addMethod("echo", (params: Json) => params);
  }

  /** Requests of ours that wait for an answer. */
  get pending(): number {
    return this.#pendingIds.size;
  }

  /** Throws OvsdbProtocolError when the peer breaks the protocol: the caller closes the stream. */
  receive(chunk: Buffer): void {
    for (const text of this.#framer.push(chunk)) {
      // A notification may have closed the conversation.
      if (this.#closed !== null) return;
      this.#dispatch(text);
    }
  }

  /** Rejects with OvsdbRequestError (the server's answer) or OvsdbConnectionError. */
  async request(method: string, params: readonly Json[]): Promise<Json> {
    if (this.#closed !== null) throw new OvsdbConnectionError(this.#closed);
    if (this.#pendingIds.size >= this.#limits.maxPending) {
      throw new OvsdbConnectionError(
        `${method} not sent: ${this.#limits.maxPending} OVSDB requests wait for an answer already`,
      );
    }
    const id = this.#nextId++;
    this.#pendingIds.add(id);
    let response: JSONRPCResponse;
    try {
      response = await this.#client.requestAdvanced({ jsonrpc: "2.0", id, method, params });
    } catch (cause) {
      throw new OvsdbConnectionError(`cannot send ${method} to ovsdb-server`, { cause });
    } finally {
      this.#pendingIds.delete(id);
    }
    if (response.error === undefined) return response.result as Json;
    if (this.#closed !== null && response.error.code !== SERVER_ERROR_CODE) {
      throw new OvsdbConnectionError(`${method} has no answer: ${this.#closed}`);
    }
    throw requestError(method, response.error.data as Json);
  }

  /** Ends the conversation: every pending request is rejected with `reason`. Idempotent. */
  close(reason: string): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    this.#client.rejectAllPendingRequests(reason);
  }

  #dispatch(text: string): void {
    const message = parseObject(text);
    if (typeof message["method"] === "string") this.#onCall(message, message["method"]);
    else if (Object.hasOwn(message, "result") || Object.hasOwn(message, "error")) {
      this.#onResponse(message);
    } else {
      throw new OvsdbProtocolError("message is neither a request nor a response");
    }
  }

  #onResponse(message: JsonObject): void {
    const id = message["id"];
    // An answer to nothing we asked is dropped: late, or hostile, and harmless either way.
    if (typeof id !== "number" || !this.#pendingIds.has(id)) return;
    const error = message["error"] ?? null;
    this.#client.receive(
      error === null
        ? { jsonrpc: "2.0", id, result: message["result"] ?? null }
        : {
            jsonrpc: "2.0",
            id,
            error: { code: SERVER_ERROR_CODE, message: "server error", data: error },
          },
    );
  }

  #onCall(message: JsonObject, method: string): void {
    const id = message["id"] ?? null;
    const params = message["params"] ?? [];
    if (id === null) {
      this.#options.notification(method, params);
      return;
    }
    if (typeof id !== "number" && typeof id !== "string") {
      throw new OvsdbProtocolError(`id of ${method.slice(0, 40)} is neither number nor string`);
    }
    if (this.#peerPending >= this.#limits.maxPeerPending) {
      throw new OvsdbProtocolError("peer sends requests faster than their answers can be written");
    }
    this.#peerPending += 1;
    void Promise.resolve(this.#server.receive({ jsonrpc: "2.0", id, method, params }))
      .then((response) => {
        if (response !== null && this.#closed === null) this.#send(response);
      })
      .finally(() => {
        this.#peerPending -= 1;
      });
  }

  /** 2.0 to 1.0: no `jsonrpc`; `id` always; of result and error the absent one is null. */
  #send(payload: unknown): void {
    const { jsonrpc: _version, ...message } = payload as Record<string, Json>;
    if (message["method"] === undefined) {
      message["result"] ??= null;
      const error = message["error"] as JsonObject | undefined;
      message["error"] = error === undefined ? null : (error["message"] ?? "error");
    } else {
      message["id"] ??= null;
    }
    this.#options.write(JSON.stringify(message));
  }
}

/** Marks, inside the library's 2.0 world, an error that the server sent. */
const SERVER_ERROR_CODE = 1;

function parseObject(text: string): JsonObject {
  try {
    // The framer only lets texts through that begin with a brace: what parses is an object.
    return JSON.parse(text) as JsonObject;
  } catch (cause) {
    throw new OvsdbProtocolError("message is not JSON", { cause });
  }
}

/** RFC 7047 lets `error` be a string or an object with `error` and `details`. */
function requestError(method: string, error: Json): OvsdbRequestError {
  if (typeof error === "string") {
    return new OvsdbRequestError({ method, ovsdbError: error, details: null });
  }
  const object = isObject(error) ? error : {};
  const ovsdbError = object["error"];
  const details = object["details"];
  return new OvsdbRequestError({
    method,
    ovsdbError: typeof ovsdbError === "string" ? ovsdbError : JSON.stringify(error),
    details: typeof details === "string" ? details : null,
  });
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
