import { describe, expect, test } from "vitest";
import {
  judge,
  orderOfPair,
  outcomeOf,
  outcomeTable,
  type Pair,
  parseIperf,
} from "./throughput-report.ts";

test("what the receiver got, and what the sender sent again", () => {
  const text = JSON.stringify({
    end: {
      sum_sent: { bits_per_second: 1.2e9, retransmits: 7 },
      sum_received: { bits_per_second: 1.1e9 },
    },
  });
  expect(parseIperf(text)).toEqual({ bitsPerSecond: 1.1e9, retransmits: 7 });
});

test("a stream that failed is no figure", () => {
  const refused = JSON.stringify({ error: "unable to connect to server: Connection refused" });
  expect(() => parseIperf(refused)).toThrow("Connection refused");
  const nothing = JSON.stringify({ end: { sum_received: { bits_per_second: 0 } } });
  expect(() => parseIperf(nothing)).toThrow("nothing");
});

test("the two take turns in going first", () => {
  expect([0, 1, 2].map((at) => orderOfPair(at)[0])).toEqual(["switched", "routed", "switched"]);
  expect(new Set(orderOfPair(1))).toEqual(new Set(["switched", "routed"]));
});

describe("judge", () => {
  const cases: readonly [low: number, high: number, pairs: number, expected: string][] = [
    [0.95, 1.02, 10, "ok"],
    [0.94, 1.02, 10, "undecided"],
    [0.9, 0.95, 10, "undecided"],
    [0.9, 0.949, 10, "BELOW"],
    [0.99, 1.01, 9, "undecided"],
  ];
  test.each(cases)("%d to %d of %i pairs is %s", (low, high, pairs, expected) => {
    expect(judge({ median: (low + high) / 2, low, high }, pairs)).toBe(expected);
  });
});

describe("outcomeOf", () => {
  const pair = (switched: number, routed: number): Pair => ({
    switched: { bitsPerSecond: switched, packetsPerCpuSecond: 1000, retransmits: 0 },
    routed: { bitsPerSecond: routed, packetsPerCpuSecond: 900, retransmits: 0 },
  });

  test("takes the ratio within each pair, so that what slows both says nothing", () => {
    const pairs = Array.from({ length: 10 }, (_, at) => pair((at + 1) * 1e9, (at + 1) * 0.98e9));
    const found = outcomeOf(pairs);
    expect(found.share.median).toBeCloseTo(0.98);
    expect(found.share.low).toBeCloseTo(0.98);
    expect(found.verdict).toBe("ok");
    expect(found.packetShare.median).toBeCloseTo(0.9);
    expect(found.switchedMbits).toBe(5000);
  });

  test("does not decide what swings around the limit", () => {
    const pairs = Array.from({ length: 10 }, (_, at) => pair(1e9, at % 2 === 0 ? 0.8e9 : 1.1e9));
    const found = outcomeOf(pairs);
    expect(found.verdict).toBe("undecided");
    expect(outcomeTable({ IPv4: found, IPv6: found })).toContain("undecided");
  });
});
