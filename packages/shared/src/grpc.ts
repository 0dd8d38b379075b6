// The transport around the generated gRPC clients: channel options, deadlines, unary calls as
// promises, and errors with their field violations. Knows no service. Called by the CLI, the agent
// and central's servers (for the options only).
import type { Client, ServiceError } from "@grpc/grpc-js";
import { Metadata, status as Code } from "@grpc/grpc-js";
import type { Diagnostic } from "./diagnostics.ts";
import { renderDiagnostic } from "./diagnostics.ts";
import type { ErrorKind } from "./errors.ts";
import { WeftError } from "./errors.ts";
import type { FieldViolation } from "./rpc-status.ts";
import { decodeStatus, encodeStatus, statusDetailsKey } from "./rpc-status.ts";

/** A ChangeSet, with all that comes with it, may have 64 MiB. */
export const maxNorthboundBytes = 64 * 1024 * 1024;
/** The answer to the largest set is larger than the set: ids, keys and states come on top. */
export const maxAnswerBytes = 4 * maxNorthboundBytes;
/** A southbound message may have 1 MiB. */
export const maxSouthboundBytes = 1024 * 1024;

const keepaliveMs = 10_000;
const keepaliveTimeoutMs = 5_000;

/**
 * Options of a client's channel. grpc-js alone would cap received messages at 4 MiB. `maxAnswerBytes`: of a received message;
 * absent = as of a sent one.
 */
export function channelOptions(options: {
  maxMessageBytes: number;
  maxAnswerBytes?: number;
}): Record<string, number> {
  return {
    "grpc.max_receive_message_length": options.maxAnswerBytes ?? options.maxMessageBytes,
    "grpc.max_send_message_length": options.maxMessageBytes,
    "grpc.keepalive_time_ms": keepaliveMs,
    "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
    // Low: who calls has a backoff of its own (reconnect.ts), and the two would add up.
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 1_000,
    // Central is called directly, whatever proxy the environment names for the web.
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    // Streams are restarted by their owners, who know what to resume from.
    "grpc.enable_retries": 0,
  };
}

/** Options of a server: keepalive on its side too, so that dead peers are noticed both ways. */
export function serverOptions(options: { maxMessageBytes: number }): Record<string, number> {
  return {
    "grpc.max_receive_message_length": options.maxMessageBytes,
    // What was committed must be answered.
    "grpc.max_send_message_length": -1,
    "grpc.keepalive_time_ms": keepaliveMs,
    "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
  };
}

/** Metadata that makes a call wait for the connection; as a call option grpc-js ignores it. */
export function callMetadata(options: { waitForReady: boolean }): Metadata {
  return new Metadata({ waitForReady: options.waitForReady });
}

/** An RPC failed. `code` is the gRPC status code. */
export class RpcError extends WeftError {
  readonly code: Code;
  readonly violations: readonly FieldViolation[];

  constructor(
    code: Code,
    message: string,
    violations: readonly FieldViolation[],
    options?: { cause?: unknown },
  ) {
    super(kindOf(code), message, options);
    this.code = code;
    this.violations = violations;
  }
}

const transientCodes: ReadonlySet<Code> = new Set([
  Code.UNAVAILABLE,
  Code.DEADLINE_EXCEEDED,
  Code.RESOURCE_EXHAUSTED,
  Code.CANCELLED,
]);
const conflictCodes: ReadonlySet<Code> = new Set([Code.ABORTED]);
const bugCodes: ReadonlySet<Code> = new Set([Code.INTERNAL, Code.UNKNOWN, Code.DATA_LOSS]);

function kindOf(code: Code): ErrorKind {
  if (transientCodes.has(code)) return "transient";
  if (conflictCodes.has(code)) return "conflict";
  return bugCodes.has(code) ? "bug" : "rejected";
}

/** An RpcError from what grpc-js reports, with the violations of its trailer. */
export function rpcError(error: ServiceError): RpcError {
  const [trailer] = error.metadata?.get(statusDetailsKey) ?? [];
  const status = typeof trailer === "object" ? decodeStatus(trailer) : undefined;
  const message = status?.message || error.details || error.message;
  return new RpcError(error.code, message, status?.violations ?? [], { cause: error });
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error && "metadata" in error;
}

/** What a server's method answers to refuse: status code, message, and one violation a diagnostic. */
export function refusal(
  code: Code,
  message: string,
  diagnostics: readonly Diagnostic[] = [],
): { code: Code; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  if (diagnostics.length > 0) {
    const violations = diagnostics.map((diagnostic) => ({
      field: diagnostic.field,
      description: renderDiagnostic({ ...diagnostic, field: "" }),
      reason: diagnostic.code,
    }));
    metadata.set(statusDetailsKey, encodeStatus({ code, message, violations }));
  }
  return { code, details: message, metadata };
}

/** A unary method of a generated service definition, such as NorthboundServiceService.get. */
export interface UnaryMethod<Request, Response> {
  path: string;
  requestStream: false;
  responseStream: false;
  requestSerialize: (value: Request) => Buffer;
  responseDeserialize: (bytes: Buffer) => Response;
}

/**
 * One unary call as a promise: `unary(client, NorthboundServiceService.get, request, {deadlineMs})`;
 * any client of the channel will do. `deadlineMs` counts from now and includes connecting;
 * `waitForReady` (default) connects until then, else the call fails as soon as connecting does.
 * Rejects with RpcError only.
 */
export function unary<Request, Response>(
  client: Client,
  method: UnaryMethod<Request, Response>,
  request: Request,
  options: { deadlineMs: number; waitForReady?: boolean; signal?: AbortSignal },
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const cancel = (): void => call.cancel();
    const call = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      callMetadata({ waitForReady: options.waitForReady ?? true }),
      // grpc-js takes a time of day here; only the distance from now matters.
      { deadline: new Date(performance.timeOrigin + performance.now() + options.deadlineMs) },
      (error, response) => {
        options.signal?.removeEventListener("abort", cancel);
        if (error !== null) reject(rpcError(error));
        else if (response !== undefined) resolve(response);
      },
    );
    options.signal?.addEventListener("abort", cancel, { once: true });
    if (options.signal?.aborted === true) cancel();
  });
}
