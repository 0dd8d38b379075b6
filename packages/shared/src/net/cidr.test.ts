// Prefixes: cases, then ranges against bit arithmetic.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  cidrAddress,
  cidrContains,
  cidrContainsCidr,
  cidrOf,
  cidrSize,
  cidrsOverlap,
  formatCidr,
  hasHostBits,
  parseCidr,
  parseCidrOrIp,
} from "./cidr.ts";
import type { Cidr } from "./cidr.ts";
import { parseIp } from "./ip.ts";

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`${text} is no prefix`);
  return parsed;
}
function contains(outer: string, ip: string): boolean {
  const parsed = parseIp(ip);
  if (parsed === undefined) throw new Error(`${ip} is no address`);
  return cidrContains(cidr(outer), parsed);
}

test("parts of a prefix", () => {
  expect(cidr("10.0.1.0/24")).toEqual({
    family: 4,
    base: 0x0a000100n,
    prefixLen: 24,
    first: 0x0a000100n,
    last: 0x0a0001ffn,
    hostBits: 0n,
  });
  expect(cidr("10.0.1.5/24").hostBits).toBe(5n);
  expect(hasHostBits(cidr("10.0.1.5/24"))).toBe(true);
  expect(hasHostBits(cidr("fd00::/64"))).toBe(false);
  expect(formatCidr(cidr("FD00:0::5/64"))).toBe("fd00::/64");
  expect(cidrSize(cidr("0.0.0.0/0"))).toBe(1n << 32n);
  expect(cidrSize(cidr("::/0"))).toBe(1n << 128n);
  expect(cidrSize(cidr("fd00::1/128"))).toBe(1n);
  expect(cidrAddress(cidr("10.0.0.0/30"), 3n)).toBe("10.0.0.3");
  expect(() => cidrAddress(cidr("10.0.0.0/30"), 4n)).toThrow(RangeError);
  expect(parseCidrOrIp("10.0.0.1")).toEqual(cidr("10.0.0.1/32"));
});

const refused = ["10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/08", "10.0.0.0/+8"];
test.each([...refused, "10.0.0/8", "/8", "10.0.0.0/8/8", "10.0.0.0/ 8", "::/-1"])(
  "refuses %j",
  (text) => expect(parseCidr(text)).toBeUndefined(),
);

test("containment and overlap", () => {
  expect(contains("10.0.0.0/24", "10.0.0.255")).toBe(true);
  expect(contains("10.0.0.0/24", "10.0.1.0")).toBe(false);
  expect(contains("::/0", "10.0.0.1")).toBe(false);
  expect(cidrsOverlap(cidr("10.0.0.0/8"), cidr("10.1.0.0/16"))).toBe(true);
  expect(cidrsOverlap(cidr("10.0.0.0/16"), cidr("10.1.0.0/16"))).toBe(false);
  expect(cidrsOverlap(cidr("0.0.0.0/0"), cidr("::/0"))).toBe(false);
  expect(cidrContainsCidr(cidr("10.0.0.0/8"), cidr("10.1.0.0/16"))).toBe(true);
  expect(cidrContainsCidr(cidr("10.1.0.0/16"), cidr("10.0.0.0/8"))).toBe(false);
});

test("a prefix is the set of addresses that agree on its bits", () => {
  const any = fc.oneof(
    fc.tuple(fc.constant(4 as const), fc.bigInt({ min: 0n, max: 0xffff_ffffn }), fc.nat(32)),
    fc.tuple(fc.constant(6 as const), fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), fc.nat(128)),
  );
  fc.assert(
    fc.property(
      any,
      fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
      ([family, value, len], raw) => {
        const prefix = cidrOf({ family, value }, len);
        if (prefix === undefined) throw new Error("length is in range");
        const bits = family === 4 ? 32 : 128;
        const other = raw & ((1n << BigInt(bits)) - 1n);
        const shift = BigInt(bits - len);
        expect(cidrContains(prefix, { family, value })).toBe(true);
        expect(cidrContains(prefix, { family, value: other })).toBe(
          other >> shift === value >> shift,
        );
        expect(parseCidr(formatCidr(prefix))).toEqual({ ...prefix, hostBits: 0n });
        expect(prefix.base + prefix.hostBits).toBe(value);
      },
    ),
  );
});
