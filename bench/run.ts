// `make bench`: a namespace of its own, and in it measure.ts, which does the work. This outer process only makes the namespace, passes
// signals on, and takes everything away again, also after Ctrl-C or a crash; an earlier run's leftovers go first.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { addNamespace, Fabric } from "@weft/test/lab/fabric.ts";
import { endLeftovers } from "@weft/test/lab/processes.ts";
import { Command, Option } from "commander";
import { loadAverage, NOISY_LOAD } from "./machine.ts";
import { sizes, type Size } from "./workload.ts";
import { workloadFile } from "./workload-file.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PREFIX = "wfbench";
/** Short: socket paths end at 108 bytes. */
const LAB_DIR = "/run/weft-bench";

interface Options {
  readonly size: Size;
  readonly out?: string;
  readonly quick?: true;
  readonly samples?: string;
  readonly installRatio: boolean;
  readonly keepLogs?: string;
}

const options = new Command()
  .description("Loads a workload into Weft with simulated chassis and a real one, and measures")
  .addOption(new Option("--size <size>", "workload").choices(sizes).default("S"))
  .option("--out <file>", "write the figures as JSON")
  .option("--quick", "20 samples an operation instead of 200")
  .option("--samples <n>", "samples an operation")
  .option("--no-install-ratio", "leave out install_ratio, which has no part in the workload")
  .option("--keep-logs <dir>", "copy logs of central, agent and switch there")
  .parse()
  .opts<Options>();

async function removeLeftovers(): Promise<void> {
  await endLeftovers(LAB_DIR);
  await Fabric.removeLeftovers(PREFIX);
  await rm(LAB_DIR, { recursive: true, force: true });
}

let child: ReturnType<typeof spawn> | null = null;
let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    console.error(`\nbench: ${signal}, cleaning up`);
    interrupted = true;
    child?.kill("SIGKILL");
  });
}

async function measure(netns: string, args: readonly string[]): Promise<number | null> {
  if (interrupted) return null;
  const command = [
    `--net=/run/netns/${netns}`,
    process.execPath,
    join(HERE, "measure.ts"),
    ...args,
  ];
  const started = spawn("nsenter", command, {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, WEFT_LAB: LAB_DIR },
  });
  child = started;
  return new Promise((resolve, reject) => {
    started.once("error", reject);
    started.once("exit", resolve);
  });
}

async function main(): Promise<number> {
  if (process.getuid?.() !== 0)
    throw new Error("needs root for network namespaces: sudo make bench");
  if (!existsSync("/usr/sbin/ovs-vswitchd")) {
    throw new Error("ovs-vswitchd is missing: apt-get install openvswitch-switch");
  }
  const workload = await workloadFile(options.size);
  // Before anything is started: the run's own load must not count.
  const load = loadAverage();
  if (load > NOISY_LOAD) console.log(`noisy: load average ${load} at the start`);
  await removeLeftovers();
  await mkdir(LAB_DIR, { recursive: true });
  const netns = `${PREFIX}-c1`;
  await addNamespace(netns);
  const result = join(LAB_DIR, "result.json");
  const samples = options.samples ?? (options.quick === true ? "20" : "200");
  const install = options.installRatio ? "install" : "no-install";
  const code = await measure(netns, [workload, LAB_DIR, samples, result, install]);
  if (options.keepLogs !== undefined) await keepLogs(options.keepLogs);
  if (code !== 0 && interrupted) return 130;
  if (code !== 0) {
    console.error(`bench: ended with ${code}; --keep-logs DIR keeps the logs of its processes`);
    return 1;
  }
  const text = await readFile(result, "utf8");
  await mkdir(join(HERE, "results"), { recursive: true });
  await writeFile(join(HERE, "results", `${options.size}.json`), text);
  if (options.out !== undefined) await writeFile(options.out, text);
  return 0;
}

async function keepLogs(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const path of ["central/central.log", "agent/agent.log", "ovs/ovs-vswitchd.log"]) {
    const text = await readFile(join(LAB_DIR, path)).catch(() => null);
    if (text !== null) await writeFile(join(dir, path.replaceAll("/", "-")), text);
  }
}

let status = 1;
try {
  status = await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
} finally {
  if (process.getuid?.() === 0) await removeLeftovers();
}
process.exit(interrupted ? 130 : status);
