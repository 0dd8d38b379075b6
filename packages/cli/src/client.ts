// The connection of one command to central: the three services over one channel, closed at the end.
// Calls fail at once when central cannot be reached. Knows no command.
import type { CallOptions, ClientUnaryCall, Metadata, ServiceError } from "@grpc/grpc-js";
import { NorthboundServiceClient } from "@weft/shared/gen/weft/v1/northbound.ts";
import {
  AdminServiceClient,
  OrchestrationServiceClient,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import { channelOptions, maxNorthboundBytes, unary } from "@weft/shared/grpc.ts";
import { plaintextChannelCredentials, tlsFilesIn, TlsStore } from "@weft/shared/tls.ts";
import type { Environment, Settings } from "./settings.ts";
import { findTlsDir } from "./settings.ts";

export const defaultDeadlineMs = 30_000;

type Invoke<Response> = (
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

export class Connection implements AsyncDisposable {
  readonly northbound: NorthboundServiceClient;
  readonly orchestration: OrchestrationServiceClient;
  readonly admin: AdminServiceClient;
  readonly #tls: TlsStore | null;

  constructor(settings: Settings, env: Environment) {
    this.#tls = settings.plaintext
      ? null
      : new TlsStore({ files: tlsFilesIn(findTlsDir(settings, env)), logger: silent });
    const credentials =
      this.#tls?.channelCredentials() ?? plaintextChannelCredentials(settings.server);
    const options = channelOptions({ maxMessageBytes: maxNorthboundBytes });
    this.northbound = new NorthboundServiceClient(settings.server, credentials, options);
    const channelOverride = this.northbound.getChannel();
    const shared = { ...options, channelOverride };
    this.orchestration = new OrchestrationServiceClient(settings.server, credentials, shared);
    this.admin = new AdminServiceClient(settings.server, credentials, shared);
  }

  /** One unary call; rejects with RpcError. */
  call<Response>(invoke: Invoke<Response>, deadlineMs = defaultDeadlineMs): Promise<Response> {
    return unary(invoke, { deadlineMs, waitForReady: false });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.northbound.close();
    await this.#tls?.[Symbol.asyncDispose]();
  }
}

/** A command ends before a certificate changes under it. */
const silent = { info: () => undefined, warn: () => undefined };
