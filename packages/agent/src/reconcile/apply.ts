// From the steps of a plan to the operations of one OVSDB transaction. Every step first makes sure,
// inside the transaction, that what it is about is still as the plan saw it: otherwise the whole
// transaction fails with a conflict. Decides nothing. Called by ovsdb-reconciler.ts.
import { OvsdbEncodeError } from "../ovsdb/errors.ts";
import type { NamedUuid } from "../ovsdb/named-uuid.ts";
import { type Mutation, Transaction } from "../ovsdb/transaction.ts";
import { VSWITCH_DATABASE, VSWITCH_TABLES, type VswitchTables } from "../ovsdb/vswitch.ts";
import type { OvsdbActual } from "../plan/actual.ts";
import type { PortRows, Step, UpdateRow } from "../plan/step.ts";

export interface BuiltTransaction {
  readonly transaction: Transaction<VswitchTables>;
  /** The step behind the operation with this index. */
  readonly stepOf: (opIndex: number) => Step | null;
}

type Tx = Transaction<VswitchTables>;

/** Every bridge that gets a port must exist or be created by an earlier step. `comment` goes into the server's log. */
export function buildTransaction(options: {
  readonly steps: readonly Step[];
  readonly actual: OvsdbActual;
  readonly rootUuid: string;
  readonly comment: string;
}): BuiltTransaction {
  const transaction: Tx = new Transaction({ database: VSWITCH_DATABASE, tables: VSWITCH_TABLES });
  const ends: number[] = [];
  const bridges = new Map<string, string | NamedUuid>();
  for (const bridge of options.actual.bridges.values()) bridges.set(bridge.name, bridge._uuid);
  // Names that an earlier step of this transaction frees.
  const freed = new Set<string>();
  for (const step of options.steps) {
    addStep({ tx: transaction, step, bridges, freed, rootUuid: options.rootUuid });
    ends.push(transaction.length);
  }
  transaction.comment(options.comment);
  return {
    transaction,
    stepOf: (opIndex) => options.steps[ends.findIndex((end) => opIndex < end)] ?? null,
  };
}

function addStep(context: {
  readonly tx: Tx;
  readonly step: Step;
  readonly bridges: Map<string, string | NamedUuid>;
  readonly freed: Set<string>;
  readonly rootUuid: string;
}): void {
  const { tx, step, bridges, freed, rootUuid } = context;
  switch (step.kind) {
    case "create-bridge": {
      tx.wait("Bridge", [["name", "==", step.name]], [{ name: step.name }], "!=");
      const port = insertPort(tx, step.local);
      const bridge = tx.insert("Bridge", { ...step.bridge, ports: [port] });
      tx.mutate("Open_vSwitch", rootUuid, [["bridges", "insert", [bridge]]]);
      bridges.set(step.name, bridge);
      return;
    }
    case "create-port": {
      const bridge = bridges.get(step.bridge);
      if (bridge === undefined) {
        throw new OvsdbEncodeError(`no bridge ${step.bridge} for port ${step.name}`);
      }
      if (!freed.has(step.name)) {
        tx.wait("Port", [["name", "==", step.name]], [{ name: step.name }], "!=");
      }
      const port = insertPort(tx, step.rows);
      tx.mutate("Bridge", bridge, [["ports", "insert", [port]]]);
      return;
    }
    case "delete-port":
      tx.wait("Port", step.uuid, [{ external_ids: step.seen }]);
      // Ports and interfaces are garbage collected once nothing refers to them.
      tx.mutate("Bridge", step.bridgeUuid, [["ports", "delete", [step.uuid]]]);
      freed.add(step.name);
      return;
    case "delete-bridge":
      tx.wait("Bridge", step.uuid, [{ external_ids: step.seen }]);
      tx.mutate("Open_vSwitch", rootUuid, [["bridges", "delete", [step.uuid]]]);
      return;
    case "update-row":
      addUpdate(tx, step);
      return;
  }
}

function insertPort(tx: Tx, rows: PortRows): NamedUuid {
  const iface = tx.insert("Interface", rows.iface);
  return tx.insert("Port", { ...rows.port, interfaces: [iface] });
}

/** The three tables have `external_ids` in common; which columns a step names, its planner knows. */
function addUpdate(tx: Tx, step: UpdateRow): void {
  const table = step.table as "Interface";
  tx.wait(table, step.uuid, [{ external_ids: step.seen }]);
  if (Object.keys(step.set).length > 0) {
    tx.update(table, step.uuid, step.set);
  }
  for (const [column, keys] of Object.entries(step.keys)) {
    // `insert` does not replace the value of a present key, so it goes first.
    const mutations: unknown[] = [[column, "delete", [...keys.keys()]]];
    const set = [...keys].filter(([, value]) => value !== null);
    if (set.length > 0) mutations.push([column, "insert", new Map(set)]);
    tx.mutate(table, step.uuid, mutations as Mutation<VswitchTables, "Interface">[]);
  }
}
