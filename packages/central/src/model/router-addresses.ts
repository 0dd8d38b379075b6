// The addresses of a router interface: those given to it, and the gateway of each other subnet of its network. Pure; one rule for
// validation, derivation and what callers see.

import { parseCidr } from "@weft/shared/net/cidr.ts";
import type { RouterInterfaceRow, SubnetRow } from "./rows.ts";

export interface InterfaceAddress {
  /** Id. */
  readonly subnet: string;
  readonly ip: string;
  readonly prefixLen: number;
}

/** In the order of `subnets`, all of the interface's network. A subnet with neither is left out: the router does not serve it. */
export function interfaceAddresses(
  fixedIps: RouterInterfaceRow["fixedIps"],
  subnets: Iterable<Pick<SubnetRow, "id" | "cidr" | "gatewayIp">>,
): InterfaceAddress[] {
  const addresses: InterfaceAddress[] = [];
  for (const { id: subnet, cidr, gatewayIp } of subnets) {
    const ip = fixedIps.find((fixed) => fixed.subnet === subnet)?.ip ?? gatewayIp;
    const prefixLen = parseCidr(cidr)?.prefixLen;
    if (ip !== null && prefixLen !== undefined) addresses.push({ subnet, ip, prefixLen });
  }
  return addresses;
}
