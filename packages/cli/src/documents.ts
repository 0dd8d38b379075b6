// YAML and JSON documents -> the changes of one ChangeSet, strictly: every unknown key, bad value and
// duplicate is named with file, line and column, all at once. Keeps where each object stood, so that
// what central refuses can be shown at its line too. Pure: text in, changes and problems out.
import { fieldPath, nearestWord, parseFieldPath } from "@weft/shared/diagnostics.ts";
import { describeError } from "@weft/shared/errors.ts";
import type { Meta, Object as WeftObject } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { Document, YAMLMap } from "yaml";
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseAllDocuments } from "yaml";
import { z } from "zod";
import type { KindEntry } from "./kinds.ts";
import { kinds } from "./kinds.ts";

/** Objects in one ChangeSet. */
export const maxObjects = 50_000;

export interface SourcedObject {
  entry: KindEntry;
  object: WeftObject;
  meta: Meta;
  /** `port web-1`. */
  title: string;
  /** `file:line` of a field path within the object's document; the nearest line that exists. */
  placeOf(path: readonly (string | number)[]): string;
}

export interface ParsedDocuments {
  objects: SourcedObject[];
  /** `file:line:column: what; what to do`; not empty = nothing may be applied. */
  problems: string[];
}

const topKeys = ["kind", "metadata", "spec", "status"];

const timestamp = z.string().optional();
const metadataSchema = z.strictObject({
  id: z.string().optional(),
  project: z.string().optional(),
  name: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  revision: z.union([z.int().min(0), z.string().regex(/^\d+$/)]).optional(),
  // As get prints them; central sets them.
  createdAt: timestamp,
  updatedAt: timestamp,
});
const metadataKeys = Object.keys(metadataSchema.shape);

/** Parses `text`; `file` is only named in messages. `project` is that of documents that name none. */
export function parseDocuments(
  text: string,
  options: { file: string; project: string },
): ParsedDocuments {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const result: ParsedDocuments = { objects: [], problems: [] };
  // An empty stream is not a list.
  const documents: Document[] = "empty" in parsed ? [] : [...parsed];
  const reader = new Reader(options, lines, result);
  for (const document of documents) {
    for (const error of document.errors) reader.problem(error.pos[0], `not YAML: ${error.message}`);
  }
  if (result.problems.length > 0) return result;
  for (const document of documents) {
    const { contents } = document;
    if (contents === null || (isScalar(contents) && contents.value === null)) continue;
    const items: readonly unknown[] = isSeq(contents) ? contents.items : [contents];
    for (const item of items) reader.readObject(item, document, offsetOf(contents) ?? 0);
  }
  reader.checkDuplicates();
  if (result.objects.length === 0 && result.problems.length === 0) {
    result.problems.push(`${options.file}: holds no object; write kind, metadata and spec`);
  }
  if (result.objects.length > maxObjects) {
    result.problems.push(
      `${options.file}: holds ${result.objects.length} objects; at most ${maxObjects} may be applied at once, split it`,
    );
  }
  return result;
}

class Reader {
  readonly #options: { file: string; project: string };
  readonly #lines: LineCounter;
  readonly #result: ParsedDocuments;

  constructor(
    options: { file: string; project: string },
    lines: LineCounter,
    result: ParsedDocuments,
  ) {
    this.#options = options;
    this.#lines = lines;
    this.#result = result;
  }

  problem(offset: number, what: string): void {
    const { line, col } = this.#lines.linePos(offset);
    this.#result.problems.push(`${this.#options.file}:${line}:${col}: ${what}`);
  }

