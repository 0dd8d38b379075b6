// A live copy of the selected tables of one database: read once, then kept up by the server's
// notifications (monitor_cond_since, or monitor_cond where the server lacks it). After a reconnect
// the old content stays readable while `inSync` is false; then either the missed changes arrive (the
// server knows our last transaction) or everything is read again and compared, so that listeners see
// real changes only. Rows are immutable. Writes go through transaction.ts and come back from here.
import { WeftError } from "@weft/shared/errors.ts";
import { OvsdbProtocolError, OvsdbRequestError } from "./errors.ts";
import { isObject, type Json, type JsonObject } from "./jsonrpc.ts";
import {
  applyDiff,
  decodeValue,
  defaultValue,
  sameValue,
  type Value,
  ZERO_UUID,
} from "./notation.ts";
import {
  type ColumnType,
  type DatabaseSchema,
  fitsShape,
  parseSchema,
  parseShape,
  type Row,
  type TableSelection,
} from "./schema.ts";
import type { OvsdbSession } from "./session.ts";

/** One row that came (`old` null), went (`new` null) or changed. Narrow by `table`. */
export type RowChange<S extends TableSelection> = {
  [T in Extract<keyof S, string>]: {
    readonly table: T;
    readonly uuid: string;
    readonly old: Row<S[T]> | null;
    readonly new: Row<S[T]> | null;
  };
}[Extract<keyof S, string>];

/** All changes of one update of the server: one transaction, or all that a reconnect brought. */
export type ChangeBatch<S extends TableSelection> = readonly RowChange<S>[];

export interface ReplicaListener<S extends TableSelection> {
  /** The tables already hold the new content. Never called with an empty batch. */
  changed?(batch: ChangeBatch<S>): void;
  /** Called when `inSync` changes; after the batch that led to it. */
  synced?(inSync: boolean): void;
  /** The server cannot be replicated as it is; tried again on the next connection. */
  failed?(error: WeftError): void;
}

export interface ReplicaOptions<S extends TableSelection> {
  readonly session: OvsdbSession;
  readonly database: string;
  readonly tables: S;
}

type GenericRow = { readonly _uuid: string } & { readonly [column: string]: Value };

interface TableState {
  readonly rows: Map<string, GenericRow>;
  /** Columns that the server has, with its types; replaced at every connection. */
  columns: ReadonlyMap<string, ColumnType>;
  /** Columns declared but unknown to the server, with what is shown instead. */
  absent: ReadonlyMap<string, Value>;
}

const MONITOR_ID = "weft";

export class Replica<S extends TableSelection> implements Disposable {
  readonly #session: OvsdbSession;
  readonly #database: string;
  readonly #selection: S;
  readonly #tables = new Map<string, TableState>();
  readonly #listeners = new Set<ReplicaListener<S>>();
  readonly #unlisten: () => void;
  /** Incremented per connection: answers of an earlier one are ignored. */
  #connection = 0;
  #inSync = false;
  #lastTxnId = ZERO_UUID;
  #fullReads = 0;
  /** Updates that were in the same read as the answer to our monitor request, hence few. */
  #early: { readonly method: string; readonly params: Json }[] | null = null;

