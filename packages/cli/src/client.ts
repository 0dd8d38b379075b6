// The connection of one command to central: its services over one channel, closed at the end.
// Calls fail at once when central cannot be reached. Knows no command.
import { NorthboundServiceClient } from "@weft/shared/gen/weft/v1/northbound.ts";
import { AdminServiceClient } from "@weft/shared/gen/weft/v1/orchestration.ts";
import type { UnaryMethod } from "@weft/shared/grpc.ts";
import { channelOptions, maxAnswerBytes, maxNorthboundBytes, unary } from "@weft/shared/grpc.ts";
import { plaintextChannelCredentials, tlsFilesIn, TlsStore } from "@weft/shared/tls.ts";
import type { Environment, Settings } from "./settings.ts";
import { findTlsDir } from "./settings.ts";

export const defaultDeadlineMs = 30_000;

export class Connection implements AsyncDisposable {
  readonly northbound: NorthboundServiceClient;
  readonly admin: AdminServiceClient;
  readonly #tls: TlsStore | null;
  readonly #signal: AbortSignal;

  constructor(settings: Settings, env: Environment, signal: AbortSignal) {
    this.#signal = signal;
    this.#tls = settings.plaintext
      ? null
      : new TlsStore({ files: tlsFilesIn(findTlsDir(settings, env)), logger: silent });
    const credentials =
      this.#tls?.channelCredentials() ?? plaintextChannelCredentials(settings.server);
    const options = channelOptions({ maxMessageBytes: maxNorthboundBytes, maxAnswerBytes });
    this.northbound = new NorthboundServiceClient(settings.server, credentials, options);
    this.admin = new AdminServiceClient(settings.server, credentials, {
      ...options,
      channelOverride: this.northbound.getChannel(),
    });
  }

  /** One unary call; rejects with RpcError: `call(AdminServiceService.backup, request)`. */
  call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    deadlineMs = defaultDeadlineMs,
  ): Promise<Response> {
    // Any client of the channel carries the calls of all services.
    return unary(this.northbound, method, request, {
      deadlineMs,
      waitForReady: false,
      signal: this.#signal,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.northbound.close();
    await this.#tls?.[Symbol.asyncDispose]();
  }
}

/** A command ends before a certificate changes under it. */
const silent = { info: () => undefined, warn: () => undefined };
