// `make bench-ovn`: OVN on the objects that Weft loaded (networks, ports, routers, routes), beside Weft's own figures of that size, and
// OVN with the full workload for the record: the host's OVN, or with --suite that of another Debian. Starts bench/ovn/bench.py, and
// bench/run.ts when there is no result of Weft yet.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { loadChanges } from "./changes.ts";
import { diskFlushP50Ms, loadAverage, machineNow } from "./machine.ts";
import type { Figures } from "./report.ts";
import {
  type Compared,
  compare,
  comparisonTable,
  type OvnResult,
  samplesOf,
} from "./side-by-side.ts";
import { type Size, sizes, type Workload } from "./workload.ts";
import { readWorkload, workloadFile } from "./workload-file.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const QUICK_SAMPLES = 20;
/** Samples an operation by size: enough for a p99 at L, short at S. */
const SAMPLES: Readonly<Record<Size, number>> = { S: 50, M: 100, L: 200, XL: 50, SR: 50, LR: 200 };
/** The operations begin no other round after this. */
const OPERATIONS_SECONDS = 600;
/** What of a workload Weft loads; see workloads/subset.py. */
const KEPT = "routing";
/** Roots of other Debian releases: large, made once. */
const ROOTS = process.env["WEFT_BENCH_ROOTS"] ?? "/var/cache/weft-bench";
/** Enough to see where the full workload lies; it is not compared. */
const FULL_SAMPLES = 5;

interface Options {
  readonly size: Size;
  readonly out?: string;
  readonly weft?: string;
  readonly quick?: true;
  readonly seconds: string;
  readonly full: boolean;
  readonly suite?: "bookworm" | "trixie";
}

const options = new Command()
  .description("OVN and Weft side by side on the same workload")
  .addOption(new Option("--size <size>", "workload").choices(sizes).default("S"))
  .option("--out <file>", "write the figures as JSON")
  .option("--weft <file>", "figures of Weft, as make bench wrote them (default: the last run's)")
  .option("--quick", `${QUICK_SAMPLES} samples an operation`)
  .option(
    "--seconds <n>",
    "begin no other round of operations after this",
    String(OPERATIONS_SECONDS),
  )
  .option("--no-full", "leave out OVN with the full workload")
  .addOption(
    new Option(
      "--suite <name>",
      `OVN of this Debian release, bootstrapped once into ${ROOTS} (WEFT_BENCH_ROOTS); default: the host's`,
    ).choices(["bookworm", "trixie"]),
  )
  .parse()
  .opts<Options>();

const running = new Set<ReturnType<typeof spawn>>();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    process.exitCode = 130;
    // bench.py ends its daemons on the way out; the wait below then fails and cleans up.
    for (const child of running) child.kill("SIGTERM");
  });
}

/** Runs to the end with our output; throws unless it succeeds. Lines marked by bench.py's clock are its progress. */
async function runChild(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"], detached: true });
  running.add(child);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  running.delete(child);
  if (code !== 0)
    throw new Error(`${command} ${args.slice(0, 3).join(" ")} ... ended with ${code}`);
}

/** With a root of another release only the host's OVS tools are used. */
function missingPrograms(): readonly string[] {
  const needed = {
    "/usr/sbin/ovs-vswitchd": "openvswitch-switch",
    ...(options.suite === undefined && {
      "/usr/bin/ovn-northd": "ovn-central",
      "/usr/bin/ovn-controller": "ovn-host",
    }),
  };
  return Object.entries(needed).flatMap(([file, name]) => (existsSync(file) ? [] : [name]));
}

/** Figures of a run that loaded what OVN is given now. */
async function weftFigures(workload: Workload): Promise<Figures | null> {
  const file = options.weft ?? join(HERE, "results", `${options.size}.json`);
  if (!existsSync(file) && options.weft === undefined) {
    console.log(`no figures of Weft at ${options.size} yet: measuring them first`);
    const quick = options.quick === true ? ["--quick"] : [];
    await runChild(process.execPath, [join(HERE, "run.ts"), "--size", options.size, ...quick]);
  }
  const result = JSON.parse(await readFile(file, "utf8")) as Figures & {
    readonly notes?: Readonly<Record<string, string>>;
  };
  const objects = String(loadChanges(workload).length);
  if (result.notes?.["objects"] !== objects)
    throw new Error(`${file} is not of these ${objects} objects: run make bench again`);
  return result;
}

