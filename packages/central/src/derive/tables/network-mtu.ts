// network-mtu: the MTU of a network, given or computed. Intermediate, so that a port reads a number and not the whole network.

import { equalValues } from "../encode.ts";
import { DEFAULT_UNDERLAY_MTU_BYTES, overheadBytes } from "@weft/shared/net/mtu.ts";
import type { DerivedTable } from "../spec.ts";

export const networkMtu: DerivedTable<"network-mtu"> = {
  name: "network-mtu",
  sources: [{ table: "network", keys: (id) => [id] }],
  derive(read, id) {
    const network = read.row("network", id);
    if (network === undefined) return undefined;
    if (network.mtuBytes !== 0) return network.mtuBytes;
    if (network.encap === null) return DEFAULT_UNDERLAY_MTU_BYTES;
    const unreported = DEFAULT_UNDERLAY_MTU_BYTES - overheadBytes(network.encap, 4);
    return read.row("encap-mtu", String(network.encap)) ?? unreported;
  },
  equal: equalValues,
};
