// MAC addresses: cases, then parse and format as inverses.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  bytesToMac,
  eui64Address,
  eui64LinkLocal,
  isMulticastMac,
  macToBytes,
  parseMac,
} from "./mac.ts";

test("canonical form is lower case", () => {
  expect(parseMac("AA:bb:0C:dd:EE:0f")).toBe("aa:bb:0c:dd:ee:0f");
});

const refused = [
  "",
  "aa:bb:cc:dd:ee",
  "aa:bb:cc:dd:ee:ff:00",
  "aa-bb-cc-dd-ee-ff",
  "aabbccddeeff",
  "a:bb:cc:dd:ee:ff",
  "aa:bb:cc:dd:ee:fg",
  "aa:bb:cc:dd:ee:ff ",
  "aa:bb:cc:dd:ee:ff\n",
];
test.each(refused)("refuses %j", (text) => {
  expect(parseMac(text)).toBeUndefined();
  expect(() => macToBytes(text)).toThrow(RangeError);
});

test("bytes and text are inverse", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
      const text = bytesToMac(bytes);
      expect(parseMac(text)).toBe(text);
      expect(macToBytes(text)).toEqual(Buffer.from(bytes));
      expect(macToBytes(text.toUpperCase())).toEqual(Buffer.from(bytes));
      expect(isMulticastMac(text)).toBe(((bytes[0] ?? 0) & 1) === 1);
    }),
  );
  expect(() => bytesToMac(Buffer.alloc(5))).toThrow(RangeError);
});

test("EUI-64 addresses (RFC 4291 appendix A)", () => {
  expect(eui64LinkLocal("34:56:78:9a:bc:de")).toBe("fe80::3656:78ff:fe9a:bcde");
  expect(eui64LinkLocal("fe:ff:ff:ff:ff:ff")).toBe("fe80::fcff:ffff:feff:ffff");
  expect(eui64Address("fd00:1::/64", "02:00:00:00:00:01")).toBe("fd00:1::ff:fe00:1");
  expect(eui64Address("fd00:1::/80", "02:00:00:00:00:01")).toBeUndefined();
  expect(eui64Address("10.0.0.0/24", "02:00:00:00:00:01")).toBeUndefined();
});