  constructor(options: ReplicaOptions<S>) {
    this.#session = options.session;
    this.#database = options.database;
    this.#selection = options.tables;
    for (const [table, shapes] of Object.entries(options.tables)) {
      const absent = Object.entries(shapes).map(
        ([column, shape]) => [column, defaultValue(parseShape(shape))] as const,
      );
      this.#tables.set(table, { rows: new Map(), columns: new Map(), absent: new Map(absent) });
    }
    this.#unlisten = options.session.listen({
      connected: () => this.#onConnected(),
      disconnected: () => this.#onDisconnected(),
      notification: (method, params) => this.#onNotification(method, params),
    });
    if (options.session.state === "connected") this.#onConnected();
  }

  /** True while the content is that of the server, as far as its notifications have arrived. */
  get inSync(): boolean {
    return this.#inSync;
  }

  /** How often everything was read; a resume by last transaction does not count. */
  get fullReads(): number {
    return this.#fullReads;
  }

  /** Declared tables and columns that the server does not have, as "Table" or "Table.column". */
  get absent(): readonly string[] {
    return [...this.#tables].flatMap(([table, state]) =>
      state.columns.size === 0 ? [table] : [...state.absent.keys()].map((c) => `${table}.${c}`),
    );
  }

  /** Rows by uuid. The map changes with the database; rows do not. */
  table<T extends Extract<keyof S, string>>(table: T): ReadonlyMap<string, Row<S[T]>> {
    const state = this.#tables.get(table);
    if (state === undefined) throw new WeftError("bug", `table ${table} is not replicated`);
    return state.rows as unknown as ReadonlyMap<string, Row<S[T]>>;
  }

  listen(listener: ReplicaListener<S>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  [Symbol.dispose](): void {
    this.#connection += 1;
    this.#unlisten();
    this.#listeners.clear();
  }

  #onDisconnected(): void {
    this.#connection += 1;
    this.#early = null;
    this.#setInSync(false);
  }

  #onConnected(): void {
    this.#connection += 1;
    const connection = this.#connection;
    const current = (): boolean => connection === this.#connection;
    this.#start(current).catch((error: unknown) => {
      if (!current()) return;
      const failure =
        error instanceof WeftError
          ? error
          : new WeftError("bug", `cannot replicate ${this.#database}`, { cause: error });
      for (const listener of [...this.#listeners]) listener.failed?.(failure);
      this.#session.drop(failure);
    });
  }

  async #start(current: () => boolean): Promise<void> {
    const schema = parseSchema(await this.#session.request("get_schema", [this.#database]));
    if (!current()) return;
    this.#bindColumns(schema);
    this.#early = [];
    const initial = await this.#monitor();
    if (!current()) return;
    const early = this.#early ?? [];
    this.#early = null;
    if (initial.lastTxnId !== null) this.#lastTxnId = initial.lastTxnId;
    if (!initial.found) this.#fullReads += 1;
    this.#apply(initial.updates, !initial.found);
    this.#setInSync(true);
    for (const { method, params } of early) this.#onNotification(method, params);
  }

  /** Which of the declared columns this server has. Another type under the same name is refused. */
  #bindColumns(schema: DatabaseSchema): void {
    for (const [table, state] of this.#tables) {
      const server = schema.tables.get(table)?.columns;
      const columns = new Map<string, ColumnType>();
      const absent = new Map<string, Value>();
      for (const [column, shape] of Object.entries(this.#selection[table] ?? {})) {
        const declared = parseShape(shape);
        const actual = server?.get(column);
        if (actual === undefined) {
          absent.set(column, defaultValue(declared));
        } else if (fitsShape(actual, declared)) {
          columns.set(column, actual);
        } else {
          throw new WeftError(
            "rejected",
            `column ${table}.${column} of database ${this.#database} (schema ${schema.version}) is ` +
              `not of type ${shape}: this version of Open vSwitch is not supported`,
          );
        }
      }
      state.columns = columns;
      state.absent = absent;
    }
  }

  async #monitor(): Promise<{ found: boolean; lastTxnId: string | null; updates: Json }> {
    const requests: Record<string, Json> = {};
    for (const [table, state] of this.#tables) {
      if (state.columns.size > 0) requests[table] = [{ columns: [...state.columns.keys()] }];
    }
    try {
      const params = [this.#database, MONITOR_ID, requests, this.#lastTxnId];
      const answer = await this.#session.request("monitor_cond_since", params);
      if (!Array.isArray(answer) || typeof answer[0] !== "boolean") {
        throw new OvsdbProtocolError("answer to monitor_cond_since is not [found, id, updates]");
      }
      const [found, lastTxnId, updates] = answer as readonly Json[];
      return {
        found: found === true,
        lastTxnId: typeof lastTxnId === "string" ? lastTxnId : ZERO_UUID,
        updates: updates ?? null,
      };
    } catch (error) {
      if (!(error instanceof OvsdbRequestError) || error.ovsdbError !== "unknown method")
        throw error;
    }
    const updates = await this.#session.request("monitor_cond", [
      this.#database,
      MONITOR_ID,
      requests,
    ]);
    return { found: false, lastTxnId: null, updates };
  }

  #onNotification(method: string, params: Json): void {
    // Others, such as "locked", are for nobody here.
    if (method !== "update2" && method !== "update3") return;
    if (!Array.isArray(params) || params[0] !== MONITOR_ID) return;
    const fields: readonly Json[] = params;
    if (this.#early !== null) {
      this.#early.push({ method, params });
      return;
    }
    if (!this.#inSync) throw new OvsdbProtocolError(`${method} before the initial content`);
    if (method === "update2") {
      this.#apply(fields[1] ?? null, false);
      return;
    }
    if (typeof fields[1] !== "string") throw new OvsdbProtocolError("update3 without transaction");
    this.#apply(fields[2] ?? null, false);
    this.#lastTxnId = fields[1];
  }

  /**
   * Applies table updates (ovsdb-server(7) 4.1.14). With `full`, rows that are not mentioned are gone.
   * Nothing is changed when any part does not decode.
   */
  #apply(updates: Json, full: boolean): void {
    if (!isObject(updates)) throw new OvsdbProtocolError("table updates are not an object");
    const changes: {
      table: string;
      uuid: string;
      old: GenericRow | null;
      new: GenericRow | null;
    }[] = [];
    for (const [table, rowUpdates] of Object.entries(updates)) {
      const state = this.#tables.get(table);
      if (state === undefined)
        throw new OvsdbProtocolError(`update of table ${table}, not monitored`);
      if (!isObject(rowUpdates)) throw new OvsdbProtocolError(`updates of ${table} are no object`);
      for (const [uuid, update] of Object.entries(rowUpdates)) {
        const old = state.rows.get(uuid) ?? null;
        const next = nextRow({ state, uuid, old, update, where: `${table} ${uuid}` });
        if (old === null ? next !== null : next === null || !sameRow(old, next)) {
          changes.push({ table, uuid, old, new: next });
        }
      }
    }
    if (full) {
      for (const [table, state] of this.#tables) {
        const mentioned = updates[table];
        for (const [uuid, old] of state.rows) {
          if (isObject(mentioned) && Object.hasOwn(mentioned, uuid)) continue;
          changes.push({ table, uuid, old, new: null });
        }
      }
    }
    for (const change of changes) {
      const rows = this.#tables.get(change.table)?.rows;
      if (change.new === null) rows?.delete(change.uuid);
      else rows?.set(change.uuid, change.new);
    }
    if (changes.length === 0) return;
    const batch = changes as unknown as ChangeBatch<S>;
    for (const listener of [...this.#listeners]) listener.changed?.(batch);
  }

  #setInSync(inSync: boolean): void {
    if (this.#inSync === inSync) return;
    this.#inSync = inSync;
    for (const listener of [...this.#listeners]) listener.synced?.(inSync);
  }
}

function nextRow(options: {
  state: TableState;
  uuid: string;
  old: GenericRow | null;
  update: Json;
  where: string;
}): GenericRow | null {
  const { state, uuid, old, update, where } = options;
  if (!isObject(update)) throw new OvsdbProtocolError(`update of ${where} is not an object`);
  const inserted = update["initial"] ?? update["insert"];
  if (isObject(inserted)) return wholeRow(state, uuid, inserted);
  const modified = update["modify"];
  if (isObject(modified)) {
    if (old === null) throw new OvsdbProtocolError(`${where} modified before it was inserted`);
    return modifiedRow(state, old, modified);
  }
  if (Object.hasOwn(update, "delete")) return null;
  throw new OvsdbProtocolError(`update of ${where} says nothing known`);
}

/** Columns that hold their default are left out on the wire. */
function wholeRow(state: TableState, uuid: string, wire: JsonObject): GenericRow {
  const row: Record<string, Value> = { _uuid: uuid };
  for (const [column, value] of state.absent) row[column] = value;
  for (const [column, type] of state.columns) {
    const value = wire[column];
    row[column] = value === undefined ? defaultValue(type) : decodeValue(type, value);
  }
  return row as GenericRow;
}

function modifiedRow(state: TableState, old: GenericRow, wire: JsonObject): GenericRow {
  const row: Record<string, Value> = { ...old };
  for (const [column, diff] of Object.entries(wire)) {
    const type = state.columns.get(column);
    if (type === undefined)
      throw new OvsdbProtocolError(`update of column ${column}, not monitored`);
    row[column] = applyDiff(type, old[column] ?? defaultValue(type), decodeValue(type, diff));
  }
  return row as GenericRow;
}

function sameRow(a: GenericRow, b: GenericRow): boolean {
  return Object.keys(b).every((column) => {
    const left = a[column];
    const right = b[column];
    return left !== undefined && right !== undefined && sameValue(left, right);
  });
}

/** Resolves once the replica is in sync; rejects when the signal fires first. */
export function replicaInSync<S extends TableSelection>(
  replica: Replica<S>,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (replica.inSync) {
      resolve();
      return;
    }
    const unlisten = replica.listen({
      synced: (inSync) => {
        if (!inSync) return;
        unlisten();
        resolve();
      },
    });
    signal.addEventListener("abort", () => {
      unlisten();
      reject(new WeftError("transient", "the OVSDB replica did not get in sync in time"));
    });
  });
}
