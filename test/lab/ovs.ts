// Starts a real ovsdb-server and ovs-vswitchd of our own in a scratch folder, optionally in a network
// namespace of their own, and takes them away again. It never touches an Open vSwitch that it did not
// start. Used by integration tests, the engine's tests, the fault tests and the demo.
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface OvsOptions {
  /** Scratch folder; created. Keep it short: a socket path in it must stay below 108 bytes. */
  readonly dir: string;
  /** Names this Open vSwitch in logs and errors. */
  readonly name: string;
  /** Network namespace to run in; created when absent, and then also removed by stop(). */
  readonly netns?: string;
  /** No real devices: every datapath and interface type is simulated. Needs no namespace. */
  readonly dummyDatapath?: boolean;
  /** Only ovsdb-server at first; startVswitchd() adds the rest. */
  readonly withoutVswitchd?: boolean;
  /** A one-server cluster instead of a plain file: keeps the history that monitor resume needs. */
  readonly clustered?: boolean;
  /** `external_ids:system-id` of the root row. */
  readonly systemId?: string;
  readonly schema?: string;
}

export type OvsDaemon = "ovsdb-server" | "ovs-vswitchd";
export type StopSignal = "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT";

const DEFAULT_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema";
const DEADLINE_MS = 20_000;
const POLL_MS = 20;

export async function startOvs(options: OvsOptions): Promise<Ovs> {
  const madeNetns = options.netns !== undefined && !existsSync(`/run/netns/${options.netns}`);
  if (madeNetns && options.netns !== undefined) {
    await run("ip", ["netns", "add", options.netns]);
    await run("ip", ["-n", options.netns, "link", "set", "lo", "up"]);
  }
  const ovs = new Ovs(options, madeNetns);
  try {
    await mkdir(options.dir, { recursive: true });
    await ovs.createDatabase();
    await ovs.startOvsdb();
    await ovs.initialise();
    if (options.withoutVswitchd !== true) await ovs.startVswitchd();
  } catch (error) {
    await ovs.stop();
    throw error;
  }
  return ovs;
}

export class Ovs implements AsyncDisposable {
  readonly dir: string;
  readonly name: string;
  readonly netns: string | null;
  readonly #options: OvsOptions;
  readonly #madeNetns: boolean;

  /** Use startOvs. */
  constructor(options: OvsOptions, madeNetns: boolean) {
    this.#options = options;
    this.#madeNetns = madeNetns;
    this.dir = options.dir;
    this.name = options.name;
    this.netns = options.netns ?? null;
  }

  /** Path of the OVSDB socket. */
  get dbSocket(): string {
    return join(this.dir, "db.sock");
  }

  /** The OVSDB socket as an address for clients. */
  get dbAddress(): string {
    return `unix:${this.dbSocket}`;
  }

  /** Path of the OpenFlow socket of a bridge; there once ovs-vswitchd has made the bridge. */
  mgmtSocket(bridge: string): string {
    return join(this.dir, `${bridge}.mgmt`);
  }

