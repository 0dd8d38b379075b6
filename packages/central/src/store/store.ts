// The store as the rest of central sees it: a commit log on SQLite, its threads, and a lock on the file. Owns group commit (what is
// queued while a disk transaction runs goes into the next one together) and the end of writing. Made by central.ts.
//
// Four threads at most; each does its calls one after the other:
//   writer    commits, the checkpoint of volatile rows, slices of compaction
//   lookups   what writes and resuming watches wait for: outcomes, log pages, single objects
//   pages     History and List as of a revision, one bounded page a call
//   aside     check and backup, which read the whole file: one at a time, and the thread ends with it
//
// Writing ends for this life when the file is damaged (reads go on), or when a write fails with an I/O error: nobody knows then what
// is durable, so the process must end, and the next one reads the file.

import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CheckpointRequest } from "./writer.ts";
import type { Commit, CommitLog, CommitSet } from "./commit-log.ts";
import { databaseName, loadStore, StoreLock } from "./database.ts";
import type { LoadedStore } from "./database.ts";
import {
  corruptText,
  StoreCorruptError,
  StoreError,
  StoreFullError,
  StoreIoError,
  storeError,
  unknownOutcome,
} from "./errors.ts";
import type { HistoryPage, HistoryQuery, ListAtPage, ListAtQuery } from "./reader.ts";
import type { ReaderMethods } from "./reader-worker.ts";
import { finishRestore } from "./restore.ts";
import { isLarge, partsOf, withoutLists } from "./staging.ts";
import { StoreThread } from "./worker-rpc.ts";
import type { WriterMethods } from "./writer-worker.ts";
import { nextTurn } from "../slices.ts";

export interface OpenStoreOptions {
  readonly dataDir: string;
  /** 0 = no bound but the disk. */
  readonly maxSizeMiB: number;
  /** A thread ended by itself, or a write ended in an I/O error: the process must end too. Called once. */
  readonly onFatal: (error: Error) => void;
}

export interface CompactOptions {
  readonly nowMs: number;
  readonly retentionMs: number;
  readonly minRevisions: bigint;
  readonly idempotencyMs: number;
  readonly addressReuseAfterMs: number;
}

interface Queued {
  readonly set: CommitSet;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const PAGE_BYTES = 4096;
/** Revisions compacted in one disk transaction. */
const COMPACT_SLICE = 500;
/** Sets in one disk transaction; more wait for the next. */
const MAX_GROUP = 512;
const WATCH_PAGE = 256;

export class Store implements CommitLog, AsyncDisposable {
  /** What was in the file at start; `takeLoaded` lets go of it. */
  #loaded: LoadedStore | undefined;
  readonly storeId: string;
  readonly path: string;
  readonly #lock: StoreLock;
  readonly #writer: StoreThread<WriterMethods>;
  readonly #lookups: StoreThread<ReaderMethods>;
  readonly #pages: StoreThread<ReaderMethods>;
  readonly #onFatal: (error: Error) => void;
  readonly #queue: Queued[] = [];
  readonly #waiters = new Set<() => void>();
  #committing: Promise<void> | null = null;
  #revision: bigint;
  #closing = false;
  #writeProblem = "";
  /** Why nothing is written any more in this life. */
  #ended: StoreError | null = null;
  #isFatal = false;
  /** The last check or backup. */
  #aside: Promise<unknown> = Promise.resolve();

