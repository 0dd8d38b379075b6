// Packets as the test writes and reads them: every field that a router touches or looks at, and an id that is found again in what
// comes out, also in the quotation of an ICMP error. Bytes only; who sends what is probes.ts, who got what observe.ts. Pure.

import { bytesToIp, ipToBytes } from "@weft/shared/net/ip.ts";
import { bytesToMac } from "@weft/shared/net/mac.ts";
import * as frames from "../lab/frames.ts";

export const TCP = 6;
export const UDP = 17;
export const ICMP = 1;
export const ICMP6 = 58;

const FRAGMENT_HEADER = 44;
/** Before the number of a probe in its payload. */
const MAGIC = Buffer.from("weft-probe:");
const SYN = 2;

export interface IpPacket {
  readonly src: string;
  readonly dst: string;
  readonly from: string;
  readonly to: string;
  /** TTL or hop limit. */
  readonly ttl: number;
  readonly body:
    | {
        readonly protocol: typeof TCP | typeof UDP;
        readonly fromPort: number;
        readonly toPort: number;
      }
    /** An echo request, or a reply that nobody asked for. */
    | { readonly echo: "request" | "reply" };
  /** Absent = whole. A later fragment has payload and no header of its protocol. */
  readonly fragment?: "first" | "later";
  readonly dontFragment?: boolean;
  /** Of the whole IP packet; absent = as small as can be. */
  readonly bytes?: number;
}

/** The frame of a packet that carries `id` (1..0xffff unique among the packets of one round, any number as a whole). */
export function ipFrame(packet: IpPacket, id: number): Buffer {
  const link = { src: packet.src, dst: packet.dst };
  const v6 = packet.to.includes(":");
  const headers = (v6 ? 40 : 20) + (v6 && packet.fragment !== undefined ? 8 : 0);
  const mark = Buffer.concat([MAGIC, uint32(id)]);
  const payload = bodyOf(packet, mark, (packet.bytes ?? 0) - headers);
  return v6
    ? frames.ethernet(link, frames.ETH_IPV6, ip6(packet, id, payload))
    : frames.ethernet(link, frames.ETH_IPV4, ip4(packet, id, payload));
}

function bodyOf({ from, to, body, fragment }: IpPacket, mark: Buffer, bytes: number): Buffer {
  const headerBytes = "echo" in body || body.protocol === UDP ? 8 : 20;
  const fill = Buffer.alloc(Math.max(0, bytes - headerBytes - mark.length));
  // A fragment that is not the last holds a multiple of 8 bytes (RFC 791 3.2, RFC 8200 4.5).
  const content = Buffer.concat([mark, fill]);
  const pad =
    fragment === "first"
      ? Buffer.alloc((8 - ((headerBytes + content.length) % 8)) % 8)
      : Buffer.alloc(0);
  if (fragment === "later") return content;
  const payload = Buffer.concat([content, pad]);
  const v6 = to.includes(":");
  if ("echo" in body) {
    const type = body.echo === "request" ? (v6 ? 128 : 8) : v6 ? 129 : 0;
    const message = Buffer.concat([Buffer.from([type, 0, 0, 0, 0, 7, 0, 1]), payload]);
    message.writeUInt16BE(
      v6 ? frames.pseudoChecksum(from, to, ICMP6, message) : frames.checksum(message),
      2,
    );
    return message;
  }
  const ports = [uint16(body.fromPort), uint16(body.toPort)];
  const rest =
    body.protocol === UDP
      ? [uint16(8 + payload.length), uint16(0)]
      : [uint32(1), uint32(0), Buffer.from([0x50, SYN]), uint16(8192), uint32(0)];
  const segment = Buffer.concat([...ports, ...rest, payload]);
  const at = body.protocol === UDP ? 6 : 16;
  segment.writeUInt16BE(frames.pseudoChecksum(from, to, body.protocol, segment), at);
  return segment;
}

function protocolOf({ body, to }: IpPacket): number {
  if ("echo" in body) return to.includes(":") ? ICMP6 : ICMP;
  return body.protocol;
}

/** More fragments follow, or offset 64 (in units of 8 bytes: 8). */
function ip4(packet: IpPacket, id: number, payload: Buffer): Buffer {
  const { fragment, dontFragment = false } = packet;
  const flags =
    (dontFragment ? 0x4000 : 0) | (fragment === "first" ? 0x2000 : fragment === "later" ? 8 : 0);
  const header = Buffer.concat([
    Buffer.from([0x45, 0]),
    uint16(20 + payload.length),
    uint16(id & 0xffff),
    uint16(flags),
    Buffer.from([packet.ttl, protocolOf(packet), 0, 0]),
    ipToBytes(packet.from),
    ipToBytes(packet.to),
  ]);
  header.writeUInt16BE(frames.checksum(header), 10);
  return Buffer.concat([header, payload]);
}

function ip6(packet: IpPacket, id: number, payload: Buffer): Buffer {
  const { fragment } = packet;
  const extension =
    fragment === undefined
      ? Buffer.alloc(0)
      : Buffer.concat([
          Buffer.from([protocolOf(packet), 0]),
          uint16(fragment === "first" ? 1 : 64),
          uint32(id),
        ]);
  return Buffer.concat([
    // The flow label is what an ICMP error surely quotes.
    uint32(0x6000_0000 + (id & 0xf_ffff)),
    uint16(extension.length + payload.length),
    Buffer.from([fragment === undefined ? protocolOf(packet) : FRAGMENT_HEADER, packet.ttl]),
    ipToBytes(packet.from),
    ipToBytes(packet.to),
    extension,
    payload,
  ]);
}

