// Bytes of instructions: addresses from text, sorted lists, and the body itself. Deterministic: ts-proto writes fields in tag
// order and leaves defaults out; whatever is a set is sorted here. Called by tables/*.ts only.

import { InstructionBody } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { ipToBytes } from "@weft/shared/net/ip.ts";
import type { ChassisRow } from "../model/rows.ts";

/** An instruction's body. Copied into Buffer's shared slab: an ArrayBuffer of its own would cost more than the bytes. */
export function encodeBody(body: InstructionBody["body"]): Buffer {
  return Buffer.from(InstructionBody.encode({ body }).finish());
}

/** Addresses as bytes in ascending order, IPv4 before IPv6. */
export function sortedIps(ips: readonly string[]): Buffer[] {
  return ips.map(ipToBytes).sort(compareAddresses);
}

export function compareAddresses(a: Buffer, b: Buffer): number {
  return a.length - b.length || Buffer.compare(a, b);
}

/** Address of a chassis' tunnel endpoint for an encapsulation: the first it announced; undefined = it has none. */
export function vtepOf(chassis: ChassisRow, encap: EncapType): string | undefined {
  return chassis.encaps.find((candidate) => candidate.type === encap)?.ip;
}

/** The segment of an instruction key after `count` slashes: keySegment("network/7/config", 1) = "7". */
export function keySegment(key: string, count: number): string {
  let start = 0;
  for (let slash = 0; slash < count; slash++) start = key.indexOf("/", start) + 1;
  const end = key.indexOf("/", start);
  return end < 0 ? key.slice(start) : key.slice(start, end);
}

export const equalBytes = (a: Buffer, b: Buffer): boolean => a.equals(b);
export const equalValues = <V>(a: V, b: V): boolean => a === b;
export const equalStrings = (a: readonly string[], b: readonly string[]): boolean =>
  a === b || (a.length === b.length && a.every((text, at) => text === b[at]));
