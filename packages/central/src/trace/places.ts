// Where a packet goes on: the chassis behind a VTEP or a physical network. Reads the model only; called by tracer.ts.

import type { NetworkRow } from "../model/rows.ts";
import type { Model } from "../model/tables.ts";

export function chassisName(model: Model, id: string): string {
  const row = model.get("chassis", id);
  return row === undefined || row.name === "" ? id : row.name;
}

/** The chassis with that VTEP. */
export function chassisAt(model: Model, encap: number, vtep: string): string | undefined {
  for (const row of model.values("chassis")) {
    if (row.encaps.some(({ type, ip }) => ip === vtep && Number(type) === encap)) return row.id;
  }
  return undefined;
}

/** Chassis with a port that takes the frame from the physical network: by its own MAC, or by that of an address which it claimed. */
export function receivers(
  model: Model,
  physicalNetwork: string,
  vlan: number,
  mac: string,
): Set<string> {
  const found = new Set<string>();
  const network = providerNetwork(model, physicalNetwork, vlan);
  if (network === undefined) return found;
  const isGroup = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
  for (const id of model.members("portNetwork", network.id)) {
    const chassis = model.get("binding", id)?.chassis;
    if (chassis !== undefined && (isGroup || model.get("port", id)?.mac === mac)) {
      found.add(chassis);
    }
  }
  for (const claim of model.values("claim")) {
    if (claim.network !== network.id || claim.mac !== mac) continue;
    const chassis = model.get("binding", claim.port)?.chassis;
    if (chassis !== undefined) found.add(chassis);
  }
  return found;
}

function providerNetwork(
  model: Model,
  physicalNetwork: string,
  vlan: number,
): NetworkRow | undefined {
  for (const row of model.values("network")) {
    if (row.physicalNetwork === physicalNetwork && row.vlan === vlan) return row;
  }
  return undefined;
}
