// What tests say to a central: well-behaved writes, an agent's stream by hand, raw calls. For tests only.

import { Metadata, status as Code } from "@grpc/grpc-js";
import type { Client, ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import { ApplyRequest, NorthboundServiceService } from "@weft/shared/gen/weft/v1/northbound.ts";
import type {
  ApplyResponse,
  NorthboundServiceClient,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { AgentMessage, SouthboundServiceClient } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { CentralMessage } from "@weft/shared/gen/weft/v1/southbound.ts";
import { RpcError, unary } from "@weft/shared/grpc.ts";
import type { RunningCentral } from "./running-central.ts";

export const deadlineMs = 20_000;

/** A partial ApplyRequest. */
export const apply = (client: NorthboundServiceClient, fields: object): Promise<ApplyResponse> =>
  unary(
    client,
    NorthboundServiceService.apply,
    ApplyRequest.fromPartial(fields as Parameters<typeof ApplyRequest.fromPartial>[0]),
    { deadlineMs },
  );

export const network = (name: string, labels: Record<string, string> = {}) => ({
  change: {
    $case: "upsert" as const,
    value: {
      object: {
        $case: "network" as const,
        value: {
          meta: { id: name, name, labels },
          spec: { type: { $case: "overlay" as const, value: {} } },
        },
      },
    },
  },
});

let rounds = 0;

/** It runs, a write is taken, and a chassis is welcomed. */
export async function served(central: RunningCentral, ann: NorthboundServiceClient): Promise<void> {
  if (!central.running) throw new Error(`central ended: ${central.log.slice(-2000)}`);
  rounds += 1;
  const changes = [network("served", { round: String(rounds) })];
  const { revision } = await apply(ann, { changes });
  if (revision === 0n) throw new Error("the write made no revision");
  const agent = connectAgent(central, "chassis:good");
  agent.send(hello("good"));
  const first = await agent.next();
  if (first?.$case !== "welcome") throw new Error(`not welcomed: ${JSON.stringify(first)}`);
  agent.stop();
}

/** A partial AgentMessage. */
export type Saying = object;

export const hello = (chassis: string, more: object = {}): Saying => ({
  message: {
    $case: "hello",
    value: { protocolVersion: 1, schemaVersion: 1, chassis, hostname: chassis, ...more },
  },
});

export interface Agent {
  readonly stream: ClientDuplexStream<AgentMessage, CentralMessage>;
  send(message: Saying): boolean;
  /** The next message; null = the stream ended. */
  next(): Promise<NonNullable<CentralMessage["message"]> | null>;
  /** How the stream ended. */
  readonly ended: Promise<ServiceError | null>;
  stop(): void;
}

export function connectAgent(
  central: RunningCentral,
  identity: string,
  options: { reads: boolean } = { reads: true },
): Agent {
  const client = central.client(SouthboundServiceClient, "southbound", identity);
  const stream = client.connect();
  const got: CentralMessage["message"][] = [];
  let wake: () => void = () => undefined;
  let over = false;
  const ended = new Promise<ServiceError | null>((resolve) => {
    stream.on("error", (error: ServiceError) => resolve(error));
    stream.on("end", () => resolve(null));
  });
  void ended.then(() => {
    over = true;
    wake();
  });
  const read = ({ message }: CentralMessage): void => {
    got.push(message);
    wake();
  };
  if (options.reads) stream.on("data", read);
  return {
    stream,
    ended,
    send: (message) => stream.write(encode(message)),
    next: async () => {
      while (got.length === 0 && !over) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return got.shift() ?? null;
    },
    stop: () => {
      stream.cancel();
      client.close();
    },
  };
}

export const encode = (message: Saying): AgentMessage =>
  AgentMessage.fromPartial(message as Parameters<typeof AgentMessage.fromPartial>[0]);

export async function failure(promise: Promise<unknown>): Promise<RpcError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof RpcError)) throw new Error(`expected a refusal, got ${String(thrown)}`);
  return thrown;
}

/** A unary call of raw bytes; answers the status code. */
export function rawCall(client: Client, path: string, bytes: Buffer, metadata = new Metadata()) {
  return new Promise<{ code: Code; bytes: Buffer; details: string }>((resolve) => {
    client.makeUnaryRequest(
      path,
      (value: Buffer) => value,
      (value) => value,
      bytes,
      metadata,
      { deadline: Date.now() + deadlineMs },
      (error, value) => {
        const code = error?.code ?? Code.OK;
        resolve({ code, bytes: value ?? Buffer.alloc(0), details: error?.details ?? "" });
      },
    );
  });
}

/** A string of protobuf or HPACK, up to 127 bytes. */
export const literal = (text: string): Buffer =>
  Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);
