// The simulated chassis of a run, in a process of their own (fleet-main.ts), so that their CPU is neither central's nor the
// measuring process'. Called by measure.ts and operations.ts.

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { FleetStats, SimulatedChassis } from "./sim/agents.ts";
import type { FromFleet, ToFleet } from "./fleet-main.ts";

const MAIN = fileURLToPath(new URL("fleet-main.ts", import.meta.url));

export interface FleetOptions {
  readonly address: string;
  readonly pkiDir: string;
  readonly chassis: readonly SimulatedChassis[];
}

export class Fleet {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<FromFleet["kind"], (message: FromFleet) => void>();
  #failure: Error | null = null;

  constructor() {
    this.#child = fork(MAIN, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#child.on("message", (message: FromFleet) => {
      if (message.kind === "lost") {
        this.#failure ??= new Error(`simulated chassis ${message.chassis} lost: ${message.reason}`);
      }
      this.#waiting.get(message.kind)?.(message);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when the process is there and has read the certificates; begin() then only connects. */
  async prepare(options: FleetOptions): Promise<void> {
    await this.#ask({ kind: "prepare", ...options }, "prepared");
  }

  /** Connects all; resolves when every one is in sync and has acked. Throws when one is refused or lost. */
  async begin(): Promise<void> {
    await this.#ask({ kind: "begin" }, "begun");
    this.assertWhole();
  }

  async stats(): Promise<FleetStats> {
    this.assertWhole();
    const answer = await this.#ask({ kind: "stats" }, "stats");
    if (answer.kind !== "stats") throw new Error("the fleet answered something else");
    return answer.stats;
  }

  assertWhole(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.send({ kind: "stop" } satisfies ToFleet);
    await exited;
  }

  async #ask(order: ToFleet, answer: FromFleet["kind"]): Promise<FromFleet> {
    const answered = new Promise<FromFleet>((resolve, reject) => {
      this.#waiting.set(answer, resolve);
      this.#child.once("exit", (code) => reject(new Error(`the fleet ended with ${code}`)));
    });
    this.#child.send(order);
    return answered.finally(() => this.#child.removeAllListeners("exit"));
  }
}
