// The dynamic parts of a port or a router interface: a MAC and addresses drawn from the subnets of its network. Pure over an allocator;
// called by plan.ts once all static parts of a set are in place.

import { ipFamily } from "@weft/shared/net/ip.ts";
import type { AllocationDraft, Allocator } from "../ipam/allocator.ts";
import type { AddressSlot } from "./address-slots.ts";
import type { ObjectProblems } from "./problems.ts";
import { describeObject } from "./references.ts";
import { subnetsOf } from "./router-view.ts";
import type { PortRow, RouterInterfaceRow, SubnetRow } from "./rows.ts";
import type { Tables } from "./tables.ts";

export interface AllocateOptions<R extends PortRow | RouterInterfaceRow> {
  readonly allocator: Allocator;
  readonly draft: AllocationDraft;
  readonly tables: Tables;
  readonly row: R;
  /** null = one of each family of the network. */
  readonly slots: readonly AddressSlot[] | null;
  readonly problems: ObjectProblems;
}

/** The row with everything filled in; what could not be drawn is a problem. */
export function allocateAddresses<R extends PortRow | RouterInterfaceRow>(
  options: AllocateOptions<R>,
): R {
  const { allocator, draft, problems, slots } = options;
  let { row } = options;
  if (row.mac === "") {
    const mac = allocator.drawMac(draft);
    if (mac === undefined) {
      const text = "no MAC is left under ipam.macPrefix: configure a shorter prefix, or give a MAC";
      problems.add("EXHAUSTED", "spec.mac", text);
      return row;
    }
    row = { ...row, mac };
  }
  const fixedIps =
    slots === null ? drawOnePerFamily(options, row.mac) : drawSlots(options, slots, row.mac);
  return fixedIps === undefined ? row : { ...row, fixedIps };
}

type Drawing = AllocateOptions<PortRow | RouterInterfaceRow>;
type FixedIps = { subnet: string; ip: string }[];

function drawSlots(
  options: Drawing,
  slots: readonly AddressSlot[],
  mac: string,
): FixedIps | undefined {
  const { allocator, draft, tables, problems } = options;
  if (slots.every((slot) => slot.ip !== null)) return undefined;
  const fixedIps: FixedIps = [];
  slots.forEach((slot, index) => {
    const subnet = tables.get("subnet", slot.subnet);
    if (subnet === undefined) return;
    const ip = slot.ip ?? allocator.drawAddress(draft, { subnet, mac });
    if (ip !== undefined) fixedIps.push({ subnet: slot.subnet, ip });
    else problems.add("EXHAUSTED", `spec.fixed_ips[${index}]`, exhausted([subnet], mac));
  });
  return fixedIps;
}

/** One address of each family that the network has, from its oldest subnet with one left. */
function drawOnePerFamily(options: Drawing, mac: string): FixedIps {
  const { allocator, draft, tables, row, problems } = options;
  const subnets = subnetsOf(tables, row.network);
  subnets.sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
  const fixedIps: FixedIps = [];
  for (const family of [4, 6] as const) {
    const candidates = subnets.filter((subnet) => ipFamily(subnet.cidr) === family);
    let drawn = candidates.length === 0;
    for (const subnet of candidates) {
      const ip = allocator.drawAddress(draft, { subnet, mac });
      if (ip === undefined) continue;
      fixedIps.push({ subnet: subnet.id, ip });
      drawn = true;
      break;
    }
    if (!drawn) problems.add("EXHAUSTED", "spec.fixed_ips", exhausted(candidates, mac));
  }
  return fixedIps;
}

function exhausted(subnets: readonly SubnetRow[], mac: string): string {
  const names = subnets.map((subnet) => `${describeObject("subnet", subnet)} (${subnet.cidr})`);
  if (subnets.length === 1 && subnets[0]?.ipv6Allocation === "eui64") {
    return `the EUI-64 address of ${mac} in ${names.join("")} is taken: give another MAC or an address`;
  }
  const wayOut = "delete ports, widen the allocation ranges, or add a subnet";
  return `no address is left in ${names.join(", ")}: ${wayOut}`;
}
