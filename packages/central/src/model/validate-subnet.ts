// From a subnet as asked for to its row: prefix, gateway, ranges, reserved. Pure; names every problem. Called by plan.ts.

import type { Cidr } from "@weft/shared/net/cidr.ts";
import {
  cidrContains,
  cidrContainsCidr,
  cidrsOverlap,
  formatCidr,
  hasHostBits,
  parseCidr,
  parseCidrOrIp,
} from "@weft/shared/net/cidr.ts";
import type { Ip } from "@weft/shared/net/ip.ts";
import { formatIp, ipBits, parseIp } from "@weft/shared/net/ip.ts";
import { unusableAddress } from "./addresses.ts";
import { checkConnected, ofSubnet } from "./connected.ts";
import type { SubnetSpecIntent } from "./intents.ts";
import { maxRangesPerSubnet, maxReservedPerSubnet, maxSubnetsPerNetwork } from "./limits.ts";
import { completeNetworkRef } from "./object-refs.ts";
import type { ObjectProblems } from "./problems.ts";
import { describeObject } from "./references.ts";
import { interfaceSegments } from "./router-view.ts";
import type { RowMeta, SubnetRow } from "./rows.ts";
import type { Tables } from "./tables.ts";
import { checkGatewayOfRouters } from "./validate-interface.ts";
import { clip } from "./validate-meta.ts";
import type { Whole } from "./whole.ts";

/** The row to be; undefined when nothing sensible can be made of it. */
export function completeSubnet(
  tables: Tables,
  meta: RowMeta,
  spec: SubnetSpecIntent | null,
  before: SubnetRow | undefined,
  problems: ObjectProblems,
): SubnetRow | undefined {
  if (spec === null) {
    if (before !== undefined) return { ...before, ...meta };
    problems.add("MISSING_FIELD", "spec", "a new subnet needs spec.network and spec.cidr");
    return undefined;
  }
  const network = completeNetworkRef({ tables, meta, spec, before, problems, what: "subnet" });
  const cidr = completeCidr(spec, before, problems);
  if (network === undefined || cidr === undefined) return undefined;
  return {
    ...meta,
    network,
    cidr: formatCidr(cidr),
    gatewayIp: completeGateway(spec, cidr, problems),
    allocationRanges: completeRanges(spec, cidr, problems),
    reserved: completeReserved(spec, cidr, problems),
    ipv6Allocation: completeIpv6Allocation(spec, cidr, problems),
  };
}

function completeCidr(
  spec: SubnetSpecIntent,
  before: SubnetRow | undefined,
  problems: ObjectProblems,
): Cidr | undefined {
  const current = before === undefined ? undefined : parseCidr(before.cidr);
  if (spec.cidr === "") {
    if (current === undefined) {
      problems.add("MISSING_FIELD", "spec.cidr", "a subnet needs a prefix, such as 10.0.0.0/24");
    }
    return current;
  }
  const cidr = parseCidr(spec.cidr);
  if (cidr === undefined) {
    const text = clip(spec.cidr);
    problems.add("INVALID_ADDRESS", "spec.cidr", `"${text}" is no prefix such as 10.0.0.0/24`);
    return current;
  }
  if (hasHostBits(cidr)) {
    problems.add(
      "INVALID_ADDRESS",
      "spec.cidr",
      `${clip(spec.cidr)} has host bits: did you mean ${formatCidr(cidr)}?`,
    );
  }
  const minLength = cidr.family === 4 ? 8 : 16;
  if (cidr.prefixLen < minLength || isUnroutable(cidr)) {
    problems.add(
      "INVALID_ADDRESS",
      "spec.cidr",
      `${formatCidr(cidr)} cannot be a subnet: give a unicast prefix of at least /${minLength}`,
    );
  }
  if (current !== undefined && formatCidr(cidr) !== before?.cidr) {
    problems.add(
      "IMMUTABLE_FIELD",
      "spec.cidr",
      `the prefix is ${before?.cidr}: create another subnet in the network instead`,
    );
    return current;
  }
  return cidr;
}

