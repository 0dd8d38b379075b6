// Which scopes are named, in which order, and what stands behind each.
import { expect, it } from "vitest";
import { linked, newContext, planned } from "../model/plan.fixture.ts";
import { world } from "../model/routing.fixture.ts";
import { Tables } from "../model/tables.ts";
import { audiences } from "./audience.ts";
import type { ScopeSize } from "./audience.ts";

function result(sizes: ScopeSize[], tables = new Tables()) {
  const work = audiences(sizes, tables);
  let steps = 0;
  for (let step = work.next(); ; step = work.next()) {
    if (step.done === true) return { ...step.value, steps };
    steps += 1;
  }
}

it("names what costs most first, at most 20, and counts all, in steps", () => {
  const sizes = Array.from({ length: 1000 }, (_, at) => ({
    scope: `chassis/c${at}`,
    chassis: 1 + (at % 7),
    instructions: at,
  }));
  const { scopes, scopeCount, deliveries, steps } = result(sizes);
  const cost = (size: ScopeSize): number => size.chassis * size.instructions;
  const expected = sizes.toSorted((a, b) => cost(b) - cost(a)).slice(0, 20);
  expect(scopes.map(cost)).toEqual(expected.map(cost));
  expect(scopes[0]).toEqual({ ...expected[0], object: `chassis ${expected[0]?.scope.slice(8)}` });
  expect(scopeCount).toBe(1000n);
  expect(deliveries).toBe(BigInt(sizes.reduce((sum, size) => sum + cost(size), 0)));
  expect(steps).toBeGreaterThan(10);
  expect(result([])).toMatchObject({ scopes: [], scopeCount: 0n, deliveries: 0n });
});

it("keeps one order for equals, and names the objects behind scopes", () => {
  const context = newContext();
  planned(context, [...world, linked("l14", ["r1", "r4"], [["10.254.0.1/29", "10.254.0.2/29"]])]);
  const { tables } = context;
  const network = tables.get("network", "n1")?.key;
  const router = tables.get("router", "r1")?.key;
  const link = tables.get("router-link", "l14")?.key;
  const scopes = [`router/${router}`, `network/${network}`, `flood/${network}`];
  const sizes = [...scopes, `network/${link}`, "network/999", "chassis/c1"].map((scope) => ({
    scope,
    chassis: 2,
    instructions: 3,
  }));
  const objects = (found: ScopeSize[]) =>
    Object.fromEntries(result(found, tables).scopes.map((s) => [s.scope, s.object]));
  expect(objects(sizes)).toEqual(objects(sizes.toReversed()));
  expect(Object.values(objects(sizes))).toEqual([
    "chassis c1",
    "network n1",
    "network n1",
    "router-link l14",
    "network with key 999, which is not there any more",
    "router r1",
  ]);
});
