// What the OVSDB reconciler reports: one state per desired object, with the reason when it is not ok,
// and what was observed. Pure. Called by ovsdb-reconciler.ts.
import { bridgeObject } from "../plan/bridge.ts";
import type { OvsdbDesired } from "../plan/desired.ts";
import type { Observed, OwnPort } from "../plan/interfaces.ts";
import { providerObject } from "../plan/provider.ts";
import type { PartialPlan } from "../plan/step.ts";
import { tunnelObject } from "../plan/tunnels.ts";

/** pending = under way, or waits for ovs-vswitchd; failed = needs somebody, see the reason. */
export type ObjectState = "ok" | "pending" | "failed";

export interface ObjectStatus {
  /** "bridge br-int", "tunnel geneve", "provider physnet1". */
  readonly object: string;
  readonly state: ObjectState;
  /** Null when ok. */
  readonly reason: string | null;
}

export interface OvsdbStatus {
  /** The replica shows the present content of the database. */
  readonly connected: boolean;
  /** Steps of the present plan, committed or not yet. Zero = the database is as desired. */
  readonly openSteps: number;
  /** Connected, no open step, every object ok. */
  readonly converged: boolean;
  /** Ordered by object. */
  readonly objects: readonly ObjectStatus[];
  readonly observed: Observed;
  /** Why the last transaction failed; null after a success. */
  readonly lastError: string | null;
}

export function statusOf(input: {
  readonly connected: boolean;
  readonly desired: OvsdbDesired;
  readonly plan: PartialPlan;
  readonly observed: Observed;
  /** Objects that the server refused, with its reason. */
  readonly refused: ReadonlyMap<string, string>;
  readonly lastError: string | null;
}): OvsdbStatus {
  const { desired, plan, observed } = input;
  const states = new Map<string, ObjectStatus>();
  const put = (object: string, state: ObjectState, reason: string | null): void => {
    states.set(object, { object, state, reason });
  };
  const waits = "waits for ovs-vswitchd: is it running?";
  const putPort = (object: string, port: OwnPort | undefined): void => {
    if (port === undefined) put(object, "pending", "not created yet");
    else if (port.error !== null) put(object, "failed", `port ${port.name}: ${port.error}`);
    else if (port.ofport === null) put(object, "pending", `port ${port.name} ${waits}`);
    else put(object, "ok", null);
  };

  const bridge = bridgeObject(desired.bridge.name);
  if (observed.bridgeReady) put(bridge, "ok", null);
  else {
    const { name, datapathType } = desired.bridge;
    // It reports the failure to make a datapath in its log only (seen with 3.1).
    const why = `bridge ${name} ${waits} Can it make a ${datapathType} datapath? See its log`;
    put(bridge, "pending", why);
  }
  for (const { encap } of desired.tunnels) {
    putPort(
      tunnelObject(encap),
      observed.tunnels.find((tunnel) => tunnel.encap === encap),
    );
  }
  for (const { physicalNetwork } of desired.providers) {
    putPort(
      providerObject(physicalNetwork),
      observed.patches.find((patch) => patch.physicalNetwork === physicalNetwork),
    );
  }
  for (const step of plan.steps) put(step.object, "pending", "is being changed in OVSDB");
  for (const problem of plan.problems) put(problem.object, "failed", problem.message);
  for (const step of plan.steps) {
    const reason = input.refused.get(step.object);
    if (reason !== undefined) put(step.object, "failed", reason);
  }
  const objects = [...states.values()].sort((a, b) => (a.object < b.object ? -1 : 1));
  return {
    connected: input.connected,
    openSteps: plan.steps.length,
    converged:
      input.connected && plan.steps.length === 0 && objects.every(({ state }) => state === "ok"),
    objects,
    observed,
    lastError: input.lastError,
  };
}
