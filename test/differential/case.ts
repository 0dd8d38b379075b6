// One case on both systems: loads the topology, applies the changes, sends the same frames on both sides after each, and compares who
// received what. A probe on which they differ is sent again, with more time, before it counts: only what stays is a difference.

import type { Step } from "./generate.ts";
import { judge, less } from "./differences.ts";
import { type Arrival, arrivalText, observe, type SentProbe } from "./observe.ts";
import { opinion } from "./oracle.ts";
import { chooseProbes, framesOf, otherFlows, type Probe } from "./probes.ts";
import { Random } from "./random.ts";
import type { FixedCase } from "./shrink.ts";
import type { Side } from "./side.ts";
import { isExpectedStray } from "./strays.ts";
import { Sweeper } from "./sweeper.ts";
import type { Sweep } from "./sweeps.ts";
import { all, EMPTY, isProvider, type Topology } from "./topology.ts";

export interface Sides {
  readonly ovn: Side;
  readonly weft: Side;
  /** MACs that hosts of both use on the physical network instead of a router's. */
  readonly hostMacs: ReadonlySet<string>;
}

/** A probe whose outcomes differ beyond what is meant, or frames that nobody asked for. */
export interface Failure {
  /** Index of the step. */
  readonly step: number;
  /** Null = strays (frames that belong to no probe), or an error. */
  readonly probe: Probe | null;
  /** What a system said when it did not take the step; then there are no outcomes. Absent = it took it. */
  readonly error?: string;
  /** ECMP did not choose as it should; then there are no outcomes. Absent = it is not about that. */
  readonly sweep?: { readonly sweep: Sweep; readonly wrong: readonly string[] };
  readonly ovn: readonly Arrival[];
  readonly weft: readonly Arrival[];
  /** What is left when the differences that are meant are taken away. */
  readonly unexplained: { readonly ovn: readonly Arrival[]; readonly weft: readonly Arrival[] };
}

export interface CaseResult {
  readonly failures: readonly Failure[];
  readonly probes: number;
  /** Names of the intended differences that were seen, with how often. */
  readonly because: ReadonlyMap<string, number>;
}

export const PROBES_PER_STEP = 36;
/** Silence that ends a try. */
const QUIET_MS = [70, 250, 700] as const;
const DEADLINE_MS = 5_000;

/** The systems cannot be brought back to where they were: start them again. */
export class BrokenLabError extends Error {}

const NO_OUTCOMES = { ovn: [], weft: [], unexplained: { ovn: [], weft: [] } } as const;

/** Is told what came of each probe, when both systems agree or differ as is meant. */
export type Listener = (
  topology: Topology,
  probe: Probe,
  outcome: Readonly<Record<"ovn" | "weft", readonly Arrival[]>>,
) => void;

export class Runner {
  readonly #sides: Sides;
  readonly #listener: Listener;
  #cases = 0;
  /** Numbers of frames, never used twice. */
  #nextId = 1;

  constructor(sides: Sides, listener: Listener = () => {}) {
    this.#sides = sides;
    this.#listener = listener;
  }

  /** Stops at the first step with a failure; takes everything away again. Throws BrokenLabError when it cannot. */
  async run({ steps }: FixedCase): Promise<CaseResult> {
    const tag = `c${++this.#cases}.`;
    const failures: Failure[] = [];
    const because = new Map<string, number>();
    let probes = 0;
    const sweeper = new Sweeper(this.#sides, (count) => this.#takeIds(count));
    let before: Topology = EMPTY;
    for (const [step, { topology, probes: chosen, sweeps }] of steps.entries()) {
      try {
        await this.#change(tag, before, topology);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        failures.push({ step, probe: null, error: text, ...NO_OUTCOMES });
        await this.#clear(tag, topology, before);
        return { failures, probes, because };
      }
      before = topology;
      probes += chosen.length;
      for (const failure of await this.#compare(topology, chosen, because)) {
        failures.push({ step, ...failure });
      }
      sweeper.forget(topology);
      for (const sweep of sweeps) {
        const wrong = await sweeper.run(topology, sweep);
        if (wrong.length === 0) continue;
        failures.push({ step, probe: null, sweep: { sweep, wrong }, ...NO_OUTCOMES });
      }
      probes += sweeps.length;
      if (failures.length > 0) break;
    }
    await this.#clear(tag, before);
    return { failures, probes, because };
  }

  /** Takes away what is there: the first of these topologies that it turns out to be. */
  async #clear(tag: string, ...maybe: readonly Topology[]): Promise<void> {
    const { ovn, weft } = this.#sides;
    for (const side of [ovn, weft]) {
      const errors: unknown[] = [];
      for (const topology of maybe) {
        const cleared = await side.change(tag, topology, EMPTY).then(
          () => true,
          (error: unknown) => {
            errors.push(error);
            return false;
          },
        );
        if (cleared) break;
      }
      if (errors.length === maybe.length) {
        throw new BrokenLabError(`${side.name} does not let go of a case`, { cause: errors[0] });
      }
    }
  }

