// NorthboundService: Apply, Get, List, Watch, History. Owns what a request means; the rules of objects are model/, the order of writes
// is store/transactor.ts. Registered by servers.ts.

import { status as Code } from "@grpc/grpc-js";
import {
  ApplyRequest,
  ApplyResponse,
  ChangeAction,
  Kind,
  WaitLevel,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type {
  Change,
  ChangeResult,
  GetRequest,
  GetResponse,
  HistoryRequest,
  HistoryResponse,
  ListRequest,
  ListResponse,
  NorthboundServiceServer,
  Object as ObjectMessage,
  ObjectRef,
  Realization,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type { PlanAction, PlanResult } from "../model/intents.ts";
import { projectOf, resolve } from "../model/references.ts";
import type { DurableTableName, Rows } from "../model/rows.ts";
import type { Model } from "../model/tables.ts";
import { lowerBound } from "../model/tables.ts";
import { runInSlices } from "../slices.ts";
import { decodeRow } from "../store/codec.ts";
import type { CommitAction } from "../store/commit-log.ts";
import type { Store } from "../store/store.ts";
import type { RunOutcome, Transactor } from "../store/transactor.ts";
import { actorOf, failStream, unaryMethod } from "./calls.ts";
import type { CallContext, CallTools } from "./calls.ts";
import { kindOf, tableOf, toIntents } from "./convert.ts";
import type { FieldFilter } from "./filters.ts";
import { fieldFilters, matches, pageToken, parsePageToken } from "./filters.ts";
import {
  defaultHistoryLimit,
  defaultPageSize,
  defaultWaitMs,
  maxChanges,
  maxCommentBytes,
  maxFilters,
  maxHistoryLimit,
  maxIdempotencyKeyBytes,
  maxPageSize,
  maxWaitMs,
} from "./limits.ts";
import type { Objects } from "./objects.ts";
import type { South } from "./south.ts";
import { invalid, Refused, refusedSet } from "./status.ts";
import type { WatchHub } from "./watch.ts";

export interface NorthboundOptions {
  readonly tools: CallTools;
  readonly model: Model;
  readonly store: Store;
  readonly transactor: Transactor;
  readonly objects: Objects;
  readonly south: South;
  readonly watches: WatchHub;
  /** Resolves when no revision is half visible. */
  readonly whole: () => Promise<void>;
}

type Row = Rows[DurableTableName];

/** Rows looked at between two yields, and results made into objects. */
const SLICE = 64;

const planActions: Readonly<Record<PlanAction, ChangeAction>> = {
  created: ChangeAction.CREATED,
  updated: ChangeAction.UPDATED,
  unchanged: ChangeAction.UNCHANGED,
  deleted: ChangeAction.DELETED,
};

export function northboundService(options: NorthboundOptions): NorthboundServiceServer {
  const northbound = new Northbound(options);
  const { tools } = options;
  return {
    apply: unaryMethod(
      tools,
      "Apply",
      (request: ApplyRequest, context) => northbound.apply(request, context),
      (request) => waitMsOf(request.waitTimeoutMs),
    ),
    get: unaryMethod(tools, "Get", (request: GetRequest) => northbound.get(request)),
    list: unaryMethod(tools, "List", (request: ListRequest) => northbound.list(request)),
    history: unaryMethod(tools, "History", (request: HistoryRequest) =>
      northbound.history(request),
    ),
    watch: (call) => {
      const serve = async (): Promise<void> => {
        actorOf(call);
        await options.watches.serve(call);
      };
      void serve().then(
        () => call.end(),
        (error: unknown) => failStream(tools, "Watch", call, error),
      );
    },
  };
}

/** Waits of a caller: absent = the default, capped. */
export function waitMsOf(asked: number): number {
  return Math.min(asked === 0 ? defaultWaitMs : asked, maxWaitMs);
}

/** What an idempotency key keeps of a set: the answer without objects' states. */
export function encodeOutcome(objects: Objects, { revision, results }: RunOutcome): Uint8Array {
  const response: ApplyResponse = {
    revision,
    results: results.map(({ action, table, row }) => ({
      action: planActions[action],
      object: objects.pastObject(table, row),
    })),
    realization: undefined,
  };
  return ApplyResponse.encode(response).finish();
}

class Northbound {
  readonly #options: NorthboundOptions;

  constructor(options: NorthboundOptions) {
    this.#options = options;
  }

  async apply(request: ApplyRequest, { actor, signal }: CallContext): Promise<ApplyResponse> {
    checkApply(request);
    const { transactor } = this.#options;
    const { intents, problems } = await runInSlices(toIntents(request.changes));
    if (problems.length > 0) throw refusedSet(problems, problems.length);
    const answer = await transactor.run(
      {
        actor,
        comment: request.comment,
        dryRun: request.dryRun,
        expectedRevision: request.expectedRevision,
        idempotency:
          request.idempotencyKey === ""
            ? null
            : { key: request.idempotencyKey, body: () => repeatableBody(request) },
      },
      () => intents,
    );
    if (answer.kind === "refused") throw refusedSet(answer.problems, answer.count);
    const response: ApplyResponse =
      answer.kind === "replayed"
        ? ApplyResponse.decode(answer.outcome)
        : {
            revision: answer.outcome.revision,
            results: await runInSlices(this.#results(answer.outcome.results)),
            realization: undefined,
          };
    if (request.wait === WaitLevel.REALIZED && !request.dryRun) {
      response.realization = await this.#realized(response.revision, request, signal);
    }
    return response;
  }

  async get({ ref, atRevision }: GetRequest): Promise<GetResponse> {
    const { model, objects, whole } = this.#options;
    await whole();
    const table = tableOfRef(ref, "ref");
    const row = resolve(model, table, ref?.id ?? "", ref?.project ?? "");
    if (atRevision !== 0n) return this.#getAt(table, row?.id ?? ref?.id ?? "", atRevision);
    if (row === undefined) throw notFound(table, ref);
    return { object: objects.object(table, row), revision: model.revision };
  }

  /** By id, or by the name that the object has now. */
  async #getAt(table: DurableTableName, id: string, revision: bigint): Promise<GetResponse> {
    const { store, objects } = this.#options;
    this.#checkRevision(revision);
    const body = await store.getAt({ kind: table, id, revision });
    if (body === null) {
      const text = `there was no ${table} "${id}" at revision ${revision}: name it by its id`;
      throw new Refused(Code.NOT_FOUND, text);
    }
    return { object: objects.pastObject(table, decodeRow(table, body)), revision };
  }

  async list(request: ListRequest): Promise<ListResponse> {
    const { model, whole } = this.#options;
    await whole();
    const table = tableOf(request.kind);
    if (table === undefined) throw invalid("kind", `kind ${request.kind} is not known: give one`);
    if (request.pageSize > maxPageSize) {
      throw invalid("page_size", `${request.pageSize} is more than ${maxPageSize}`);
    }
    const filterCount = Object.keys(request.labels).length + Object.keys(request.fields).length;
    if (filterCount > maxFilters) throw invalid("fields", `more than ${maxFilters} filters`);
    const plan: ListPlan = {
      table,
      project: table === "chassis" ? "" : request.project,
      labels: Object.entries(request.labels),
      fields: fieldFilters(model, table, request.project, request.fields),
      size: request.pageSize === 0 ? defaultPageSize : request.pageSize,
      after: parsePageToken(request.pageToken),
    };
    if (request.atRevision !== 0n) return this.#listAt(plan, request.atRevision);
    const revision = model.revision;
    const { objects, next } = await runInSlices(this.#page(plan));
    return { objects, nextPageToken: next === null ? "" : pageToken(next), revision };
  }

  async history({ ref, limit, beforeRevision }: HistoryRequest): Promise<HistoryResponse> {
    const { model, store, objects } = this.#options;
    if (limit > maxHistoryLimit) throw invalid("limit", `${limit} is more than ${maxHistoryLimit}`);
    const table = ref === undefined ? undefined : tableOfRef(ref, "ref");
    const id =
      table === undefined
        ? ""
        : (resolve(model, table, ref?.id ?? "", ref?.project ?? "")?.id ?? ref?.id ?? "");
    const page = await store.history({
      object: table === undefined ? null : { kind: table, id },
      limit: limit === 0 ? defaultHistoryLimit : limit,
      // Above everything there is, and perhaps above what the store can be asked for.
      beforeRevision:
        beforeRevision === 0n || beforeRevision > model.revision ? null : beforeRevision,
    });
    const actions: Readonly<Record<CommitAction, ChangeAction>> = planActions;
    return {
      entries: page.items.map((item) => ({
        revision: item.revision,
        at: new Date(item.atMs),
        actor: item.actor,
        comment: item.comment,
        action: actions[item.action],
        kind: kindOf[item.kind],
        id: item.id,
        object:
          item.action === "deleted"
            ? undefined
            : objects.pastObject(item.kind, decodeRow(item.kind, item.body)),
      })),
      oldestRevision: page.oldestRevision,
    };
  }

  *#results(results: readonly PlanResult[]): Generator<void, ChangeResult[]> {
    const { model, objects } = this.#options;
    const made: ChangeResult[] = [];
    for (const [index, { action, table, row }] of results.entries()) {
      // A dry run's rows are not in the model, a deleted one's no more.
      const isCurrent = model.get(table, row.id) === row;
      const object = isCurrent ? objects.object(table, row) : objects.pastObject(table, row);
      made.push({ action: planActions[action], object });
      if (index % SLICE === SLICE - 1) yield;
    }
    return made;
  }

  async #realized(
    revision: bigint,
    request: ApplyRequest,
    signal: AbortSignal,
  ): Promise<Realization> {
    const timeoutMs = waitMsOf(request.waitTimeoutMs);
    return this.#options.south.realized({ revision, timeoutMs, signal });
  }

  *#page(plan: ListPlan): Generator<void, { objects: ObjectMessage[]; next: string | null }> {
    const { model, objects } = this.#options;
    const found: ObjectMessage[] = [];
    const candidates = this.#candidates(plan);
    let after = plan.after;
    for (let count = 1; ; count++) {
      // Looked up anew each time: ids may have come and gone during a pause.
      const ids = candidates ?? model.sortedIds(plan.table);
      const id = ids[after === "" ? 0 : lowerBound(ids, `${after}\0`)];
      if (id === undefined) return { objects: found, next: null };
      const row = model.get(plan.table, id);
      if (row !== undefined && isInPlan(plan, row)) {
        const object = objects.object(plan.table, row);
        if (matches(object, plan.fields)) {
          if (found.length === plan.size) return { objects: found, next: after };
          found.push(object);
        }
      }
      after = id;
      if (count % SLICE === 0) yield;
    }
  }

  /** Ids of an index group when a filter names one, sorted; undefined = all. */
  #candidates({ table, fields }: ListPlan): readonly string[] | undefined {
    const index = table === "port" ? "portNetwork" : table === "subnet" ? "subnetNetwork" : null;
    const filter = fields.find(({ path }) => path === "spec.network");
    if (index === null || filter === undefined) return undefined;
    const { model } = this.#options;
    const ids = new Set<string>();
    for (const network of filter.values) {
      for (const id of model.members(index, network)) ids.add(id);
    }
    return [...ids].sort();
  }

  async #listAt(plan: ListPlan, revision: bigint): Promise<ListResponse> {
    const { store, objects } = this.#options;
    this.#checkRevision(revision);
    const found: ObjectMessage[] = [];
    let after = plan.after;
    for (;;) {
      const limit = defaultPageSize;
      const bodies = await store.listAt({ kind: plan.table, revision, after, limit });
      for (const body of bodies) {
        const row = decodeRow(plan.table, body);
        const object = isInPlan(plan, row) ? objects.pastObject(plan.table, row) : undefined;
        if (object !== undefined && matches(object, plan.fields)) {
          if (found.length === plan.size) {
            return { objects: found, nextPageToken: pageToken(after), revision };
          }
          found.push(object);
        }
        after = row.id;
      }
      if (bodies.length < limit) return { objects: found, nextPageToken: "", revision };
    }
  }

  #checkRevision(revision: bigint): void {
    const current = this.#options.model.revision;
    if (revision <= current) return;
    const text = `revision ${revision} is not there yet: the store is at ${current}`;
    throw new Refused(Code.OUT_OF_RANGE, text);
  }
}

