// Plan of the provider networks: a pair of patch ports between the integration bridge and each bridge
// that leads to a physical network. Those bridges belong to the operator: never created, changed or
// deleted here; only our port on them is. Pure.
import { createHash } from "node:crypto";
import { ownershipMark } from "../ownership.ts";
import type { ActualIndex } from "./actual.ts";
import type { DesiredProvider, OvsdbDesired } from "./desired.ts";
import { nameProblem, planEach, planPort } from "./port.ts";
import type { PartialPlan, PortRows, Problem, Step } from "./step.ts";

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
  return planEach(
    desired.providers,
    (provider, before) => providerProblem(provider, before, desired, index),
    (provider) => planPair(provider, desired, index),
  );
}

function planPair(provider: DesiredProvider, desired: OvsdbDesired, index: ActualIndex): Step[] {
  const names = patchNames(provider.physicalNetwork);
  const object = providerObject(provider.physicalNetwork);
  const mark = ownershipMark({ systemId: desired.systemId, role: "patch", object });
  const end = (name: string, peer: string, bridge: string): readonly Step[] => {
    const options = new Map([["peer", peer]]);
    const rows = {
      port: { name, external_ids: mark },
      iface: { name, type: "patch", options, external_ids: mark },
    } satisfies PortRows;
    return planPort({ object, name, bridge, rows, index });
  };
  return [
    ...end(names.toProvider, names.toInt, desired.bridge.name),
    ...end(names.toInt, names.toProvider, provider.bridge),
  ];
}

function providerProblem(
  provider: DesiredProvider,
  before: readonly DesiredProvider[],
  desired: OvsdbDesired,
  index: ActualIndex,
): Problem | null {
  const object = providerObject(provider.physicalNetwork);
  const name = provider.bridge;
  if (name === desired.bridge.name) {
    const message = `${object} names the integration bridge ${name}: give it a bridge of its own`;
    return { code: "PROVIDER_IS_INTEGRATION", object, field: "providers", message };
  }
  const { physicalNetwork } = provider;
  const already = before.some((other) => other.physicalNetwork === physicalNetwork)
    ? `network ${physicalNetwork}`
    : `bridge ${name}`;
  if (before.some((other) => other.physicalNetwork === physicalNetwork || other.bridge === name)) {
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
  const { toProvider, toInt } = patchNames(physicalNetwork);
  return (
    nameProblem(object, toProvider, desired, index) ?? nameProblem(object, toInt, desired, index)
  );
}
