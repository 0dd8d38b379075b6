// What the machine was like while something was measured: cores, load average, how long a flush to disk takes, CPU and memory of
// a process. Reads /proc and writes one scratch file; starts nothing. Called by run.ts, ovn.ts and operations.ts.

import { mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { summarize } from "./stats.ts";

/** One-minute load average at the start above which a run calls itself noisy. */
export const NOISY_LOAD = 0.5;

export interface Machine {
  readonly cpu_model: string;
  readonly cpus: number;
  readonly memory_mib: number;
  readonly load_average_start: number;
  readonly noisy: boolean;
}

export function machineNow(): Machine {
  const [load = 0] = loadavg();
  return {
    cpu_model: cpus()[0]?.model ?? "unknown",
    cpus: cpus().length,
    memory_mib: Math.round(totalmem() / MIB),
    load_average_start: round(load, 2),
    noisy: load > NOISY_LOAD,
  };
}

export function loadAverage(): number {
  return round(loadavg()[0] ?? 0, 2);
}

/** Median time of writing 4 KiB at the end of a file in `dir` and flushing it, which is what a commit waits for. */
export async function diskFlushP50Ms(dir: string, samples = 50): Promise<number> {
  const scratch = await mkdtemp(join(dir, "flush-"));
  const file = await open(join(scratch, "file"), "w");
  try {
    const block = Buffer.alloc(4096, 1);
    const times: number[] = [];
    for (let at = 0; at < samples; at++) {
      const from = performance.now();
      await file.write(block);
      await file.datasync();
      times.push(performance.now() - from);
    }
    return round(summarize(times)?.p50 ?? 0, 3);
  } finally {
    await file.close();
    await rm(scratch, { recursive: true });
  }
}

/** CPU that a process and its threads have used, in microseconds. Threads that ended meanwhile are missed. */
export async function processCpuUs(pid: number): Promise<number> {
  let ns = 0;
  for (const task of await readdir(`/proc/${pid}/task`)) {
    const text = await readFile(`/proc/${pid}/task/${task}/schedstat`, "utf8").catch(() => "0");
    ns += Number(text.split(" ")[0]);
  }
  return ns / 1000;
}

export interface Memory {
  readonly rssMib: number;
  /** The highest it ever was. */
  readonly hwmMib: number;
}

export async function processMemory(pid: number): Promise<Memory> {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  const mib = (field: string): number => {
    const kib = Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1]);
    return round(kib / 1024, 1);
  };
  return { rssMib: mib("VmRSS"), hwmMib: mib("VmHWM") };
}

/** CPU of this process since it began, in seconds. */
export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

const MIB = 1024 * 1024;
