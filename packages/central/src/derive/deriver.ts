// Derivation as central uses it: batches of rows in, changed instructions and subscriptions out. Joins the engine with its graph
// and keeps the result by scope. Pure: no I/O, no clock. Made by central.ts; read by distribute.

import { scopeOf } from "@weft/shared/instruction-digest.ts";
import type { Batch, RowChange } from "../model/rows.ts";
import { tableNames } from "../model/tables.ts";
import { Engine } from "./engine.ts";
import type { Difference } from "./engine-verify.ts";
import { graph } from "./graph.ts";
import { indexes } from "./indexes.ts";
import { type DerivedSubscription, Interest } from "./interest.ts";
import type { DerivedName, DerivedTable, Intermediates, RowReader, Segment } from "./spec.ts";
import { isRouted } from "./tables/claimed.ts";
import { subscription } from "./tables/subscription.ts";
import { concernsDerivation } from "./unread-fields.ts";

export interface DerivedInstruction {
  readonly scope: string;
  readonly key: string;
  /** Encoded InstructionBody; undefined = absent. */
  readonly before: Buffer | undefined;
  readonly body: Buffer | undefined;
}

/** What one batch changed. Each instruction and each (chassis, scope) at most once. */
export interface DerivedBatch {
  readonly revision: bigint;
  readonly instructions: readonly DerivedInstruction[];
  readonly subscriptions: readonly DerivedSubscription[];
}

export interface Deriver {
  /** The reader must already show the rows as they are after the batch. */
  apply(batch: Batch): DerivedBatch;
  /** As apply(), a step a row and a key that it derives. The reader must not change meanwhile, and no other apply may begin. */
  applySteps(batch: Batch): Generator<void, DerivedBatch>;
  /** Derives every key again in slices of `slice` steps and yields the differences of each slice. */
  verify(options: { slice: number }): Generator<readonly Difference[], void, void>;
  readonly interest: Pick<Interest, "instructions" | "scopes" | "audience" | "allScopes">;
  /** MTU of a network in bytes; undefined = no such network. */
  networkMtu(network: string): number | undefined;
  /** True when a port or a router of the network has the address (canonical text) as a fixed one. */
  isFixedIp(network: string, ip: string): boolean;
  /**
   * True when a router that is up has the address (canonical text) in a connected prefix on the network, an overlay: it asks ports
   * with port security off for it, and these may claim it.
   */
  isRouted(network: string, ip: string): boolean;
  readonly counts: {
    keys: number;
    edges: number;
    entries: number;
    byTable: Record<string, number>;
  };
}

const INTERMEDIATE: ReadonlySet<string> = new Set<keyof Intermediates>([
  "placement",
  "encap-mtu",
  "network-mtu",
  "segment",
  "routers-on",
  "leak",
  "leaked-network",
  "located",
  "open-network",
  "presence",
  "relayed",
  "claimed",
  "fences",
  "connected",
  "next-hop",
  "rule",
  "neighbour",
  "adjacent",
  "hosted",
  "reach",
  "hears",
]);

/** Derives everything that `rows` holds now; later changes come through apply(). */
export function createDeriver(options: {
  rows: RowReader;
  /** A key could not be derived and is absent. Default: throw, because rows are validated before they get here. */
  onError?: (table: string, key: string, error: unknown) => void;
}): Deriver {
  const interest = new Interest();
  let instructions: DerivedInstruction[] = [];
  /** What a first load derives is read from `interest`, not announced. */
  let loading = false;

  function onChange(table: DerivedName, key: string, before: unknown, after: unknown): void {
    if (INTERMEDIATE.has(table)) return;
    const scope = scopeOf(key);
    const body = after as Buffer | undefined;
    interest.setInstruction(scope, key, body);
    if (!loading) instructions.push({ scope, key, before: before as Buffer | undefined, body });
  }

  const engine = new Engine({
    rows: options.rows,
    tables: graph as unknown as readonly DerivedTable[],
    indexes,
    pairSources: subscription,
    pairs: interest,
    concerns: concernsDerivation,
    onChange,
    onError: options.onError ?? rethrow,
  });

  function* applySteps(batch: Batch): Generator<void, DerivedBatch> {
    yield* engine.applySteps(batch.changes);
    const subscriptions = interest.takeChanges();
    const derived = { revision: batch.revision, instructions, subscriptions };
    instructions = [];
    return derived;
  }

  function apply(batch: Batch): DerivedBatch {
    const steps = applySteps(batch);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  loading = true;
  engine.apply(allRows(options.rows));
  loading = false;
  interest.takeChanges();
  return {
    apply,
    applySteps,
    verify: ({ slice }) => engine.verify(slice),
    interest,
    networkMtu: (network) => engine.value("network-mtu", network) as number | undefined,
    isFixedIp: (network, ip) =>
      engine.count("portByFixedIp", `${network} ${ip}`) > 0 ||
      engine.count("interfaceByAddress", `${network} ${ip}`) > 0,
    isRouted: (id, ip) => {
      const network = options.rows.get("network", id);
      if (network === undefined) return false;
      return isRouted(network, ip, {
        members: (group) => engine.members("segmentByNetwork", group),
        segment: (key) => engine.value("segment", key) as Segment | undefined,
      });
    },
    get counts() {
      return engine.counts;
    },
  };
}

function rethrow(table: string, key: string, cause: unknown): never {
  throw new Error(`cannot derive ${table} ${key}`, { cause });
}

function* allRows(rows: RowReader): Generator<RowChange> {
  for (const table of tableNames) {
    for (const row of rows.values(table)) {
      yield { table, id: row.id, before: undefined, after: row } as RowChange;
    }
  }
}
