// `make test`: runs every check and every runner in order, shows progress, and ends with one line
// `N passed, N failed, N skipped`. Owns the list of steps; counting is test-results.ts.
// SUITE=lint|rust|unit|integration narrows it. Exit status 0 only without a failure.
import { spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  add,
  type Counts,
  failUnexpectedSkips,
  judge,
  nothing,
  parseCargo,
  parseExpectedSkips,
  parseVitest,
  summary,
} from "./test-results.ts";

const root = resolve(import.meta.dirname, "..");
const logs = join(root, ".tools/test-logs");
const cargo = join(root, "scripts/cargo");
const binaries = join(root, "node_modules/.bin");

interface Step {
  readonly suite: "lint" | "rust" | "unit" | "integration";
  readonly name: string;
  readonly command: readonly string[];
  readonly limitMinutes: number;
  /** Which lines of a runner's output are shown while it runs; a check shows none unless it fails. */
  readonly show?: RegExp;
  /** How a runner's tests are counted; without it the step is one test: its exit status. */
  readonly count?: (output: string) => Counts;
}

function vitest(project: "unit" | "integration", limitMinutes: number): Step {
  const report = join(logs, `vitest-${project}.json`);
  return {
    suite: project,
    name: `vitest ${project}`,
    command: [
      join(binaries, "vitest"),
      "run",
      "--project",
      project,
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
    ],
    limitMinutes,
    show: /./,
    count: () => (existsSync(report) ? parseVitest(readFileSync(report, "utf8"), root) : nothing),
  };
}

function check(name: string, command: readonly string[]): Step {
  return { suite: "lint", name, command, limitMinutes: 15 };
}

const allSteps: readonly Step[] = [
  check("generated code", [join(root, "scripts/check-generated")]),
  check("format", [join(binaries, "biome"), "format"]),
  check("lint", [join(binaries, "oxlint"), "--type-aware", "--deny-warnings"]),
  check("layers", [process.execPath, join(root, "scripts/check-layers.ts")]),
  check("types", [join(binaries, "tsc"), "-p", root]),
  check("rust format", [cargo, "fmt", "--all", "--check"]),
  check("rust lint", [
    cargo,
    "clippy",
    "--locked",
    "--workspace",
    "--all-targets",
    "--",
    "-D",
    "warnings",
  ]),
  {
    suite: "rust",
    name: "cargo test",
    // The default members: all crates but codegen, which the step "generated code" runs.
    command: [cargo, "test", "--locked", "--no-fail-fast"],
    limitMinutes: 20,
    show: /^\s+(Running|Doc-tests) |^test result|FAILED|panicked|^error/,
    count: parseCargo,
  },
  vitest("unit", 20),
  vitest("integration", 30),
];

/** Runs one command; its whole output goes to `log`, the shown lines to the terminal as well. */
async function run(step: Step, log: string): Promise<{ status: number | null; output: string }> {
  const [program = "", ...args] = step.command;
  const child = spawn(program, args, {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: step.limitMinutes * 60_000,
    env: {
      ...process.env,
      NO_COLOR: "1",
      PATH: `${join(root, ".tools/bin")}:${process.env["PATH"] ?? ""}`,
    },
  });
  const stop = (signal: NodeJS.Signals): void => {
    child.kill(signal);
    process.exitCode = 130;
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  const file = createWriteStream(log);
  let output = "";
  let partial = "";
  const take = (chunk: string): void => {
    file.write(chunk);
    output += chunk;
    const lines = (partial + chunk).split("\n");
    partial = lines.pop() ?? "";
    if (step.show === undefined) return;
    for (const line of lines) if (step.show.test(line)) console.log(`    ${line}`);
  };
  child.stdout.setEncoding("utf8").on("data", take);
  child.stderr.setEncoding("utf8").on("data", take);
  const status = await new Promise<number | null>((done) => {
    child.once("error", (error) => {
      take(`${program}: ${error.message}\n`);
      done(null);
    });
    child.once("close", done);
  });
  process.off("SIGINT", stop);
  process.off("SIGTERM", stop);
  file.end();
  return { status, output };
}

async function runStep(step: Step, title: string): Promise<Counts> {
  console.log(title);
  const log = join(logs, `${step.name.replaceAll(" ", "-")}.log`);
  const started = performance.now();
  const { status, output } = await run(step, log);
  const result: Counts & { problem?: string } =
    step.count === undefined
      ? { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: [] }
      : judge(step.count(output), status);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (result.failed > 0 && step.show?.source !== ".") {
    console.log(output.trimEnd().split("\n").slice(-80).join("\n"));
  }
  const verdict = result.failed === 0 ? "ok" : `FAILED, whole output in ${log}`;
  const problem = result.problem === undefined ? "" : ` (${result.problem})`;
  console.log(`${title}: ${summary(result)} in ${seconds} s: ${verdict}${problem}`);
  return result;
}

async function main(): Promise<void> {
  const suite = process.env["SUITE"];
  const steps = suite === undefined ? allSteps : allSteps.filter((step) => step.suite === suite);
  if (steps.length === 0) {
    console.error(`test: SUITE is lint, rust, unit or integration, not "${suite ?? ""}"`);
    process.exitCode = 64;
    return;
  }
  const skipsFile = join(root, "test/expected-skips");
  const expected = parseExpectedSkips(readFileSync(skipsFile, "utf8"));
  // Last run's reports must not be counted if a runner dies before it writes its own.
  rmSync(logs, { recursive: true, force: true });
  mkdirSync(logs, { recursive: true });

  const started = performance.now();
  let total = nothing;
  for (const [index, step] of steps.entries()) {
    total = add(total, await runStep(step, `[test ${index + 1}/${steps.length}] ${step.name}`));
    if (process.exitCode === 130) break;
  }
  for (const identity of total.skipped) {
    console.log(`skipped: ${identity} | ${expected.get(identity) ?? "not in test/expected-skips"}`);
  }
  if (process.env["CI"] === "true") {
    const { counts, unexpected } = failUnexpectedSkips(total, expected);
    total = counts;
    if (unexpected.length > 0) {
      console.log(`in CI a skip is a failure unless test/expected-skips lists it with a reason`);
    }
  }
  console.log(`took ${((performance.now() - started) / 1000).toFixed(0)} s`);
  console.log(summary(total));
  if (total.failed > 0) process.exitCode ??= 1;
}

await main();
