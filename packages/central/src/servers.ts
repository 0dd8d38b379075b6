// The two gRPC servers: northbound (with health and reflection) and southbound, each with its credentials. Owns sockets and their
// shutdown; knows no service's meaning. Made by central.ts.

import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Server as NetServer } from "node:net";
import { Server } from "@grpc/grpc-js";
import type { ServerCredentials } from "@grpc/grpc-js";
import { WeftError } from "@weft/shared/errors.ts";
import type { Logger } from "@weft/shared/logging.ts";
import type { TlsStore } from "@weft/shared/tls.ts";
import { plaintextServerCredentials } from "@weft/shared/tls.ts";
import { serverOptions } from "@weft/shared/grpc.ts";
import { GatedServer } from "./api/gated-calls.ts";
import type { TransportLimits } from "./api/limits.ts";
import { handshakeMs } from "./api/limits.ts";

export interface ListenOptions {
  /** For messages: northbound or southbound. */
  readonly name: string;
  readonly listen: string;
  readonly plaintext: boolean;
  readonly tls: TlsStore | null;
  readonly maxMessageBytes: number;
  readonly limits: TransportLimits;
  /** Requests may be large: their bytes in flight are bounded over all callers. */
  readonly isGated: boolean;
  readonly logger: Logger;
  readonly register: (server: Server) => Promise<void>;
}

/** Streams end within this; then they are cut. */
const SHUTDOWN_MS = 2000;

export class ListeningServer implements AsyncDisposable {
  readonly #server: Server;
  /** host:port as bound, or the unix path. */
  readonly address: string;

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  /** Throws WeftError (rejected) when the address cannot be used. */
  static async listen(options: ListenOptions): Promise<ListeningServer> {
    const { name, listen, maxMessageBytes, limits } = options;
    const all = { ...serverOptions({ maxMessageBytes }), ...transportOptions(limits) };
    const server = options.isGated ? new GatedServer(all) : new Server(all);
    await options.register(server);
    // A socket file that an earlier life left; the store's lock says that nobody else serves it.
    if (listen.startsWith("unix:")) rmSync(listen.slice("unix:".length), { force: true });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(listen, credentialsOf(options), (error, bound) => {
        if (error === null) {
          resolve(bound);
          return;
        }
        const text = `${name}.listen ${listen}: ${error.message}: choose another address`;
        reject(new WeftError("rejected", text, { cause: error }));
      });
    });
    boundConnections(server, options);
    const address = listen.startsWith("unix:") ? listen : listen.replace(/:\d+$/, `:${port}`);
    return new ListeningServer(server, address);
  }

  /** Lets calls end, then cuts what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#server.forceShutdown(), SHUTDOWN_MS);
      this.#server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** As grpc-js names them; `max_session_memory` goes to Node as it is, in MB. */
function transportOptions(limits: TransportLimits): Record<string, number> {
  return {
    "grpc.max_concurrent_streams": limits.streamsPerConnection,
    "grpc-node.max_session_memory": limits.connectionMemoryMb,
    "grpc.max_connection_idle_ms": limits.idleMs,
  };
}

const warnEveryMs = 10_000;

/** grpc-js 1.14 has no option for it, so this looks at its servers: Node closes what is beyond as soon as it is accepted. */
function boundConnections(server: Server, { name, limits, logger }: ListenOptions): void {
  let warnedMs = -warnEveryMs;
  const servers = server["http2Servers"] as ReadonlyMap<NetServer, unknown>;
  for (const listening of servers.keys()) {
    listening.maxConnections = limits.connections;
    listening.on("drop", () => {
      if (performance.now() - warnedMs < warnEveryMs) return;
      warnedMs = performance.now();
      const text = `${name}: ${limits.connections} connections are open, more are closed at once: close some`;
      logger.warn({ limit: limits.connections }, text);
    });
  }
}

function credentialsOf({ name, listen, plaintext, tls }: ListenOptions): ServerCredentials {
  if (plaintext) return plaintextServerCredentials(listen);
  if (tls !== null) {
    const credentials = tls.serverCredentials();
    // Handed to tls.createServer(); without it a peer may take two minutes over its handshake, and a connection with it.
    Object.assign(credentials._getConstructorOptions() ?? {}, { handshakeTimeout: handshakeMs });
    return credentials;
  }
  throw new WeftError("rejected", `${name}: no TLS files and not plaintext: configure one of them`);
}

/** Adds the standard health service; the answer sets its state. */
export async function addHealth(server: Server): Promise<(serving: boolean) => void> {
  const { HealthImplementation } = await import("grpc-health-check");
  const health = new HealthImplementation({ "": "NOT_SERVING" });
  health.addToServer(server);
  return (serving) => health.setStatus("", serving ? "SERVING" : "NOT_SERVING");
}

/** Adds server reflection (v1 and v1alpha) of the public contract. Reads proto/ beside the packages. */
export async function addReflection(server: Server): Promise<void> {
  const [{ loadSync }, { ReflectionService }] = await Promise.all([
    import("@grpc/proto-loader"),
    import("@grpc/reflection"),
  ]);
  const protos = fileURLToPath(new URL("../../../proto", import.meta.url));
  const files = ["weft/v1/northbound.proto", "weft/v1/orchestration.proto"];
  new ReflectionService(loadSync(files, { includeDirs: [protos] })).addToServer(server);
}
