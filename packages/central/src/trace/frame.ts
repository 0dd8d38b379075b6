// From the bytes of an Ethernet frame to the fields that flows match on, as Open vSwitch reads them: what is cut off or unknown is left
// out, nothing throws. Pure; called by packet.ts.

import type { TraceFields } from "@weft/shared/trace-query.ts";

const ETHERNET_BYTES = 14;
const IPV4 = 0x0800;
const ARP = 0x0806;
const VLAN_TAGS: ReadonlySet<number> = new Set([0x8100, 0x88a8]);
const IPV6 = 0x86dd;
/** Below, the type is a length: what follows is LLC. */
const MIN_ETHER_TYPE = 0x600;
const LLC = 0x05ff;
/** Extension headers of IPv6 that are stepped over: hop-by-hop, routing, authentication, destination options. */
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 51, 60]);
const FRAGMENT = 44;
const MAX_EXTENSIONS = 8;

export type FrameFields =
  | { readonly kind: "fields"; readonly fields: TraceFields }
  | { readonly kind: "refused"; readonly reason: string };

export function readFrame(frame: Buffer): FrameFields {
  if (frame.length < ETHERNET_BYTES) {
    return { kind: "refused", reason: `has ${frame.length} bytes; a frame has 14 and more` };
  }
  const fields = new Fields(frame);
  fields.set("eth_dst", 0, 6);
  fields.set("eth_src", 6, 6);
  let at = 12;
  if (VLAN_TAGS.has(fields.number(at, 2))) {
    const tci = fields.number(at + 2, 2);
    fields.put("vlan_vid", 0x1000 | (tci & 0xfff));
    fields.put("vlan_pcp", tci >> 13);
    at += 4;
  }
  const type = fields.number(at, 2);
  if (VLAN_TAGS.has(type)) {
    return { kind: "refused", reason: "has two VLAN tags; at most one can be traced" };
  }
  fields.put("eth_type", type < MIN_ETHER_TYPE ? LLC : type);
  if (type === ARP) readArp(fields, at + 2);
  if (type === IPV4) readIpv4(fields, at + 2);
  if (type === IPV6) readIpv6(fields, at + 2);
  return { kind: "fields", fields: fields.all };
}

/** Reads beyond the end are zero; fields that lie beyond it are not set. */
class Fields {
  readonly #bytes: Buffer;
  readonly all: Record<string, string> = {};

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  has(at: number, length: number): boolean {
    return at + length <= this.#bytes.length;
  }

  number(at: number, length: number): number {
    return this.has(at, length) ? this.#bytes.readUIntBE(at, length) : 0;
  }

  put(name: string, value: number): void {
    if (value !== 0) this.all[name] = `0x${value.toString(16)}`;
  }

  set(name: string, at: number, length: number): void {
    if (!this.has(at, length)) return;
    const hex = this.#bytes.toString("hex", at, at + length).replace(/^0+/, "");
    if (hex !== "") this.all[name] = `0x${hex}`;
  }
}

function readArp(fields: Fields, at: number): void {
  // Ethernet and IPv4, RFC 826.
  if (!fields.has(at, 28) || fields.number(at, 6) !== 0x0001_0800_0604) return;
  if (fields.number(at + 6, 2) <= 0xff) fields.set("arp_op", at + 6, 2);
  fields.set("arp_sha", at + 8, 6);
  fields.set("arp_spa", at + 14, 4);
  fields.set("arp_tha", at + 18, 6);
  fields.set("arp_tpa", at + 24, 4);
}

function readIpv4(fields: Fields, at: number): void {
  const headerBytes = (fields.number(at, 1) & 0xf) * 4;
  if (!fields.has(at, 20) || headerBytes < 20) return;
  readTrafficClass(fields, fields.number(at + 1, 1));
  const offset = fields.number(at + 6, 2);
  const isLater = (offset & 0x1fff) !== 0;
  fields.put("ip_frag", isLater ? 3 : (offset & 0x2000) === 0 ? 0 : 1);
  fields.set("nw_ttl", at + 8, 1);
  fields.set("nw_proto", at + 9, 1);
  fields.set("ip_src", at + 12, 4);
  fields.set("ip_dst", at + 16, 4);
  if (!isLater) readTransport(fields, fields.number(at + 9, 1), at + headerBytes, 4);
}

function readIpv6(fields: Fields, at: number): void {
  if (!fields.has(at, 40)) return;
  const first = fields.number(at, 4);
  readTrafficClass(fields, (first >>> 20) & 0xff);
  fields.put("ipv6_label", first & 0xf_ffff);
  fields.set("nw_ttl", at + 7, 1);
  fields.set("ipv6_src", at + 8, 16);
  fields.set("ipv6_dst", at + 24, 16);
  let protocol = fields.number(at + 6, 1);
  let next = at + 40;
  let isLater = false;
  for (let step = 0; step < MAX_EXTENSIONS && fields.has(next, 8) && !isLater; step += 1) {
    if (protocol === FRAGMENT) {
      const offset = fields.number(next + 2, 2);
      isLater = (offset & 0xfff8) !== 0;
      fields.put("ip_frag", isLater ? 3 : (offset & 1) === 0 ? 0 : 1);
      protocol = fields.number(next, 1);
      next += 8;
    } else if (EXTENSIONS.has(protocol)) {
      const length = fields.number(next + 1, 1);
      const bytes = protocol === 51 ? (length + 2) * 4 : (length + 1) * 8;
      protocol = fields.number(next, 1);
      next += bytes;
    } else break;
  }
  fields.put("nw_proto", protocol);
  if (!isLater) readTransport(fields, protocol, next, 6);
}

function readTrafficClass(fields: Fields, bits: number): void {
  fields.put("ip_dscp", bits >> 2);
  fields.put("nw_ecn", bits & 3);
}

function readTransport(fields: Fields, protocol: number, at: number, family: 4 | 6): void {
  const ports = { 6: "tcp", 17: "udp", 132: "sctp" }[protocol];
  if (ports !== undefined) {
    const least = { tcp: 20, udp: 8, sctp: 12 }[ports] ?? 8;
    if (!fields.has(at, least)) return;
    fields.set(`${ports}_src`, at, 2);
    fields.set(`${ports}_dst`, at + 2, 2);
    if (ports === "tcp") fields.put("tcp_flags", fields.number(at + 12, 2) & 0xfff);
    return;
  }
  if (protocol === 1 && family === 4 && fields.has(at, 8)) {
    fields.set("icmp_type", at, 1);
    fields.set("icmp_code", at + 1, 1);
  }
  if (protocol === 58 && family === 6 && fields.has(at, 4)) readIcmpv6(fields, at);
}

function readIcmpv6(fields: Fields, at: number): void {
  fields.set("icmpv6_type", at, 1);
  fields.set("icmpv6_code", at + 1, 1);
  const type = fields.number(at, 1);
  const isNeighbour = (type === 135 || type === 136) && fields.number(at + 1, 1) === 0;
  if (!isNeighbour || !fields.has(at, 24)) return;
  fields.set("nd_target", at + 8, 16);
  let option = at + 24;
  // One look at the options is enough for those that flows match on; RFC 4861 4.6.
  for (let step = 0; step < MAX_EXTENSIONS && fields.has(option, 8); step += 1) {
    const kind = fields.number(option, 1);
    if (kind === 1 && type === 135) fields.set("nd_sll", option + 2, 6);
    if (kind === 2 && type === 136) fields.set("nd_tll", option + 2, 6);
    const bytes = fields.number(option + 1, 1) * 8;
    if (bytes === 0) return;
    option += bytes;
  }
}
