// The far end of an agent's stream, driven by the test: a server that says what the test wants, and messages that a central sends.
// For tests only.

import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import {
  type AgentMessage,
  type CentralMessage,
  type LocalPort,
  Resume,
  SouthboundServiceService,
} from "@weft/shared/gen/weft/v1/southbound.ts";

export type Call = ServerDuplexStream<AgentMessage, CentralMessage>;

/** Serves at this address until it is shut down. */
export async function serveCentral(
  address: string,
  onMessage: (call: Call, message: AgentMessage) => void,
): Promise<Server> {
  const server = new Server();
  server.addService(SouthboundServiceService, {
    connect: (call: Call) => {
      call.on("data", (message: AgentMessage) => onMessage(call, message));
      call.on("error", () => {});
      call.on("end", () => call.end());
    },
  });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return server;
}

export const welcome: CentralMessage = {
  message: {
    $case: "welcome",
    value: {
      protocolVersion: 1,
      storeId: "s",
      epoch: 1n,
      leaseMs: 30_000,
      resume: Resume.RESYNC,
      capabilities: [],
      revision: 1n,
    },
  },
};

/** Key of the instruction: `chassis/a/port/7`. */
export const localPort: LocalPort = {
  portId: "web-1",
  portKey: 7,
  networkKey: 3,
  mac: Buffer.from("020000000001", "hex"),
  ips: [],
  allowedPairs: [],
  adminUp: true,
  portSecurity: true,
  generation: 4n,
  mtuBytes: 1442,
};
