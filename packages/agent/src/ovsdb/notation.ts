// OVSDB values between their wire form (RFC 7047 5.1) and plain data, driven by a column type. Pure.
// Decoding refuses what does not fit the type (OvsdbProtocolError), encoding likewise (a bug of ours).
// Called by replica.ts and transaction.ts.
//
//   column type            wire                          here
//   min 1, max 1           atom                          Atom
//   min 0, max 1           ["set", []] | atom            Atom | null
//   max above 1            ["set", [..]] | atom          readonly Atom[], sorted: order means nothing
//   with a value type      ["map", [[k, v], ..]]         ReadonlyMap<Atom, Atom>
//
// A uuid is a string here. Integers beyond 2^53 lose precision on receipt, as JSON.parse does it.
import { OvsdbEncodeError, OvsdbProtocolError } from "./errors.ts";
import type { Json } from "./jsonrpc.ts";
import { NamedUuid } from "./named-uuid.ts";
import type { BaseType, ColumnType } from "./schema.ts";

export type Atom = string | number | boolean;
export type Value = Atom | null | readonly Atom[] | ReadonlyMap<Atom, Atom>;

export type AtomInput = Atom | NamedUuid;
/** What may be written: as Value, and rows of the same transaction by name. */
export type ValueInput =
  | AtomInput
  | null
  | readonly AtomInput[]
  | ReadonlyMap<AtomInput, AtomInput>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UUID_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
export const ZERO_UUID = "00000000-0000-0000-0000-000000000000";

export type Container = "scalar" | "optional" | "set" | "map";

export function containerOf(type: ColumnType): Container {
  if (type.value !== null) return "map";
  if (type.max !== 1) return "set";
  return type.min === 0 ? "optional" : "scalar";
}

/** What a column holds when the server says nothing about it (RFC 7047 5.2.1). */
export function defaultValue(type: ColumnType): Value {
  switch (containerOf(type)) {
    case "map":
      return new Map();
    case "set":
      return type.min === 0 ? [] : [defaultAtom(type.key)];
    case "optional":
      return null;
    case "scalar":
      return defaultAtom(type.key);
  }
}

function defaultAtom(base: BaseType): Atom {
  switch (base.type) {
    case "integer":
    case "real":
      return 0;
    case "boolean":
      return false;
    case "string":
      return "";
    case "uuid":
      return ZERO_UUID;
  }
}

export function decodeValue(type: ColumnType, wire: Json): Value {
  const container = containerOf(type);
  if (container === "map") {
    const entries = tagged(wire, "map");
    if (entries === null) throw new OvsdbProtocolError(`expected a map, got ${preview(wire)}`);
    return decodeMap(type, entries);
  }
  const elements = tagged(wire, "set");
  if (elements === null) {
    const atom = decodeAtom(type.key, wire);
    return container === "set" ? [atom] : atom;
  }
  if (container === "set") return elements.map((e) => decodeAtom(type.key, e)).sort(compareAtoms);
  const [only, ...more] = elements;
  if (more.length > 0) throw new OvsdbProtocolError(`expected one value, got ${preview(wire)}`);
  if (only !== undefined) return decodeAtom(type.key, only);
  if (container === "scalar") throw new OvsdbProtocolError("expected a value, got the empty set");
  return null;
}

function decodeMap(type: ColumnType, entries: readonly Json[]): ReadonlyMap<Atom, Atom> {
  const valueType = type.value ?? type.key;
  const decoded: [Atom, Atom][] = entries.map((entry) => {
    if (!Array.isArray(entry) || entry.length !== 2) {
      throw new OvsdbProtocolError(`expected a pair, got ${preview(entry)}`);
    }
    return [decodeAtom(type.key, entry[0] as Json), decodeAtom(valueType, entry[1] as Json)];
  });
  return new Map(decoded.sort((a, b) => compareAtoms(a[0], b[0])));
}

function decodeAtom(base: BaseType, wire: Json): Atom {
  switch (base.type) {
    case "integer":
      if (typeof wire === "number" && Number.isInteger(wire)) return wire;
      break;
    case "real":
      if (typeof wire === "number") return wire;
      break;
    case "boolean":
      if (typeof wire === "boolean") return wire;
      break;
    case "string":
      if (typeof wire === "string") return wire;
      break;
    case "uuid":
      if (Array.isArray(wire) && wire.length === 2 && wire[0] === "uuid") {
        const uuid: unknown = wire[1];
        if (typeof uuid === "string" && UUID.test(uuid)) return uuid;
      }
      break;
  }
  throw new OvsdbProtocolError(`expected ${base.type}, got ${preview(wire)}`);
}

