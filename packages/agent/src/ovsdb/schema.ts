// Column types: parsed from a server's `get_schema` answer (RFC 7047 3.2) and from the short notation
// in which this agent declares the columns it uses. The TypeScript type of a row follows from the
// declaration. Pure; called by replica.ts and transaction.ts.
//
//   "string"            exactly one          -> string
//   "integer?"          one or none          -> number | null
//   "uuid*"             any number           -> readonly string[]
//   "string=>string"    map                  -> ReadonlyMap<string, string>
import { OvsdbEncodeError, OvsdbProtocolError } from "./errors.ts";
import { isObject, type Json, type JsonObject } from "./jsonrpc.ts";
import type { NamedUuid } from "./named-uuid.ts";

export type AtomType = "integer" | "real" | "boolean" | "string" | "uuid";

export interface BaseType {
  readonly type: AtomType;
  /** Table that a uuid points into; null for other types and for untyped uuids. */
  readonly refTable: string | null;
}

export interface ColumnType {
  readonly key: BaseType;
  /** Null unless the column is a map. */
  readonly value: BaseType | null;
  readonly min: 0 | 1;
  /** Infinity for "unlimited". */
  readonly max: number;
}

export interface TableSchema {
  readonly columns: ReadonlyMap<string, ColumnType>;
}

export interface DatabaseSchema {
  readonly name: string;
  readonly version: string;
  readonly tables: ReadonlyMap<string, TableSchema>;
}

/** Columns by name, each in the short notation above. */
export type TableShape = { readonly [column: string]: string };
/** Tables by name: what is monitored, and what may be written. */
export type TableSelection = { readonly [table: string]: TableShape };

type AtomOf<B extends string, Uuid> = B extends "integer" | "real"
  ? number
  : B extends "boolean"
    ? boolean
    : B extends "uuid"
      ? Uuid
      : string;

/** `Uuid`: what stands for one. */
type ValueOf<S extends string, Uuid> = S extends `${infer K}=>${infer V}`
  ? ReadonlyMap<AtomOf<K, Uuid>, AtomOf<V, Uuid>>
  : S extends `${infer B}*`
    ? readonly AtomOf<B, Uuid>[]
    : S extends `${infer B}?`
      ? AtomOf<B, Uuid> | null
      : AtomOf<S, Uuid>;

/** A replicated row: its uuid under `_uuid` and every declared column. Never changed in place. */
export type Row<S extends TableShape> = { readonly _uuid: string } & {
  readonly [C in keyof S]: ValueOf<S[C], string>;
};

/** Columns to write. */
export type RowInput<S extends TableShape> = {
  readonly [C in keyof S]?: ValueOf<S[C], string | NamedUuid>;
};

const ATOM_TYPES: readonly string[] = ["integer", "real", "boolean", "string", "uuid"];

function isAtomType(text: unknown): text is AtomType {
  return typeof text === "string" && ATOM_TYPES.includes(text);
}

/** The column type that the short notation stands for. */
export function parseShape(shape: string): ColumnType {
  const [keyText = "", valueText] = shape.split("=>");
  if (valueText !== undefined) {
    return { key: shapeBase(keyText), value: shapeBase(valueText), min: 0, max: Infinity };
  }
  if (shape.endsWith("*")) {
    return { key: shapeBase(shape.slice(0, -1)), value: null, min: 0, max: Infinity };
  }
  if (shape.endsWith("?")) {
    return { key: shapeBase(shape.slice(0, -1)), value: null, min: 0, max: 1 };
  }
  return { key: shapeBase(shape), value: null, min: 1, max: 1 };
}

function shapeBase(text: string): BaseType {
  if (!isAtomType(text)) throw new OvsdbEncodeError(`unknown column notation "${text}"`);
  return { type: text, refTable: null };
}

/** True when values of the server's column fit the declared notation. */
export function fitsShape(actual: ColumnType, declared: ColumnType): boolean {
  if (actual.key.type !== declared.key.type) return false;
  if (actual.value?.type !== declared.value?.type) return false;
  if (declared.value !== null) return true;
  const many = actual.max > 1;
  return many === declared.max > 1 && (many || actual.min === declared.min);
}

/** Parses the answer to `get_schema`. */
export function parseSchema(json: Json): DatabaseSchema {
  const root = object(json, "schema");
  const tables = new Map<string, TableSchema>();
  for (const [tableName, table] of Object.entries(object(root["tables"], "tables"))) {
    const columns = new Map<string, ColumnType>();
    const definitions = object(object(table, tableName)["columns"], `columns of ${tableName}`);
    for (const [columnName, column] of Object.entries(definitions)) {
      const where = `${tableName}.${columnName}`;
      columns.set(columnName, parseType(object(column, where)["type"], where));
    }
    tables.set(tableName, { columns });
  }
  return { name: text(root["name"], "name"), version: text(root["version"], "version"), tables };
}

function parseType(json: Json | undefined, where: string): ColumnType {
  if (typeof json === "string") {
    return { key: parseBase(json, where), value: null, min: 1, max: 1 };
  }
  const type = object(json, where);
  const min = type["min"] ?? 1;
  const max = type["max"] ?? 1;
  if (min !== 0 && min !== 1) throw new OvsdbProtocolError(`schema: bad min of ${where}`);
  if (max !== "unlimited" && !(typeof max === "number" && max >= 1)) {
    throw new OvsdbProtocolError(`schema: bad max of ${where}`);
  }
  return {
    key: parseBase(type["key"], where),
    value: type["value"] === undefined ? null : parseBase(type["value"], where),
    min,
    max: max === "unlimited" ? Infinity : max,
  };
}

function parseBase(json: Json | undefined, where: string): BaseType {
  const base: JsonObject = typeof json === "string" ? { type: json } : object(json, where);
  const type = base["type"];
  if (!isAtomType(type)) throw new OvsdbProtocolError(`schema: unknown type of ${where}`);
  const refTable = base["refTable"];
  return { type, refTable: typeof refTable === "string" ? refTable : null };
}

function object(json: Json | undefined, where: string): JsonObject {
  if (!isObject(json)) throw new OvsdbProtocolError(`schema: ${where} is not an object`);
  return json;
}

function text(json: Json | undefined, where: string): string {
  if (typeof json !== "string") throw new OvsdbProtocolError(`schema: ${where} is not a string`);
  return json;
}
