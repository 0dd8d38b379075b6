// Plan of the tunnel ports: one flow-based port per encap type on the integration bridge, whatever the
// number of peers. Pure.
//
// local_ip: with one VTEP address the port is bound to it: packets to other addresses of the host are
// not taken, and it is the source of what is sent. With several (IPv4 and IPv6) `flow` is used: the
// port takes both families, the engine may set tun_src or tun_ipv6_src, and routing chooses otherwise.
// A port with one fixed address does not carry the other family (seen with OVS 3.1).
import { ownershipMark } from "../ownership.ts";
import type { ActualIndex } from "./actual.ts";
import type { DesiredTunnel, EncapType, OvsdbDesired } from "./desired.ts";
import { nameProblem, planEach, planPort } from "./port.ts";
import type { PartialPlan, PortRows, Problem } from "./step.ts";

interface TunnelKind {
  readonly portName: string;
  /**
   * Fixed, so that flows stay right across restarts of ovs-vswitchd and re-creation of the port. From
   * the top of what may be requested (65,279): numbers given out automatically begin at 1.
   */
  readonly ofport: number;
  readonly hasDstPort: boolean;
}

export const TUNNEL_KINDS: Readonly<Record<EncapType, TunnelKind>> = {
  geneve: { portName: "weft-gnv0", ofport: 65_201, hasDstPort: true },
  vxlan: { portName: "weft-vx0", ofport: 65_202, hasDstPort: true },
  gre: { portName: "weft-gre0", ofport: 65_203, hasDstPort: false },
};

export function tunnelObject(encap: EncapType): string {
  return `tunnel ${encap}`;
}

export function planTunnels(desired: OvsdbDesired, index: ActualIndex): PartialPlan {
  return planEach(
    desired.tunnels,
    (tunnel, before) => tunnelProblem(tunnel, before, desired, index),
    (tunnel) => {
      const object = tunnelObject(tunnel.encap);
      const name = TUNNEL_KINDS[tunnel.encap].portName;
      const rows = tunnelRows(tunnel, desired.systemId);
      return planPort({ object, name, bridge: desired.bridge.name, rows, index });
    },
  );
}

function tunnelRows(tunnel: DesiredTunnel, systemId: string) {
  const { portName: name, ofport, hasDstPort } = TUNNEL_KINDS[tunnel.encap];
  const [onlyIp = "flow", ...moreIps] = tunnel.localIps;
  const options = new Map([
    ["key", "flow"],
    ["local_ip", moreIps.length === 0 ? onlyIp : "flow"],
    ["remote_ip", "flow"],
  ]);
  if (tunnel.csum !== null) options.set("csum", String(tunnel.csum));
  if (hasDstPort && tunnel.dstPort !== null) options.set("dst_port", String(tunnel.dstPort));
  const object = tunnelObject(tunnel.encap);
  const mark = ownershipMark({ systemId, role: "tunnel", object });
  return {
    port: { name, external_ids: mark },
    iface: {
      name,
      type: tunnel.encap,
      options,
      ofport_request: ofport,
      mtu_request: tunnel.mtuBytes,
      external_ids: mark,
    },
  } satisfies PortRows;
}

function tunnelProblem(
  tunnel: DesiredTunnel,
  before: readonly DesiredTunnel[],
  desired: OvsdbDesired,
  index: ActualIndex,
): Problem | null {
  const object = tunnelObject(tunnel.encap);
  if (before.some(({ encap }) => encap === tunnel.encap)) {
    const message = `${object} is configured twice: give one encap with all its addresses`;
    return { code: "DUPLICATE", object, field: "encaps", message };
  }
  if (tunnel.localIps.length === 0) {
    const message = `${object} has no local address: configure the encap ip of this chassis`;
    return { code: "NO_ENCAP_IP", object, field: "encaps", message };
  }
  // Empty until ovs-vswitchd has run once.
  const types = index.actual.root?.iface_types ?? [];
  if (types.length > 0 && !types.includes(tunnel.encap)) {
    const message = `this Open vSwitch does not know interface type ${tunnel.encap}: use another encap`;
    return { code: "UNSUPPORTED_ENCAP", object, field: "encaps", message };
  }
  return nameProblem(object, TUNNEL_KINDS[tunnel.encap].portName, desired, index);
}