/** What a received IP packet says. */
export interface SeenPacket {
  readonly family: 4 | 6;
  readonly from: string;
  readonly to: string;
  readonly ttl: number;
  readonly protocol: number;
  readonly bytes: number;
  readonly fragment: "whole" | "first" | "later";
  /** Of the header, and, of a whole packet, of what it carries; of a quotation it says nothing. */
  readonly checksumOk: boolean;
  /** Identification or flow label. */
  readonly label: number;
  readonly ports: readonly [number, number] | null;
  readonly icmp: { readonly type: number; readonly code: number; readonly mtu: number } | null;
  /** The packet that an ICMP error quotes. */
  readonly quoted: SeenPacket | null;
}

export interface SeenFrame {
  readonly src: string;
  readonly dst: string;
  readonly etherType: number;
  readonly arp: frames.ArpFields | null;
  readonly nd: frames.SeenNd | null;
  readonly ip: SeenPacket | null;
  /** The number that the sender put in; null = none. */
  readonly id: number | null;
}

export function readPacketFrame(frame: Buffer): SeenFrame {
  const { arp, nd, etherType } = frames.readFrame(frame);
  const mark = frame.indexOf(MAGIC);
  const numberAt = mark + MAGIC.length;
  const ip = readPacket(etherType, frame.subarray(14));
  return {
    dst: bytesToMac(frame.subarray(0, 6)),
    src: bytesToMac(frame.subarray(6, 12)),
    ...{ etherType, arp, nd },
    ip:
      ip === null ? null : { ...ip, checksumOk: ip.checksumOk && isSound(ip, frame.subarray(14)) },
    id: mark < 0 || numberAt + 4 > frame.length ? null : frame.readUInt32BE(numberAt),
  };
}

function readPacket(etherType: number, bytes: Buffer): SeenPacket | null {
  if (etherType === frames.ETH_IPV4 && bytes.length >= 20) return readIp4(bytes);
  if (etherType === frames.ETH_IPV6 && bytes.length >= 40) return readIp6(bytes);
  return null;
}

/** Whether the checksum of what a packet carries is right; true of fragments, which have none of their own. */
function isSound(
  { family, from, to, protocol, bytes, fragment }: SeenPacket,
  packet: Buffer,
): boolean {
  if (fragment !== "whole") return true;
  const upper = packet.subarray(family === 4 ? 20 : 40, bytes);
  if (protocol === ICMP) return frames.checksum(upper) === 0;
  if (![TCP, UDP, ICMP6].includes(protocol)) return true;
  return frames.pseudoChecksum(from, to, protocol, upper) === 0;
}

function readIp4(bytes: Buffer): SeenPacket {
  const headerBytes = ((bytes[0] ?? 0) & 15) * 4;
  const total = bytes.readUInt16BE(2);
  const flags = bytes.readUInt16BE(6);
  const later = (flags & 0x1fff) !== 0;
  const upper = bytes.subarray(headerBytes, total);
  const protocol = bytes[9] ?? 0;
  const first = (flags & 0x2000) !== 0;
  return {
    family: 4,
    from: bytesToIp(bytes.subarray(12, 16)),
    to: bytesToIp(bytes.subarray(16, 20)),
    ttl: bytes[8] ?? 0,
    protocol,
    bytes: total,
    fragment: later ? "later" : first ? "first" : "whole",
    checksumOk: frames.checksum(bytes.subarray(0, headerBytes)) === 0,
    label: bytes.readUInt16BE(4),
    ...readUpper(later ? -1 : protocol, upper),
  };
}

function readIp6(bytes: Buffer): SeenPacket {
  const total = 40 + bytes.readUInt16BE(4);
  const fragmented = bytes[6] === FRAGMENT_HEADER && bytes.length >= 48;
  const protocol = (fragmented ? bytes[40] : bytes[6]) ?? 0;
  const offset = fragmented ? bytes.readUInt16BE(42) >> 3 : 0;
  const upper = bytes.subarray(fragmented ? 48 : 40, total);
  return {
    family: 6,
    from: bytesToIp(bytes.subarray(8, 24)),
    to: bytesToIp(bytes.subarray(24, 40)),
    ttl: bytes[7] ?? 0,
    protocol,
    bytes: total,
    fragment: offset > 0 ? "later" : fragmented ? "first" : "whole",
    checksumOk: true,
    label: bytes.readUInt32BE(0) & 0xf_ffff,
    ...readUpper(offset > 0 ? -1 : protocol, upper),
  };
}

function readUpper(protocol: number, upper: Buffer): Pick<SeenPacket, "ports" | "icmp" | "quoted"> {
  const none = { ports: null, icmp: null, quoted: null };
  if ((protocol === TCP || protocol === UDP) && upper.length >= 4) {
    return { ...none, ports: [upper.readUInt16BE(0), upper.readUInt16BE(2)] };
  }
  if ((protocol !== ICMP && protocol !== ICMP6) || upper.length < 8) return none;
  const [type = 0, code = 0] = upper;
  const isError = protocol === ICMP ? [3, 4, 5, 11, 12].includes(type) : type < 128;
  if (!isError) return { ...none, icmp: { type, code, mtu: 0 } };
  const tooBig = protocol === ICMP ? type === 3 && code === 4 : type === 2;
  const mtu = !tooBig ? 0 : protocol === ICMP ? upper.readUInt16BE(6) : upper.readUInt32BE(4);
  const etherType = protocol === ICMP ? frames.ETH_IPV4 : frames.ETH_IPV6;
  return { ...none, icmp: { type, code, mtu }, quoted: readPacket(etherType, upper.subarray(8)) };
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
