// weft history and weft watch: what changed, and what changes now.
import { setTimeout as pause } from "node:timers/promises";
import type {
  HistoryEntry,
  ObjectRef,
  WatchResponse,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import {
  ChangeAction,
  EventType,
  NorthboundServiceService,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { callMetadata, isServiceError, rpcError } from "@weft/shared/grpc.ts";
import { Backoff, REMOTE_BACKOFF } from "@weft/shared/reconnect.ts";
import type { Command } from "commander";
import type { Context, Session } from "../context.ts";
import { examples, kindText, nameText, parseCount, parseWhole, refOf } from "../context.ts";
import { CliError, connectionReason, exitCodes } from "../exit-codes.ts";
import { documentOf, kindEntry, kindOfWord, numberOf, objectTitle, wordOf } from "../kinds.ts";
import { columnsOf } from "../render/columns.ts";
import { writeValue, yamlText } from "../render/output.ts";
import { renderTable } from "../render/table.ts";

export function registerHistory(program: Command, context: Context): void {
  const history = program
    .command("history")
    .argument("[kind]", kindText)
    .argument("[name]", nameText)
    .description("show recorded changes of one object or of all, newest first");
  examples(history, "weft history --limit 20", "weft history port web-1")
    .option("--limit <n>", "how many, 1 or more", parseCount, 100)
    .option("--before <revision>", "only changes before this revision", parseWhole)
    .action(
      async (
        kind: string | undefined,
        name: string | undefined,
        flags: { limit: number; before?: bigint },
        command: Command,
      ) => {
        if (kind !== undefined && name === undefined) {
          throw new CliError(
            exitCodes.usage,
            `${kind}: name the object too: weft history ${kind} NAME`,
          );
        }
        await context.session(command, async ({ connection, settings, out, terminal }) => {
          const ref =
            kind === undefined || name === undefined
              ? undefined
              : refOf(kindOfWord(kind).kind, name, settings);
          const { entries, oldestRevision } = await historyOf(connection, {
            ref,
            limit: flags.limit,
            beforeRevision: flags.before ?? 0n,
          });
          const text = (): string =>
            entries.length === 0
              ? `no changes recorded; the oldest revision kept is ${oldestRevision}\n`
              : historyTable(entries, out.wide ? null : terminal.columns);
          writeValue(entries.map(historyValue), text, out);
        });
      },
    );

  const watching = program
    .command("watch")
    .argument("[kinds...]", kindText)
    .description("print objects, then each change until Ctrl-C; reconnects by itself");
  examples(watching, "weft watch ports --status", "weft watch --from 1200 -o json")
    .option(
      "--from <revision>",
      "the changes after this revision, without the current objects",
      parseWhole,
    )
    .option("--status", "also changes of state, such as a port that came up")
    .action(
      async (words: string[], flags: { from?: bigint; status?: boolean }, command: Command) => {
        const kinds = words.map((word) => kindOfWord(word).kind);
        await context.session(command, async (session) => {
          await watch(session, context, {
            kinds,
            project: session.settings.project,
            fromRevision: flags.from ?? 0n,
            includeStatus: flags.status === true,
          });
        });
      },
    );
}

/** Entries asked for in one call; the largest that central takes. */
const pageSize = 10_000;

/** The newest `limit` changes, read in pages: central ends a page early when it grows large. */
export async function historyOf(
  connection: Session["connection"],
  query: { ref: ObjectRef | undefined; limit: number; beforeRevision: bigint },
): Promise<{ entries: HistoryEntry[]; oldestRevision: bigint }> {
  const { ref, limit, beforeRevision } = query;
  if (limit < 1) throw new CliError(exitCodes.usage, "--limit: give 1 or more");
  const entries: HistoryEntry[] = [];
  let pageToken = "";
  for (;;) {
    const page = await connection.call(NorthboundServiceService.history, {
      ref,
      limit: Math.min(limit - entries.length, pageSize),
      beforeRevision,
      pageToken,
    });
    for (const entry of page.entries) entries.push(entry);
    pageToken = page.nextPageToken;
    if (pageToken === "" || entries.length >= limit) {
      return { entries, oldestRevision: page.oldestRevision };
    }
  }
}

export function historyTable(entries: readonly HistoryEntry[], width: number | null): string {
  return renderTable({
    columns: ["REVISION", "AT", "WHO", "ACTION", "OBJECT", "COMMENT"],
    rows: entries.map((entry) => [
      String(entry.revision),
      entry.at?.toISOString().replace("T", " ").slice(0, 19) ?? "",
      entry.actor,
      wordOf(ChangeAction, entry.action).toLowerCase(),
      titleOfEntry(entry),
      entry.comment,
    ]),
    width,
  });
}

function titleOfEntry(entry: HistoryEntry): string {
  const document = entry.object === undefined ? undefined : documentOf(entry.object);
  if (document !== undefined) return objectTitle(document);
  return `${kindEntry(entry.kind)?.singular ?? "object"} ${entry.id}`;
}

/** An entry in JSON. */
export function historyValue(entry: HistoryEntry): object {
  return {
    revision: numberOf(entry.revision),
    at: entry.at?.toISOString() ?? "",
    actor: entry.actor,
    comment: entry.comment,
    action: wordOf(ChangeAction, entry.action).toLowerCase(),
    kind: kindEntry(entry.kind)?.name ?? "",
    id: entry.id,
    object: entry.object === undefined ? null : (documentOf(entry.object) ?? null),
  };
}

interface WatchPlan {
  kinds: WatchResponseKinds;
  project: string;
  fromRevision: bigint;
  includeStatus: boolean;
}
type WatchResponseKinds = Parameters<Session["connection"]["northbound"]["watch"]>[0]["kinds"];

/** Prints events until Ctrl-C; after a lost connection goes on behind the last event seen. */
async function watch(session: Session, context: Context, plan: WatchPlan): Promise<void> {
  const { connection, terminal } = session;
  const backoff = new Backoff({ policy: REMOTE_BACKOFF, random: Math.random });
  let fromRevision = plan.fromRevision;
  let connectedBefore = false;
  while (!context.signal.aborted) {
    let connected = false;
    const stream = connection.northbound.watch(
      { ...plan, fromRevision },
      callMetadata({ waitForReady: false }),
    );
    const cancel = (): void => stream.cancel();
    context.signal.addEventListener("abort", cancel, { once: true });
    let why = "central ended the stream";
    try {
      for await (const event of stream as AsyncIterable<WatchResponse>) {
        if (!connected) backoff.succeeded(performance.now());
        connected = true;
        connectedBefore = true;
        printEvent(session, event);
        // Before the first bookmark come the current objects: cut off there, all of them come again.
        const resumable = event.type === EventType.BOOKMARK || fromRevision > 0n;
        if (resumable && event.type !== EventType.STATUS) fromRevision = event.revision;
      }
    } catch (error) {
      if (context.signal.aborted) return;
      if (!isServiceError(error)) throw error;
      const failure = rpcError(error);
      // The first connection tells whether the command makes sense; later ones are worth a retry.
      if (failure.kind !== "transient" || !connectedBefore) throw failure;
      why = connectionReason(failure);
    } finally {
      context.signal.removeEventListener("abort", cancel);
    }
    terminal.writeError(`connection lost (${why}); trying again\n`);
    const delayMs = backoff.failed(performance.now());
    await pause(delayMs, undefined, { signal: context.signal }).catch(() => undefined);
  }
}

function printEvent({ out, terminal }: Session, event: WatchResponse): void {
  const type = wordOf(EventType, event.type).toLowerCase();
  const document = event.object === undefined ? null : (documentOf(event.object) ?? null);
  const value = { revision: numberOf(event.revision), type, object: document };
  if (out.output === "json") terminal.write(`${JSON.stringify(value)}\n`);
  else if (out.output === "yaml") terminal.write(`---\n${yamlText(value)}`);
  else if (document === null) terminal.write(`${event.revision} ${type}\n`);
  else {
    const entry = event.object === undefined ? undefined : kindOfWord(document.kind);
    const cells = (entry === undefined ? [] : columnsOf(entry.kind, out.wide))
      .slice(1)
      .map(({ title, cell }) => [title.toLowerCase(), cell(document)] as const)
      .filter(([, text]) => text !== "");
    const text = cells.map(([title, cell]) => `${title}=${cell}`).join(" ");
    terminal.write(`${event.revision} ${type} ${objectTitle(document)} ${text}\n`);
  }
}
