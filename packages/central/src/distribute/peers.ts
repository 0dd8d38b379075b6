// What distribution keeps of a chassis that was connected in this epoch: its outbox, its stream and what it said last. Plain data
// and what is read off it. Owned by distributor.ts.

import type { Ack, Heartbeat } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { Refused } from "../bindings/placement.ts";
import { clip, MAX_TEXT, toFailure } from "./convert.ts";
import type { ChassisStatus, CutCause } from "./options.ts";
import { Outbox, type OutboxReader } from "./outbox.ts";
import type { Failure } from "./realized.ts";
import type { Session } from "./session.ts";

export interface Peer {
  readonly outbox: Outbox;
  session: Session | undefined;
  /** What the agent waits for an operator for; empty = nothing. */
  agentWaitsFor: string;
  /** It acked a resync of this stream, and bindings were not told yet. */
  isInSync: boolean;
  /** When it last said that it waits for something. */
  waitedMs: number;
  /** Why its stream was cut, until it gets on again. */
  cut: { readonly cause: CutCause; readonly reason: string } | undefined;
  failed: readonly Failure[];
  failedTotal: number;
  /** Ports that it reported last and does not own: port id -> why. At most MAX_FAILED. */
  readonly refused: Map<string, string>;
  driftRepaired: bigint;
  flows: number;
  agentVersion: string;
  /** When its last stream ended. */
  lastSeenMs: number;
}

/** Failures of one chassis that are kept. */
const MAX_FAILED = 1000;

export function newPeer(chassis: string, reader: OutboxReader): Peer {
  return {
    outbox: new Outbox({ chassis, reader }),
    session: undefined,
    agentWaitsFor: "",
    isInSync: false,
    waitedMs: 0,
    cut: undefined,
    failed: [],
    failedTotal: 0,
    refused: new Map(),
    driftRepaired: 0n,
    flows: 0,
    agentVersion: "",
    lastSeenMs: 0,
  };
}

/** What a heartbeat says. */
export function noteHeartbeat(peer: Peer, said: Heartbeat, nowMs: number): void {
  const waitingFor = clip(said.waitingFor, MAX_TEXT);
  if (waitingFor !== "" || peer.agentWaitsFor !== "") peer.waitedMs = nowMs;
  peer.agentWaitsFor = waitingFor;
  peer.driftRepaired = said.driftRepaired;
  peer.flows = said.flows;
  peer.outbox.durable(said.durableSequence);
}

/** Since when it owes an ack; undefined = it owes none, or says what it waits for. */
export function owedSinceMs(peer: Peer): number | undefined {
  const sinceMs = peer.outbox.unackedSinceMs;
  if (sinceMs === undefined || peer.session?.state !== "streaming") return undefined;
  return peer.agentWaitsFor === "" ? Math.max(sinceMs, peer.waitedMs) : undefined;
}

/** An ack names all that fails now. */
export function noteAck(peer: Peer, ack: Ack): void {
  const isSame = ack.failed.length === 0 && peer.failed.length === 0;
  if (!isSame) peer.failed = ack.failed.slice(0, MAX_FAILED).map(toFailure);
  peer.failedTotal = Math.max(ack.failedTotal, ack.failed.length);
  peer.driftRepaired = ack.driftRepaired;
  peer.flows = ack.flows;
}

/** What is refused is remembered until the port is reported again. */
export function noteRefused(
  peer: Peer,
  reported: readonly string[],
  refused: readonly Refused[],
): void {
  for (const port of reported) peer.refused.delete(port);
  for (const { port, reason } of refused) {
    if (peer.refused.size < MAX_FAILED) peer.refused.set(port, reason);
  }
}

/** `derived`: highest revision derived. Of a chassis that was not connected in this epoch everything is 0 and empty. */
export function statusOf(peer: Peer | undefined, derived: bigint): ChassisStatus {
  const refused = [...(peer?.refused ?? [])].map(([port, reason]) => ({
    key: `port/${port}`,
    reason,
  }));
  const cut = peer?.cut === undefined ? "" : `its stream was cut: ${peer.cut.reason}`;
  return {
    connected: peer?.session !== undefined,
    realizedRevision: peer?.outbox.realizedRevision(derived) ?? 0n,
    ackedSequence: peer?.outbox.ackedSequence ?? 0n,
    sentSequence: peer?.outbox.sentSequence ?? 0n,
    durableSequence: peer?.outbox.durableSequence ?? 0n,
    instructions: peer?.outbox.instructions ?? 0,
    pending: peer?.outbox.pending ?? 0,
    driftRepaired: peer?.driftRepaired ?? 0n,
    flows: peer?.flows ?? 0,
    failed: [...(peer?.failed ?? []), ...refused],
    failedTotal: (peer?.failedTotal ?? 0) + refused.length,
    agentVersion: peer?.agentVersion ?? "",
    lastSeenMs: peer?.session?.heardMs ?? peer?.lastSeenMs ?? 0,
    waitingFor: peer?.session?.waitingFor || peer?.agentWaitsFor || cut,
  };
}
