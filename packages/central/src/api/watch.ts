// Watch: one queue a watcher, fed by what the model publishes, written as fast as the stream takes it. Owns order, coalescing and
// bookmarks. Bounded: an object is queued once, and a watcher that is too far behind is told to start again.
//
// `revision` of an event is where to resume from: everything up to it was sent, so of several events of one revision only the last
// carries it.

import { status as Code } from "@grpc/grpc-js";
import type { ServerWritableStream } from "@grpc/grpc-js";
import { setImmediate } from "node:timers/promises";
import type { Clock, Timer } from "@weft/shared/clock.ts";
import { EventType } from "@weft/shared/gen/weft/v1/northbound.ts";
import type {
  Object as ObjectMessage,
  WatchRequest,
  WatchResponse,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type { Batch, DurableTableName, RowChange, Rows } from "../model/rows.ts";
import type { Model } from "../model/tables.ts";
import { durableTables, lowerBound } from "../model/tables.ts";
import { decodeRow } from "../store/codec.ts";
import type { CommitLog } from "../store/commit-log.ts";
import { tableOf } from "./convert.ts";
import { bookmarkIntervalMs, maxWatchers, maxWatchQueue } from "./limits.ts";
import type { Objects } from "./objects.ts";
import { invalid, Refused } from "./status.ts";

export interface WatchHubOptions {
  readonly model: Model;
  readonly log: CommitLog;
  readonly objects: Objects;
  readonly clock: Clock;
  /** Resolves when no revision is half visible. */
  readonly whole: () => Promise<void>;
}

type Stream = ServerWritableStream<WatchRequest, WatchResponse>;
type Row = Rows[DurableTableName];

interface Queued {
  readonly type: EventType;
  readonly table: DurableTableName;
  readonly row: Row;
  readonly revision: bigint;
}

const LOG_PAGE = 256;
/** Events written between two looks at the clock. */
const SLICE = 32;
const BUDGET_MS = 8;

/** All watchers, fed by one listener of the model. */
export class WatchHub implements Disposable {
  readonly #options: WatchHubOptions;
  readonly #watchers = new Set<Watcher>();
  readonly #unsubscribe: () => void;
  #timer: Timer | undefined;

  constructor(options: WatchHubOptions) {
    this.#options = options;
    this.#unsubscribe = options.model.onBatch((batch) => {
      for (const watcher of this.#watchers) watcher.published(batch);
    });
    this.#scheduleBookmarks();
  }

  get size(): number {
    return this.#watchers.size;
  }

  /** Serves one stream to its end. Rejects with what ended it. */
  async serve(call: Stream): Promise<void> {
    const request = readRequest(call.request);
    await this.#options.whole();
    if (this.#watchers.size >= maxWatchers) {
      const text = `${maxWatchers} watches are open already: close one first`;
      throw new Refused(Code.RESOURCE_EXHAUSTED, text);
    }
    const watcher = new Watcher(this.#options, call, request);
    this.#watchers.add(watcher);
    try {
      await watcher.run();
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    this.#timer?.cancel();
    for (const watcher of this.#watchers) {
      watcher.fail(new Refused(Code.UNAVAILABLE, "central is shutting down: resume elsewhere"));
    }
  }

  #scheduleBookmarks(): void {
    this.#timer = this.#options.clock.setTimer(bookmarkIntervalMs, () => {
      for (const watcher of this.#watchers) watcher.bookmark();
      this.#scheduleBookmarks();
    });
  }
}

interface WatchPlan {
  readonly tables: ReadonlySet<DurableTableName>;
  readonly project: string;
  readonly fromRevision: bigint;
  readonly includeStatus: boolean;
}

function readRequest(request: WatchRequest): WatchPlan {
  const tables = request.kinds.map((kind, index) => {
    const table = tableOf(kind);
    if (table === undefined) throw invalid(`kinds[${index}]`, `kind ${kind} is not known`);
    return table;
  });
  const { project, fromRevision, includeStatus } = request;
  const kinds = new Set(tables.length === 0 ? durableTables : tables);
  return { tables: kinds, project, fromRevision, includeStatus };
}

