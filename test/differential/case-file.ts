// Cases as JSON text: what the shrinker ends with, what the folder regressions/ keeps, what CASE=file runs again. Pure but for reading
// the folder.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { FixedCase, FixedStep } from "./shrink.ts";
import type { Item } from "./topology.ts";

const FOLDER = join(import.meta.dirname, "regressions");

interface StoredStep extends Omit<FixedStep, "topology"> {
  readonly topology: readonly Item[];
}

export function encodeCase({ steps }: FixedCase): string {
  const stored = steps.map((step): StoredStep => {
    return { ...step, topology: [...step.topology.values()] };
  });
  return `${JSON.stringify({ steps: stored }, null, 2)}\n`;
}

export function decodeCase(text: string): FixedCase {
  const { steps } = JSON.parse(text) as { readonly steps: readonly StoredStep[] };
  return {
    steps: steps.map((step) => {
      return { ...step, topology: new Map(step.topology.map((item) => [item.id, item])) };
    }),
  };
}

export function readCase(path: string): FixedCase {
  return decodeCase(readFileSync(path, "utf8"));
}

/** Cases that failed once, by file name. */
export function regressions(): ReadonlyMap<string, FixedCase> {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith(".json"));
  return new Map(files.sort().map((file) => [file, readCase(join(FOLDER, file))]));
}
