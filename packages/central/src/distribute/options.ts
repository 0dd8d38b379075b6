// What a Distributor is given and what it tells: configuration with defaults, metrics, the state of a chassis. Types and constants
// only; distributor.ts gives them meaning, central.ts fills them in.

import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { Clock } from "@weft/shared/clock.ts";
import type { AgentMessage, CentralMessage, Hello } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { Bindings } from "../bindings/bindings.ts";
import type { Deriver } from "../derive/deriver.ts";
import type { ChassisRow } from "../model/rows.ts";
import type { Failure } from "./realized.ts";

export interface DistributorConfig {
  /** Frames that a chassis may have and not have acked. */
  readonly maxUnackedFrames: number;
  /** A stream that takes nothing for so long is cut. */
  readonly stallMs: number;
  /**
   * A stream that reads and gets nowhere for so long is cut: none of its frames is acked, or the keys that it was asked for do not
   * come. Not while the agent says what it waits for.
   */
  readonly progressMs: number;
  /** A stream must say hello within. */
  readonly helloMs: number;
  /** A resync that deletes waits so long for the complete port reports. */
  readonly reportWaitMs: number;
  /** An outbox without a stream is kept for so long; then the chassis resyncs. */
  readonly resumeMs: number;
  readonly maxSessions: number;
}

export const defaultDistributorConfig: DistributorConfig = {
  maxUnackedFrames: 32,
  stallMs: 30_000,
  progressMs: 60_000,
  helloMs: 10_000,
  reportWaitMs: 2_000,
  resumeMs: 600_000,
  maxSessions: 4_000,
};

export interface DistributorMetrics {
  sessions(count: number): void;
  frame(bytes: number): void;
  /** Time from the freezing of the oldest frame that the ack covers. */
  acked(ms: number): void;
  /** A stream was ended by central; why, in one word. */
  cut(cause: CutCause): void;
}

export type CutCause =
  | "refused"
  | "replaced"
  | "silent"
  | "stalled"
  | "stuck"
  | "protocol"
  | "overflow";

export interface DistributorLogger {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

export type Call = ServerDuplexStream<AgentMessage, CentralMessage>;

export interface DistributorOptions {
  readonly deriver: Pick<Deriver, "interest">;
  readonly bindings: Bindings;
  readonly storeId: string;
  /** One life of a central process. */
  readonly epoch: bigint;
  /** Revision of the model when the deriver was made, and later. */
  readonly currentRevision: () => bigint;
  /** Registers or refreshes the chassis; when it answers, the model shows the row and its batch was published. */
  readonly registerChassis: (hello: Hello) => Promise<ChassisRow>;
  /** Name that the peer's certificate speaks for; undefined = none: refused. On plaintext the name that hello gives. */
  readonly peerChassis: (call: Call, hello: Hello) => string | undefined;
  readonly clock: Clock;
  readonly logger: DistributorLogger;
  readonly metrics?: DistributorMetrics;
  readonly config?: Partial<DistributorConfig>;
  /** Of one slice of work; see slices.ts. */
  readonly budgetMs?: number;
}

/** What is known of a chassis beyond its row. */
export interface ChassisStatus {
  readonly connected: boolean;
  readonly realizedRevision: bigint;
  readonly ackedSequence: bigint;
  readonly sentSequence: bigint;
  /** On the agent's disk. */
  readonly durableSequence: bigint;
  readonly instructions: number;
  readonly pending: number;
  readonly driftRepaired: bigint;
  readonly flows: number;
  /** At most 1000. */
  readonly failed: readonly Failure[];
  readonly failedTotal: number;
  readonly agentVersion: string;
  /** 0 = not since central started. */
  readonly lastSeenMs: number;
  /** Empty = it waits for nobody. */
  readonly waitingFor: string;
}
