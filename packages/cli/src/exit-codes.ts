// The exit codes of `weft` and the errors that carry them. The table is the documentation: `weft help
// exit-codes` prints it and docs/guide/cli.md repeats it (a test compares them). No I/O.
import { status as Code } from "@grpc/grpc-js";
import { WeftError } from "@weft/shared/errors.ts";
import { RpcError } from "@weft/shared/grpc.ts";

export const exitCodes = {
  ok: 0,
  refused: 1,
  usage: 2,
  unreachable: 3,
  deadline: 4,
  notFound: 5,
  undelivered: 6,
  differs: 7,
  bug: 70,
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodeTexts: readonly (readonly [ExitCode, string])[] = [
  [exitCodes.ok, "done"],
  [exitCodes.refused, "refused: bad input, or central said no; nothing was changed"],
  [exitCodes.usage, "the command line itself is wrong"],
  [exitCodes.unreachable, "central cannot be reached or did not answer in time"],
  [exitCodes.deadline, "the wait ended before the state was reached; what was committed stands"],
  [exitCodes.notFound, "the object does not exist"],
  [exitCodes.undelivered, "trace: the packet arrives nowhere; the last line says why"],
  [exitCodes.differs, "trace --real: a switch does not do what Weft compiled"],
  [exitCodes.bug, "a bug in weft or in central; please report what is printed"],
  [exitCodes.interrupted, "ended by Ctrl-C; what was sent before may still happen"],
];

/** An end of the command that is not a bug; `lines` are printed each after `error: `. */
export class CliError extends WeftError {
  readonly exitCode: ExitCode;
  readonly lines: readonly string[];

  constructor(
    exitCode: ExitCode,
    lines: string | readonly string[],
    options?: { cause?: unknown },
  ) {
    const list = typeof lines === "string" ? [lines] : lines;
    super("rejected", list.join("\n"), options);
    this.exitCode = exitCode;
    this.lines = list;
  }
}

const exitCodesOfRpc: ReadonlyMap<Code, ExitCode> = new Map([
  [Code.UNAVAILABLE, exitCodes.unreachable],
  [Code.DEADLINE_EXCEEDED, exitCodes.unreachable],
  [Code.CANCELLED, exitCodes.unreachable],
  [Code.NOT_FOUND, exitCodes.notFound],
  [Code.INTERNAL, exitCodes.bug],
  [Code.UNKNOWN, exitCodes.bug],
  [Code.DATA_LOSS, exitCodes.bug],
]);

/** The exit code for an RPC that failed outside of a wait. */
export function exitCodeOfRpc(error: RpcError): ExitCode {
  return exitCodesOfRpc.get(error.code) ?? exitCodes.refused;
}

/** Why a connection failed, out of what gRPC says around it; "" = it says nothing. */
export function connectionReason({ message }: RpcError): string {
  return /Last error: (?:Error: )?(.+?)\.? Resolution note:/.exec(message)?.[1] ?? message;
}

/** The exit code and the lines to print for anything that ended the command. */
export function explainError(error: unknown, server: string): { code: ExitCode; lines: string[] } {
  if (error instanceof CliError) return { code: error.exitCode, lines: [...error.lines] };
  if (error instanceof RpcError) {
    const code = exitCodeOfRpc(error);
    if (code === exitCodes.unreachable) {
      const what = error.code === Code.UNAVAILABLE ? "cannot be reached" : "did not answer in time";
      const reason = connectionReason(error);
      const why = reason === "" ? "" : ` (${reason})`;
      return {
        code,
        lines: [
          `central at ${server}: ${what}${why}; check --server, --tls-dir and that weft-central runs`,
        ],
      };
    }
    if (error.code === Code.UNIMPLEMENTED) {
      return { code, lines: [`central at ${server}: does not know this call; update it`] };
    }
    const violations = error.violations.map(({ field, description }) =>
      field === "" ? description : `${field}: ${description}`,
    );
    return { code, lines: violations.length > 0 ? violations : [error.message] };
  }
  if (error instanceof WeftError && error.kind === "rejected") {
    return { code: exitCodes.refused, lines: error.message.split("\n") };
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: exitCodes.bug, lines: [`bug in weft: ${stack}`] };
}
