import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { cookieObjects, decodeCookie, ruleTexts, tableNames } from "./cookie.ts";

const source = (name: string): string =>
  readFileSync(
    new URL(`../../../dataplane-native/crates/compiler/src/${name}`, import.meta.url),
    "utf8",
  );

it("names rules as the compiler does", () => {
  const rules = [...source("cookie.rs").matchAll(/^\s+\w+ = (\d+) "([^"]+)";/gm)];
  expect(ruleTexts).toEqual(Object.fromEntries(rules.map(([, number, text]) => [number, text])));
});

it("names tables as the compiler does", () => {
  const text = source("pipeline.rs");
  const numbers = new Map(
    [...text.matchAll(/pub const (\w+): u8 = (\d+);/g)].map(([, name, number]) => [name, number]),
  );
  const tables = [...text.matchAll(/table\(\s*([A-Z]\w+),\s*"([^"]+)"/g)];
  expect(tableNames).toEqual(
    Object.fromEntries(tables.map(([, constant, name]) => [numbers.get(constant), name])),
  );
});

it("names objects as the compiler does", () => {
  const kinds = [...source("cookie.rs").matchAll(/Object::(\w+)(?:\(key\))? => \((\d+), \w+\)/g)];
  const names = kinds.map(([, name = ""]) =>
    name.replaceAll(/\B[A-Z]/g, (letter) => `-${letter}`).toLowerCase(),
  );
  expect(kinds.map(([, , number]) => Number(number))).toEqual([...cookieObjects.keys()]);
  expect(names.map((name) => (name === "leak" ? "route-leak" : name))).toEqual(cookieObjects);
});

it.each([
  [0x5746_2000_0010_0045n, { stage: "deliver", object: "port", key: 1, text: "out of the port" }],
  [0x5720_b000_0050_005dn, { object: "route-leak", key: 5, stage: "route" }],
  [0x571f_c000_0090_0052n, { object: "router-link", key: 9, stage: "router-in" }],
  [0x5732_4abc_def0_003dn, { object: "location", key: 0xabcdef, stage: "l2-lookup" }],
])("decodes %d", (cookie, expected) => {
  expect(decodeCookie(cookie)).toMatchObject(expected);
});

it.each([0x5800_0000_0000_0000n, 0x570f_f000_0000_0000n])("refuses %d", (cookie) => {
  expect(decodeCookie(cookie)).toBeUndefined();
});
