// One step of a plan, what it says about the object it serves, and its text for golden tests and logs.
// Steps are data: reconcile/apply.ts turns them into OVSDB operations. Pure.
import type { Diagnostic } from "@weft/shared/diagnostics.ts";
import { type Atom, sameValue, type Value } from "../ovsdb/notation.ts";
import type { VswitchRowInput } from "../ovsdb/vswitch.ts";

/** Columns to set as a whole. */
export type Columns = { readonly [column: string]: Value };
/** Per map column the keys to set (text) or to remove (null); other keys stay as they are. */
export type MapKeys = { readonly [column: string]: ReadonlyMap<string, string | null> };

export interface PortRows {
  readonly port: VswitchRowInput<"Port">;
  readonly iface: VswitchRowInput<"Interface">;
}

interface StepBase {
  /** What it is done for, for example `tunnel geneve`: the key of its status. */
  readonly object: string;
}

export interface CreateBridge extends StepBase {
  readonly kind: "create-bridge";
  readonly name: string;
  readonly bridge: VswitchRowInput<"Bridge">;
  /** The bridge's own internal port. */
  readonly local: PortRows;
}

export interface DeleteBridge extends StepBase {
  readonly kind: "delete-bridge";
  readonly name: string;
  readonly uuid: string;
  /** As it was seen: the step fails with a conflict when it is not so any more. */
  readonly seen: ReadonlyMap<string, string>;
}

export interface CreatePort extends StepBase {
  readonly kind: "create-port";
  readonly name: string;
  /** May be created by an earlier step. */
  readonly bridge: string;
  readonly rows: PortRows;
}

export interface DeletePort extends StepBase {
  readonly kind: "delete-port";
  readonly name: string;
  readonly bridge: string;
  readonly bridgeUuid: string;
  readonly uuid: string;
  readonly seen: ReadonlyMap<string, string>;
}

export interface UpdateRow extends StepBase {
  readonly kind: "update-row";
  readonly table: "Bridge" | "Port" | "Interface";
  readonly name: string;
  readonly uuid: string;
  readonly set: Columns;
  readonly keys: MapKeys;
  readonly seen: ReadonlyMap<string, string>;
}

export type Step = CreateBridge | DeleteBridge | CreatePort | DeletePort | UpdateRow;

/**
 * What stands in the way; `field` is the configuration field that would change it, or empty. Codes:
 * BRIDGE_NOT_OWNED, BRIDGE_IN_USE, BRIDGE_MISSING, PORT_NOT_OWNED, NO_ENCAP_IP, UNSUPPORTED_ENCAP,
 * DUPLICATE, DATAPATH_MISMATCH, PROVIDER_IS_INTEGRATION.
 */
export type Problem = Diagnostic;

export interface PartialPlan {
  readonly steps: readonly Step[];
  readonly problems: readonly Problem[];
}

type AnyRow = { readonly _uuid: string; readonly [column: string]: Value };

/**
 * The step that makes `row` have the wanted columns and map keys; none when it has them already.
 * `name` is what people call the row.
 */
export function updateStep(options: {
  readonly object: string;
  readonly table: UpdateRow["table"];
  readonly name: string;
  readonly row: { readonly _uuid: string; readonly external_ids: ReadonlyMap<string, string> };
  readonly set: Columns;
  readonly keys: MapKeys;
}): UpdateRow[] {
  const row = options.row as unknown as AnyRow;
  const set = Object.entries(options.set).filter(
    ([column, wanted]) => !sameValue(row[column] ?? null, wanted),
  );
  const keys = Object.entries(options.keys).flatMap(([column, wanted]) => {
    const present = row[column] as ReadonlyMap<string, string>;
    const differing = [...wanted].filter(([key, value]) => (present.get(key) ?? null) !== value);
    return differing.length === 0 ? [] : [[column, new Map(differing)] as const];
  });
  if (set.length === 0 && keys.length === 0) return [];
  return [
    {
      kind: "update-row",
      object: options.object,
      table: options.table,
      name: options.name,
      uuid: row._uuid,
      set: Object.fromEntries(set),
      keys: Object.fromEntries(keys),
      seen: options.row.external_ids,
    },
  ];
}

/** One line per step, a line per column below it. Columns in the order of their names. */
export function renderStep(step: Step): string {
  switch (step.kind) {
    case "create-bridge":
      return [
        `create bridge ${step.name}`,
        ...renderColumns("bridge", step.bridge),
        ...renderColumns("port", step.local.port),
        ...renderColumns("interface", step.local.iface),
      ].join("\n");
    case "delete-bridge":
      return `delete bridge ${step.name}`;
    case "create-port":
      return [
        `create port ${step.name} on ${step.bridge}`,
        ...renderColumns("port", step.rows.port),
        ...renderColumns("interface", step.rows.iface),
      ].join("\n");
    case "delete-port":
      return `delete port ${step.name} from ${step.bridge}`;
    case "update-row": {
      const keys = Object.entries(step.keys).flatMap(([column, map]) =>
        [...map].map(
          ([key, value]) => `  ${column}:${key} ${value === null ? "gone" : `= ${value}`}`,
        ),
      );
      return [
        `update ${step.table.toLowerCase()} ${step.name}`,
        ...renderColumns(null, step.set),
        ...keys.sort(),
      ].join("\n");
    }
  }
}

function renderColumns(
  prefix: string | null,
  columns: { readonly [c: string]: unknown },
): string[] {
  const lead = prefix === null ? "  " : `  ${prefix} `;
  return Object.entries(columns)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([column, value]) => `${lead}${column} = ${renderValue(value)}`);
}

function renderValue(value: unknown): string {
  if (value instanceof Map) {
    const pairs = [...(value as ReadonlyMap<string, string>)].map(([k, v]) => `${k}=${v}`);
    return `{${pairs.sort().join(", ")}}`;
  }
  if (Array.isArray(value)) return `[${value.map(String).join(", ")}]`;
  return value === null ? "none" : `${value as Atom}`;
}