  readObject(root: unknown, document: Document, fallback: number): void {
    const start = offsetOf(root) ?? fallback;
    if (!isMap(root)) {
      this.problem(start, "must be a mapping with kind, metadata and spec");
      return;
    }
    let value: Record<string, unknown>;
    try {
      value = root.toJS(document, { maxAliasCount: 1000 }) as Record<string, unknown>;
    } catch (error) {
      // The one thing that parsing leaves for later: aliases, unknown or too many.
      this.problem(start, `not YAML: ${describeError(error)}`);
      return;
    }
    const before = this.#result.problems.length;
    for (const key of Object.keys(value)) {
      if (!topKeys.includes(key)) this.#unknownKey(root, [key], topKeys, "");
    }
    const entry = this.#kindOf(root, value["kind"], start);
    if (entry === undefined) return;
    const title = titleOf(entry, value["metadata"]);
    const metadata = this.#check(root, "metadata", metadataSchema, metadataKeys, value, title);
    const spec = this.#check(root, "spec", entry.specSchema, entry.specFields, value, title);
    if (this.#result.problems.length > before) return;
    const meta = this.#metaOf(metadata as z.output<typeof metadataSchema>, entry);
    if (meta.id === "" && meta.name === "") {
      this.problem(
        offsetAt(root, ["metadata"]) ?? start,
        `${title}: metadata: names no object; give name or id`,
      );
      return;
    }
    this.#result.objects.push({
      entry,
      meta,
      title,
      object: entry.toObject(meta, spec),
      placeOf: (path) => {
        const { line } = this.#lines.linePos(offsetAt(root, path) ?? start);
        return `${this.#options.file}:${line}`;
      },
    });
  }

  /** Two documents that mean the same object: by id, or by project and name. */
  checkDuplicates(): void {
    const seen = new Map<string, SourcedObject>();
    for (const object of this.#result.objects) {
      const { meta, entry } = object;
      const keys = [
        ...(meta.id === "" ? [] : [`${entry.name} id ${meta.id}`]),
        `${entry.name} ${meta.project}/${meta.name === "" ? meta.id : meta.name}`,
      ];
      const earlier = keys.map((key) => seen.get(key)).find((found) => found !== undefined);
      if (earlier !== undefined) {
        this.#result.problems.push(
          `${object.placeOf(["metadata"])}: ${object.title}: is already in ${earlier.placeOf(["metadata"])}; keep one of the two`,
        );
      }
      for (const key of keys) if (!seen.has(key)) seen.set(key, object);
    }
  }

  #kindOf(root: YAMLMap, kind: unknown, start: number): KindEntry | undefined {
    const known = kinds.map(({ name }) => name);
    if (typeof kind !== "string") {
      this.problem(
        offsetAt(root, ["kind"]) ?? start,
        `kind: is missing; one of ${known.join(", ")}`,
      );
      return undefined;
    }
    const entry = kinds.find(({ name }) => name === kind);
    if (entry !== undefined) return entry;
    const near = nearestWord(kind, known);
    const hint = near === undefined ? `known are ${known.join(", ")}` : `did you mean ${near}?`;
    this.problem(offsetAt(root, ["kind"]) ?? start, `kind: ${kind} is unknown; ${hint}`);
    return undefined;
  }

  #check(
    root: YAMLMap,
    part: "metadata" | "spec",
    schema: z.ZodType,
    fields: readonly string[],
    value: Record<string, unknown>,
    title: string,
  ): unknown {
    // `spec:` without anything below is null in YAML; say what is missing in it, not that it is null.
    const checked = schema.safeParse(value[part] ?? {});
    if (checked.success) return checked.data;
    for (const issue of checked.error.issues) {
      const path = [
        part,
        ...issue.path.map((key) => (typeof key === "number" ? key : String(key))),
      ];
      if (issue.code === "unrecognized_keys") {
        const known = issue.path.length === 0 ? fields : knownKeys(schema, issue.path);
        for (const key of issue.keys) this.#unknownKey(root, [...path, key], known, `${title}: `);
        continue;
      }
      const offset = offsetAt(root, path) ?? offsetOf(root) ?? 0;
      this.problem(offset, `${title}: ${fieldPath(path)}: ${explainIssue(issue)}`);
    }
    return undefined;
  }

  #unknownKey(
    root: YAMLMap,
    path: readonly (string | number)[],
    known: readonly string[],
    prefix: string,
  ): void {
    const near = nearestWord(String(path.at(-1)), known);
    const hint = near === undefined ? `known here: ${known.join(", ")}` : `did you mean ${near}?`;
    this.problem(offsetAt(root, path) ?? 0, `${prefix}${fieldPath(path)}: unknown field; ${hint}`);
  }

  #metaOf(metadata: z.output<typeof metadataSchema>, entry: KindEntry): Meta {
    return {
      id: metadata.id ?? "",
      project: metadata.project ?? (entry.hasProject ? this.#options.project : ""),
      name: metadata.name ?? "",
      labels: metadata.labels ?? {},
      revision: BigInt(metadata.revision ?? 0),
      createdAt: undefined,
      updatedAt: undefined,
    };
  }
}

