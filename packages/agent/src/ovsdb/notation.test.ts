// Values to and from the wire, against column types; differences of update2/update3.
import fc from "fast-check";
import { expect, test } from "vitest";
import { nothingOrProtocolError } from "./errors.fixture.ts";
import { OvsdbEncodeError, OvsdbProtocolError } from "./errors.ts";
import type { Json } from "./jsonrpc.ts";
import { NamedUuid } from "./named-uuid.ts";
import {
  applyDiff,
  type Atom,
  decodeValue,
  defaultValue,
  encodeValue,
  sameValue,
  type Value,
  type ValueInput,
} from "./notation.ts";
import { type ColumnType, parseShape } from "./schema.ts";

const U1 = "11111111-1111-4111-8111-111111111111";
const U2 = "22222222-2222-4222-8222-222222222222";

const roundTrips: readonly [shape: string, wire: Json, value: Value][] = [
  ["string", "x", "x"],
  ["integer", -7, -7],
  ["real", 1.5, 1.5],
  ["boolean", true, true],
  ["uuid", ["uuid", U1], U1],
  ["string?", ["set", []], null],
  ["string?", "x", "x"],
  ["uuid*", ["set", []], []],
  [
    "uuid*",
    [
      "set",
      [
        ["uuid", U1],
        ["uuid", U2],
      ],
    ],
    [U1, U2],
  ],
  ["string=>string", ["map", []], new Map()],
  ["string=>string", ["map", [["a", "1"]]], new Map([["a", "1"]])],
  ["integer=>uuid", ["map", [[3, ["uuid", U1]]]], new Map([[3, U1]])],
];

test.each(roundTrips)("%s %j", (shape, wire, value) => {
  const type = parseShape(shape);
  expect(decodeValue(type, wire)).toEqual(value);
  expect(encodeValue(type, value as ValueInput)).toEqual(wire);
});

test("a bare atom is a set of one; sets come out sorted", () => {
  expect(decodeValue(parseShape("string*"), "x")).toEqual(["x"]);
  expect(decodeValue(parseShape("string*"), ["set", ["b", "a"]])).toEqual(["a", "b"]);
});

test("rows of the same transaction are written by name", () => {
  expect(encodeValue(parseShape("uuid*"), [U1, new NamedUuid("row0")])).toEqual([
    "set",
    [
      ["uuid", U1],
      ["named-uuid", "row0"],
    ],
  ]);
});

test.each<[string, Json]>([
  ["string", 1],
  ["integer", 1.5],
  ["integer", "1"],
  ["boolean", null],
  ["uuid", U1],
  ["uuid", ["uuid", "not-a-uuid"]],
  ["uuid", ["named-uuid", "x"]],
  ["string", ["set", []]],
  ["string?", ["set", ["a", "b"]]],
  ["string=>string", ["set", []]],
  ["string=>string", ["map", [["a"]]]],
  ["string=>string", ["map", "x"]],
])("decoding %s refuses %j", (shape, wire) => {
  expect(() => decodeValue(parseShape(shape), wire)).toThrow(OvsdbProtocolError);
});

test.each<[string, ValueInput]>([
  ["string", 1],
  ["integer", 2 ** 60],
  ["real", Number.NaN],
  ["uuid", "x"],
  ["uuid", new NamedUuid("a b")],
  ["string", null],
  ["string*", "x"],
  ["string=>string", []],
])("encoding %s refuses %s", (shape, value) => {
  expect(() => encodeValue(parseShape(shape), value)).toThrow(OvsdbEncodeError);
});

test("any wire value decodes or is a protocol error", () => {
  const shape = fc.constantFrom(...roundTrips.map(([s]) => s));
  const leaf = fc.oneof(fc.constantFrom<Json>("set", "map", "uuid", U1, [], null), fc.jsonValue());
  const wire = fc.oneof(leaf, fc.tuple(fc.constantFrom("set", "map", "uuid"), fc.array(leaf)));
  fc.assert(
    fc.property(shape, wire, (s, w) => {
      expect(
        nothingOrProtocolError(() => {
          decodeValue(parseShape(s), w as Json);
        }),
      ).toBe(true);
    }),
  );
});

test("a difference computed as the server does leads to the new value", () => {
  const sets = fc.uniqueArray(fc.integer({ min: 0, max: 9 }));
  const set = parseShape("integer*");
  fc.assert(
    fc.property(sets, sets, (a, b) => {
      const diff = [...a.filter((x) => !b.includes(x)), ...b.filter((x) => !a.includes(x))];
      expectDiff(set, sorted(a), diff, sorted(b));
    }),
  );
  const map = parseShape("string=>string");
  const maps = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.constantFrom("1", "2"));
  fc.assert(
    fc.property(maps, maps, (a, b) => {
      const old = new Map<Atom, Atom>(Object.entries(a));
      const next = new Map<Atom, Atom>(Object.entries(b));
      const gone = [...old].filter(([key]) => !next.has(key));
      const came = [...next].filter(([key, value]) => old.get(key) !== value);
      expectDiff(map, old, new Map([...gone, ...came]), next);
    }),
  );
  expectDiff(parseShape("string?"), "a", null, null);
  expectDiff(parseShape("string?"), null, "b", "b");
});

function expectDiff(type: ColumnType, old: Value, diff: Value, next: Value): void {
  expect(sameValue(applyDiff(type, old, diff), next)).toBe(true);
}

function sorted(atoms: readonly number[]): readonly number[] {
  return [...atoms].sort((a, b) => a - b);
}

test("defaults", () => {
  expect(defaultValue(parseShape("string"))).toBe("");
  expect(defaultValue(parseShape("integer?"))).toBeNull();
  expect(defaultValue(parseShape("uuid*"))).toEqual([]);
  expect(defaultValue(parseShape("uuid"))).toBe("00000000-0000-0000-0000-000000000000");
});
