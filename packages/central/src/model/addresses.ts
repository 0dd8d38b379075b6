// Which addresses of a prefix a host may have, with the reason why not. Pure; shared by the checks of subnets and ports.

import type { Cidr } from "@weft/shared/net/cidr.ts";
import { cidrContains, formatCidr } from "@weft/shared/net/cidr.ts";
import type { Ip } from "@weft/shared/net/ip.ts";

/** Why no host may have the address, with the way out; undefined = it may. */
export function unusableAddress(cidr: Cidr, ip: Ip): string | undefined {
  if (!cidrContains(cidr, ip)) return `is not in ${formatCidr(cidr)}: choose one that is`;
  if (cidr.family === 4 && cidr.prefixLen < 31) {
    if (ip.value === cidr.first)
      return `is the network address of ${formatCidr(cidr)}: choose another`;
    if (ip.value === cidr.last)
      return `is the broadcast address of ${formatCidr(cidr)}: choose another`;
  }
  // RFC 4291 2.6.1, RFC 6164.
  if (cidr.family === 6 && cidr.prefixLen < 127 && ip.value === cidr.first) {
    return `is the router anycast address of ${formatCidr(cidr)}: choose another`;
  }
  return undefined;
}
