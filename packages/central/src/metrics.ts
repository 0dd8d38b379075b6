// Central's metrics and the /metrics endpoint in Prometheus text. Counts calls and measures the event loop; the rest is read when
// asked. Made by central.ts.

import { createServer } from "node:http";
import type { Server } from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { WeftError } from "@weft/shared/errors.ts";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { CallObserver } from "./api/calls.ts";
import type { DistributorMetrics } from "./distribute/distributor.ts";

const prefix = "weft_central_";
const secondsBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

export class Metrics implements CallObserver, DistributorMetrics, AsyncDisposable {
  readonly registry = new Registry();
  readonly #loop = monitorEventLoopDelay({ resolution: 5 });
  readonly #calls = this.#histogram("call_seconds", "Duration of northbound calls", [
    "method",
    "code",
  ]);
  readonly #acks = this.#histogram("ack_seconds", "From a frozen frame to its ack", []);
  readonly #cuts = this.#counter("streams_cut_total", "Southbound streams ended here", ["cause"]);
  readonly #frames = this.#counter("frame_chunks_total", "Chunks of frames written", []);
  readonly #frameBytes = this.#counter("frame_bytes_total", "Bytes of frames written", []);
  #sessions = 0;
  #server: Server | undefined;

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix });
    this.#loop.enable();
    this.gauge(
      "event_loop_delay_p99_seconds",
      "99th percentile since the start",
      () => this.eventLoopP99Ms() / 1000,
    );
    this.gauge(
      "event_loop_delay_max_seconds",
      "Highest since the start",
      () => this.#loop.max / 1e9,
    );
    this.gauge("sessions", "Southbound streams", () => this.#sessions);
  }

  eventLoopP99Ms(): number {
    return this.#loop.percentile(99) / 1e6;
  }

  /** A value that is read when somebody asks. */
  gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({
      name: `${prefix}${name}`,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
    gauge.set(0);
  }

  /** Values by one label that are read when somebody asks. */
  gauges(name: string, help: string, label: string, read: () => Record<string, number>): void {
    const gauge = new Gauge({
      name: `${prefix}${name}`,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(read())) this.set({ [label]: value }, count);
      },
    });
    gauge.reset();
  }

  ended(method: string, code: string, seconds: number): void {
    this.#calls.observe({ method, code }, seconds);
  }

  sessions(count: number): void {
    this.#sessions = count;
  }

  frame(bytes: number): void {
    this.#frames.inc();
    this.#frameBytes.inc(bytes);
  }

  acked(ms: number): void {
    this.#acks.observe(ms / 1000);
  }

  cut(cause: string): void {
    this.#cuts.inc({ cause });
  }

  /** Serves /metrics on `host:port`; empty = not at all. */
  async listen(address: string): Promise<void> {
    if (address === "") return;
    const server = createServer((request, response) => {
      if (request.url !== "/metrics") {
        response.writeHead(404).end("see /metrics\n");
        return;
      }
      void this.registry.metrics().then((text) => {
        response.writeHead(200, { "content-type": this.registry.contentType }).end(text);
      });
    });
    const at = address.lastIndexOf(":");
    const host = address.slice(0, at).replaceAll(/[[\]]/g, "");
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) => {
        const text = `metrics.listen ${address}: ${error.message}: choose another address`;
        reject(new WeftError("rejected", text, { cause: error }));
      });
      server.listen(Number(address.slice(at + 1)), host, resolve);
    });
    this.#server = server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#loop.disable();
    const server = this.#server;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #histogram(name: string, help: string, labelNames: string[]): Histogram {
    const options = { name: `${prefix}${name}`, help, labelNames, buckets: secondsBuckets };
    return new Histogram({ ...options, registers: [this.registry] });
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name: `${prefix}${name}`, help, labelNames, registers: [this.registry] });
  }
}
