// History: the recorded changes in pages, and the tokens that lead from one to the next. A token says behind which entry to go on and
// which query it belongs to. Called by northbound.ts; the order of the entries is store/reader.ts.

import { createHash } from "node:crypto";
import { ChangeAction, HistoryEntry } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { HistoryRequest, HistoryResponse } from "@weft/shared/gen/weft/v1/northbound.ts";
import { resolve } from "../model/references.ts";
import type { DurableTableName } from "../model/rows.ts";
import type { Model } from "../model/tables.ts";
import { runInSlices } from "../slices.ts";
import { decodeRow } from "../store/codec.ts";
import type { CommitAction } from "../store/commit-log.ts";
import type { HistoryItem, HistoryPage, HistoryPosition } from "../store/reader.ts";
import type { Store } from "../store/store.ts";
import { kindOf } from "./convert.ts";
import { defaultHistoryLimit, maxHistoryLimit } from "./limits.ts";
import type { Objects } from "./objects.ts";
import { Page } from "./page.ts";
import { invalid } from "./status.ts";

/** Entries made between two looks at the clock. */
const SLICE = 64;
/** Above every token that is given. */
const MAX_TOKEN = 512;

const actions: Readonly<Record<CommitAction, ChangeAction>> = {
  created: ChangeAction.CREATED,
  updated: ChangeAction.UPDATED,
  deleted: ChangeAction.DELETED,
};

export interface HistoryOptions {
  readonly model: Model;
  readonly store: Store;
  readonly objects: Objects;
  /** Of the ref; undefined = all objects. */
  readonly table: DurableTableName | undefined;
}

/** One page. Throws Refused, CompactedError. */
export async function readHistory(
  options: HistoryOptions,
  request: HistoryRequest,
): Promise<HistoryResponse> {
  const { model, store, objects, table } = options;
  const { ref, limit, beforeRevision, pageToken } = request;
  if (limit > maxHistoryLimit) throw invalid("limit", `${limit} is more than ${maxHistoryLimit}`);
  const query = queryOf(request);
  const after = parseToken(pageToken, query, table);
  // A name may lead elsewhere by now: following pages are of the object of the first one.
  const id =
    table === undefined
      ? ""
      : (after?.id ??
        resolve(model, table, ref?.id ?? "", ref?.project ?? "")?.id ??
        ref?.id ??
        "");
  const atMost = limit === 0 ? defaultHistoryLimit : limit;
  const found = await store.history({
    object: table === undefined ? null : { kind: table, id },
    limit: atMost,
    // Above everything there is, and perhaps above what the store can be asked for.
    beforeRevision:
      beforeRevision === 0n || beforeRevision > model.revision ? null : beforeRevision,
    after,
  });
  const entries = await runInSlices(entriesOf(found, objects, atMost));
  const last = found.items[entries.length - 1];
  const isLast = last === undefined || (entries.length === found.items.length && !found.more);
  // Of the first page: what was compacted since then would be missing.
  const compacted = after?.compacted ?? found.compacted;
  return {
    entries,
    oldestRevision: found.oldestRevision,
    nextPageToken: isLast ? "" : tokenOf({ ...last, compacted }, query),
  };
}

function* entriesOf(
  { items }: HistoryPage,
  objects: Objects,
  limit: number,
): Generator<void, HistoryEntry[]> {
  const page = new Page<HistoryEntry>({ limit });
  for (const [index, item] of items.entries()) {
    const entry = entryOf(item, objects);
    if (!page.offer(entry, HistoryEntry.encode(entry).finish().length)) break;
    if (index % SLICE === SLICE - 1) yield;
  }
  return page.items;
}

function entryOf(item: HistoryItem, objects: Objects): HistoryEntry {
  const { revision, atMs, actor, comment, action, kind, id, body } = item;
  return {
    revision,
    at: new Date(atMs),
    actor,
    comment,
    action: actions[action],
    kind: kindOf[kind],
    id,
    object: action === "deleted" ? undefined : objects.pastObject(kind, decodeRow(kind, body)),
  };
}

/** What must be the same in every request for pages of one query, in short. */
function queryOf({ ref, beforeRevision }: HistoryRequest): string {
  const asked = ref === undefined ? null : [ref.kind, ref.id, ref.project];
  const text = JSON.stringify([asked, String(beforeRevision)]);
  return createHash("sha256").update(text).digest("base64url").slice(0, 16);
}

/** JSON of [query, compacted, revision, kind, id], in base64url. */
function tokenOf(position: HistoryPosition, query: string): string {
  const { compacted, revision, kind, id } = position;
  const text = JSON.stringify([query, String(compacted), String(revision), kind, id]);
  return Buffer.from(text).toString("base64url");
}

/** null = the first page. Throws Refused for a token that is garbled or of another query. */
function parseToken(
  token: string,
  query: string,
  table: DurableTableName | undefined,
): HistoryPosition | null {
  if (token === "") return null;
  const fields = token.length > MAX_TOKEN ? null : tokenFields(token);
  if (fields === null) {
    throw invalid("page_token", "is none that History gave: begin again without");
  }
  const [ofQuery, compacted, revision, kind, id] = fields;
  if (ofQuery !== query || (table !== undefined && kind !== table)) {
    const text = "belongs to another query: send the ref and before_revision of the first page";
    throw invalid("page_token", text);
  }
  return { compacted: BigInt(compacted), revision: BigInt(revision), kind, id };
}

type TokenFields = [query: string, compacted: string, revision: string, kind: string, id: string];

function tokenFields(token: string): TokenFields | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(token, "base64url").toString());
  } catch {
    return null;
  }
  if (!Array.isArray(parsed) || parsed.length !== 5) return null;
  if (!parsed.every((field) => typeof field === "string")) return null;
  const fields = parsed as TokenFields;
  // As many digits as SQLite has integers for.
  return [fields[1], fields[2]].every((text) => /^\d{1,18}$/.test(text)) ? fields : null;
}
