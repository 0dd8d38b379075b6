// weft trace: where a packet of a port goes, chassis by chassis, and what is behind each decision. Asks central; the text is made by
// render/trace.ts.
import {
  AdminServiceService,
  TraceAgreement,
  TraceFragment,
  TraceRequest,
  TraceResponse,
  TraceVerdict,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { Context } from "../context.ts";
import type { ExitCode } from "../exit-codes.ts";
import { CliError, exitCodes } from "../exit-codes.ts";
import { writeValue } from "../render/output.ts";
import { renderTrace } from "../render/trace.ts";

interface TraceFlags {
  proto: Protocol;
  source?: string;
  sport?: number;
  dport?: number;
  ttl?: number;
  size?: number;
  fragment?: "first" | "later";
  ethDst?: string;
  frame?: Buffer;
  real?: boolean;
}

const fragments = { first: TraceFragment.FIRST, later: TraceFragment.LATER } as const;
/** "icmp" = a ping of the destination's family. */
type Protocol = number | "icmp";
const protocols: ReadonlyMap<string, Protocol> = new Map<string, Protocol>([
  ["icmp", "icmp"],
  ["tcp", 6],
  ["udp", 17],
  ["sctp", 132],
]);

export function registerTrace(program: Command, context: Context): void {
  program
    .command("trace")
    .argument("<port>", "name or id of the port that sends")
    .argument("[destination]", "an address, or the name or id of a port")
    .description("show where a packet of a port goes, decision by decision")
    .option("--proto <protocol>", "icmp, tcp, udp, sctp or a number", parseProtocol, "icmp")
    .option("--source <ip>", "sender's address (default: the port's first of that family)")
    .option("--sport <n>", "source port of tcp, udp and sctp (default: 40000)", within(1, 65_535))
    .option("--dport <n>", "destination port of tcp, udp and sctp (default: 80)", within(1, 65_535))
    .option("--ttl <n>", "TTL or hop limit (default: 64)", within(0, 255))
    .option("--size <bytes>", "length of the whole frame (default: 98)", within(60, 65_535))
    .addOption(new Option("--fragment <which>", "trace a fragment").choices(Object.keys(fragments)))
    .option("--eth-dst <mac>", "receiver's MAC (default: whom the guest would find)")
    .option("--frame <hex>", "a whole Ethernet frame instead of a destination", parseFrame)
    .option("--real", "compare with ofproto/trace of the switches that it passes")
    .addHelpText(
      "after",
      "\nSuch as: weft trace web-1 db-1 --proto tcp --dport 5432 --real\nEnds with 0 when it arrives, 6 when not, 7 when a switch differs.",
    )
    .action(
      async (
        port: string,
        destination: string | undefined,
        flags: TraceFlags,
        command: Command,
      ) => {
        if ((destination === undefined) === (flags.frame === undefined)) {
          throw new CliError(
            exitCodes.usage,
            "trace: give a destination, or --frame and none; see weft trace --help",
          );
        }
        await context.session(command, async ({ connection, settings, out, terminal }) => {
          const request = requestOf(port, destination ?? "", settings.project, flags);
          const response = await connection.call(AdminServiceService.trace, request);
          const width = out.wide ? null : terminal.columns;
          const text = (): string => renderTrace(response, { width, wide: out.wide });
          writeValue(TraceResponse.toJSON(response), text, out);
          const code = exitCodeOf(response);
          // What there is to say has been said.
          if (code !== exitCodes.ok) throw new CliError(code, []);
        });
      },
    );
}

function requestOf(
  port: string,
  destination: string,
  project: string,
  flags: TraceFlags,
): TraceRequest {
  return TraceRequest.fromPartial({
    port,
    project,
    destination,
    source: flags.source ?? "",
    protocol: flags.proto === "icmp" ? undefined : flags.proto,
    sourcePort: flags.sport ?? 0,
    destinationPort: flags.dport ?? 0,
    ttl: flags.ttl,
    sizeBytes: flags.size ?? 0,
    fragment: flags.fragment === undefined ? TraceFragment.UNSPECIFIED : fragments[flags.fragment],
    ethDst: flags.ethDst ?? "",
    frame: flags.frame ?? Buffer.alloc(0),
    real: flags.real === true,
  });
}

/** A switch that does otherwise is told first: what the flows say then means little. */
export function exitCodeOf({ visits, verdict }: TraceResponse): ExitCode {
  if (visits.some(({ real }) => real?.agreement === TraceAgreement.DIFFERENT)) {
    return exitCodes.differs;
  }
  const arrives = verdict === TraceVerdict.DELIVERED || verdict === TraceVerdict.LEFT;
  return arrives ? exitCodes.ok : exitCodes.undelivered;
}

function parseProtocol(text: string): Protocol {
  const known = protocols.get(text);
  if (known !== undefined) return known;
  const number = Number(text);
  if (/^\d{1,3}$/.test(text) && number <= 255) return number;
  throw new InvalidArgumentError("Write icmp, tcp, udp, sctp or a number up to 255.");
}

function within(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,6}$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Write a number from ${least} to ${most}.`);
  };
}

function parseFrame(text: string): Buffer {
  const digits = text.replaceAll(/[\s:]/g, "");
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]+$/.test(digits)) {
    throw new InvalidArgumentError("Write the bytes in hexadecimal, two digits each.");
  }
  return Buffer.from(digits, "hex");
}
