// Joins the OVSDB targets into one plan: ordered steps from what is there to what is desired, and what
// stands in the way. The same input gives the same plan; when nothing differs there are no steps. Pure.
// Called by reconcile/ovsdb-reconciler.ts.
import { ActualIndex, type OvsdbActual } from "./actual.ts";
import { bridgeProblem, planBridge } from "./bridge.ts";
import type { OvsdbDesired } from "./desired.ts";
import { planProviders } from "./provider.ts";
import { planPrune } from "./prune.ts";
import type { PartialPlan } from "./step.ts";
import { planTunnels } from "./tunnels.ts";

const NOTHING: PartialPlan = { steps: [], problems: [] };

export function planOvsdb(desired: OvsdbDesired, actual: OvsdbActual): PartialPlan {
  const index = new ActualIndex(actual);
  const bridge = planBridge(desired, index);
  const existing = index.bridge(desired.bridge.name);
  // Nothing is put on a bridge that we may not use; leftovers of ours elsewhere still go.
  const usable = existing === null || bridgeProblem(desired, existing) === null;
  const parts = [
    bridge,
    usable ? planTunnels(desired, index) : NOTHING,
    usable ? planProviders(desired, index) : NOTHING,
    desired.inSync ? planPrune(desired, index) : NOTHING,
  ];
  return {
    steps: parts.flatMap((part) => part.steps),
    problems: parts.flatMap((part) => part.problems),
  };
}
