// Answers central's question about one packet on this chassis: its way through the compiled flows and, when asked, whether the switch
// itself goes the same way. Reads only. Made by agent.ts, which hands it the text of the query.

import type { Dataplane, Traced, TraceEvent } from "@weft/dataplane-native";
import { describeError, WeftError } from "@weft/shared/errors.ts";
import {
  type TraceComparisonReply,
  type TraceQuery,
  traceQuerySchema,
  type TraceReply,
  type TraceReplyEvent,
} from "@weft/shared/trace-query.ts";
import type { Vif } from "../ports/port-table.ts";
import { compareWays, notKnown } from "./compare.ts";
import { readOfprotoTrace } from "./ofproto-text.ts";
import { findControlSocket, runCommand } from "./unixctl.ts";

export const TRACE_VERB = "trace";

/** Traces that run at once. */
const MAX_OPEN = 4;
/** What the switch may take. */
const SWITCH_MS = 5_000;
/** Chooses the first bucket; 0 means that there is no hash yet. */
const DP_HASH = 0x100;
/** Groups on one way, each of which the one before may lead to. */
const MAX_ROUNDS = 8;
const MAX_HASH = 65_536;
/** Kinds of groups whose hash the switch makes itself, of fragments' addresses (`fields.rs`, group_id). */
const FRAGMENT_GROUPS: ReadonlySet<number> = new Set([8, 10]);

/** Which ofport is what, as OVSDB shows it. */
export interface TraceFacts {
  readonly vifs: readonly Pick<Vif, "portId" | "name" | "ofport" | "error">[];
  readonly tunnels: readonly { readonly encap: number; readonly ofport: number }[];
  readonly patches: readonly { readonly physicalNetwork: string; readonly ofport: number }[];
}

export interface TracerOptions {
  readonly dataplane: Pick<Dataplane, "trace">;
  readonly ovs: { readonly runDir: string; readonly bridge: string };
  /** null = OVSDB has not shown anything yet. */
  readonly facts: () => TraceFacts | null;
}

export class Tracer {
  readonly #options: TracerOptions;
  #open = 0;

  constructor(options: TracerOptions) {
    this.#options = options;
  }

  /** JSON of the answer to the JSON behind TRACE_VERB. Rejects with what a person can act on. */
  async answer(query: string): Promise<string> {
    if (this.#open >= MAX_OPEN) {
      throw new WeftError("transient", `${MAX_OPEN} traces run already: try again`);
    }
    this.#open += 1;
    try {
      const parsed = traceQuerySchema.safeParse(parseJson(query));
      if (!parsed.success) {
        throw new WeftError("rejected", "the trace is not understood: update the agent");
      }
      return JSON.stringify(await this.#trace(parsed.data));
    } finally {
      this.#open -= 1;
    }
  }

  async #trace(query: TraceQuery): Promise<TraceReply> {
    const { dataplane, facts } = this.#options;
    const known = facts();
    if (known === null) {
      throw new WeftError("transient", "OVSDB has not answered yet: see the agent's log");
    }
    const { lengthBytes } = query;
    const fields = Object.fromEntries(
      Object.entries(query.fields).map(([name, value]) => [name, BigInt(value)]),
    );
    const request = { inPort: entryPort(query.entry, known), fields, lengthBytes, hash: 0 };
    const bothWays = (hash: number): Promise<Traced> =>
      dataplane.trace({ ...request, lengthBytes: null, hash });
    let compared = query.real ? await this.#compare(request.inPort, bothWays) : null;
    // A change that was on its way to the switch is there by now.
    if (compared?.real.agreement === "different")
      compared = await this.#compare(request.inPort, bothWays);
    const traced = await dataplane.trace({ ...request, hash: compared?.hash ?? 0 });
    const real = compared?.real ?? null;
    const asked = real !== null && real.agreement !== "not-known";
    return {
      packet: traced.packet,
      events: traced.events.map((event) => replyEvent(event, known, asked)),
      cut: traced.cut,
      problem: traced.problem,
      real,
    };
  }

