// What the allowed address pairs of a port let it say. Pure; used when a claim is taken (bindings) and when it is derived.

import { ipToBytes } from "@weft/shared/net/ip.ts";
import type { PortRow } from "../model/rows.ts";

/** An address or prefix in canonical text, as bytes and length. */
export function parsePair(text: string): { ip: Buffer; prefixLen: number } {
  const slash = text.indexOf("/");
  const ip = ipToBytes(slash < 0 ? text : text.slice(0, slash));
  return { ip, prefixLen: slash < 0 ? ip.length * 8 : Number(text.slice(slash + 1)) };
}

/** True when an allowed pair of the port covers the address with this MAC. */
export function pairsAllow(
  port: Pick<PortRow, "mac" | "allowedAddressPairs">,
  ip: string,
  mac: string,
): boolean {
  const address = ipToBytes(ip);
  return port.allowedAddressPairs.some(
    (pair) => (pair.mac ?? port.mac) === mac && covers(parsePair(pair.ip), address),
  );
}

function covers(prefix: { ip: Buffer; prefixLen: number }, address: Buffer): boolean {
  if (prefix.ip.length !== address.length) return false;
  const whole = prefix.prefixLen >> 3;
  if (prefix.ip.compare(address, 0, whole, 0, whole) !== 0) return false;
  const rest = prefix.prefixLen & 7;
  if (rest === 0) return true;
  const mask = (0xff00 >> rest) & 0xff;
  return (((prefix.ip[whole] ?? 0) ^ (address[whole] ?? 0)) & mask) === 0;
}
