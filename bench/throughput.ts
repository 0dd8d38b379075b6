// `make bench-throughput`: routed against switched, one TCP stream between two hosts over Geneve, each family, in interleaved pairs.
// Says "undecided" where the noise does not decide. The switches run the userspace datapath, as everywhere in the lab. Cleans up
// after itself, also on Ctrl-C. README.md says what is counted.

import { mkdir, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Cluster } from "@weft/test/lab/cluster.ts";
import { Command } from "commander";
import { loadAverage, machineNow } from "./machine.ts";
import { PREFIX, ThroughputLab } from "./throughput-lab.ts";
import {
  type Family,
  families,
  LEAST_PAIRS,
  LEAST_SHARE,
  orderOfPair,
  outcomeOf,
  outcomeTable,
  type Pair,
  type Path,
  type Stream,
} from "./throughput-report.ts";

const RESULTS = fileURLToPath(new URL("results", import.meta.url));
/** Streams before the first pair, so that no pair meets a cold cache. */
const WARM_UP_SECONDS = 1;

interface Options {
  readonly pairs: string;
  readonly seconds: string;
  readonly out?: string;
}

const options = new Command()
  .description("Throughput of one TCP stream, routed against switched, across two hosts")
  .option("--pairs <n>", `pairs a family; fewer than ${LEAST_PAIRS} decide nothing`, "10")
  .option("--seconds <n>", "seconds a stream", "10")
  .option("--out <file>", "write the figures as JSON")
  .parse()
  .opts<Options>();

const startedMs = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`[${seconds.padStart(6)} s] ${text}`);
}

function positive(name: "pairs" | "seconds"): number {
  const value = Number(options[name]);
  if (!Number.isInteger(value) || value < 1 || value > 1000)
    throw new Error(`--${name} ${options[name]}: a whole number from 1 to 1000`);
  return value;
}

async function onePair(
  lab: ThroughputLab,
  at: number,
  family: Family,
  seconds: number,
): Promise<Pair> {
  const streams = new Map<Path, Stream>();
  for (const path of orderOfPair(at)) streams.set(path, await lab.stream(path, family, seconds));
  const [switched, routed] = [streams.get("switched"), streams.get("routed")];
  if (switched === undefined || routed === undefined) throw new Error("a pair has two streams");
  return { switched, routed };
}

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error("needs root for network namespaces: use sudo");
  if (!existsSync("/usr/bin/iperf3")) throw new Error("iperf3 is missing: apt-get install iperf3");
  const [pairs, seconds] = [positive("pairs"), positive("seconds")];
  const machine = machineNow();
  if (machine.noisy) say(`noisy: load average ${machine.load_average_start} at the start`);
  await using lab = await ThroughputLab.start(say);
  for (const family of families) await onePair(lab, 0, family, WARM_UP_SECONDS);
  const found: Record<Family, Pair[]> = { IPv4: [], IPv6: [] };
  for (let at = 0; at < pairs; at++) {
    for (const family of families) {
      const pair = await onePair(lab, at, family, seconds);
      found[family].push(pair);
      const share = pair.routed.bitsPerSecond / pair.switched.bitsPerSecond;
      say(
        `pair ${at + 1} of ${pairs}, ${family}: routed ${(share * 100).toFixed(1)} % of switched`,
      );
    }
  }
  const outcomes = { IPv4: outcomeOf(found.IPv4), IPv6: outcomeOf(found.IPv6) };
  console.log(`\n${outcomeTable(outcomes)}`);
  console.log(
    `\nWith a 95 % interval of the median; ok = at least ${LEAST_SHARE * 100} % beyond doubt. ` +
      "undecided: look at packets per CPU-second, which other load disturbs less.\n",
  );
  const file = { pairs, seconds, ...machine, load_average_end: loadAverage(), outcomes, found };
  const text = `${JSON.stringify(file, null, 2)}\n`;
  await mkdir(RESULTS, { recursive: true });
  await writeFile(join(RESULTS, "throughput.json"), text);
  if (options.out !== undefined) await writeFile(options.out, text);
  if (Object.values(outcomes).some(({ verdict }) => verdict === "BELOW")) process.exitCode = 1;
}

let interrupted = false;
/** Settles after a Ctrl-C, once all is removed. Twice: what was being made during the first pass is gone after the second. */
const cleaned = new Promise<number>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      interrupted = true;
      console.error(`\nthroughput: ${signal}, cleaning up`);
      const remove = () => Cluster.removeLeftovers(PREFIX);
      void remove()
        .then(remove)
        .finally(() => resolve(130));
    });
  }
});
const finished = main().then(
  () => Number(process.exitCode ?? 0),
  (error: unknown) => {
    // What fails while everything is being taken away says nothing.
    if (interrupted) return cleaned;
    console.error(`throughput: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  },
);
process.exit(await Promise.race([finished, cleaned]));
