// weft-central as a process: its configuration, start, end, and what it uses. Runs in the namespace it is started in.
// Called by measure.ts.

import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TlsFiles } from "@weft/shared/tls.ts";
import { Kept } from "@weft/test/lab/processes.ts";
import { stringify } from "yaml";
import { processCpuUs } from "./machine.ts";
import { readMetrics } from "./metrics.ts";

const CENTRAL = fileURLToPath(new URL("../bin/weft-central", import.meta.url));

const METRICS = "127.0.0.1:7642";
export const NORTHBOUND = "127.0.0.1:7640";
export const SOUTHBOUND = "127.0.0.1:7641";

export interface CentralOptions {
  readonly dir: string;
  readonly labDir: string;
  readonly tls: TlsFiles;
}

export class CentralProcess {
  readonly #options: CentralOptions;
  #process: Kept | null = null;

  private constructor(options: CentralOptions) {
    this.#options = options;
  }

  /** Writes its configuration; start() runs it on the store that is there, if any. */
  static async prepare(options: CentralOptions): Promise<CentralProcess> {
    await mkdir(options.dir, { recursive: true });
    const { tls } = options;
    const config = {
      dataDir: join(options.dir, "data"),
      northbound: { listen: NORTHBOUND },
      southbound: { listen: SOUTHBOUND },
      tls,
      metrics: { listen: METRICS },
    };
    await writeFile(join(options.dir, "central.yaml"), stringify(config));
    return new CentralProcess(options);
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get log(): string {
    return join(this.#options.dir, "central.log");
  }

  /** Answers performance.now() just before exec. */
  start(): number {
    const atMs = performance.now();
    this.#process = new Kept({
      command: [CENTRAL, "--config", join(this.#options.dir, "central.yaml")],
      labDir: this.#options.labDir,
      logPath: this.log,
    });
    return atMs;
  }

  async end(): Promise<void> {
    await this.#process?.end();
  }

  assertRunning(): void {
    if (this.#process?.running !== true)
      throw new Error(`weft-central ended; its log: ${this.log}`);
  }

  /** Waits until it accepts connections there; answers when that was. */
  async whenListening(address: string, deadlineMs = 60_000): Promise<number> {
    const [host = "", port = ""] = address.split(":");
    const end = performance.now() + deadlineMs;
    for (;;) {
      this.assertRunning();
      if (await accepts(host, Number(port))) return performance.now();
      if (performance.now() > end) {
        throw new Error(`weft-central does not listen on ${address}; its log: ${this.log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
  }

  /** Instructions and what they are derived from, as /metrics counts them. */
  derivedKeys(): Promise<number> {
    return this.#metric("derived_keys");
  }

  /** Of its main thread: what the resident memory holds beside garbage, threads, code and SQLite. */
  async heapUsedMib(): Promise<number> {
    return (await this.#metric("nodejs_heap_size_used_bytes")) / (1024 * 1024);
  }

  async #metric(name: string): Promise<number> {
    const value = (await readMetrics(METRICS))?.get(`weft_central_${name}`);
    if (value === undefined) throw new Error(`weft-central tells no ${name}; its log: ${this.log}`);
    return value;
  }

  /** Waits until it uses less than 5 % of a core for half a second; answers its CPU per millisecond then. */
  async whenQuiet(deadlineMs = 60_000): Promise<number> {
    const end = performance.now() + deadlineMs;
    for (;;) {
      this.assertRunning();
      const usPerMs = await this.cpuUsPerMs(500);
      if (usPerMs < 50 || performance.now() > end) return usPerMs;
    }
  }

  /** CPU that it uses now, in microseconds a millisecond. */
  async cpuUsPerMs(overMs: number): Promise<number> {
    const before = await processCpuUs(this.pid);
    const from = performance.now();
    await new Promise((resolve) => setTimeout(resolve, overMs));
    return ((await processCpuUs(this.pid)) - before) / (performance.now() - from);
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
