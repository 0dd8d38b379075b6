// A central in the test's own process, without TLS, on sockets in a scratch folder of its own; what it stored outlives a restart.
// For tests that need neither certificates nor a process; the caller disposes of it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { Central } from "@weft/central/central.ts";
import { centralConfigSchema } from "@weft/central/config.ts";
import { SystemClock } from "@weft/shared/clock.ts";
import { NorthboundServiceClient } from "@weft/shared/gen/weft/v1/northbound.ts";
import { channelOptions, maxNorthboundBytes, unary } from "@weft/shared/grpc.ts";
import type { UnaryMethod } from "@weft/shared/grpc.ts";
import { createLogger } from "@weft/shared/logging.ts";
import { deadlineMs } from "./central-calls.ts";

/** Above central's own limit: the client refuses nothing itself. */
const options = channelOptions({ maxMessageBytes: 2 * maxNorthboundBytes });

export class LocalCentral implements AsyncDisposable {
  readonly dir: string = mkdtempSync(join(tmpdir(), "weft-local-"));
  readonly northbound = `unix:${this.dir}/n.sock`;
  readonly southbound = `unix:${this.dir}/s.sock`;
  #running: { central: Central; north: NorthboundServiceClient } | null = null;

  async start(): Promise<void> {
    const central = await Central.start({
      config: centralConfigSchema.parse({
        dataDir: join(this.dir, "data"),
        northbound: { listen: this.northbound, plaintext: true },
        southbound: { listen: this.southbound, plaintext: true },
        metrics: { listen: "" },
      }),
      clock: new SystemClock(),
      logger: createLogger({ name: "weft-central", level: "warn", format: "json" }),
      onFatal: (error) => {
        throw error;
      },
    });
    const insecure = credentials.createInsecure();
    const north = new NorthboundServiceClient(this.northbound, insecure, options);
    this.#running = { central, north };
  }

  async stop(): Promise<void> {
    this.#running?.north.close();
    await this.#running?.central[Symbol.asyncDispose]();
    this.#running = null;
  }

  /** A client of this life of central. */
  get north(): NorthboundServiceClient {
    if (this.#running === null) throw new Error("central does not run");
    return this.#running.north;
  }

  /** A call of any northbound service. */
  call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
  ): Promise<Response> {
    return unary(this.north, method, request, { deadlineMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
