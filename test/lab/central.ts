// Central in the lab: its own namespace on the management wire, its data folder, its certificates, and the command line run
// against it. Can be killed, restarted, given another data folder.

import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tlsFilesIn } from "@weft/shared/tls.ts";
import { stringify } from "yaml";
import { addNamespace, type Fabric } from "./fabric.ts";
import { until } from "./ovs.ts";
import { Kept, run } from "./processes.ts";

const CENTRAL = fileURLToPath(new URL("../../bin/weft-central", import.meta.url));
const CLI = fileURLToPath(new URL("../../bin/weft", import.meta.url));

const IP = "192.168.77.250";
const NORTHBOUND = `${IP}:7640`;
const SOUTHBOUND = `${IP}:7641`;

export interface CentralOptions {
  readonly fabric: Fabric;
  readonly labDir: string;
  /** Names of the chassis that get a certificate. */
  readonly chassis: readonly string[];
  /** Sections of central.yaml beside those of the lab. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Northbound on a unix socket without TLS, which is reached from outside of the namespace as well: central.northbound. */
  readonly localNorthbound?: boolean;
}

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Central {
  readonly netns: string;
  readonly dir: string;
  readonly pkiDir: string;
  /** host:port, or unix:/path. */
  readonly northbound: string;
  readonly southbound = SOUTHBOUND;
  readonly #labDir: string;
  #process: Kept | null = null;

  private constructor(netns: string, dir: string, pkiDir: string, options: CentralOptions) {
    const { labDir, localNorthbound = false } = options;
    this.northbound = localNorthbound ? `unix:${join(dir, "northbound.sock")}` : NORTHBOUND;
    this.netns = netns;
    this.dir = dir;
    this.pkiDir = pkiDir;
    this.#labDir = labDir;
  }

  static async start(options: CentralOptions): Promise<Central> {
    const { fabric, labDir } = options;
    const netns = `${fabric.prefix}-central`;
    const central = new Central(netns, join(labDir, "central"), join(labDir, "pki"), options);
    await addNamespace(netns);
    await fabric.attach("mgmt", netns, "mgmt0");
    await run("ip", "-n", netns, "address", "add", `${IP}/24`, "dev", "mgmt0");
    await mkdir(central.dir, { recursive: true });
    await central.#certify(options.chassis);
    await central.#configure(options.config ?? {});
    await central.startProcess();
    return central;
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get log(): string {
    return join(this.dir, "central.log");
  }

  get dataDir(): string {
    return join(this.dir, "data");
  }

  /** Starts central and waits until it answers. */
  async startProcess(): Promise<void> {
    this.#process = new Kept({
      command: [
        ...["ip", "netns", "exec", this.netns, CENTRAL],
        ...["--config", join(this.dir, "central.yaml")],
      ],
      labDir: this.#labDir,
      logPath: this.log,
    });
    await until(`central to answer (its log: ${this.log})`, async () => {
      if (!this.running) throw new Error(`central ended while starting; its log: ${this.log}`);
      return (await this.cli("status", "-o", "json")).code === 0;
    });
  }

  /** Puts a backup in place of the store, as an operator does; central must not run. */
  async restore(backup: string): Promise<void> {
    await run(CENTRAL, "restore", backup, "--config", join(this.dir, "central.yaml"));
  }

  /** Throws the store away; central must not run. */
  async forget(): Promise<void> {
    await rm(this.dataDir, { recursive: true });
  }

  async endProcess(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    await this.#process?.end(signal);
  }

  /** The weft command line as an operator on central's host. */
  async cli(...args: readonly string[]): Promise<CliResult> {
    const kept = this.keepCli(...args);
    kept.child.stdin?.end();
    let stdout = "";
    let stderr = "";
    kept.child.stdout?.on("data", (part: Buffer) => (stdout += part.toString()));
    kept.child.stderr?.on("data", (part: Buffer) => (stderr += part.toString()));
    const closed = new Promise((resolve) => kept.child.once("close", resolve));
    const code = (await kept.exited) ?? 1;
    await closed;
    return { code, stdout, stderr };
  }

  /** The weft command line as a process that goes on, such as `weft watch`; the caller reads and ends it. */
  keepCli(...args: readonly string[]): Kept {
    return new Kept({
      command: ["ip", "netns", "exec", this.netns, CLI, ...args],
      labDir: this.#labDir,
      env: {
        WEFT_SERVER: this.northbound,
        ...(this.#local
          ? { WEFT_PLAINTEXT: "true" }
          : { WEFT_TLS_DIR: join(this.pkiDir, "operator:admin") }),
      },
    });
  }

  /** As cli, but throws unless it succeeds. */
  async must(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.cli(...args);
    if (code !== 0)
      throw new Error(`weft ${args.join(" ")} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  async json<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.must(...args, "-o", "json")) as T;
  }

  async stop(): Promise<void> {
    await this.endProcess();
    await run("ip", "netns", "del", this.netns);
  }

  get #local(): boolean {
    return this.northbound.startsWith("unix:");
  }

  async #certify(chassis: readonly string[]): Promise<void> {
    await this.must("pki", "init", "--dir", this.pkiDir);
    await this.must("pki", "issue", "--dir", this.pkiDir, "--ip", IP, "central");
    await this.must("pki", "issue", "--dir", this.pkiDir, "operator:admin");
    for (const name of chassis) {
      await this.must("pki", "issue", "--dir", this.pkiDir, `chassis:${name}`);
    }
  }

  async #configure(more: Readonly<Record<string, unknown>>): Promise<void> {
    const tls = tlsFilesIn(join(this.pkiDir, "central"));
    const config = {
      ...more,
      dataDir: this.dataDir,
      northbound: { listen: this.northbound, plaintext: this.#local },
      southbound: { listen: SOUTHBOUND },
      tls,
      metrics: { listen: `${IP}:7642` },
    };
    await writeFile(join(this.dir, "central.yaml"), stringify(config));
  }
}
