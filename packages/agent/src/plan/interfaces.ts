// Reads what Open vSwitch made of it: the VIFs plugged into the integration bridge by anybody (their
// interface names a port by `external_ids:iface-id`), and our own tunnel and patch ports with their
// numbers. Observes only: interfaces of others are never changed. Pure.
import { isOwned } from "../ownership.ts";
import { ActualIndex, type InterfaceRow, type OvsdbActual } from "./actual.ts";
import type { EncapType, OvsdbDesired } from "./desired.ts";
import { patchNames } from "./provider.ts";
import { TUNNEL_KINDS } from "./tunnels.ts";

export const IFACE_ID_KEY = "iface-id";

export interface Vif {
  /** `external_ids:iface-id`: the port that this device is plugged for. */
  readonly ifaceId: string;
  /** Device name. */
  readonly name: string;
  /** Null until ovs-vswitchd has opened the device, and when it could not. */
  readonly ofport: number | null;
  /** Null while not known. */
  readonly mtuBytes: number | null;
  readonly linkUp: boolean;
  readonly adminUp: boolean;
  /** Why ovs-vswitchd could not take the device; null when it could. */
  readonly error: string | null;
  /** `external_ids:attached-mac` as libvirt and os-vif write it; null when absent. */
  readonly attachedMac: string | null;
}

export interface OwnPort {
  readonly name: string;
  readonly ofport: number | null;
  readonly error: string | null;
}

export interface ObservedTunnel extends OwnPort {
  readonly encap: EncapType;
}

export interface ObservedPatch extends OwnPort {
  readonly physicalNetwork: string;
}

export interface Observed {
  /** Ordered by iface-id: one per iface-id, see `duplicates`. */
  readonly vifs: readonly Vif[];
  /** Interfaces that name an iface-id which a VIF has already; they are not used. */
  readonly duplicates: readonly Vif[];
  readonly tunnels: readonly ObservedTunnel[];
  /** The end on the integration bridge. */
  readonly patches: readonly ObservedPatch[];
  /** True once ovs-vswitchd has made the bridge: its OpenFlow socket can be connected to. */
  readonly bridgeReady: boolean;
}

export function observeInterfaces(desired: OvsdbDesired, actual: OvsdbActual): Observed {
  const index = new ActualIndex(actual);
  const bridge = index.bridge(desired.bridge.name);
  const all: Vif[] = [];
  for (const portUuid of bridge?.ports ?? []) {
    for (const uuid of actual.ports.get(portUuid)?.interfaces ?? []) {
      const row = actual.interfaces.get(uuid);
      const ifaceId = row?.external_ids.get(IFACE_ID_KEY);
      if (row !== undefined && ifaceId !== undefined && ifaceId !== "") {
        all.push(vifOf(row, ifaceId));
      }
    }
  }
  all.sort(compareVifs);
  const own = (name: string): OwnPort | null => {
    const placed = index.port(name);
    if (placed === null || placed.bridge !== bridge || placed.iface === null) return null;
    if (!isOwned(placed.port.external_ids, desired.systemId)) return null;
    return { name, ofport: ofportOf(placed.iface), error: placed.iface.error };
  };
  const local = index.port(desired.bridge.name);
  return {
    vifs: all.filter((vif, at) => vif.ifaceId !== all[at - 1]?.ifaceId),
    duplicates: all.filter((vif, at) => vif.ifaceId === all[at - 1]?.ifaceId),
    tunnels: desired.tunnels.flatMap(({ encap }) => {
      const port = own(TUNNEL_KINDS[encap].portName);
      return port === null ? [] : [{ encap, ...port }];
    }),
    patches: desired.providers.flatMap(({ physicalNetwork }) => {
      const port = own(patchNames(physicalNetwork).toProvider);
      return port === null ? [] : [{ physicalNetwork, ...port }];
    }),
    bridgeReady: local !== null && local.iface !== null && ofportOf(local.iface) !== null,
  };
}

function vifOf(row: InterfaceRow, ifaceId: string): Vif {
  return {
    ifaceId,
    name: row.name,
    ofport: ofportOf(row),
    mtuBytes: row.mtu,
    linkUp: row.link_state === "up",
    adminUp: row.admin_state === "up",
    error: row.error,
    attachedMac: row.external_ids.get("attached-mac") ?? null,
  };
}

/** -1 stands for a device that could not be added. */
function ofportOf(row: InterfaceRow): number | null {
  return row.ofport !== null && row.ofport > 0 ? row.ofport : null;
}

/** Of several with one iface-id the usable one first, then by name: the same choice every time. */
function compareVifs(a: Vif, b: Vif): number {
  if (a.ifaceId !== b.ifaceId) return a.ifaceId < b.ifaceId ? -1 : 1;
  const usable = Number(b.ofport !== null) - Number(a.ofport !== null);
  return usable !== 0 ? usable : a.name < b.name ? -1 : 1;
}
