// Every change of a bridge's flow table, stamped when it arrives: `ovs-ofctl monitor`. It only watches. Used by run.ts to see when
// flows are there without asking the switch again and again, which would cost it a walk over all flows.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { until } from "@weft/test/lab/ovs.ts";
import { run } from "@weft/test/lab/processes.ts";

export interface FlowEvent {
  /** performance.now() of this process. */
  readonly atMs: number;
  readonly kind: "ADDED" | "DELETED" | "MODIFIED";
  /** As ovs-ofctl prints it: table, match, actions. */
  readonly text: string;
}

/** Kept events; the oldest go first. A whole chassis at L has fewer flows. */
const MAX_EVENTS = 20_000;

/** Monitors started by this process: each needs a control socket of its own. */
let started = 0;

export class FlowMonitor {
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #events: FlowEvent[] = [];
  #rest = "";
  #ended: string | null = null;

  private constructor(child: ChildProcess) {
    this.#child = child;
    // ovs-ofctl prints what it receives to its standard error.
    child.stderr?.setEncoding("utf8");
    child.stderr?.on("data", (text: string) => this.#take(text));
    child.once("exit", (code) => {
      this.#ended = `ovs-ofctl monitor ended with ${code}: ${this.#rest}`;
      this.#wake();
    });
  }

  /** `target` is the bridge's management socket; `runDir` a writable folder for the client's own socket. */
  static async start(target: string, runDir: string): Promise<FlowMonitor> {
    const control = join(runDir, `flow-monitor-${++started}.ctl`);
    const child = spawn(
      "ovs-ofctl",
      ["-O", "OpenFlow15", `--unixctl=${control}`, "monitor", `unix:${target}`, "watch:!initial"],
      { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, OVS_RUNDIR: runDir } },
    );
    const monitor = new FlowMonitor(child);
    // Barrier answered = the request before it has been taken: watching has begun.
    await until("ovs-ofctl monitor to watch", () => {
      if (monitor.#ended !== null) throw new Error(monitor.#ended);
      return run("ovs-appctl", "--timeout=5", "-t", control, "ofctl/barrier").then(
        () => true,
        () => false,
      );
    });
    return monitor;
  }

  clear(): void {
    this.#events = [];
  }

  get events(): readonly FlowEvent[] {
    return this.#events;
  }

  /** Arrival of the newest event; null when there is none since clear(). */
  get lastMs(): number | null {
    return this.#events.at(-1)?.atMs ?? null;
  }

  /** When the first event that matches arrived. Throws at the deadline, naming `what`. */
  first(what: string, matches: (event: FlowEvent) => boolean, deadlineMs: number): Promise<number> {
    return this.#until(what, () => this.#events.find(matches)?.atMs ?? null, deadlineMs);
  }

  /** Waits until no event has arrived for `quietMs`; answers the arrival of the last one, null when there was none. */
  async settle(quietMs: number): Promise<number | null> {
    const fromMs = performance.now();
    for (;;) {
      const since = this.lastMs ?? fromMs;
      const count = this.#events.length;
      const restMs = Math.max(quietMs - (performance.now() - since), quietMs / 4);
      await new Promise((resolve) => setTimeout(resolve, Math.min(restMs, quietMs)));
      if (this.#events.length === count && performance.now() - since >= quietMs) return this.lastMs;
    }
  }

  async stop(): Promise<void> {
    if (this.#ended !== null) return;
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGTERM");
    await exited;
  }

  #take(text: string): void {
    const atMs = performance.now();
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const event = parseFlowEvent(line, atMs);
      if (event === null) continue;
      this.#events.push(event);
      if (this.#events.length > MAX_EVENTS) this.#events.shift();
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  #until(what: string, found: () => number | null, deadlineMs: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const look = (): void => {
        const at = found();
        if (at === null && this.#ended === null) return;
        done();
        if (at === null) reject(new Error(`${what}: ${this.#ended}`));
        else resolve(at);
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`waited ${deadlineMs} ms in vain for ${what} in the flow table`));
      }, deadlineMs);
      this.#waiting.add(look);
      look();
    });
  }
}

/** Null for a line that reports no change. */
export function parseFlowEvent(line: string, atMs: number): FlowEvent | null {
  const match = /^\s*event=(ADDED|DELETED|MODIFIED)\s+(.*)$/.exec(line);
  const [, kind, text] = match ?? [];
  if (kind === undefined || text === undefined) return null;
  return { atMs, kind: kind as FlowEvent["kind"], text };
}
