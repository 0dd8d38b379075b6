// The replica against a scripted server on a real socket: servers of other versions, and hostile
// updates. Real ovsdb-server is met in test/integration/ovsdb.test.ts.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock } from "@weft/shared/clock.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { JsonFramer } from "./framing.ts";
import type { Json, JsonObject } from "./jsonrpc.ts";
import { type ChangeBatch, Replica, replicaInSync } from "./replica.ts";
import type { TableSelection } from "./schema.ts";
import { OvsdbSession } from "./session.ts";

const U1 = "11111111-1111-4111-8111-111111111111";
const U2 = "22222222-2222-4222-8222-222222222222";
const TXN = "33333333-3333-4333-8333-333333333333";

const TABLES = {
  T: { name: "string", tags: "string*", ids: "string=>string", ref: "uuid?" },
} as const satisfies TableSelection;

const COLUMNS: JsonObject = {
  name: { type: "string" },
  tags: { type: { key: "string", min: 0, max: "unlimited" } },
  ids: { type: { key: "string", value: "string", min: 0, max: "unlimited" } },
  ref: { type: { key: { type: "uuid", refTable: "T" }, min: 0 } },
};

type Answer = { readonly result: Json } | { readonly error: Json };
type Script = (method: string, params: readonly Json[], connection: number) => Answer;

let dir: string;
let server: Server;
let session: OvsdbSession;
let replica: Replica<typeof TABLES>;
let sockets: Socket[];
let requests: [string, readonly Json[]][];
let batches: ChangeBatch<typeof TABLES>[];
let failures: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "weft-replica-"));
  sockets = [];
  requests = [];
  batches = [];
  failures = [];
});

afterEach(async () => {
  replica[Symbol.dispose]();
  await session[Symbol.asyncDispose]();
  server.close();
  await rm(dir, { recursive: true, force: true });
});

async function start(script: Script): Promise<void> {
  server = createServer((socket) => serve(socket, script));
  server.listen(join(dir, "s"));
  await once(server, "listening");
  session = new OvsdbSession({
    address: `unix:${join(dir, "s")}`,
    clock: new SystemClock(),
    random: () => 0,
    backoff: { initialMs: 5, capMs: 20, stableMs: 1_000 },
  });
  replica = new Replica({ session, database: "db", tables: TABLES });
  replica.listen({
    changed: (batch) => batches.push(batch),
    failed: (error) => failures.push(`${error.kind}: ${error.message}`),
  });
  session.start();
}

function serve(socket: Socket, script: Script): void {
  const connection = sockets.push(socket);
  const framer = new JsonFramer({ maxMessageBytes: 1_000_000, maxDepth: 50 });
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    for (const text of framer.push(chunk)) {
      const { id, method, params } = JSON.parse(text) as {
        id: Json;
        method: string;
        params: readonly Json[];
      };
      requests.push([method, params]);
      const answer = script(method, params, connection);
      socket.write(JSON.stringify({ id, result: null, error: null, ...answer }));
    }
  });
}

/** A server with one row, of the given columns; `monitor` answers the two monitor methods. */
function oneRow(options: { columns?: JsonObject; monitor?: Script } = {}): Script {
  return (method, params, connection) => {
    if (method === "get_schema") {
      const columns = options.columns ?? COLUMNS;
      return { result: { name: "db", version: "1.2.3", tables: { T: { columns } } } };
    }
    if (options.monitor !== undefined) return options.monitor(method, params, connection);
    return { result: [false, TXN, { T: { [U1]: { initial: { name: "a" } } } }] };
  };
}

function notify(method: string, params: Json): void {
  sockets.at(-1)?.write(JSON.stringify({ id: null, method, params }));
}