async function ovnFigures(dir: string, workload: string): Promise<Record<string, OvnResult>> {
  const { size } = options;
  const out = join(dir, "results.json");
  const [program, ...first] = await benchCommand(dir);
  const samples = options.quick === true ? QUICK_SAMPLES : SAMPLES[size];
  const common = ["--size", size, "--workload", workload, "--out", out, "--base", join(dir, "run")];
  const args = [...first, ...common];
  const runs = options.quick === true || size === "S" ? "1" : "3";
  console.log(
    `OVN, networks, ports, routers and routes of ${size}: ${samples} samples an operation, or as many ` +
      `as ${options.seconds} s allow`,
  );
  await runChild(program, [
    ...args,
    ...["--keep", KEPT, "--variant", "same", "--compile-runs", runs, "--chassis-runs", runs],
    ...["--warm-runs", "0", "--samples", String(samples), "--only", "rounds", "--no-facts"],
    ...["--seconds", options.seconds],
  ]);
  if (options.full) {
    console.log(`OVN, all of ${size} (also gateways, rules, load balancers, floating IPs, DHCP)`);
    await runChild(program, [
      ...args,
      ...["--variant", "full", "--compile-runs", "1", "--chassis-runs", "1", "--warm-runs", "0"],
      ...["--samples", String(FULL_SAMPLES), "--only", "rounds", "--no-facts"],
    ]);
  }
  return JSON.parse(await readFile(out, "utf8")) as Record<string, OvnResult>;
}

/** bench.py on the host, or with another release's root, whose mounts end with it. */
async function benchCommand(dir: string): Promise<readonly [program: string, ...args: string[]]> {
  const bench = join(HERE, "ovn", "bench.py");
  if (options.suite === undefined) return ["python3", bench];
  if (process.getuid?.() !== 0)
    throw new Error("--suite needs root for mounts and chroot: sudo make bench-ovn");
  await mkdir(ROOTS, { recursive: true });
  const root = join(ROOTS, options.suite);
  const script = join(HERE, "ovn", "root.sh");
  await runChild(script, ["make", options.suite, root]);
  return [script, "run", root, dir, "python3", bench, "--root", root];
}

/** `weft.<figure>`, `ovn.<figure>` and `ovn_full.<figure>` side by side in one flat object. */
function flat(compared: readonly Compared[]): Record<string, number | null> {
  return Object.fromEntries(
    compared.flatMap(({ name, weft, ovn, ovnFull, ratio }) => [
      ...[[`weft.${name}`, weft] as const, [`ovn.${name}`, ovn] as const],
      ...[[`ovn_full.${name}`, ovnFull] as const, [`ratio.${name}`, ratio] as const],
    ]),
  );
}

async function main(): Promise<void> {
  const missing = missingPrograms();
  if (missing.length > 0) throw new Error(`missing: apt-get install ${missing.join(" ")}`);
  const dir = await mkdtemp(join(tmpdir(), "weft-bench-ovn-"));
  try {
    const workload = await workloadFile(options.size);
    const weft = await weftFigures(await readWorkload(options.size)).catch((error: unknown) => {
      if (process.exitCode !== undefined) throw error;
      console.error(
        `no figures of Weft: ${error instanceof Error ? error.message : String(error)}`,
      );
      return null;
    });
    const machine = machineNow();
    const disk_flush_p50_ms = await diskFlushP50Ms(dir);
    if (machine.noisy)
      console.log(`noisy: load average ${machine.load_average_start} at the start`);
    const results = await ovnFigures(dir, workload);
    const same = results[`${options.size}+same`] ?? null;
    const full = results[`${options.size}+full`] ?? null;
    const compared = compare(weft, same, full);
    const meta = (same?.["meta"] ?? {}) as Readonly<Record<string, string>>;
    console.log(`\n${meta["ovn"]}, ${meta["ovs"]}, size ${options.size}`);
    console.log(
      "OVN / Weft above 1: Weft needs less. The full workload is beside it, not compared.\n",
    );
    const judged = options.size === "LR" && meta["ovn"]?.includes(" 25.03") === true;
    console.log(comparisonTable(compared, judged));
    const file = {
      size: options.size,
      ovn_version: meta["ovn"] ?? null,
      ovs_version: meta["ovs"] ?? null,
      ...machine,
      load_average_end: loadAverage(),
      disk_flush_p50_ms,
      ovn_samples: samplesOf(same),
      ...flat(compared),
    };
    const text = `${JSON.stringify(file, null, 2)}\n`;
    await mkdir(join(HERE, "results"), { recursive: true });
    const of = options.suite === undefined ? "ovn" : `ovn-${options.suite}`;
    await writeFile(join(HERE, "results", `${options.size}-${of}.json`), text);
    if (options.out !== undefined) await writeFile(options.out, text);
  } finally {
    await rm(dir, { recursive: true, force: true });
    // Where root.sh showed that folder inside the root; the mount is gone, an empty folder is left.
    if (options.suite !== undefined) await rmdir(join(ROOTS, options.suite, dir)).catch(() => {});
  }
}

try {
  await main();
} catch (error) {
  console.error(`bench-ovn: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode ??= 1;
}
