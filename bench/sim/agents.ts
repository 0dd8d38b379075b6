// A fleet of simulated chassis: real sessions over gRPC, no switch. Each acks every frame at once and reports the ports that it is
// told to host as UP, as a chassis does whose devices are already there. It keeps no bodies, only what figures need. Used by
// the bench in this process or, with fleet.ts, in one of its own.

import type { ChannelCredentials, ClientDuplexStream } from "@grpc/grpc-js";
import {
  type AgentMessage,
  type CentralMessage,
  type FrameChunk,
  InstructionBody,
  SouthboundServiceClient,
} from "@weft/shared/gen/weft/v1/southbound.ts";
import { EncapType, PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { SCHEMA_VERSION } from "@weft/shared/instruction-digest.ts";
import { ipToBytes } from "@weft/shared/net/ip.ts";

export interface SimulatedChassis {
  readonly name: string;
  /** Tunnel endpoint, text. */
  readonly ip: string;
  readonly underlayMtuBytes: number;
  /** Ports that are plugged when it connects. */
  readonly plugged: readonly string[];
}

export interface FleetOptions {
  /** host:port or unix:/path. */
  readonly address: string;
  readonly chassis: readonly SimulatedChassis[];
  readonly credentials: (chassis: string) => ChannelCredentials;
  /** A stream ended that was not closed. */
  readonly onLost: (chassis: string, reason: string) => void;
}

export interface FleetStats {
  connected: number;
  inSync: number;
  frames: number;
  /** Instructions put or deleted, over all chassis. */
  deliveries: number;
  bytes: number;
  held: number;
  /** Frames by chassis; one that was never sent any is absent. */
  readonly framesOf: Record<string, number>;
}

type Stream = ClientDuplexStream<AgentMessage, CentralMessage>;

/** Streams that are opened at the same time. */
const OPEN_AT_ONCE = 32;

export class Fleet {
  readonly stats: FleetStats = {
    connected: 0,
    inSync: 0,
    frames: 0,
    deliveries: 0,
    bytes: 0,
    held: 0,
    framesOf: {},
  };
  readonly #options: FleetOptions;
  readonly #members: Member[] = [];

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** Connects all; resolves when every one is in sync. */
  async start(): Promise<void> {
    const waiting = [...this.#options.chassis];
    const lane = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const member = new Member(this.#options, next, this.stats);
        this.#members.push(member);
        await member.start();
      }
    };
    await Promise.all(Array.from({ length: OPEN_AT_ONCE }, lane));
  }

  close(): void {
    for (const member of this.#members) member.close();
  }
}

class Member {
  readonly #options: FleetOptions;
  readonly #chassis: SimulatedChassis;
  readonly #stats: FleetStats;
  readonly #held = new Set<string>();
  /** Sequence of the last frame; it is all that this agent has of a disk. */
  #acked = 0n;
  /** Port key -> port id. */
  readonly #ports = new Set<string>();
  readonly #client: SouthboundServiceClient;
  #stream: Stream | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #synced: (() => void) | undefined;

  constructor(options: FleetOptions, chassis: SimulatedChassis, stats: FleetStats) {
    this.#options = options;
    this.#chassis = chassis;
    this.#stats = stats;
    for (const port of chassis.plugged) this.#ports.add(port);
    this.#client = new SouthboundServiceClient(options.address, options.credentials(chassis.name), {
      // A connection of its own, as a chassis has.
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  start(): Promise<void> {
    const { name, ip, underlayMtuBytes } = this.#chassis;
    const stream = this.#client.connect();
    this.#stream = stream;
    stream.on("data", (message: CentralMessage) => this.#receive(message));
    stream.on("error", (error: Error) => this.#lost(error.message));
    stream.on("end", () => this.#lost("central ended the stream"));
    this.#send({
      $case: "hello",
      value: {
        protocolVersion: 1,
        chassis: name,
        hostname: name,
        agentVersion: "simulated",
        encaps: [{ type: EncapType.GENEVE, ip: ipToBytes(ip), underlayMtuBytes }],
        physicalNetworks: [],
        capabilities: [],
        held: undefined,
        schemaVersion: SCHEMA_VERSION,
      },
    });
    return new Promise((resolve) => {
      this.#synced = resolve;
    });
  }

  close(): void {
    clearInterval(this.#heartbeat);
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel();
    this.#client.close();
  }

  #receive({ message }: CentralMessage): void {
    if (message?.$case === "chunk") this.#chunk(message.value);
    else if (message?.$case === "welcome") this.#welcome(message.value.leaseMs);
    else if (message?.$case === "refusal") this.#lost(message.value.reason);
    else if (message?.$case === "query") {
      const value = { id: message.value.id, json: "null", error: "" };
      this.#send({ $case: "queryReply", value });
    }
  }

  #welcome(leaseMs: number): void {
    this.#stats.connected += 1;
    this.#acked = 0n;
    this.#reportUp([...this.#ports], true);
    this.#heartbeat = setInterval(() => {
      const durableSequence = this.#acked;
      const value = { waitingFor: "", driftRepaired: 0n, flows: 0, durableSequence };
      this.#send({ $case: "heartbeat", value });
    }, leaseMs / 3);
  }

  #chunk(chunk: FrameChunk): void {
    const up: string[] = [];
    for (const { key, body } of chunk.upserts) {
      this.#stats.bytes += key.length + body.length;
      this.#held.add(key);
      const port = key.startsWith("chassis/") && key.includes("/port/") ? portOf(body) : undefined;
      if (port === undefined || this.#ports.has(port)) continue;
      this.#ports.add(port);
      up.push(port);
    }
    for (const key of chunk.deletes) this.#held.delete(key);
    for (const scope of chunk.dropScopes) {
      for (const key of this.#held) if (key.startsWith(`${scope}/`)) this.#held.delete(key);
    }
    this.#stats.deliveries += chunk.upserts.length + chunk.deletes.length;
    if (up.length > 0) this.#reportUp(up, false);
    if (chunk.end !== undefined) this.#end(chunk.end.sequence, chunk.end.inSync);
  }

  #end(sequence: bigint, inSync: boolean): void {
    const { framesOf } = this.#stats;
    framesOf[this.#chassis.name] = (framesOf[this.#chassis.name] ?? 0) + 1;
    this.#stats.frames += 1;
    const value = {
      sequence,
      failed: [],
      failedTotal: 0,
      driftRepaired: 0n,
      flows: this.#held.size,
    };
    this.#send({ $case: "ack", value });
    this.#acked = sequence;
    if (!inSync) return;
    this.#stats.inSync += 1;
    this.#stats.held += this.#held.size;
    this.#synced?.();
  }

  #reportUp(ports: readonly string[], complete: boolean): void {
    const reports = ports.map((portId) => ({
      portId,
      state: PortState.UP,
      reason: "",
      generation: 0n,
      mtuBytes: 0,
    }));
    this.#send({ $case: "portReports", value: { reports, complete } });
  }

  #send(message: NonNullable<AgentMessage["message"]>): void {
    this.#stream?.write({ message });
  }

  #lost(reason: string): void {
    if (this.#stream === undefined) return;
    this.close();
    this.#stats.connected -= 1;
    this.#options.onLost(this.#chassis.name, reason);
    this.#synced?.();
  }
}

function portOf(body: Buffer): string | undefined {
  const decoded = InstructionBody.decode(body).body;
  return decoded?.$case === "localPort" ? decoded.value.portId : undefined;
}
