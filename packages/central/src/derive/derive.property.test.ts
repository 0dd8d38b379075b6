// The oracle of derivation: after every step of a random history the incremental result is what a derivation from scratch gives,
// whatever the order of rows; what was announced adds up to it; no derivation reads a field whose change is skipped; verify() finds
// nothing, and finds what is broken on purpose.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { TableName } from "../model/rows.ts";
import { createDeriver, type DerivedBatch, type Deriver } from "./deriver.ts";
import { history } from "./history.fixture.ts";
import { MemoryRows } from "./memory-rows.ts";
import type { RowReader } from "./spec.ts";
import { unreadFields } from "./unread-fields.ts";

const CHASSIS = ["chassis-0", "chassis-1", "chassis-2", "chassis-3"];

/** The same rows, newest first. */
const reversed = (rows: RowReader): RowReader => ({
  get: (table, id) => rows.get(table, id),
  values: (table) => [...rows.values(table)].reverse(),
});

/** The same rows, and a derivation that reads a field which a change may skip fails. */
const guarded = (rows: RowReader): RowReader => ({
  get: (table, id) => guardedRow(table, rows.get(table, id)),
  values: (table) => [...rows.values(table)].map((row) => guardedRow(table, row)),
});

function guardedRow<R extends object | undefined>(table: TableName, row: R): R {
  if (row === undefined) return row;
  const unread: readonly string[] = unreadFields[table];
  return new Proxy(row, {
    get: (target, field, receiver): unknown => {
      if (!unread.includes(String(field))) return Reflect.get(target, field, receiver);
      throw new Error(`${table}.${String(field)} is read: it is not to be in unread-fields.ts`);
    },
  });
}

/** Everything that a deriver tells, as text. */
function told(deriver: Deriver): string[] {
  const lines: string[] = [];
  for (const chassis of CHASSIS) {
    for (const scope of deriver.interest.scopes(chassis).keys()) {
      lines.push(`${chassis} hears ${scope}`);
      for (const [key, body] of deriver.interest.instructions(scope)) {
        lines.push(`${chassis} ${key} ${body.toString("hex")}`);
      }
    }
  }
  return lines.sort();
}

function mirror(into: Map<string, string>, batch: DerivedBatch): void {
  const seen = new Set<string>();
  for (const { scope, key, body } of batch.instructions) {
    expect(key.startsWith(`${scope}/`)).toBe(true);
    expect(seen.has(key)).toBe(false);
    seen.add(key);
    if (body === undefined) into.delete(key);
    else into.set(key, body.toString("hex"));
  }
}

test("incremental equals from scratch after every step", () => {
  const tables = new Set<string>();
  fc.assert(
    fc.property(history, (steps) => {
      const rows = new MemoryRows();
      const deriver = createDeriver({ rows });
      const announced = new Map<string, string>();
      steps.forEach((step, at) => {
        mirror(announced, deriver.apply(rows.edit(BigInt(at + 1), step)));
        const scratch = createDeriver({ rows: guarded(reversed(rows)) });
        expect(told(deriver)).toEqual(told(scratch));
        expect([...deriver.verify({ slice: 7 })].flat()).toEqual([]);
        expect(deriver.counts).toEqual(scratch.counts);
        for (const key of announced.keys())
          tables.add(key.replace(/^(\w+)\/[^/]+\/(\w+).*/, "$1/$2"));
        const unannounced = told(scratch).filter((line) => {
          const [, key = "", body] = line.split(" ");
          return key !== "hears" && announced.get(key) !== body;
        });
        expect(unannounced).toEqual([]);
      });
    }),
    { numRuns: 150 },
  );
  // The histories are worth something: they made every kind of instruction.
  expect([...tables].sort()).toEqual([
    "chassis/address",
    "chassis/config",
    "chassis/fence",
    "chassis/port",
    "flood/peer",
    "network/address",
    "network/config",
    "network/location",
    "router/claimed",
    "router/config",
    "router/interface",
    "router/leaked",
    "router/neighbour",
    "router/policy",
    "router/route",
  ]);
});

test("a step split into single changes ends in the same", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const together = new MemoryRows();
      const alone = new MemoryRows();
      const one = createDeriver({ rows: together });
      const other = createDeriver({ rows: alone });
      for (const step of steps) {
        one.apply(together.edit(1n, step));
        for (const edit of step) other.apply(alone.edit(1n, [edit]));
      }
      expect(told(other)).toEqual(told(one));
    }),
    { numRuns: 80 },
  );
});

test("a batch that changes nothing tells nothing", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const rows = new MemoryRows();
      const deriver = createDeriver({ rows });
      for (const step of steps) deriver.apply(rows.edit(1n, step));
      const last = (steps.at(-1) ?? []).map(({ table, id, row }) => {
        const touched = row && { ...row, revision: 9n, labels: { a: "b" } };
        return { table, id, row: touched } as (typeof steps)[number][number];
      });
      const batch = deriver.apply(rows.edit(2n, last));
      expect(batch.instructions).toEqual([]);
      expect(batch.subscriptions).toEqual([]);
    }),
    { numRuns: 80 },
  );
});

test("verify names a key that no longer is what the rows give", () => {
  const rows = new MemoryRows();
  const deriver = createDeriver({ rows });
  fc.assert(
    fc.property(history, (steps) => {
      for (const step of steps) deriver.apply(rows.edit(1n, step));
    }),
    { numRuns: 5 },
  );
  const network = [...rows.values("network")][0];
  if (network === undefined) throw new Error("the histories left no network");
  // Behind the deriver's back.
  rows.edit(1n, [{ table: "network", id: network.id, row: { ...network, mtuBytes: 1333 } }]);
  const found = [...deriver.verify({ slice: 3 })].flat();
  expect(found).toContainEqual({
    table: "network-mtu",
    key: network.id,
    problem: "its value is not what the rows give",
  });
});