/** What no subnet, link or route may be. */
export const unroutablePrefixes: readonly Cidr[] = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "224.0.0.0/3",
  "::/16",
  "ff00::/8",
  "fe80::/10",
].flatMap((text) => parseCidr(text) ?? []);

function isUnroutable(cidr: Cidr): boolean {
  return unroutablePrefixes.some((other) => cidrsOverlap(other, cidr));
}

function completeGateway(
  spec: SubnetSpecIntent,
  cidr: Cidr,
  problems: ObjectProblems,
): string | null {
  if (spec.noGateway) {
    if (spec.gatewayIp !== "") {
      problems.add(
        "INVALID_GATEWAY",
        "spec.gateway_ip",
        "no_gateway is set as well: leave one of them out",
      );
    }
    return null;
  }
  if (spec.gatewayIp === "") return defaultGateway(cidr);
  const gateway = parseIp(spec.gatewayIp);
  if (gateway === undefined) {
    const text = clip(spec.gatewayIp);
    problems.add("INVALID_GATEWAY", "spec.gateway_ip", `"${text}" is no IP address`);
    return null;
  }
  const reason = unusableAddress(cidr, gateway);
  if (reason !== undefined) {
    problems.add("INVALID_GATEWAY", "spec.gateway_ip", `${formatIp(gateway)} ${reason}`);
  }
  return formatIp(gateway);
}

/** The first address that a host may have; a subnet of one address has no gateway. */
function defaultGateway(cidr: Cidr): string | null {
  const hostBits = ipBits(cidr.family) - cidr.prefixLen;
  if (hostBits === 0) return null;
  const value = hostBits === 1 ? cidr.first : cidr.first + 1n;
  return formatIp({ family: cidr.family, value });
}

function completeRanges(
  spec: SubnetSpecIntent,
  cidr: Cidr,
  problems: ObjectProblems,
): { first: string; last: string }[] {
  if (spec.allocationRanges.length > maxRangesPerSubnet) {
    problems.add(
      "OVER_LIMIT",
      "spec.allocation_ranges",
      `${spec.allocationRanges.length} ranges, at most ${maxRangesPerSubnet}`,
    );
    return [];
  }
  const ranges: { first: Ip; last: Ip }[] = [];
  spec.allocationRanges.forEach((range, index) => {
    const at = `spec.allocation_ranges[${index}]`;
    const first = completeInside(range.first, cidr, `${at}.first`, problems);
    const last = completeInside(range.last, cidr, `${at}.last`, problems);
    if (first === undefined || last === undefined) return;
    if (first.value > last.value) {
      const text = `${formatIp(first)} is above ${formatIp(last)}: exchange them`;
      problems.add("INVALID_RANGE", at, text);
      return;
    }
    const overlapping = ranges.find(
      (r) => r.first.value <= last.value && first.value <= r.last.value,
    );
    if (overlapping !== undefined) {
      const other = `${formatIp(overlapping.first)}-${formatIp(overlapping.last)}`;
      problems.add("INVALID_RANGE", at, `overlaps the range ${other}: join them`);
    }
    ranges.push({ first, last });
  });
  return ranges
    .toSorted((a, b) => (a.first.value < b.first.value ? -1 : 1))
    .map(({ first, last }) => ({ first: formatIp(first), last: formatIp(last) }));
}

function completeInside(
  text: string,
  cidr: Cidr,
  field: string,
  problems: ObjectProblems,
): Ip | undefined {
  const ip = parseIp(text);
  if (ip === undefined) {
    problems.add("INVALID_ADDRESS", field, `"${clip(text)}" is no IP address`);
    return undefined;
  }
  if (cidrContains(cidr, ip)) return ip;
  problems.add("OUTSIDE_SUBNET", field, `${formatIp(ip)} is not in ${formatCidr(cidr)}`);
  return undefined;
}