function titleOf(entry: KindEntry, metadata: unknown): string {
  const { name, id } = (metadata ?? {}) as { name?: unknown; id?: unknown };
  const shown = [name, id].find((text) => typeof text === "string" && text !== "");
  return `${entry.singular} ${typeof shown === "string" ? shown : "without a name"}`;
}

/** Keys of the object schema that `path` leads to, through arrays and optionals. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  interface Shape {
    properties?: Record<string, Shape>;
    items?: Shape;
    anyOf?: Shape[];
  }
  const whole = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Shape;
  let at: Shape | undefined = whole;
  for (const key of path) {
    at = at?.anyOf?.find((option) => option.properties !== undefined) ?? at;
    at = typeof key === "number" ? at?.items : at?.properties?.[String(key)];
  }
  at = at?.anyOf?.find((option) => option.properties !== undefined) ?? at;
  return Object.keys(at?.properties ?? {});
}

function explainIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_value" && issue.message.startsWith("Invalid ")) {
    return `must be one of ${issue.values.join(", ")}`;
  }
  if (issue.code !== "invalid_type" || !issue.message.startsWith("Invalid input")) {
    return issue.message;
  }
  if (issue.input === undefined && issue.message.endsWith("received undefined")) {
    return "is missing";
  }
  const wanted: Record<string, string> = {
    string: "text; put the value in quotes",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
    array: "a list",
    object: "a mapping",
    record: "a mapping of text to text",
  };
  return `must be ${wanted[issue.expected] ?? issue.expected}`;
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

/**
 * Offset of the key (or list item) that a path leads to; where the path ends early in the text, the
 * last part that is there. Aliases are not followed: the place of use is what a person looks for.
 */
function offsetAt(root: unknown, path: readonly (string | number)[]): number | undefined {
  let node: unknown = root;
  let offset: number | undefined;
  for (const part of path) {
    if (isAlias(node)) break;
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(part),
      );
      if (pair === undefined) break;
      offset = offsetOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof part === "number" && part < node.items.length) {
      node = node.items[part];
      offset = offsetOf(node) ?? offset;
    } else break;
  }
  return offset;
}

/**
 * Where a violation of central belongs: index of the change, and the path in its document.
 * `changes[3].upsert.port.spec.fixed_ips[0].ip` -> 3 and spec.fixedIps[0].ip.
 */
export function locateViolation(
  field: string,
): { change: number; path: (string | number)[] } | undefined {
  const [changes, change, verb, ...rest] = parseFieldPath(field);
  if (changes !== "changes" || typeof change !== "number") return undefined;
  // After `upsert` comes the kind; a delete has only ids.
  const inObject = verb === "upsert" ? rest.slice(1) : [];
  const path = inObject.map((part) => (typeof part === "number" ? part : camelCase(part)));
  if (path[0] === "meta") path[0] = "metadata";
  // The names of oneofs are not written: spec.type.provider is spec.provider in a document.
  const isOneof = (part: string | number): boolean => part === "type" || part === "action";
  return { change, path: path.filter((part) => path[0] !== "spec" || !isOneof(part)) };
}

function camelCase(snake: string): string {
  return snake.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
