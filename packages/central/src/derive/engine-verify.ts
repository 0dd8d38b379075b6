// Whether what the engine keeps is what the rows give: every key derived again and compared, births, index groups and pairs counted.
// It holds no second copy and changes nothing. Called by engine.ts, which runs it in slices between applies.

import {
  type DerivedState,
  type EngineState,
  type Node,
  pairsOf,
  rowsOf,
  sameValue,
  type TableState,
} from "./engine-state.ts";
import type { Pairs, RowReader } from "./spec.ts";

/** A derived key whose value is not what a derivation from the rows gives. */
export interface Difference {
  readonly table: string;
  readonly key: string;
  readonly problem: string;
}

export interface VerifyOptions {
  readonly state: EngineState;
  readonly rows: RowReader;
  readonly pairs: Pairs;
  /** The value of a key anew, without a dependency. */
  readonly derive: (node: Node) => unknown;
  /** False once an apply ran in between: sums over whole tables are then not compared. */
  readonly undisturbed: () => boolean;
}

/** One step a key or a row; a step that found nothing answers undefined. */
export function* verifySteps(options: VerifyOptions): Generator<Difference | undefined> {
  const { state, rows, derive, undisturbed } = options;
  for (const table of state.derived) yield* verifyValues(table, derive);
  let pairs = 0;
  for (const table of state.tables.values()) {
    yield* verifyProjections(table, rows, undisturbed);
    pairs += yield* verifyPairs(table, rows, options.pairs);
  }
  if (!undisturbed() || pairs === options.pairs.count) return;
  yield { table: "pairs", key: "*", problem: `there are ${options.pairs.count}, not ${pairs}` };
}

function* verifyValues(
  table: DerivedState,
  derive: VerifyOptions["derive"],
): Generator<Difference | undefined> {
  for (const node of table.nodes.values()) {
    const same = sameValue(table, derive(node), node.value);
    yield same ? undefined : differs(table, node.key, "its value is not what the rows give");
  }
}

/** Every row has given birth to its pairs; answers how many. */
function* verifyPairs(
  table: TableState,
  rows: RowReader,
  held: Pairs,
): Generator<Difference | undefined, number> {
  let count = 0;
  if (table.pairs.length === 0) return count;
  for (const [id, row] of rowsOf(table, rows)) {
    const all = table.pairs.flatMap((pairs) => pairs(id, row));
    count += all.length;
    const lost = all.find(([first, second]) => !held.has(first, second));
    yield lost && differs(table, id, `the pair ${lost.join(" ")} is missing`);
  }
  return count;
}

/** Every row has given birth to its keys; every row stands in its groups, and nothing else does. */
function* verifyProjections(
  table: TableState,
  rows: RowReader,
  undisturbed: () => boolean,
): Generator<Difference | undefined> {
  const entries = table.indexes.map(() => 0);
  for (const [id, row] of rowsOf(table, rows)) {
    let missing: string | undefined;
    for (const { into, keys } of table.feeds) {
      const lacking = keys(id, row).find((key) => !into.nodes.has(key));
      if (lacking !== undefined) missing = `${into.name} lacks its key ${lacking}`;
    }
    table.indexes.forEach((index, at) => {
      for (const [group, member] of pairsOf(index, id, row)) {
        entries[at] = (entries[at] ?? 0) + 1;
        if (!index.groups.has(group, member)) missing = `it is missing in the group ${group}`;
      }
    });
    yield missing === undefined ? undefined : differs(table, id, missing);
  }
  if (!undisturbed()) return;
  for (const [at, index] of table.indexes.entries()) {
    if (index.groups.entries === entries[at]) continue;
    yield differs(table, "*", `an index has ${index.groups.entries} entries, not ${entries[at]}`);
  }
}

function differs(table: TableState, key: string, problem: string): Difference {
  return { table: table.name, key, problem };
}