function completeReserved(spec: SubnetSpecIntent, cidr: Cidr, problems: ObjectProblems): string[] {
  if (spec.reserved.length > maxReservedPerSubnet) {
    const text = `${spec.reserved.length} entries, at most ${maxReservedPerSubnet}`;
    problems.add("OVER_LIMIT", "spec.reserved", `${text}: use prefixes`);
    return [];
  }
  const reserved = new Set<string>();
  spec.reserved.forEach((text, index) => {
    const field = `spec.reserved[${index}]`;
    const entry = parseCidrOrIp(text);
    if (entry === undefined || hasHostBits(entry)) {
      problems.add("INVALID_ADDRESS", field, `"${clip(text)}" is no IP address or prefix`);
    } else if (!cidrContainsCidr(cidr, entry)) {
      problems.add("OUTSIDE_SUBNET", field, `${clip(text)} is not in ${formatCidr(cidr)}`);
    } else {
      const isAddress = entry.first === entry.last;
      const address = { family: entry.family, value: entry.first };
      reserved.add(isAddress ? formatIp(address) : formatCidr(entry));
    }
  });
  return [...reserved].sort();
}

function completeIpv6Allocation(
  spec: SubnetSpecIntent,
  cidr: Cidr,
  problems: ObjectProblems,
): SubnetRow["ipv6Allocation"] {
  const field = "spec.ipv6_allocation";
  if (cidr.family === 4) {
    if (spec.ipv6Allocation !== null) {
      problems.add("INVALID_FIELD", field, "the subnet is IPv4: leave it out");
    }
    return null;
  }
  if (spec.ipv6Allocation === "eui64" && cidr.prefixLen !== 64) {
    problems.add(
      "INVALID_FIELD",
      field,
      `EUI-64 needs a /64, not a /${cidr.prefixLen}: use random`,
    );
  }
  return spec.ipv6Allocation ?? "random";
}

/** What can only be judged once all rows of the set are in place. */
export function checkSubnetInPlace(
  whole: Whole,
  row: SubnetRow,
  before: SubnetRow | undefined,
  problems: ObjectProblems,
): void {
  const { tables } = whole;
  checkAmongSubnets(tables, row, problems);
  checkGatewayOfPorts(tables, row, problems);
  checkGatewayOfRouters(tables, row, problems);
  // Nothing else of a subnet is a router's concern; what its interfaces changed themselves is judged there.
  if (before !== undefined && before.gatewayIp === row.gatewayIp) return;
  for (const id of tables.members("interfaceNetwork", row.network)) {
    const found = tables.get("router-interface", id);
    if (found === undefined) continue;
    checkConnected({
      whole,
      problems,
      router: found.router,
      isOwn: ofSubnet(row.id),
      before: before === undefined ? [] : interfaceSegments(found, [before]),
      field: before === undefined ? "spec.cidr" : "spec.gateway_ip",
    });
  }
}

function checkAmongSubnets(tables: Tables, row: SubnetRow, problems: ObjectProblems): void {
  const cidr = parseCidr(row.cidr);
  if (cidr === undefined) return;
  const count = tables.count("subnetNetwork", row.network);
  if (count > maxSubnetsPerNetwork) {
    problems.add(
      "OVER_LIMIT",
      "spec.network",
      `the network would have ${count} subnets, at most ${maxSubnetsPerNetwork}: use another network`,
    );
    return;
  }
  for (const id of tables.members("subnetNetwork", row.network)) {
    if (id === row.id) continue;
    const other = tables.get("subnet", id);
    const otherCidr = other === undefined ? undefined : parseCidr(other.cidr);
    if (other === undefined || otherCidr === undefined || !cidrsOverlap(cidr, otherCidr)) continue;
    problems.add(
      "OVERLAPPING_SUBNET",
      "spec.cidr",
      `${row.cidr} overlaps ${other.cidr} of ${describeObject("subnet", other)} in the same network: choose another prefix`,
    );
    return;
  }
}

/** Ports that already have an address which the changed subnet gives to its gateway. */
function checkGatewayOfPorts(tables: Tables, row: SubnetRow, problems: ObjectProblems): void {
  if (row.gatewayIp === null) return;
  const holder = tables.first("portIp", `${row.network}/${row.gatewayIp}`);
  const port = holder === undefined ? undefined : tables.get("port", holder);
  if (port === undefined) return;
  problems.add(
    "INVALID_GATEWAY",
    "spec.gateway_ip",
    `${row.gatewayIp} belongs to ${describeObject("port", port)}: choose another gateway or move the port`,
  );
}
