// Whether a port fits this chassis: its network's encapsulation and MTU against the endpoints of this host, and the guest's MTU
// against the network's. Pure; asked by port-table.ts. The overheads are ARCHITECTURE.md's, "MTU".

import type { LocalPort, NetworkConfig } from "@weft/shared/gen/weft/v1/southbound.ts";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { innerMtuBytes } from "@weft/shared/net/mtu.ts";

/** What this chassis offers to overlays, from its configuration. */
export interface Underlay {
  readonly chassis: string;
  readonly encaps: readonly {
    readonly type: EncapType;
    readonly ip: string;
    /** 0 = not known: it bounds nothing. */
    readonly underlayMtuBytes: number;
  }[];
  /** A guest whose MTU is above the network's is refused when it is plugged. */
  readonly enforceMtu: boolean;
}

export interface Misfit {
  /** What does not fit: nothing of the network here, or only this guest's packets above the network's MTU. */
  readonly of: "chassis" | "guest";
  /** Names both numbers and the way out. */
  readonly reason: string;
}

/** `network` undefined = its instruction has not come yet: judged by the port alone. */
export function misfitOf(
  underlay: Underlay,
  network: NetworkConfig | undefined,
  vif: { readonly name: string; readonly mtuBytes: number },
  local: LocalPort,
): Misfit | undefined {
  const ofChassis = network === undefined ? "" : chassisMisfit(underlay, network);
  if (ofChassis !== "") return { of: "chassis", reason: ofChassis };
  if (local.mtuBytes === 0 || vif.mtuBytes <= local.mtuBytes) return undefined;
  const numbers = `interface ${vif.name} has MTU ${vif.mtuBytes}, the network carries ${local.mtuBytes}`;
  return { of: "guest", reason: `${numbers}: set the guest and its interface to that` };
}

function chassisMisfit(underlay: Underlay, network: NetworkConfig): string {
  const { chassis, encaps } = underlay;
  if (network.encap === EncapType.UNSPECIFIED) return "";
  const name = ENCAPS[network.encap] ?? `encap ${network.encap}`;
  const encap = encaps.find(({ type }) => type === network.encap);
  if (encap === undefined) {
    return `${chassis} has no ${name} endpoint: add one to encaps in its agent.yaml`;
  }
  const inner = innerMtuBytes(encap);
  if (inner === undefined || network.mtuBytes <= inner) return "";
  const numbers = `network ${network.networkId} has MTU ${network.mtuBytes}, ${name} over ${chassis} carries ${inner}`;
  return `${numbers} (underlay ${encap.underlayMtuBytes}): raise the underlay's MTU, or lower the network's`;
}

const ENCAPS: Readonly<Record<number, string>> = {
  [EncapType.GENEVE]: "geneve",
  [EncapType.VXLAN]: "vxlan",
  [EncapType.GRE]: "gre",
  [EncapType.STT]: "stt",
};
