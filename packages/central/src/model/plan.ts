// Plans a change set: from what callers want to rows, with every problem named and everything allocated. Works on the head tables
// directly and puts them back when the set is refused. Pure: time, ids and randomness come in. Called by store/transactor.ts only.
//
//   identify -> deletes -> static parts, what is referred to first -> dynamic addresses of ports, of router interfaces
//            -> links, routes, policies, leaks -> checks of the whole
//
// The order of changes inside a set has no meaning. It is a generator that yields after each change, so that a set of any size can be
// run in slices; nobody else may touch the tables meanwhile.

import type { Diagnostic } from "@weft/shared/diagnostics.ts";
import type { AllocationDraft, Allocator } from "../ipam/allocator.ts";
import { nameGroup, nameIndex } from "./indexes.ts";
import type { ChangeIntent, DurableRow, PlanAction, PlanResult, UpsertIntent } from "./intents.ts";
import { rulesOf } from "./kinds.ts";
import type { Draft } from "./kinds.ts";
import { allocateAddresses } from "./plan-addresses.ts";
import { ObjectProblems, Problems } from "./problems.ts";
import { describeObject, projectOf, resolve } from "./references.ts";
import type {
  ChassisRow,
  DurableTableName,
  PortRow,
  RowChange,
  RouterInterfaceRow,
} from "./rows.ts";
import type { Tables } from "./tables.ts";
import { Users } from "./users.ts";
import { clip, completeMeta } from "./validate-meta.ts";
import { Whole } from "./whole.ts";

export interface PlanContext {
  readonly tables: Tables;
  readonly allocator: Allocator;
  /** Revision that the set will have. */
  readonly revision: bigint;
  readonly nowMs: number;
  readonly newId: () => string;
  /** Why a chassis cannot be deleted now, with the way out; undefined = it can. */
  readonly chassisInUse: (id: string) => string | undefined;
}

/** The tables hold its changes; undoPlan takes them out again. */
export interface Plan {
  readonly results: readonly PlanResult[];
  /** Empty = the set changes nothing. */
  readonly changes: readonly RowChange[];
  readonly draft: AllocationDraft;
}

export type PlanOutcome =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly problems: readonly Diagnostic[]; readonly count: number };

/** One change of the set on its way. */
interface Item {
  readonly intent: ChangeIntent;
  readonly table: DurableTableName;
  readonly id: string;
  readonly before: DurableRow | undefined;
  readonly problems: ObjectProblems;
  after: DurableRow | undefined;
  draft: Draft | undefined;
}

/** The kinds whose rows have addresses of their own, in the order in which they draw dynamic ones. */
const addressed: readonly DurableTableName[] = ["port", "router-interface"];
/** What refers to others comes after them. */
const firstKinds: readonly DurableTableName[] = [
  "chassis",
  "network",
  "subnet",
  "router",
  "router-interface",
  "port",
];
const lastKinds: readonly DurableTableName[] = [
  "router-link",
  "route",
  "policy-route",
  "route-leak",
];

export function* planChanges(
  context: PlanContext,
  intents: readonly ChangeIntent[],
): Generator<void, PlanOutcome> {
  const problems = new Problems();
  const draft = context.allocator.begin({ atMs: context.nowMs, revision: context.revision });
  const items: Item[] = [];
  const planning = new Planning({ context, draft, items });
  const seen = new Map<string, string>();
  for (const intent of intents) {
    const item = identify(context, intent, problems, seen);
    if (item !== undefined) items.push(item);
    yield;
  }
  for (const step of planning.steps()) {
    for (const item of items) {
      step(item);
      yield;
    }
  }
  const results: PlanResult[] = [];
  const changes: RowChange[] = [];
  for (const item of items) {
    results.push(resultOf(item));
    const change = changeOf(item);
    if (change !== undefined) changes.push(change);
    yield;
  }
  const plan: Plan = { results, changes, draft };
  if (problems.count === 0) return { ok: true, plan };
  yield* undoPlan(context, plan);
  yield* planning.undoIncomplete();
  return { ok: false, problems: problems.kept, count: problems.count };
}

/** Puts the tables back to what they were before the plan. */
export function* undoPlan(
  context: Pick<PlanContext, "tables" | "allocator">,
  plan: Plan,
): Generator<void, void> {
  for (const { table, id, before } of plan.changes.toReversed()) {
    context.tables.put(table, id, before);
    yield;
  }
  context.allocator.drop(plan.draft);
}

