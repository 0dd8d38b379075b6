// Runs first_packet.py, which stands for a guest that keeps asking for its neighbour while its port is not there yet. Called by
// operations.ts, in the namespace of the real chassis.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("first_packet.py", import.meta.url));

export interface Question {
  readonly device: string;
  readonly mac: string;
  readonly ip: string;
  /** A neighbour whose address the chassis answers for. */
  readonly target: string;
}

export class FirstPacket implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  constructor() {
    const child = spawn("python3", ["-u", SCRIPT], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    this.#reader = createInterface({ input: child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Begins to ask; answers once questions go out. Then answered() says when the first answer came. */
  async begin(question: Question): Promise<void> {
    this.#child.stdin?.write(`${JSON.stringify(question)}\n`);
    const told = await this.#next();
    if (told["sending"] !== true)
      throw new Error(`${question.device}: answered before there was a port`);
  }

  /** performance.now() of the first answer; null when none came. */
  async answered(): Promise<number | null> {
    const { first_ms: firstMs } = await this.#next();
    if (typeof firstMs !== "number") return null;
    // Both clocks are CLOCK_MONOTONIC; they differ in where they begin.
    const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
    return firstMs - offsetMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin?.end();
    this.#child.kill("SIGTERM");
    await exited;
    this.#reader.close();
  }

  async #next(): Promise<Readonly<Record<string, unknown>>> {
    const line: IteratorResult<string, undefined> = await this.#lines.next();
    if (line.done === true) throw new Error("first_packet.py ended");
    return JSON.parse(line.value) as Readonly<Record<string, unknown>>;
  }
}
