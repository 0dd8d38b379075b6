// From a port as asked for to its row: references, MAC, addresses, pairs. Pure; names every problem. Called by plan.ts in two steps,
// so that nothing dynamic takes what another port of the set names.

import { formatCidr, hasHostBits, parseCidrOrIp } from "@weft/shared/net/cidr.ts";
import { formatIp } from "@weft/shared/net/ip.ts";
import type { AddressSlot, SlotContext } from "./address-slots.ts";
import { completeSlots, knownAddresses } from "./address-slots.ts";
import { addressGroup } from "./indexes.ts";
import type { PortSpecIntent } from "./intents.ts";
import { maxAddressPairsPerPort, maxDeviceBytes, maxFixedIpsPerPort } from "./limits.ts";
import { checkMacInPlace, completeMac } from "./macs.ts";
import { completeNetworkRef } from "./object-refs.ts";
import type { ObjectProblems } from "./problems.ts";
import { describeObject, resolve } from "./references.ts";
import type { PortRow, RowMeta } from "./rows.ts";
import type { Tables } from "./tables.ts";
import { clip } from "./validate-meta.ts";

/** Undefined when nothing sensible can be made of it. */
export function completePort(
  tables: Tables,
  meta: RowMeta,
  spec: PortSpecIntent | null,
  before: PortRow | undefined,
  problems: ObjectProblems,
): { row: PortRow; slots: readonly AddressSlot[] | null } | undefined {
  if (spec === null) {
    if (before !== undefined) return { row: { ...before, ...meta }, slots: before.fixedIps };
    problems.add("MISSING_FIELD", "spec", "a new port needs spec.network");
    return undefined;
  }
  const network = completeNetworkRef({ tables, meta, spec, before, problems, what: "port" });
  if (network === undefined) return undefined;
  const slots = slotsOf({ tables, network, project: meta.project, spec, before, problems });
  const row: PortRow = {
    ...meta,
    key: before?.key ?? 0,
    network,
    mac: completeMac(spec.mac, "spec.mac", problems) ?? before?.mac ?? "",
    fixedIps: knownAddresses(slots ?? []),
    allowedAddressPairs: completePairs(spec, problems),
    adminUp: !spec.adminDown,
    portSecurity: !spec.portSecurityDisabled,
    requestedChassis: completeChassis(tables, spec, before, problems),
    deviceOwner: completeDevice(spec.deviceOwner, "spec.device_owner", problems),
    deviceId: completeDevice(spec.deviceId, "spec.device_id", problems),
  };
  return { row, slots };
}

/** null = one of each family. */
function slotsOf(
  context: Omit<SlotContext, "asked" | "before"> & {
    readonly spec: PortSpecIntent;
    readonly before: PortRow | undefined;
  },
): readonly AddressSlot[] | null {
  const { spec, before, problems } = context;
  if (spec.noFixedIps) {
    if (spec.fixedIps.length > 0) {
      const text = "no_fixed_ips is set as well: leave one of them out";
      problems.add("INVALID_FIELD", "spec.fixed_ips", text);
    }
    return [];
  }
  if (spec.fixedIps.length === 0) return before?.fixedIps ?? null;
  if (spec.fixedIps.length > maxFixedIpsPerPort) {
    const text = `${spec.fixedIps.length} addresses, at most ${maxFixedIpsPerPort}`;
    problems.add("OVER_LIMIT", "spec.fixed_ips", text);
    return before?.fixedIps ?? [];
  }
  return completeSlots({ ...context, asked: spec.fixedIps, before: before?.fixedIps ?? [] });
}

function completePairs(
  spec: PortSpecIntent,
  problems: ObjectProblems,
): { ip: string; mac: string | null }[] {
  const asked = spec.allowedAddressPairs;
  if (asked.length > maxAddressPairsPerPort) {
    const text = `${asked.length} pairs, at most ${maxAddressPairsPerPort}: use prefixes`;
    problems.add("OVER_LIMIT", "spec.allowed_address_pairs", text);
    return [];
  }
  const pairs = new Map<string, { ip: string; mac: string | null }>();
  asked.forEach((pair, index) => {
    const at = `spec.allowed_address_pairs[${index}]`;
    const prefix = parseCidrOrIp(pair.ip);
    const mac = completeMac(pair.mac, `${at}.mac`, problems) ?? null;
    if (prefix === undefined || hasHostBits(prefix)) {
      const text = `"${clip(pair.ip)}" is no IP address or prefix with zero host bits`;
      problems.add("INVALID_ADDRESS", `${at}.ip`, text);
      return;
    }
    const isAddress = prefix.first === prefix.last;
    const ip = isAddress
      ? formatIp({ family: prefix.family, value: prefix.first })
      : formatCidr(prefix);
    pairs.set(`${ip} ${mac ?? ""}`, { ip, mac });
  });
  return [...pairs.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, pair]) => pair);
}

function completeChassis(
  tables: Tables,
  spec: PortSpecIntent,
  before: PortRow | undefined,
  problems: ObjectProblems,
): string | null {
  if (spec.requestedChassis === "") return null;
  const chassis = resolve(tables, "chassis", spec.requestedChassis, "");
  const field = "spec.requested_chassis";
  if (chassis === undefined) {
    const text = `no chassis "${clip(spec.requestedChassis)}": start its agent, or leave the field empty`;
    problems.add("DANGLING_REFERENCE", field, text);
    return before?.requestedChassis ?? null;
  }
  if (chassis.lost && before?.requestedChassis !== chassis.id) {
    const text = `chassis ${chassis.name} was declared lost: choose another, or let it register again`;
    problems.add("DANGLING_REFERENCE", field, text);
  }
  return chassis.id;
}

function completeDevice(text: string, field: string, problems: ObjectProblems): string {
  if (Buffer.byteLength(text) > maxDeviceBytes) {
    problems.add("OVER_LIMIT", field, `more than ${maxDeviceBytes} bytes`);
  }
  return text;
}

/** What can only be judged once all rows of the set are in place. */
export function checkPortInPlace(tables: Tables, row: PortRow, problems: ObjectProblems): void {
  checkMacInPlace(tables, row, problems);
  const networkName = tables.get("network", row.network)?.name ?? row.network;
  const seen = new Set<string>();
  row.fixedIps.forEach(({ subnet, ip }, index) => {
    const field = `spec.fixed_ips[${index}].ip`;
    if (seen.has(ip)) problems.add("DUPLICATE_IP", field, `${ip} is named twice: leave one out`);
    seen.add(ip);
    const holder = otherHolder(tables, row, ip);
    if (holder !== undefined) {
      const text = `${ip} belongs to ${holder} in network ${networkName}: choose another or leave it empty`;
      problems.add("DUPLICATE_IP", field, text);
    }
    if (tables.get("subnet", subnet)?.gatewayIp === ip) {
      const text = `${ip} is the gateway of the subnet: choose another, or set no_gateway there`;
      problems.add("INVALID_ADDRESS", field, text);
    }
  });
}

/** The other port, or the router interface that was given the address. */
function otherHolder(tables: Tables, row: PortRow, ip: string): string | undefined {
  const group = addressGroup(row.network, ip);
  for (const id of tables.members("portIp", group)) {
    const port = id === row.id ? undefined : tables.get("port", id);
    if (port !== undefined) return describeObject("port", port);
  }
  const given = tables.first("interfaceIp", group);
  const found = given === undefined ? undefined : tables.get("router-interface", given);
  return found === undefined ? undefined : describeObject("router-interface", found);
}
