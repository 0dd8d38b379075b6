// A chassis without a switch, over a wire in memory: it stages frames until their end, keeps what they say, answers key requests
// and reports ports. What reaches it and when is the test's choice. Test support; it shares no code with outbox and session.

import {
  AgentMessage,
  CentralMessage,
  type FrameChunk,
  type Hello,
  type PortRefusal,
  type Refusal,
  Resume,
  type ScopeDigest,
  type Welcome,
} from "@weft/shared/gen/weft/v1/southbound.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import {
  digestAdd,
  digestToBytes,
  instructionHash,
  SCHEMA_VERSION,
  scopeOf,
} from "@weft/shared/instruction-digest.ts";
import type { Publisher } from "../publisher.ts";
import type { Distributor, Incoming } from "./distributor.ts";

/** What a FakeAgent sees of a World. */
export interface CentralSide {
  readonly distributor: Distributor;
  readonly publisher: Pick<Publisher, "isIdle">;
}

export class FakeAgent {
  readonly chassis: string;
  /** Instructions held: key -> body in hex. */
  readonly held = new Map<string, string>();
  readonly frames: FrameChunk["end"][] = [];
  readonly refusals: Refusal[] = [];
  readonly portRefusals: PortRefusal[] = [];
  /** Port id -> generation; reported UP. */
  readonly plugged = new Map<string, bigint>();
  welcome: Welcome | undefined;
  position: { storeId: string; epoch: bigint; sequence: bigint; revision: bigint } | undefined;
  failed: { key: string; reason: string }[] = [];
  /** Messages that the wire takes before it says stop. */
  capacity = 4;
  /** Acks are sent at once; else with ack(). */
  autoAck = true;
  inSync = false;
  /** Times that central asked for keys. */
  keyRequests = 0;
  #central: CentralSide;
  #incoming: Incoming | undefined;
  #inbox: Buffer[] = [];
  #staged: FrameChunk[] = [];
  #owedAcks: bigint[] = [];
  /** Its checkpoint. */
  #disk: { held: ReadonlyMap<string, string>; position: FakeAgent["position"] } = {
    held: new Map(),
    position: undefined,
  };

  constructor(central: CentralSide, chassis: string) {
    this.#central = central;
    this.chassis = chassis;
  }

  get connected(): boolean {
    return this.#incoming !== undefined;
  }

  /** Messages written and not yet delivered. */
  get inbox(): number {
    return this.#inbox.length;
  }

  /** Nothing is under way, neither to it nor for it. */
  /** Of its session in central. */
  get state(): string {
    return this.#incoming?.session.state ?? "closed";
  }

  get isQuiet(): boolean {
    const { state } = this;
    const isWorking = state === "registering" || state === "comparing" || state === "judging";
    return this.#inbox.length === 0 && this.#central.publisher.isIdle && !isWorking;
  }

  /** `identity`: what its certificate names; null = nothing. */
  async connect(over: Partial<Hello> = {}, identity: string | null = this.chassis): Promise<void> {
    this.disconnect();
    this.inSync = false;
    this.welcome = undefined;
    const inbox: Buffer[] = [];
    this.#inbox = inbox;
    const wire = {
      write: (message: Buffer): boolean => {
        inbox.push(message);
        return inbox.length < this.capacity;
      },
      end: () => {
        if (this.#inbox === inbox) this.#incoming = undefined;
      },
    };
    this.#incoming = this.#central.distributor.accept(wire, () => identity ?? undefined);
    await this.send({ $case: "hello", value: { ...this.#hello(), ...over } });
  }

  /** Central was replaced; the agent keeps what it holds. */
  moveTo(central: CentralSide): void {
    this.disconnect();
    this.#central = central;
  }

  /** So that central cannot continue, and resyncs. */
  forgetSequence(): void {
    if (this.position !== undefined) this.position = { ...this.position, sequence: 1n << 50n };
  }

  disconnect(): void {
    this.#incoming?.ended();
    this.#incoming = undefined;
    this.#inbox = [];
    this.#staged = [];
    this.#owedAcks = [];
  }

  /** Writes its checkpoint, and says so. */
  async save(): Promise<void> {
    this.#disk = { held: new Map(this.held), position: this.position };
    const isOfEpoch = this.position?.epoch === this.welcome?.epoch;
    await this.heartbeat(isOfEpoch ? this.position?.sequence : 0n);
  }

  /** Is killed, and goes on from its disk. */
  restart(): void {
    this.disconnect();
    this.inSync = false;
    this.held.clear();
    for (const [key, body] of this.#disk.held) this.held.set(key, body);
    this.position = this.#disk.position;
  }

  /** Keys that it acts on, or would after a restart. */
  get actsOn(): string[] {
    return [...this.held.keys(), ...this.#disk.held.keys()];
  }

  async send(message: NonNullable<AgentMessage["message"]>): Promise<void> {
    // Through bytes, as on a wire.
    const decoded = AgentMessage.decode(AgentMessage.encode({ message }).finish()).message;
    if (decoded !== undefined) await this.#incoming?.receive(decoded);
  }

  /** Takes up to `count` messages off the wire. */
  async deliver(count = Number.MAX_SAFE_INTEGER): Promise<void> {
    for (let left = count; left > 0 && this.#inbox.length > 0; left--) {
      const [bytes] = this.#inbox.splice(0, 1);
      const { message } = CentralMessage.decode(bytes ?? Buffer.alloc(0));
      if (message !== undefined) await this.#receive(message);
      if (this.#inbox.length === 0) this.#incoming?.session.drained();
    }
  }

  /** Says what its checkpoint on disk has; default: all it has applied. */
  async heartbeat(durableSequence = this.position?.sequence ?? 0n, waitingFor = ""): Promise<void> {
    const value = { waitingFor, driftRepaired: 0n, flows: 7, durableSequence };
    await this.send({ $case: "heartbeat", value });
  }

  /** Sends the oldest ack that is owed. */
  async ack(): Promise<void> {
    const sequence = this.#owedAcks.shift();
    if (sequence === undefined) return;
    const value = { sequence, failed: this.failed, failedTotal: 0, driftRepaired: 0n, flows: 7 };
    await this.send({ $case: "ack", value });
  }

  async report(complete: boolean): Promise<void> {
    const reports = [...this.plugged].map(([portId, generation]) => ({
      portId,
      generation,
      state: PortState.UP,
      reason: "",
      mtuBytes: 0,
    }));
    await this.send({ $case: "portReports", value: { reports, complete } });
  }

  async #receive(message: NonNullable<CentralMessage["message"]>): Promise<void> {
    switch (message.$case) {
      case "welcome":
        this.welcome = message.value;
        this.inSync = message.value.resume === Resume.CONTINUE;
        await this.report(true);
        return;
      case "chunk":
        this.#staged.push(message.value);
        if (message.value.end !== undefined) await this.#apply(message.value.end);
        return;
      case "scopeKeysRequest": {
        this.keyRequests += 1;
        const scopes = new Set(message.value.scopes);
        const keys = [...this.held.keys()]
          .filter((key) => scopes.has(scopeOf(key)))
          .map((key) => ({ key, hash: digestToBytes(this.#hash(key)) }));
        await this.send({ $case: "scopeKeys", value: { keys: keys.slice(0, 2), last: false } });
        await this.send({ $case: "scopeKeys", value: { keys: keys.slice(2), last: true } });
        return;
      }
      case "query":
        await this.send({
          $case: "queryReply",
          value: { id: message.value.id, json: JSON.stringify(message.value.text), error: "" },
        });
        return;
      case "portRefusals":
        this.portRefusals.push(...message.value.refusals);
        return;
      case "refusal":
        this.refusals.push(message.value);
        this.#incoming = undefined;
        return;
    }
  }

  async #apply(end: NonNullable<FrameChunk["end"]>): Promise<void> {
    const staged = this.#staged;
    this.#staged = [];
    for (const scope of staged.flatMap((chunk) => chunk.dropScopes)) {
      for (const key of this.held.keys()) if (scopeOf(key) === scope) this.held.delete(key);
    }
    for (const key of staged.flatMap((chunk) => chunk.deletes)) this.held.delete(key);
    for (const { key, body } of staged.flatMap((chunk) => chunk.upserts)) {
      this.held.set(key, body.toString("hex"));
    }
    this.frames.push(end);
    this.inSync ||= end.inSync;
    this.position = {
      storeId: this.welcome?.storeId ?? "",
      epoch: this.welcome?.epoch ?? 0n,
      sequence: end.sequence,
      revision: end.revision,
    };
    this.#owedAcks.push(end.sequence);
    if (this.autoAck) await this.ack();
  }

  #hash(key: string): bigint {
    const body = Buffer.from(this.held.get(key) ?? "", "hex");
    return instructionHash(this.position?.storeId ?? "", key, body);
  }

  #hello(): Hello {
    const sums = new Map<string, bigint>();
    for (const key of this.held.keys()) {
      const scope = scopeOf(key);
      sums.set(scope, digestAdd(sums.get(scope) ?? 0n, this.#hash(key)));
    }
    const scopes: ScopeDigest[] = [...sums].map(([scope, sum]) => ({
      scope,
      digest: digestToBytes(sum),
    }));
    return {
      protocolVersion: 1,
      chassis: this.chassis,
      hostname: this.chassis,
      agentVersion: "fake",
      encaps: [],
      physicalNetworks: [],
      capabilities: [],
      held: this.position && { ...this.position, scopes, instructions: this.held.size },
      schemaVersion: SCHEMA_VERSION,
    };
  }
}
