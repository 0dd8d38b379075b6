// From a port as asked for to its row: references, MAC, addresses, pairs. Pure; names every problem. Called by plan.ts in two steps,
// so that nothing dynamic takes what another port of the set names.

import type { Cidr } from "@weft/shared/net/cidr.ts";
import {
  cidrContains,
  formatCidr,
  hasHostBits,
  parseCidr,
  parseCidrOrIp,
} from "@weft/shared/net/cidr.ts";
import type { Ip } from "@weft/shared/net/ip.ts";
import { formatIp, parseIp } from "@weft/shared/net/ip.ts";
import { isMulticastMac, parseMac } from "@weft/shared/net/mac.ts";
import { unusableAddress } from "./addresses.ts";
import { addressGroup } from "./indexes.ts";
import type { PortSpecIntent } from "./intents.ts";
import { maxAddressPairsPerPort, maxDeviceBytes, maxFixedIpsPerPort } from "./limits.ts";
import { completeNetworkRef } from "./network-ref.ts";
import type { ObjectProblems } from "./problems.ts";
import { describeObject, resolve } from "./references.ts";
import type { PortRow, RowMeta, SubnetRow } from "./rows.ts";
import type { Tables } from "./tables.ts";
import { clip } from "./validate-meta.ts";

/** An address of the port to be: known, or to be drawn from the subnet. */
export interface AddressSlot {
  readonly subnet: string;
  /** null = dynamic. */
  readonly ip: string | null;
}

/** A port whose static parts are settled. */
export interface PortDraft {
  /** With known addresses only; mac "" = to be generated, key 0 = to be drawn. */
  readonly row: PortRow;
  /** All addresses in their order; null = one of each family of the network. */
  readonly slots: readonly AddressSlot[] | null;
}

