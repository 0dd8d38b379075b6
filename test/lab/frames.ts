// Ethernet frames made and read by hand, for tests that need what no well-behaved guest sends: ARP, neighbour discovery, router
// advertisements, DHCP, tags, and the tunnel headers of the underlay. Pure. Used with tap.ts by the system tests.

import { bytesToIp, ipToBytes } from "@weft/shared/net/ip.ts";
import { bytesToMac, eui64LinkLocal, macToBytes } from "@weft/shared/net/mac.ts";

export const BROADCAST = "ff:ff:ff:ff:ff:ff";

export const ETH_IPV4 = 0x0800;
export const ETH_ARP = 0x0806;
export const ETH_VLAN = 0x8100;
export const ETH_IPV6 = 0x86dd;

export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const PROTOCOL_GRE = 47;
const PROTOCOL_FRAGMENT = 44;
export const PROTOCOL_ICMP6 = 58;

export const ND_ROUTER_SOLICITATION = 133;
export const ND_ROUTER_ADVERTISEMENT = 134;
export const ND_SOLICITATION = 135;
export const ND_ADVERTISEMENT = 136;
export const ND_REDIRECT = 137;

const OPTION_SOURCE = 1;
const OPTION_TARGET = 2;

/** Addresses of a link: whom the frame is from and for. */
export interface Link {
  readonly src: string;
  readonly dst: string;
  /** Absent = untagged. */
  readonly vlan?: number;
}

export function ethernet(link: Link, etherType: number, payload: Buffer): Buffer {
  const tag = link.vlan === undefined ? [] : [uint16(ETH_VLAN), uint16(link.vlan)];
  return Buffer.concat([
    macToBytes(link.dst),
    macToBytes(link.src),
    ...tag,
    uint16(etherType),
    payload,
  ]);
}

export interface ArpFields {
  readonly op: "request" | "reply";
  readonly senderMac: string;
  readonly senderIp: string;
  readonly targetMac: string;
  readonly targetIp: string;
}

export function arp(link: Link, fields: ArpFields): Buffer {
  const payload = Buffer.concat([
    // Ethernet and IPv4, with the lengths of their addresses (RFC 826).
    Buffer.from([0, 1, 8, 0, 6, 4, 0, fields.op === "request" ? 1 : 2]),
    macToBytes(fields.senderMac),
    ipToBytes(fields.senderIp),
    macToBytes(fields.targetMac),
    ipToBytes(fields.targetIp),
  ]);
  return ethernet(link, ETH_ARP, payload);
}

/** An announcement of `ip` by `mac` (RFC 5227 3). */
export function gratuitousArp(mac: string, ip: string, op: ArpFields["op"] = "request"): Buffer {
  const fields = { op, senderMac: mac, senderIp: ip, targetIp: ip };
  const targetMac = op === "request" ? NO_MAC : BROADCAST;
  return arp({ src: mac, dst: BROADCAST }, { ...fields, targetMac });
}

export const NO_MAC = "00:00:00:00:00:00";

export interface UdpFields {
  readonly from: string;
  readonly to: string;
  readonly fromPort: number;
  readonly toPort: number;
}

/** A datagram without content, over the family of its addresses. */
export function udp(link: Link, { from, to, fromPort, toPort }: UdpFields): Buffer {
  const header = Buffer.concat([uint16(fromPort), uint16(toPort), uint16(8), uint16(0)]);
  header.writeUInt16BE(pseudoChecksum(from, to, PROTOCOL_UDP, header), 6);
  return packet(link, from, to, PROTOCOL_UDP, header);
}

export interface SegmentFields extends UdpFields {
  readonly payload?: Buffer;
  readonly header?: HeaderFields;
}