  async #change(tag: string, before: Topology, after: Topology): Promise<void> {
    await this.#both((side) => side.change(tag, before, after));
    await this.#both((side) => side.claim(tag, before, after));
    if (all(after, "network").some(isProvider)) await this.#both((side) => side.guests.forget());
  }

  async #both(act: (side: Side) => Promise<void>): Promise<void> {
    const { ovn, weft } = this.#sides;
    const results = await Promise.allSettled([act(ovn), act(weft)]);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async #compare(
    topology: Topology,
    probes: readonly Probe[],
    because: Map<string, number>,
  ): Promise<readonly Omit<Failure, "step">[]> {
    if (probes.length === 0) return [];
    let left: readonly Omit<Failure, "step">[] = [];
    let waiting = probes;
    const seen = new Map<Probe, { ovn: readonly Arrival[]; weft: readonly Arrival[] }>();
    for (const [attempt, quietMs] of QUIET_MS.entries()) {
      const sent = waiting.map((probe) => otherFlows(probe, attempt));
      const { outcomes, strays } = await this.#round(topology, sent, quietMs);
      left = [];
      const doubtful: Probe[] = [];
      for (const [at, probe] of waiting.entries()) {
        const outcome = merged(probe, seen.get(probe), outcomes[at] ?? { ovn: [], weft: [] });
        seen.set(probe, outcome);
        const { because: names, ...unexplained } = judge(
          topology,
          probe,
          outcome.ovn,
          outcome.weft,
        );
        const isLast = attempt === QUIET_MS.length - 1;
        if (unexplained.ovn.length + unexplained.weft.length > 0) {
          left = [...left, { probe, ...outcome, unexplained }];
        } else if (!isLast && isDoubtful(topology, probe, outcome)) {
          doubtful.push(probe);
        } else {
          for (const name of names) because.set(name, (because.get(name) ?? 0) + 1);
          this.#listener(topology, probe, outcome);
        }
      }
      const strange = {
        ovn: strays.ovn.filter((stray) => !isExpectedStray(topology, "ovn", stray)),
        weft: strays.weft.filter((stray) => !isExpectedStray(topology, "weft", stray)),
      };
      const unexplained = {
        ovn: less(strange.ovn, strange.weft),
        weft: less(strange.weft, strange.ovn),
      };
      if (unexplained.ovn.length + unexplained.weft.length > 0) {
        left = [...left, { probe: null, ...strays, unexplained }];
      }
      if (left.length + doubtful.length === 0) return [];
      // Strays have no probe to send again: all are.
      const again = [...left.flatMap(({ probe }) => probe ?? []), ...doubtful];
      waiting = left.some(({ probe }) => probe === null) ? probes : again;
    }
    return left;
  }

  /** The first of so many. */
  #takeIds(count: number): number {
    const first = this.#nextId;
    this.#nextId += count;
    return first;
  }

  /** Sends the probes on both sides and tells what came of each. */
  async #round(topology: Topology, probes: readonly Probe[], quietMs: number) {
    const { ovn, weft, hostMacs } = this.#sides;
    const sent: SentProbe[] = probes.map((probe) => {
      return { probe, id: this.#takeIds(probe.kind === "ip" ? probe.flows : 1) };
    });
    for (const side of [ovn, weft]) side.guests.takeReceived();
    for (const { probe, id } of sent) {
      for (const frame of framesOf(topology, probe, id)) {
        for (const side of [ovn, weft]) side.guests.send(probe.from, frame);
      }
    }
    await Promise.all([ovn, weft].map((side) => side.guests.quiet(quietMs, DEADLINE_MS)));
    const [byOvn, byWeft] = [ovn, weft].map((side) =>
      observe(topology, sent, side.guests.takeReceived(), hostMacs),
    );
    return {
      outcomes: sent.map((_, at) => ({
        ovn: byOvn?.outcomes[at] ?? [],
        weft: byWeft?.outcomes[at] ?? [],
      })),
      strays: { ovn: byOvn?.strays ?? [], weft: byWeft?.strays ?? [] },
    };
  }
}

/** Equal outcomes that are not what the reference says: both may have lost a packet, as a tunnel's first one. */
function isDoubtful(
  topology: Topology,
  probe: Probe,
  { ovn, weft }: Readonly<Record<"ovn" | "weft", readonly Arrival[]>>,
): boolean {
  return [ovn, weft].some((arrivals) => {
    const thought = opinion(topology, probe, arrivals);
    return thought !== null && thought !== "agrees";
  });
}

export function probesOf({ topology, probeSeed }: Step): readonly Probe[] {
  return chooseProbes(topology, new Random(probeSeed), PROBES_PER_STEP);
}

/** Of a probe with many flows the outcomes of all tries count together: each next hop shows up sooner or later. */
function merged(
  probe: Probe,
  before: { readonly ovn: readonly Arrival[]; readonly weft: readonly Arrival[] } | undefined,
  now: { readonly ovn: readonly Arrival[]; readonly weft: readonly Arrival[] },
): { readonly ovn: readonly Arrival[]; readonly weft: readonly Arrival[] } {
  if (before === undefined || probe.kind !== "ip" || probe.flows === 1) return now;
  const both = (a: readonly Arrival[], b: readonly Arrival[]) => [
    ...new Map([...a, ...b].map((arrival) => [arrivalText(arrival), arrival])).values(),
  ];
  return { ovn: both(before.ovn, now.ovn), weft: both(before.weft, now.weft) };
}
