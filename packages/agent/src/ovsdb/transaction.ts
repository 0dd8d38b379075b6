// Builds one OVSDB transaction from typed calls, sends it, and turns the answer into results or one
// typed error (RFC 7047 4.1.3, 5.2). Atomic: all operations take effect or none. A builder is used
// once. Called by reconcile/ and by tests.
import { OvsdbEncodeError, OvsdbProtocolError, OvsdbTransactionError } from "./errors.ts";
import { isObject, type Json, type JsonObject } from "./jsonrpc.ts";
import { NamedUuid } from "./named-uuid.ts";
import { encodeAtom, encodeValue, isUuid, type ValueInput } from "./notation.ts";
import { type ColumnType, parseShape, type RowInput, type TableSelection } from "./schema.ts";

export type ConditionFunction = "==" | "!=" | "includes" | "excludes" | "<" | "<=" | ">" | ">=";
export type Mutator = "+=" | "-=" | "*=" | "/=" | "%=" | "insert" | "delete";

type ColumnOf<S extends TableSelection, T extends keyof S> = Extract<keyof S[T], string>;

export type Condition<S extends TableSelection, T extends keyof S> = {
  [C in ColumnOf<S, T>]: readonly [C, ConditionFunction, NonNullable<RowInput<S[T]>[C]>];
}[ColumnOf<S, T>];

/** A row by its uuid, or all rows for which every condition holds. */
export type Where<S extends TableSelection, T extends keyof S> =
  | string
  | NamedUuid
  | readonly Condition<S, T>[];

/** `delete` on a map may also take the set of keys to remove. */
export type Mutation<S extends TableSelection, T extends keyof S> = {
  [C in ColumnOf<S, T>]: readonly [
    C,
    Mutator,
    NonNullable<RowInput<S[T]>[C]> | readonly (string | number)[],
  ];
}[ColumnOf<S, T>];

/** What sends requests: an OvsdbSession, or a fake in tests of the builder. */
export interface Requester {
  request(
    method: string,
    params: readonly Json[],
    options?: { readonly timeoutMs?: number },
  ): Promise<Json>;
}

export interface TransactionResult {
  /** The uuid that an inserted row got. */
  uuidOf(row: NamedUuid): string;
  /** Per operation: rows touched by update, mutate and delete; null for other operations. */
  readonly counts: readonly (number | null)[];
}

/** ovsdb-server answers or fails well within this, unless it is stuck. */
const COMMIT_TIMEOUT_MS = 30_000;

export class Transaction<S extends TableSelection> {
  readonly #database: string;
  readonly #tables: S;
  readonly #operations: JsonObject[] = [];
  readonly #inserts = new Map<string, number>();
  #sent = false;

  constructor(options: { readonly database: string; readonly tables: S }) {
    this.#database = options.database;
    this.#tables = options.tables;
  }

  /** Number of operations so far; the index that the next one will have. */
  get length(): number {
    return this.#operations.length;
  }

  /** The operations in wire form, for tests and debugging. */
  get operations(): readonly JsonObject[] {
    return this.#operations;
  }

  /** Columns not given get the schema's defaults. The result stands for the row in later calls. */
  insert<T extends Extract<keyof S, string>>(table: T, row: RowInput<S[T]>): NamedUuid {
    const uuid = new NamedUuid(`row${this.#operations.length}`);
    this.#inserts.set(uuid.name, this.#operations.length);
    this.#push({ op: "insert", table, row: this.#row(table, row), "uuid-name": uuid.name });
    return uuid;
  }

