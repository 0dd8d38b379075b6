// A map in parts is a map: against the built-in one, with keys that are as alike as those of indexes.

import fc from "fast-check";
import { expect, test } from "vitest";
import { SpreadMap } from "./spread-map.ts";

const key = fc.oneof(
  fc.constantFrom("", "a", "ab", "é", "10.0.0.1", "network web"),
  fc.integer({ min: 0, max: 40 }).map((number) => `port-${number}`),
  fc.string({ maxLength: 6, unit: "binary" }),
);
const step = fc.record({ key, value: fc.option(fc.nat(9), { nil: undefined }) });

test("answers what a Map answers", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const [spread, plain] = [new SpreadMap<number>(), new Map<string, number>()];
      for (const { key, value } of steps) {
        if (value === undefined) {
          spread.delete(key);
          plain.delete(key);
        } else {
          spread.set(key, value);
          plain.set(key, value);
        }
        for (const one of steps) expect(spread.get(one.key)).toBe(plain.get(one.key));
      }
    }),
    { numRuns: 50 },
  );
});