class Watcher {
  readonly #options: WatchHubOptions;
  readonly #call: Stream;
  readonly #plan: WatchPlan;
  /** Changes and, behind them, states: by object, in the order of their last change. */
  readonly #changes = new Map<string, Queued>();
  readonly #states = new Map<string, Queued>();
  readonly #ended = new AbortController();
  #wake: (() => void) | undefined;
  #failure: Error | undefined;
  /** Where the caller would resume. */
  #sent: bigint;
  #bookmarkDue = false;

  constructor(options: WatchHubOptions, call: Stream, plan: WatchPlan) {
    this.#options = options;
    this.#call = call;
    this.#plan = plan;
    this.#sent = plan.fromRevision;
    call.once("cancelled", () => this.fail(undefined));
    // It may have left while this waited for its turn.
    if (call.cancelled) this.fail(undefined);
    call.on("drain", () => this.#wake?.());
  }

  fail(error: Error | undefined): void {
    if (this.#ended.signal.aborted) return;
    this.#failure = error;
    this.#ended.abort();
    this.#wake?.();
  }

  bookmark(): void {
    this.#bookmarkDue = true;
    this.#wake?.();
  }

  published({ revision, changes }: Batch): void {
    for (const change of changes) this.#enqueue(revision, change);
    if (this.#changes.size + this.#states.size > maxWatchQueue) {
      const text = `the watch is more than ${maxWatchQueue} objects behind: start again from revision ${this.#sent}`;
      this.fail(new Refused(Code.RESOURCE_EXHAUSTED, text));
    }
    this.#wake?.();
  }

  /** Registered already: what is published from now on is queued. */
  async run(): Promise<void> {
    const { fromRevision } = this.#plan;
    const { model, log } = this.#options;
    const start = model.revision;
    if (fromRevision > start) {
      const text = `the store is at revision ${start}: resume from that or an earlier one`;
      throw new Refused(Code.OUT_OF_RANGE, text);
    }
    if (fromRevision === 0n) {
      await this.#sendCurrent();
      await this.#send({ type: EventType.BOOKMARK, object: undefined, revision: start });
    } else {
      for (let at = fromRevision; at < start && !this.#isOver(); ) {
        const commits = await log.read(at, LOG_PAGE);
        for (const commit of commits) {
          if (commit.revision > start) break;
          await this.#sendCommit(commit.revision, commit.entries);
          at = commit.revision;
        }
        if (commits.length === 0 || (commits.at(-1)?.revision ?? start) >= start) break;
      }
    }
    this.#sent = start;
    await this.#sendQueued();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #enqueue(revision: bigint, change: RowChange): void {
    const { model } = this.#options;
    switch (change.table) {
      case "binding":
        this.#enqueueState("port", model.get("port", change.id), revision);
        return;
      case "claim": {
        const port = (change.after ?? change.before)?.port ?? "";
        this.#enqueueState("port", model.get("port", port), revision);
        return;
      }
      case "liveness":
        this.#enqueueState("chassis", model.get("chassis", change.id), revision);
        return;
      case "network":
      case "subnet":
      case "port":
      case "chassis":
      case "router":
      case "router-interface":
      case "route":
      case "policy-route":
      case "router-link":
      case "route-leak": {
        const row = change.after ?? change.before;
        if (row === undefined || !this.#isWanted(change.table, row)) return;
        const key = `${change.table}/${change.id}`;
        const type = change.after === undefined ? EventType.DELETE : EventType.UPSERT;
        // To the end: events are in the order of revisions.
        this.#changes.delete(key);
        this.#states.delete(key);
        this.#changes.set(key, { type, table: change.table, row, revision });
      }
    }
  }

  #enqueueState(table: DurableTableName, row: Row | undefined, revision: bigint): void {
    if (row === undefined || !this.#plan.includeStatus || !this.#isWanted(table, row)) return;
    const key = `${table}/${row.id}`;
    // A change that waits will carry the state of the moment it is sent.
    if (!this.#changes.has(key)) {
      this.#states.set(key, { type: EventType.STATUS, table, row, revision });
    }
  }

  #isWanted(table: DurableTableName, row: Row): boolean {
    const { tables, project } = this.#plan;
    return tables.has(table) && (project === "" || table === "chassis" || row.project === project);
  }

  async #sendCurrent(): Promise<void> {
    const { model, objects } = this.#options;
    for (const table of durableTables) {
      if (!this.#plan.tables.has(table)) continue;
      let after = "";
      for (let count = 0; !this.#isOver(); count++) {
        // Looked up anew each time: the ids may have changed during a pause.
        const ids = model.sortedIds(table);
        const id = ids[lowerBound(ids, `${after}\0`)];
        if (id === undefined) break;
        after = id;
        const row = model.get(table, id);
        if (row !== undefined && this.#isWanted(table, row)) {
          // Not to be resumed from before the bookmark.
          const object = objects.object(table, row);
          await this.#send({ type: EventType.UPSERT, object, revision: 0n });
        }
        if (count % SLICE === SLICE - 1) await this.#yield();
      }
    }
  }

  async #sendCommit(
    revision: bigint,
    entries: Awaited<ReturnType<CommitLog["read"]>>[number]["entries"],
  ): Promise<void> {
    let last: WatchResponse | undefined;
    for (const [index, { kind, action, body }] of entries.entries()) {
      if (this.#isOver()) return;
      const row = decodeRow(kind, body);
      if (this.#isWanted(kind, row)) {
        if (last !== undefined) await this.#send({ ...last, revision: revision - 1n });
        const isDelete = action === "deleted";
        const type = isDelete ? EventType.DELETE : EventType.UPSERT;
        last = { type, object: this.#objectOf(kind, row, isDelete), revision };
      }
      if (index % SLICE === SLICE - 1) await this.#yield();
    }
    if (last !== undefined) await this.#send(last);
  }

  async #sendQueued(): Promise<void> {
    for (let count = 1; !this.#isOver(); count++) {
      const event = this.#next();
      if (event !== undefined) await this.#send(event);
      else await this.#pause();
      if (count % SLICE === 0) await this.#yield();
    }
  }

  #next(): WatchResponse | undefined {
    const queue = this.#changes.size > 0 ? this.#changes : this.#states;
    const [first] = queue;
    const { model } = this.#options;
    if (first === undefined) {
      const isDue = this.#bookmarkDue && this.#sent < model.revision;
      this.#bookmarkDue = false;
      if (!isDue) return undefined;
      this.#sent = model.revision;
      return { type: EventType.BOOKMARK, object: undefined, revision: this.#sent };
    }
    const [key, { type, table, row, revision }] = first;
    queue.delete(key);
    const object = this.#objectOf(table, row, type === EventType.DELETE);
    if (type === EventType.STATUS) return { type, object, revision };
    const [following] = this.#changes.values();
    // A large revision comes in parts; until the last one the model is at the revision before.
    const visible = revision < model.revision ? revision : model.revision;
    const safe = following === undefined ? visible : following.revision - 1n;
    this.#sent = safe > this.#sent ? safe : this.#sent;
    return { type, object, revision: this.#sent };
  }

  #objectOf(table: DurableTableName, row: Row, isGone: boolean): ObjectMessage {
    const { objects } = this.#options;
    return isGone ? objects.pastObject(table, row) : objects.object(table, row);
  }

  async #send(event: WatchResponse): Promise<void> {
    if (this.#isOver()) return;
    if (!this.#call.write(event)) await this.#pause();
  }

  /** Until there is something to do: a drain, an event, a bookmark, the end. */
  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        // What is queued waits while the stream takes nothing.
        if (this.#call.writableNeedDrain && !this.#isOver()) return;
        this.#wake = undefined;
        resolve();
      };
    });
  }

  #sliceMs = 0;

  async #yield(): Promise<void> {
    if (performance.now() - this.#sliceMs < BUDGET_MS) return;
    await setImmediate();
    this.#sliceMs = performance.now();
  }

  #isOver(): boolean {
    return this.#ended.signal.aborted;
  }
}