interface ListPlan {
  readonly table: DurableTableName;
  /** Empty = all. */
  readonly project: string;
  readonly labels: readonly (readonly [string, string])[];
  readonly fields: readonly FieldFilter[];
  readonly size: number;
  readonly after: string;
}

function isInPlan({ project, labels }: ListPlan, row: Row): boolean {
  if (project !== "" && row.project !== project) return false;
  return labels.every(([key, value]) => row.labels[key] === value);
}

function checkApply(request: ApplyRequest): void {
  const { changes, idempotencyKey, comment, wait } = request;
  if (changes.length > maxChanges) {
    throw invalid("changes", `${changes.length} changes, at most ${maxChanges}: split the set`);
  }
  if (Buffer.byteLength(idempotencyKey) > maxIdempotencyKeyBytes) {
    throw invalid("idempotency_key", `more than ${maxIdempotencyKeyBytes} bytes`);
  }
  if (Buffer.byteLength(comment) > maxCommentBytes) {
    throw invalid("comment", `more than ${maxCommentBytes} bytes`);
  }
  if (wait < WaitLevel.UNSPECIFIED || wait > WaitLevel.REALIZED) {
    throw invalid("wait", `value ${wait} is not known: give COMMITTED or REALIZED`);
  }
}

/** What must be equal when a key comes again: everything but how the caller waits. */
function repeatableBody(request: ApplyRequest): Uint8Array {
  return ApplyRequest.encode({
    ...request,
    changes: request.changes.map(withSortedLabels),
    idempotencyKey: "",
    wait: WaitLevel.UNSPECIFIED,
    waitTimeoutMs: 0,
  }).finish();
}

/** Maps have no order on the wire. */
function withSortedLabels(change: Change): Change {
  if (change.change?.$case !== "upsert") return change;
  const meta = change.change.value.object?.value.meta;
  if (meta === undefined) return change;
  const labels = Object.fromEntries(
    Object.entries(meta.labels).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  const object = structuredClone(change.change.value);
  if (object.object?.value.meta !== undefined) object.object.value.meta.labels = labels;
  return { change: { $case: "upsert", value: object } };
}

export function tableOfRef(ref: ObjectRef | undefined, field: string): DurableTableName {
  const kind = ref?.kind ?? Kind.UNSPECIFIED;
  const table = tableOf(kind);
  if (table === undefined) throw invalid(`${field}.kind`, `kind ${kind} is not known: give one`);
  return table;
}

export function notFound(
  table: DurableTableName,
  ref: { id: string; project: string } | undefined,
): Refused {
  const project = projectOf(table, ref?.project ?? "");
  const where = project === "" ? "" : ` in project ${project}`;
  const text = `there is no ${table} "${ref?.id ?? ""}"${where}: check the id, or the name and its project`;
  return new Refused(Code.NOT_FOUND, text);
}
