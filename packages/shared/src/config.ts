// Configuration of a process: built-in defaults < YAML file < environment < flags, checked as a
// whole by one zod schema. Reads the file, nothing else. Every unknown key and bad value is named
// with its place and the way out. Called by main.ts of each process, once.
import { readFileSync } from "node:fs";
import { isMap, LineCounter, parseDocument } from "yaml";
import type { Document } from "yaml";
import { z } from "zod";
import { fieldPath, nearestWord } from "./diagnostics.ts";
import { describeError, WeftError } from "./errors.ts";

/** The configuration is refused; `message` has one line a problem. */
export class ConfigError extends WeftError {
  readonly problems: readonly string[];
  constructor(problems: readonly string[], options?: { cause?: unknown }) {
    super("rejected", problems.join("\n"), options);
    this.problems = problems;
  }
}

export interface LoadConfigOptions<S extends z.ZodType> {
  /** Best a strictObject all the way down: other objects let unknown keys pass. */
  schema: S;
  /** Path of the YAML file; null = none. */
  file: string | null;
  /** False: a file that is not there counts as empty. */
  fileRequired: boolean;
  env: Readonly<Record<string, string | undefined>>;
  /** `WEFT_CENTRAL_` makes tls.certFile readable from WEFT_CENTRAL_TLS_CERT_FILE. */
  envPrefix: string;
  /** Dotted key -> value, undefined = not given: {"tls.certFile": "/x"}. */
  flags: Readonly<Record<string, unknown>>;
  /** Dotted key -> how the user spells its flag, for messages; default `--<key>`. */
  flagNames?: Readonly<Record<string, string>>;
}

/** The leaf of a schema, as its JSON schema describes it. */
interface Leaf {
  path: readonly string[];
  isText: boolean;
}

interface JsonSchema {
  type?: string | undefined;
  properties?: Record<string, JsonSchema> | undefined;
}

function leavesOf(schema: JsonSchema, path: readonly string[] = []): Leaf[] {
  if (schema.properties === undefined) return [{ path, isText: schema.type === "string" }];
  return Object.entries(schema.properties).flatMap(([key, child]) =>
    leavesOf(child, [...path, key]),
  );
}

/** tls.certFile -> TLS_CERT_FILE. */
export function envName(prefix: string, path: readonly string[]): string {
  const words = path.map((key) => key.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase());
  return prefix + words.join("_");
}

function setAt(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = target;
  for (const key of path.slice(0, -1)) {
    const next = at[key];
    const isObject = typeof next === "object" && next !== null && !Array.isArray(next);
    const child = isObject ? { ...(next as Record<string, unknown>) } : {};
    at[key] = child;
    at = child;
  }
  at[path.at(-1) ?? ""] = value;
}

function keysAt(schema: JsonSchema, path: readonly PropertyKey[]): string[] {
  let at: JsonSchema | undefined = schema;
  for (const key of path) at = at?.properties?.[String(key)];
  return Object.keys(at?.properties ?? {});
}

function readYaml(options: { file: string | null; fileRequired: boolean }): {
  document: Document | null;
  lines: LineCounter;
  text: Record<string, unknown>;
} {
  const lines = new LineCounter();
  const empty = { document: null, lines, text: {} };
  if (options.file === null) return empty;
  let text: string;
  try {
    text = readFileSync(options.file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" && !options.fileRequired) return empty;
    const wayOut = code === "ENOENT" ? "create it or name another file" : "make it readable";
    throw new ConfigError([`${options.file}: cannot be read (${code}); ${wayOut}`], {
      cause: error,
    });
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problems = document.errors.map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    return `${options.file}:${line}:${col}: not YAML: ${error.message}`;
  });
  if (problems.length > 0) throw new ConfigError(problems);
  if (document.contents === null) return empty;
  if (!isMap(document.contents)) {
    throw new ConfigError([`${options.file}:1: must be a mapping of keys to values`]);
  }
  try {
    return { document, lines, text: document.toJS() as Record<string, unknown> };
  } catch (error) {
    // An alias without its anchor is only found now.
    throw new ConfigError([`${options.file}: not YAML: ${describeError(error)}`], { cause: error });
  }
}

/** Reads and checks a configuration. Throws ConfigError that names every problem. */
export function loadConfig<S extends z.ZodType>(options: LoadConfigOptions<S>): z.output<S> {
  const shape = z.toJSONSchema(options.schema, { io: "input", unrepresentable: "any" });
  const leaves = leavesOf(shape as JsonSchema);
  const { document, lines, text } = readYaml(options);
  const values = structuredClone(text);
  const sources = new Map<string, string>();
  const problems: string[] = [];

  const byEnv = new Map(leaves.map((leaf) => [envName(options.envPrefix, leaf.path), leaf]));
  for (const [name, raw] of Object.entries(options.env)) {
    if (raw === undefined || !name.startsWith(options.envPrefix)) continue;
    const leaf = byEnv.get(name);
    if (leaf === undefined) {
      const near = nearestWord(name, [...byEnv.keys()]);
      const hint = near === undefined ? "unset it" : `did you mean ${near}?`;
      problems.push(`environment variable ${name}: unknown; ${hint}`);
      continue;
    }
    setAt(values, leaf.path, leaf.isText ? raw : parseDocument(raw).toJS());
    sources.set(leaf.path.join("."), `environment variable ${name}`);
  }
  for (const [key, value] of Object.entries(options.flags)) {
    if (value === undefined) continue;
    setAt(values, key.split("."), value);
    sources.set(key, options.flagNames?.[key] ?? `--${key}`);
  }

  /** Where the value at `path` came from: a flag, a variable, or the nearest line of the file. */
  function place(path: readonly PropertyKey[]): string {
    for (let length = path.length; length > 0; length -= 1) {
      const source = sources.get(path.slice(0, length).join("."));
      if (source !== undefined) return source;
    }
    const file = options.file ?? "configuration";
    for (let length = path.length; document !== null && length > 0; length -= 1) {
      const parent = document.getIn(path.slice(0, length - 1), true);
      const pair = isMap(parent)
        ? parent.items.find((item) => String(item.key) === String(path[length - 1]))
        : undefined;
      const range = (pair?.key as { range?: [number, number, number] } | null | undefined)?.range;
      if (range !== undefined) return `${file}:${lines.linePos(range[0]).line}`;
    }
    return file;
  }

  const parsed = options.schema.safeParse(values);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      if (issue.code !== "unrecognized_keys") {
        const path = fieldPath(
          issue.path.map((part) => (typeof part === "number" ? part : String(part))),
        );
        problems.push(`${place(issue.path)}: ${path === "" ? "" : `${path}: `}${issue.message}`);
        continue;
      }
      const known = keysAt(shape as JsonSchema, issue.path);
      for (const key of issue.keys) {
        const path = [...issue.path, key];
        const near = nearestWord(key, known);
        const hint =
          near === undefined ? `known here: ${known.join(", ")}` : `did you mean ${near}?`;
        problems.push(`${place(path)}: ${path.join(".")}: unknown key; ${hint}`);
      }
    }
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  return parsed.data;
}
