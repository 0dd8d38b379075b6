// The native data plane as the agent sees it: one class over the Rust addon, and the events it sends.
// Must hold no networking knowledge and no state beyond "closed". Imported by packages/agent and tests.
//
//   submit(EngineBatch) -> ticket ... completed{ticket, failures}      one call a frame, one event a call
import { DataplaneClosedError, DataplaneError } from "./errors.ts";
import {
  loadNative,
  type NativeDataplane,
  type NativeEvent,
  type NativeStats,
  type NativeTraceEvent,
} from "./native.ts";

export { DataplaneClosedError, DataplaneError, NativeUnavailableError } from "./errors.ts";

const native = loadNative();

/** The version of the compiled engine, such as `0.1.0`. */
export function engineVersion(): string {
  return native.engineVersion();
}

/** Values out of range are moved to the nearest bound; absent ones have the default named. */
export interface DataplaneOptions {
  /** The bridge's management socket, `<rundir>/br-int.mgmt`; may appear and disappear at any time. */
  readonly mgmtSocket: string;
  /** Tickets open at once before `submit` is busy; 1..65536, default 256. */
  readonly maxTickets?: number;
  /** Bytes of batches not yet taken by the engine before `submit` is busy; 1 MiB..1 GiB, default 64 MiB. */
  readonly maxQueuedBytes?: number;
  /** Flows of one bundle; 1..10000, default 5000. Bounds how long the switch stalls while it commits. */
  readonly bundleFlows?: number;
  /** How often groups and meters are compared; 100..3600000 ms, default 5000. Flows are watched always. */
  readonly checkIntervalMs?: number;
  /** Longest pause between attempts to connect; 50..60000 ms, default 1000. */
  readonly reconnectMaxMs?: number;
}

/** An instruction that is not in the switch, and why. */
export interface InstructionFailure {
  /** Key of the instruction; `""`: a batch that is no EngineBatch; `"pipeline"`: of no instruction. */
  readonly key: string;
  readonly reason: string;
}

/** Everything that a ticket's batch caused is in the switch, behind a barrier. */
export interface CompletedEvent {
  readonly kind: "completed";
  /** Tickets complete in order, each once, also across reconnects. */
  readonly ticket: bigint;
  /** All instructions that fail now, sorted by key, not only those of this batch. */
  readonly failures: readonly InstructionFailure[];
  /** Sizes of all that is wanted. */
  readonly flows: number;
  readonly groups: number;
  readonly meters: number;
}

/** The connection is up and resynced, or was lost, or cannot come up for another reason than before. */
export interface ConnectionEvent {
  readonly kind: "connection";
  readonly connected: boolean;
  /** `""` when connected. */
  readonly reason: string;
}

/** Others changed what is ours; it was put right. */
export interface DriftEvent {
  readonly kind: "drift";
  /** Flows, groups and meters that were sent again or removed. */
  readonly repaired: number;
}

/** A local port spoke for an address that only its allowed pairs name, and does not hold yet. */
export interface ClaimEvent {
  readonly kind: "claim";
  readonly portId: string;
  /** 4 or 16 bytes. */
  readonly ip: Buffer;
  /** 6 bytes. */
  readonly mac: Buffer;
}

/** `completed` and `connection` are never dropped; the others are, above 1024 undelivered ones. */
export type DataplaneEvent = CompletedEvent | ConnectionEvent | DriftEvent | ClaimEvent;

/** One flow made for a port. */
export interface PortFlow {
  /** Key of the instruction it stems from. */
  readonly key: string;
  /** Leads to object and rule (ARCHITECTURE.md, "Pipeline"). */
  readonly cookie: bigint;
  /** As ovs-ofctl(8) writes flows. */
  readonly text: string;
}

/** A packet and how it comes in. */
export interface TraceRequest {
  readonly inPort: number;
  /** Names of fields as ovs-fields(7) has them, and their values; absent ones are zero. */
  readonly fields: Readonly<Record<string, bigint>>;
  /** Of the frame; null: both ways are gone where the length decides, the longer first. */
  readonly lengthBytes: number | null;
  /** Decides which bucket a group chooses: this one, modulo their number. */
  readonly hash: number;
}

/** One lookup. What belongs to the flow is null, 0n or empty when none matched. */
export interface TraceStep {
  readonly kind: "step";
  readonly table: number;
  readonly tableName: string;
  /** Resubmits and buckets that it is inside of. */
  readonly depth: number;
  readonly priority: number | null;
  readonly matching: string;
  readonly actions: string;
  readonly cookie: bigint;
  /** Key of the instruction that it stems from; empty for the pipeline itself. */
  readonly key: string;
  /** Nothing follows: the packet, or this copy, is dropped. */
  readonly drops: boolean;
}

/** What happened, in order. */
export type TraceEvent =
  | TraceStep
  | {
      readonly kind: "output";
      readonly port: number;
      readonly fields: Readonly<Record<string, bigint>>;
    }
  /** A copy was not sent back to where it came from. */
  | { readonly kind: "withheld" }
  /** To the engine: "neighbour-answer", "claim", or why a router gave it up, such as "time-exceeded". */
  | { readonly kind: "controller"; readonly service: string }
  | {
      readonly kind: "bucket";
      readonly group: number;
      /** The place of the chosen one in ids. */
      readonly bucket: number;
      /** Of all buckets. */
      readonly ids: readonly number[];
      /** Different buckets among them. */
      readonly members: number;
    };

