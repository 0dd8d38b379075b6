// Addresses: cases as data, then properties against Node's own parser.
import { isIP } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  bytesToIp,
  canonicalIp,
  formatIp,
  ipFamily,
  ipToBytes,
  ipToHex,
  parseIp,
  tryIpToBytes,
} from "./ip.ts";

const canonical: [string, string][] = [
  ["0.0.0.0", "0.0.0.0"],
  ["255.255.255.255", "255.255.255.255"],
  ["10.0.0.1", "10.0.0.1"],
  ["::", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["0:0:0:0:0:0:0:0", "::"],
  ["FD00:0:0:0:0:0:0:0A", "fd00::a"],
  ["2001:db8::0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
  ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
  ["::ffff:c000:201", "::ffff:192.0.2.1"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
];
test.each(canonical)("canonicalIp(%s) = %s", (text, expected) => {
  expect(canonicalIp(text)).toBe(expected);
  expect(canonicalIp(expected)).toBe(expected);
  expect(bytesToIp(ipToBytes(text))).toBe(expected);
});

const refused = [
  "",
  " ",
  "1.2.3",
  "1.2.3.4.5",
  "1.2.3.4 ",
  " 1.2.3.4",
  "01.2.3.4",
  "1.2.3.04",
  "1.2.3.256",
  "1.2.3.1000",
  "1..2.3",
  ".1.2.3",
  "1.2.3.",
  "0x1.2.3.4",
  "-1.2.3.4",
  "1.2.3.4/32",
  ":",
  ":::",
  "1:",
  ":1",
  "::1:",
  "1::2::3",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7:8::",
  "::1:2:3:4:5:6:7:8",
  "12345::",
  "g::",
  "fe80::1%eth0",
  "::1.2.3",
  "::1.2.3.4:5",
  "::01.2.3.4",
  "1:2:3:4:5:6:7:1.2.3.4",
  "1.2.3.4::",
  "[::1]",
];
test.each(refused)("refuses %j", (text) => {
  expect(parseIp(text)).toBeUndefined();
  expect(canonicalIp(text)).toBeUndefined();
  expect(() => ipToBytes(text)).toThrow(RangeError);
});

test("values and hex", () => {
  expect(parseIp("1.2.3.4")).toEqual({ family: 4, value: 0x01020304n });
  expect(parseIp("fd00::1")).toEqual({ family: 6, value: (0xfd00n << 112n) | 1n });
  expect(ipToHex("10.0.0.1")).toBe("0a000001");
  expect(ipToHex("fd00::1")).toBe("fd000000000000000000000000000001");
  expect(ipFamily("10.0.0.0/8")).toBe(4);
  expect(ipFamily("fd00::/8")).toBe(6);
  expect(() => formatIp({ family: 4, value: 1n << 32n })).toThrow(RangeError);
  expect(() => bytesToIp(Buffer.alloc(5))).toThrow(RangeError);
});

test("format and parse are inverse; text is a fixed point", () => {
  const v4 = fc.bigInt({ min: 0n, max: 0xffff_ffffn });
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
  const v6 = fc
    .array(group, { minLength: 8, maxLength: 8 })
    .map((groups) => groups.reduce((value, next) => (value << 16n) | BigInt(next), 0n));
  fc.assert(
    fc.property(
      fc.oneof(
        v4.map((value) => ({ family: 4 as const, value })),
        v6.map((value) => ({ family: 6 as const, value })),
      ),
      (ip) => {
        const text = formatIp(ip);
        expect(parseIp(text)).toEqual(ip);
        expect(canonicalIp(text)).toBe(text);
        expect(isIP(text)).toBe(ip.family);
        // The platform's URL parser formats by the same RFC, but writes mapped addresses in hex.
        const host = new URL(`http://${ip.family === 6 ? `[${text}]` : text}/`).hostname;
        expect(canonicalIp(host.replace(/^\[(.*)\]$/, "$1"))).toBe(text);
      },
    ),
    { numRuns: 2000 },
  );
});

test("accepts exactly what the platform does, zone ids aside", () => {
  const near = fc.array(
    fc.constantFrom("0", "1", "25", "255", "256", "f", "ABCD", ":", "::", ".", "%", "g"),
    { maxLength: 17 },
  );
  const shaped = fc
    .tuple(fc.array(fc.constantFrom("0", "1", "ffff"), { maxLength: 8 }), fc.nat(8), fc.boolean())
    .map(([groups, at, v4]) => {
      const parts = v4 ? [...groups, "1.2.3.4"] : groups;
      return `${parts.slice(0, at).join(":")}::${parts.slice(at).join(":")}`;
    });
  fc.assert(
    fc.property(
      fc.oneof(
        near.map((parts) => parts.join("")),
        shaped,
      ),
      (text) => {
        const known = text.includes("%") ? 0 : isIP(text);
        expect(tryIpToBytes(text)?.length ?? 0).toBe(known === 4 ? 4 : known === 6 ? 16 : 0);
      },
    ),
    { numRuns: 5000 },
  );
});
