// IP prefixes: `10.0.0.0/24`, `fd00::/64`. Ranges are inclusive integers, so that containment and
// overlap are comparisons. Host bits are kept apart and reported, never dropped silently. Pure.
import type { Ip, IpFamily } from "./ip.ts";
import { formatIp, ipBits, parseIp } from "./ip.ts";

export interface Cidr {
  family: IpFamily;
  /** The network address: the address as written with its host bits cleared. */
  base: bigint;
  prefixLen: number;
  /** Lowest (= base) and highest address of the prefix, both inclusive. */
  first: bigint;
  last: bigint;
  /** What the text had beyond the prefix; 0n in a well-formed prefix. */
  hostBits: bigint;
}

/** The prefix in `text` (address/length, length without leading zeros); undefined if it is none. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const ip = parseIp(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (ip === undefined || !/^(?:0|[1-9]\d{0,2})$/.test(length)) return undefined;
  return cidrOf(ip, Number(length));
}

/** A prefix, or a single address as the prefix that holds it alone; undefined if `text` is neither. */
export function parseCidrOrIp(text: string): Cidr | undefined {
  if (text.includes("/")) return parseCidr(text);
  const ip = parseIp(text);
  return ip === undefined ? undefined : cidrOf(ip, ipBits(ip.family));
}

/** The prefix of `prefixLen` bits around an address; undefined if the length is out of range. */
export function cidrOf(ip: Ip, prefixLen: number): Cidr | undefined {
  const bits = ipBits(ip.family);
  if (!Number.isInteger(prefixLen) || prefixLen < 0 || prefixLen > bits) return undefined;
  const hostMask = (1n << BigInt(bits - prefixLen)) - 1n;
  const hostBits = ip.value & hostMask;
  const base = ip.value - hostBits;
  return { family: ip.family, base, prefixLen, first: base, last: base + hostMask, hostBits };
}

/** True if the text of the prefix named an address inside it, such as 10.0.0.5/24. */
export function hasHostBits(cidr: Cidr): boolean {
  return cidr.hostBits !== 0n;
}

/** Canonical text of the prefix, host bits zero. */
export function formatCidr(cidr: Cidr): string {
  return `${formatIp({ family: cidr.family, value: cidr.base })}/${cidr.prefixLen}`;
}

export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  return cidr.family === ip.family && cidr.first <= ip.value && ip.value <= cidr.last;
}

/** True if every address of `inner` is in `outer`. */
export function cidrContainsCidr(outer: Cidr, inner: Cidr): boolean {
  return outer.family === inner.family && outer.first <= inner.first && inner.last <= outer.last;
}

export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** Number of addresses in the prefix. */
export function cidrSize(cidr: Cidr): bigint {
  return cidr.last - cidr.first + 1n;
}

/** Canonical text of the address at `offset` in the prefix. Throws RangeError beyond its end. */
export function cidrAddress(cidr: Cidr, offset: bigint): string {
  if (offset < 0n || offset >= cidrSize(cidr)) {
    throw new RangeError(`${formatCidr(cidr)} has no address at offset ${offset}`);
  }
  return formatIp({ family: cidr.family, value: cidr.first + offset });
}
