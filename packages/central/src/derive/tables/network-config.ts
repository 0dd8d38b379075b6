// network/<key>/config: what every chassis that hosts the network must know of it.

import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { encodeBody, equalBytes, keySegment, sortedIps } from "../encode.ts";
import type { DerivedTable, Read } from "../spec.ts";

/** First three bytes of a gateway's MAC; locally administered. */
const GATEWAY_MAC_PREFIX = 0x0a_005e;

/**
 * The MAC that answers for the gateways of an overlay: 0a:00:5e and the network key. The same on every chassis, so that a
 * guest that moves keeps its neighbour entry; it never leaves the host.
 */
export function gatewayMac(networkKey: number): Buffer {
  const mac = Buffer.allocUnsafe(6);
  mac.writeUIntBE(GATEWAY_MAC_PREFIX, 0, 3);
  mac.writeUIntBE(networkKey, 3, 3);
  return mac;
}

export const networkConfig: DerivedTable<"network-config"> = {
  name: "network-config",
  sources: [{ table: "network", keys: (_id, row) => [`network/${row.key}/config`] }],
  derive(read, key) {
    const networkKey = keySegment(key, 1);
    const id = read.first("networkByKey", networkKey);
    const network = id === undefined ? undefined : read.row("network", id);
    if (network === undefined) return undefined;
    // The gateway of a provider network is a machine on the wire: it answers for itself.
    const gateways = network.encap === null ? [] : gatewayIps(read, network.id);
    return encodeBody({
      $case: "network",
      value: {
        networkKey: network.key,
        networkId: network.id,
        encap: network.encap ?? EncapType.UNSPECIFIED,
        physicalNetwork: network.physicalNetwork ?? "",
        vlan: network.vlan,
        mtuBytes: read.row("network-mtu", network.id) ?? 0,
        gatewayIps: sortedIps(gateways),
        gatewayMac: gateways.length === 0 ? Buffer.alloc(0) : gatewayMac(network.key),
        relayed: read.row("relayed", networkKey) ?? false,
        unknownUnicast: read.exists("open-network", networkKey),
      },
    });
  },
  equal: equalBytes,
};

/** An address that a router's interface holds is answered for by that, with its own MAC. */
function gatewayIps(read: Read, network: string): string[] {
  const ips: string[] = [];
  for (const id of read.members("subnetByNetwork", network)) {
    const gateway = read.row("subnet", id)?.gatewayIp;
    if (gateway && read.count("interfaceByAddress", `${network} ${gateway}`) === 0) {
      ips.push(gateway);
    }
  }
  return ips;
}
