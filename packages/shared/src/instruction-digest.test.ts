import fc from "fast-check";
import { expect, test } from "vitest";
import {
  bytesToDigest,
  digestAdd,
  digestRemove,
  digestToBytes,
  instructionHash,
  scopeOf,
} from "./instruction-digest.ts";

test("the hash depends on store, key and body, and on where one ends and the next begins", () => {
  const body = Buffer.from("body");
  const base = instructionHash("store", "network/1/config", body);
  expect(instructionHash("store", "network/1/config", body)).toBe(base);
  expect(instructionHash("storf", "network/1/config", body)).not.toBe(base);
  expect(instructionHash("store", "network/2/config", body)).not.toBe(base);
  expect(instructionHash("store", "network/1/configb", Buffer.from("ody"))).not.toBe(base);
});

test("removing what was added gives the digest back, in any order", () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n })), (hashes) => {
      const full = hashes.reduce(digestAdd, 0n);
      expect(hashes.toReversed().reduce(digestAdd, 0n)).toBe(full);
      expect(hashes.reduce(digestRemove, full)).toBe(0n);
      expect(bytesToDigest(digestToBytes(full))).toBe(full);
    }),
  );
});

test("a digest of another length is refused", () => {
  expect(bytesToDigest(Buffer.alloc(15))).toBeUndefined();
});

test("a scope is the first two segments", () => {
  expect(scopeOf("network/17/location/4")).toBe("network/17");
  expect(scopeOf("chassis/a/config")).toBe("chassis/a");
  expect(scopeOf("odd")).toBe("odd");
});