  /** Pid of a daemon; null when it does not run. */
  async pid(daemon: OvsDaemon): Promise<number | null> {
    const text = await readFile(this.#pidFile(daemon), "utf8").catch(() => "");
    const pid = Number.parseInt(text, 10);
    return Number.isInteger(pid) && (await this.#isOurs(pid, daemon)) ? pid : null;
  }

  async pids(): Promise<Readonly<Record<OvsDaemon, number | null>>> {
    return {
      "ovsdb-server": await this.pid("ovsdb-server"),
      "ovs-vswitchd": await this.pid("ovs-vswitchd"),
    };
  }

  async createDatabase(): Promise<void> {
    const schema = this.#options.schema ?? DEFAULT_SCHEMA;
    await rm(this.#dbFile, { force: true });
    if (this.#options.clustered === true) {
      const local = `unix:${join(this.dir, "raft.sock")}`;
      await run("ovsdb-tool", ["create-cluster", this.#dbFile, schema, local]);
    } else {
      await run("ovsdb-tool", ["create", this.#dbFile, schema]);
    }
  }

  /** `more`: further options of ovsdb-server, such as other remotes. */
  async startOvsdb(...more: readonly string[]): Promise<void> {
    await this.#daemon("ovsdb-server", [this.#dbFile, `--remote=punix:${this.dbSocket}`, ...more]);
  }

  async startVswitchd(): Promise<void> {
    const dummy = this.#options.dummyDatapath === true ? ["--enable-dummy=override"] : [];
    await this.#daemon("ovs-vswitchd", [this.dbAddress, ...dummy]);
  }

  async initialise(): Promise<void> {
    await this.vsctl("--no-wait", "init");
    const id = this.#options.systemId;
    if (id === undefined) return;
    await this.vsctl("--no-wait", "set", "Open_vSwitch", ".", `external_ids:system-id="${id}"`);
  }

  /** Ends one daemon and waits until it is gone. SIGSTOP and SIGCONT only send the signal. */
  async kill(daemon: OvsDaemon, signal: StopSignal = "SIGKILL"): Promise<void> {
    const pid = await this.pid(daemon);
    if (pid === null) return;
    process.kill(pid, signal);
    if (signal === "SIGSTOP" || signal === "SIGCONT") return;
    await until(`${daemon} of ${this.name} to end`, async () => !(await this.#isOurs(pid, daemon)));
    // A killed ovsdb-server leaves its sockets: a client would get "refused" instead of "absent".
    if (daemon === "ovsdb-server") await rm(this.dbSocket, { force: true });
  }

  async restartVswitchd(signal: StopSignal = "SIGTERM"): Promise<void> {
    await this.kill("ovs-vswitchd", signal);
    await this.startVswitchd();
  }

  async restartOvsdb(signal: StopSignal = "SIGTERM"): Promise<void> {
    await this.kill("ovsdb-server", signal);
    await this.startOvsdb();
  }

  async vsctl(...args: readonly string[]): Promise<string> {
    const all = ["--timeout=10", `--db=${this.dbAddress}`, ...args];
    return (await this.#tool("ovs-vsctl", all)).trimEnd();
  }

  async ofctl(command: string, bridge: string, ...args: readonly string[]): Promise<string> {
    const target = `unix:${this.mgmtSocket(bridge)}`;
    return this.#tool("ovs-ofctl", ["--timeout=10", "-O", "OpenFlow15", command, target, ...args]);
  }

  /** ovs-appctl to one of our daemons. */
  async appctl(daemon: OvsDaemon, ...args: readonly string[]): Promise<string> {
    return this.#tool("ovs-appctl", [
      "--timeout=10",
      "-t",
      join(this.dir, `${daemon}.ctl`),
      ...args,
    ]);
  }

  /** Runs a command in the network namespace, or as it is when there is none. */
  async exec(command: string, ...args: readonly string[]): Promise<string> {
    const [file = command, ...rest] = this.#inNetns([command, ...args]);
    const { stdout } = await run(file, rest, { maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  }

  /** Ends both daemons, removes the folder and a namespace that we made. Idempotent. */
  async stop(): Promise<void> {
    for (const daemon of ["ovs-vswitchd", "ovsdb-server"] as const) {
      const pid = await this.pid(daemon);
      if (pid !== null) process.kill(pid, "SIGCONT");
      await this.kill(daemon, "SIGTERM");
    }
    await rm(this.dir, { recursive: true, force: true });
    if (this.#madeNetns && this.netns !== null && existsSync(`/run/netns/${this.netns}`)) {
      await run("ip", ["netns", "del", this.netns]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  get #dbFile(): string {
    return join(this.dir, "conf.db");
  }

  #pidFile(daemon: OvsDaemon): string {
    return join(this.dir, `${daemon}.pid`);
  }

  /** With --detach the command returns once the daemon serves its sockets. */
  async #daemon(daemon: OvsDaemon, args: readonly string[]): Promise<void> {
    const [file = daemon, ...rest] = this.#inNetns([
      daemon,
      ...args,
      `--pidfile=${this.#pidFile(daemon)}`,
      `--unixctl=${join(this.dir, `${daemon}.ctl`)}`,
      `--log-file=${join(this.dir, `${daemon}.log`)}`,
      "--verbose=console:off",
      "--detach",
      "--no-chdir",
    ]);
    // No pipes: the daemon inherits them, and the wait for their end would be a wait for its end.
    const child = spawn(file, rest, { env: this.#env, stdio: "ignore" });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", resolve);
    });
    if (code !== 0) {
      const log = await readFile(join(this.dir, `${daemon}.log`), "utf8").catch(() => "");
      const tail = log.split("\n").slice(-8).join("\n");
      throw new Error(`${daemon} of ${this.name} ended with ${code} while starting:\n${tail}`);
    }
  }

  #inNetns(command: readonly string[]): readonly string[] {
    return this.netns === null ? command : ["ip", "netns", "exec", this.netns, ...command];
  }

  get #env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      OVS_RUNDIR: this.dir,
      OVS_DBDIR: this.dir,
      OVS_LOGDIR: this.dir,
      OVS_SYSCONFDIR: this.dir,
    };
  }

  async #tool(file: string, args: readonly string[]): Promise<string> {
    const options = { env: this.#env, maxBuffer: 64 * 1024 * 1024 };
    const { stdout } = await run(file, [...args], options);
    return stdout;
  }

  /** Guards against a pid that was given to another process since. */
  async #isOurs(pid: number, daemon: OvsDaemon): Promise<boolean> {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (!commandLine.includes(daemon) || !commandLine.includes(this.dir)) return false;
    const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    // A zombie is gone for all purposes.
    return state !== "" && !/\) Z /.test(state);
  }
}

/** Waits for a condition; throws, naming `what`, when it does not hold within the deadline. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