export interface Traced {
  /** The packet as `ofproto/trace` takes it. */
  readonly packet: string;
  /** At most 512. */
  readonly events: readonly TraceEvent[];
  /** There were more events. */
  readonly cut: boolean;
  /** Every lookup; priority null: no flow matched. */
  readonly lookups: readonly {
    readonly table: number;
    readonly priority: number | null;
    readonly cookie: bigint;
  }[];
  /** Why it cannot be trusted; empty when it can. */
  readonly problem: string;
}

/** Counters since `open`, and sizes now. */
export type DataplaneStats = Readonly<NativeStats>;

/** The engine of one bridge, on a thread of its own. A panic there ends the process; flows stay. */
export class Dataplane implements AsyncDisposable {
  readonly #native: NativeDataplane;
  readonly #mgmtSocket: string;
  #closing: Promise<void> | undefined;

  private constructor(dataplane: NativeDataplane, mgmtSocket: string) {
    this.#native = dataplane;
    this.#mgmtSocket = mgmtSocket;
  }

  /**
   * Starts the engine, which connects and reconnects by itself; it need not find the bridge.
   * `onEvent` is called on this thread, in order, and must not throw. Keeps the process alive until
   * closed.
   */
  static open(options: DataplaneOptions, onEvent: (event: DataplaneEvent) => void): Dataplane {
    try {
      const opened = native.Dataplane.open(
        {
          mgmtSocket: options.mgmtSocket,
          maxTickets: options.maxTickets ?? null,
          maxQueuedBytes: options.maxQueuedBytes ?? null,
          bundleFlows: options.bundleFlows ?? null,
          checkIntervalMs: options.checkIntervalMs ?? null,
          reconnectMaxMs: options.reconnectMaxMs ?? null,
        },
        (event) => onEvent(fromNative(event)),
      );
      return new Dataplane(opened, options.mgmtSocket);
    } catch (cause) {
      throw new DataplaneError(
        "transient",
        `the dataplane of ${options.mgmtSocket} does not open`,
        {
          cause,
        },
      );
    }
  }

  /**
   * Takes an encoded `EngineBatch` (copied) and answers its ticket, 1n and up; 0n: busy, nothing was
   * taken, come again after the next `completed`. Also taken while disconnected. The first batch of a
   * life should hold everything known, local facts included: until then the switch keeps what it has,
   * but what the batch leaves out of a group is missing there until a later one brings it.
   */
  submit(batch: Uint8Array): bigint {
    return this.#open().submit(batch);
  }

  /**
   * From now on what is in the switch with our mark and not compiled is removed. Before, only what a batch
   * of this life brought is removed when a batch takes it back. Idempotent.
   */
  allowPrune(): void {
    this.#open().allowPrune();
  }

  /** The flows made for a port (1..0xffefff), by table and then highest priority; [] for an unknown one. */
  async portFlows(portKey: number): Promise<PortFlow[]> {
    return this.#open().portFlows(portKey);
  }

  /** The way of a packet through what the switch should contain. Rejects when a field is none that packets have. */
  async trace({ inPort, fields, lengthBytes, hash }: TraceRequest): Promise<Traced> {
    const named = Object.entries(fields).map(([name, value]) => {
      return { name, value: `0x${value.toString(16)}` };
    });
    const request = { inPort, fields: named, lengthBytes, hash };
    const traced = await this.#open().trace(request);
    return { ...traced, events: traced.events.map(traceEventOf) };
  }

  /** As of the engine's last round. */
  stats(): DataplaneStats {
    return this.#open().stats();
  }

  /** Joins the engine's thread. Flows stay; open tickets never complete. Idempotent. */
  async close(): Promise<void> {
    this.#closing ??= this.#native.close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #open(): NativeDataplane {
    if (this.#closing !== undefined) {
      throw new DataplaneClosedError(this.#mgmtSocket);
    }
    return this.#native;
  }
}

function fromNative(event: NativeEvent): DataplaneEvent {
  if (event.completed !== null) {
    return { kind: "completed", ...event.completed };
  }
  if (event.connection !== null) {
    return { kind: "connection", ...event.connection };
  }
  if (event.drift !== null) {
    return { kind: "drift", ...event.drift };
  }
  if (event.claim !== null) {
    const { portId, ip, mac } = event.claim;
    return { kind: "claim", portId, ip: Buffer.from(ip), mac: Buffer.from(mac) };
  }
  throw new DataplaneError("bug", `the engine sent an event of the unknown kind ${event.kind}`);
}

function traceEventOf(event: NativeTraceEvent): TraceEvent {
  const { kind, step, output, service, bucket } = event;
  if (step !== null) return { kind: "step", ...step };
  if (bucket !== null) return { kind: "bucket", ...bucket };
  if (service !== null) return { kind: "controller", service };
  if (output !== null) {
    const fields = output.fields.map(({ name, value }): [string, bigint] => [name, BigInt(value)]);
    return { kind: "output", port: output.port, fields: Object.fromEntries(fields) };
  }
  if (kind === "withheld") return { kind };
  throw new DataplaneError("bug", `the engine sent a trace event of the unknown kind ${kind}`);
}
