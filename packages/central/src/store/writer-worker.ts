// The writer thread: nothing but the calls of store.ts handed to a Writer. Ends when asked to close.

import { parentPort, workerData } from "node:worker_threads";
import type { CommitSet } from "./commit-log.ts";
import type { SetLists } from "./staging.ts";
import { Staged } from "./staging.ts";
import { serve } from "./worker-rpc.ts";
import { Writer } from "./writer.ts";
import type { CheckpointRequest, CompactRequest } from "./writer.ts";

const writer = new Writer(workerData as { path: string; maxPages: number });

const staged = new Staged();

const methods = {
  stage: (part: SetLists) => staged.add(part),
  append: (sets: readonly CommitSet[]) => writer.append(staged.complete(sets)),
  checkpoint: (request: CheckpointRequest) => writer.checkpoint(request),
  compact: (request: CompactRequest) => writer.compact(request),
  probe: () => writer.probe(),
};

export type WriterMethods = typeof methods;

if (parentPort === null) throw new Error("writer-worker.ts is run as a thread only");
serve(parentPort, methods, () => writer.close());
