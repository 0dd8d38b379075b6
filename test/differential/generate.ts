// A case from a seed: a topology, a few changes of it, and the seed of the probes after each. The same for the same seed on any
// machine; always valid for both systems. What can be drawn is the table in features.ts. Pure.

import { FEATURES } from "./features.ts";
import { anyEncap, networkWith, PROJECTS } from "./pieces.ts";
import { Random } from "./random.ts";
import { difference, EMPTY, type Topology } from "./topology.ts";
import { problems } from "./validity.ts";

export interface Step {
  /** What was done to get here, in words. */
  readonly what: string;
  readonly topology: Topology;
  /** Of this step's probes. */
  readonly probeSeed: number;
}

export interface Case {
  readonly seed: number;
  /** The first one is the topology as it is loaded. */
  readonly steps: readonly Step[];
}

const ATTEMPTS = 8;

export interface GenerateOptions {
  /** Names of features to draw from; absent = all. */
  readonly features?: readonly string[];
}

export function generateCase(seed: number, { features }: GenerateOptions = {}): Case {
  const random = new Random(seed);
  const chosen = FEATURES.filter(({ name }) => features?.includes(name) ?? true);
  let topology = EMPTY;
  for (let count = random.between(1, 3); count > 0; count--) {
    topology = networkWith(topology, PROJECTS[0], random, anyEncap(random));
  }
  // Networks first: everything else is put into them.
  const order = [...chosen].sort((a, b) => rank(a.name) - rank(b.name));
  for (const feature of order) {
    if (random.chance(feature.chance)) topology = valid(topology, feature.add(topology, random));
  }
  const steps: Step[] = [{ what: "load", topology, probeSeed: random.between(0, 2 ** 31) }];
  const changing = chosen.filter(({ changes }) => changes.length > 0);
  for (let count = random.between(1, 2); count > 0 && changing.length > 0; count--) {
    const wanted = steps.length === 1 && random.chance(0.8);
    const next =
      (wanted ? firstOf(topology, changing, random) : null) ?? changeOf(topology, changing, random);
    if (next === null) continue;
    topology = next.topology;
    steps.push({ ...next, probeSeed: random.between(0, 2 ** 31) });
  }
  return { seed, steps };
}

function differs(before: Topology, after: Topology): boolean {
  const { gone, now } = difference(before, after);
  return gone.length + now.length > 0;
}

const NETWORKS_FIRST: readonly string[] = [
  ...["provider network", "shared network", "second tenant", "third tenant", "ports"],
];

function rank(name: string): number {
  const at = NETWORKS_FIRST.indexOf(name);
  return at < 0 ? NETWORKS_FIRST.length : at;
}

function valid(before: Topology, after: Topology): Topology {
  return problems(after).length === 0 ? after : before;
}

/** The change of some feature that wants to be the first. */
function firstOf(
  topology: Topology,
  features: readonly (typeof FEATURES)[number][],
  random: Random,
): { readonly what: string; readonly topology: Topology } | null {
  for (const { name, first } of random.shuffle(features)) {
    const after = first?.(topology, random) ?? topology;
    if (differs(topology, after) && problems(after).length === 0) {
      return { what: name, topology: after };
    }
  }
  return null;
}

function changeOf(
  topology: Topology,
  features: readonly (typeof FEATURES)[number][],
  random: Random,
): { readonly what: string; readonly topology: Topology } | null {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const feature = random.pick(features);
    const after = random.pick(feature.changes)(topology, random);
    if (differs(topology, after) && problems(after).length === 0) {
      return { what: feature.name, topology: after };
    }
  }
  return null;
}