async function eventually(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error("condition did not come true");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const synced = (): Promise<void> => replicaInSync(replica, AbortSignal.timeout(5_000));

test("columns left out hold their defaults; a difference is applied", async () => {
  await start(oneRow());
  await synced();
  const initial = { _uuid: U1, name: "a", tags: [], ids: new Map(), ref: null };
  expect(replica.table("T").get(U1)).toEqual(initial);
  const modify = {
    tags: ["set", ["y", "x"]],
    ids: ["map", [["k", "v"]]],
    ref: ["uuid", U2],
  };
  notify("update3", ["weft", TXN, { T: { [U1]: { modify } } }]);
  await eventually(() => batches.length === 2);
  const changed = { ...initial, tags: ["x", "y"], ids: new Map([["k", "v"]]), ref: U2 };
  expect(replica.table("T").get(U1)).toEqual(changed);
  expect(batches[1]).toEqual([{ table: "T", uuid: U1, old: initial, new: changed }]);
  // Rows that were handed out do not change.
  expect(batches[0]?.[0]?.new?.tags).toEqual([]);
  notify("update3", ["weft", TXN, { T: { [U1]: { modify: { tags: "x" } } } }]);
  await eventually(() => batches.length === 3);
  expect(replica.table("T").get(U1)?.tags).toEqual(["y"]);
});

test("a server without monitor_cond_since is monitored with monitor_cond", async () => {
  const monitor: Script = (method) =>
    method === "monitor_cond_since"
      ? { error: { error: "unknown method" } }
      : { result: { T: { [U1]: { initial: { name: "old" } } } } };
  await start(oneRow({ monitor }));
  await synced();
  expect(replica.table("T").get(U1)?.name).toBe("old");
  notify("update2", ["weft", { T: { [U1]: { delete: null } } }]);
  await eventually(() => replica.table("T").size === 0);
});

test("after a reconnect the last transaction is named, and only what was missed is applied", async () => {
  const latest = "55555555-5555-4555-8555-555555555555";
  const next = "44444444-4444-4444-8444-444444444444";
  const monitor: Script = (_method, _params, connection) =>
    connection === 1
      ? { result: [false, TXN, { T: { [U1]: { initial: { name: "a" } } } }] }
      : { result: [true, next, { T: { [U2]: { insert: { name: "b" } } } }] };
  await start(oneRow({ monitor }));
  await synced();
  notify("update3", ["weft", latest, { T: { [U1]: { modify: { name: "c" } } } }]);
  await eventually(() => batches.length === 2);
  sockets[0]?.destroy();
  await eventually(() => replica.table("T").size === 2);
  const asked = requests.filter(([method]) => method === "monitor_cond_since");
  expect(asked.map(([, params]) => params[3])).toEqual([
    "00000000-0000-0000-0000-000000000000",
    latest,
  ]);
  expect(replica.fullReads).toBe(1);
});

test("an update right behind the first answer is not lost", async () => {
  const monitor: Script = () => {
    queueMicrotask(() => {
      notify("update3", ["weft", TXN, { T: { [U2]: { insert: { name: "b" } } } }]);
    });
    return { result: [false, TXN, { T: { [U1]: { initial: { name: "a" } } } }] };
  };
  await start(oneRow({ monitor }));
  await eventually(() => replica.table("T").size === 2);
});

test("columns that an older server lacks are shown as empty and listed", async () => {
  const { ids: _ids, ref: _ref, ...older } = COLUMNS;
  await start(oneRow({ columns: older }));
  await synced();
  expect(replica.absent).toEqual(["T.ids", "T.ref"]);
  expect(replica.table("T").get(U1)).toMatchObject({ ids: new Map(), ref: null });
  const [, params] = requests.find(([method]) => method === "monitor_cond_since") ?? ["", []];
  expect(params[2]).toEqual({ T: [{ columns: ["name", "tags"] }] });
});

test("a column of another type is refused by name", async () => {
  await start(oneRow({ columns: { ...COLUMNS, name: { type: "integer" } } }));
  await eventually(() => failures.length > 0);
  expect(failures[0]).toMatch(/^rejected: column T.name of database db .*not of type string/);
  expect(replica.inSync).toBe(false);
});

const T1 = (update: Json): Json => ["weft", TXN, { T: { [U1]: update } }];
test.each<[string, string, Json]>([
  ["a table that is not monitored", "update3", ["weft", TXN, { X: {} }]],
  ["a column that is not monitored", "update3", T1({ modify: { other: 1 } })],
  ["a value of another type", "update3", T1({ modify: { name: 1 } })],
  ["an unknown row", "update3", ["weft", TXN, { T: { [U2]: { modify: { name: "x" } } } }]],
  ["no known verb", "update3", T1({ explode: {} })],
  ["no transaction", "update3", ["weft", 1, {}]],
  ["no updates", "update3", ["weft", TXN]],
  ["an array for updates", "update2", ["weft", []]],
  [
    "one good and one bad row",
    "update3",
    ["weft", TXN, { T: { [U1]: { modify: { name: "half" } }, [U2]: { insert: { name: 7 } } } }],
  ],
])(
  "%s cuts the connection and changes nothing; then all is read again",
  async (_name, method, params) => {
    await start(oneRow());
    await synced();
    notify(method, params);
    await eventually(() => replica.fullReads === 2 && replica.inSync);
    expect(replica.table("T").get(U1)?.name).toBe("a");
    expect(replica.table("T").size).toBe(1);
    expect(batches).toHaveLength(1);
  },
);

test("notifications for others are ignored", async () => {
  await start(oneRow());
  await synced();
  notify("update3", ["other", TXN, { X: {} }]);
  notify("stolen", ["lock"]);
  notify("update3", ["weft", TXN, { T: { [U1]: { modify: { name: "b" } } } }]);
  await eventually(() => replica.table("T").get(U1)?.name === "b");
  expect(replica.fullReads).toBe(1);
});
