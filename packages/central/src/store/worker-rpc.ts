// Calls between the main thread and a store thread: one message a call, answered in any order, errors as data. Knows no SQL. Used by
// store.ts on one side, and by the two *-worker.ts on the other.

import type { MessagePort } from "node:worker_threads";
import { Worker } from "node:worker_threads";
import type { WireError } from "./errors.ts";
import { StoreError, storeError, toWireError } from "./errors.ts";

interface Call {
  readonly id: number;
  readonly method: string;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: WireError;
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The methods that a store thread offers, as `name -> (argument) => result`. */
export type Methods = Readonly<Record<string, (argument: never) => unknown>>;

/** The calling side. Owns the thread. */
export class StoreThread<M extends Methods> implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #path: string;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #ended: Error | undefined;

  constructor(options: {
    script: URL;
    path: string;
    workerOptions: Readonly<Record<string, unknown>>;
    onExit: (error: Error) => void;
  }) {
    this.#path = options.path;
    const workerData = { path: options.path, ...options.workerOptions };
    this.#worker = new Worker(options.script, { workerData });
    const end = (error: Error): void => {
      if (this.#ended !== undefined) return;
      this.#ended = error;
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
      options.onExit(error);
    };
    this.#worker.on("message", (answer: Answer) => this.#answered(answer));
    this.#worker.on("error", (error) => {
      end(new StoreError("bug", `a thread of the store ended: ${String(error)}`, { cause: error }));
    });
    this.#worker.on("exit", (code) => {
      end(new StoreError("transient", `the store is closed (thread exit ${code})`));
    });
  }

  call<K extends keyof M & string>(
    method: K,
    argument: Parameters<M[K]>[0],
  ): Promise<Awaited<ReturnType<M[K]>>> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      const id = this.#nextId++;
      this.#pending.set(id, { resolve: resolve as (result: unknown) => void, reject });
      const call: Call = { id, method, argument };
      this.#worker.postMessage(call);
    });
  }

  /** Waits for the calls under way, then ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended !== undefined) return;
    const exited = new Promise<void>((resolve) => this.#worker.once("exit", () => resolve()));
    this.#worker.postMessage({ id: 0, method: "close", argument: null } satisfies Call);
    await exited;
  }

  #answered({ id, result, error }: Answer): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve(result);
    else pending?.reject(storeError(error, this.#path));
  }
}

/** The answering side: runs each call; `close` closes the port, which ends the thread. */
export function serve(port: MessagePort, methods: Methods, close: () => void): void {
  port.on("message", (call: Call) => {
    if (call.method === "close") {
      close();
      port.close();
      return;
    }
    void answer(port, methods, call);
  });
}

async function answer(port: MessagePort, methods: Methods, call: Call): Promise<void> {
  let reply: Answer;
  try {
    const method = methods[call.method];
    if (method === undefined) throw new Error(`no method ${call.method}`);
    reply = { id: call.id, result: await method(call.argument as never) };
  } catch (error) {
    reply = { id: call.id, error: toWireError(error) };
  }
  port.postMessage(reply);
}
