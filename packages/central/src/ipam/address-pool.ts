// The addresses of one subnet: what may be given out dynamically, in which order, and how much is left. Pure over `isUsed`; random
// bytes come in as an argument. Called by allocator.ts only; statically named addresses never come here.

import { eui64Address } from "@weft/shared/net/mac.ts";
import { parseCidr, parseCidrOrIp } from "@weft/shared/net/cidr.ts";
import { formatIp, parseIp } from "@weft/shared/net/ip.ts";
import type { IpFamily } from "@weft/shared/net/ip.ts";
import type { SubnetRow } from "../model/rows.ts";
import type { Interval } from "./intervals.ts";
import { intervalsAt, intervalsSize, subtract } from "./intervals.ts";
import type { PoolDraft, Release } from "./reuse-pool.ts";
import { ReusePool } from "./reuse-pool.ts";

/** Random draws in an IPv6 subnet before it counts as crowded and is searched in order. */
const MAX_RANDOM_DRAWS = 32;

export type RandomBytes = (length: number) => Uint8Array;

export class AddressPool extends ReusePool<string> {
  readonly subnet: SubnetRow;
  readonly family: IpFamily;
  readonly #free: readonly Interval[];

  constructor(options: { subnet: SubnetRow; isUsed: (ip: string) => boolean }) {
    const family = options.subnet.cidr.includes(":") ? 6 : 4;
    const free = dynamicIntervals(options.subnet);
    super({
      size: intervalsSize(free),
      at: (position) => formatIp({ family, value: intervalsAt(free, position) }),
      isUsed: options.isUsed,
      // Addresses age by time alone; the one that was never used is always the better one.
      preferReuseAbove: Number.POSITIVE_INFINITY,
    });
    this.subnet = options.subnet;
    this.family = family;
    this.#free = free;
  }

  /** A dynamic address for a port with this MAC; undefined = none left. */
  drawAddress(options: {
    draft: PoolDraft<string>;
    mac: string;
    reusable: (ip: string, release: Release) => boolean;
    random: RandomBytes;
  }): string | undefined {
    const { draft } = options;
    if (this.subnet.ipv6Allocation === "eui64") {
      const ip = eui64Address(this.subnet.cidr, options.mac);
      return ip !== undefined && this.#takeExact(draft, ip, options.reusable) ? ip : undefined;
    }
    if (this.family === 6) {
      for (let round = 0; round < MAX_RANDOM_DRAWS && this.size > 0n; round++) {
        const ip = formatIp({ family: 6, value: this.#randomValue(options.random) });
        if (!this.isFree(draft, ip)) continue;
        draft.taken.add(ip);
        return ip;
      }
    }
    return this.draw(draft, options.reusable);
  }

  #takeExact(
    draft: PoolDraft<string>,
    ip: string,
    reusable: (ip: string, release: Release) => boolean,
  ): boolean {
    const release = this.quarantined.get(ip);
    const free = this.isFree(draft, ip) || (release !== undefined && reusable(ip, release));
    if (free) draft.taken.add(ip);
    return free;
  }

  #randomValue(random: RandomBytes): bigint {
    const bytes = random(16);
    let value = 0n;
    for (const byte of bytes) value = (value << 8n) | BigInt(byte);
    return intervalsAt(this.#free, value % this.size);
  }
}

/** The intervals that dynamic addresses come from. The row is valid: it was checked before it was kept. */
export function dynamicIntervals(subnet: SubnetRow): Interval[] {
  const cidr = parseCidr(subnet.cidr);
  if (cidr === undefined) return [];
  const from: Interval[] =
    subnet.allocationRanges.length === 0
      ? [cidr]
      : subnet.allocationRanges.map((range) => ({
          first: parseIp(range.first)?.value ?? 1n,
          last: parseIp(range.last)?.value ?? 0n,
        }));
  const cut: Interval[] = subnet.reserved.flatMap((text) => parseCidrOrIp(text) ?? []);
  cut.push(...unusable(cidr));
  const gateway = subnet.gatewayIp === null ? undefined : parseIp(subnet.gatewayIp);
  if (gateway !== undefined) cut.push({ first: gateway.value, last: gateway.value });
  return subtract(from, cut);
}

/** Addresses of a prefix that no port may have: network and broadcast (IPv4), subnet-router anycast (IPv6). */
export function unusable(cidr: {
  family: IpFamily;
  prefixLen: number;
  first: bigint;
  last: bigint;
}): Interval[] {
  if (cidr.family === 4) {
    // RFC 3021: a /31 has neither; a /32 is one address.
    if (cidr.prefixLen >= 31) return [];
    return [
      { first: cidr.first, last: cidr.first },
      { first: cidr.last, last: cidr.last },
    ];
  }
  // RFC 4291 2.6.1, RFC 6164: not on a /127.
  return cidr.prefixLen >= 127 ? [] : [{ first: cidr.first, last: cidr.first }];
}
