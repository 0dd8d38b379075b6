// The rules of next hops and prefixes, for routes, policy routes and leaks alike. Pure; names every problem. Called by validate-route.ts,
// validate-policy.ts and validate-leak.ts.

import type { Cidr } from "@weft/shared/net/cidr.ts";
import { cidrContainsCidr, formatCidr, hasHostBits, parseCidr } from "@weft/shared/net/cidr.ts";
import { formatIp, ipFamily, parseIp } from "@weft/shared/net/ip.ts";
import { unusableAddress } from "./addresses.ts";
import { maxNextHops } from "./limits.ts";
import type { ObjectProblems } from "./problems.ts";
import { describeObject } from "./references.ts";
import { segmentOf } from "./router-view.ts";
import { clip } from "./validate-meta.ts";
import { unroutablePrefixes } from "./validate-subnet.ts";
import type { Whole } from "./whole.ts";

/** Canonical text of a prefix that can be routed; undefined for one that cannot. */
export function completePrefix(
  text: string,
  field: string,
  problems: ObjectProblems,
): string | undefined {
  const cidr = parseCidr(text);
  if (cidr === undefined) {
    const wayOut = "give one such as 10.0.0.0/8 or fd00::/48";
    problems.add("INVALID_ADDRESS", field, `"${clip(text)}" is no prefix: ${wayOut}`);
    return undefined;
  }
  if (hasHostBits(cidr)) {
    const meant = formatCidr(cidr);
    problems.add("INVALID_ADDRESS", field, `${clip(text)} has host bits: did you mean ${meant}?`);
    return undefined;
  }
  if (isNeverRouted(cidr)) {
    const why = "multicast, loopback and link-local addresses are never routed";
    problems.add("INVALID_ADDRESS", field, `${formatCidr(cidr)}: ${why}; give a unicast prefix`);
    return undefined;
  }
  return formatCidr(cidr);
}

function isNeverRouted(cidr: Cidr): boolean {
  return unroutablePrefixes.some((other) => cidrContainsCidr(other, cidr));
}

/** Canonical, sorted. */
export function completeNextHops(
  asked: readonly string[],
  field: string,
  problems: ObjectProblems,
): string[] {
  if (asked.length > maxNextHops) {
    const text = `${asked.length} next hops, at most ${maxNextHops}: leave some out`;
    problems.add("OVER_LIMIT", field, text);
    return [];
  }
  const nextHops = new Set<string>();
  asked.forEach((text, index) => {
    const at = `${field}[${index}].ip`;
    const ip = parseIp(text);
    if (ip === undefined) {
      problems.add("INVALID_ADDRESS", at, `"${clip(text)}" is no IP address`);
      return;
    }
    const canonical = formatIp(ip);
    if (nextHops.has(canonical)) {
      problems.add("DUPLICATE_IP", at, `${canonical} is named twice: leave one out`);
    }
    nextHops.add(canonical);
  });
  return [...nextHops].sort();
}

/** All of one family, which is that of the prefixes that are given. */
export function checkFamilies(
  nextHops: readonly string[],
  prefixes: readonly (string | null)[],
  field: string,
  problems: ObjectProblems,
): void {
  const prefix = prefixes.find((text) => text !== null);
  const [first] = nextHops;
  const expected = prefix ?? first;
  if (expected === undefined || first === undefined) return;
  const family = ipFamily(expected);
  const other = nextHops.find((ip) => ipFamily(ip) !== family);
  if (other === undefined) return;
  const text = `${other} is not of the family of ${expected}: give an IPv${family} address`;
  problems.add("MIXED_FAMILIES", field, text);
}

export interface NextHopsInPlace {
  readonly whole: Whole;
  readonly router: string;
  readonly nextHops: readonly string[];
  readonly field: string;
  readonly problems: ObjectProblems;
}

/** Each must be another host's address on a prefix that the router is connected to. */
export function checkNextHopsInPlace(options: NextHopsInPlace): void {
  const { whole, router, nextHops, field, problems } = options;
  const row = whole.tables.get("router", router);
  const name = row === undefined ? router : describeObject("router", row);
  nextHops.forEach((text, index) => {
    const ip = parseIp(text);
    if (ip === undefined) return;
    const segment = segmentOf(whole.views.of(router), ip);
    let reason: string | undefined;
    if (segment === undefined) {
      reason = `is on no network or link of ${name}: give an address on one, or add an interface`;
    } else if (segment.ip === text) {
      reason = `is an address of ${name} itself: give the one of the next router`;
    } else {
      reason = unusableAddress(segment.cidr, ip);
    }
    if (reason !== undefined) {
      // The rows keep them sorted: the address says which one is meant.
      problems.add(
        "INVALID_NEXT_HOP",
        nextHops.length === 1 ? `${field}[${index}].ip` : field,
        `${text} ${reason}`,
      );
    }
  });
}
