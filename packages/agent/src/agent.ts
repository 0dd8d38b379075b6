// WIRING of the agent, read first. It owns no logic of its own beyond who is told what, in which order.
//
//   checkpoint file --> desired state --+                        +--> OVSDB reconciler --> ovsdb-server
//   central --> session --> frames -----+--> port table          |          |
//                  ^                    +--> engine feed --> dataplane (Rust) --> ovs-vswitchd
//                  |                              ^                 |       |
//                  |                  local facts +<- OVSDB facts --+       |
//                  +---- acks, port reports, claims <-- tickets, claims <---+
//
// Order that matters: nothing is submitted, and no port reported, before the checkpoint is loaded and OVSDB has shown what the host
// has; a sequence is acked only when its ticket completed; nothing is pruned, in OVSDB or in the flow table, before this agent was
// in sync with central once in this life and the engine has completed what it knew then.

import type { ChannelCredentials, ClientOptions } from "@grpc/grpc-js";
import type { Dataplane, DataplaneEvent } from "@weft/dataplane-native";
import type { Clock } from "@weft/shared/clock.ts";
import { describeError } from "@weft/shared/errors.ts";
import {
  type AddressClaim,
  type AgentCheckpoint,
  type Heartbeat,
  type Hello,
  InstructionBody,
  type Instruction,
  Resume,
  type Welcome,
} from "@weft/shared/gen/weft/v1/southbound.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { SCHEMA_VERSION } from "@weft/shared/instruction-digest.ts";
import { ipToBytes } from "@weft/shared/net/ip.ts";
import type { Logger } from "pino";
import { type AgentConfig, encapTypeOf, mgmtSocketOf } from "./config.ts";
import { EngineFeed } from "./engine-feed.ts";
import { OpenFlowWatch } from "./openflow-watch.ts";
import { type Facts, type FactsChange, LocalFacts, vifOfKey } from "./ports/local-facts.ts";
import { isUsable, PortTable, type Vif } from "./ports/port-table.ts";
import { answerQuery } from "./queries.ts";
import type { CheckpointFile } from "./southbound/checkpoint.ts";
import { DesiredState, type Frame } from "./southbound/desired-state.ts";
import { Heartbeats } from "./southbound/heartbeats.ts";
import { Session } from "./southbound/session.ts";
import { Tracer } from "./trace/trace.ts";

export const AGENT_VERSION = "0.1.0";
export const PROTOCOL_VERSION = 1;

/** What the OVSDB side shows: facts for the engine and the interfaces that carry an iface-id. */
export interface SwitchFacts extends Omit<Facts, "vifs"> {
  readonly vifs: readonly Vif[];
}

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly hostname: string;
  readonly credentials: ChannelCredentials;
  readonly channelOptions: ClientOptions;
  readonly checkpoint: CheckpointFile;
  readonly openDataplane: (onEvent: (event: DataplaneEvent) => void) => Dataplane;
  /** In sync with central for the first time: leftovers in OVSDB may go. */
  readonly onInSync: () => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

