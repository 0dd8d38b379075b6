// weft get, list, describe, delete: what there is, and taking it away.
import type { Object as WeftObject } from "@weft/shared/gen/weft/v1/northbound.ts";
import { Kind, NorthboundServiceService } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { Command } from "commander";
import type { Context, Session } from "../context.ts";
import { collectPairs, examples, kindText, nameText, parseWhole, refOf } from "../context.ts";
import { CliError, exitCodes } from "../exit-codes.ts";
import type { KindEntry, ObjectDocument } from "../kinds.ts";
import { documentOf, kindEntry, kindOfWord, metaText } from "../kinds.ts";
import { tableOf, writeList, writeOne, writeValue, yamlText } from "../render/output.ts";
import type { ApplyFlags } from "./apply.ts";
import { applyChanges, showResponse, waitOptions } from "./apply.ts";
import { routerParts, routerText } from "./describe-router.ts";
import { historyOf, historyTable, historyValue } from "./history.ts";

const pageSize = 1000;
const describedHistory = 5;

interface ListFlags {
  label?: Record<string, string>;
  field?: Record<string, string>;
  atRevision?: bigint;
}

export function registerRead(program: Command, context: Context): void {
  const show = async (
    command: Command,
    kind: string,
    name: string | undefined,
    flags: ListFlags,
  ): Promise<void> => {
    const entry = kindOfWord(kind);
    await context.session(command, async (session) => {
      if (name === undefined) {
        writeList(entry, await listAll(session, entry, flags), session.out);
      } else {
        writeOne(entry, await getOne(session, entry, name, flags.atRevision), session.out);
      }
    });
  };
  const get = listOptions(
    program
      .command("get")
      .argument("<kind>", kindText)
      .argument("[name]", nameText)
      .description("show one object, or all of a kind"),
  );
  examples(get, "weft get port web-1 -o yaml", "weft get ports --label app=web").action(
    async (kind: string, name: string | undefined, flags: ListFlags, command: Command) =>
      show(command, kind, name, flags),
  );
  const list = listOptions(
    program.command("list").argument("<kind>", kindText).description("show all objects of a kind"),
  );
  examples(list, "weft list networks", "weft list ports --field spec.network=web --wide").action(
    async (kind: string, flags: ListFlags, command: Command) =>
      show(command, kind, undefined, flags),
  );

  const describing = program
    .command("describe")
    .argument("<kind>", kindText)
    .argument("<name>", nameText)
    .description("show everything about one object, with what belongs to it");
  examples(describing, "weft describe network web", "weft describe chassis chassis-a").action(
    async (kind: string, name: string, _: unknown, command: Command) => {
      const entry = kindOfWord(kind);
      await context.session(command, async (session) => describe(session, entry, name));
    },
  );

  const deleting = waitOptions(
    program
      .command("delete")
      .argument("<kind>", kindText)
      .argument("<names...>", "names or ids")
      .description("delete objects, all or none of them")
      .option("--dry-run", "validate and show the plan; change nothing"),
  );
  examples(deleting, "weft delete port web-1 web-2 --wait").action(
    async (kind: string, names: string[], flags: ApplyFlags, command: Command) => {
      const entry = kindOfWord(kind);
      await context.session(command, async (session) => {
        const changes = names.map((name) => ({
          change: { $case: "delete" as const, value: refOf(entry.kind, name, session.settings) },
        }));
        const response = await applyChanges(session, changes, flags);
        showResponse(session, response, flags.dryRun === true);
      });
    },
  );
}

function listOptions(command: Command): Command {
  return command
    .option(
      "-l, --label <key=value>",
      "only objects with this label; may be repeated",
      collectPairs,
    )
    .option(
      "--field <path=value>",
      "only objects with this value, such as spec.network=web; may be repeated",
      collectPairs,
    )
    .option("--at-revision <n>", "objects as they were at this revision", parseWhole);
}

async function getOne(
  { connection, settings }: Session,
  entry: KindEntry,
  name: string,
  atRevision?: bigint,
): Promise<WeftObject> {
  const ref = refOf(entry.kind, name, settings);
  const request = { ref, atRevision: atRevision ?? 0n };
  const { object } = await connection.call(NorthboundServiceService.get, request);
  if (object !== undefined) return object;
  throw new CliError(
    exitCodes.notFound,
    `${entry.singular} ${name}: does not exist; see weft list ${entry.plural}`,
  );
}

/** All pages of a list, as of one revision. */
export async function listAll(
  { connection, settings }: Pick<Session, "connection" | "settings">,
  entry: KindEntry,
  filter: ListFlags,
): Promise<WeftObject[]> {
  const objects: WeftObject[] = [];
  let pageToken = "";
  do {
    const page = await connection.call(NorthboundServiceService.list, {
      kind: entry.kind,
      project: entry.hasProject ? settings.project : "",
      labels: filter.label ?? {},
      fields: filter.field ?? {},
      pageSize,
      pageToken,
      atRevision: filter.atRevision ?? 0n,
    });
    objects.push(...page.objects);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return objects;
}

/** What is listed below an object when it is described: kind, and the field that names the object. */
const belongings = new Map<Kind, readonly (readonly [Kind, string])[]>([
  [
    Kind.NETWORK,
    [
      [Kind.SUBNET, "spec.network"],
      [Kind.ROUTER_INTERFACE, "spec.network"],
      [Kind.PORT, "spec.network"],
    ],
  ],
  [
    Kind.CHASSIS,
    [
      [Kind.PORT, "status.chassis"],
      [Kind.ROUTER, "status.chassis"],
    ],
  ],
]);

/** `Subnet` -> `subnets`, `RouterInterface` -> `routerInterfaces`: its list in JSON. */
const listField = ({ name }: KindEntry): string =>
  `${name.charAt(0).toLowerCase()}${name.slice(1)}s`;

async function describe(session: Session, entry: KindEntry, name: string): Promise<void> {
  const { connection, settings, out, terminal } = session;
  const object = await getOne(session, entry, name);
  const document = documentOf(object);
  if (document === undefined) return;
  const id = metaText(document, "id") || name;
  const { entries } = await historyOf(connection, {
    ref: refOf(entry.kind, id, settings),
    limit: describedHistory,
    beforeRevision: 0n,
  });
  const listBy = async (below: KindEntry, field: string, value: string) => {
    const everywhere = { connection, settings: { ...settings, project: "" } };
    const all = await listAll(everywhere, below, { field: { [field]: value } });
    return all.map((one) => documentOf(one)).filter((one) => one !== undefined);
  };
  const router = entry.kind === Kind.ROUTER ? await routerParts(document, listBy) : undefined;
  const lists: (readonly [KindEntry, ObjectDocument[]])[] = [];
  for (const [kind, field] of belongings.get(entry.kind) ?? []) {
    const below = kindEntry(kind);
    if (below !== undefined) lists.push([below, await listBy(below, field, id)]);
  }
  const width = out.wide ? null : terminal.columns;
  const text = (): string => {
    const own = router === undefined ? yamlText(document) : routerText(document, router);
    const tables = lists.map(([below, documents]) => {
      const title = `\n${below.plural} (${documents.length})\n`;
      return documents.length === 0
        ? title
        : `${title}${tableOf(below, documents, { width, wide: out.wide })}`;
    });
    return `${own}${tables.join("")}\nhistory, newest first\n${historyTable(entries, width)}`;
  };
  const below = lists.map(([kind, documents]) => [listField(kind), documents] as const);
  const value = {
    ...document,
    ...router,
    ...Object.fromEntries(below),
    history: entries.map(historyValue),
  };
  writeValue(value, text, out);
}