/** Undefined when nothing sensible can be made of it. */
export function completePort(
  tables: Tables,
  meta: RowMeta,
  spec: PortSpecIntent | null,
  before: PortRow | undefined,
  problems: ObjectProblems,
): PortDraft | undefined {
  if (spec === null) {
    if (before !== undefined) return { row: { ...before, ...meta }, slots: before.fixedIps };
    problems.add("MISSING_FIELD", "spec", "a new port needs spec.network");
    return undefined;
  }
  const network = completeNetworkRef({ tables, meta, spec, before, problems, what: "port" });
  if (network === undefined) return undefined;
  const slots = completeSlots(tables, { network, project: meta.project, spec, before, problems });
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

export function knownAddresses(slots: readonly AddressSlot[]): { subnet: string; ip: string }[] {
  return slots.flatMap(({ subnet, ip }) => (ip === null ? [] : [{ subnet, ip }]));
}

function completeMac(text: string, field: string, problems: ObjectProblems): string | undefined {
  if (text === "") return undefined;
  const mac = parseMac(text);
  if (mac === undefined) {
    problems.add("INVALID_ADDRESS", field, `"${clip(text)}" is no MAC such as 0a:57:00:00:00:01`);
  } else if (isMulticastMac(mac) || mac === "00:00:00:00:00:00") {
    problems.add("INVALID_ADDRESS", field, `${mac} is no unicast MAC: choose another`);
  }
  return mac;
}

interface SlotContext {
  readonly network: string;
  readonly project: string;
  readonly spec: PortSpecIntent;
  readonly before: PortRow | undefined;
  readonly problems: ObjectProblems;
}

function completeSlots(tables: Tables, context: SlotContext): readonly AddressSlot[] | null {
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
  const slots = spec.fixedIps.flatMap(
    (fixed, index) => completeSlot(tables, context, fixed, `spec.fixed_ips[${index}]`) ?? [],
  );
  return keepDynamic(slots, before);
}

function completeSlot(
  tables: Tables,
  context: SlotContext,
  fixed: { readonly subnet: string; readonly ip: string },
  at: string,
): AddressSlot | undefined {
  const { network, project, problems } = context;
  let subnet: SubnetRow | undefined;
  if (fixed.subnet !== "") {
    subnet = resolveSubnet(tables, fixed.subnet, project, network);
    if (subnet === undefined) {
      const text = `no subnet "${clip(fixed.subnet)}" in project ${project}: create it in the same set or before`;
      problems.add("DANGLING_REFERENCE", `${at}.subnet`, text);
      return undefined;
    }
    if (subnet.network !== network) {
      const text = `${describeObject("subnet", subnet)} is in another network: choose one of the port's network`;
      problems.add("DANGLING_REFERENCE", `${at}.subnet`, text);
      return undefined;
    }
  }
  if (fixed.ip === "") {
    if (subnet !== undefined) return { subnet: subnet.id, ip: null };
    problems.add("MISSING_FIELD", at, "give a subnet, an ip, or both");
    return undefined;
  }
  const ip = parseIp(fixed.ip);
  if (ip === undefined) {
    problems.add("INVALID_ADDRESS", `${at}.ip`, `"${clip(fixed.ip)}" is no IP address`);
    return undefined;
  }
  subnet ??= subnetOf(tables, network, ip);
  if (subnet === undefined) {
    const text = `${formatIp(ip)} is in no subnet of the network: choose another address or create the subnet`;
    problems.add("OUTSIDE_SUBNET", `${at}.ip`, text);
    return undefined;
  }
  const cidr = parseCidr(subnet.cidr);
  const reason = cidr === undefined ? undefined : unusableAddress(cidr, ip);
  if (reason !== undefined && cidr !== undefined) {
    const code = cidrContains(cidr, ip) ? "INVALID_ADDRESS" : "OUTSIDE_SUBNET";
    problems.add(code, `${at}.ip`, `${formatIp(ip)} ${reason}`);
    return undefined;
  }
  return { subnet: subnet.id, ip: formatIp(ip) };
}

/** By id or name; of equally named ones (there are none in one project) the network decides. */
function resolveSubnet(
  tables: Tables,
  ref: string,
  project: string,
  network: string,
): SubnetRow | undefined {
  const found = resolve(tables, "subnet", ref, project);
  if (found !== undefined) return found;
  // A shared network of another project: its subnets are found by their id alone.
  const byId = tables.get("subnet", ref);
  return byId?.network === network ? byId : undefined;
}

function subnetOf(tables: Tables, network: string, ip: Ip): SubnetRow | undefined {
  for (const id of tables.members("subnetNetwork", network)) {
    const subnet = tables.get("subnet", id);
    const cidr: Cidr | undefined = subnet === undefined ? undefined : parseCidr(subnet.cidr);
    if (cidr !== undefined && cidrContains(cidr, ip)) return subnet;
  }
  return undefined;
}

/** A dynamic slot keeps an address that the port has in that subnet, so that applying twice is applying once. */
function keepDynamic(slots: AddressSlot[], before: PortRow | undefined): AddressSlot[] {
  const named = new Set(slots.map((slot) => slot.ip));
  const left = (before?.fixedIps ?? []).filter((fixed) => !named.has(fixed.ip));
  return slots.map((slot) => {
    if (slot.ip !== null) return slot;
    const at = left.findIndex((fixed) => fixed.subnet === slot.subnet);
    return at < 0 ? slot : (left.splice(at, 1)[0] ?? slot);
  });
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
  const network = tables.get("network", row.network);
  const networkName = network === undefined ? row.network : network.name;
  const otherOf = (index: "portMacInNetwork" | "portIp", address: string): PortRow | undefined => {
    for (const id of tables.members(index, addressGroup(row.network, address))) {
      if (id !== row.id) return tables.get("port", id);
    }
    return undefined;
  };
  const sameMac = otherOf("portMacInNetwork", row.mac);
  if (sameMac !== undefined) {
    const text = `${row.mac} belongs to ${describeObject("port", sameMac)} in network ${networkName}: choose another or leave it empty`;
    problems.add("DUPLICATE_MAC", "spec.mac", text);
  }
  const seen = new Set<string>();
  row.fixedIps.forEach(({ subnet, ip }, index) => {
    const field = `spec.fixed_ips[${index}].ip`;
    if (seen.has(ip)) problems.add("DUPLICATE_IP", field, `${ip} is named twice: leave one out`);
    seen.add(ip);
    const sameIp = otherOf("portIp", ip);
    if (sameIp !== undefined) {
      const text = `${ip} belongs to ${describeObject("port", sameIp)} in network ${networkName}: choose another or leave it empty`;
      problems.add("DUPLICATE_IP", field, text);
    }
    if (tables.get("subnet", subnet)?.gatewayIp === ip) {
      const text = `${ip} is the gateway of the subnet: choose another, or set no_gateway there`;
      problems.add("INVALID_ADDRESS", field, text);
    }
  });
}
