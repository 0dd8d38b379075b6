// The addresses that a port or a router interface is to have: named, or to be drawn from a subnet of its network. Pure; names every
// problem. Called by validate-port.ts and validate-interface.ts.

import type { Cidr } from "@weft/shared/net/cidr.ts";
import { cidrContains, parseCidr } from "@weft/shared/net/cidr.ts";
import type { Ip } from "@weft/shared/net/ip.ts";
import { formatIp, parseIp } from "@weft/shared/net/ip.ts";
import { unusableAddress } from "./addresses.ts";
import type { ObjectProblems } from "./problems.ts";
import { describeObject, resolve } from "./references.ts";
import type { SubnetRow } from "./rows.ts";
import type { Tables } from "./tables.ts";
import { clip } from "./validate-meta.ts";

export type FixedIps = readonly { readonly subnet: string; readonly ip: string }[];

/** An address to be: known, or to be drawn from the subnet. */
export interface AddressSlot {
  readonly subnet: string;
  /** null = dynamic. */
  readonly ip: string | null;
}

export interface SlotContext {
  readonly tables: Tables;
  readonly network: string;
  readonly project: string;
  /** As asked for, in `spec.fixed_ips`. */
  readonly asked: FixedIps;
  /** What the object has. */
  readonly before: FixedIps;
  readonly problems: ObjectProblems;
}

/** One a named address that makes sense, in their order. */
export function completeSlots(context: SlotContext): AddressSlot[] {
  const slots = context.asked.flatMap(
    (fixed, index) => completeSlot(context, fixed, `spec.fixed_ips[${index}]`) ?? [],
  );
  return keepDynamic(slots, context.before);
}

export function knownAddresses(slots: readonly AddressSlot[]): { subnet: string; ip: string }[] {
  return slots.flatMap(({ subnet, ip }) => (ip === null ? [] : [{ subnet, ip }]));
}

function completeSlot(
  context: SlotContext,
  fixed: FixedIps[number],
  at: string,
): AddressSlot | undefined {
  const { tables, network, project, problems } = context;
  let subnet: SubnetRow | undefined;
  if (fixed.subnet !== "") {
    subnet = resolveSubnet(tables, fixed.subnet, project, network);
    if (subnet === undefined) {
      const text = `no subnet "${clip(fixed.subnet)}" in project ${project}: create it in the same set or before`;
      problems.add("DANGLING_REFERENCE", `${at}.subnet`, text);
      return undefined;
    }
    if (subnet.network !== network) {
      const text = `${describeObject("subnet", subnet)} is in another network: choose one of the same network`;
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

/** By id or name in the project; a shared network of another project has its subnets there: found by their id. */
function resolveSubnet(
  tables: Tables,
  ref: string,
  project: string,
  network: string,
): SubnetRow | undefined {
  const found = resolve(tables, "subnet", ref, project);
  if (found?.network === network) return found;
  const byId = tables.get("subnet", ref);
  return byId?.network === network ? byId : found;
}

function subnetOf(tables: Tables, network: string, ip: Ip): SubnetRow | undefined {
  for (const id of tables.members("subnetNetwork", network)) {
    const subnet = tables.get("subnet", id);
    const cidr: Cidr | undefined = subnet === undefined ? undefined : parseCidr(subnet.cidr);
    if (cidr !== undefined && cidrContains(cidr, ip)) return subnet;
  }
  return undefined;
}

/** A dynamic slot keeps an address that the object has in that subnet, so that applying twice is applying once. */
function keepDynamic(slots: AddressSlot[], before: FixedIps): AddressSlot[] {
  const named = new Set(slots.map((slot) => slot.ip));
  const left = before.filter((fixed) => !named.has(fixed.ip));
  return slots.map((slot) => {
    if (slot.ip !== null) return slot;
    const at = left.findIndex((fixed) => fixed.subnet === slot.subnet);
    return at < 0 ? slot : (left.splice(at, 1)[0] ?? slot);
  });
}
