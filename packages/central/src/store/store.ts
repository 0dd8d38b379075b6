// The store as the rest of central sees it: a commit log on SQLite with a writing and a reading thread, and a lock on the file. Owns
// group commit: what is queued while a disk transaction runs goes into the next one together. Made by central.ts.

import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CheckpointRequest } from "./writer.ts";
import type { Commit, CommitLog, CommitSet } from "./commit-log.ts";
import { databaseName, loadStore, StoreLock } from "./database.ts";
import type { LoadedStore } from "./database.ts";
import { StoreError, StoreFullError, storeError } from "./errors.ts";
import type { HistoryPage, HistoryQuery, ListAtQuery } from "./reader.ts";
import type { ReaderMethods } from "./reader-worker.ts";
import { StoreThread } from "./worker-rpc.ts";
import type { WriterMethods } from "./writer-worker.ts";

export interface OpenStoreOptions {
  readonly dataDir: string;
  /** 0 = no bound but the disk. */
  readonly maxSizeMiB: number;
  /** A thread ended by itself: the process must end too. */
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
  readonly #reader: StoreThread<ReaderMethods>;
  readonly #queue: Queued[] = [];
  readonly #waiters = new Set<() => void>();
  #committing: Promise<void> | null = null;
  #revision: bigint;
  #closing = false;
  #writeProblem = "";

  /** Opens or creates the store. Throws StoreError. */
  constructor(options: OpenStoreOptions) {
    this.path = join(options.dataDir, databaseName);
    this.#lock = new StoreLock(this.path);
    try {
      this.#loaded = loadStore(this.path);
    } catch (error) {
      this.#lock[Symbol.dispose]();
      throw error;
    }
    this.storeId = this.#loaded.storeId;
    this.#revision = this.#loaded.revision;
    const onExit = (error: Error): void => {
      if (!this.#closing) options.onFatal(error);
    };
    this.#writer = new StoreThread<WriterMethods>({
      script: threadScript("writer-worker"),
      path: this.path,
      workerOptions: { maxPages: Math.floor((options.maxSizeMiB * 1024 * 1024) / PAGE_BYTES) },
      onExit,
    });
    this.#reader = new StoreThread<ReaderMethods>({
      script: threadScript("reader-worker"),
      path: this.path,
      workerOptions: {},
      onExit,
    });
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
      this.#queue.push({ set, resolve, reject });
      this.#committing ??= this.#commitQueued();
    });
  }

  read(after: bigint, limit: number): Promise<Commit[]> {
    return this.#reader.call("read", { after, limit });
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
    return this.#reader.call("history", query);
  }

  oldestRevision(): Promise<bigint> {
    return this.#reader.call("oldestRevision", undefined);
  }

  getAt(query: Parameters<ReaderMethods["getAt"]>[0]): Promise<string | null> {
    return this.#reader.call("getAt", query);
  }

  listAt(query: ListAtQuery): Promise<string[]> {
    return this.#reader.call("listAt", query);
  }

  outcome(query: Parameters<ReaderMethods["outcome"]>[0]): ReturnType<ReaderCall<"outcome">> {
    return this.#reader.call("outcome", query);
  }

  backup(path: string): Promise<{ bytes: number; revision: bigint }> {
    return this.#reader.call("backup", { path });
  }

  /** Looks through the whole file; what it finds ends writing. */
  async check(): Promise<readonly string[]> {
    const found = await this.#reader.call("check", undefined);
    if (found.length > 0) this.#writeProblem = `the database is damaged: ${found[0]}`;
    return found;
  }

  /** Keeps bindings, claims and fences for the next life. */
  checkpoint(request: CheckpointRequest): Promise<void> {
    return this.#writer.call("checkpoint", request);
  }

  /** Applies the retention, in slices that let commits pass between them. */
  async compact(options: CompactOptions): Promise<void> {
    const byAge = await this.#reader.call("revisionBefore", {
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
    while (!this.#closing && (await this.#writer.call("compact", request))) {
      // Each slice is a transaction of its own.
    }
  }

  /** When writes are refused for lack of space: tries whether they work again. */
  async probe(): Promise<void> {
    if (this.#writeProblem === "") return;
    await this.#writer.call("probe", undefined);
    this.#writeProblem = "";
  }

  /** Waits for what is queued. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#committing;
    this.#closing = true;
    for (const wake of this.#waiters) wake();
    await Promise.all([this.#writer[Symbol.asyncDispose](), this.#reader[Symbol.asyncDispose]()]);
    this.#lock[Symbol.dispose]();
  }

  async #commitQueued(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0, MAX_GROUP);
      const sets = group.map((queued) => queued.set);
      let committed = 0;
      let problem: Error;
      try {
        const answer = await this.#writer.call("append", sets);
        committed = answer.committed;
        problem = storeError(answer.error ?? { code: "BUG", message: "not committed" }, this.path);
      } catch (error) {
        problem = error instanceof Error ? error : new StoreError("bug", String(error));
      }
      this.#settle(group, committed, problem);
    }
    this.#committing = null;
  }

  #settle(group: readonly Queued[], committed: number, problem: Error): void {
    for (const [index, { set, resolve, reject }] of group.entries()) {
      if (index >= committed) {
        reject(problem);
        continue;
      }
      if (set.entries.length > 0) this.#revision = set.expectedRevision + 1n;
      resolve();
    }
    if (committed === group.length) {
      this.#writeProblem = "";
    } else {
      if (problem instanceof StoreFullError) this.#writeProblem = problem.message;
      // They build on what failed.
      for (const { reject } of this.#queue.splice(0)) reject(problem);
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
