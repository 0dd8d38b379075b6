// What every command gets: the terminal, its settings, and one connection that is closed at the end.
// Also the small parsers of option values that several commands share.
import type { Kind, ObjectRef } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { Connection } from "./client.ts";
import type { OutputOptions } from "./render/output.ts";
import type { Environment, Settings, SettingsFlags } from "./settings.ts";
import { defaultServer, loadSettings } from "./settings.ts";
import type { Terminal } from "./terminal.ts";

export interface Session {
  connection: Connection;
  settings: Settings;
  out: OutputOptions;
  terminal: Terminal;
}

export class Context {
  readonly terminal: Terminal;
  readonly env: Environment;
  /** Aborted by Ctrl-C: endless commands then end well. */
  readonly signal: AbortSignal;
  /** For messages about a connection that failed. */
  server = defaultServer;

  constructor(options: { terminal: Terminal; env: Environment; signal: AbortSignal }) {
    this.terminal = options.terminal;
    this.env = options.env;
    this.signal = options.signal;
  }

  settings(command: Command): Settings {
    const settings = loadSettings(command.optsWithGlobals<SettingsFlags>(), this.env);
    this.server = settings.server;
    return settings;
  }

  outputOptions(command: Command, settings: Settings): OutputOptions {
    const { wide } = command.optsWithGlobals<{ wide?: boolean }>();
    return { terminal: this.terminal, output: settings.output, wide: wide === true };
  }

  /** Runs `work` with a connection to central. */
  async session(command: Command, work: (session: Session) => Promise<void>): Promise<void> {
    const settings = this.settings(command);
    await using connection = new Connection(settings, this.env, this.signal);
    const out = this.outputOptions(command, settings);
    await work({ connection, settings, out, terminal: this.terminal });
  }
}

export function refOf(kind: Kind, id: string, settings: Settings): ObjectRef {
  return { kind, id, project: settings.project };
}

/** Said of each argument that is a kind. */
export const kindText = "such as port or networks; weft help kinds has them all";

export const nameText = "name or id";

/** Command lines to imitate, below the help of a command. */
export function examples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText("after", `\nSuch as: ${lines.join("\n         ")}`);
}

/** `30s`, `500ms`, `2m`, `1h` as milliseconds; at most a day. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match?.[2] ?? ""];
  const durationMs = Math.round(Number(match?.[1]) * (unitMs ?? Number.NaN));
  if (!(durationMs > 0 && durationMs <= 86_400_000)) {
    throw new InvalidArgumentError("Write a duration such as 30s, 500ms or 2m, at most 24h.");
  }
  return durationMs;
}

/** A whole number of at most 64 bits, decimal or 0x. */
export function parseWhole(text: string): bigint {
  if (!/^(?:\d{1,20}|0x[0-9a-fA-F]{1,16})$/.test(text) || BigInt(text) >= 1n << 64n) {
    throw new InvalidArgumentError("Write a whole number, decimal or with 0x.");
  }
  return BigInt(text);
}

export function parseCount(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 0xffff_ffff) {
    throw new InvalidArgumentError("Write a whole number.");
  }
  return value;
}

/** Collects `key=value` options into one record. */
export function collectPairs(
  text: string,
  earlier: Record<string, string> = {},
): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Write key=value.");
  return { ...earlier, [text.slice(0, at)]: text.slice(at + 1) };
}

export function collect(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, text];
}
