// Which changes of a row concern derivation: anything but a change in its unread fields alone.
import { expect, test } from "vitest";
import type { RowChange } from "../model/rows.ts";
import { rowOf } from "./memory-rows.ts";
import { concernsDerivation } from "./unread-fields.ts";

const network = rowOf.network({ id: "n", key: 7 });
const port = rowOf.port({ id: "p", key: 1, network: "n", fixedIps: [{ subnet: "s", ip: "::1" }] });
const binding = rowOf.binding({ id: "p", chassis: "c" });

test.each<[string, Omit<RowChange, "id">, boolean]>([
  ["a row that comes", { table: "network", before: undefined, after: network }, true],
  ["a row that goes", { table: "network", before: network, after: undefined }, true],
  [
    "labels",
    { table: "network", before: network, after: { ...network, labels: { a: "" } } },
    false,
  ],
  ["a number", { table: "network", before: network, after: { ...network, mtuBytes: 1400 } }, true],
  [
    "a revision and a number",
    { table: "network", before: network, after: { ...network, revision: 2n, mtuBytes: 1400 } },
    true,
  ],
  [
    "equal lists",
    { table: "port", before: port, after: { ...port, fixedIps: [{ subnet: "s", ip: "::1" }] } },
    false,
  ],
  [
    "a list with another entry",
    { table: "port", before: port, after: { ...port, fixedIps: [{ subnet: "s", ip: "::2" }] } },
    true,
  ],
  [
    "a state with its reason",
    { table: "binding", before: binding, after: { ...binding, state: "plugged", reason: "no" } },
    true,
  ],
  ["a reason", { table: "binding", before: binding, after: { ...binding, reason: "no" } }, false],
] as [string, Omit<RowChange, "id">, boolean][])("%s", (_, change, expected) => {
  expect(concernsDerivation({ ...change, id: "x" } as RowChange)).toBe(expected);
});
