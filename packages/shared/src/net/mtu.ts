// What tunnels cost: the largest inner packet for an underlay MTU. Pure numbers, from ARCHITECTURE.md, "MTU". Central derives the
// MTU of networks from it, agents judge their own underlay by it.

import { EncapType } from "../gen/weft/v1/types.ts";
import { ipFamily } from "./ip.ts";

/** MTU of an underlay that no chassis reported, and of a provider network, in bytes. */
export const DEFAULT_UNDERLAY_MTU_BYTES = 1500;

/** Bytes over IPv4: inner Ethernet 14, outer IPv4 20, and the encapsulation; IPv6 has 20 more. */
const OVERHEAD_V4_BYTES: Readonly<Record<number, number>> = {
  // UDP 8, Geneve 8 (RFC 8926 3.4), our option 4 + 12.
  [EncapType.GENEVE]: 66,
  // UDP 8, VXLAN 8 (RFC 7348 5).
  [EncapType.VXLAN]: 50,
  // GRE with key 8 (RFC 2890).
  [EncapType.GRE]: 42,
  // TCP-like header 20, STT frame header 18.
  [EncapType.STT]: 72,
};

/** Bytes that an encapsulation takes from the underlay MTU. */
export function overheadBytes(type: EncapType, family: 4 | 6): number {
  return (OVERHEAD_V4_BYTES[type] ?? 0) + (family === 6 ? 20 : 0);
}

/** Largest inner packet over one tunnel endpoint; undefined when its underlay MTU is not reported. */
export function innerMtuBytes(encap: {
  readonly type: EncapType;
  readonly ip: string;
  readonly underlayMtuBytes: number;
}): number | undefined {
  if (encap.underlayMtuBytes === 0) return undefined;
  return Math.max(0, encap.underlayMtuBytes - overheadBytes(encap.type, ipFamily(encap.ip)));
}