  /** `hash`: by which our groups choose the buckets that the switch chose. */
  async #compare(
    inPort: number,
    bothWays: (hash: number) => Promise<Traced>,
  ): Promise<{ real: TraceComparisonReply; hash: number }> {
    const { runDir, bridge } = this.#options.ovs;
    const both = await bothWays(0);
    try {
      const flow = choicesOf(both).length === 0 ? both.packet : `${both.packet},dp_hash=${DP_HASH}`;
      const text = await runCommand({
        socket: await findControlSocket(runDir),
        method: "ofproto/trace",
        params: [bridge, flow],
        signal: AbortSignal.timeout(SWITCH_MS),
      });
      const read = readOfprotoTrace(text, bridge);
      if (read.kind === "not-understood") return { real: notKnown(read.reason), hash: 0 };
      if (read.needsHash) {
        return { real: notKnown("a group has no bucket without the datapath's hash"), hash: 0 };
      }
      let hash = 0;
      let ours = both;
      for (let round = 0; round < MAX_ROUNDS; round += 1) {
        const next = hashFor(choicesOf(ours), read.buckets);
        if (next === undefined) {
          const reason = "groups on the way chose buckets that cannot be followed at once";
          return { real: notKnown(reason), hash: 0 };
        }
        if (next === hash) break;
        // Another choice may lead to other groups: those are looked at in the next round.
        hash = next;
        ours = await bothWays(hash);
      }
      if (ours.problem !== "") return { real: notKnown(ours.problem), hash };
      const compiled = { lookups: ours.lookups, outputs: outputsOf(ours), inPort };
      return { real: compareWays(compiled, read), hash };
    } catch (error) {
      return { real: notKnown(describeError(error)), hash: 0 };
    }
  }
}

type Choice = Extract<TraceEvent, { kind: "bucket" }>;

function choicesOf({ events }: Traced): Choice[] {
  return events.filter((event) => event.kind === "bucket");
}

function outputsOf({ events, cut }: Traced): number[] | null {
  return cut ? null : events.flatMap((event) => (event.kind === "output" ? [event.port] : []));
}

/** The lowest hash by which each group chooses the bucket that the switch chose; what it did not choose is free. */
function hashFor(choices: readonly Choice[], buckets: readonly number[]): number | undefined {
  const wanted = choices.flatMap(({ ids }, at) => {
    const place = ids.indexOf(buckets[at] ?? Number.NaN);
    return place < 0 ? [] : [{ place, of: ids.length }];
  });
  for (let hash = 0; hash < MAX_HASH; hash += 1) {
    if (wanted.every(({ place, of }) => hash % of === place)) return hash;
  }
  return undefined;
}

function entryPort(entry: TraceQuery["entry"], facts: TraceFacts): number {
  const missing = (what: string): never => {
    throw new WeftError("rejected", what);
  };
  switch (entry.kind) {
    case "port": {
      const vif = facts.vifs.find(({ portId }) => portId === entry.portId);
      const plug = `set external_ids:iface-id=${entry.portId} on its interface`;
      if (vif === undefined) return missing(`port ${entry.portId} has no interface here: ${plug}`);
      if (vif.ofport > 0) return vif.ofport;
      return missing(`interface ${vif.name} has no port in the switch: ${vif.error || "wait"}`);
    }
    case "tunnel":
      return (
        facts.tunnels.find(({ encap }) => encap === entry.encap)?.ofport ??
        missing("there is no tunnel port of that encapsulation: configure encaps in agent.yaml")
      );
    case "patch":
      return (
        facts.patches.find(({ physicalNetwork }) => physicalNetwork === entry.physicalNetwork)
          ?.ofport ??
        missing(`physical network ${entry.physicalNetwork} is not here: see providerBridges`)
      );
  }
}

function replyEvent(event: TraceEvent, facts: TraceFacts, asked: boolean): TraceReplyEvent {
  switch (event.kind) {
    case "step":
      return { ...event, cookie: event.cookie.toString() };
    case "output": {
      const fields = Object.entries(event.fields).map(([name, value]): [string, string] => {
        return [name, `0x${value.toString(16)}`];
      });
      const to = destinationOf(event.port, facts);
      return { kind: "output", to, fields: Object.fromEntries(fields) };
    }
    case "bucket": {
      const { ids, ...choice } = event;
      const real = asked && FRAGMENT_GROUPS.has(event.group >>> 28);
      return { ...choice, buckets: ids.length, real };
    }
    case "controller":
    case "withheld":
      return event;
  }
}

type Destination = Extract<TraceReplyEvent, { kind: "output" }>["to"];

function destinationOf(ofport: number, facts: TraceFacts): Destination {
  const at = (port: { readonly ofport: number }): boolean => port.ofport === ofport;
  const vif = facts.vifs.find(at);
  if (vif !== undefined) return { kind: "port", portId: vif.portId };
  const tunnel = facts.tunnels.find(at);
  if (tunnel !== undefined) return { kind: "tunnel", encap: tunnel.encap };
  const patch = facts.patches.find(at);
  if (patch !== undefined) return { kind: "patch", physicalNetwork: patch.physicalNetwork };
  return { kind: "unknown", ofport };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
