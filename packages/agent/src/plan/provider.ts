// Plan of the provider networks: a pair of patch ports between the integration bridge and each bridge
// that leads to a physical network. Those bridges belong to the operator: never created, changed or
// deleted here; only our port on them is. Pure.
import { createHash } from "node:crypto";
import { isOwned, ownershipMark } from "../ownership.ts";
import type { ActualIndex } from "./actual.ts";
import type { DesiredProvider, OvsdbDesired } from "./desired.ts";
import { type PartialPlan, type PortRows, type Problem, type Step, updateStep } from "./step.ts";

/** Longer physical network names are cut and told apart by a hash. */
const MAX_SHORT = 20;

export interface PatchNames {
  /** On the integration bridge. */
  readonly toProvider: string;
  /** On the provider bridge. */
  readonly toInt: string;
}

/** Patch ports are no devices: their names may be longer than 15 characters. */
export function patchNames(physicalNetwork: string): PatchNames {
  const plain = physicalNetwork.replaceAll(/[^A-Za-z0-9_-]/g, "-");
  const hash = createHash("sha256").update(physicalNetwork).digest("hex").slice(0, 6);
  const exact = plain === physicalNetwork && plain.length <= MAX_SHORT;
  const short = exact ? plain : `${plain.slice(0, MAX_SHORT - 7)}-${hash}`;
  return { toProvider: `patch-${short}-to-provider`, toInt: `patch-${short}-to-int` };
}

export function providerObject(physicalNetwork: string): string {
  return `provider ${physicalNetwork}`;
}

export function planProviders(desired: OvsdbDesired, index: ActualIndex): PartialPlan {
  const steps: Step[] = [];
  const problems: Problem[] = [];
  const taken = new Set<string>();
  for (const provider of desired.providers) {
    const problem = providerProblem(provider, desired, index, taken);
    taken.add(`network ${provider.physicalNetwork}`).add(`bridge ${provider.bridge}`);
    if (problem === null) steps.push(...planPair(provider, desired, index));
    else problems.push(problem);
  }
  return { steps, problems };
}

function planPair(provider: DesiredProvider, desired: OvsdbDesired, index: ActualIndex): Step[] {
  const names = patchNames(provider.physicalNetwork);
  const object = providerObject(provider.physicalNetwork);
  const mark = ownershipMark({ systemId: desired.systemId, role: "patch", object });
  const end = (name: string, peer: string, bridge: string): Step[] =>
    planPatch({ object, name, peer, bridge, mark, index });
  return [
    ...end(names.toProvider, names.toInt, desired.bridge.name),
    ...end(names.toInt, names.toProvider, provider.bridge),
  ];
}

function planPatch(options: {
  readonly object: string;
  readonly name: string;
  readonly peer: string;
  readonly bridge: string;
  readonly mark: ReadonlyMap<string, string>;
  readonly index: ActualIndex;
}): Step[] {
  const { object, name, mark } = options;
  const rows = {
    port: { name, external_ids: mark },
    iface: { name, type: "patch", options: new Map([["peer", options.peer]]), external_ids: mark },
  } satisfies PortRows;
  const create: Step = { kind: "create-port", object, name, bridge: options.bridge, rows };
  const placed = options.index.port(name);
  if (placed === null) return [create];
  const { bridge, port, iface } = placed;
  if (bridge.name !== options.bridge || iface === null) {
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
  const keys = { external_ids: mark };
  const set = { type: "patch", options: rows.iface.options };
  return [
    // All VLANs pass: which ones mean something is for flows to say.
    ...updateStep({
      object,
      table: "Port",
      name,
      row: port,
      set: { tag: null, vlan_mode: null },
      keys,
    }),
    ...updateStep({ object, table: "Interface", name, row: iface, set, keys }),
  ];
}

function providerProblem(
  provider: DesiredProvider,
  desired: OvsdbDesired,
  index: ActualIndex,
  taken: ReadonlySet<string>,
): Problem | null {
  const object = providerObject(provider.physicalNetwork);
  const name = provider.bridge;
  if (name === desired.bridge.name) {
    const message = `${object} names the integration bridge ${name}: give it a bridge of its own`;
    return { code: "PROVIDER_IS_INTEGRATION", object, field: "providers", message };
  }
  for (const already of [`network ${provider.physicalNetwork}`, `bridge ${name}`]) {
    if (!taken.has(already)) continue;
    const message = `${object}: ${already} is mapped twice, keep one mapping`;
    return { code: "DUPLICATE", object, field: "providers", message };
  }
  const bridge = index.bridge(name);
  if (bridge === null) {
    const message = `${object}: bridge ${name} does not exist; create it with its uplink: ovs-vsctl add-br ${name}`;
    return { code: "BRIDGE_MISSING", object, field: "providers", message };
  }
  const type = bridge.datapath_type === "" ? "system" : bridge.datapath_type;
  if (type !== desired.bridge.datapathType) {
    const message =
      `${object}: bridge ${name} has datapath_type ${type}, the integration bridge ` +
      `${desired.bridge.datapathType}; packets cannot cross, make them equal`;
    return { code: "DATAPATH_MISMATCH", object, field: "datapathType", message };
  }
  const names = patchNames(provider.physicalNetwork);
  for (const port of [names.toProvider, names.toInt]) {
    const placed = index.port(port);
    if (placed === null || isOwned(placed.port.external_ids, desired.systemId)) continue;
    const message =
      `port ${port} on bridge ${placed.bridge.name} exists and was not created by this agent: ` +
      `rename or delete it, the name is reserved`;
    return { code: "PORT_NOT_OWNED", object, field: "", message };
  }
  return null;
}