/** A TCP segment that resets a connection that nobody has: no kernel answers it (RFC 9293 3.5.2). */
export function reset(link: Link, fields: SegmentFields): Buffer {
  const { from, to, fromPort, toPort, payload = Buffer.alloc(0), header = {} } = fields;
  const flags = Buffer.from([0x50, 0x04]);
  const ports = Buffer.concat([uint16(fromPort), uint16(toPort), uint32(1), uint32(0), flags]);
  const segment = Buffer.concat([ports, Buffer.alloc(6), payload]);
  segment.writeUInt16BE(pseudoChecksum(from, to, PROTOCOL_TCP, segment), 16);
  return packet(link, from, to, PROTOCOL_TCP, segment, header);
}

/** An echo request of the family of its addresses. */
export function echoRequest(
  link: Link,
  { from, to, payload }: { readonly from: string; readonly to: string; readonly payload: Buffer },
): Buffer {
  const body = Buffer.concat([uint32(0x0001_0001), payload]);
  if (from.includes(":")) return icmp6(link, from, to, 128, [body]);
  return icmp4(link, from, to, 8, [body]);
}

/** Any message of ICMP for IPv4: type, and what follows the checksum. */
export function icmp4(
  link: Link,
  from: string,
  to: string,
  type: number,
  body: readonly Buffer[],
): Buffer {
  const message = Buffer.concat([Buffer.from([type, 0, 0, 0]), ...body]);
  message.writeUInt16BE(checksum(message), 2);
  return packet(link, from, to, PROTOCOL_ICMP, message);
}

/** A solicitation of `target`; `option` null = without a source link-layer address. */
export function solicitation(
  link: Link,
  fields: { readonly from: string; readonly target: string; readonly option: string | null },
): Buffer {
  const { from, target, option } = fields;
  const body = [uint32(0), ipToBytes(target), ...linkOption(OPTION_SOURCE, option)];
  return icmp6(link, from, solicitedNode(target), ND_SOLICITATION, body);
}

/** An advertisement of `target`, override set; solicited only when it is for one host. */
export function advertisement(
  link: Link,
  fields: {
    readonly from: string;
    readonly to: string;
    readonly target: string;
    readonly option: string | null;
  },
): Buffer {
  const { from, to, target, option } = fields;
  const flags = to.startsWith("ff") ? 0x2000_0000 : 0x6000_0000;
  const body = [uint32(flags), ipToBytes(target), ...linkOption(OPTION_TARGET, option)];
  return icmp6(link, from, to, ND_ADVERTISEMENT, body);
}

/** An unsolicited announcement of `ip` by `mac` (RFC 4861 7.2.6). */
export function gratuitousAdvertisement(mac: string, ip: string): Buffer {
  const link = { src: mac, dst: multicastMac(ALL_NODES) };
  return advertisement(link, { from: ip, to: ALL_NODES, target: ip, option: mac });
}

/** Any other message of ICMPv6: type, and what follows the checksum. */
export function icmp6(
  link: Link,
  from: string,
  to: string,
  type: number,
  body: readonly Buffer[],
): Buffer {
  const message = Buffer.concat([Buffer.from([type, 0, 0, 0]), ...body]);
  message.writeUInt16BE(pseudoChecksum(from, to, PROTOCOL_ICMP6, message), 2);
  return packet(link, from, to, PROTOCOL_ICMP6, message);
}

export const ALL_NODES = "ff02::1";

export function solicitedNode(ip: string): string {
  const bytes = ipToBytes("ff02::1:ff00:0");
  ipToBytes(ip).copy(bytes, 13, 13);
  return bytesToIp(bytes);
}

/** Of an IPv4 (RFC 1112 6.4) or IPv6 (RFC 2464 7) group. */
export function multicastMac(group: string): string {
  const bytes = ipToBytes(group);
  if (bytes.length === 16)
    return bytesToMac(Buffer.concat([Buffer.from([0x33, 0x33]), bytes.subarray(12)]));
  const low = Buffer.from(bytes.subarray(1));
  low[0] = (low[0] ?? 0) & 0x7f;
  return bytesToMac(Buffer.concat([Buffer.from([1, 0, 0x5e]), low]));
}

