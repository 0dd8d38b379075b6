// How long the product's own path takes to install a large flow table, against `ovs-ofctl --bundle` of the same flows: runs the
// engine's example install_ratio and reads its last lines. Called by measure.ts.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const EXAMPLE = `${ROOT}packages/dataplane-native/crates/engine/examples/install_ratio.rs`;
const DEADLINE_MS = 240_000;

export interface InstallRatio {
  readonly ratio: number;
  /** Longest that ovs-vswitchd's main thread, which forwards, did nothing else meanwhile; null when it was not watched. */
  readonly standstillMaxMs: number | null;
}

/** The reason as text when it cannot be measured. */
export async function installRatio(flows: number): Promise<InstallRatio | string> {
  if (!existsSync(EXAMPLE)) return "the engine has no example install_ratio";
  const example = [
    "run",
    "--release",
    "--quiet",
    "-p",
    "weft-engine",
    "--example",
    "install_ratio",
  ];
  const child = spawn(`${ROOT}scripts/cargo`, [...example, "--", String(flows)], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, RUST_BACKTRACE: "0" },
  });
  let output = "";
  let errors = "";
  child.stderr.on("data", (part: Buffer) => (errors += part.toString()));
  child.stdout.on("data", (part: Buffer) => (output += part.toString()));
  const timer = setTimeout(() => child.kill("SIGTERM"), DEADLINE_MS);
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(127));
    child.once("close", resolve);
  });
  clearTimeout(timer);
  if (code !== 0)
    return `install_ratio ended with ${code}: ${errors.replaceAll(/\s+/g, " ").trim().slice(0, 200)}`;
  return (
    parseInstallRatio(output) ?? `install_ratio printed no ratio: ${output.trim().slice(-200)}`
  );
}

/** From the two last lines of the example: the ratio, and how long the switch's main thread stood still. */
export function parseInstallRatio(output: string): InstallRatio | null {
  const ratio = Number(/\bratio ([\d.]+)\s*$/m.exec(output)?.[1]);
  if (!Number.isFinite(ratio)) return null;
  const [, value, unit = ""] =
    /standstill of the main thread: engine ([\d.]+)(ns|µs|ms|s)\b/.exec(output) ?? [];
  const scale = { ns: 1e-6, µs: 1e-3, ms: 1, s: 1e3 }[unit];
  return { ratio, standstillMaxMs: scale === undefined ? null : Number(value) * scale };
}
