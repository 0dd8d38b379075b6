// weft status, flows, explain, backup and central verify: how central, the chassis and their switches are.
import { Kind } from "@weft/shared/gen/weft/v1/northbound.ts";
import type {
  GetStatusResponse,
  ScopeAudience,
  VerifyResponse,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import { AdminServiceService } from "@weft/shared/gen/weft/v1/orchestration.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { isServiceError, rpcError } from "@weft/shared/grpc.ts";
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { Context, Session } from "../context.ts";
import { examples, nameText, parseWhole } from "../context.ts";
import { CliError, exitCodes } from "../exit-codes.ts";
import type { ObjectDocument } from "../kinds.ts";
import { documentOf, kindEntry, metaText, numberOf, singularOf, wordOf } from "../kinds.ts";
import { chassisNote } from "../render/columns.ts";
import { tableOf, writeValue } from "../render/output.ts";
import { plain, renderTable } from "../render/table.ts";
import { wrap } from "../render/wrap.ts";
import { StatusLine } from "../terminal.ts";

export function registerStatus(program: Command, context: Context): void {
  program
    .command("status")
    .description("show how central and its chassis are, and who is told what")
    .action(async (_: unknown, command: Command) => {
      await context.session(command, async ({ connection, out, terminal }) => {
        const status = await connection.call(AdminServiceService.getStatus, {});
        const width = out.wide ? null : terminal.columns;
        writeValue(statusValue(status), () => statusText(status, width, out.wide), out);
      });
    });
}

export function registerFlows(program: Command, context: Context): void {
  program
    .command("flows")
    .argument("<port>", nameText)
    .description("show the flows of a port in its switch, and the object behind each")
    .action(async (port: string, _: unknown, command: Command) => {
      await context.session(command, async ({ connection, settings, out, terminal }) => {
        const request = { port, project: settings.project };
        const answer = await connection.call(AdminServiceService.portFlows, request);
        const flows = answer.flows.map(({ flow, cookie, origin, packets }) => ({
          origin,
          packets: numberOf(packets),
          cookie: cookieText(cookie),
          flow,
        }));
        const table = (): string =>
          `port ${port} on chassis ${answer.chassis}\n${renderTable({
            columns: ["ORIGIN", "PACKETS", "COOKIE", "FLOW"],
            rows: flows.map(({ origin, packets, cookie, flow }) => [
              origin,
              String(packets),
              cookie,
              // It has a column of its own.
              flow.replace(/^cookie=0x[0-9a-f]+, */, ""),
            ]),
            width: out.wide ? null : terminal.columns,
          })}`;
        writeValue({ chassis: answer.chassis, flows }, table, out);
      });
    });

  const explain = program
    .command("explain")
    .argument("<cookie>", "as ovs-ofctl prints it")
    .description("show the object and stage behind a flow's cookie");
  examples(explain, "weft explain 0x5700200000090001").action(
    async (text: string, _: unknown, command: Command) => {
      const cookie = parseCookie(text);
      await context.session(command, async ({ connection, out }) => {
        const answer = await connection.call(AdminServiceService.explainCookie, {
          cookie,
        });
        const { stage, id, text: meaning } = answer;
        const kind = kindEntry(answer.kind)?.name ?? "";
        const value = { cookie: cookieText(cookie), stage, kind, id, text: meaning };
        const object = answer.kind === Kind.UNSPECIFIED ? "" : `${singularOf(kind)} ${id}\n`;
        writeValue(value, () => `${value.cookie}: ${stage}\n${object}${meaning}\n`, out);
      });
    },
  );
}

export function registerCentral(program: Command, context: Context): void {
  const backup = program
    .command("backup")
    .argument("<path>", "file on central's host")
    .description("write a consistent copy of the store to a file on central's host");
  examples(backup, "weft backup /var/backups/weft.db").action(
    async (path: string, _: unknown, command: Command) => {
      await context.session(command, async ({ connection, out }) => {
        const answer = await connection.call(AdminServiceService.backup, { path }, 10 * 60_000);
        const value = { path, bytes: numberOf(answer.bytes), revision: numberOf(answer.revision) };
        writeValue(value, () => `${path}: ${value.bytes} bytes, revision ${value.revision}\n`, out);
      });
    },
  );

  program
    .command("central")
    .description("check central itself")
    .helpCommand(false)
    .command("verify")
    .description("derive everything again from scratch and compare; changes nothing")
    .action(async (_: unknown, command: Command) => {
      await context.session(command, async (session) => verify(session, context));
    });
}

export function cookieText(cookie: bigint): string {
  return `0x${cookie.toString(16).padStart(16, "0")}`;
}

function parseCookie(text: string): bigint {
  try {
    return parseWhole(text);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new CliError(exitCodes.usage, `${text}: no cookie; write it as ovs-ofctl does: 0x57...`, {
      cause: error,
    });
  }
}

function portsByState(status: GetStatusResponse): [string, number][] {
  return status.portsByState
    .map((count, state): [string, number] => [wordOf(PortState, state) || "UNBOUND", count])
    .filter(([, count]) => count > 0);
}

function statusValue(status: GetStatusResponse): object {
  return {
    storeId: status.storeId,
    revision: numberOf(status.revision),
    convergedRevision: numberOf(status.convergedRevision),
    oldestRevision: numberOf(status.oldestRevision),
    epoch: numberOf(status.epoch),
    sequence: numberOf(status.sequence),
    writeState: status.writeState,
    eventLoopP99Ms: status.eventLoopP99Ms,
    counts: Object.fromEntries(
      Object.entries(status.counts).map(([name, count]) => [name, numberOf(count)]),
    ),
    portsByState: Object.fromEntries(portsByState(status)),
    scopes: status.scopes.map((scope) => ({ ...scope, deliveries: deliveriesOf(scope) })),
    scopeCount: numberOf(status.scopeCount),
    deliveries: numberOf(status.deliveries),
    chassis: chassisDocuments(status),
  };
}

/** Networks before what lies in them, and routing last. */
const inOrder: readonly Kind[] = [
  Kind.NETWORK,
  Kind.SUBNET,
  Kind.PORT,
  Kind.CHASSIS,
  Kind.ROUTER,
  Kind.ROUTER_INTERFACE,
  Kind.ROUTE,
  Kind.POLICY_ROUTE,
  Kind.ROUTER_LINK,
  Kind.ROUTE_LEAK,
];

/** "2 networks, 1 port": what people apply, as they write it. */
function objectsText({ counts }: GetStatusResponse): string {
  const words = inOrder.flatMap((kind) => {
    const entry = kindEntry(kind);
    const count = counts[entry?.singular ?? ""] ?? 0n;
    if (entry === undefined || count === 0n) return [];
    return [`${count} ${count === 1n ? entry.singular : entry.plural}`];
  });
  return words.length === 0 ? "none" : words.join(", ");
}

/** Columns of the first word of a line. */
const LABEL_CHARS = 11;

/** Scopes, and notes, that are shown without --wide. */
const FEW = 5;

const deliveriesOf = ({ chassis, instructions }: ScopeAudience): number => chassis * instructions;

/** Who is told what: how many chassis hold how many instructions. */
function scopesText(status: GetStatusResponse, width: number | null, wide: boolean): string {
  const shown = wide ? status.scopes : status.scopes.slice(0, FEW);
  if (shown.length === 0) return "";
  const table = renderTable({
    columns: ["SCOPE", "OBJECT", "CHASSIS", "INSTRUCTIONS", "DELIVERIES"],
    rows: shown.map((scope) => [
      scope.scope,
      scope.object,
      String(scope.chassis),
      String(scope.instructions),
      String(deliveriesOf(scope)),
    ]),
    width,
  });
  return `\n${table}`;
}

function chassisDocuments(status: GetStatusResponse) {
  return status.chassis
    .map((value) => documentOf({ object: { $case: "chassis", value } }))
    .filter((document) => document !== undefined);
}

/** Notes that the table had no room for, whole: they say what is wrong, and the way out. */
function notesText(
  documents: readonly ObjectDocument[],
  table: string,
  width: number | null,
): string {
  const cut = documents
    .map((document) => ({ name: metaText(document, "name"), note: plain(chassisNote(document)) }))
    .filter(({ note }) => !table.includes(note));
  if (width === null || cut.length === 0) return "";
  const lines = cut.slice(0, FEW).flatMap(({ name, note }) => wrap(`${name} ${note}`, width));
  if (cut.length > FEW) lines.push(`and ${cut.length - FEW} more: weft status --wide`);
  return `\n${lines.map((line) => `${line}\n`).join("")}`;
}

/** The table of `weft status`. */
export function statusText(status: GetStatusResponse, width: number | null, wide: boolean): string {
  const lag = status.revision - status.convergedRevision;
  const converged =
    status.chassis.length === 0 ? "no chassis yet" : lag <= 0n ? "converged" : `lag ${lag}`;
  const lines = [
    `central    revision ${status.revision}, ${converged}, writes ${status.writeState || "READY"}`,
    `store      ${status.storeId}, history from revision ${status.oldestRevision}`,
    `epoch      ${status.epoch}, sequence ${status.sequence}, event loop p99 ${status.eventLoopP99Ms.toFixed(1)} ms`,
  ];
  const room = width === null ? null : width - LABEL_CHARS;
  wrap(objectsText(status), room, 0).forEach((text, at) => {
    lines.push(`${(at === 0 ? "objects" : "").padEnd(LABEL_CHARS)}${text}`);
  });
  const ports = portsByState(status).map(([state, count]) => `${count} ${state}`);
  lines.push(`ports      ${ports.length === 0 ? "none" : ports.join(", ")}`);
  const { scopeCount, deliveries } = status;
  lines.push(
    `scopes     ${scopeCount} told to chassis, ${deliveries} instructions held in all`,
    "",
  );
  const entry = kindEntry(Kind.CHASSIS);
  const documents = chassisDocuments(status);
  const table =
    entry === undefined || documents.length === 0 ? "" : tableOf(entry, documents, { width, wide });
  const notes = notesText(documents, table, width);
  return `${lines.join("\n")}\n${table}${notes}${scopesText(status, width, wide)}`;
}

async function verify({ connection, out, terminal }: Session, context: Context): Promise<void> {
  const stream = connection.admin.verify({});
  const cancel = (): void => stream.cancel();
  context.signal.addEventListener("abort", cancel, { once: true });
  const differences: string[] = [];
  let last: VerifyResponse | undefined;
  try {
    using progress = new StatusLine(terminal);
    for await (const answer of stream as AsyncIterable<VerifyResponse>) {
      last = answer;
      differences.push(...answer.differences);
      // Both move while the check runs: keys come and go with every change.
      const share = `about ${answer.checked} of ${answer.total} keys`;
      progress.show(`${share}, ${differences.length} differ`);
    }
  } catch (error) {
    throw isServiceError(error) ? rpcError(error) : error;
  } finally {
    context.signal.removeEventListener("abort", cancel);
  }
  const checked = numberOf(last?.checked ?? 0n);
  const complete = last?.done === true;
  writeValue(
    { checked, complete, differences },
    () => `${checked} keys checked, ${differences.length} differ\n`,
    out,
  );
  if (!complete) throw new CliError(exitCodes.refused, "central: ended the check early; try again");
  if (differences.length === 0) return;
  throw new CliError(exitCodes.refused, [
    ...differences.map((key) => `${key}: differs from what its rows say`),
    "central: please report this; restarting weft-central derives everything anew",
  ]);
}