export function encodeValue(type: ColumnType, value: ValueInput): Json {
  switch (containerOf(type)) {
    case "map": {
      if (!(value instanceof Map)) throw encodeError("a map", value);
      const valueType = type.value ?? type.key;
      const map: ReadonlyMap<AtomInput, AtomInput> = value;
      const pairs = [...map].map(([k, v]) => [encodeAtom(type.key, k), encodeAtom(valueType, v)]);
      return ["map", pairs];
    }
    case "set":
      if (!Array.isArray(value)) throw encodeError("an array", value);
      return ["set", (value as readonly AtomInput[]).map((atom) => encodeAtom(type.key, atom))];
    case "optional":
      return value === null ? ["set", []] : encodeAtom(type.key, value);
    case "scalar":
      return encodeAtom(type.key, value);
  }
}

export function encodeAtom(base: BaseType, atom: ValueInput): Json {
  switch (base.type) {
    case "integer":
      if (typeof atom === "number" && Number.isSafeInteger(atom)) return atom;
      break;
    case "real":
      if (typeof atom === "number" && Number.isFinite(atom)) return atom;
      break;
    case "boolean":
      if (typeof atom === "boolean") return atom;
      break;
    case "string":
      if (typeof atom === "string") return atom;
      break;
    case "uuid":
      if (typeof atom === "string" && UUID.test(atom)) return ["uuid", atom];
      if (atom instanceof NamedUuid && UUID_NAME.test(atom.name)) return ["named-uuid", atom.name];
      break;
  }
  throw encodeError(base.type, atom);
}

/**
 * Applies the difference that `update2`/`update3` carries for a modified column to its old value
 * (ovsdb-server(7) 4.1.14): one value replaces; of a set, elements present go and absent ones come;
 * of a map, an equal pair goes, another value of a known key replaces it, an unknown key comes.
 */
export function applyDiff(type: ColumnType, old: Value, diff: Value): Value {
  if (Array.isArray(old) && Array.isArray(diff)) {
    const result = new Set<Atom>(old);
    for (const atom of diff as readonly Atom[]) if (!result.delete(atom)) result.add(atom);
    return [...result].sort(compareAtoms);
  }
  if (old instanceof Map && diff instanceof Map) {
    const result = new Map<Atom, Atom>(old);
    for (const [key, value] of diff as ReadonlyMap<Atom, Atom>) {
      if (result.get(key) === value) result.delete(key);
      else result.set(key, value);
    }
    return new Map([...result].sort((a, b) => compareAtoms(a[0], b[0])));
  }
  if (type.max !== 1) throw new OvsdbProtocolError("difference and value have different shapes");
  return diff;
}

/** Equality of decoded values; both sides are in canonical order. */
export function sameValue(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((atom, i) => atom === b[i]);
  }
  if (a instanceof Map && b instanceof Map) {
    const left: ReadonlyMap<Atom, Atom> = a;
    const right: ReadonlyMap<Atom, Atom> = b;
    return left.size === right.size && [...left].every(([k, value]) => right.get(k) === value);
  }
  return false;
}

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

function compareAtoms(a: Atom, b: Atom): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The elements of `[tag, [..]]`; null when the wire value is not of that form. */
function tagged(wire: Json, tag: "set" | "map"): readonly Json[] | null {
  if (!Array.isArray(wire) || wire.length !== 2 || wire[0] !== tag) return null;
  const elements: unknown = wire[1];
  return Array.isArray(elements) ? (elements as readonly Json[]) : null;
}

function preview(wire: unknown): string {
  return (JSON.stringify(wire) ?? "nothing").slice(0, 80);
}

function encodeError(expected: string, value: unknown): OvsdbEncodeError {
  const shown = value instanceof NamedUuid ? `named-uuid ${value.name}` : preview(value);
  return new OvsdbEncodeError(`cannot write ${shown} to a column that takes ${expected}`);
}
