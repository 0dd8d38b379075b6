// Prefixes as derivation needs them: around an address, the part that two have in common, as bytes and hex. Pure; addresses come from
// validated rows, so that what is none throws. Called by tables/*.ts and deriver.ts.

import {
  type Cidr,
  cidrContains,
  cidrContainsCidr,
  cidrOf,
  parseCidr,
} from "@weft/shared/net/cidr.ts";
import { ipValueToBytes, parseIp } from "@weft/shared/net/ip.ts";
import type { Segment } from "./spec.ts";

/** The prefix that an address of an interface is in. */
export function prefixAround(ip: string, prefixLen: number): Cidr {
  const parsed = parseIp(ip);
  const cidr = parsed && cidrOf(parsed, prefixLen);
  if (cidr === undefined) throw new RangeError(`not a prefix: ${ip}/${prefixLen}`);
  return cidr;
}

/** A prefix in text that is known to be valid. */
export function prefixOf(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new RangeError(`not a prefix: ${text}`);
  return cidr;
}

/** What two prefixes have in common: the longer one, or nothing. */
export function inCommon(a: Cidr, b: Cidr): Cidr | undefined {
  if (cidrContainsCidr(a, b)) return b;
  return cidrContainsCidr(b, a) ? a : undefined;
}

/** 4 or 16 bytes, host bits zero. */
export const prefixBytes = (cidr: Cidr): Buffer =>
  ipValueToBytes({ family: cidr.family, value: cidr.base });

export const samePrefix = (a: Cidr, b: Cidr): boolean =>
  a.family === b.family && a.base === b.base && a.prefixLen === b.prefixLen;

/** The address is inside a prefix that an interface or an end of a link is connected to. */
export function connects(segment: Pick<Segment, "addresses">, ip: string): boolean {
  const address = parseIp(ip);
  return (
    address !== undefined &&
    segment.addresses.some((own) => cidrContains(prefixAround(own.ip, own.prefixLen), address))
  );
}
