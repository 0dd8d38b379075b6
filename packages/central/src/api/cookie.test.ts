import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { decodeCookie, ruleTexts, tableNames } from "./cookie.ts";

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
  const tables = [...text.matchAll(/number: (\w+),\s+name: "([^"]+)"/g)];
  expect(tableNames).toEqual(
    Object.fromEntries(tables.map(([, constant, name]) => [numbers.get(constant), name])),
  );
});

it.each([
  [0x5746_2000_0010_0045n, { stage: "deliver", object: "port", key: 1, text: "out of the port" }],
  [0x571e_4abc_def0_003dn, { object: "location", key: 0xabcdef, stage: "l2-lookup" }],
])("decodes %d", (cookie, expected) => {
  expect(decodeCookie(cookie)).toMatchObject(expected);
});

it.each([0x5800_0000_0000_0000n, 0x570f_f000_0000_0000n])("refuses %d", (cookie) => {
  expect(decodeCookie(cookie)).toBeUndefined();
});
