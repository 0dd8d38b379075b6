// The packet that a trace begins with, as fields: from what a person asked for, with the defaults that a guest would have. Reads the
// model; refuses what no guest could send with the field's name. Called by tracer.ts.

import type { TraceRequest } from "@weft/shared/gen/weft/v1/orchestration.ts";
import { TraceFragment } from "@weft/shared/gen/weft/v1/orchestration.ts";
import { canonicalIp, ipFamily, ipToHex } from "@weft/shared/net/ip.ts";
import { parseMac } from "@weft/shared/net/mac.ts";
import type { TraceFields } from "@weft/shared/trace-query.ts";
import { invalid } from "../api/status.ts";
import { describeObject, resolve } from "../model/references.ts";
import type { PortRow } from "../model/rows.ts";
import type { Model } from "../model/tables.ts";
import { readFrame } from "./frame.ts";
import { neighbourOf } from "./neighbour.ts";

export interface FirstPacket {
  readonly fields: TraceFields;
  readonly lengthBytes: number;
  /** In words. */
  readonly text: string;
}

const DEFAULT_TTL = 64;
/** An echo request as ping(8) sends it. */
const DEFAULT_BYTES = 98;
const DEFAULT_SOURCE_PORT = 40_000;
const DEFAULT_DESTINATION_PORT = 80;
const MAX_FRAME_BYTES = 9216;
const MAX_BYTES = 65_535;

/** Throws Refused (INVALID_ARGUMENT). */
export function firstPacket(model: Model, port: PortRow, request: TraceRequest): FirstPacket {
  if (request.sizeBytes > MAX_BYTES) throw invalid("size_bytes", `is more than ${MAX_BYTES}`);
  return request.frame.length > 0 ? ofFrame(port, request) : ofFields(model, port, request);
}

function ofFrame(port: PortRow, { frame, sizeBytes, destination }: TraceRequest): FirstPacket {
  if (destination !== "") {
    throw invalid("destination", "is in the frame already: give the one or the other");
  }
  if (frame.length > MAX_FRAME_BYTES) {
    throw invalid("frame", `has ${frame.length} bytes; at most ${MAX_FRAME_BYTES}`);
  }
  const read = readFrame(Buffer.from(frame));
  if (read.kind === "refused") throw invalid("frame", read.reason);
  const lengthBytes = sizeBytes || frame.length;
  const text = `a frame of ${lengthBytes} bytes from ${describeObject("port", port)}`;
  return { fields: read.fields, lengthBytes, text };
}

function ofFields(model: Model, port: PortRow, request: TraceRequest): FirstPacket {
  const destination = destinationOf(model, request);
  const family = ipFamily(destination);
  const source = sourceOf(port, request, family);
  const to = ethDst(model, port, request, { source, destination });
  const ttl = request.ttl ?? DEFAULT_TTL;
  if (ttl > 255) throw invalid("ttl", "is more than 255");
  const protocol = request.protocol ?? (family === 4 ? 1 : 58);
  if (protocol > 255) throw invalid("protocol", "is more than 255");
  const lengthBytes = request.sizeBytes || DEFAULT_BYTES;
  const transport = transportOf(request, protocol, family);
  const [src, dst] = family === 4 ? ["ip_src", "ip_dst"] : ["ipv6_src", "ipv6_dst"];
  const fragment =
    { [TraceFragment.FIRST]: 1, [TraceFragment.LATER]: 3 }[request.fragment as 1] ?? 0;
  const fields = {
    eth_src: hexOf(port.mac.replaceAll(":", "")),
    eth_dst: hexOf(to.mac.replaceAll(":", "")),
    eth_type: family === 4 ? "0x800" : "0x86dd",
    nw_proto: hex(protocol),
    nw_ttl: hex(ttl),
    ip_frag: hex(fragment),
    [src]: hexOf(ipToHex(source)),
    [dst]: hexOf(ipToHex(destination)),
    ...transport.fields,
  };
  const part = {
    [TraceFragment.FIRST]: ", first fragment",
    [TraceFragment.LATER]: ", later fragment",
  };
  const text =
    `${transport.text} from ${describeObject("port", port)} (${source}) to ${destination}, ` +
    `TTL ${ttl}, ${lengthBytes} bytes${part[request.fragment as 1] ?? ""}, sent to ${to.mac} (${to.who})`;
  return { fields, lengthBytes, text };
}

