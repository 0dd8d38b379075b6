// The one error root of Weft. Everything that does I/O throws a subclass of WeftError whose `kind`
// says what the caller should do; pure code returns diagnostics instead (diagnostics.ts) and never
// throws these on bad input. No I/O and no logging here.

import { inspect } from "node:util";

/**
 * What to do about an error:
 * - `rejected`: the request itself is refused; repeating it unchanged is pointless. Tell the caller.
 * - `transient`: may pass by itself; retry with a capped backoff (reconnect.ts).
 * - `conflict`: acted on an outdated view; read again, then decide again.
 * - `bug`: should be impossible; crash and let the service manager restart the process.
 */
export type ErrorKind = "rejected" | "transient" | "conflict" | "bug";

/** Root of all errors thrown by I/O. The message names the object and the way out. */
export class WeftError extends Error {
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.kind = kind;
  }
}

/** The kind of anything that was thrown; what is not a WeftError is a bug. */
export function errorKind(error: unknown): ErrorKind {
  return error instanceof WeftError ? error.kind : "bug";
}

/** Longest cause chain that describeError follows; guards against cyclic causes. */
const MAX_CHAIN = 10;

/** The messages of an error and its causes, outermost first, joined for one log line. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; depth < MAX_CHAIN && current !== undefined && current !== null; depth++) {
    parts.push(current instanceof Error ? current.message : inspect(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(": ");
}