/** Finds the object that a change is about. */
function identify(
  context: PlanContext,
  intent: ChangeIntent,
  all: Problems,
  seen: Map<string, string>,
): Item | undefined {
  const { tables } = context;
  const found = findBefore(tables, intent);
  const name = found === undefined ? namedBy(intent) : describeObject(intent.table, found);
  const problems = new ObjectProblems({ all, object: name, at: intent.at });
  if (intent.action === "delete" && found === undefined) {
    const text = `there is no ${intent.table} "${clip(intent.ref)}": check the id, or the name and its project`;
    problems.add("NOT_FOUND", "id", text);
    return undefined;
  }
  const id = found?.id ?? newIdOf(context, intent);
  const twin =
    seen.get(`${intent.table} ${id}`) ??
    (found === undefined ? seen.get(`${intent.table} name ${name}`) : undefined);
  if (twin !== undefined) {
    problems.add("DUPLICATE_CHANGE", "", `the object is changed twice in the set, also by ${twin}`);
    return undefined;
  }
  seen.set(`${intent.table} ${id}`, intent.at);
  if (found === undefined) seen.set(`${intent.table} name ${name}`, intent.at);
  return {
    intent,
    table: intent.table,
    id,
    before: found,
    problems,
    after: found,
    draft: undefined,
  };
}

function findBefore(tables: Tables, intent: ChangeIntent): DurableRow | undefined {
  if (intent.action === "edit") return tables.get(intent.table, intent.id);
  if (intent.action === "delete") return resolve(tables, intent.table, intent.ref, intent.project);
  const { id, project, name } = intent.meta;
  if (id !== "") return tables.get(intent.table, id);
  if (name === "") return undefined;
  const group = nameGroup(projectOf(intent.table, project), name);
  const named = tables.first(nameIndex(intent.table), group);
  return named === undefined ? undefined : tables.get(intent.table, named);
}

function namedBy(intent: ChangeIntent): string {
  if (intent.action === "upsert") {
    const { id, project, name } = intent.meta;
    const text = clip(name === "" ? id : name);
    if (text === "") return `${intent.table} at ${intent.at}`;
    return describeObject(intent.table, {
      id: text,
      name: text,
      project: projectOf(intent.table, clip(project)),
    });
  }
  return `${intent.table} ${clip(intent.action === "edit" ? intent.id : intent.ref)}`;
}

function newIdOf(context: PlanContext, intent: ChangeIntent): string {
  if (intent.action === "edit") return intent.id;
  if (intent.action === "upsert" && intent.meta.id !== "") return intent.meta.id;
  return context.newId();
}

class Planning {
  readonly #context: PlanContext;
  readonly #draft: AllocationDraft;
  readonly #items: readonly Item[];
  #whole: Whole | undefined;

  constructor(options: { context: PlanContext; draft: AllocationDraft; items: readonly Item[] }) {
    this.#context = options.context;
    this.#draft = options.draft;
    this.#items = options.items;
  }

  /** Each step is run over all changes before the next one begins. */
  steps(): readonly ((item: Item) => void)[] {
    const only =
      (table: DurableTableName, step: (item: Item) => void) =>
      (item: Item): void => {
        if (item.table === table && item.intent.action !== "delete") step(item);
      };
    const complete = (table: DurableTableName) => only(table, (item) => this.#complete(item));
    const present = new Set(this.#items.map(({ table }) => table));
    return [
      (item) => this.#delete(item),
      ...firstKinds.filter((table) => present.has(table)).map(complete),
      (item) => this.#releaseDeleted(item),
      ...addressed
        .filter((table) => present.has(table))
        .map((table) => only(table, (item) => this.#allocate(item))),
      ...lastKinds.filter((table) => present.has(table)).map(complete),
      (item) => this.#check(item),
    ];
  }

  /** Takes out what a refused set left in the tables beyond its changes. */
  *undoIncomplete(): Generator<void, void> {
    for (const item of this.#items) {
      this.#put(item, item.before);
      yield;
    }
  }

  #delete(item: Item): void {
    const { intent, before } = item;
    if (intent.action !== "delete" || before === undefined) return;
    this.#put(item, undefined);
    if (item.table === "chassis") {
      const reason = this.#context.chassisInUse(item.id);
      if (reason !== undefined) item.problems.add("IN_USE", "", reason);
    }
    const { keySpace } = rulesOf(item.table);
    if (keySpace !== null) {
      this.#context.allocator.releaseKey(this.#draft, keySpace, (before as { key: number }).key);
    }
  }

  /** Only now subnets are what they will be: what is drawn from them comes from their new ranges. */
  #releaseDeleted(item: Item): void {
    if (item.intent.action === "delete") this.#releaseAddresses(item.before, new Set());
  }

  /** Addresses that a row had and that are not among the kept ones. */
  #releaseAddresses(before: DurableRow | undefined, kept: ReadonlySet<string>): void {
    if (before === undefined || !("fixedIps" in before)) return;
    const { allocator, tables } = this.#context;
    for (const { subnet, ip } of before.fixedIps) {
      const row = kept.has(ip) ? undefined : tables.get("subnet", subnet);
      if (row !== undefined) allocator.releaseAddress(this.#draft, row, ip);
    }
  }

  #complete(item: Item): void {
    const draft = item.intent.action === "edit" ? this.#edit(item) : this.#upsert(item);
    if (draft === undefined) return;
    const { row } = draft;
    if (row.id !== item.id) throw new Error(`planned ${row.id} instead of ${item.id}`);
    item.draft = draft;
    this.#put(item, this.#withKey(item, row));
  }

  #edit(item: Item): Draft | undefined {
    const { intent } = item;
    if (intent.action !== "edit") return undefined;
    const row =
      intent.table === "port"
        ? intent.change(item.before as PortRow | undefined)
        : intent.change(item.before as ChassisRow | undefined);
    if (row === undefined) {
      item.problems.add("NOT_FOUND", "", `there is no ${intent.table} ${intent.id}`);
      return undefined;
    }
    const { revision, nowMs } = this.#context;
    const createdAtMs = item.before?.createdAtMs ?? nowMs;
    const complete: DurableRow = { ...row, revision, createdAtMs, updatedAtMs: nowMs };
    return "fixedIps" in complete ? { row: complete, slots: complete.fixedIps } : { row: complete };
  }

