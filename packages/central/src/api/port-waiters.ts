// Who waits for a change of a port's state: one listener of the model for all of them. Bounded. Used by orchestration.ts.

import { status as Code } from "@grpc/grpc-js";
import type { Batch } from "../model/rows.ts";
import type { Model } from "../model/tables.ts";
import { maxPortWaiters } from "./limits.ts";
import { Refused } from "./status.ts";

export class PortWaiters implements Disposable {
  readonly #byPort = new Map<string, Set<() => void>>();
  readonly #unsubscribe: () => void;
  #count = 0;

  constructor(options: { model: Model }) {
    this.#unsubscribe = options.model.onBatch((batch) => this.#published(batch));
  }

  /** Resolves true when the port's row or binding changes, false when the signal is aborted first. */
  changed(port: string, signal: AbortSignal): Promise<boolean> {
    if (this.#count >= maxPortWaiters) {
      const text = `${maxPortWaiters} calls wait for ports already: try again later`;
      throw new Refused(Code.RESOURCE_EXHAUSTED, text);
    }
    return new Promise((resolve) => {
      const waiters = this.#byPort.get(port) ?? new Set();
      const end = (changed: boolean): void => {
        if (!waiters.delete(wake)) return;
        this.#count -= 1;
        if (waiters.size === 0) this.#byPort.delete(port);
        signal.removeEventListener("abort", abort);
        resolve(changed);
      };
      const wake = (): void => end(true);
      const abort = (): void => end(false);
      waiters.add(wake);
      this.#count += 1;
      this.#byPort.set(port, waiters);
      signal.addEventListener("abort", abort);
      if (signal.aborted) abort();
    });
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
  }

  #published({ changes }: Batch): void {
    for (const { table, id } of changes) {
      if (table !== "binding" && table !== "port") continue;
      for (const wake of [...(this.#byPort.get(id) ?? [])]) wake();
    }
  }
}
