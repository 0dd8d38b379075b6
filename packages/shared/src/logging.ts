// Structured logs of a process: JSON lines, or readable lines on a terminal. Owns the one pino
// logger; parts get a child by name. Pure code takes no logger. Called by main.ts of each process.
import { writeSync } from "node:fs";
import type { Logger } from "pino";
import { pino } from "pino";

export type { Logger } from "pino";

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];
export const logFormats = ["auto", "json", "pretty"] as const;
export type LogFormat = (typeof logFormats)[number];

export interface CreateLoggerOptions {
  /** Name of the process. */
  name: string;
  level: LogLevel;
  /** auto = pretty on a terminal, else JSON. */
  format: LogFormat;
  /** Where whole lines go; default standard error. */
  write?: (line: string) => void;
  /** Is the destination a terminal; default that of standard error. */
  isTty?: boolean;
}

/** Keys that pino itself writes; the rest of a line is what the caller gave. */
const ownKeys: ReadonlySet<string> = new Set(["level", "time", "name", "msg", "pid", "hostname"]);

/** The logger of a process. Times are ISO 8601 in UTC; an `err` field is written with its stack. */
export function createLogger(options: CreateLoggerOptions): Logger {
  const isTty = options.isTty ?? process.stderr.isTTY;
  const pretty = options.format === "pretty" || (options.format === "auto" && isTty);
  const write = options.write ?? writeToStderr;
  return pino(
    {
      name: options.name,
      level: options.level,
      base: {},
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: pretty ? (line: string) => write(renderLine(line)) : write },
  );
}

/** A closed pipe must not end the process: then nobody reads the log. */
function writeToStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // EAGAIN: standard error is a non-blocking pipe that is full; losing a line beats stopping.
    if (code !== "EPIPE" && code !== "EAGAIN") throw error;
  }
}

/** A JSON log line as `12:00:00.000 INFO  name: message key=value`, ended by a newline. */
export function renderLine(json: string): string {
  const line = JSON.parse(json) as Record<string, unknown>;
  const time = String(line["time"]).slice(11, 23);
  const level = String(line["level"]).toUpperCase().padEnd(5);
  const fields = Object.entries(line)
    .filter(([key]) => !ownKeys.has(key) && key !== "err")
    .map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const error = line["err"] as { stack?: string } | undefined;
  const stack = error?.stack === undefined ? "" : `\n  ${error.stack.replaceAll("\n", "\n  ")}`;
  const message = typeof line["msg"] === "string" ? line["msg"] : "";
  return `${time} ${level} ${String(line["name"])}: ${message}${fields.join("")}${stack}\n`;
}
