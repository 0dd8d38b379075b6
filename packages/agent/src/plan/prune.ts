// Plan of the removal of our leftovers: owned tunnel and patch ports, and an integration bridge of an
// earlier configuration, that the desired state does not name. Only ever asked when the desired state
// is known to be complete. Nothing without our mark is named in a step from here. Pure.
import {
  ADOPTED_KEY,
  hasRole,
  isAdopted,
  isOwned,
  OBJECT_KEY,
  OWNER_KEY,
  ROLE_KEY,
} from "../ownership.ts";
import type { ActualIndex, BridgeRow } from "./actual.ts";
import { bridgeObject } from "./bridge.ts";
import type { OvsdbDesired } from "./desired.ts";
import { patchNames } from "./provider.ts";
import { type PartialPlan, type Problem, type Step, updateStep } from "./step.ts";
import { TUNNEL_KINDS } from "./tunnels.ts";

export function planPrune(desired: OvsdbDesired, index: ActualIndex): PartialPlan {
  const steps: Step[] = [];
  const problems: Problem[] = [];
  const wanted = new Set<string>([
    ...desired.tunnels.map((tunnel) => TUNNEL_KINDS[tunnel.encap].portName),
    ...desired.providers.flatMap(({ physicalNetwork }) => {
      const names = patchNames(physicalNetwork);
      return [names.toProvider, names.toInt];
    }),
  ]);
  for (const { bridge, port } of index.ports()) {
    const ids = port.external_ids;
    if (!isOwned(ids, desired.systemId) || wanted.has(port.name)) continue;
    if (!hasRole(ids, "tunnel") && !hasRole(ids, "patch")) continue;
    steps.push({
      kind: "delete-port",
      object: ids.get(OBJECT_KEY) ?? `port ${port.name}`,
      name: port.name,
      bridge: bridge.name,
      bridgeUuid: bridge._uuid,
      uuid: port._uuid,
      seen: ids,
    });
  }
  for (const bridge of index.bridges()) {
    const ids = bridge.external_ids;
    if (bridge.name === desired.bridge.name || !isOwned(ids, desired.systemId)) continue;
    if (!hasRole(ids, "integration-bridge")) continue;
    const left = planOldBridge(desired, index, bridge);
    steps.push(...left.steps);
    problems.push(...left.problems);
  }
  return { steps, problems };
}

/** An adopted bridge is given back; a bridge that others plugged ports into is kept and named. */
function planOldBridge(desired: OvsdbDesired, index: ActualIndex, bridge: BridgeRow): PartialPlan {
  const { name, external_ids: seen, _uuid: uuid } = bridge;
  const object = bridgeObject(name);
  if (isAdopted(seen)) {
    const ours = [OWNER_KEY, ROLE_KEY, ADOPTED_KEY, OBJECT_KEY];
    const keys = { external_ids: new Map(ours.map((key) => [key, null])) };
    return {
      steps: updateStep({ object, table: "Bridge", name, row: bridge, set: {}, keys }),
      problems: [],
    };
  }
  const foreign = bridge.ports
    .map((port) => index.actual.ports.get(port))
    .filter((port) => port !== undefined)
    .filter((port) => port.name !== name && !isOwned(port.external_ids, desired.systemId));
  const [first] = foreign;
  if (first === undefined) {
    return { steps: [{ kind: "delete-bridge", object, name, uuid, seen }], problems: [] };
  }
  const message =
    `bridge ${name} is not the integration bridge any more but holds ${foreign.length} port(s) that ` +
    `are not ours, such as ${first.name}: move them, then it will be deleted`;
  return { steps: [], problems: [{ code: "BRIDGE_IN_USE", object, field: "", message }] };
}
