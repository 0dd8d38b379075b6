// Entry point of weft-agent: arguments, configuration, logging, signals, exit codes. No logic: agent.ts is the wiring.

import { hostname } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Dataplane } from "@weft/dataplane-native";
import { SystemClock } from "@weft/shared/clock.ts";
import { ConfigError, loadConfig } from "@weft/shared/config.ts";
import { describeError } from "@weft/shared/errors.ts";
import { channelOptions, maxSouthboundBytes } from "@weft/shared/grpc.ts";
import { createLogger } from "@weft/shared/logging.ts";
import { plaintextChannelCredentials, TlsStore } from "@weft/shared/tls.ts";
import { Agent } from "./agent.ts";
import {
  type AgentConfig,
  agentConfigSchema,
  DEFAULT_CONFIG_PATH,
  ENV_PREFIX,
  mgmtSocketOf,
} from "./config.ts";
import { startMetrics } from "./metrics.ts";
import { CheckpointFile } from "./southbound/checkpoint.ts";
import { Switch } from "./switch.ts";

const HELP = `weft-agent: programs this hypervisor's Open vSwitch as weft-central says

  --config FILE   configuration (default ${DEFAULT_CONFIG_PATH})
  --chassis NAME  name of this chassis, as in its certificate
  --check         check the configuration and exit
  --help          this text

Every key of the file can be given as an environment variable: ${ENV_PREFIX}OVS_BRIDGE=br-int.
Exit status: 0 stopped, 70 a bug, 78 the configuration is wrong.
`;

const EXIT_BUG = 70;
const EXIT_CONFIG = 78;

function readConfig(): AgentConfig | "done" {
  const { values } = parseArgs({
    options: {
      config: { type: "string" },
      chassis: { type: "string" },
      check: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return "done";
  }
  const config = loadConfig({
    schema: agentConfigSchema,
    file: values.config ?? DEFAULT_CONFIG_PATH,
    fileRequired: values.config !== undefined,
    env: process.env,
    envPrefix: ENV_PREFIX,
    flags: { chassis: values.chassis },
  });
  if (config.central.tls === undefined && !config.central.plaintext) {
    throw new ConfigError([
      "central.tls: missing; give the files, or central.plaintext for a local socket",
    ]);
  }
  if (values.check !== true) return config;
  process.stdout.write("configuration ok\n");
  return "done";
}

async function main(config: AgentConfig): Promise<void> {
  const logger = createLogger({ name: "weft-agent", ...config.log });
  const fatal = (error: unknown): void => {
    logger.fatal({ err: error }, "a bug; systemd starts the agent again, flows stay");
    process.exit(EXIT_BUG);
  };
  process.on("uncaughtException", fatal);
  process.on("unhandledRejection", fatal);

  const clock = new SystemClock();
  const { address, tls } = config.central;
  const store = tls === undefined ? null : new TlsStore({ files: tls, logger });
  const holder: { ovs?: Switch } = {};
  const agent = new Agent({
    config,
    hostname: hostname(),
    credentials: store?.channelCredentials() ?? plaintextChannelCredentials(address),
    channelOptions: channelOptions({ maxMessageBytes: maxSouthboundBytes }),
    checkpoint: new CheckpointFile({
      path: join(config.stateDir, "checkpoint"),
      ...{ clock, random: Math.random },
    }),
    openDataplane: (onEvent) => Dataplane.open({ mgmtSocket: mgmtSocketOf(config) }, onEvent),
    onInSync: () => holder.ovs?.allowPrune(),
    clock,
    random: Math.random,
    logger,
  });
  const ovs = new Switch({
    ...{ config, clock, logger, fatal, random: Math.random },
    onFacts: (facts) => agent.onSwitchFacts(facts),
  });
  holder.ovs = ovs;
  const metrics = await startMetrics({ listen: config.metrics.listen, agent, logger });

  const stop = async (signal: string): Promise<void> => {
    logger.info({ signal }, "stopping; flows stay");
    await metrics?.[Symbol.asyncDispose]();
    await agent[Symbol.asyncDispose]();
    await ovs[Symbol.asyncDispose]();
    await store?.[Symbol.asyncDispose]();
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void stop(signal));
  }
  await agent.start();
  ovs.start();
  logger.info({ chassis: config.chassis, central: address }, "started");
}

try {
  const config = readConfig();
  if (config !== "done") await main(config);
} catch (error) {
  process.stderr.write(`weft-agent: ${describeError(error)}\n`);
  process.exit(error instanceof ConfigError || error instanceof TypeError ? EXIT_CONFIG : EXIT_BUG);
}
