// Objects and other results as a table, JSON or YAML on standard output. JSON of a list is one array;
// YAML is one document an object: both can be applied again. Pure but for the terminal it writes to.
import type { Object as WeftObject } from "@weft/shared/gen/weft/v1/northbound.ts";
import { stringify } from "yaml";
import type { KindEntry, ObjectDocument } from "../kinds.ts";
import { documentOf } from "../kinds.ts";
import type { Output } from "../settings.ts";
import type { Terminal } from "../terminal.ts";
import { columnsOf } from "./columns.ts";
import { renderTable } from "./table.ts";

export interface OutputOptions {
  terminal: Terminal;
  output: Output;
  wide: boolean;
}

/** Text lines: no folding, so that lines can be searched. */
export function yamlText(value: unknown): string {
  return stringify(value, { lineWidth: 0 });
}

export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Writes the objects of one kind. */
export function writeList(
  entry: KindEntry,
  objects: readonly WeftObject[],
  { terminal, output, wide }: OutputOptions,
): void {
  const documents = objects
    .map((object) => documentOf(object))
    .filter((document) => document !== undefined);
  if (output === "json") terminal.write(jsonText(documents));
  else if (output === "yaml") terminal.write(documents.map(yamlText).join("---\n"));
  else if (documents.length === 0) terminal.writeError(`no ${entry.plural}\n`);
  else terminal.write(tableOf(entry, documents, { width: terminal.columns, wide }));
}

/** Writes one object: JSON is then an object, not an array. */
export function writeOne(entry: KindEntry, object: WeftObject, options: OutputOptions): void {
  const document = documentOf(object);
  if (options.output === "json" && document !== undefined) {
    options.terminal.write(jsonText(document));
  } else writeList(entry, [object], options);
}

export function tableOf(
  entry: KindEntry,
  documents: readonly ObjectDocument[],
  options: { width: number | null; wide: boolean },
): string {
  const columns = columnsOf(entry.kind, options.wide);
  return renderTable({
    columns: columns.map(({ title }) => title),
    rows: documents.map((document) => columns.map(({ cell }) => cell(document))),
    width: options.wide ? null : options.width,
  });
}

/** Writes a plain result: JSON or YAML of `value`, or the given table or text. */
export function writeValue(
  value: unknown,
  text: () => string,
  { terminal, output }: OutputOptions,
): void {
  if (output === "json") terminal.write(jsonText(value));
  else if (output === "yaml") terminal.write(yamlText(value));
  else terminal.write(text());
}
