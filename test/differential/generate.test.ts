// Generated cases are repeatable, valid, and between them have everything that can be drawn.
import { expect, test } from "vitest";
import { probesOf } from "./case.ts";
import { decodeCase, encodeCase } from "./case-file.ts";
import { FEATURES } from "./features.ts";
import { type Case, generateCase } from "./generate.ts";
import { fixed } from "./shrink.ts";
import { GUESTS_PER_HOST } from "./side.ts";
import { membersOf, sweepsOf } from "./sweeps.ts";
import { all, get, KINDS, type Leak, type Port, prefixLength } from "./topology.ts";
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

test("leaks are drawn one way and both ways, of whole networks and of parts", () => {
  const drawn = topologies.map((one) => all(one, "leak")).filter((leaks) => leaks.length > 0);
  const isBack = (a: Leak, b: Leak) => a.from === b.to && a.to === b.from;
  const bothWays = drawn.filter((leaks) => leaks.some((a) => leaks.some((b) => isBack(a, b))));
  expect(bothWays.length).toBeGreaterThan(20);
  expect(drawn.length - bothWays.length).toBeGreaterThan(20);
  const lengths = new Set(drawn.flat().flatMap(({ prefixes }) => prefixes.map(prefixLength)));
  expect(lengths).toEqual(new Set([24, 29, 64, 125, ...[...lengths].filter((one) => one === 23)]));
  const projects = topologies.flatMap((one) =>
    all(one, "leak").map(({ from, project }) => get(one, "router", from).project === project),
  );
  expect(new Set(projects)).toEqual(new Set([true, false]));
});

test("networks are of every type, and shared ones are used by several projects", () => {
  const types = topologies.flatMap((one) => all(one, "network").map(({ type }) => type));
  const names = types.map((type) =>
    "encap" in type ? type.encap : type.vlan === 0 ? "flat" : "VLAN",
  );
  expect(new Set(names)).toEqual(new Set(["geneve", "vxlan", "gre", "flat", "VLAN"]));
  for (const kind of ["port", "interface"] as const) {
    const guests = topologies.filter((one) =>
      all(one, kind).some(
        ({ project, network }) => get(one, "network", network).project !== project,
      ),
    );
    expect(guests.length).toBeGreaterThan(20);
  }
});

test("addresses are claimed by ports with and without port security, in pairs and not, and move", () => {
  const ports = topologies.flatMap((one) => all(one, "port"));
  const claiming = ports.filter(({ claims }) => claims.length > 0);
  expect(new Set(claiming.map(({ security }) => security))).toEqual(new Set([true, false]));
  const isPaired = ({ pairs }: Port, ip: string) => pairs.some((pair) => pair.ip === ip);
  const unpaired = claiming.filter((port) => port.claims.some((ip) => !isPaired(port, ip)));
  expect(unpaired.length).toBeGreaterThan(20);
  // What one port has lost another one has got.
  const moved = cases.flatMap(({ steps }) =>
    steps.slice(1).flatMap(({ topology }, at) => {
      const before = steps[at]?.topology ?? topology;
      return all(before, "port").flatMap((port) => {
        const now = topology.get(port.id);
        const kept = now?.kind === "port" ? now.claims : port.claims;
        return port.claims.filter((ip) => !kept.includes(ip)).map((ip) => isPaired(port, ip));
      });
    }),
  );
  expect(new Set(moved)).toEqual(new Set([true, false]));
});

test("ECMP is swept before and after it loses a member", () => {
  const lost = cases.slice(0, 100).filter(({ steps }) => {
    const all_ = sweepsOf(steps.map(({ topology }) => topology));
    return steps.some(({ topology }, at) =>
      (all_[at] ?? []).some((sweep) => {
        const before = all_[at - 1]?.find(({ group }) => group === sweep.group);
        const previous = steps[at - 1]?.topology;
        if (before === undefined || previous === undefined) return false;
        const [was, now] = [membersOf(previous, sweep), membersOf(topology, sweep)];
        return (was?.size ?? 0) > (now?.size ?? 0);
      }),
    );
  });
  expect(lost.length).toBeGreaterThan(8);
});

test("probes are of every kind, and some are about ECMP", () => {
  const probes = cases.slice(0, 40).flatMap(({ steps }) => steps.flatMap(probesOf));
  expect(new Set(probes.map(({ kind }) => kind))).toEqual(
    new Set(["ip", "question", "announcement"]),
  );
  expect(probes.some((probe) => probe.kind === "ip" && probe.flows > 1)).toBe(true);
});
