// Plan of the tunnel ports: one flow-based port per encap type on the integration bridge, whatever the
// number of peers. Pure.
//
// local_ip: with one VTEP address the port is bound to it: packets to other addresses of the host are
// not taken, and it is the source of what is sent. With several (IPv4 and IPv6) `flow` is used: the
// port takes both families, the engine may set tun_src or tun_ipv6_src, and routing chooses otherwise.
// A port with one fixed address does not carry the other family (seen with OVS 3.1).
import { isOwned, ownershipMark } from "../ownership.ts";
import type { ActualIndex } from "./actual.ts";
import type { DesiredTunnel, EncapType, OvsdbDesired } from "./desired.ts";
import { type PartialPlan, type PortRows, type Problem, type Step, updateStep } from "./step.ts";

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
  const steps: Step[] = [];
  const problems: Problem[] = [];
  const seen = new Set<EncapType>();
  for (const tunnel of desired.tunnels) {
    const problem = tunnelProblem(tunnel, desired, index, seen);
    seen.add(tunnel.encap);
    if (problem === null) steps.push(...planTunnel(tunnel, desired, index));
    else problems.push(problem);
  }
  return { steps, problems };
}

function planTunnel(tunnel: DesiredTunnel, desired: OvsdbDesired, index: ActualIndex): Step[] {
  const object = tunnelObject(tunnel.encap);
  const name = TUNNEL_KINDS[tunnel.encap].portName;
  const rows = tunnelRows(tunnel, desired.systemId);
  const create: Step = { kind: "create-port", object, name, bridge: desired.bridge.name, rows };
  const placed = index.port(name);
  if (placed === null) return [create];
  const { bridge, port, iface } = placed;
  if (bridge.name !== desired.bridge.name || iface === null) {
    const gone: Step = {
      kind: "delete-port",
      object,
      name,
      bridge: bridge.name,
      bridgeUuid: bridge._uuid,
      uuid: port._uuid,
      seen: port.external_ids,
    };
    return [gone, create];
  }
  const { external_ids: mark, ...wanted } = rows.iface;
  const keys = { external_ids: mark };
  // A tag on the port would make Open vSwitch treat it as an access port.
  const plain = { tag: null, vlan_mode: null };
  return [
    ...updateStep({ object, table: "Port", name, row: port, set: plain, keys }),
    ...updateStep({ object, table: "Interface", name, row: iface, set: wanted, keys }),
  ];
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
  desired: OvsdbDesired,
  index: ActualIndex,
  seen: ReadonlySet<EncapType>,
): Problem | null {
  const object = tunnelObject(tunnel.encap);
  const name = TUNNEL_KINDS[tunnel.encap].portName;
  if (seen.has(tunnel.encap)) {
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
  const placed = index.port(name);
  if (placed !== null && !isOwned(placed.port.external_ids, desired.systemId)) {
    const message =
      `port ${name} on bridge ${placed.bridge.name} exists and was not created by this agent: ` +
      `rename or delete it, the name is reserved`;
    return { code: "PORT_NOT_OWNED", object, field: "", message };
  }
  return null;
}
