// What became of a packet, in words: why it was dropped, why the engine got it. Pure; called by tracer.ts. Rules are those of the
// compiler crate's cookie.rs; services are the engine's (its trace.rs).

import { ipBits, bytesToIp } from "@weft/shared/net/ip.ts";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import type { TraceFields } from "@weft/shared/trace-query.ts";
import type { Cookie } from "../api/cookie.ts";

/** Rules that end a packet for a reason that takes more words than their own. */
const RULES = { miss: 0, adminDown: 2, guardSpoof: 19 } as const;
/** Rules by which something on the way answers in place of whom the packet was for. */
const ANSWERS: ReadonlySet<number> = new Set([40, 42, 46, 47, 82, 110]);

export interface DropPlace {
  /** undefined = no flow matched. */
  readonly cookie: Cookie | undefined;
  /** Of the table. */
  readonly stage: string;
  /** What is behind the flow, such as "route lab"; empty for the pipeline. */
  readonly object: string;
  /** The port that sent it, such as "port web-1". */
  readonly sender: string;
  readonly fields: TraceFields;
}

export function dropReason({ cookie, stage, object, sender, fields }: DropPlace): string {
  const rule = cookie?.rule ?? RULES.miss;
  if (rule === RULES.guardSpoof) return `${sender} may not send from ${sourceOf(fields)}`;
  if (rule === RULES.adminDown) return `${object} is administratively down`;
  if (rule === RULES.miss) return missReason(stage, sender, fields);
  const text = cookie?.text ?? "";
  return object === "" ? text : `${object}: ${text}`;
}

function missReason(stage: string, sender: string, fields: TraceFields): string {
  switch (stage) {
    case "classify":
      return "its way in is not known there: the port is not programmed yet, or its network is gone";
    case "tunnel-in":
    case "tunnel-in-by-mac":
      return "no port of that chassis is meant: it moved away, or is not programmed yet";
    case "anti-spoof":
    case "anti-spoof-ipv6":
      return `${sender} may not send from ${macOf(fields, "eth_src")}, ${sourceOf(fields)}`;
    case "l2-lookup":
    case "provider-in":
      return `nobody in the network is known to have ${macOf(fields, "eth_dst")}`;
    default:
      return "no flow takes it";
  }
}

/** What the engine does with what it is handed; `isEnd`: nothing else becomes of the packet. */
export function serviceText(service: string): { readonly text: string; readonly isEnd: boolean } {
  const end = (text: string): { text: string; isEnd: boolean } => ({ text, isEnd: true });
  switch (service) {
    case "claim":
      return { text: "the engine reports that the port has the address", isEnd: false };
    case "neighbour-answer":
      return end("the engine answers the neighbour solicitation");
    case "time-exceeded":
      return end("TTL or hop limit ran out: the router answers with time exceeded");
    case "no-route":
      return end("no route: the router answers with unreachable");
    case "host-unreachable":
      return end("nobody has the next hop: the router answers with unreachable");
    case "too-big":
      return end(
        "longer than the MTU of the network it was to go to: the router answers with too big",
      );
    case "resolve":
      return end("the next hop is not known: the router asks the ports with port security off");
    default:
      return end(`for a service that central does not know (${service}): update weft-central`);
  }
}

/** Whether a flow of this rule answers the packet. */
export function answers(cookie: Cookie | undefined): boolean {
  return cookie !== undefined && ANSWERS.has(cookie.rule);
}

/** The address that it claims to come from; its MAC where it carries none. */
export function sourceOf(fields: TraceFields): string {
  const v4 = fields["ip_src"] ?? fields["arp_spa"];
  if (v4 !== undefined) return ipOf(v4, 4);
  const v6 = fields["ipv6_src"];
  return v6 === undefined ? macOf(fields, "eth_src") : ipOf(v6, 6);
}

/** The address that it is for; undefined = it is no IP packet. */
export function destinationOf(fields: TraceFields): string | undefined {
  const [v4, v6] = [fields["ip_dst"], fields["ipv6_dst"]];
  if (v4 !== undefined) return ipOf(v4, 4);
  return v6 === undefined ? undefined : ipOf(v6, 6);
}

export function ipOf(hex: string, family: 4 | 6): string {
  return bytesToIp(Buffer.from(hex.slice(2).padStart(ipBits(family) / 4, "0"), "hex"));
}

export function macOf(fields: TraceFields, name: string): string {
  const digits = (fields[name] ?? "0x0").slice(2).padStart(12, "0");
  return digits.match(/../g)?.join(":") ?? "";
}

/** The tunnel header's keys, as the receiver reads them (ARCHITECTURE.md, "Pipeline"). */
export function keysText(fields: TraceFields): string {
  const network = BigInt(fields["tun_id"] ?? "0x0");
  const tlv = fields["tun_metadata0"];
  if (tlv === undefined) return `, network key ${network}`;
  const egress = (BigInt(tlv) >> 40n) & 0xff_ffffn;
  return `, network key ${network}, egress key ${EGRESS_NAMES.get(egress) ?? egress}`;
}

export const encapNames: ReadonlyMap<number, string> = new Map([
  [EncapType.GENEVE, "geneve"],
  [EncapType.VXLAN, "vxlan"],
  [EncapType.GRE, "gre"],
]);

const EGRESS_NAMES: ReadonlyMap<bigint, string> = new Map([
  [0xff_ffffn, "flood"],
  [0xff_fffen, "relay"],
  [0xff_fffdn, "unknown unicast"],
  [0xff_fffcn, "relay of unknown unicast"],
]);
