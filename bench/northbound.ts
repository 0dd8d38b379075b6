// One northbound client of the benchmark over gRPC and mutual TLS: Apply, GetStatus, and a Watch that knows the state of every
// port. Measures nothing itself; times are performance.now() of the moment an event arrived. Called by measure.ts, operations.ts.

import type { ClientReadableStream } from "@grpc/grpc-js";
import {
  ApplyRequest,
  type ApplyResponse,
  type Change,
  EventType,
  Kind,
  NorthboundServiceClient,
  NorthboundServiceService,
  WatchRequest,
  type WatchResponse,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import {
  AdminServiceClient,
  AdminServiceService,
  type GetStatusResponse,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { channelOptions, maxNorthboundBytes, unary } from "@weft/shared/grpc.ts";
import { type TlsFiles, TlsStore } from "@weft/shared/tls.ts";

const DEADLINE_MS = 120_000;

export class Northbound implements AsyncDisposable {
  readonly #tls: TlsStore;
  readonly #objects: NorthboundServiceClient;
  readonly #admin: AdminServiceClient;
  readonly #states = new Map<string, PortState>();
  readonly #waiting = new Set<() => void>();
  #watch: ClientReadableStream<WatchResponse> | null = null;
  #bookmarked = false;
  #failure: Error | null = null;

  constructor(options: { readonly address: string; readonly tls: TlsFiles }) {
    const logger = { info: () => {}, warn: () => {} };
    this.#tls = new TlsStore({ files: options.tls, logger });
    const channel = channelOptions({ maxMessageBytes: maxNorthboundBytes });
    const credentials = this.#tls.channelCredentials();
    this.#objects = new NorthboundServiceClient(options.address, credentials, channel);
    this.#admin = new AdminServiceClient(options.address, credentials, channel);
  }

  apply(changes: Change[]): Promise<ApplyResponse> {
    const request = ApplyRequest.fromPartial({});
    request.changes = changes;
    return unary(this.#objects, NorthboundServiceService.apply, request, {
      deadlineMs: DEADLINE_MS,
    });
  }

  status(deadlineMs = DEADLINE_MS): Promise<GetStatusResponse> {
    return unary(this.#admin, AdminServiceService.getStatus, {}, { deadlineMs });
  }

  /** Begins to follow ports; answers once all that there are have been seen. */
  async watchPorts(): Promise<void> {
    this.#watch?.cancel();
    this.#states.clear();
    this.#bookmarked = false;
    this.#failure = null;
    const request = WatchRequest.fromPartial({ kinds: [Kind.PORT], includeStatus: true });
    const watch = this.#objects.watch(request);
    this.#watch = watch;
    watch.on("data", (event: WatchResponse) => this.#take(event));
    watch.on("error", (error) => {
      if (this.#watch !== watch) return;
      this.#failure = error;
      this.#wake();
    });
    await this.#until("the ports there are", () => this.#bookmarked, DEADLINE_MS);
  }

  stateOf(port: string): PortState | null {
    return this.#states.get(port) ?? null;
  }

  /** Waits until Watch shows the port UP; answers when that event arrived. */
  whenUp(port: string, deadlineMs = 30_000): Promise<number> {
    return this.#until(
      `port ${port} to be UP (it is ${this.#states.get(port) ?? "unknown"})`,
      () => this.#states.get(port) === PortState.UP,
      deadlineMs,
    );
  }

  whenGone(port: string, deadlineMs = 30_000): Promise<number> {
    return this.#until(`port ${port} to go`, () => !this.#states.has(port), deadlineMs);
  }

  /** Waits until every port of the list is UP. */
  whenAllUp(ports: readonly string[], deadlineMs: number): Promise<number> {
    const left = new Set(ports);
    return this.#until(
      `${ports.length} ports to be UP`,
      () => {
        for (const port of left) if (this.#states.get(port) === PortState.UP) left.delete(port);
        return left.size === 0;
      },
      deadlineMs,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const watch = this.#watch;
    this.#watch = null;
    watch?.cancel();
    this.#objects.close();
    this.#admin.close();
    await this.#tls[Symbol.asyncDispose]();
  }

  #take(event: WatchResponse): void {
    if (event.type === EventType.BOOKMARK) this.#bookmarked = true;
    const object = event.object?.object;
    if (object?.$case === "port") {
      const id = object.value.meta?.id ?? "";
      if (event.type === EventType.DELETE) this.#states.delete(id);
      else this.#states.set(id, object.value.status?.state ?? PortState.UNSPECIFIED);
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  #until(what: string, holds: () => boolean, deadlineMs: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const look = (): void => {
        if (this.#failure !== null) {
          done();
          reject(this.#failure);
        } else if (holds()) {
          done();
          resolve(performance.now());
        }
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`waited ${deadlineMs} ms in vain for ${what}`));
      }, deadlineMs);
      this.#waiting.add(look);
      look();
    });
  }
}
