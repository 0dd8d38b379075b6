// The way in: what one agent reports, once its stream was greeted. Long messages are worked on in slices of time; the stream is told
// nothing more meanwhile. It opens and ends no stream. Owned by distributor.ts.

import type { Clock } from "@weft/shared/clock.ts";
import type {
  Ack,
  AddressClaims,
  PortReports,
  ScopeKeys,
} from "@weft/shared/gen/weft/v1/southbound.ts";
import type { Bindings } from "../bindings/bindings.ts";
import type { Refused } from "../bindings/placement.ts";
import { clip, MAX_TEXT, toClaims, toReport } from "./convert.ts";
import type { DistributorMetrics } from "./options.ts";
import { noteAck, noteHeartbeat, noteRefused, type Peer } from "./peers.ts";
import type { Queries } from "./queries.ts";
import type { RealizedLog } from "./realized.ts";
import type { RefusalLog } from "./refusal-log.ts";
import type { Received, Session } from "./session.ts";

export interface InboxOptions {
  readonly bindings: Bindings;
  readonly clock: Clock;
  readonly queries: Queries;
  readonly refusalLog: RefusalLog;
  readonly realized: RealizedLog;
  readonly metrics: DistributorMetrics | undefined;
  /** The peer may have room for frames. */
  readonly soon: (peer: Peer) => void;
}

/** Reports or claims that are judged and published together. */
const PART = 32;
/** Keys that are taken together. */
const KEY_PART = 512;

export class Inbox {
  readonly #options: InboxOptions;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** A step at a time; ends early when the stream does. Answers how the agent broke the protocol; undefined = it did not. */
  *take(
    peer: Peer,
    session: Session,
    message: Exclude<Received, { $case: "hello" }>,
  ): Generator<void, string | undefined> {
    const { bindings, clock, queries } = this.#options;
    switch (message.$case) {
      case "ack":
        return this.#ack(peer, session, message.value);
      case "portReports":
        return yield* this.#reports(peer, session, message.value);
      case "addressClaims":
        return yield* this.#claims(session, message.value);
      case "scopeKeys":
        return yield* this.#scopeKeys(session, message.value);
      case "heartbeat":
        bindings.heard(session.chassis);
        noteHeartbeat(peer, message.value, clock.nowMs());
        this.#letIn(peer, session);
        return undefined;
      case "queryReply":
        queries.answer(session.chassis, message.value);
        return undefined;
    }
  }

  #ack(peer: Peer, session: Session, ack: Ack): string | undefined {
    const { bindings, clock, metrics, realized, soon } = this.#options;
    const nowMs = clock.nowMs();
    const done = peer.outbox.ack(ack.sequence, nowMs);
    if (done === undefined) return `an ack of ${ack.sequence}, which was not sent`;
    noteAck(peer, ack);
    if (done.oldestSentMs !== undefined) {
      peer.cut = undefined;
      metrics?.acked(nowMs - done.oldestSentMs);
    }
    bindings.heard(session.chassis);
    if (done.inSync) peer.isInSync = true;
    this.#letIn(peer, session);
    soon(peer);
    realized.check();
    return undefined;
  }

  /** A fenced chassis may come back once even its disk knows nothing of what was freed meanwhile. */
  #letIn(peer: Peer, session: Session): void {
    if (!peer.isInSync || !peer.outbox.forgot(0n)) return;
    peer.isInSync = false;
    this.#options.bindings.inSync(session.chassis);
  }

  *#reports(
    peer: Peer,
    session: Session,
    { reports, complete }: PortReports,
  ): Generator<void, undefined> {
    const { bindings } = this.#options;
    const chassis = session.chassis;
    bindings.heard(chassis);
    for (const part of parts(reports, PART)) {
      const refused = bindings.report(chassis, part.map(toReport), false);
      this.#refusePorts(
        peer,
        session,
        part.map(({ portId }) => clip(portId, MAX_TEXT)),
        refused,
      );
      yield;
      if (session.state === "closed") return;
    }
    if (!complete) return;
    const named = new Set(reports.map(({ portId }) => portId));
    for (const _ of bindings.endOthers(chassis, named)) {
      yield;
      if (session.state === "closed") return;
    }
    session.reported();
  }

  *#claims(session: Session, { claims }: AddressClaims): Generator<void, undefined> {
    const { bindings, refusalLog } = this.#options;
    bindings.heard(session.chassis);
    for (const part of parts(claims, PART)) {
      refusalLog.note(session, bindings.claim(session.chassis, toClaims(part)));
      yield;
      if (session.state === "closed") return;
    }
  }

  *#scopeKeys(session: Session, { keys, last }: ScopeKeys): Generator<void, string | undefined> {
    this.#options.bindings.heard(session.chassis);
    for (const part of parts(keys, KEY_PART)) {
      const fault = session.scopeKeys(part, false);
      if (fault !== undefined) return fault;
      yield;
      if (session.state === "closed") return undefined;
    }
    return session.scopeKeys([], last);
  }

  /** What is refused is remembered until the port is reported again, and said to the agent. */
  #refusePorts(
    peer: Peer,
    session: Session,
    reported: readonly string[],
    refused: readonly Refused[],
  ): void {
    const named = refused.map((one) => ({ ...one, port: clip(one.port, MAX_TEXT) }));
    noteRefused(peer, reported, named);
    session.refusePorts(named.map(({ port, reason }) => ({ portId: port, reason })));
    this.#options.refusalLog.note(session, named);
  }
}

function* parts<T>(all: readonly T[], length: number): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += length) yield all.slice(from, from + length);
}
