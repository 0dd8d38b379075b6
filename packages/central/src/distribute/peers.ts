// What distribution keeps of a chassis that was connected in this epoch: its outbox, its stream and what it said last. Plain data
// and what is read off it. Owned by distributor.ts.

import type { Ack } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { ChassisStatus } from "./options.ts";
import { Outbox, type OutboxReader } from "./outbox.ts";
import type { Failure } from "./realized.ts";
import type { Session } from "./session.ts";

export interface Peer {
  readonly outbox: Outbox;
  session: Session | undefined;
  /** What the agent waits for an operator for; empty = nothing. */
  agentWaitsFor: string;
  failed: readonly Failure[];
  failedTotal: number;
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
    failed: [],
    failedTotal: 0,
    driftRepaired: 0n,
    flows: 0,
    agentVersion: "",
    lastSeenMs: 0,
  };
}

/** An ack names all that fails now. */
export function noteAck(peer: Peer, ack: Ack): void {
  Object.assign(peer, {
    failed: ack.failed.slice(0, MAX_FAILED),
    failedTotal: Math.max(ack.failedTotal, ack.failed.length),
    driftRepaired: ack.driftRepaired,
    flows: ack.flows,
  });
}

/** `derived`: highest revision derived. Of a chassis that was not connected in this epoch everything is 0 and empty. */
export function statusOf(peer: Peer | undefined, derived: bigint): ChassisStatus {
  return {
    connected: peer?.session !== undefined,
    realizedRevision: peer?.outbox.realizedRevision(derived) ?? 0n,
    ackedSequence: peer?.outbox.ackedSequence ?? 0n,
    sentSequence: peer?.outbox.sentSequence ?? 0n,
    instructions: peer?.outbox.instructions ?? 0,
    pending: peer?.outbox.pending ?? 0,
    driftRepaired: peer?.driftRepaired ?? 0n,
    flows: peer?.flows ?? 0,
    failed: peer?.failed ?? [],
    failedTotal: peer?.failedTotal ?? 0,
    agentVersion: peer?.agentVersion ?? "",
    lastSeenMs: peer?.session?.heardMs ?? peer?.lastSeenMs ?? 0,
    waitingFor: peer?.session?.waitingFor || peer?.agentWaitsFor || "",
  };
}
