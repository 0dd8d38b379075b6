import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import type { Workload, WorkloadNetwork, WorkloadPort } from "../workload.ts";

const GENERATOR = fileURLToPath(new URL("gen.py", import.meta.url));
const SUMS = fileURLToPath(new URL("SHA256SUMS", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "weft-workloads-"));
afterAll(() => rmSync(folder, { recursive: true }));

function generate(...names: string[]): void {
  execFileSync("python3", [GENERATOR, "--out", folder, ...names], { stdio: "ignore" });
}

const digest = (name: string): string =>
  createHash("sha256")
    .update(readFileSync(join(folder, `${name}.json`)))
    .digest("hex");

const read = (name: string): Workload =>
  JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as Workload;

generate("S", "M", "L", "SR", "LR");

describe("the same bytes", () => {
  // Figures of years compare only if these never change.
  const fixed: readonly [name: string, digest: string][] = [
    ["S", "49aaf2973cee0fa62f6ef49762611814c91676233b2e6bbef296872c96ff0029"],
    ["M", "6eb16a0f865768c9d3dc5cec805cbeb1cd477d4b3bbc128a160590fc3a5e308a"],
    ["L", "2b202079b4827e76e4a83f4cd5538fdffe7e61878064405ef572eed030f6cad7"],
  ];
  test.each(fixed)("%s is what it always was", (name, expected) => {
    expect(digest(name)).toBe(expected);
  });

  test.each(["S", "M", "L", "SR", "LR"])("%s is what SHA256SUMS says", (name) => {
    expect(readFileSync(SUMS, "utf8")).toContain(`${digest(name)}  ${name}.json\n`);
  });

  test("generated again, alone, SR is the same", () => {
    const before = digest("SR");
    generate("SR");
    expect(digest("SR")).toBe(before);
  });
});

describe.each([
  ["S", "SR"],
  ["L", "LR"],
] as const)("%s with routing, %s", (base, name) => {
  const [plain, routing] = [read(base), read(name)];

  test("holds everything that the base holds, unchanged", () => {
    const added = new Set(["cidr6", "gateway_ip6", "ip6", "routes", "route_add", "route_delete"]);
    const text = JSON.stringify(routing, (key, value: unknown) =>
      added.has(key) || key === "routes_per_router" ? undefined : value,
    );
    expect(JSON.parse(text)).toEqual({ ...plain, name });
  });

  test("has IPv6 on half of the networks, and on every port of those", () => {
    const six = routing.networks.filter(({ cidr6 }) => cidr6);
    expect(six.length).toBe(routing.networks.length / 2);
    const prefixOf = new Map(six.map(({ id, cidr6 }) => [id, cidr6?.replace("/64", "") ?? ""]));
    const wrong = routing.ports.filter(({ network, ip6 }) => {
      const prefix = prefixOf.get(network);
      return prefix === undefined ? ip6 !== null : ip6?.startsWith(prefix) !== true;
    });
    expect(wrong).toEqual([]);
    for (const field of ["ip", "ip6"] as const) expectUnique(routing.ports, field);
  });

  test("has five routes a router, whose next hops are ports of the router", () => {
    const routes = routing.routes ?? [];
    expect(routes.length).toBe(routing.routers.length * 5);
    const hops = hopsOf(routing.networks, routing.ports);
    const seen = new Set<string>();
    for (const { router, destination, next_hops } of [
      ...routes,
      ...(routing.ops.route_add ?? []),
    ]) {
      expect(next_hops.length).toBeGreaterThan(0);
      for (const ip of next_hops) {
        expect(hops.get(router)?.has(ip), `${router}: next hop ${ip}`).toBe(true);
        expect(ip.includes(":")).toBe(destination.includes(":"));
      }
      expect(seen.has(`${router} ${destination}`), `${router} ${destination}`).toBe(false);
      seen.add(`${router} ${destination}`);
    }
    expect(routes.filter(({ next_hops }) => next_hops.length > 1).length).toBe(
      routing.routers.length,
    );
  });

  test("adds routes to routers that the real chassis holds", () => {
    const routerOf = new Map(routing.networks.map(({ id, router }) => [id, router]));
    const real = routing.chassis.find((one) => one.real)?.name;
    const held = new Set(
      routing.ports.filter((one) => one.chassis === real).map((one) => routerOf.get(one.network)),
    );
    const added = routing.ops.route_add ?? [];
    expect(added.length).toBe(50);
    expect(added.filter(({ router }) => !held.has(router))).toEqual([]);
  });
});

function hopsOf(
  networks: readonly WorkloadNetwork[],
  ports: readonly WorkloadPort[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const routerOf = new Map(networks.map(({ id, router }) => [id, router ?? ""]));
  const hops = new Map<string, Set<string>>();
  for (const { network, ip, ip6 } of ports) {
    const router = routerOf.get(network) ?? "";
    const known = hops.get(router) ?? new Set();
    known.add(ip);
    if (ip6) known.add(ip6);
    hops.set(router, known);
  }
  return hops;
}

function expectUnique(ports: readonly WorkloadPort[], field: "ip" | "ip6"): void {
  const found = ports.flatMap((port) => port[field] ?? []);
  expect(new Set(found).size).toBe(found.length);
}
