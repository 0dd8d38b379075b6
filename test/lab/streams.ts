// Numbered datagrams between guests while something fails: how many were lost beyond what the same streams lose without the fault.
// Knows no fault and no topology. Used by the system tests of faults and moves.

import { expect } from "vitest";
import type { Guest, StreamResult } from "./guest.ts";

/** Between datagrams of a stream. */
export const INTERVAL_MS = 5;
/** How long a stream runs before the fault, and after it, so that a late consequence is seen. */
const BEFORE_MS = 300;
const AFTERMATH_MS = 1_500;
const QUIET_MS = 1_000;

export interface Flow {
  readonly from: Guest;
  readonly to: string;
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Runs a fault while a stream runs in each flow; answers what each lost. */
export async function during(
  flows: readonly Flow[],
  fault: () => Promise<void>,
): Promise<readonly StreamResult[]> {
  const ends = await Promise.all(flows.map(({ from, to }) => from.stream(to, INTERVAL_MS)));
  await pause(BEFORE_MS);
  await fault();
  await pause(AFTERMATH_MS);
  return Promise.all(ends.map((end) => end()));
}

const lost = (results: readonly StreamResult[]) =>
  results.reduce((sum, { sent, received }) => sum + sent - received, 0);

/**
 * The fault costs established traffic nothing that the same stream without it does not lose. Two shared cores lose a datagram now
 * and then without any fault: when the first run says lossy, two of three must agree.
 */
export async function expectHitless(
  flows: readonly Flow[],
  fault: () => Promise<void>,
): Promise<void> {
  const excess: number[] = [];
  while (excess.length < 3) {
    const results = await during(flows, fault);
    expect(results.every(({ sent }) => sent > 100)).toBe(true);
    const losses = lost(results);
    const quiet = losses === 0 ? 0 : lost(await during(flows, () => pause(QUIET_MS)));
    excess.push(losses - quiet);
    const hitless = excess.filter((datagrams) => datagrams <= 0).length;
    if (excess[0] === undefined || excess[0] <= 0 || hitless === 2) return;
    if (excess.length - hitless === 2) break;
  }
  expect(excess, "datagrams lost beyond the quiet run, a run each").toEqual([0]);
}
