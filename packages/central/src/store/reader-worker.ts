// The reader thread: nothing but the calls of store.ts handed to a Reader. Ends when asked to close.

import { parentPort, workerData } from "node:worker_threads";
import type { DurableTableName } from "../model/rows.ts";
import { Reader } from "./reader.ts";
import type { HistoryQuery, ListAtQuery } from "./reader.ts";
import { serve } from "./worker-rpc.ts";

const reader = new Reader(workerData as { path: string });

const methods = {
  oldestRevision: () => reader.oldestRevision(),
  history: (query: HistoryQuery) => reader.history(query),
  read: (query: { after: bigint; limit: number }) => reader.read(query),
  getAt: (query: { kind: DurableTableName; id: string; revision: bigint }) => reader.getAt(query),
  listAt: (query: ListAtQuery) => reader.listAt(query),
  outcome: (query: { actor: string; key: string }) => reader.outcome(query),
  backup: (query: { path: string }) => reader.backup(query),
  check: () => reader.check(),
  revisionBefore: (query: { atMs: number }) => reader.revisionBefore(query),
};

export type ReaderMethods = typeof methods;

if (parentPort === null) throw new Error("reader-worker.ts is run as a thread only");
serve(parentPort, methods, () => reader.close());