  update<T extends Extract<keyof S, string>>(
    table: T,
    where: Where<S, T>,
    row: RowInput<S[T]>,
  ): void {
    this.#push({
      op: "update",
      table,
      where: this.#where(table, where),
      row: this.#row(table, row),
    });
  }

  mutate<T extends Extract<keyof S, string>>(
    table: T,
    where: Where<S, T>,
    mutations: readonly Mutation<S, T>[],
  ): void {
    const encoded = mutations.map(([column, mutator, value]): Json => {
      const type = this.#column(table, column);
      return [column, mutator, encodeMutation(type, mutator, value)];
    });
    this.#push({ op: "mutate", table, where: this.#where(table, where), mutations: encoded });
  }

  delete<T extends Extract<keyof S, string>>(table: T, where: Where<S, T>): void {
    this.#push({ op: "delete", table, where: this.#where(table, where) });
  }

  /**
   * The transaction fails with a conflict unless, at this point of it, the columns given of the rows
   * selected are `==` (or `!=`) to `rows`, compared as sets. Does not wait for it to become so.
   */
  wait<T extends Extract<keyof S, string>>(
    table: T,
    where: Where<S, T>,
    rows: readonly RowInput<S[T]>[],
    until: "==" | "!=" = "==",
  ): void {
    const columns = Object.keys(rows[0] ?? {});
    this.#push({
      op: "wait",
      timeout: 0,
      table,
      where: this.#where(table, where),
      columns,
      until,
      rows: rows.map((row) => this.#row(table, row)),
    });
  }

  /** The transaction fails with a conflict unless this client holds the lock. */
  assertLock(lock: string): void {
    this.#push({ op: "assert", lock });
  }

  /** A line for the server's log of the transaction. */
  comment(text: string): void {
    this.#push({ op: "comment", comment: text });
  }

  /** Makes the transaction fail with "aborted": a dry run that still evaluates everything before. */
  abort(): void {
    this.#push({ op: "abort" });
  }

  /** Throws OvsdbTransactionError; OvsdbConnectionError means that the outcome is not known. */
  async commit(requester: Requester): Promise<TransactionResult> {
    if (this.#sent) throw new OvsdbEncodeError("a transaction can be committed only once");
    this.#sent = true;
    const answer = await requester.request("transact", [this.#database, ...this.#operations], {
      timeoutMs: COMMIT_TIMEOUT_MS,
    });
    return this.#result(answer);
  }

  #result(answer: Json): TransactionResult {
    if (!Array.isArray(answer)) throw new OvsdbProtocolError("answer to transact is not an array");
    const results: readonly Json[] = answer;
    for (const [index, result] of results.entries()) {
      if (isObject(result) && typeof result["error"] === "string") {
        throw this.#failure(index, result["error"], result["details"]);
      }
    }
    if (results.length !== this.#operations.length) {
      throw new OvsdbProtocolError(
        `answer to transact has ${results.length} results for ${this.#operations.length} operations`,
      );
    }
    const inserts = this.#inserts;
    return {
      counts: results.map((result) => {
        const count = isObject(result) ? result["count"] : undefined;
        return typeof count === "number" ? count : null;
      }),
      uuidOf: (row) => insertedUuid(results[inserts.get(row.name) ?? -1], row),
    };
  }

  #failure(index: number, error: string, details: Json | undefined): OvsdbTransactionError {
    const operation = this.#operations[index];
    return new OvsdbTransactionError({
      // One result more than operations: the commit itself failed.
      opIndex: operation === undefined ? null : index,
      operation: operation === undefined ? null : describeOperation(operation),
      ovsdbError: error,
      details: typeof details === "string" ? details : null,
    });
  }

  #push(operation: JsonObject): void {
    if (this.#sent) throw new OvsdbEncodeError("the transaction was committed already");
    this.#operations.push(operation);
  }

  #column(table: string, column: string): ColumnType {
    const shape = this.#tables[table]?.[column];
    if (shape === undefined) throw new OvsdbEncodeError(`${table}.${column} is not declared`);
    return parseShape(shape);
  }

  #row(table: string, row: { readonly [column: string]: unknown }): JsonObject {
    const encoded: Record<string, Json> = {};
    for (const [column, value] of Object.entries(row)) {
      if (value === undefined) continue;
      encoded[column] = encodeValue(this.#column(table, column), value as ValueInput);
    }
    return encoded;
  }

  #where<T extends keyof S>(table: string, where: Where<S, T>): Json {
    if (where instanceof NamedUuid) return [["_uuid", "==", ["named-uuid", where.name]]];
    if (typeof where === "string") {
      if (!isUuid(where)) throw new OvsdbEncodeError(`"${where}" is not a uuid of ${table}`);
      return [["_uuid", "==", ["uuid", where]]];
    }
    return where.map(([column, fn, value]): Json => {
      return [column, fn, encodeValue(this.#column(table, column), value)];
    });
  }
}

function encodeMutation(type: ColumnType, mutator: Mutator, value: ValueInput): Json {
  // Removal from a map by keys alone (RFC 7047 5.1, <mutation>).
  if (mutator === "delete" && type.value !== null && Array.isArray(value)) {
    const keys = value as readonly (string | number)[];
    return ["set", keys.map((key) => encodeAtom(type.key, key))];
  }
  if (mutator === "insert" || mutator === "delete") return encodeValue(type, value);
  // Arithmetic takes one number, also on sets.
  return encodeAtom(type.key, value);
}

function insertedUuid(result: Json | undefined, row: NamedUuid): string {
  const uuid = isObject(result) ? result["uuid"] : undefined;
  if (Array.isArray(uuid) && typeof uuid[1] === "string") return uuid[1];
  throw new OvsdbProtocolError(`answer to transact names no uuid for ${row.name}`);
}

function describeOperation(operation: JsonObject): string {
  const row = operation["row"];
  const name = isObject(row) && typeof row["name"] === "string" ? ` "${row["name"]}"` : "";
  const table = typeof operation["table"] === "string" ? ` ${operation["table"]}` : "";
  const op = typeof operation["op"] === "string" ? operation["op"] : "operation";
  return `${op}${table}${name}`;
}
