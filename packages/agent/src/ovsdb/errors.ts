// Errors of the OVSDB client, with what the server's error strings mean for the caller (RFC 7047
// 3.1, 4.1.3, 5.2). Every layer of this folder throws these; callers act on `kind`, not on text.
import { type ErrorKind, WeftError } from "@weft/shared/errors.ts";

/** The connection failed, was cut, or timed out. What was under way may or may not have happened. */
export class OvsdbConnectionError extends WeftError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("transient", message, options);
  }
}

/** The peer sent something that is not OVSDB. The connection is closed; the next may be better. */
export class OvsdbProtocolError extends WeftError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("transient", message, options);
  }
}

/** We built something that the schema or the protocol cannot express. */
export class OvsdbEncodeError extends WeftError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("bug", message, options);
  }
}

/** The server answered a request with an error object. */
export class OvsdbRequestError extends WeftError {
  /** The server's `error` string, for example "unknown database". */
  readonly ovsdbError: string;

  constructor(options: { method: string; ovsdbError: string; details: string | null }) {
    super(
      kindOfOvsdbError(options.ovsdbError),
      `ovsdb-server refused ${options.method}: ${joinDetails(options.ovsdbError, options.details)}`,
    );
    this.ovsdbError = options.ovsdbError;
  }
}

/** A transaction was not committed: nothing of it took effect. */
export class OvsdbTransactionError extends WeftError {
  /** Index of the operation that failed; null when the commit as a whole did (RFC 7047 4.1.3). */
  readonly opIndex: number | null;
  readonly ovsdbError: string;
  readonly details: string | null;

  constructor(options: {
    opIndex: number | null;
    /** The operation in words, for example `insert Port "weft-gnv0"`; null when none is to blame. */
    operation: string | null;
    ovsdbError: string;
    details: string | null;
  }) {
    const where = options.operation === null ? "at commit" : `at ${options.operation}`;
    super(
      kindOfOvsdbError(options.ovsdbError),
      `OVSDB transaction failed ${where}: ${joinDetails(options.ovsdbError, options.details)}`,
    );
    this.opIndex = options.opIndex;
    this.ovsdbError = options.ovsdbError;
    this.details = options.details;
  }
}

function joinDetails(error: string, details: string | null): string {
  return details === null || details === "" ? error : `${error} (${details})`;
}

// What is not listed is `rejected`: the server understood and said no.
const KINDS: ReadonlyMap<string, ErrorKind> = new Map<string, ErrorKind>([
  // A `wait` with timeout 0 did not hold, or a lock went to another client.
  ["timed out", "conflict"],
  ["not owner", "conflict"],
  ["resources exhausted", "transient"],
  ["I/O error", "transient"],
  ["canceled", "transient"],
  ["cluster error", "transient"],
  ["database not available", "transient"],
  ["not leader", "transient"],
  // The server does not know the database yet while it starts or converts.
  ["unknown database", "transient"],
  ["duplicate uuid-name", "bug"],
  ["syntax error", "bug"],
  ["unknown method", "bug"],
  ["not supported", "bug"],
]);

/** What to do about an error string of the server. */
export function kindOfOvsdbError(ovsdbError: string): ErrorKind {
  return KINDS.get(ovsdbError) ?? "rejected";
}
