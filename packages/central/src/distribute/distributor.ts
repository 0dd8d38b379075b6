// The southbound service: opens, greets and ends the streams of agents, knows the peer of each chassis, and answers how far each is. It
// derives nothing and decides no binding. Made by central.ts, which registers it at the gRPC server with addTo(), hands it every
// derived batch, and closes it.
//
//   DerivedBatch --publish--> FanOut --frames--> session --> agent
//   agent --> session --acks, reports, claims--> Inbox --> outbox, RealizedLog, Bindings

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
import type { DerivedBatch } from "../derive/deriver.ts";
import type { Batch, ChassisRow } from "../model/rows.ts";
import { SlicedWork } from "../slices.ts";
import { holdReason, refusalOf } from "./admission.ts";
import { clip, MAX_VERSION } from "./convert.ts";
import { Digests } from "./digests.ts";
import { FanOut } from "./fan-out.ts";
import { Inbox } from "./inbox.ts";
import {
  type Call,
  type ChassisStatus,
  type CutCause,
  type DistributorConfig,
  type DistributorOptions,
  defaultDistributorConfig,
} from "./options.ts";
import { overdueOf } from "./overdue.ts";
import { newPeer, owedSinceMs, type Peer, statusOf } from "./peers.ts";
import { Queries } from "./queries.ts";
import { type ChassisProgress, type Realization, RealizedLog } from "./realized.ts";
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
  readonly #peers = new Map<string, Peer>();
  readonly #sessions = new Set<Session>();
  readonly #queries: Queries;
  readonly #streams = new StreamCount();
  readonly #realized: RealizedLog;
  readonly #fanOut: FanOut;
  readonly #inbox: Inbox;
  /** What agents cause: their messages and their resyncs. */
  readonly #work: SlicedWork;
  #sweep: Timer | undefined;
  #closed = false;

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
    const { deriver, bindings, clock, metrics, budgetMs } = options;
    const { interest } = deriver;
    this.#digests = new Digests({
      storeId: options.storeId,
      instructions: (scope) => interest.instructions(scope),
      held: () => this.#fanOut.held,
    });
    this.#work = new SlicedWork(budgetMs);
    this.#queries = new Queries(clock);
    this.#realized = new RealizedLog({
      clock,
      budgetMs,
      revision: options.currentRevision(),
      progress: (chassis) => this.#progress(chassis),
      everybody: () => bindings.chassis(),
    });
    this.#fanOut = new FanOut({
      interest,
      budgetMs,
      digests: this.#digests,
      realized: this.#realized,
      peers: this.#peers,
      overflowed: ({ session, outbox }) => {
        const reason = `${outbox.pending} changes wait for it, more than it holds: it takes them too slowly`;
        this.#cut(session, "overflow", reason);
      },
    });
    this.#inbox = new Inbox({
      bindings,
      clock,
      metrics,
      queries: this.#queries,
      realized: this.#realized,
      refusalLog: new RefusalLog(options),
      soon: (peer) => this.#fanOut.soon(peer),
    });
    this.#scheduleSweep();
  }

  addTo(server: Server): void {
    server.addService(this.definition, this.service);
  }

  /** Number of the last derived change. */
  get sequence(): bigint {
    return this.#fanOut.sequence;
  }

  /** Derivation or publishing is half done, and others get a turn: until release() no chassis is sent a part. */
  hold(): void {
    this.#fanOut.hold();
  }

  release(): void {
    this.#fanOut.release();
  }

  /**
   * Queues a derived batch, a step at a time; frames go out at the end of the turn. Batches come in the order in which they were
   * derived, each once the one before is done. Between the steps hold() must be in force.
   */
  publishSteps(batch: DerivedBatch): Generator<void, void> {
    return this.#fanOut.publish(batch);
  }

  /** As publishSteps(), at once; then release(). */
  publish(batch: DerivedBatch): void {
    for (const _ of this.publishSteps(batch));
    this.release();
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

  /**
   * True when no chassis will ever act again on keys that were freed up to this sequence: each acked it and has it on its disk, or
   * is fenced.
   */
  keyReusable(freedSequence: bigint): boolean {
    for (const chassis of this.#options.bindings.chassis()) {
      if (this.#options.bindings.isFenced(chassis)) continue;
      if (!this.#peers.get(chassis)?.outbox.forgot(freedSequence)) return false;
    }
    return true;
  }

  /** Ends all streams and waits. */
  close(): void {
    this.#closed = true;
    this.#sweep?.cancel();
    this.#fanOut.close();
    for (const session of this.#sessions) session.close();
    this.#sessions.clear();
    this.#queries.close();
    this.#realized.close();
  }

  // ---- streams ----

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
      encoder: this.#fanOut.encoder,
      maxUnackedFrames: this.#config.maxUnackedFrames,
      held: () => this.#fanOut.held,
      nextSequence: (after) => this.#fanOut.nextSequence(after),
      revision: () => this.#options.currentRevision(),
      nowMs: () => this.#options.clock.nowMs(),
      wake: () => {
        const peer = this.#peers.get(session.chassis);
        if (peer?.session === session) this.#fanOut.soon(peer);
      },
      work: this.#work,
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
    if (peer?.session !== session) {
      this.#cut(session, "protocol", "the first message must be a hello");
      return undefined;
    }
    return this.#work.start(this.#take(peer, session, message));
  }

  *#take(
    peer: Peer,
    session: Session,
    message: Exclude<Received, { $case: "hello" }>,
  ): Generator<void, void> {
    // Its turn may come when its stream is gone, and the chassis has another one.
    if (session.state === "closed") return;
    const fault = yield* this.#inbox.take(peer, session, message);
    if (fault !== undefined) this.#cut(session, "protocol", fault);
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
    peer.isInSync = false;
    // Who was stuck has to show that it is not.
    if (peer.cut?.cause !== "stuck") peer.cut = undefined;
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
      // Sequence 0: what was freed at any time may be on its disk.
      peer.outbox.reset({ sequence: 0n, revision: known + 1n });
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
        digest: (scope) => this.#digests.digest(scope),
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

  #cut(session: Session | undefined, cause: CutCause, reason: string): void {
    if (session === undefined) return;
    const peer = this.#peers.get(session.chassis);
    if (peer?.session === session && cause !== "replaced") peer.cut = { cause, reason };
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
    this.#options.logger.info({ chassis: session.chassis }, "chassis disconnected");
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
      const peer = this.#peers.get(session.chassis);
      const unackedSinceMs = peer?.session === session ? owedSinceMs(peer) : undefined;
      const overdue = overdueOf(session, unackedSinceMs, nowMs, { ...this.#config, silentMs });
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

  #progress(id: string): ChassisProgress | undefined {
    if (this.#options.deriver.interest.scopes(id).size === 0) return undefined;
    const peer = this.#peers.get(id);
    return {
      alive: this.#options.bindings.isAlive(id),
      realizedRevision: peer?.outbox.realizedRevision(this.#realized.derived) ?? 0n,
      failed: peer?.failed ?? [],
    };
  }
}
