// A gRPC server whose calls pass a ReceiveGate before their requests are read, and whose requests have a size by method. Knows no
// service. Made by servers.ts for the northbound port.
//
// grpc-js begins to read a stream with startRead() and then gathers the whole message before anybody is asked. A stream that is not
// read holds what its HTTP/2 window lets through (64 KiB); so the gate delays startRead().

import type { ServerHttp2Stream } from "node:http2";
import { constants } from "node:http2";
import { Server, ServerInterceptingCall, status as Code } from "@grpc/grpc-js";
import type {
  ServerInterceptor,
  ServiceDefinition,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { RequestBytes } from "./apply-wire.ts";
import { actorOf } from "./calls.ts";
import { maxPlainRequestBytes } from "./limits.ts";
import { ReceiveGate } from "./receive-gate.ts";
import type { Gated, Passage } from "./receive-gate.ts";

type InterceptedCall = Parameters<ServerInterceptor>[1];
type ServerOptions = NonNullable<ConstructorParameters<typeof Server>[0]>;

/** Bytes on the wire of requests that are decoded. */
const sizes = new WeakMap<object, number>();

/** Stands in for a request that is larger than its method takes. */
class Oversized {
  readonly bytes: number;

  constructor(bytes: number) {
    this.bytes = bytes;
  }
}

/** Requests of methods that take RequestBytes may have the size of a message; all others maxPlainRequestBytes. */
export class GatedServer extends Server {
  constructor(options: ServerOptions) {
    const gate = new ReceiveGate();
    const interceptor: ServerInterceptor = ({ path, requestStream }, call) =>
      requestStream ? new StreamingCall(call, { gate, path }) : new UnaryCall(call, { gate, path });
    super({ ...options, interceptors: [interceptor] });
  }

  override addService(
    service: ServiceDefinition,
    implementation: UntypedServiceImplementation,
  ): void {
    const measured = Object.entries(service).map(([name, method]) => {
      const decode = method.requestDeserialize;
      const requestDeserialize = decode === RequestBytes.from ? decode : measure(decode);
      return [name, { ...method, requestDeserialize }] as const;
    });
    super.addService(Object.fromEntries(measured), implementation);
  }
}

function measure(decode: (bytes: Buffer) => unknown): (bytes: Buffer) => unknown {
  return (bytes) => {
    if (bytes.length > maxPlainRequestBytes) return new Oversized(bytes.length);
    const request = decode(bytes);
    if (typeof request === "object" && request !== null) sizes.set(request, bytes.length);
    return request;
  };
}

interface UnaryState {
  passage: Passage | null;
  bytes: number;
  /** Nothing more can come. */
  isWhole: boolean;
}

/** A call with one request, of whatever kind its answer is. */
class UnaryCall extends ServerInterceptingCall {
  readonly #call: InterceptedCall;
  readonly #gate: ReceiveGate;
  readonly #state: UnaryState;

  constructor(call: InterceptedCall, { gate, path }: { gate: ReceiveGate; path: string }) {
    const state: UnaryState = { passage: null, bytes: 0, isWhole: false };
    super(call, {
      start: (next) =>
        next({
          onReceiveMessage: (message: unknown, pass) => {
            if (message instanceof Oversized) {
              refuse(call, tooLarge(path, message));
              return;
            }
            if (message instanceof RequestBytes) {
              state.bytes = message.length;
              message.onDone = () => state.passage?.done();
            } else {
              state.bytes = sizes.get(message as object) ?? 0;
            }
            pass(message);
          },
          onReceiveHalfClose: (pass) => {
            state.isWhole = true;
            state.passage?.received(state.bytes);
            pass();
          },
          // At the end of every call, whatever ended it.
          onCancel: () => {
            state.passage?.done();
            if (!state.isWhole) stopSending(call);
          },
        }),
    });
    this.#call = call;
    this.#gate = gate;
    this.#state = state;
  }

  /** Asked for the message, and behind it for the end of the stream: only then no more can come. */
  override startRead(): void {
    if (this.#state.passage !== null) {
      super.startRead();
      return;
    }
    const gated: Gated = {
      start: () => super.startRead(),
      refuse: (text) => refuse(this.#call, text),
    };
    this.#state.passage = this.#gate.open(callerOf(this.#call), gated);
  }
}

/** A call that sends requests as it likes: there are few of these, and they do not live long. */
class StreamingCall extends ServerInterceptingCall {
  readonly #call: InterceptedCall;
  readonly #gate: ReceiveGate;
  readonly #state: { place: { done(): void } | null };

  constructor(call: InterceptedCall, { gate, path }: { gate: ReceiveGate; path: string }) {
    const state: { place: { done(): void } | null } = { place: null };
    super(call, {
      start: (next) =>
        next({
          onReceiveMessage: (message: unknown, pass) => {
            if (message instanceof Oversized) refuse(call, tooLarge(path, message));
            else pass(message);
          },
          onCancel: () => {
            state.place?.done();
            stopSending(call);
          },
        }),
    });
    this.#call = call;
    this.#gate = gate;
    this.#state = state;
  }

  override startRead(): void {
    if (this.#state.place !== null) {
      super.startRead();
      return;
    }
    this.#state.place = this.#gate.openStream({
      start: () => super.startRead(),
      refuse: (text) => refuse(this.#call, text),
    });
  }
}

function refuse(call: InterceptedCall, details: string): void {
  call.sendStatus({ code: Code.RESOURCE_EXHAUSTED, details });
}

function tooLarge(path: string, { bytes }: Oversized): string {
  return `${path} takes requests of up to ${maxPlainRequestBytes} bytes, not of ${bytes}: ask for less at once`;
}

/** All whom the northbound API refuses anyway (chassis, for one) are one caller. */
function callerOf(call: InterceptedCall): string {
  try {
    return actorOf(call);
  } catch {
    return "those who are no operators";
  }
}

/**
 * Ends a stream whose caller was answered before it had sent everything (RFC 9113 8.1): as long as it lives, grpc-js keeps what came
 * until then. grpc-js 1.14 has no way to say so; its call holds the stream, in a private field.
 */
function stopSending(call: InterceptedCall): void {
  const { stream } = call as { readonly stream?: ServerHttp2Stream };
  setImmediate(() => stream?.close(constants.NGHTTP2_NO_ERROR));
}
