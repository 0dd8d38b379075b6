// Holds what guests received against the reference: a third opinion, for packets whose way admits of no doubt. So the comparison is known
// to send packets that arrive, and OVN to be what it is taken for. Pure; used by the system test.

import type { Arrival } from "./observe.ts";
import type { Probe } from "./probes.ts";
import { type Fate, fates } from "./reference.ts";
import { speaksFor } from "./side.ts";
import { get, type Topology } from "./topology.ts";

/** Ends that leave nothing to be received, in either system. */
const SILENT: ReadonlySet<string> = new Set(["sender down", "spoofed", "blackhole", "policy"]);

/** "agrees", or what is wrong; null = the reference does not say. */
export function opinion(
  topology: Topology,
  probe: Probe,
  arrivals: readonly Arrival[],
): string | null {
  if (probe.kind !== "ip") return null;
  const [fate, ...others] = fates(topology, probe.from, probe.packet);
  if (fate === undefined || others.length > 0) return null;
  if (fate.end === "silent" && SILENT.has(fate.why)) {
    return arrivals.length === 0 ? "agrees" : `${fate.why}, but something arrived`;
  }
  return fate.end === "delivered" ? ofDelivery(topology, probe.packet.to, fate, arrivals) : null;
}

function ofDelivery(
  topology: Topology,
  to: string,
  { port, ttl, leaked }: Extract<Fate, { end: "delivered" }>,
  arrivals: readonly Arrival[],
): string | null {
  // Whether a port gets what is for others is where the systems differ.
  if (!speaksFor(get(topology, "port", port), to)) return null;
  // How many routers a leak is is where the systems differ as well.
  if (leaked === true && ttl === 1) return null;
  const ttls = leaked === true ? [ttl, ttl - 1] : [ttl];
  const right = arrivals.filter(
    ({ port: at, what }) => at === port && what.kind === "ip" && ttls.includes(what.ttl),
  );
  if (right.length === 0) return `nothing at ${port} with TTL ${ttl}`;
  return right.length === arrivals.length ? "agrees" : "something arrived elsewhere as well";
}