  /** Opens or creates the store. Throws StoreError. */
  constructor(options: OpenStoreOptions) {
    this.path = join(options.dataDir, databaseName);
    this.#lock = new StoreLock(this.path);
    try {
      const finishing = finishRestore(this.path);
      while (finishing.next().done !== true);
      this.#loaded = loadStore(this.path);
    } catch (error) {
      this.#lock[Symbol.dispose]();
      throw error;
    }
    this.storeId = this.#loaded.storeId;
    this.#revision = this.#loaded.revision;
    this.#onFatal = options.onFatal;
    this.#writer = new StoreThread<WriterMethods>({
      script: threadScript("writer-worker"),
      path: this.path,
      workerOptions: { maxPages: Math.floor((options.maxSizeMiB * 1024 * 1024) / PAGE_BYTES) },
      onExit: (error) => this.#fatal(error),
    });
    this.#lookups = this.#startReader((error) => this.#fatal(error));
    this.#pages = this.#startReader((error) => this.#fatal(error));
  }

  get revision(): bigint {
    return this.#revision;
  }

  /** READY, or why writes are refused. */
  get writeState(): string {
    return this.#writeProblem === "" ? "READY" : this.#writeProblem;
  }

  /** The rows and the rest as they were at start, once. */
  takeLoaded(): LoadedStore {
    const loaded = this.#loaded;
    if (loaded === undefined) throw new Error("the loaded store was taken already");
    this.#loaded = undefined;
    return loaded;
  }

  append(set: CommitSet): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) {
        reject(this.#ended);
        return;
      }
      this.#queue.push({ set, resolve, reject });
      this.#committing ??= this.#commitQueued();
    });
  }

  read(after: bigint, limit: number): Promise<Commit[]> {
    return this.#lookups.call("read", { after, limit });
  }

  async *watch(after: bigint, signal: AbortSignal): AsyncGenerator<Commit> {
    let at = after;
    while (!signal.aborted) {
      const commits = await this.read(at, WATCH_PAGE);
      for (const commit of commits) {
        if (signal.aborted) return;
        yield commit;
        at = commit.revision;
      }
      if (commits.length === 0 && this.#revision <= at) await this.#appended(signal);
    }
  }

  history(query: HistoryQuery): Promise<HistoryPage> {
    return this.#pages.call("history", query);
  }

  oldestRevision(): Promise<bigint> {
    return this.#lookups.call("oldestRevision", undefined);
  }

  getAt(query: Parameters<ReaderMethods["getAt"]>[0]): Promise<string | null> {
    return this.#lookups.call("getAt", query);
  }

  listAt(query: ListAtQuery): Promise<ListAtPage> {
    return this.#pages.call("listAt", query);
  }

  outcome(query: Parameters<ReaderMethods["outcome"]>[0]): ReturnType<ReaderCall<"outcome">> {
    return this.#lookups.call("outcome", query);
  }

  backup(path: string): Promise<{ bytes: number; revision: bigint }> {
    return this.#runAside((thread) => thread.call("backup", { path }));
  }

  /** Looks through the whole file; what it finds ends writing. */
  async check(): Promise<readonly string[]> {
    const found = await this.#runAside((thread) => thread.call("check", undefined));
    const [first] = found;
    if (first !== undefined) {
      this.#endWriting(new StoreCorruptError("transient", corruptText(this.path, first)));
    }
    return found;
  }

  /** Keeps bindings, claims and fences for the next life; nothing once writing has ended, as agents tell all of it again. */
  async checkpoint(request: CheckpointRequest): Promise<void> {
    if (this.#ended !== null) return;
    await this.#judged(this.#writer.call("checkpoint", request));
  }

  /** Applies the retention, in slices that let commits pass between them. */
  async compact(options: CompactOptions): Promise<void> {
    const byAge = await this.#lookups.call("revisionBefore", {
      atMs: Math.floor(options.nowMs - options.retentionMs),
    });
    const byCount = this.#revision - options.minRevisions;
    const horizon = byAge < byCount ? byAge : byCount;
    const request = {
      horizon: Number(horizon > 0n ? horizon : 0n),
      slice: COMPACT_SLICE,
      idempotencyBeforeMs: Math.floor(options.nowMs - options.idempotencyMs),
      addressesBeforeMs: Math.floor(options.nowMs - options.addressReuseAfterMs),
    };
    // Each slice is a transaction of its own.
    let isMore = true;
    while (isMore && !this.#closing && this.#ended === null) {
      isMore = await this.#judged(this.#writer.call("compact", request));
    }
  }

  /** When writes are refused for lack of space: tries whether they work again. */
  async probe(): Promise<void> {
    if (this.#writeProblem === "" || this.#ended !== null) return;
    await this.#judged(this.#writer.call("probe", undefined));
    this.#writeProblem = "";
  }

  /** Waits for what is queued. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#committing;
    await this.#aside;
    this.#closing = true;
    for (const wake of this.#waiters) wake();
    const threads = [this.#writer, this.#lookups, this.#pages];
    await Promise.all(threads.map((thread) => thread[Symbol.asyncDispose]()));
    this.#lock[Symbol.dispose]();
  }

  #startReader(onExit: (error: Error) => void): StoreThread<ReaderMethods> {
    const script = threadScript("reader-worker");
    return new StoreThread<ReaderMethods>({ script, path: this.path, workerOptions: {}, onExit });
  }

  /** Runs what reads the whole file on a thread of its own, behind what does so already. */
  #runAside<T>(work: (thread: StoreThread<ReaderMethods>) => Promise<T>): Promise<T> {
    const run = this.#aside.then(async () => {
      // What it rejects with is told to the caller, and nothing else needs it.
      await using thread = this.#startReader(() => undefined);
      return await work(thread);
    });
    this.#aside = run.catch(() => undefined);
    return run;
  }

  #fatal(error: Error): void {
    if (this.#closing || this.#isFatal) return;
    this.#isFatal = true;
    this.#onFatal(error);
  }

  #endWriting(reason: StoreError): void {
    this.#ended ??= reason;
    this.#writeProblem = this.#ended.message;
    for (const { reject } of this.#queue.splice(0)) reject(this.#ended);
  }

  /** Passes on what a call to the writer answers; ends writing when it fails so that it must. */
  async #judged<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      throw this.#judge(error instanceof Error ? error : new StoreError("bug", String(error)));
    }
  }

  /** What callers are told of a problem of the writer; ends writing when it must. */
  #judge(problem: Error): Error {
    if (problem instanceof StoreIoError) {
      const unknown = unknownOutcome(problem);
      this.#endWriting(unknown);
      this.#fatal(unknown);
      return unknown;
    }
    if (problem instanceof StoreCorruptError) {
      const damaged = new StoreCorruptError("transient", problem.message);
      this.#endWriting(damaged);
      return damaged;
    }
    if (problem instanceof StoreFullError) this.#writeProblem = problem.message;
    return problem;
  }

  async #commitQueued(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#nextGroup();
      let committed = 0;
      let problem: Error;
      try {
        const answer = await this.#writer.call("append", await this.#ahead(group));
        committed = answer.committed;
        problem = storeError(answer.error ?? { code: "BUG", message: "not committed" }, this.path);
      } catch (error) {
        problem = error instanceof Error ? error : new StoreError("bug", String(error));
      }
      this.#settle(group, committed, problem);
    }
    this.#committing = null;
  }

  /** Sets that are committed together; a large one is alone. */
  #nextGroup(): Queued[] {
    const large = this.#queue.findIndex(({ set }) => isLarge(set));
    return this.#queue.splice(0, large < 0 ? MAX_GROUP : Math.min(Math.max(large, 1), MAX_GROUP));
  }

  /** Sends ahead what is too much for one message; answers the sets as they follow. */
  async #ahead(group: readonly Queued[]): Promise<readonly CommitSet[]> {
    const sets: CommitSet[] = [];
    for (const { set } of group) {
      if (!isLarge(set)) {
        sets.push(set);
        continue;
      }
      for (const part of partsOf(set)) {
        await nextTurn();
        await this.#writer.call("stage", part);
      }
      sets.push(withoutLists(set));
    }
    return sets;
  }

  #settle(group: readonly Queued[], committed: number, problem: Error): void {
    for (const { set, resolve } of group.slice(0, committed)) {
      if (set.entries.length > 0) this.#revision = set.expectedRevision + 1n;
      resolve();
    }
    if (committed < group.length) {
      const told = this.#judge(problem);
      // What is queued builds on what failed.
      for (const { reject } of [...group.slice(committed), ...this.#queue.splice(0)]) reject(told);
    } else if (this.#ended === null) {
      this.#writeProblem = "";
    }
    for (const wake of this.#waiters) wake();
  }

  #appended(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal.addEventListener("abort", wake);
    });
  }
}

/** Entry point of a thread, beside this file or beside the bundle that this file is part of. */
function threadScript(name: string): URL {
  return new URL(`${name}${extname(fileURLToPath(import.meta.url))}`, import.meta.url);
}

type ReaderCall<K extends keyof ReaderMethods> = (
  argument: Parameters<ReaderMethods[K]>[0],
) => Promise<Awaited<ReturnType<ReaderMethods[K]>>>;
