// Generated cases are repeatable, valid, and between them have everything that can be drawn.
import { expect, test } from "vitest";
import { probesOf } from "./case.ts";
import { decodeCase, encodeCase } from "./case-file.ts";
import { FEATURES } from "./features.ts";
import { type Case, generateCase } from "./generate.ts";
import { fixed } from "./shrink.ts";
import { GUESTS_PER_HOST } from "./side.ts";
import { all, KINDS } from "./topology.ts";
import { problems } from "./validity.ts";

const SEEDS = Array.from({ length: 300 }, (_, index) => index + 1);
const cases: readonly Case[] = SEEDS.map((seed) => generateCase(seed));
const topologies = cases.flatMap(({ steps }) => steps.map(({ topology }) => topology));

test("the same seed makes the same case and the same probes", () => {
  for (const case_ of cases.slice(0, 20)) {
    const again = generateCase(case_.seed);
    const text = encodeCase(fixed(case_.steps, probesOf));
    expect(encodeCase(fixed(again.steps, probesOf))).toBe(text);
    expect(encodeCase(decodeCase(text))).toBe(text);
  }
  expect(generateCase(1).steps[0]?.topology).not.toEqual(generateCase(2).steps[0]?.topology);
});

test("every topology is valid and fits the hosts", () => {
  for (const topology of topologies) {
    expect(problems(topology)).toEqual([]);
    const hosts = all(topology, "port").map(({ host }) => host);
    for (const host of new Set(hosts)) {
      expect(hosts.filter((one) => one === host).length).toBeLessThanOrEqual(GUESTS_PER_HOST);
    }
  }
});

test("every step changes something", () => {
  for (const { steps } of cases) {
    for (const [at, { topology }] of steps.entries()) {
      expect(topology).not.toEqual(steps[at - 1]?.topology);
    }
  }
});

test("all kinds and all features are drawn", () => {
  for (const kind of KINDS) {
    expect(topologies.filter((one) => all(one, kind).length > 0).length).toBeGreaterThan(20);
  }
  const changes = new Set(cases.flatMap(({ steps }) => steps.map(({ what }) => what)));
  const changing = FEATURES.filter(({ changes: ways }) => ways.length > 0);
  expect([...changes].sort()).toEqual([...changing.map(({ name }) => name), "load"].sort());
});

test("probes are of every kind, and some are about ECMP", () => {
  const probes = cases.slice(0, 40).flatMap(({ steps }) => steps.flatMap(probesOf));
  expect(new Set(probes.map(({ kind }) => kind))).toEqual(
    new Set(["ip", "question", "announcement"]),
  );
  expect(probes.some((probe) => probe.kind === "ip" && probe.flows > 1)).toBe(true);
});
