// Whom a guest would send to: the MAC that ARP or neighbour discovery finds for a destination, of the destination itself when it is in a
// subnet of the network, else of the gateway. Reads the model only; called by packet.ts.

import { cidrAddress, cidrContains, parseCidr } from "@weft/shared/net/cidr.ts";
import { ipFamily, parseIp } from "@weft/shared/net/ip.ts";
import { eui64LinkLocal } from "@weft/shared/net/mac.ts";
import { interfaceAddresses } from "../model/router-addresses.ts";
import { describeObject } from "../model/references.ts";
import type { PortRow, SubnetRow } from "../model/rows.ts";
import type { Model } from "../model/tables.ts";

export type Neighbour =
  | { readonly kind: "found"; readonly mac: string; readonly who: string }
  | { readonly kind: "unknown"; readonly reason: string };

export function neighbourOf(
  model: Model,
  port: PortRow,
  { source, destination }: { readonly source: string; readonly destination: string },
): Neighbour {
  const group = groupMac(destination);
  if (group !== undefined) return { kind: "found", mac: group, who: "everybody" };
  const subnets = [...model.members("subnetNetwork", port.network)].flatMap(
    (id) => model.get("subnet", id) ?? [],
  );
  const own = subnets.find((subnet) => contains(subnet.cidr, destination));
  if (own !== undefined) {
    const parsed = parseCidr(own.cidr);
    const isBroadcast =
      parsed?.family === 4 &&
      parsed.prefixLen < 31 &&
      destination === cidrAddress(parsed, (1n << BigInt(32 - parsed.prefixLen)) - 1n);
    if (isBroadcast) return { kind: "found", mac: BROADCAST, who: "everybody" };
  }
  const isOnLink = own !== undefined || contains("fe80::/10", destination);
  // A guest that pretends to be another still sends to its own gateway.
  const senders = [source, ...port.fixedIps.map(({ ip }) => ip)];
  const wanted = isOnLink ? destination : gatewayOf(subnets, senders, destination);
  if (wanted === undefined) {
    const reason =
      `${destination} is in no subnet of the port's network, and no subnet of ` +
      "the port has a gateway: say whose MAC it is sent to (--eth-dst)";
    return { kind: "unknown", reason };
  }
  const found = ownerOf(model, port.network, wanted, subnets);
  if (found !== undefined) return { kind: "found", ...found };
  const who = isOnLink ? wanted : `the gateway ${wanted}`;
  const reason = `nobody in the port's network is known to have ${who}: say whose MAC it is sent to (--eth-dst)`;
  return { kind: "unknown", reason };
}

const BROADCAST = "ff:ff:ff:ff:ff:ff";

/** The MAC of a group of receivers (RFC 1112 6.4, RFC 2464 7). */
function groupMac(destination: string): string | undefined {
  if (destination === "255.255.255.255") return BROADCAST;
  const value = parseIp(destination)?.value ?? 0n;
  const bytes = (low: bigint): string =>
    low.toString(16).padStart(12, "0").match(/../g)?.join(":") ?? "";
  if (contains("224.0.0.0/4", destination)) return bytes(0x0100_5e00_0000n | (value & 0x7f_ffffn));
  if (contains("ff00::/8", destination)) return bytes(0x3333_0000_0000n | (value & 0xffff_ffffn));
  return undefined;
}

/** Of the first of these senders that has one. */
function gatewayOf(
  subnets: readonly SubnetRow[],
  senders: readonly string[],
  destination: string,
): string | undefined {
  const family = ipFamily(destination);
  for (const sender of senders) {
    const subnet = subnets.find(({ cidr }) => contains(cidr, sender));
    if (ipFamily(sender) === family && subnet?.gatewayIp) return subnet.gatewayIp;
  }
  return undefined;
}

function ownerOf(
  model: Model,
  network: string,
  ip: string,
  subnets: readonly SubnetRow[],
): { mac: string; who: string } | undefined {
  for (const id of model.members("interfaceNetwork", network)) {
    const row = model.get("router-interface", id);
    if (row === undefined) continue;
    const addresses = interfaceAddresses(row.fixedIps, subnets).map((address) => address.ip);
    if (!addresses.includes(ip) && eui64LinkLocal(row.mac) !== ip) continue;
    const router = model.get("router", row.router);
    const who = router === undefined ? row.router : describeObject("router", router);
    return { mac: row.mac, who };
  }
  const claim = model.get("claim", `${network}/${ip}`);
  for (const id of model.members("portNetwork", network)) {
    const row = model.get("port", id);
    if (row === undefined) continue;
    const who = describeObject("port", row);
    const isOwn = row.fixedIps.some((fixed) => fixed.ip === ip);
    if (isOwn || eui64LinkLocal(row.mac) === ip) return { mac: row.mac, who };
    if (claim?.port === id) return { mac: claim.mac, who };
  }
  return undefined;
}

function contains(cidr: string, ip: string): boolean {
  const outer = parseCidr(cidr);
  const inner = parseIp(ip);
  return outer !== undefined && inner !== undefined && cidrContains(outer, inner);
}
