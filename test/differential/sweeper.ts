// Sends sweeps through both systems, each connection twice and a few at a time, so that no queue overflows, and tells which port got
// which. What Weft loses is sent again before it counts. Called by case.ts; what the answers mean says sweeps.ts.

import { readPacketFrame, ipFrame } from "./packets.ts";
import { variant } from "./probes.ts";
import type { Side } from "./side.ts";
import {
  inOvn,
  type Known,
  knownOf,
  membersOf,
  SWEEP_FLOWS,
  type Sweep,
  wrongWith,
} from "./sweeps.ts";
import type { Topology } from "./topology.ts";

/** Connections on their way at a time. */
const AT_ONCE = 64;
/** Each of them is sent so often. */
const TIMES = 2;
/** Silence that ends the wait for what may be lost, try by try. */
const QUIET_MS = [60, 250, 700] as const;
const DEADLINE_MS = 3_000;

export class Sweeper {
  readonly #sides: Readonly<Record<"ovn" | "weft", Side>>;
  readonly #takeIds: (count: number) => number;
  /** By group. */
  readonly #known = new Map<string, Known>();

  /** `takeIds`: the first of so many numbers for frames. Of one case: it remembers where connections went. */
  constructor(sides: Readonly<Record<"ovn" | "weft", Side>>, takeIds: (count: number) => number) {
    this.#sides = sides;
    this.#takeIds = takeIds;
  }

  /** A group that is gone and comes again is another one. */
  forget(topology: Topology): void {
    for (const group of this.#known.keys()) if (!topology.has(group)) this.#known.delete(group);
  }

  /** What is wrong; none = nothing. */
  async run(topology: Topology, sweep: Sweep): Promise<readonly string[]> {
    const members = membersOf(topology, sweep);
    if (members === null) return [];
    const seen = { ovn: new Map<number, string[]>(), weft: new Map<number, string[]>() };
    for (const quietMs of QUIET_MS) {
      const missing = Array.from({ length: SWEEP_FLOWS }, (_, flow) => flow).filter(
        (flow) => !seen.weft.has(flow),
      );
      for (let at = 0; at < missing.length; at += AT_ONCE) {
        await this.#send(sweep, missing.slice(at, at + AT_ONCE), quietMs, seen);
      }
    }
    const both = { all: members, ovn: inOvn(topology, sweep, members) };
    const wrong = wrongWith(sweep, both, seen, this.#known.get(sweep.group) ?? null);
    this.#known.set(sweep.group, knownOf(members, seen.weft));
    return wrong;
  }

  async #send(
    { from, packet }: Sweep,
    flows: readonly number[],
    quietMs: number,
    seen: Readonly<Record<"ovn" | "weft", Map<number, string[]>>>,
  ): Promise<void> {
    const { ovn, weft } = this.#sides;
    const count = flows.length * TIMES;
    const first = this.#takeIds(count);
    const frames = Array.from({ length: count }, (_, at) =>
      ipFrame(variant(packet, flows[at % flows.length] ?? 0), first + at),
    );
    const exchange = async (side: Side) => {
      side.guests.takeReceived();
      for (const frame of frames) side.guests.send(from, frame);
      await side.guests.quiet(quietMs, DEADLINE_MS, count);
      for (const { port, frame } of side.guests.takeReceived()) {
        const { id, ip } = readPacketFrame(frame);
        const at = (id ?? -1) - first;
        const flow = at < 0 || at >= count ? undefined : flows[at % flows.length];
        // An error quotes the packet that it is about.
        if (flow === undefined || ip?.to !== packet.to) continue;
        const ports = seen[side.name].get(flow) ?? [];
        seen[side.name].set(flow, [...ports, port]);
      }
    };
    await Promise.all([exchange(ovn), exchange(weft)]);
  }
}
