// Sends every chassis what it is to know, and takes what it reports: sessions by chassis, changes to outboxes, acks to who waits.
// Owns the numbering of sequences. It derives nothing and decides no binding. Made by central.ts, which registers it at the
// gRPC server with addTo(), calls publish() with every derived batch, and closes it.
//
//   DerivedBatch --publish--> outbox of each chassis in the audience --next turn--> session --frames--> agent
//   agent --acks--> outbox, RealizedLog      --reports, claims--> Bindings

import type { Server } from "@grpc/grpc-js";
import type { Timer } from "@weft/shared/clock.ts";
import { describeError } from "@weft/shared/errors.ts";
import {
  type AgentMessage,
  type CentralMessage,
  Hello,
  SouthboundServiceService,
} from "@weft/shared/gen/weft/v1/southbound.ts";
import { SCHEMA_VERSION } from "@weft/shared/instruction-digest.ts";
import type { Refused } from "../bindings/placement.ts";
import type { DerivedBatch } from "../derive/deriver.ts";
import type { Batch, ChassisRow } from "../model/rows.ts";
import { holdReason, refusalOf } from "./admission.ts";
import { clip, MAX_TEXT, MAX_VERSION, toClaims, toReport } from "./convert.ts";
import { Digests } from "./digests.ts";
import { InstructionEncoder } from "./frames.ts";
import {
  type Call,
  type ChassisStatus,
  type DistributorConfig,
  type DistributorMetrics,
  type DistributorOptions,
  defaultDistributorConfig,
} from "./options.ts";
import type { Stem } from "./outbox.ts";
import { overdueOf } from "./overdue.ts";
import { newPeer, noteAck, noteRefused, type Peer, statusOf } from "./peers.ts";
import { Queries } from "./queries.ts";
import { type Realization, RealizedLog } from "./realized.ts";
import { RefusalLog } from "./refusal-log.ts";
import { type Received, Session, type Wire } from "./session.ts";
import { MAX_STREAMS, StreamCount } from "./stream-count.ts";

const SWEEP_MS = 1000;
/** A stream is cut when nothing was heard for so many leases. */
const SILENT_LEASES = 3;
const NOBODY = Hello.fromPartial({});

/** The wire of a call that is gone, or of an in-memory test. */
export interface Incoming {
  readonly session: Session;
  /** Handles one message. May be told the next one only when what it answers has resolved; undefined = at once. */
  receive(message: Received): Promise<void> | undefined;
  /** The stream is gone. */
  ended(): void;
}

export type {
  ChassisStatus,
  DistributorConfig,
  DistributorLogger,
  DistributorMetrics,
  DistributorOptions,
} from "./options.ts";

export class Distributor {
  readonly #options: DistributorOptions;
  readonly #config: DistributorConfig;
  readonly #digests: Digests;
  readonly #encoder = new InstructionEncoder();
  readonly #peers = new Map<string, Peer>();
  readonly #sessions = new Set<Session>();
  readonly #dirty = new Set<Peer>();
  readonly #queries: Queries;
  readonly #refusalLog: RefusalLog;
  readonly #streams = new StreamCount();
  readonly #realized: RealizedLog;
  #sequence = 0n;
  #turn: NodeJS.Immediate | undefined;
  #sweep: Timer | undefined;
  #closed = false;
  /** Derivation is ahead of what was published: no frame may be frozen. */
  #held = false;

