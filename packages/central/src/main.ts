// Entry point of weft-central: arguments, configuration, logging, signals, exit codes. No logic: central.ts is the wiring.

import { parseArgs } from "node:util";
import { SystemClock } from "@weft/shared/clock.ts";
import { ConfigError, loadConfig } from "@weft/shared/config.ts";
import { describeError, errorKind } from "@weft/shared/errors.ts";
import { createLogger } from "@weft/shared/logging.ts";
import { Central } from "./central.ts";
import type { CentralConfig } from "./config.ts";
import { centralConfigSchema, defaultConfigPath, envPrefix } from "./config.ts";
import { StoreIoError } from "./store/errors.ts";
import { restore } from "./store/restore.ts";

const help = `weft-central: keeps what is wanted and tells every chassis its part

usage: weft-central [options]               serve
       weft-central [options] restore FILE  put a backup in the place of the store; central must be stopped

  --config FILE          configuration (default ${defaultConfigPath})
  --data-dir DIR         where the store is
  --northbound ADDRESS   where operators and orchestrators connect: host:port or unix:/path
  --southbound ADDRESS   where agents connect
  --metrics ADDRESS      where /metrics is served; empty = nowhere
  --log-level LEVEL      trace, debug, info, warn, error
  --check                check the configuration and exit
  --help                 this text

Every key of the file can be given as an environment variable: ${envPrefix}DATA_DIR=/srv/weft.
Exit status: 0 stopped, 70 a bug or a disk that fails, 78 the configuration or the store is not usable.
`;

/** The service manager starts central again. */
const exitFailed = 70;
/** Starting again is pointless. */
const exitConfig = 78;

const options = {
  config: { type: "string" },
  "data-dir": { type: "string" },
  northbound: { type: "string" },
  southbound: { type: "string" },
  metrics: { type: "string" },
  "log-level": { type: "string" },
  check: { type: "boolean" },
  help: { type: "boolean" },
} as const;

interface Command {
  readonly config: CentralConfig;
  readonly action: "serve" | "check" | "restore";
  /** Of a restore. */
  readonly file: string;
}

function readCommand(): Command | null {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.help === true) return null;
  const [verb, file = "", ...rest] = positionals;
  if (verb !== undefined && (verb !== "restore" || file === "" || rest.length > 0)) {
    throw new ConfigError([`${positionals.join(" ")}: unknown; see weft-central --help`]);
  }
  const config = loadConfig({
    schema: centralConfigSchema,
    file: values.config ?? defaultConfigPath,
    fileRequired: values.config !== undefined,
    env: process.env,
    envPrefix,
    flags: {
      dataDir: values["data-dir"],
      "northbound.listen": values.northbound,
      "southbound.listen": values.southbound,
      "metrics.listen": values.metrics,
      "log.level": values["log-level"],
    },
    flagNames: {
      dataDir: "--data-dir",
      "northbound.listen": "--northbound",
      "southbound.listen": "--southbound",
      "metrics.listen": "--metrics",
      "log.level": "--log-level",
    },
  });
  if (verb === "restore") return { config, action: "restore", file };
  return { config, action: values.check === true ? "check" : "serve", file: "" };
}

async function serve(config: CentralConfig): Promise<void> {
  const logger = createLogger({ name: "weft-central", ...config.log });
  const fatal = (error: unknown): void => {
    const what = errorKind(error) === "bug" ? "a bug" : "central cannot go on";
    logger.fatal({ err: error }, `${what}; the service manager starts central again`);
    process.exit(exitFailed);
  };
  process.on("uncaughtException", fatal);
  process.on("unhandledRejection", fatal);
  const central = await Central.start({ config, clock: new SystemClock(), logger, onFatal: fatal });
  const { northboundAddress, southboundAddress } = central;
  logger.info({ northbound: northboundAddress, southbound: southboundAddress }, "serving");

  const stop = async (signal: string): Promise<void> => {
    logger.info({ signal }, "stopping");
    await central[Symbol.asyncDispose]();
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void stop(signal));
  }
}

async function main(): Promise<void> {
  const command = readCommand();
  if (command === null) {
    process.stdout.write(help);
  } else if (command.action === "check") {
    process.stdout.write("configuration ok\n");
  } else if (command.action === "restore") {
    const { dataDir } = command.config;
    const nowMs = Math.floor(new SystemClock().nowMs());
    const restored = restore({ backup: command.file, dataDir, nowMs });
    const { revision, storeId, replaced } = restored;
    const before = replaced === null ? "" : `; what was there is ${replaced}`;
    process.stdout.write(
      `restored revision ${revision} as store ${storeId}${before}\nchassis wait until they are adopted: see weft status\n`,
    );
  } else {
    await serve(command.config);
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`weft-central: ${describeError(error)}\n`);
  const isUsage = error instanceof TypeError && "code" in error;
  const isHopeless = isUsage || (errorKind(error) !== "bug" && !(error instanceof StoreIoError));
  process.exit(isHopeless ? exitConfig : exitFailed);
}
