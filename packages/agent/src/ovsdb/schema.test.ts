// Schemas as a server describes them, and the short notation of column types.
import { expect, test } from "vitest";
import { OvsdbProtocolError } from "./errors.ts";
import type { Json } from "./jsonrpc.ts";
import { fitsShape, parseSchema, parseShape } from "./schema.ts";

function schemaWith(type: Json): Json {
  return { name: "d", version: "1.0.0", tables: { T: { columns: { c: { type } } } } };
}

const types: readonly [Json, shape: string][] = [
  ["string", "string"],
  [{ key: { type: "string", enum: ["set", ["a", "b"]] } }, "string"],
  [{ key: "integer", min: 0 }, "integer?"],
  [{ key: { type: "uuid", refTable: "X" }, min: 0, max: "unlimited" }, "uuid*"],
  [{ key: "string", min: 1, max: 5 }, "string*"],
  [{ key: "integer", value: "uuid", min: 0, max: 4096 }, "integer=>uuid"],
];

test.each(types)("%j fits only its own notation", (type, shape) => {
  const column = parseSchema(schemaWith(type)).tables.get("T")?.columns.get("c");
  if (column === undefined) throw new Error("column not parsed");
  for (const [, other] of types) {
    expect([other, fitsShape(column, parseShape(other))]).toEqual([other, other === shape]);
  }
});

test.each<[string, Json]>([
  ["no object", 1],
  ["no tables", { name: "d", version: "1" }],
  ["unknown type", schemaWith("blob")],
  ["bad min", schemaWith({ key: "string", min: 2 })],
  ["bad max", schemaWith({ key: "string", max: -1 })],
  ["column without type", { name: "d", version: "1", tables: { T: { columns: { c: {} } } } }],
])("refuses %s", (_name, schema) => {
  expect(() => parseSchema(schema)).toThrow(OvsdbProtocolError);
});
