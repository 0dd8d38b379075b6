// The alphabet at its edges, and UUID bits.
import fc from "fast-check";
import { expect, test } from "vitest";
import { isId, isLabelKey, uuidFromBytes } from "./ids.ts";

test.each(["a", "0", "web-1", "A.b_c-d", "x".repeat(63)])("%j is an id", (text) => {
  expect(isId(text)).toBe(true);
});
test.each(["", "-a", ".a", "_a", "a b", "a/b", "ä", "a\n", "x".repeat(64)])(
  "%j is no id",
  (text) => {
    expect(isId(text)).toBe(false);
  },
);

test("label keys", () => {
  expect(["app", "example.org/app", "x".repeat(127)].every(isLabelKey)).toBe(true);
  expect(["", "/app", "a=b", "x".repeat(128)].some(isLabelKey)).toBe(false);
});

test("UUIDs carry version and variant, and are ids", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const text = uuidFromBytes(bytes);
      expect(text).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(isId(text)).toBe(true);
    }),
  );
  expect(() => uuidFromBytes(Buffer.alloc(15))).toThrow(RangeError);
});
