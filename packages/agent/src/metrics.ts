// The agent's /metrics in Prometheus text. Reads what agent.ts counts when asked; counts nothing itself. Started by main.ts.

import { createServer } from "node:http";
import type { Logger } from "pino";
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Agent } from "./agent.ts";

const PREFIX = "weft_agent_";

/** Serves on `host:port`; null when `listen` is empty. */
export async function startMetrics(options: {
  readonly listen: string;
  readonly agent: Agent;
  readonly logger: Logger;
}): Promise<AsyncDisposable | null> {
  if (options.listen === "") return null;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: PREFIX });
  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      name: `${PREFIX}${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  const { agent } = options;
  gauge("streaming", "1 while the stream to central is up", () => Number(agent.stats().streaming));
  gauge("instructions", "Instructions held", () => agent.stats().instructions);
  gauge("engine_backlog", "Keys that the engine has not taken yet", () => agent.stats().backlog);
  gauge("failed_instructions", "Instructions that fail now", () => agent.stats().failed);
  gauge("flows", "Flows in the switch", () => agent.stats().flows);
  gauge("drift_repaired", "Objects put right after somebody changed them", () =>
    Number(agent.stats().driftRepaired),
  );
  const server = createServer((request, response) => {
    if (request.url !== "/metrics") {
      response.writeHead(404).end("see /metrics\n");
      return;
    }
    void registry.metrics().then((text) => {
      response.writeHead(200, { "content-type": registry.contentType }).end(text);
    });
  });
  const at = options.listen.lastIndexOf(":");
  const host = options.listen.slice(0, at).replaceAll(/[[\]]/g, "");
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(options.listen.slice(at + 1)), host, resolve);
  });
  options.logger.info({ listen: options.listen }, "metrics");
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
