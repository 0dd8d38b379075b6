// A tap of the lab: sends and receives raw frames on one interface of a namespace, a guest's or a wire's. What is received is
// kept until the tap ends. Started by the system tests; the process behind it is guest.py.

import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { until } from "./ovs.ts";
import { Kept } from "./processes.ts";

const SCRIPT = fileURLToPath(new URL("./guest.py", import.meta.url));

export interface TapOptions {
  readonly netns: string;
  readonly interface: string;
  readonly labDir: string;
}

export class Tap {
  /** Frames that came in, in order, with their tags; never those that this host sent. */
  readonly frames: Buffer[] = [];
  readonly #kept: Kept;
  readonly #synced = new Map<number, () => void>();
  #nextSync = 1;

  private constructor(kept: Kept) {
    this.#kept = kept;
  }

  static async start(options: TapOptions): Promise<Tap> {
    const { netns, labDir } = options;
    const kept = new Kept({
      command: ["ip", "netns", "exec", netns, "python3", SCRIPT, "tap", options.interface],
      labDir,
    });
    const tap = new Tap(kept);
    const lines = createInterface({ input: kept.child.stdout ?? process.stdin });
    const ready = new Promise<void>((resolve, reject) => {
      lines.on("line", (line) => (line === "ready" ? resolve() : tap.#take(line)));
      lines.once("close", () => reject(new Error(`no tap on ${options.interface} in ${netns}`)));
    });
    await ready;
    return tap;
  }

  send(frame: Buffer): void {
    this.#kept.child.stdin?.write(`send ${frame.toString("hex")}\n`);
  }

  /** Resolves once all that had come in before is in `frames`, and all that was sent before is sent. */
  async sync(): Promise<void> {
    const id = this.#nextSync++;
    const done = new Promise<void>((resolve) => this.#synced.set(id, resolve));
    this.#kept.child.stdin?.write(`sync ${id}\n`);
    await done;
  }

  /** How many frames contain these bytes. */
  count(part: Buffer): number {
    return this.frames.filter((frame) => frame.includes(part)).length;
  }

  /** The first frame, from now or earlier, that fits. */
  async first(
    what: string,
    fits: (frame: Buffer) => boolean,
    deadlineMs = 10_000,
  ): Promise<Buffer> {
    let found: Buffer | undefined;
    await until(what, () => (found = this.frames.find(fits)) !== undefined, deadlineMs);
    return found ?? Buffer.alloc(0);
  }

  async stop(): Promise<void> {
    await this.#kept.end("SIGKILL");
  }

  #take(line: string): void {
    const [verb, value = ""] = line.split(" ");
    if (verb === "got") this.frames.push(Buffer.from(value, "hex"));
    if (verb !== "synced") return;
    this.#synced.get(Number(value))?.();
    this.#synced.delete(Number(value));
  }
}
