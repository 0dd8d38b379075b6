// Many raw guests in one process: a tap device each, whose other side is the guest. Sends frames, hands over what comes in, lets a
// guest answer ARP and ND for addresses. Knows no packet's meaning. Used by test/differential; the process behind it is taps.py.

import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Kept } from "./processes.ts";

const SCRIPT = fileURLToPath(new URL("./taps.py", import.meta.url));

export interface TapsOptions {
  readonly labDir: string;
  /** Called for every frame that a guest receives. */
  readonly onFrame: (tap: string, frame: Buffer) => void;
}

export class Taps {
  readonly #kept: Kept;
  readonly #onFrame: TapsOptions["onFrame"];
  readonly #waiting = new Map<string, () => void>();
  #nextSync = 1;
  #lastFrameMs = 0;
  #errors = "";

  constructor({ labDir, onFrame }: TapsOptions) {
    this.#onFrame = onFrame;
    this.#kept = new Kept({ command: ["python3", SCRIPT], labDir });
    this.#kept.child.stderr?.on("data", (part: Buffer) => (this.#errors += part.toString()));
    const lines = createInterface({ input: this.#kept.child.stdout ?? process.stdin });
    lines.on("line", (line) => this.#take(line));
  }

  /** Makes a tap device (at most 15 characters) in a namespace, up; it goes with this process. */
  async open(tap: string, netns: string, mtuBytes: number): Promise<void> {
    await this.#ask(`opened ${tap}`, `open ${tap} ${netns} ${mtuBytes}`);
  }

  async resize(tap: string, mtuBytes: number): Promise<void> {
    await this.#ask(`resized ${tap}`, `mtu ${tap} ${mtuBytes}`);
  }

  send(tap: string, frame: Buffer): void {
    this.#write(`send ${tap} ${frame.toString("hex")}`);
  }

  answer(tap: string, ip: string, mac: string): void {
    this.#write(`answer ${tap} ${ip} ${mac}`);
  }

  /** Forgets all addresses that the guest answers for. */
  silence(tap: string): void {
    this.#write(`silent ${tap}`);
  }

  /** Resolves once all that was sent before is sent and all that had come in is handed over. */
  async sync(): Promise<void> {
    const id = this.#nextSync++;
    await this.#ask(`synced ${id}`, `sync ${id}`);
  }

  /** performance.now() of the last frame that came in anywhere. */
  get lastFrameMs(): number {
    return this.#lastFrameMs;
  }

  async stop(): Promise<void> {
    await this.#kept.end("SIGKILL");
  }

  async #ask(answer: string, line: string): Promise<void> {
    const done = new Promise<boolean>((resolve) => this.#waiting.set(answer, () => resolve(true)));
    this.#write(line);
    const ended = this.#kept.exited.then(() => false);
    if (!(await Promise.race([done, ended]))) {
      throw new Error(`the process of the taps ended at "${line}":\n${this.#errors}`);
    }
  }

  #write(line: string): void {
    this.#kept.child.stdin?.write(`${line}\n`);
  }

  #take(line: string): void {
    if (line.startsWith("got ")) {
      const end = line.indexOf(" ", 4);
      this.#lastFrameMs = performance.now();
      this.#onFrame(line.slice(4, end), Buffer.from(line.slice(end + 1), "hex"));
      return;
    }
    this.#waiting.get(line)?.();
    this.#waiting.delete(line);
  }
}
