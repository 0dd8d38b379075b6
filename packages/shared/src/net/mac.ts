// MAC addresses (EUI-48): canonical text `aa:bb:cc:dd:ee:ff`, 6-byte buffers, and the IPv6 interface
// identifiers made from them (RFC 4291 appendix A). Pure; allocates no addresses. Used everywhere.
import { cidrAddress, parseCidr } from "./cidr.ts";
import { bytesToIp } from "./ip.ts";

export const macLength = 6;

const macPattern = /^[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}$/;

/** The canonical (lower-case) text of a MAC; undefined if `text` is not six colon-separated bytes. */
export function parseMac(text: string): string | undefined {
  return macPattern.test(text) ? text.toLowerCase() : undefined;
}

/** The 6 bytes of a MAC in text. Throws RangeError if it is none: check with `parseMac` first. */
export function macToBytes(mac: string): Buffer {
  if (!macPattern.test(mac)) throw new RangeError(`not a MAC address: ${JSON.stringify(mac)}`);
  const bytes = Buffer.allocUnsafe(macLength);
  for (let index = 0; index < macLength; index += 1) {
    bytes[index] = Number.parseInt(mac.slice(index * 3, index * 3 + 2), 16);
  }
  return bytes;
}

/** The canonical text of 6 bytes. Throws RangeError on any other length. */
export function bytesToMac(bytes: Uint8Array): string {
  if (bytes.length !== macLength) {
    throw new RangeError(`a MAC address has 6 bytes, not ${bytes.length}`);
  }
  let text = "";
  for (const byte of bytes)
    text += `${text === "" ? "" : ":"}${byte.toString(16).padStart(2, "0")}`;
  return text;
}

/** True for broadcast and multicast addresses (the group bit), which no port may own. */
export function isMulticastMac(mac: string): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
}

/** The modified EUI-64 interface identifier of a MAC as 64 bits: ff:fe in the middle, bit U/L flipped. */
export function eui64InterfaceId(mac: string): bigint {
  const bytes = macToBytes(mac);
  const high = (bytes.readUIntBE(0, 3) ^ 0x02_0000) >>> 0;
  return (BigInt(high) << 40n) | 0xff_fe00_0000n | BigInt(bytes.readUIntBE(3, 3));
}

/** The link-local address (fe80::/64) that a guest with this MAC forms by default. */
export function eui64LinkLocal(mac: string): string {
  const bytes = Buffer.alloc(16);
  bytes[0] = 0xfe;
  bytes[1] = 0x80;
  bytes.writeBigUInt64BE(eui64InterfaceId(mac), 8);
  return bytesToIp(bytes);
}

/** The EUI-64 address of a MAC in an IPv6 /64; undefined if the prefix is not one. */
export function eui64Address(prefixCidr: string, mac: string): string | undefined {
  const cidr = parseCidr(prefixCidr);
  if (cidr === undefined || cidr.family !== 6 || cidr.prefixLen !== 64) return undefined;
  return cidrAddress(cidr, eui64InterfaceId(mac));
}
