// IP addresses: strict parsing, canonical text (RFC 5952), 4- or 16-byte buffers and integers.
// Refuses what others guess about: leading zeros in IPv4, short IPv4, zone ids, spaces. Pure; the
// byte conversions are on the hot path of central's derivation and go through no bigint.

export type IpFamily = 4 | 6;

/** An address as an integer: 32 bits for family 4, 128 bits for family 6. */
export interface Ip {
  family: IpFamily;
  value: bigint;
}

const dot = 0x2e;
const colon = 0x3a;

/** Writes the IPv4 address in `text` from `start` to its end; false if it is none. */
function scanV4(text: string, start: number, into: Uint8Array, offset: number): boolean {
  const end = text.length;
  if (end - start > 15) return false;
  let at = start;
  for (let part = 0; part < 4; part += 1) {
    if (part > 0) {
      if (text.charCodeAt(at) !== dot) return false;
      at += 1;
    }
    const first = at;
    let value = 0;
    // charCodeAt past the end is NaN, which fails both comparisons.
    for (let digit = text.charCodeAt(at) - 48; digit >= 0 && digit <= 9; ) {
      value = value * 10 + digit;
      at += 1;
      digit = text.charCodeAt(at) - 48;
    }
    const digits = at - first;
    if (digits === 0 || digits > 3 || value > 255) return false;
    if (digits > 1 && text.charCodeAt(first) === 48) return false;
    into[offset + part] = value;
  }
  return at === end;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  if (code >= 65 && code <= 70) return code - 55;
  return -1;
}

/** The 16 bytes of an IPv6 address in text (RFC 4291 2.2, all three forms); undefined if it is none. */
function scanV6(text: string): Buffer | undefined {
  const end = text.length;
  if (end < 2 || end > 45) return undefined;
  const bytes = Buffer.alloc(16);
  let written = 0;
  let gap = -1;
  let at = 0;
  if (text.charCodeAt(0) === colon) {
    if (text.charCodeAt(1) !== colon) return undefined;
    gap = 0;
    at = 2;
  }
  while (at < end) {
    if (written === 16) return undefined;
    const first = at;
    let value = 0;
    for (let digit = hexDigit(text.charCodeAt(at)); digit >= 0; ) {
      value = value * 16 + digit;
      at += 1;
      if (at - first > 4) return undefined;
      digit = at < end ? hexDigit(text.charCodeAt(at)) : -1;
    }
    if (at === first) return undefined;
    if (at < end && text.charCodeAt(at) === dot) {
      if (written > 12 || !scanV4(text, first, bytes, written)) return undefined;
      written += 4;
      at = end;
      break;
    }
    bytes[written] = value >> 8;
    bytes[written + 1] = value & 0xff;
    written += 2;
    if (at === end) break;
    if (text.charCodeAt(at) !== colon) return undefined;
    at += 1;
    // A single colon must be followed by a group.
    if (at === end) return undefined;
    if (text.charCodeAt(at) === colon) {
      if (gap >= 0) return undefined;
      gap = written;
      at += 1;
    }
  }
  if (gap < 0) return written === 16 ? bytes : undefined;
  // "::" stands for at least one group.
  if (written === 16) return undefined;
  bytes.copyWithin(16 - (written - gap), gap, written);
  bytes.fill(0, gap, 16 - (written - gap));
  return bytes;
}

/** The bytes (4 or 16) of an address in text; undefined if it is none. Takes any spelling. */
export function tryIpToBytes(text: string): Buffer | undefined {
  if (text.includes(":")) return scanV6(text);
  const bytes = Buffer.allocUnsafe(4);
  return scanV4(text, 0, bytes, 0) ? bytes : undefined;
}

/** The bytes (4 or 16) of an address in text. Throws RangeError if it is none: check it first. */
export function ipToBytes(text: string): Buffer {
  const bytes = tryIpToBytes(text);
  if (bytes === undefined) throw new RangeError(`not an IP address: ${JSON.stringify(text)}`);
  return bytes;
}

/** Lower-case hex of an address's bytes (8 or 32 digits): the form in instruction keys. */
export function ipToHex(text: string): string {
  return ipToBytes(text).toString("hex");
}

/** Canonical text of 4 or 16 bytes; IPv4-mapped IPv6 keeps the dotted tail (RFC 5952 5). */
export function bytesToIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== 16) {
    throw new RangeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`);
  }
  const groups: number[] = [];
  for (let index = 0; index < 16; index += 2) {
    groups.push(((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0));
  }
  if (groups[5] === 0xffff && groups.indexOf(0xffff) === 5 && groups.slice(0, 5).every(isZero)) {
    return `::ffff:${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`;
  }
  const [start, length] = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

const isZero = (group: number): boolean => group === 0;

/** [start, length] of the first longest run of zero groups (RFC 5952 4.2.3). */
function longestZeroRun(groups: readonly number[]): [number, number] {
  let best: [number, number] = [0, 0];
  let start = 0;
  groups.forEach((group, index) => {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best[1]) best = [start, index + 1 - start];
  });
  return best;
}

/** The address in `text` as an integer; undefined if it is none. */
export function parseIp(text: string): Ip | undefined {
  const bytes = tryIpToBytes(text);
  return bytes === undefined ? undefined : bytesToIpValue(bytes);
}

/** 4 or 16 bytes as an integer. Throws RangeError on any other length. */
export function bytesToIpValue(bytes: Uint8Array): Ip {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 4) return { family: 4, value: BigInt(view.getUint32(0)) };
  if (bytes.length !== 16) {
    throw new RangeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`);
  }
  return { family: 6, value: (view.getBigUint64(0) << 64n) | view.getBigUint64(8) };
}

/** The bytes of an address given as an integer. Throws RangeError if it is out of its family's range. */
export function ipValueToBytes(ip: Ip): Buffer {
  if (ip.value < 0n || ip.value > maxIpValue(ip.family)) {
    throw new RangeError(`${ip.value} is no IPv${ip.family} address`);
  }
  if (ip.family === 4) {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32BE(Number(ip.value));
    return bytes;
  }
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeBigUInt64BE(ip.value >> 64n, 0);
  bytes.writeBigUInt64BE(ip.value & 0xffff_ffff_ffff_ffffn, 8);
  return bytes;
}

/** Canonical text of an address given as an integer. */
export function formatIp(ip: Ip): string {
  return bytesToIp(ipValueToBytes(ip));
}

/** The canonical text of an address in any spelling; undefined if it is none. */
export function canonicalIp(text: string): string | undefined {
  const bytes = tryIpToBytes(text);
  return bytes === undefined ? undefined : bytesToIp(bytes);
}

/** Family of an address or prefix in text that is known to be valid. */
export function ipFamily(text: string): IpFamily {
  return text.includes(":") ? 6 : 4;
}

/** Number of bits of an address. */
export function ipBits(family: IpFamily): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** The highest address of a family. */
export function maxIpValue(family: IpFamily): bigint {
  return family === 4 ? 0xffff_ffffn : (1n << 128n) - 1n;
}
