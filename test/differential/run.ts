// `make test-differential SEED=n COUNT=n`: random cases on Weft and OVN side by side, one line each; a case that fails is made small
// and printed with what repeats it. SEED: of the first case. COUNT: how many follow one another. CASE=file: that case alone.
// SHRINK_SECONDS bounds the making small of one case. Exit status 0 only when no case failed.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missingOvnPackages, ovnVersion } from "../lab/ovn.ts";
import { BrokenLabError, type Failure, probesOf, Runner, type Sides } from "./case.ts";
import { encodeCase, readCase } from "./case-file.ts";
import { OVN_SERIES } from "./differences.ts";
import { generateCase } from "./generate.ts";
import { failureText } from "./print.ts";
import { type FixedCase, fixed, shrink } from "./shrink.ts";
import { startSides } from "./start.ts";

/** Short: namespaces and folders start with it. */
const PREFIX = "wfd";
/** Failing cases are printed and made small up to here; more of them say nothing new. */
const MOST_FAILURES = 10;
/** Set by Ctrl-C: the case that runs is the last. */
let stopping = false;

const KEPT = join(import.meta.dirname, "../../.tools/differential");

interface Job {
  readonly name: string;
  readonly repeat: string;
  readonly case_: FixedCase;
}

function* jobs(): Generator<Job> {
  const file = process.env["CASE"];
  if (file !== undefined && file !== "") {
    yield { name: file, repeat: `make test-differential CASE=${file}`, case_: readCase(file) };
    return;
  }
  const first = wholeNumber("SEED", 1);
  for (let seed = first; seed < first + wholeNumber("COUNT", 20); seed++) {
    const case_ = fixed(generateCase(seed).steps, probesOf);
    yield { name: `seed ${seed}`, repeat: `make test-differential SEED=${seed} COUNT=1`, case_ };
  }
}

function wholeNumber(name: string, otherwise: number): number {
  const text = process.env[name] ?? "";
  if (text === "") return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new Error(`${name} is a whole number from 0 on, not "${text}"`);
  }
  return value;
}

/** The systems, started again when a case has left them broken. */
class Lab implements AsyncDisposable {
  #sides: (Sides & AsyncDisposable) | null = null;
  #runner: Runner | null = null;

  async run(case_: FixedCase): Promise<Awaited<ReturnType<Runner["run"]>>> {
    this.#sides ??= await startSides(PREFIX, (text) => console.log(`  starting: ${text}`));
    this.#runner ??= new Runner(this.#sides);
    try {
      return await this.#runner.run(case_);
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const sides = this.#sides;
    this.#sides = null;
    this.#runner = null;
    await sides?.[Symbol.asyncDispose]();
  }
}

/** What makes two failures the same: the probe, or what went wrong without one, ids aside. */
function sameness({ probe, error, sweep }: Failure): string {
  if (sweep !== undefined) return `sweep over ${sweep.sweep.group}`;
  if (probe !== null) return `${probe.kind} from ${probe.from}`;
  return error === undefined ? "strays" : error.replaceAll(/[0-9]+/g, "N").slice(0, 60);
}

async function made(lab: Lab, { case_ }: Job, failure: Failure): Promise<[FixedCase, Failure]> {
  let shown = failure;
  const failed = { steps: case_.steps.slice(0, failure.step + 1) };
  const small = await shrink(failed, {
    nowMs: () => (stopping ? Number.POSITIVE_INFINITY : performance.now()),
    limitMs: wholeNumber("SHRINK_SECONDS", 90) * 1000,
    fails: async (candidate) => {
      const { failures } = await lab.run(candidate).catch((error: unknown) => {
        if (error instanceof BrokenLabError) return { failures: [] };
        throw error;
      });
      const again = failures.find((one) => sameness(one) === sameness(failure));
      if (again !== undefined) shown = again;
      return again !== undefined;
    },
  });
  return [small, shown];
}

async function show(lab: Lab, job: Job, failures: readonly Failure[]): Promise<void> {
  const [first] = failures;
  if (first === undefined) return;
  const [small, failure] = await made(lab, job, first);
  mkdirSync(KEPT, { recursive: true });
  const file = join(KEPT, `${job.name.replaceAll(/[^A-Za-z0-9]+/g, "-")}.json`);
  writeFileSync(file, encodeCase(small));
  console.log(`\n---- ${job.name}: the smallest case found that still fails ----`);
  console.log(failureText(small, failure));
  console.log(`repeat: ${job.repeat}; the small one: make test-differential CASE=${file}`);
  console.log("once it is mended, keep it: move that file to test/differential/regressions/\n");
}

async function main(): Promise<void> {
  const missing = missingOvnPackages();
  if (missing.length > 0) {
    console.error(`test-differential: OVN is missing: apt-get install ${missing.join(" ")}`);
    process.exitCode = 69;
    return;
  }
  const version = await ovnVersion();
  if (!version.startsWith(OVN_SERIES)) {
    console.log(`OVN is ${version}; the differences that are meant are those of ${OVN_SERIES}`);
  }
  const startedMs = performance.now();
  const because = new Map<string, number>();
  const failed: string[] = [];
  let cases = 0;
  let probes = 0;
  await using lab = new Lab();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => (stopping = true));
  for (const job of jobs()) {
    if (stopping) break;
    const beganMs = performance.now();
    const result = await lab.run(job.case_).catch((error: unknown) => {
      if (!(error instanceof BrokenLabError)) throw error;
      console.log(`${job.name}: FAILED, ${error.message}: ${String(error.cause)}; starting anew`);
      return null;
    });
    cases++;
    if (result === null) {
      failed.push(job.name);
      continue;
    }
    probes += result.probes;
    for (const [name, count] of result.because) because.set(name, (because.get(name) ?? 0) + count);
    const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
    const verdict = result.failures.length === 0 ? "ok" : `FAILED (${result.failures.length})`;
    const { steps } = job.case_;
    console.log(
      `${job.name}: ${steps.length} steps, ${result.probes} probes, ${seconds} s: ${verdict}`,
    );
    if (result.failures.length === 0) continue;
    failed.push(job.name);
    if (failed.length <= MOST_FAILURES) await show(lab, job, result.failures);
  }
  console.log("differences that are meant, by how many probes showed them:");
  for (const [name, count] of [...because].sort(([, a], [, b]) => b - a)) {
    console.log(`  ${String(count).padStart(6)}  ${name}`);
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  const named = failed.length === 0 ? "" : `: ${failed.join(", ")}`;
  console.log(`${cases} cases, ${probes} probes, ${failed.length} failed in ${seconds} s${named}`);
  if (stopping) process.exitCode = 130;
  else if (failed.length > 0) process.exitCode = 1;
}

await main();
