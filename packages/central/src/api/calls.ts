// What every call has in common: who asks, until when, how failures are answered and counted. Knows no service. The services wrap
// their methods with it.

import { status as Code } from "@grpc/grpc-js";
import type { handleUnaryCall, ServerUnaryCall, ServerWritableStream } from "@grpc/grpc-js";
import type { Logger } from "@weft/shared/logging.ts";
import { callerOf } from "@weft/shared/tls.ts";
import { defaultDeadlineMs, defaultWaitMs, maxWaitMs } from "./limits.ts";
import { Refused, statusOf } from "./status.ts";

export interface CallObserver {
  /** A call ended. `code` is a name such as OK or NOT_FOUND. */
  ended(method: string, code: string, seconds: number): void;
}

export interface CallContext {
  /** For the history: `operator/<name>`, or `local` on plaintext. */
  readonly actor: string;
  /** Aborted when the caller is gone or its time is over. */
  readonly signal: AbortSignal;
  /** Its own wait begins: from now it may take so much longer than the default deadline. */
  readonly allowWait: (waitMs: number) => void;
}

export interface CallTools {
  readonly logger: Logger;
  readonly observer: CallObserver;
}

export type Call = Pick<ServerUnaryCall<unknown, unknown>, "getAuthContext" | "getDeadline">;

/** Who calls. A chassis speaks southbound only; a certificate without a name speaks for nobody. */
export function actorOf(call: Pick<Call, "getAuthContext">): string {
  const caller = callerOf(call);
  if (caller === "plaintext") return "local";
  if (caller?.kind === "operator") return `operator/${caller.name}`;
  const who = caller === undefined ? "the certificate names nobody" : `chassis ${caller.name}`;
  const wayOut = 'use a certificate of an operator ("weft pki issue operator NAME")';
  throw new Refused(Code.PERMISSION_DENIED, `${who} may not use the northbound API: ${wayOut}`);
}

/** A unary method from an async function. `waitMs` is what its own wait adds to the default deadline. */
export function unaryMethod<Request, Response>(
  tools: CallTools,
  name: string,
  run: (request: Request, context: CallContext) => Promise<Response>,
  waitMs: (request: Request) => number = () => 0,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const startMs = performance.now();
    const cancelled = new AbortController();
    call.once("cancelled", () => cancelled.abort());
    const { signal } = cancelled;
    let timer: NodeJS.Timeout | undefined;
    const allowWait = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(() => cancelled.abort(), defaultDeadlineMs + ms);
    };
    allowWait(waitMs(call.request));
    const finish = (code: Code): void => {
      clearTimeout(timer);
      tools.observer.ended(name, Code[code] ?? String(code), (performance.now() - startMs) / 1000);
    };
    const fail = (error: unknown): void => {
      const { status, isBug } = statusOf(error);
      if (isBug) tools.logger.error({ err: error, method: name }, "a call failed");
      finish(status.code);
      callback(status);
    };
    const serve = async (): Promise<void> => {
      try {
        const context = { actor: actorOf(call), signal, allowWait };
        const response = await untilAborted(run(call.request, context), signal);
        finish(Code.OK);
        callback(null, response);
      } catch (error) {
        fail(error);
      }
    };
    void serve();
  };
}

/** Waits of a caller: absent = the default, capped. */
export function waitMsOf(asked: number): number {
  return Math.min(asked === 0 ? defaultWaitMs : asked, maxWaitMs);
}

/** Ends a stream with the status of an error. */
export function failStream(
  tools: CallTools,
  name: string,
  call: ServerWritableStream<unknown, unknown>,
  error: unknown,
): void {
  const { status, isBug } = statusOf(error);
  if (isBug) tools.logger.error({ err: error, method: name }, "a stream failed");
  call.emit("error", status);
}

/** Rejects when the signal is aborted first. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      const text = "the deadline passed or the caller left; a commit under way stands";
      reject(new Refused(Code.DEADLINE_EXCEEDED, text));
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
