// From the OVSDB replica to what plans look at. The maps are the replica's own, not copies: a plan is
// computed at once and keeps none of them. Called by ovsdb-reconciler.ts.
import type { Replica } from "../ovsdb/replica.ts";
import type { VswitchTables } from "../ovsdb/vswitch.ts";
import type { OvsdbActual } from "../plan/actual.ts";

export function observeActual(replica: Replica<VswitchTables>): OvsdbActual {
  const [root] = replica.table("Open_vSwitch").values();
  return {
    root: root ?? null,
    bridges: replica.table("Bridge"),
    ports: replica.table("Port"),
    interfaces: replica.table("Interface"),
  };
}