  /** For grpc-js, with `definition`: messages to agents are encoded here. */
  readonly service = { connect: (call: Call): void => this.#connect(call) };

  /** The generated definition, but that what is written are bytes: an instruction is encoded once, not once a session. */
  readonly definition = {
    connect: {
      ...SouthboundServiceService.connect,
      responseSerialize: (value: CentralMessage): Buffer => value as unknown as Buffer,
    },
  };

  constructor(options: DistributorOptions) {
    this.#options = options;
    this.#config = { ...defaultDistributorConfig, ...options.config };
    const { interest } = options.deriver;
    this.#digests = new Digests({
      storeId: options.storeId,
      instructions: (scope) => interest.instructions(scope),
    });
    this.#queries = new Queries(options.clock);
    this.#refusalLog = new RefusalLog(options);
    this.#realized = new RealizedLog({
      clock: options.clock,
      revision: options.currentRevision(),
      progress: (chassis) => this.#progress(chassis),
      everybody: () => this.#peers.keys(),
    });
    this.#scheduleSweep();
  }

  addTo(server: Server): void {
    server.addService(this.definition, this.service);
  }

  /** Number of the last derived change. */
  get sequence(): bigint {
    return this.#sequence;
  }

  /** Derivation starts on parts of a batch and will publish them as one: until then no chassis is sent a part. */
  hold(): void {
    this.#held = true;
  }

  /**
   * Queues a derived batch; frames go out at the end of this turn. Call it right after deriver.apply(), in the same order; or
   * after hold(), with the results of several apply() joined in their order.
   */
  publish(batch: DerivedBatch): void {
    if (this.#held) {
      this.#held = false;
      for (const peer of this.#peers.values()) this.#soon(peer);
    }
    const intent = batch.revision > this.#realized.derived;
    const touched = new Set<string>();
    if (batch.instructions.length > 0 || batch.subscriptions.length > 0) {
      this.#sequence += 1n;
      this.#queue(
        batch,
        { sequence: this.#sequence, revision: intent ? batch.revision : null },
        touched,
      );
    }
    if (!intent) return;
    this.#realized.add(
      batch.revision,
      touched,
      batch.instructions.map(({ key }) => key),
    );
    this.#realized.check();
  }

  /** Answers when every chassis that the revision touched and that is alive has acked it, or at the deadline. */
  realized(revision: bigint, timeoutMs: number, signal?: AbortSignal): Promise<Realization> {
    return this.#realized.wait(revision, timeoutMs, signal);
  }

  chassisStatus(id: string): ChassisStatus {
    return statusOf(this.#peers.get(id), this.#realized.derived);
  }

  /** Asks the agent; answers its JSON. Rejects with a transient WeftError. */
  query(chassis: string, text: string, timeoutMs: number): Promise<string> {
    return this.#queries.ask(chassis, this.#peers.get(chassis)?.session, text, timeoutMs);
  }

  /** An operator agrees that the chassis is told what this store says. False = it does not wait for that. */
  adopt(id: string): boolean {
    return this.#peers.get(id)?.session?.adopt() ?? false;
  }

  /** A chassis that is declared lost, or is not any more, connects anew: what it may be told and what it holds is judged then. */
  modelChanged(batch: Batch): void {
    for (const { table, id, before, after } of batch.changes) {
      if (table !== "chassis" || before === undefined || before.lost === after?.lost) continue;
      const session = this.#peers.get(id)?.session;
      if (session !== undefined) this.#ended(session);
    }
  }

  /** True when no chassis acts any more on keys that were freed up to this sequence: each acked it, or is fenced. */
  keyReusable(freedSequence: bigint): boolean {
    for (const chassis of this.#options.bindings.chassis()) {
      if (this.#options.bindings.isFenced(chassis)) continue;
      if (!this.#peers.get(chassis)?.outbox.settled(freedSequence)) return false;
    }
    return true;
  }

  /** Ends all streams and waits. */
  close(): void {
    this.#closed = true;
    this.#sweep?.cancel();
    clearImmediate(this.#turn);
    for (const session of this.#sessions) session.close();
    this.#sessions.clear();
    this.#queries.close();
    this.#realized.close();
  }

  // ---- out ----

  #queue(batch: DerivedBatch, stem: Stem, touched: Set<string>): void {
    const { interest } = this.#options.deriver;
    for (const { chassis, scope, subscribed } of batch.subscriptions) {
      touched.add(chassis);
      const peer = this.#peers.get(chassis);
      if (peer === undefined) continue;
      if (subscribed) peer.outbox.gain(scope, stem);
      else peer.outbox.lose(scope, stem);
      this.#soon(peer);
    }
    for (const { scope, key, before, body } of batch.instructions) {
      this.#digests.changed(scope, key, before, body);
      for (const chassis of interest.audience(scope)) {
        touched.add(chassis);
        const peer = this.#peers.get(chassis);
        if (peer === undefined) continue;
        peer.outbox.put(key, stem);
        this.#soon(peer);
      }
    }
  }

  /** Everything of one turn goes out as one frame. */
  #soon(peer: Peer): void {
    if (peer.session === undefined) return;
    this.#dirty.add(peer);
    this.#turn ??= setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#turn = undefined;
    for (const peer of this.#dirty) {
      if (peer.outbox.overflowed)
        this.#cut(peer.session, "overflow", "it does not read what it is sent");
      else peer.session?.pump();
    }
    this.#dirty.clear();
    this.#encoder.clear();
  }

  // ---- in ----

  #connect(call: Call): void {
    const incoming = this.accept(
      {
        write: (message) => {
          this.#options.metrics?.frame(message.length);
          return call.write(message as unknown as CentralMessage);
        },
        end: () => call.end(),
      },
      (hello) => this.#options.peerChassis(call, hello),
    );
    this.#count(call, incoming.session);
    call.on("data", (message: AgentMessage) => {
      if (message.message === undefined) return;
      const busy = incoming.receive(message.message);
      if (busy === undefined) return;
      call.pause();
      void busy.then(() => call.resume());
    });
    call.on("drain", () => incoming.session.drained());
    call.on("end", () => incoming.ended());
    call.on("cancelled", () => incoming.ended());
    // Garbage or a broken connection; the stream is over either way.
    call.on("error", () => incoming.ended());
  }

  /** Bounds the streams of one certificate; on plaintext, where nobody is told apart, there is no such bound. */
  #count(call: Call, session: Session): void {
    const who = this.#options.peerChassis(call, NOBODY) ?? "no chassis";
    if (who === NOBODY.chassis) return;
    const fits = this.#streams.opened(who);
    call.once("cancelled", () => this.#streams.closed(who));
    if (!fits) this.#cut(session, "refused", `${who} has ${MAX_STREAMS} streams open already`);
  }

  /** A new stream. `identity` = the chassis that its peer may speak for. */
  accept(wire: Wire, identity: (hello: Hello) => string | undefined): Incoming {
    const session = new Session({
      wire,
      encoder: this.#encoder,
      maxUnackedFrames: this.#config.maxUnackedFrames,
      held: () => this.#held,
      nextSequence: (after) => {
        if (this.#sequence <= after) this.#sequence = after + 1n;
        return this.#sequence;
      },
      revision: () => this.#options.currentRevision(),
      nowMs: () => this.#options.clock.nowMs(),
    });
    this.#sessions.add(session);
    this.#options.metrics?.sessions(this.#sessions.size);
    if (this.#closed) this.#cut(session, "refused", "central is shutting down");
    else if (this.#sessions.size > this.#config.maxSessions) {
      this.#cut(session, "refused", `central serves ${this.#config.maxSessions} sessions already`);
    }
    return {
      session,
      receive: (message) => this.#receive(session, message, identity),
      ended: () => this.#ended(session),
    };
  }

  #receive(
    session: Session,
    message: Received,
    identity: (hello: Hello) => string | undefined,
  ): Promise<void> | undefined {
    if (session.state === "closed") return undefined;
    session.heardMs = this.#options.clock.nowMs();
    if (message.$case === "hello") return this.#hello(session, message.value, identity);
    const peer = this.#peers.get(session.chassis);
    const fault =
      peer === undefined ? "the first message must be a hello" : this.#told(peer, session, message);
    if (fault !== undefined) this.#cut(session, "protocol", fault);
    return undefined;
  }

  /** Answers how the agent broke the protocol; undefined = it did not. */
  #told(
    peer: Peer,
    session: Session,
    message: Exclude<Received, { $case: "hello" }>,
  ): string | undefined {
    const { bindings } = this.#options;
    const chassis = session.chassis;
    switch (message.$case) {
      case "ack":
        return this.#acked(peer, session, message.value);
      case "portReports": {
        const { reports, complete } = message.value;
        const refused = bindings.report(chassis, reports.map(toReport), complete);
        this.#refusePorts(
          peer,
          session,
          reports.map(({ portId }) => clip(portId, MAX_TEXT)),
          refused,
        );
        if (complete) session.reported();
        return undefined;
      }
      case "addressClaims":
        bindings.heard(chassis);
        this.#refusalLog.note(session, bindings.claim(chassis, toClaims(message.value.claims)));
        return undefined;
      case "scopeKeys":
        bindings.heard(chassis);
        return session.scopeKeys(message.value.keys, message.value.last);
      case "heartbeat":
        bindings.heard(chassis);
        peer.agentWaitsFor = clip(message.value.waitingFor, MAX_TEXT);
        peer.driftRepaired = message.value.driftRepaired;
        peer.flows = message.value.flows;
        return undefined;
      case "queryReply":
        this.#queries.answer(chassis, message.value);
        return undefined;
    }
  }

  #acked(
    peer: Peer,
    session: Session,
    ack: Extract<Received, { $case: "ack" }>["value"],
  ): string | undefined {
    const done = peer.outbox.ack(ack.sequence);
    if (done === undefined) return `an ack of ${ack.sequence}, which was not sent`;
    noteAck(peer, ack);
    const nowMs = this.#options.clock.nowMs();
    if (done.oldestSentMs !== undefined) this.#options.metrics?.acked(nowMs - done.oldestSentMs);
    if (done.inSync) this.#options.bindings.inSync(session.chassis);
    else this.#options.bindings.heard(session.chassis);
    session.pump();
    this.#realized.check();
    return undefined;
  }

  async #hello(
    session: Session,
    hello: Hello,
    identity: (hello: Hello) => string | undefined,
  ): Promise<void> {
    if (session.state !== "greeting") return this.#cut(session, "protocol", "a second hello");
    const refused = refusalOf(hello, identity(hello));
    if (refused !== undefined) return this.#cut(session, "refused", refused);
    session.registering();
    let row: ChassisRow;
    try {
      row = await this.#options.registerChassis(hello);
    } catch (error) {
      const reason = `chassis ${hello.chassis} cannot be registered: ${describeError(error)}`;
      return this.#cut(session, "refused", reason);
    }
    // The stream may have gone while the store wrote.
    if (this.#sessions.has(session)) this.#greet(session, hello, row);
  }

  #greet(session: Session, hello: Hello, row: ChassisRow): void {
    const { bindings, deriver, storeId, epoch } = this.#options;
    const peer = this.#peers.get(row.id) ?? this.#addPeer(row.id);
    if (peer.session !== undefined) {
      this.#cut(peer.session, "replaced", "a newer stream of this chassis replaced this one");
    }
    peer.session = session;
    peer.agentVersion = clip(hello.agentVersion, MAX_VERSION);
    peer.agentWaitsFor = "";
    const { held } = hello;
    const hold = holdReason(hello, row, { storeId, revision: this.#options.currentRevision() });
    const sameStore = held?.storeId === storeId;
    const foreign = !sameStore || hello.schemaVersion !== SCHEMA_VERSION;
    const resume =
      held !== undefined &&
      hold === undefined &&
      !foreign &&
      held.epoch === epoch &&
      !bindings.isFenced(row.id) &&
      peer.outbox.resume(held.sequence)
        ? "continue"
        : "resync";
    if (resume === "resync") {
      const known = sameStore ? held.revision : 0n;
      peer.outbox.reset({ sequence: this.#sequence, revision: known + 1n });
    }
    bindings.connected(row.id);
    const { interest } = deriver;
    session.greet({
      chassis: row.id,
      hello,
      outbox: peer.outbox,
      reader: {
        instructions: (scope) => interest.instructions(scope),
        get scopes() {
          return interest.scopes(row.id);
        },
        digest: (scope) => this.#digests.digest(scope, !this.#held),
        hash: (key, body) => this.#digests.hash(key, body),
      },
      resume,
      hold,
      foreign,
      welcome: { storeId, epoch, leaseMs: bindings.config.leaseMs },
    });
    this.#options.logger.info({ chassis: row.id, resume, hold }, "chassis connected");
    this.#realized.check();
  }

  #addPeer(id: string): Peer {
    const peer = newPeer(id, this.#options.deriver.interest);
    this.#peers.set(id, peer);
    return peer;
  }

  // ---- ends ----

  #cut(
    session: Session | undefined,
    cause: Parameters<DistributorMetrics["cut"]>[0],
    reason: string,
  ): void {
    if (session === undefined) return;
    this.#options.metrics?.cut(cause);
    this.#options.logger.warn({ chassis: session.chassis, cause, reason }, "stream cut");
    session.refuse(reason);
    this.#ended(session);
  }

  #ended(session: Session): void {
    if (!this.#sessions.delete(session)) return;
    this.#options.metrics?.sessions(this.#sessions.size);
    session.close();
    const peer = this.#peers.get(session.chassis);
    if (peer?.session !== session) return;
    peer.session = undefined;
    peer.lastSeenMs = session.heardMs;
    this.#queries.streamEnded(session.chassis);
    this.#realized.check();
  }

  #scheduleSweep(): void {
    this.#sweep = this.#options.clock.setTimer(SWEEP_MS, () => {
      this.#sweepNow();
      this.#scheduleSweep();
    });
  }

  #sweepNow(): void {
    const nowMs = this.#options.clock.nowMs();
    const { reportWaitMs, resumeMs } = this.#config;
    const silentMs = SILENT_LEASES * this.#options.bindings.config.leaseMs;
    for (const session of [...this.#sessions]) {
      const overdue = overdueOf(session, nowMs, { ...this.#config, silentMs });
      const { judgingSinceMs } = session;
      if (overdue !== undefined) {
        this.#cut(session, overdue.cause, overdue.reason);
      } else if (judgingSinceMs !== undefined && nowMs - judgingSinceMs > reportWaitMs) {
        session.reported();
      }
    }
    for (const [id, peer] of this.#peers) {
      if (peer.session !== undefined) continue;
      if (nowMs - peer.lastSeenMs > resumeMs || peer.outbox.overflowed) this.#peers.delete(id);
    }
    this.#realized.check();
  }

  #progress(id: string) {
    const peer = this.#peers.get(id);
    return {
      alive: this.#options.bindings.isAlive(id),
      realizedRevision: peer?.outbox.realizedRevision(this.#realized.derived) ?? 0n,
      failed: peer?.failed ?? [],
    };
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
    this.#refusalLog.note(session, named);
  }
}
