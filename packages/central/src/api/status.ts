// From what went wrong to a gRPC status: problems of a change set, errors of the store, refusals of a service. Owns the choice of
// codes. Called by calls.ts for every failed call.

import { status as Code } from "@grpc/grpc-js";
import type { Metadata } from "@grpc/grpc-js";
import type { Diagnostic } from "@weft/shared/diagnostics.ts";
import { renderDiagnostic } from "@weft/shared/diagnostics.ts";
import { WeftError } from "@weft/shared/errors.ts";
import { refusal } from "@weft/shared/grpc.ts";
import { CompactedError, StoreError, StoreFullError } from "../store/errors.ts";

/** A service says no. */
export class Refused extends Error {
  readonly code: Code;
  readonly diagnostics: readonly Diagnostic[];

  constructor(code: Code, message: string, diagnostics: readonly Diagnostic[] = []) {
    super(message);
    this.code = code;
    this.diagnostics = diagnostics;
  }
}

/** One bad field of a request. */
export function invalid(field: string, message: string): Refused {
  const diagnostic: Diagnostic = { code: "INVALID_FIELD", object: "", field, message };
  return new Refused(Code.INVALID_ARGUMENT, renderDiagnostic(diagnostic), [diagnostic]);
}

const codeOf: Readonly<Record<string, Code>> = {
  NOT_FOUND: Code.NOT_FOUND,
  DUPLICATE_NAME: Code.ALREADY_EXISTS,
  IN_USE: Code.FAILED_PRECONDITION,
  NOT_REGISTERED: Code.FAILED_PRECONDITION,
  // Asking again does not help before something is deleted or widened.
  EXHAUSTED: Code.FAILED_PRECONDITION,
  STALE_REVISION: Code.ABORTED,
};

/** A refused change set: the code that all its problems have in common, else INVALID_ARGUMENT. */
export function refusedSet(problems: readonly Diagnostic[], count: number): Refused {
  const codes = new Set(problems.map((problem) => codeOf[problem.code] ?? Code.INVALID_ARGUMENT));
  const [only = Code.INVALID_ARGUMENT] = codes;
  const code = codes.size === 1 ? only : Code.INVALID_ARGUMENT;
  const first = problems[0] === undefined ? "" : renderDiagnostic(problems[0]);
  const message = count === 1 ? first : `${count} problems; the first: ${first}`;
  return new Refused(code, message, problems);
}

export interface FailedCall {
  readonly code: Code;
  readonly details: string;
  readonly metadata: Metadata;
}

/** The status of anything that was thrown; `isBug` asks for it to be logged. */
export function statusOf(error: unknown): { status: FailedCall; isBug: boolean } {
  if (error instanceof Refused) {
    return { status: refusal(error.code, error.message, error.diagnostics), isBug: false };
  }
  if (error instanceof CompactedError) {
    return { status: refusal(Code.OUT_OF_RANGE, error.message), isBug: false };
  }
  if (error instanceof StoreFullError) {
    return { status: refusal(Code.RESOURCE_EXHAUSTED, error.message), isBug: false };
  }
  if (error instanceof WeftError && error.kind !== "bug") {
    const isRejected = error.kind === "rejected";
    const refused = error instanceof StoreError ? Code.INVALID_ARGUMENT : Code.FAILED_PRECONDITION;
    return {
      status: refusal(isRejected ? refused : Code.UNAVAILABLE, error.message),
      isBug: false,
    };
  }
  const text = "internal error: see the log of weft-central";
  return { status: refusal(Code.INTERNAL, text), isBug: true };
}