export function linkLocal(mac: string): string {
  return eui64LinkLocal(mac);
}

/** What a frame says, as far as the tests look. */
export interface Seen {
  readonly src: string;
  readonly dst: string;
  readonly vlan: number | null;
  readonly etherType: number;
  readonly arp: ArpFields | null;
  readonly ip: SeenIp | null;
  readonly nd: SeenNd | null;
}

export interface SeenIp {
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  /** TTL or hop limit. */
  readonly ttl: number;
  /** Bytes of the whole packet with its header. */
  readonly bytes: number;
  readonly payload: Buffer;
}

export interface SeenNd {
  readonly type: number;
  readonly target: string;
  /** The link-layer address option; null = none. */
  readonly option: string | null;
}

export function readFrame(frame: Buffer): Seen {
  const vlan = frame.readUInt16BE(12) === ETH_VLAN ? frame.readUInt16BE(14) & 0xfff : null;
  const at = vlan === null ? 12 : 16;
  const etherType = frame.readUInt16BE(at);
  const payload = frame.subarray(at + 2);
  const ip = readIp(etherType, payload);
  return {
    dst: bytesToMac(frame.subarray(0, 6)),
    src: bytesToMac(frame.subarray(6, 12)),
    vlan,
    etherType,
    arp: etherType === ETH_ARP && payload.length >= 28 ? readArp(payload) : null,
    ip,
    nd: ip === null ? null : readNd(ip),
  };
}

function readArp(payload: Buffer): ArpFields {
  return {
    op: payload.readUInt16BE(6) === 1 ? "request" : "reply",
    senderMac: bytesToMac(payload.subarray(8, 14)),
    senderIp: bytesToIp(payload.subarray(14, 18)),
    targetMac: bytesToMac(payload.subarray(18, 24)),
    targetIp: bytesToIp(payload.subarray(24, 28)),
  };
}

function readIp(etherType: number, packet_: Buffer): SeenIp | null {
  if (etherType === ETH_IPV4 && packet_.length >= 20) {
    const bytes = packet_.readUInt16BE(2);
    return {
      from: bytesToIp(packet_.subarray(12, 16)),
      to: bytesToIp(packet_.subarray(16, 20)),
      protocol: packet_.readUInt8(9),
      ttl: packet_.readUInt8(8),
      bytes,
      payload: packet_.subarray((packet_.readUInt8(0) & 15) * 4, bytes),
    };
  }
  if (etherType === ETH_IPV6 && packet_.length >= 40) {
    const bytes = 40 + packet_.readUInt16BE(4);
    return {
      from: bytesToIp(packet_.subarray(8, 24)),
      to: bytesToIp(packet_.subarray(24, 40)),
      protocol: packet_.readUInt8(6),
      ttl: packet_.readUInt8(7),
      bytes,
      payload: packet_.subarray(40, bytes),
    };
  }
  return null;
}

function readNd({ protocol, payload }: SeenIp): SeenNd | null {
  if (protocol !== PROTOCOL_ICMP6 || payload.length < 24) return null;
  const type = payload.readUInt8(0);
  if (type !== ND_SOLICITATION && type !== ND_ADVERTISEMENT) return null;
  const wanted = type === ND_SOLICITATION ? OPTION_SOURCE : OPTION_TARGET;
  const hasOption = payload.length >= 32 && payload.readUInt8(24) === wanted;
  return {
    type,
    target: bytesToIp(payload.subarray(8, 24)),
    option: hasOption ? bytesToMac(payload.subarray(26, 32)) : null,
  };
}

/** What a tunnel packet carries. */
export interface Tunnelled {
  readonly encap: "geneve" | "vxlan" | "gre";
  /** VNI, or VSID of GRE (RFC 7637 3.2). */
  readonly vni: number;
  readonly frame: Buffer;
}

