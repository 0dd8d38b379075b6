// The real weft-agent of the real chassis as a process: its configuration, start, end, what its /metrics say, and the bytes central
// sent it. Runs in the namespace it is started in. Called by measure.ts.

import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TlsFiles } from "@weft/shared/tls.ts";
import { Kept, run } from "@weft/test/lab/processes.ts";
import { stringify } from "yaml";
import { readMetrics } from "./metrics.ts";
import { BRIDGE, type RealSwitch, UNDERLAY_MTU_BYTES } from "./real-switch.ts";

const AGENT = fileURLToPath(new URL("../bin/weft-agent", import.meta.url));
const METRICS = "127.0.0.1:7643";

export interface AgentOptions {
  readonly dir: string;
  readonly labDir: string;
  readonly chassis: string;
  readonly vtepIp: string;
  /** host:port of central's southbound listener. */
  readonly central: string;
  readonly tls: TlsFiles;
  readonly ovs: RealSwitch;
}

export class AgentProcess {
  readonly #options: AgentOptions;
  #process: Kept | null = null;

  private constructor(options: AgentOptions) {
    this.#options = options;
  }

  /** Writes its configuration; start() runs it. */
  static async prepare(options: AgentOptions): Promise<AgentProcess> {
    await mkdir(options.dir, { recursive: true });
    const { chassis, central, tls, ovs, vtepIp } = options;
    const config = {
      chassis,
      central: { address: central, tls },
      stateDir: join(options.dir, "state"),
      ovs: {
        database: ovs.ovs.dbAddress,
        runDir: ovs.ovs.dir,
        bridge: BRIDGE,
        datapathType: "netdev",
        adoptBridge: true,
      },
      encaps: [{ type: "geneve", ip: vtepIp, underlayMtuBytes: UNDERLAY_MTU_BYTES }],
      metrics: { listen: METRICS },
      log: { level: "info" },
    };
    await writeFile(join(options.dir, "agent.yaml"), stringify(config));
    return new AgentProcess(options);
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get log(): string {
    return join(this.#options.dir, "agent.log");
  }

  /** Answers performance.now() just before exec. */
  start(): number {
    const atMs = performance.now();
    this.#process = new Kept({
      command: [AGENT, "--config", join(this.#options.dir, "agent.yaml")],
      labDir: this.#options.labDir,
      logPath: this.log,
    });
    return atMs;
  }

  async end(): Promise<void> {
    await this.#process?.end();
  }

  async forgetState(): Promise<void> {
    await rm(join(this.#options.dir, "state"), { recursive: true, force: true });
  }

  /**
   * Waits until the stream to central is up and the engine has answered for everything that was given to it; answers when that was
   * seen. It is asked every few milliseconds.
   */
  async whenSettled(deadlineMs = 60_000): Promise<number> {
    const end = performance.now() + deadlineMs;
    for (;;) {
      if (this.#process?.running !== true)
        throw new Error(`weft-agent ended; its log: ${this.log}`);
      const metrics = await readMetrics(METRICS);
      const is = (name: string): number | undefined => metrics?.get(`weft_agent_${name}`);
      const holds = is("streaming") === 1 && is("engine_backlog") === 0;
      if (holds && (is("instructions") ?? 0) > 0 && (is("flows") ?? 0) > 0)
        return performance.now();
      if (performance.now() > end) {
        throw new Error(`weft-agent not settled after ${deadlineMs} ms; its log: ${this.log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Instructions that it holds. */
  async instructions(): Promise<number> {
    const held = (await readMetrics(METRICS))?.get("weft_agent_instructions");
    if (held === undefined) throw new Error(`weft-agent tells no metrics; its log: ${this.log}`);
    return held;
  }

  /** TCP payload from central on the connection that is up now. */
  async bytesFromCentral(): Promise<number> {
    const port = this.#options.central.split(":").at(-1);
    const text = await run("ss", "-tinpHO", "state", "established", `( dport = :${port} )`);
    const mine = text.split("\n").filter((line) => line.includes(`pid=${this.pid},`));
    const bytes = mine.map((line) => Number(/bytes_received:(\d+)/.exec(line)?.[1] ?? 0));
    return bytes.reduce((sum, one) => sum + one, 0);
  }
}
