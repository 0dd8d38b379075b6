// The shrinker keeps what makes a case fail and drops the rest, within its time.
import { expect, test } from "vitest";
import { probesOf } from "./case.ts";
import { generateCase } from "./generate.ts";
import { type FixedCase, fixed, shrink } from "./shrink.ts";
import { all } from "./topology.ts";

const endless = { nowMs: () => 0, limitMs: 1 };

/** A large case that has at least one policy. */
function large(): FixedCase {
  for (let seed = 1; ; seed++) {
    const { steps } = generateCase(seed);
    const policies = steps.map(({ topology }) => all(topology, "policy").length);
    if (steps.length > 2 && Math.min(...policies) > 0) return fixed(steps, probesOf);
  }
}

test("what does not matter goes", async () => {
  const fails = ({ steps }: FixedCase) =>
    Promise.resolve(steps.some(({ topology }) => all(topology, "policy").length > 0));
  const small = await shrink(large(), { ...endless, fails });
  expect(small.steps).toHaveLength(1);
  const kinds = [...(small.steps[0]?.topology.values() ?? [])].map(({ kind }) => kind);
  // A policy needs its router, and a reroute the network of its next hop.
  expect(kinds.filter((kind) => kind === "policy")).toHaveLength(1);
  expect(kinds.filter((kind) => kind === "router")).toHaveLength(1);
  expect(kinds).not.toContain("port");
});

test("what matters only as a change stays a change", async () => {
  const start = large();
  const fails = ({ steps }: FixedCase) => Promise.resolve(steps.length > 1);
  expect((await shrink(start, { ...endless, fails })).steps).toHaveLength(2);
});

test("of many probes the one that fails is left", async () => {
  const start = large();
  const wanted = start.steps[0]?.probes[7];
  if (wanted === undefined) throw new Error("too few probes");
  const first = { steps: start.steps.slice(0, 1) };
  const fails = ({ steps }: FixedCase) =>
    Promise.resolve(steps.some(({ probes }) => probes.includes(wanted)));
  const small = await shrink(first, { ...endless, fails });
  expect(small.steps[0]?.probes).toEqual([wanted]);
  expect(all(small.steps[0]?.topology ?? new Map(), "port").map(({ id }) => id)).toEqual([
    wanted.from,
  ]);
});

test("it ends with its time, and has no worse case than before", async () => {
  let tries = 0;
  const start = large();
  const small = await shrink(start, {
    nowMs: () => tries,
    limitMs: 5,
    fails: () => {
      tries++;
      return Promise.resolve(false);
    },
  });
  expect(tries).toBe(5);
  expect(small).toBe(start);
});

test("a leak stays with its routers, a sweep with its group, in all steps that need it", async () => {
  for (let seed = 1, found = 0; found < 2; seed++) {
    const { steps } = generateCase(seed);
    const start = fixed(steps, probesOf);
    const swept = start.steps.filter(({ sweeps }) => sweeps.length > 0).length;
    const leaks = steps.every(({ topology }) => all(topology, "leak").length > 0);
    if (swept < 2 || !leaks) continue;
    found++;
    const leaky = ({ steps: left }: FixedCase) =>
      Promise.resolve(left.some(({ topology }) => all(topology, "leak").length > 0));
    const [small] = (await shrink(start, { ...endless, fails: leaky })).steps;
    expect(small?.sweeps).toEqual([]);
    expect(
      all(small?.topology ?? new Map(), "leak").map(({ prefixes }) => prefixes.length),
    ).toEqual([1]);
    expect(all(small?.topology ?? new Map(), "router")).toHaveLength(2);
    const twice = ({ steps: left }: FixedCase) =>
      Promise.resolve(left.filter(({ sweeps }) => sweeps.length > 0).length > 1);
    const moved = await shrink(start, { ...endless, fails: twice });
    expect(moved.steps).toHaveLength(2);
    expect(moved.steps.flatMap(({ probes }) => probes)).toEqual([]);
    expect(
      new Set(moved.steps.flatMap(({ sweeps }) => sweeps.map(({ group }) => group))).size,
    ).toBe(1);
  }
});
