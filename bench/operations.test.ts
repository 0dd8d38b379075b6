import { describe, expect, test } from "vitest";
import { repeated, repeatedAnew, roundsOf } from "./operations.ts";
import type { WorkloadPort } from "./workload.ts";

const ports = (count: number): WorkloadPort[] =>
  Array.from({ length: count }, (_, at) => ({
    id: `port-${at}`,
    network: "net-0",
    mac: `02:00:00:00:00:${at.toString(16).padStart(2, "0")}`,
    ip: `10.0.0.${at}`,
    chassis: "ch-0001",
    port_security: true,
  }));

const sizes = (list: readonly WorkloadPort[]): number[] => roundsOf(list).map((one) => one.length);

describe("roundsOf", () => {
  const cases: readonly [of: number, count: number, expected: number[]][] = [
    [50, 200, [50, 50, 50, 50]],
    [50, 20, [20]],
    [200, 120, [50, 50, 20]],
    // A short list: a round ends before a port would come twice.
    [3, 8, [3, 3, 2]],
    [50, 0, []],
  ];
  test.each(cases)("of %i ports, %i samples", (of, count, expected) => {
    const list = repeated(ports(of), count);
    expect(sizes(list)).toEqual(expected);
    for (const round of roundsOf(list)) {
      expect(new Set(round.map(({ id }) => id)).size).toBe(round.length);
    }
  });
});

test("repeatedAnew never repeats an id, and keeps what the switch sees", () => {
  const list = repeatedAnew(ports(3), 8);
  expect(new Set(list.map(({ id }) => id)).size).toBe(8);
  expect(list[4]).toMatchObject({ id: "port-1-4", mac: "02:00:00:00:00:01", ip: "10.0.0.1" });
  // Two of one round would share a MAC.
  expect(sizes(list)).toEqual([3, 3, 2]);
});

test("nothing repeated stays nothing", () => {
  expect(repeated([], 5)).toEqual([]);
});
