// NorthboundService: Get and List; Apply is apply.ts, Watch watch.ts, History history.ts. Owns what a request means; the rules of
// objects are model/. Registered by central.ts.

import { status as Code } from "@grpc/grpc-js";
import type { handleUnaryCall } from "@grpc/grpc-js";
import {
  Kind,
  NorthboundServiceService,
  Object as WeftObject,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type {
  GetRequest,
  GetResponse,
  HistoryRequest,
  HistoryResponse,
  ListRequest,
  ListResponse,
  NorthboundServiceServer,
  Object as ObjectMessage,
  ObjectRef,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { projectOf, resolve } from "../model/references.ts";
import type { DurableTableName, Rows } from "../model/rows.ts";
import type { Model } from "../model/tables.ts";
import { lowerBound } from "../model/tables.ts";
import { runInSlices } from "../slices.ts";
import { decodeRow } from "../store/codec.ts";
import type { Store } from "../store/store.ts";
import type { Transactor } from "../store/transactor.ts";
import { Apply } from "./apply.ts";
import { RequestBytes } from "./apply-wire.ts";
import { actorOf, failStream, unaryMethod } from "./calls.ts";
import type { CallTools } from "./calls.ts";
import { tableOf } from "./convert.ts";
import type { FieldFilter } from "./filters.ts";
import { fieldFilters, filterIndex, matches, pageToken, parsePageToken } from "./filters.ts";
import { readHistory } from "./history.ts";
import { defaultPageSize, maxFilters, maxPageSize } from "./limits.ts";
import type { Objects } from "./objects.ts";
import { Page } from "./page.ts";
import type { South } from "./south.ts";
import { invalid, Refused } from "./status.ts";
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

/** Rows looked at between two yields. */
const SLICE = 64;

/** The service as it is registered: Apply reads and writes bytes, which apply.ts decodes and encodes in slices. */
export const northboundDefinition = {
  ...NorthboundServiceService,
  apply: {
    ...NorthboundServiceService.apply,
    requestDeserialize: RequestBytes.from,
    responseSerialize: (bytes: Buffer): Buffer => bytes,
  },
};

type NorthboundHandlers = Pick<NorthboundServiceServer, "get" | "list" | "watch" | "history"> & {
  readonly apply: handleUnaryCall<RequestBytes, Buffer>;
};

/** For northboundDefinition. */
export function northboundService(options: NorthboundOptions): NorthboundHandlers {
  const northbound = new Northbound(options);
  const apply = new Apply(options);
  const { tools } = options;
  return {
    apply: unaryMethod(tools, "Apply", (request: RequestBytes, context) =>
      apply.run(request, context),
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

class Northbound {
  readonly #options: NorthboundOptions;

  constructor(options: NorthboundOptions) {
    this.#options = options;
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

  async history(request: HistoryRequest): Promise<HistoryResponse> {
    const { model, store, objects } = this.#options;
    const table = request.ref === undefined ? undefined : tableOfRef(request.ref, "ref");
    return readHistory({ model, store, objects, table }, request);
  }

  *#page(plan: ListPlan): Generator<void, { objects: ObjectMessage[]; next: string | null }> {
    const { model, objects } = this.#options;
    const page = new Page<ObjectMessage>({ limit: plan.size });
    const candidates = this.#candidates(plan);
    let after = plan.after;
    for (let count = 1; ; count++) {
      // Looked up anew each time: ids may have come and gone during a pause.
      const ids = candidates ?? model.sortedIds(plan.table);
      const id = ids[after === "" ? 0 : lowerBound(ids, `${after}\0`)];
      if (id === undefined) return { objects: page.items, next: null };
      const row = model.get(plan.table, id);
      if (row !== undefined && isInPlan(plan, row)) {
        const object = objects.object(plan.table, row);
        if (matches(object, plan.fields) && !page.offer(object, sizeOf(object))) {
          return { objects: page.items, next: after };
        }
      }
      after = id;
      if (count % SLICE === 0) yield;
    }
  }

  /** Ids of an index group when a filter names one, sorted; undefined = all. */
  #candidates({ table, fields }: ListPlan): readonly string[] | undefined {
    const { model } = this.#options;
    for (const { path, values } of fields) {
      const index = filterIndex(table, path);
      if (index === undefined) continue;
      const ids = new Set<string>();
      for (const value of values) for (const id of model.members(index, value)) ids.add(id);
      return [...ids].sort();
    }
    return undefined;
  }

  async #listAt(plan: ListPlan, revision: bigint): Promise<ListResponse> {
    const { store, objects } = this.#options;
    this.#checkRevision(revision);
    const page = new Page<ObjectMessage>({ limit: plan.size });
    let after = plan.after;
    for (;;) {
      const limit = defaultPageSize;
      const { bodies, more } = await store.listAt({ kind: plan.table, revision, after, limit });
      for (const body of bodies) {
        const row = decodeRow(plan.table, body);
        const object = isInPlan(plan, row) ? objects.pastObject(plan.table, row) : undefined;
        const isWanted = object !== undefined && matches(object, plan.fields);
        if (isWanted && !page.offer(object, sizeOf(object))) {
          return { objects: page.items, nextPageToken: pageToken(after), revision };
        }
        after = row.id;
      }
      if (!more) return { objects: page.items, nextPageToken: "", revision };
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

function sizeOf(object: ObjectMessage): number {
  return WeftObject.encode(object).finish().length;
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