const TUNNEL_PORTS: Readonly<Record<number, "geneve" | "vxlan">> = {
  6081: "geneve",
  4789: "vxlan",
};

/** Null for what is no tunnel packet of ours. */
export function readTunnelled(frame: Buffer): Tunnelled | null {
  const { ip } = readFrame(frame);
  if (ip === null) return null;
  const { payload } = ip;
  if (ip.protocol === PROTOCOL_GRE) {
    // A key and nothing else: flags 0x2000, Transparent Ethernet Bridging (RFC 2890, RFC 7637).
    if (payload.readUInt32BE(0) !== 0x2000_6558) return null;
    return { encap: "gre", vni: payload.readUIntBE(4, 3), frame: payload.subarray(8) };
  }
  if (ip.protocol !== PROTOCOL_UDP) return null;
  const encap = TUNNEL_PORTS[payload.readUInt16BE(2)];
  if (encap === undefined) return null;
  const header = payload.subarray(8);
  const options = encap === "geneve" ? (header.readUInt8(0) & 0x3f) * 4 : 0;
  return { encap, vni: header.readUIntBE(4, 3), frame: header.subarray(8 + options) };
}

/** Part of a packet. */
export interface Fragment {
  readonly id: number;
  /** In units of 8 bytes. */
  readonly offset: number;
  readonly more: boolean;
}

export interface HeaderFields {
  /** Absent = 255, what neighbour discovery demands (RFC 4861 7.1). */
  readonly ttl?: number;
  /** IPv4: may not be fragmented. */
  readonly df?: boolean;
  /** IPv4; of IPv6 see fragment6. */
  readonly fragment?: Fragment;
}

/** An untagged IPv6 frame as the fragment that has all of its payload (RFC 8200 4.5). */
export function fragment6(frame: Buffer, { id, offset, more }: Fragment): Buffer {
  const [link, header, payload] = [
    frame.subarray(0, 14),
    frame.subarray(14, 54),
    frame.subarray(54),
  ];
  const first = Buffer.from(header);
  first.writeUInt16BE(payload.length + 8, 4);
  first[6] = PROTOCOL_FRAGMENT;
  const next = Buffer.from([header[6] ?? 0, 0]);
  const place = uint16((offset << 3) | (more ? 1 : 0));
  return Buffer.concat([link, first, next, place, uint32(id), payload]);
}

export function packet(
  link: Link,
  from: string,
  to: string,
  protocol: number,
  payload: Buffer,
  { ttl = 255, df = false, fragment = { id: 0, offset: 0, more: false } }: HeaderFields = {},
): Buffer {
  const source = ipToBytes(from);
  const target = ipToBytes(to);
  if (source.length === 16) {
    const header = Buffer.concat([uint32(0x6000_0000), uint16(payload.length)]);
    const rest = Buffer.from([protocol, ttl]);
    return ethernet(link, ETH_IPV6, Buffer.concat([header, rest, source, target, payload]));
  }
  const header = Buffer.concat([
    Buffer.from([0x45, 0]),
    uint16(20 + payload.length),
    uint16(fragment.id),
    uint16((df ? 0x4000 : 0) | (fragment.more ? 0x2000 : 0) | fragment.offset),
    Buffer.from([ttl, protocol, 0, 0]),
    source,
    target,
  ]);
  header.writeUInt16BE(checksum(header), 10);
  return ethernet(link, ETH_IPV4, Buffer.concat([header, payload]));
}

function linkOption(kind: number, mac: string | null): readonly Buffer[] {
  return mac === null ? [] : [Buffer.from([kind, 1]), macToBytes(mac)];
}

export function pseudoChecksum(
  from: string,
  to: string,
  protocol: number,
  payload: Buffer,
): number {
  const length = uint32(payload.length);
  const parts = [ipToBytes(from), ipToBytes(to), length, uint32(protocol), payload];
  return checksum(Buffer.concat(parts));
}

/** RFC 1071. */
export function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
