// Where a workload comes from: bench/workloads/gen.py writes it into bench/generated on demand, and its digest must be the one
// that SHA256SUMS names. Called by run.ts and ovn.ts.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Size, Workload } from "./workload.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const GENERATED = join(HERE, "generated");

/** The file of a standard size, made when it is not there. Throws when it is not the standard one. */
export async function workloadFile(size: Size): Promise<string> {
  const file = join(GENERATED, `${size}.json`);
  const expected = await expectedDigest(size);
  if ((await digestOf(file)) === expected) return file;
  await mkdir(GENERATED, { recursive: true });
  const generator = join(HERE, "workloads", "gen.py");
  await promisify(execFile)("python3", [generator, "--out", GENERATED, size]);
  const made = await digestOf(file);
  if (made === expected) return file;
  throw new Error(
    `${file}: digest ${made}, but workloads/SHA256SUMS says ${expected}; figures would not compare`,
  );
}

export async function readWorkload(size: Size): Promise<Workload> {
  return JSON.parse(await readFile(await workloadFile(size), "utf8")) as Workload;
}

async function expectedDigest(size: Size): Promise<string> {
  const sums = await readFile(join(HERE, "workloads", "SHA256SUMS"), "utf8");
  const digest = new RegExp(`^([0-9a-f]{64})  ${size}\\.json$`, "m").exec(sums)?.[1];
  if (digest === undefined) throw new Error(`workloads/SHA256SUMS: no ${size}.json`);
  return digest;
}

async function digestOf(file: string): Promise<string | null> {
  const bytes = await readFile(file).catch(() => null);
  return bytes === null ? null : createHash("sha256").update(bytes).digest("hex");
}
