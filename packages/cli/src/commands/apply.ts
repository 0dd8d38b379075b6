// weft apply: documents -> one ChangeSet; shows what happened to each object, and waits if asked.
// What central refuses is shown at its line in the file.
import { readFile, stat } from "node:fs/promises";
import { fieldPath } from "@weft/shared/diagnostics.ts";
import type { ApplyResponse, Change, ChangeResult } from "@weft/shared/gen/weft/v1/northbound.ts";
import {
  ChangeAction,
  NorthboundServiceService,
  WaitLevel,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { AdminServiceService } from "@weft/shared/gen/weft/v1/orchestration.ts";
import { RpcError } from "@weft/shared/grpc.ts";
import type { Command } from "commander";
import type { Connection } from "../client.ts";
import type { Context, Session } from "../context.ts";
import { examples, parseDuration, parseWhole } from "../context.ts";
import type { SourcedObject } from "../documents.ts";
import { locateViolation, parseDocuments } from "../documents.ts";
import { CliError, exitCodeOfRpc, exitCodes } from "../exit-codes.ts";
import { documentOf, metaText, numberOf, singularOf, wordOf } from "../kinds.ts";
import { writeValue } from "../render/output.ts";
import { renderTable } from "../render/table.ts";
import type { Terminal } from "../terminal.ts";
import { StatusLine } from "../terminal.ts";

export const maxFileBytes = 64 * 1024 * 1024;
const defaultWaitMs = 30_000;
/** What central may take beside the wait itself. */
const answerMs = 30_000;
const progressMs = 500;

export interface ApplyFlags {
  dryRun?: boolean;
  wait?: boolean;
  timeout?: number;
  comment?: string;
  idempotencyKey?: string;
  expectedRevision?: bigint;
}

export function registerApply(program: Command, context: Context): void {
  const command = waitOptions(
    program
      .command("apply")
      .description("create or change the objects of a file, all or none of them")
      .requiredOption("-f, --file <file>", "YAML or JSON documents; - reads standard input")
      .option("--dry-run", "validate and show the plan; change nothing"),
  );
  examples(command, "weft apply -f web.yaml --dry-run", "weft apply -f web.yaml --wait")
    .option("--expected-revision <n>", "refuse unless central is at this revision", parseWhole)
    .option("--idempotency-key <key>", "sending the same again with this key changes nothing more")
    .action(async (flags: ApplyFlags & { file: string }, command: Command) => {
      const source = await readSource(flags.file, context.terminal);
      const { objects, problems } = parseDocuments(source.text, {
        file: source.name,
        project: context.settings(command).project,
      });
      if (problems.length > 0) throw new CliError(exitCodes.refused, problems);
      await context.session(command, async (session) => {
        const changes = objects.map(
          ({ object }): Change => ({ change: { $case: "upsert", value: object } }),
        );
        const response = await applyChanges(session, changes, flags, objects);
        showResponse(session, response, flags.dryRun === true);
      });
    });
}

/** The options of every command that changes something. */
export function waitOptions(command: Command): Command {
  return command
    .option("--wait", "wait until every reachable chassis concerned has it in its switch")
    .option(
      "--timeout <duration>",
      "how long --wait waits, such as 2m (default: 30s)",
      parseDuration,
    )
    .option("--comment <text>", "why, for weft history");
}

async function readSource(
  file: string,
  terminal: Terminal,
): Promise<{ name: string; text: string }> {
  if (file === "-") return { name: "standard input", text: await terminal.readInput() };
  try {
    const { size } = await stat(file);
    if (size > maxFileBytes) {
      throw new CliError(exitCodes.refused, `${file}: is larger than 64 MiB; split it`);
    }
    return { name: file, text: await readFile(file, "utf8") };
  } catch (error) {
    if (error instanceof CliError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw new CliError(exitCodes.refused, `${file}: cannot be read (${code}); check --file`, {
      cause: error,
    });
  }
}

/** Sends the changes; a refusal comes back as CliError with the place of each problem. */
export async function applyChanges(
  { connection, terminal }: Session,
  changes: Change[],
  flags: ApplyFlags,
  sources: readonly SourcedObject[] = [],
): Promise<ApplyResponse> {
  const waitMs = flags.timeout ?? defaultWaitMs;
  const wait = flags.wait === true && flags.dryRun !== true;
  const request = {
    changes,
    dryRun: flags.dryRun === true,
    expectedRevision: flags.expectedRevision ?? 0n,
    idempotencyKey: flags.idempotencyKey ?? "",
    wait: wait ? WaitLevel.REALIZED : WaitLevel.COMMITTED,
    waitTimeoutMs: wait ? waitMs : 0,
    comment: flags.comment ?? "",
  };
  using progress = new StatusLine(terminal);
  using _ticker = wait && terminal.showsProgress ? showProgress(connection, progress) : null;
  try {
    return await connection.call(
      NorthboundServiceService.apply,
      request,
      answerMs + (wait ? waitMs : 0),
    );
  } catch (error) {
    if (!(error instanceof RpcError) || error.violations.length === 0) throw error;
    throw new CliError(exitCodeOfRpc(error), placed(error, sources), { cause: error });
  }
}

/** Each violation with the place of its object; the message alone where there is none. */
function placed(error: RpcError, sources: readonly SourcedObject[]): string[] {
  const lines = error.violations.map(({ field, description }) => {
    const at = locateViolation(field);
    const source = at === undefined ? undefined : sources[at.change];
    if (at === undefined) return field === "" ? description : `${field}: ${description}`;
    // Of a change that was no document central names the object itself.
    if (source === undefined) return description;
    // Central names the object too, in its own words; once is enough.
    const rest = description.replace(new RegExp(`^${source.entry.singular} [^ :]+: `), "");
    const path = at.path.length === 0 ? "" : `${fieldPath(at.path)}: `;
    return `${source.placeOf(at.path)}: ${source.title}: ${path}${rest}`;
  });
  const total = /\b(\d+) problems\b/.exec(error.message)?.[1];
  const hidden = Number(total ?? 0) - lines.length;
  return hidden > 0 ? [...lines, `and ${hidden} more problems`] : lines;
}

/** Shows, until disposed, how many chassis still have changes on their way. */
function showProgress(connection: Connection, line: StatusLine): Disposable {
  const startedMs = performance.now();
  let asking = false;
  let note = "";
  const ask = async (): Promise<void> => {
    asking = true;
    try {
      const { chassis } = await connection.call(AdminServiceService.getStatus, {}, 5_000);
      const busy = chassis.filter(({ status }) => (status?.pending ?? 0) > 0).length;
      note = `, ${busy} of ${chassis.length} chassis have changes on their way`;
    } catch {
      // Only decoration: the wait itself tells what is wrong.
      note = "";
    } finally {
      asking = false;
    }
  };
  const timer = setInterval(() => {
    line.show(`waiting ${Math.round((performance.now() - startedMs) / 1000)} s${note}`);
    if (!asking) void ask();
  }, progressMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Prints what happened; throws CliError (deadline) if the wait ended early. */
export function showResponse(session: Session, response: ApplyResponse, dryRun: boolean): void {
  const { out } = session;
  const results = response.results.map(resultOf);
  const { realization } = response;
  const value = {
    revision: numberOf(response.revision),
    dryRun,
    results,
    ...(realization === undefined ? {} : { realization }),
  };
  writeValue(value, () => resultText(response, results, dryRun), out);
  if (realization === undefined || realization.complete) return;
  throw new CliError(exitCodes.deadline, [
    ...realization.failed.flatMap(({ chassis, failed }) =>
      failed.map(({ key, reason }) => `chassis ${chassis}: ${key}: ${reason}`),
    ),
    ...realization.unreachable.map(
      (chassis) => `chassis ${chassis}: has not answered; see weft describe chassis ${chassis}`,
    ),
    `revision ${response.revision}: committed, but not realized everywhere; it will be, see weft status`,
  ]);
}

interface ResultLine {
  kind: string;
  project: string;
  name: string;
  id: string;
  action: string;
}

function resultOf(result: ChangeResult): ResultLine {
  const document = result.object === undefined ? undefined : documentOf(result.object);
  return {
    kind: document?.kind ?? "",
    project: metaText(document, "project"),
    name: metaText(document, "name", "id"),
    id: metaText(document, "id"),
    action: wordOf(ChangeAction, result.action).toLowerCase(),
  };
}

function resultText(
  response: ApplyResponse,
  results: readonly ResultLine[],
  dryRun: boolean,
): string {
  const table = renderTable({
    columns: ["OBJECT", "PROJECT", dryRun ? "WOULD BE" : "WAS"],
    rows: results.map(({ kind, name, project, action }) => [
      `${singularOf(kind)} ${name}`,
      project,
      action,
    ]),
    width: null,
  });
  const counts = ["created", "updated", "unchanged", "deleted"]
    .map((action) => [action, results.filter((result) => result.action === action).length] as const)
    .filter(([, count]) => count > 0)
    .map(([action, count]) => `${count} ${action}`)
    .join(", ");
  const { realization } = response;
  const where =
    realization?.complete === true
      ? `; realized on ${realization.realized.length === 0 ? "every chassis concerned (none)" : realization.realized.join(", ")}`
      : "";
  return `${table}${dryRun ? "dry run at revision" : "revision"} ${response.revision}: ${counts}${where}\n`;
}
