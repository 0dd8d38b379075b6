// What can go wrong with the store, as errors that cross its threads: by code, rebuilt on the other side. Throws nothing itself.

import { WeftError } from "@weft/shared/errors.ts";

/** SQLite or the disk refused. `transient`: it may work again later. */
export class StoreError extends WeftError {}

/** No space: writes are refused until there is some, reads go on. */
export class StoreFullError extends StoreError {}

/**
 * Reading, writing or flushing the file failed. After a write what is durable is not known: pages that could not be flushed may be
 * there or not, and a later flush says nothing about them. Then only a new life that reads the file knows (store.ts).
 */
export class StoreIoError extends StoreError {}

/** The database is damaged or is none of ours: nothing is done with it. */
export class StoreCorruptError extends StoreError {}

/** The revision asked for is below what is kept. */
export class CompactedError extends StoreError {
  readonly oldestRevision: bigint;
  constructor(oldestRevision: bigint) {
    super(
      "rejected",
      `the oldest revision kept is ${oldestRevision}: read that one or a later one`,
    );
    this.oldestRevision = oldestRevision;
  }
}

/** An error as it travels between threads. */
export interface WireError {
  readonly code: string;
  readonly message: string;
}

export function toWireError(error: unknown): WireError {
  if (error instanceof CompactedError) {
    return { code: "COMPACTED", message: String(error.oldestRevision) };
  }
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return { code: typeof code === "string" ? code : "BUG", message };
}

const fullCodes = new Set(["SQLITE_FULL", "ENOSPC", "EDQUOT"]);

/** What SQLite was doing, by what follows SQLITE_IOERR_; the rest is "using". */
const ioActions: Readonly<Record<string, string>> = {
  READ: "reading",
  SHORT_READ: "reading",
  WRITE: "writing",
  TRUNCATE: "truncating",
  FSYNC: "flushing",
  DIR_FSYNC: "flushing the folder of",
};

/** The error of a SQLite code; `path` names the file for people. */
export function storeError({ code, message }: WireError, path: string): Error {
  if (code === "COMPACTED") return new CompactedError(BigInt(message));
  if (fullCodes.has(code)) {
    const text = `the disk of ${path} is full (${code}): free space there; writes work again by themselves`;
    return new StoreFullError("transient", text);
  }
  if (isCorrupt(code)) {
    return new StoreCorruptError("rejected", corruptText(path, message));
  }
  if (code.startsWith("SQLITE_IOERR")) {
    const action = ioActions[code.slice("SQLITE_IOERR_".length)] ?? "using";
    const text = `${action} ${path} or its -wal failed (${code}): see what the kernel log says of its disk and file system, and mend that`;
    return new StoreIoError("transient", text);
  }
  if (code === "SQLITE_BUSY" || code === "SQLITE_READONLY") {
    return new StoreError("transient", `${path}: ${message} (${code}): look at the disk`);
  }
  if (code === "STALE_HEAD") {
    return new StoreError("transient", `a write before this one failed (${message}): try again`);
  }
  if (code === "REFUSED") return new StoreError("rejected", message);
  return new StoreError("bug", `${path}: ${message} (${code})`);
}

export function isCorrupt(code: string): boolean {
  return /^SQLITE_(?:CORRUPT|NOTADB)(?:_|$)/.test(code);
}

/** A write failed in a way that leaves open what is durable. */
export function unknownOutcome({ message }: StoreIoError): StoreIoError {
  const text = `${message}; whether the changes under way are durable is not known: central stops, and starts again from the file; then send them again with the same idempotency key`;
  return new StoreIoError("transient", text);
}

export function corruptText(path: string, reason: string): string {
  return `the database ${path} is damaged (${reason}): move it away and run "weft-central restore FILE" with a backup`;
}
