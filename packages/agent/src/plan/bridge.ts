// Plan of the integration bridge: exists, is ours, and is set up as the engine needs it. A bridge of
// the same name without our mark is refused unless configuration says `adoptBridge`. Pure.
import { createHash } from "node:crypto";
import { ADOPTED_KEY, isAdopted, isOwned, ownerOf, ownershipMark } from "../ownership.ts";
import type { ActualIndex, BridgeRow } from "./actual.ts";
import type { OvsdbDesired } from "./desired.ts";
import { type Columns, type MapKeys, type PartialPlan, type Problem, updateStep } from "./step.ts";

/** The engine speaks OpenFlow 1.5; the others let people look around with ovs-ofctl as it comes. */
const PROTOCOLS = ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"] as const;

export function bridgeObject(name: string): string {
  return `bridge ${name}`;
}

export function planBridge(desired: OvsdbDesired, index: ActualIndex): PartialPlan {
  const { name, datapathType } = desired.bridge;
  const object = bridgeObject(name);
  const set = {
    datapath_type: datapathType,
    // No flows of its own: what the engine has not programmed is dropped, also across restarts.
    fail_mode: "secure",
    protocols: PROTOCOLS,
    mcast_snooping_enable: false,
    stp_enable: false,
    rstp_enable: false,
  } satisfies Columns;
  const mark = ownershipMark({ systemId: desired.systemId, role: "integration-bridge", object });
  const otherConfig = new Map([
    // Hidden flows that let controllers be reached through the bridge would outrank ours.
    ["disable-in-band", "true"],
    ["hwaddr", stableMac(desired.systemId, name)],
  ]);

  const bridge = index.bridge(name);
  if (bridge === null) {
    const local = {
      port: { name, external_ids: mark },
      iface: { name, type: "internal", external_ids: mark },
    };
    const columns = { name, ...set, other_config: otherConfig, external_ids: mark };
    return {
      steps: [{ kind: "create-bridge", object, name, bridge: columns, local }],
      problems: [],
    };
  }
  const problem = bridgeProblem(desired, bridge);
  if (problem !== null) return { steps: [], problems: [problem] };

  const adopting = !isOwned(bridge.external_ids, desired.systemId);
  if (adopting || isAdopted(bridge.external_ids)) mark.set(ADOPTED_KEY, "true");
  // A MAC that somebody chose stays: guests and switches may know it.
  if (bridge.other_config.has("hwaddr")) otherConfig.delete("hwaddr");
  const keys: MapKeys = { external_ids: mark, other_config: otherConfig };
  return {
    steps: updateStep({ object, table: "Bridge", name, row: bridge, set, keys }),
    problems: [],
  };
}

/** Why an existing bridge of the configured name must not be used; null when it may. */
export function bridgeProblem(desired: OvsdbDesired, bridge: BridgeRow): Problem | null {
  if (isOwned(bridge.external_ids, desired.systemId) || desired.bridge.adopt) return null;
  const owner = ownerOf(bridge.external_ids);
  const whose = owner === null ? "was not created by Weft" : `belongs to the chassis ${owner}`;
  return {
    code: "BRIDGE_NOT_OWNED",
    object: bridgeObject(bridge.name),
    field: "adoptBridge",
    message:
      `bridge ${bridge.name} exists and ${whose}: set adoptBridge: true in the agent's ` +
      `configuration to use it as integration bridge, or name another bridge`,
  };
}

/**
 * Without a fixed address the bridge takes the lowest MAC of its ports, and so changes with them.
 * Locally administered, unicast, a function of chassis and bridge alone.
 */
export function stableMac(systemId: string, bridge: string): string {
  const digest = createHash("sha256").update(`${systemId}\0${bridge}`).digest();
  const bytes = [...digest.subarray(0, 6)];
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