  #upsert(item: Item): Draft | undefined {
    const intent = item.intent as UpsertIntent;
    const { tables, revision, nowMs } = this.#context;
    const { table, problems, before } = item;
    const metaContext = { table, revision, nowMs, newId: () => item.id };
    const meta = completeMeta(intent.meta, before, metaContext, problems);
    return rulesOf(table).complete({ tables, meta, spec: intent.spec, before, problems });
  }

  /** Draws the key of a new row. */
  #withKey(item: Item, row: DurableRow): DurableRow {
    const { keySpace } = rulesOf(item.table);
    if (keySpace === null || !("key" in row) || row.key !== 0) return row;
    // A refused set is put back anyway: nothing is drawn for what is wrong already.
    if (item.problems.count > 0) return row;
    const key = this.#context.allocator.drawKey(this.#draft, keySpace);
    if (key !== undefined) return { ...row, key };
    item.problems.add(
      "EXHAUSTED",
      "",
      `no ${keySpace} key is left: delete ${item.table}s that are not needed, or wait until all agents have heard of those deleted`,
    );
    return row;
  }

  #allocate(item: Item): void {
    const { problems } = item;
    const slots = item.draft?.slots;
    if (slots === undefined || problems.count > 0) return;
    const { allocator, tables } = this.#context;
    const row = allocateAddresses({
      allocator,
      tables,
      slots,
      problems,
      draft: this.#draft,
      row: item.after as PortRow | RouterInterfaceRow,
    });
    this.#put(item, row);
    this.#releaseAddresses(item.before, new Set(row.fixedIps.map((fixed) => fixed.ip)));
  }

  #check(item: Item): void {
    const { tables } = this.#context;
    const { table, problems, after, before } = item;
    this.#whole ??= new Whole(tables, this.#items);
    if (item.intent.action === "delete" && before !== undefined) {
      const users = new Users(tables);
      rulesOf(table).addUsers(this.#whole, before, users);
      if (users.count === 0) return;
      const text = `in use by ${users.text}: delete them first or in the same set`;
      problems.add("IN_USE", "", text);
      return;
    }
    if (after === undefined) return;
    if (before !== undefined && isSame(before, after)) {
      this.#put(item, before);
      return;
    }
    this.#checkName(item, after);
    rulesOf(table).check({ whole: this.#whole, row: after, before, problems });
  }

  #checkName(item: Item, after: DurableRow): void {
    const { tables } = this.#context;
    const group = nameGroup(after.project, after.name);
    for (const id of tables.members(nameIndex(item.table), group)) {
      if (id === after.id) continue;
      const where = after.project === "" ? "" : ` in project ${after.project}`;
      const text = `the name "${after.name}" belongs to ${item.table} ${id}${where}: choose another, or name that id to change it`;
      item.problems.add("DUPLICATE_NAME", "meta.name", text);
      return;
    }
  }

  #put(item: Item, row: DurableRow | undefined): void {
    item.after = row;
    this.#context.tables.put(item.table, item.id, row);
  }
}

/** True when nothing but the time of the change differs. */
function isSame(before: DurableRow, after: DurableRow): boolean {
  const { revision: _r1, updatedAtMs: _u1, ...a } = before;
  const { revision: _r2, updatedAtMs: _u2, ...b } = after;
  const keys = Object.keys(a) as (keyof typeof a)[];
  return keys.every(
    (key) => a[key] === b[key] || JSON.stringify(a[key]) === JSON.stringify(b[key]),
  );
}

function actionOf(item: Item): PlanAction {
  if (item.after === undefined) return "deleted";
  if (item.before === undefined) return "created";
  return item.after === item.before ? "unchanged" : "updated";
}

function resultOf(item: Item): PlanResult {
  const row = item.after ?? item.before;
  if (row === undefined) {
    // Only in a set that is refused: a change that came to nothing.
    return { action: "unchanged", table: item.table, row: { id: item.id } as DurableRow };
  }
  return { action: actionOf(item), table: item.table, row };
}

function changeOf(item: Item): RowChange | undefined {
  if (item.after === item.before) return undefined;
  const { table, id, before, after } = item;
  return { table, id, before, after } as RowChange;
}