/** An address as it is, or the first one of a port: of the family of the source when that is given. */
function destinationOf(model: Model, { destination, source, project }: TraceRequest): string {
  const ip = canonicalIp(destination);
  if (ip !== undefined) return ip;
  const port = resolve(model, "port", destination, project);
  if (port === undefined) {
    const where = project === "" ? "" : ` of project ${project}`;
    const text = `"${destination}" is neither an address nor a port${where}: give an address`;
    throw invalid("destination", `${text}, or the id of a port`);
  }
  const wanted = canonicalIp(source);
  const fits = (address: string): boolean =>
    wanted === undefined || ipFamily(address) === ipFamily(wanted);
  const first = port.fixedIps.find((fixed) => fits(fixed.ip));
  if (first !== undefined) return first.ip;
  throw invalid("destination", `${describeObject("port", port)} has no such address: give one`);
}

function sourceOf(port: PortRow, { source }: TraceRequest, family: 4 | 6): string {
  if (source === "") {
    const first = port.fixedIps.find((fixed) => ipFamily(fixed.ip) === family);
    if (first !== undefined) return first.ip;
    const what = `${describeObject("port", port)} has no IPv${family} address`;
    throw invalid("source", `${what}: give the address that it sends from`);
  }
  const ip = canonicalIp(source);
  if (ip === undefined) throw invalid("source", `"${source}" is no IP address`);
  if (ipFamily(ip) !== family)
    throw invalid("source", `${ip} and the destination do not go together`);
  return ip;
}

function ethDst(
  model: Model,
  port: PortRow,
  request: TraceRequest,
  addresses: { readonly source: string; readonly destination: string },
): { mac: string; who: string } {
  if (request.ethDst !== "") {
    const mac = parseMac(request.ethDst);
    if (mac === undefined) throw invalid("eth_dst", `"${request.ethDst}" is no MAC address`);
    return { mac, who: "as asked for" };
  }
  const found = neighbourOf(model, port, addresses);
  if (found.kind === "unknown") throw invalid("destination", found.reason);
  return found;
}

function transportOf(
  request: TraceRequest,
  protocol: number,
  family: 4 | 6,
): { fields: TraceFields; text: string } {
  const isLater = request.fragment === TraceFragment.LATER;
  const name = { 6: "tcp", 17: "udp", 132: "sctp" }[protocol];
  if (name !== undefined) {
    const [from, to] = [
      request.sourcePort || DEFAULT_SOURCE_PORT,
      request.destinationPort || DEFAULT_DESTINATION_PORT,
    ];
    if (from > 0xffff) throw invalid("source_port", "is more than 65535");
    if (to > 0xffff) throw invalid("destination_port", "is more than 65535");
    const ports = { [`${name}_src`]: hex(from), [`${name}_dst`]: hex(to) };
    const syn = name === "tcp" ? { tcp_flags: "0x2" } : {};
    return { fields: isLater ? {} : { ...ports, ...syn }, text: `${name} ${from} > ${to}` };
  }
  for (const [field, value] of [
    ["source_port", request.sourcePort],
    ["destination_port", request.destinationPort],
  ] as const) {
    if (value !== 0) {
      throw invalid(field, `protocol ${protocol} has no ports: use tcp, udp or sctp`);
    }
  }
  if (protocol === 1 && family === 4) {
    return { fields: isLater ? {} : { icmp_type: "0x8" }, text: "icmp echo request" };
  }
  if (protocol === 58 && family === 6) {
    return { fields: isLater ? {} : { icmpv6_type: "0x80" }, text: "icmpv6 echo request" };
  }
  return { fields: {}, text: `protocol ${protocol}` };
}

const hex = (value: number): string => `0x${value.toString(16)}`;
const hexOf = (digits: string): string => `0x${digits.replace(/^0+(?=.)/, "")}`;
