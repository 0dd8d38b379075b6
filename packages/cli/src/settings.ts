// How `weft` finds central: flags > WEFT_* environment > ~/.config/weft/config.yaml > defaults.
// Reads that file and looks whether the usual TLS folders exist; connects to nothing.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "@weft/shared/config.ts";
import { z } from "zod";
import { CliError, exitCodes } from "./exit-codes.ts";

export const defaultServer = "localhost:7640";
export const outputs = ["table", "json", "yaml"] as const;
export type Output = (typeof outputs)[number];

const schema = z.strictObject({
  /** host:port or unix:/path of central's northbound API. */
  server: z.string().min(1, "must not be empty").default(defaultServer),
  /** Folder with ca.crt, tls.crt and tls.key; empty = the usual places. */
  tlsDir: z.string().default(""),
  /** Without TLS; only for loopback and unix sockets. */
  plaintext: z.boolean().default(false),
  /** Project of names and of documents that say none; empty = default, and all in lists. */
  project: z.string().default(""),
  output: z.enum(outputs).default("table"),
});

export type Settings = z.output<typeof schema>;

export interface SettingsFlags {
  server?: string;
  tlsDir?: string;
  plaintext?: boolean;
  project?: string;
  output?: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const variables = ["WEFT_SERVER", "WEFT_TLS_DIR", "WEFT_PLAINTEXT", "WEFT_PROJECT", "WEFT_OUTPUT"];

/** Throws ConfigError (rejected) that names what is wrong. */
export function loadSettings(flags: SettingsFlags, env: Environment): Settings {
  const home = configHome(env);
  return loadConfig({
    schema,
    file: home === null ? null : join(home, "config.yaml"),
    fileRequired: false,
    // Other WEFT_ variables belong to central and the agent.
    env: Object.fromEntries(variables.map((name) => [name, env[name]])),
    envPrefix: "WEFT_",
    // Only these: `flags` also holds the options of the command itself.
    flags: {
      server: flags.server,
      tlsDir: flags.tlsDir,
      plaintext: flags.plaintext,
      project: flags.project,
      output: flags.output,
    },
    flagNames: { tlsDir: "--tls-dir", output: "--output" },
  });
}

function configHome(env: Environment): string | null {
  const base =
    env["XDG_CONFIG_HOME"] ?? (env["HOME"] === undefined ? "" : join(env["HOME"], ".config"));
  return base === "" ? null : join(base, "weft");
}

/** The folder with the operator's certificate. Throws CliError (refused) if there is none. */
export function findTlsDir(settings: Settings, env: Environment): string {
  if (settings.tlsDir !== "") return settings.tlsDir;
  const home = configHome(env);
  const usual = [...(home === null ? [] : [join(home, "tls")]), "/etc/weft/tls"];
  const found = usual.find((dir) => existsSync(join(dir, "tls.crt")));
  if (found !== undefined) return found;
  throw new CliError(
    exitCodes.refused,
    `no certificate in ${usual.join(" or ")}; issue one with weft pki issue operator:<name>, then give --tls-dir or WEFT_TLS_DIR`,
  );
}