export class Agent implements AsyncDisposable {
  readonly #options: AgentOptions;
  readonly #desired = new DesiredState();
  readonly #ports: PortTable;
  readonly #facts = new LocalFacts();
  readonly #claimGenerations = new Map<string, bigint>();
  readonly #session: Session;
  readonly #heartbeats: Heartbeats;
  readonly #openFlow: OpenFlowWatch;
  readonly #dataplane: Dataplane;
  readonly #feed: EngineFeed;
  readonly #logger: Logger;
  readonly #tracer: Tracer;
  #vifs = new Map<string, Vif>();
  /** As OVSDB showed them last; null = not yet. */
  #switchFacts: SwitchFacts | null = null;
  #inSync = false;
  #pruneAllowed = false;
  #lastTicket = 0n;
  #completedTicket = 0n;
  #welcome: Welcome | null = null;
  #failures = new Map<string, string>();
  #driftRepaired = 0n;
  #flows = 0;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#logger = options.logger;
    const { chassis, encaps, mtu } = options.config;
    this.#ports = new PortTable({
      chassis,
      encaps: encaps.map(({ type, ip, underlayMtuBytes }) => {
        return { type: encapTypeOf(type), ip, underlayMtuBytes };
      }),
      enforceMtu: mtu.enforce,
    });
    const { clock } = options;
    this.#heartbeats = new Heartbeats({ clock, send: () => this.#sendHeartbeat() });
    this.#openFlow = new OpenFlowWatch({
      ...{ socket: mgmtSocketOf(options.config), clock },
      say: (text) => this.#heartbeats.setWaiting("openflow", text),
    });
    this.#openFlow.lost("not connected yet");
    this.#dataplane = options.openDataplane((event) => this.#onDataplane(event));
    this.#tracer = new Tracer({
      dataplane: this.#dataplane,
      ovs: options.config.ovs,
      facts: () => this.#switchFacts,
    });
    this.#feed = new EngineFeed({
      submit: (batch) => this.#dataplane.submit(batch),
      onQueued: (keys) => this.#awaitTicket(keys, NO_TICKET_YET),
      onSubmitted: (keys, ticket) => {
        this.#lastTicket = ticket;
        this.#awaitTicket(keys, ticket);
      },
      clock,
    });
    this.#session = new Session({
      address: options.config.central.address,
      credentials: options.credentials,
      channelOptions: options.channelOptions,
      clock,
      random: options.random,
      logger: options.logger,
      callbacks: {
        hello: () => this.#hello(),
        welcomed: (welcome) => this.#welcomed(welcome),
        frame: (frame) => this.#applyFrame(frame),
        scopeKeys: (scope) => this.#desired.scopeKeys(scope),
        heartbeat: () => this.#heartbeat(),
        refused: (refusals) => {
          for (const { portId, reason } of refusals) {
            this.#ports.setRefusal(portId, reason);
            this.#logger.warn({ portId, reason }, "port refused: it stays closed both ways");
          }
          this.#report();
        },
        query: (query) =>
          answerQuery(query, {
            ports: this.#ports,
            dataplane: this.#dataplane,
            tracer: this.#tracer,
          }),
        disconnected: () => {
          this.#welcome = null;
        },
      },
    });
  }

  /** Takes up what the checkpoint holds, then connects. */
  async start(): Promise<void> {
    const { checkpoint } = this.#options;
    checkpoint.listen({
      written: (written) => {
        this.#heartbeats.written(written);
        if (this.#heartbeats.setWaiting("checkpoint", "")) {
          this.#logger.info("checkpoint written again");
        }
      },
      failed: (error) => {
        const reason = describeError(error);
        this.#logger.error({ reason }, "checkpoint not written; tried again until it works");
        this.#heartbeats.setWaiting("checkpoint", reason);
      },
    });
    const loaded = await checkpoint.load();
    if (loaded.kind === "damaged") {
      this.#logger.error(
        { reason: loaded.reason },
        "checkpoint damaged and set aside: full resync",
      );
    }
    if (loaded.kind === "loaded") this.#restore(loaded.checkpoint);
    this.#session.start();
  }

  /** OVSDB changed: interfaces, tunnel ports, patch ports. */
  onSwitchFacts(facts: SwitchFacts): void {
    const now = new Map(facts.vifs.map((vif) => [vif.portId, vif]));
    for (const [portId, vif] of now) {
      if (!sameVif(this.#vifs.get(portId), vif)) this.#ports.setVif(portId, vif);
    }
    for (const portId of this.#vifs.keys()) {
      if (!now.has(portId)) this.#ports.setVif(portId, null);
    }
    this.#vifs = now;
    this.#switchFacts = facts;
    const change = this.#factsChange();
    if (change.upserts.length + change.deletes.length > 0) {
      this.#feed.push(change.upserts, change.deletes, null);
    }
    const isFirst = !this.#feed.isOpen;
    this.#feed.open();
    if (isFirst) this.#reportAll();
    else this.#report();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
    this.#heartbeats[Symbol.dispose]();
    this.#feed.close();
    await this.#dataplane.close();
    this.#openFlow[Symbol.dispose]();
    this.#checkpoint();
    await this.#options.checkpoint.flush();
  }

  /** For /metrics. */
  stats(): {
    instructions: number;
    backlog: number;
    flows: number;
    driftRepaired: bigint;
    failed: number;
    streaming: boolean;
  } {
    return {
      instructions: this.#desired.size,
      backlog: this.#feed.backlog,
      flows: this.#flows,
      driftRepaired: this.#driftRepaired,
      failed: this.#failures.size,
      streaming: this.#session.state === "streaming",
    };
  }

  #restore(checkpoint: AgentCheckpoint): void {
    const { storeId, epoch, sequence, revision, instructions, ports } = checkpoint;
    this.#desired.load({ storeId, epoch, sequence, revision }, instructions);
    this.#heartbeats.written(checkpoint);
    for (const port of ports) this.#ports.setHeld(port.portId, port.generation);
    this.#tellPorts(instructions, []);
    this.#feed.push(instructions, [], null);
    this.#logger.info({ instructions: instructions.length, revision }, "state taken up from disk");
  }

  #hello(): Hello {
    const { config, hostname } = this.#options;
    const position = this.#desired.position;
    return {
      protocolVersion: PROTOCOL_VERSION,
      chassis: config.chassis,
      hostname,
      agentVersion: AGENT_VERSION,
      encaps: config.encaps.map(({ type, ip, underlayMtuBytes }) => ({
        type: encapTypeOf(type),
        ip: ipToBytes(ip),
        underlayMtuBytes,
      })),
      physicalNetworks: Object.keys(config.providerBridges).sort(),
      capabilities: [],
      held:
        position === null
          ? undefined
          : { ...position, scopes: this.#desired.digests(), instructions: this.#desired.size },
      schemaVersion: SCHEMA_VERSION,
    };
  }

  #welcomed(welcome: Welcome): void {
    this.#welcome = welcome;
    const { storeId, revision, resume } = welcome;
    this.#logger.info({ storeId, revision, resume, epoch: welcome.epoch }, "connected to central");
    this.#heartbeats.welcomed(welcome);
    this.#heartbeats.setWaiting(
      "central",
      resume === Resume.HOLD ? `weft chassis adopt ${this.#options.config.chassis}` : "",
    );
    // Anew, sequences count for nothing: an ack of an old one would be taken for that of a frame that is not in the switch yet.
    if (resume === Resume.CONTINUE) this.#inSync = true;
    else this.#feed.forgetFrames();
    this.#allowPruneWhenSafe();
    this.#reportAll();
  }

  /** What a new stream is told. Not before OVSDB has shown what the host has: ports would seem to have gone. */
  #reportAll(): void {
    if (this.#welcome === null || !this.#feed.isOpen) return;
    const reports = this.#ports.takeAllReports();
    this.#session.send({ $case: "portReports", value: { reports, complete: true } });
  }

  #applyFrame(frame: Frame): void {
    const welcome = this.#welcome;
    if (welcome === null) return;
    const held = this.#desired.position;
    if (held !== null && held.storeId !== welcome.storeId && !frame.adopted) {
      // Central should have held back; what another store says is not taken without an operator's word.
      this.#logger.error(
        { held: held.storeId, offered: welcome.storeId },
        "frame of another store refused",
      );
      return;
    }
    this.#heartbeats.setWaiting("central", "");
    this.#heartbeats.applied(frame);
    const effect = this.#desired.apply(welcome.storeId, welcome.epoch, frame);
    const ofPorts = this.#tellPorts(effect.upserts, effect.deletes);
    if (frame.inSync) this.#inSync = true;
    // In one batch: what no longer fits is closed by the change that says so.
    const facts = ofPorts ? this.#factsChange() : NO_CHANGE;
    this.#feed.push(
      [...effect.upserts, ...facts.upserts],
      [...effect.deletes, ...facts.deletes],
      frame.sequence,
    );
    this.#checkpoint();
    this.#report();
  }

  /** What changed in the local facts. The engine knows no interface of a port that does not fit: it has no flow, either way. */
  #factsChange(): FactsChange {
    const facts = this.#switchFacts;
    if (facts === null) return NO_CHANGE;
    const vifs = facts.vifs
      .filter((vif) => isUsable(vif) && !this.#ports.isBarred(vif.portId))
      .map(({ portId, ofport }) => ({ portId, ofport }));
    return this.#facts.update({ ...facts, vifs });
  }

  /** Local ports and networks among the instructions go to the port table. Answers whether there were any. */
  #tellPorts(upserts: readonly Instruction[], deletes: readonly string[]): boolean {
    let any = false;
    for (const key of deletes) {
      const network = NETWORK_KEY.exec(key)?.[1];
      any ||= network !== undefined || PORT_KEY.test(key);
      if (network !== undefined) this.#ports.setNetwork(Number(network), null);
      else if (PORT_KEY.test(key)) this.#ports.setLocal(key, null);
    }
    for (const { key, body } of upserts) {
      if (!PORT_KEY.test(key) && !NETWORK_KEY.test(key)) continue;
      any = true;
      const decoded = decodeBody(body);
      if (decoded === undefined) this.#logger.error({ key }, "an instruction cannot be read");
      if (decoded?.$case === "network") {
        this.#ports.setNetwork(decoded.value.networkKey, decoded.value);
      } else {
        this.#ports.setLocal(key, decoded?.$case === "localPort" ? decoded.value : null);
      }
    }
    return any;
  }

  #awaitTicket(keys: readonly string[], ticket: bigint): void {
    for (const key of keys) {
      const vif = vifOfKey(key);
      this.#ports.awaitTicket(vif === undefined ? this.#ports.portsOfKey(key) : [vif], ticket);
    }
  }

  #onDataplane(event: DataplaneEvent): void {
    switch (event.kind) {
      case "completed": {
        this.#failures = new Map(event.failures.map(({ key, reason }) => [key, reason]));
        this.#flows = event.flows;
        this.#ports.completed(event.ticket, this.#failures);
        this.#completedTicket = event.ticket;
        const sequence = this.#feed.completed(event.ticket);
        // Reports first: central must not take a revision for realized before it knows the states that came of it.
        this.#report();
        if (sequence !== null) this.#ack(sequence);
        this.#allowPruneWhenSafe();
        return;
      }
      case "drift":
        this.#driftRepaired += BigInt(event.repaired);
        this.#logger.warn({ repaired: event.repaired }, "drift repaired in the flow table");
        this.#feed.ask();
        return;
      case "claim":
        return this.#claim(event);
      case "connection":
        this.#logger.info({ connected: event.connected, reason: event.reason }, "OpenFlow");
        if (event.connected) {
          this.#openFlow.back();
          this.#feed.ask();
        } else this.#openFlow.lost(event.reason);
        return;
    }
  }

  #heartbeat(): Heartbeat {
    const { waitingFor, durableSequence } = this.#heartbeats;
    this.#heartbeats.sent();
    return { waitingFor, durableSequence, driftRepaired: this.#driftRepaired, flows: this.#flows };
  }

  #sendHeartbeat(): void {
    if (this.#welcome === null) return;
    this.#session.send({ $case: "heartbeat", value: this.#heartbeat() });
  }

  #ack(sequence: bigint): void {
    const failed = [...this.#failures].map(([key, reason]) => ({ key, reason }));
    this.#session.send({
      $case: "ack",
      value: {
        sequence,
        failed: failed.slice(0, MAX_FAILED),
        failedTotal: failed.length,
        driftRepaired: this.#driftRepaired,
        flows: this.#flows,
      },
    });
  }

  #claim(event: { portId: string; ip: Buffer; mac: Buffer }): void {
    const generation = (this.#claimGenerations.get(event.portId) ?? 0n) + 1n;
    this.#claimGenerations.set(event.portId, generation);
    const claim: AddressClaim = {
      portId: event.portId,
      ip: event.ip,
      mac: event.mac,
      generation,
    };
    this.#session.send({ $case: "addressClaims", value: { claims: [claim] } });
  }

  /** Sends what changed in the states of ports; nothing is lost while the stream is down, the next welcome reports all. */
  #report(): void {
    if (!this.#feed.isOpen) return;
    const reports = this.#ports.takeChangedReports();
    if (reports.length === 0) return;
    for (const { portId, state, reason } of reports) {
      if (state === PortState.DOWN) this.#claimGenerations.delete(portId);
      this.#logger.debug({ portId, state, reason }, "port");
    }
    this.#session.send({ $case: "portReports", value: { reports, complete: false } });
    this.#checkpoint();
  }

  #allowPruneWhenSafe(): void {
    if (this.#pruneAllowed || !this.#inSync || !this.#feed.isOpen || this.#feed.backlog > 0) return;
    if (this.#lastTicket === 0n || this.#completedTicket < this.#lastTicket) return;
    this.#pruneAllowed = true;
    this.#dataplane.allowPrune();
    this.#options.onInSync();
  }

  #checkpoint(): void {
    const position = this.#desired.position;
    if (position === null) return;
    this.#options.checkpoint.changed(() => ({
      ...(this.#desired.position ?? position),
      instructions: [...this.#desired.instructions()],
      ports: [...this.#ports.held()],
    }));
  }
}

const NO_CHANGE: FactsChange = { upserts: [], deletes: [] };

/** Above every ticket: what waits for the engine to take it. */
const NO_TICKET_YET = 2n ** 64n;

/** Failures named in one ack. */
const MAX_FAILED = 1000;

const PORT_KEY = /^chassis\/[^/]+\/port\/\d+$/;
const NETWORK_KEY = /^network\/(\d+)\/config$/;

/** undefined = it cannot be read: the engine fails that key, and others go on. */
function decodeBody(body: Buffer): InstructionBody["body"] {
  try {
    return InstructionBody.decode(body).body;
  } catch {
    return undefined;
  }
}

function sameVif(a: Vif | undefined, b: Vif): boolean {
  return (
    a !== undefined &&
    a.name === b.name &&
    a.ofport === b.ofport &&
    a.linkUp === b.linkUp &&
    a.mtuBytes === b.mtuBytes &&
    a.error === b.error
  );
}
