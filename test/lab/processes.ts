// Child processes of the lab: run one to its end, or keep one and end it by pid. Every kept process is started with the lab's
// folder in its command line or environment (WEFT_LAB), so that a later run can tell leftovers of its own from anything else.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Runs a command to its end; throws with its error output when it fails. */
export async function run(command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(command, [...args], { maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

export interface KeptOptions {
  readonly command: readonly string[];
  /** Folder of the lab; marks the process. */
  readonly labDir: string;
  /** Output goes there; absent = the caller reads child.stdout. */
  readonly logPath?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** A process that stays until it is ended. */
export class Kept {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  #running = true;

  constructor(options: KeptOptions) {
    const [file = "", ...args] = options.command;
    // The log is the child's own file, not our pipe: it must outlive this process when the lab is kept.
    const log = options.logPath === undefined ? null : openSync(options.logPath, "a");
    this.child = spawn(file, args, {
      stdio: log === null ? ["pipe", "pipe", "pipe"] : ["ignore", log, log],
      env: { ...process.env, ...options.env, WEFT_LAB: options.labDir },
      detached: true,
    });
    if (log !== null) closeSync(log);
    this.exited = new Promise((resolve) => {
      this.child.once("exit", (code) => {
        this.#running = false;
        resolve(code);
      });
      this.child.once("error", () => {
        this.#running = false;
        resolve(127);
      });
    });
  }

  get running(): boolean {
    return this.#running;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Sends the signal and waits for the end; idempotent. After 10 s without an end it kills. */
  async end(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    if (!this.#running) return;
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 10_000);
    await this.exited;
    clearTimeout(timer);
  }
}

/** Ends what an earlier run of the same lab left behind: processes whose environment or command line names its folder. */
export async function endLeftovers(labDir: string): Promise<number> {
  let ended = 0;
  for (const name of await readdir("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    const arguments_ = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const marked = environment.split("\0").includes(`WEFT_LAB=${labDir}`);
    if (!marked && !arguments_.includes(`${labDir}/`)) continue;
    try {
      process.kill(pid, "SIGKILL");
      ended++;
    } catch {
      // Ended by itself meanwhile.
    }
  }
  return ended;
}
