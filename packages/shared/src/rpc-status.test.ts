// The status trailer: known bytes, round trips, limits, and garbage.
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeStatus, encodeStatus, maxViolations } from "./rpc-status.ts";

test("bytes as google.rpc.Status has them", () => {
  const bytes = encodeStatus({
    code: 3,
    message: "no",
    violations: [{ field: "a", description: "b", reason: "C" }],
  });
  const url = Buffer.from("type.googleapis.com/google.rpc.BadRequest").toString("hex");
  expect(bytes.toString("hex")).toBe(`080312026e6f1a380a29${url}120b0a090a01611201621a0143`);
});

const violation = fc.record({ field: fc.string(), description: fc.string(), reason: fc.string() });

test("decode is the inverse of encode", () => {
  fc.assert(
    fc.property(
      fc.record({
        code: fc.integer({ min: 0, max: 16 }),
        message: fc.string(),
        violations: fc.array(violation, { maxLength: 20 }),
      }),
      (status) => {
        expect(decodeStatus(encodeStatus(status))).toEqual(status);
      },
    ),
  );
});

test("trailers stay small", () => {
  const one = { field: "f", description: "d".repeat(1000), reason: "R" };
  const many = encodeStatus({
    code: 3,
    message: "",
    violations: Array.from({ length: 5000 }, () => one),
  });
  expect(many.length).toBeLessThan(56 * 1024);
  const short = { ...one, description: "" };
  const decoded = decodeStatus(
    encodeStatus({ code: 3, message: "", violations: Array.from({ length: 5000 }, () => short) }),
  );
  expect(decoded?.violations).toHaveLength(maxViolations);
});

test("garbage never throws", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const status = decodeStatus(bytes);
      expect(status === undefined || typeof status.code === "number").toBe(true);
    }),
    { numRuns: 2000 },
  );
});
