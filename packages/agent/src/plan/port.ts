// What plans of our own ports have in common, whatever the port is for: each object on its own, and one port brought to the rows it
// should have. Pure. Called by tunnels.ts and provider.ts.
import { isOwned } from "../ownership.ts";
import type { ActualIndex } from "./actual.ts";
import type { OvsdbDesired } from "./desired.ts";
import { type PartialPlan, type PortRows, type Problem, type Step, updateStep } from "./step.ts";

/** One item's problem stops no other. `problemOf` is told the items before it. */
export function planEach<T>(
  items: readonly T[],
  problemOf: (item: T, before: readonly T[]) => Problem | null,
  stepsOf: (item: T) => readonly Step[],
): PartialPlan {
  const steps: Step[] = [];
  const problems: Problem[] = [];
  for (const [at, item] of items.entries()) {
    const problem = problemOf(item, items.slice(0, at));
    if (problem === null) steps.push(...stepsOf(item));
    else problems.push(problem);
  }
  return { steps, problems };
}

/** Creates the port, moves it here, or corrects it. */
export function planPort(options: {
  readonly object: string;
  readonly name: string;
  readonly bridge: string;
  readonly rows: PortRows;
  readonly index: ActualIndex;
}): readonly Step[] {
  const { object, name, rows } = options;
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
  const { external_ids: mark = new Map<string, string>(), ...wanted } = rows.iface;
  const keys = { external_ids: mark };
  // All VLANs pass: with a tag Open vSwitch would treat it as an access port, and which ones mean something is for flows to say.
  const plain = { tag: null, vlan_mode: null };
  return [
    ...updateStep({ object, table: "Port", name, row: port, set: plain, keys }),
    ...updateStep({ object, table: "Interface", name, row: iface, set: wanted, keys }),
  ];
}

/** Somebody else has a port of the name that this object needs. */
export function nameProblem(
  object: string,
  name: string,
  { systemId }: OvsdbDesired,
  index: ActualIndex,
): Problem | null {
  const placed = index.port(name);
  if (placed === null || isOwned(placed.port.external_ids, systemId)) return null;
  const message =
    `port ${name} on bridge ${placed.bridge.name} exists and was not created by this agent: ` +
    `rename or delete it, the name is reserved`;
  return { code: "PORT_NOT_OWNED", object, field: "", message };
}
