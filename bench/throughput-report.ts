// What the pairs of a throughput run say: reading iperf3's answer, ratios, and a verdict that admits when the noise is larger than
// what is to be shown. Pure. Called by throughput.ts.

import { renderTable, show } from "./report.ts";
import { type Interval, median, medianInterval, seededRandom } from "./stats.ts";

export const families = ["IPv4", "IPv6"] as const;
export type Family = (typeof families)[number];

export type Path = "switched" | "routed";

/** One TCP stream for some seconds. */
export interface Stream {
  readonly bitsPerSecond: number;
  /** Packets that the receiver got and sent, by CPU seconds of both switches. */
  readonly packetsPerCpuSecond: number;
  readonly retransmits: number;
}

/** A switched and a routed stream, one right after the other. */
export type Pair = Readonly<Record<Path, Stream>>;

/** Routed throughput must be at least this share of switched. */
export const LEAST_SHARE = 0.95;
/** Fewer pairs than this decide nothing, whatever they say. */
export const LEAST_PAIRS = 10;

export type Verdict = "ok" | "BELOW" | "undecided";

export interface Outcome {
  readonly pairs: number;
  readonly switchedMbits: number;
  readonly routedMbits: number;
  /** Routed by switched. */
  readonly share: Interval;
  readonly switchedPacketsPerCpuSecond: number;
  readonly routedPacketsPerCpuSecond: number;
  readonly packetShare: Interval;
  readonly verdict: Verdict;
}

/** The receiver's count of `iperf3 --json`. Throws with iperf3's own words when it failed. */
export function parseIperf(text: string): { bitsPerSecond: number; retransmits: number } {
  const result = JSON.parse(text) as {
    readonly error?: string;
    readonly end?: {
      readonly sum_received?: { readonly bits_per_second?: number };
      readonly sum_sent?: { readonly retransmits?: number };
    };
  };
  if (result.error !== undefined) throw new Error(`iperf3: ${result.error}`);
  const bitsPerSecond = result.end?.sum_received?.bits_per_second;
  if (bitsPerSecond === undefined || !(bitsPerSecond > 0)) throw new Error("iperf3 moved nothing");
  return { bitsPerSecond, retransmits: result.end?.sum_sent?.retransmits ?? 0 };
}

/** Which of a pair goes first: they take turns, so that what drifts meets both alike. */
export function orderOfPair(at: number): readonly [Path, Path] {
  return at % 2 === 0 ? ["switched", "routed"] : ["routed", "switched"];
}

export function judge(share: Interval, pairs: number): Verdict {
  if (pairs < LEAST_PAIRS) return "undecided";
  if (share.low >= LEAST_SHARE) return "ok";
  return share.high < LEAST_SHARE ? "BELOW" : "undecided";
}

export function outcomeOf(pairs: readonly Pair[]): Outcome {
  const of = (path: Path, what: keyof Stream): number =>
    median(pairs.map((pair) => pair[path][what]));
  const shares = (what: keyof Stream): Interval => {
    const ratios = pairs.map(({ routed, switched }) => routed[what] / switched[what]);
    return medianInterval(ratios, seededRandom(pairs.length));
  };
  const share = shares("bitsPerSecond");
  return {
    pairs: pairs.length,
    switchedMbits: of("switched", "bitsPerSecond") / 1e6,
    routedMbits: of("routed", "bitsPerSecond") / 1e6,
    share,
    switchedPacketsPerCpuSecond: of("switched", "packetsPerCpuSecond"),
    routedPacketsPerCpuSecond: of("routed", "packetsPerCpuSecond"),
    packetShare: shares("packetsPerCpuSecond"),
    verdict: judge(share, pairs.length),
  };
}

export function outcomeTable(outcomes: Readonly<Record<Family, Outcome>>): string {
  const percent = (share: Interval): string => {
    const text = (part: number): string => (part * 100).toFixed(1);
    return `${text(share.median)} % (${text(share.low)} to ${text(share.high)})`;
  };
  return renderTable(
    [
      "family",
      "pairs",
      "Mbit/s switched",
      "routed",
      "routed / switched",
      "verdict",
      "packets per CPU-second switched",
      "routed",
      "routed / switched",
    ],
    families.map((family) => {
      const found = outcomes[family];
      return [
        ...[family, show(found.pairs), show(found.switchedMbits), show(found.routedMbits)],
        ...[percent(found.share), found.verdict],
        ...[show(found.switchedPacketsPerCpuSecond), show(found.routedPacketsPerCpuSecond)],
        percent(found.packetShare),
      ];
    }),
  );
}
