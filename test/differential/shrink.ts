// Makes a failing case small: fewer steps, fewer probes, fewer and plainer objects, as long as it still fails in the same way. Knows
// neither system: the caller says whether a candidate fails. Bounded by a time; what it has then is the answer.

import type { Step } from "./generate.ts";
import type { Probe } from "./probes.ts";
import { type Sweep, sweepsOf } from "./sweeps.ts";
import { type Item, MTUS_BYTES, type Topology, without } from "./topology.ts";
import { problems } from "./validity.ts";

/** A case with the probes of each step written out, so that it does not depend on how probes are chosen. */
export interface FixedCase {
  readonly steps: readonly FixedStep[];
}

export interface FixedStep {
  readonly what: string;
  readonly topology: Topology;
  readonly probes: readonly Probe[];
  readonly sweeps: readonly Sweep[];
}

export interface ShrinkOptions {
  readonly fails: (candidate: FixedCase) => Promise<boolean>;
  readonly nowMs: () => number;
  readonly limitMs: number;
}

export function fixed(
  steps: readonly Step[],
  probesOf: (step: Step) => readonly Probe[],
): FixedCase {
  const sweeps = sweepsOf(steps.map(({ topology }) => topology));
  return {
    steps: steps.map((step, at) => ({
      what: step.what,
      topology: step.topology,
      probes: probesOf(step),
      sweeps: sweeps[at] ?? [],
    })),
  };
}

/** `start` must fail. */
export async function shrink(
  start: FixedCase,
  { fails, nowMs, limitMs }: ShrinkOptions,
): Promise<FixedCase> {
  const endMs = nowMs() + limitMs;
  let best = start;
  for (let smaller = true; smaller && nowMs() < endMs; ) {
    smaller = false;
    for (const candidate of candidates(best)) {
      if (nowMs() >= endMs) break;
      if (!isValid(candidate) || !(await fails(candidate))) continue;
      best = candidate;
      smaller = true;
      break;
    }
  }
  return best;
}

function isValid({ steps }: FixedCase): boolean {
  return steps.every(
    ({ topology, probes, sweeps }) =>
      problems(topology).length === 0 &&
      [...probes, ...sweeps].every(({ from }) => topology.has(from)),
  );
}

/** Smaller cases, those that promise most first. */
function* candidates(best: FixedCase): Generator<FixedCase> {
  const { steps } = best;
  const last = steps.at(-1);
  if (last === undefined) return;
  if (steps.length > 1) yield { steps: [{ ...last, what: "load" }] };
  for (const at of steps.keys()) {
    if (steps.length > 1 && at < steps.length - 1) yield { steps: steps.toSpliced(at, 1) };
  }
  const silenced = steps.map((step, at) =>
    at < steps.length - 1 ? { ...step, probes: [] } : step,
  );
  if (steps.slice(0, -1).some(({ probes }) => probes.length > 0)) yield { steps: silenced };
  yield* fewerSweeps(steps);
  yield* fewerProbes(steps, last);
  const items = new Map(steps.flatMap(({ topology }) => [...topology]));
  // A network takes all that is in it along, a router its routes.
  for (const item of items.values()) yield removed(steps, closure(items, item.id));
  for (const item of items.values()) {
    for (const plain of plainer(item)) yield replaced(steps, plain);
  }
}

/** One group less in all steps: what a sweep says, it says about the one before. */
function* fewerSweeps(steps: readonly FixedStep[]): Generator<FixedCase> {
  const groups = new Set(steps.flatMap(({ sweeps }) => sweeps.map(({ group }) => group)));
  for (const gone of groups) {
    yield {
      steps: steps.map((step) => ({
        ...step,
        sweeps: step.sweeps.filter(({ group }) => group !== gone),
      })),
    };
  }
}

function* fewerProbes(steps: readonly FixedStep[], last: FixedStep): Generator<FixedCase> {
  const withProbes = (probes: readonly Probe[]) => ({ steps: steps.with(-1, { ...last, probes }) });
  const { probes } = last;
  if (last.sweeps.length > 0 && probes.length > 0) yield withProbes([]);
  if (probes.length <= 1) return;
  const half = Math.ceil(probes.length / 2);
  yield withProbes(probes.slice(0, half));
  yield withProbes(probes.slice(half));
  for (const at of probes.keys()) yield withProbes(probes.toSpliced(at, 1));
}

function removed(steps: readonly FixedStep[], ids: readonly string[]): FixedCase {
  return {
    steps: steps.map((step) => ({
      ...step,
      topology: without(step.topology, ...ids),
      probes: step.probes.filter(({ from }) => !ids.includes(from)),
      sweeps: step.sweeps.filter(({ from, group }) => !ids.includes(from) && !ids.includes(group)),
    })),
  };
}

/** An item and all that names it, directly or not. */
function closure(items: ReadonlyMap<string, Item>, id: string): readonly string[] {
  const found = [id];
  for (const at of found) {
    for (const item of items.values()) {
      if (!found.includes(item.id) && names(item, at)) found.push(item.id);
    }
  }
  return found;
}

function names(item: Item, id: string): boolean {
  if (item.kind === "link") return item.ends.some(({ router }) => router === id);
  if (item.kind === "policy") return item.router === id || item.ingress === id;
  if (item.kind === "leak") return item.from === id || item.to === id;
  return ("network" in item && item.network === id) || ("router" in item && item.router === id);
}

function replaced(steps: readonly FixedStep[], item: Item): FixedCase {
  return {
    steps: steps.map((step) =>
      step.topology.has(item.id)
        ? { ...step, topology: new Map([...step.topology, [item.id, item]]) }
        : step,
    ),
  };
}

/** The same item with less to it. */
function plainer(item: Item): readonly Item[] {
  const found: Item[] = [];
  switch (item.kind) {
    case "network":
      if (item.mtuBytes !== MTUS_BYTES.large) found.push({ ...item, mtuBytes: MTUS_BYTES.large });
      if ("vlan" in item.type && item.type.shared) {
        found.push({ ...item, type: { ...item.type, shared: false } });
      }
      if (!("encap" in item.type) || item.type.encap !== "geneve") {
        found.push({ ...item, type: { encap: "geneve" } });
      }
      break;
    case "port":
      if (item.claims.length > 0) found.push({ ...item, claims: [] });
      if (item.pairs.length > 0) found.push({ ...item, pairs: [], claims: [] });
      if (!item.security) found.push({ ...item, security: true });
      if (!item.up) found.push({ ...item, up: true });
      for (const ip of item.ips) {
        if (item.ips.length > 1) found.push({ ...item, ips: item.ips.filter((one) => one !== ip) });
      }
      if (item.host !== 0) found.push({ ...item, host: 0 });
      break;
    case "interface":
      if (item.table !== 0) found.push({ ...item, table: 0 });
      break;
    case "route":
      for (const hop of item.nextHops) {
        if (item.nextHops.length > 1) {
          found.push({ ...item, nextHops: item.nextHops.filter((one) => one !== hop) });
        }
      }
      break;
    case "policy":
      if (item.ports !== null) found.push({ ...item, ports: null });
      if (item.ingress !== null) found.push({ ...item, ingress: null });
      break;
    case "router":
      if (!item.up) found.push({ ...item, up: true });
      break;
    case "leak":
      for (const prefix of item.prefixes) {
        const rest = item.prefixes.filter((one) => one !== prefix);
        if (rest.length > 0) found.push({ ...item, prefixes: rest });
      }
      break;
    case "subnet":
    case "link":
      break;
  }
  return found;
}
