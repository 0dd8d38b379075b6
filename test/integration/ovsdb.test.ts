// The OVSDB client against a real ovsdb-server and ovs-vswitchd: replicate, transact, conflict,
// restarts, kill -9 with resume, a server that hangs. Each test owns its Open vSwitch.
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OvsdbTransactionError } from "@weft/agent/ovsdb/errors.ts";
import { type ChangeBatch, Replica, replicaInSync } from "@weft/agent/ovsdb/replica.ts";
import { OvsdbSession, type OvsdbSessionOptions } from "@weft/agent/ovsdb/session.ts";
import { Transaction } from "@weft/agent/ovsdb/transaction.ts";
import { VSWITCH_TABLES, type VswitchTables } from "@weft/agent/ovsdb/vswitch.ts";
import { SystemClock } from "@weft/shared/clock.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Ovs, type OvsOptions, startOvs, until } from "../lab/ovs.ts";

let dir: string;
let cleanups: (() => Promise<void>)[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "weft-ovsdb-"));
});

afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  cleanups = [];
  await rm(dir, { recursive: true, force: true });
});

async function ovsdb(options: Partial<OvsOptions> = {}): Promise<Ovs> {
  const ovs = await startOvs({ dir: join(dir, "o"), name: "o", dummyDatapath: true, ...options });
  cleanups.push(() => ovs.stop());
  return ovs;
}

interface Client {
  session: OvsdbSession;
  replica: Replica<VswitchTables>;
  batches: ChangeBatch<VswitchTables>[];
  transaction(): Transaction<VswitchTables>;
}

async function client(
  address: string,
  options: Partial<OvsdbSessionOptions> = {},
): Promise<Client> {
  const session = new OvsdbSession({
    address,
    clock: new SystemClock(),
    random: Math.random,
    ...options,
  });
  const replica = new Replica({ session, database: "Open_vSwitch", tables: VSWITCH_TABLES });
  const batches: ChangeBatch<VswitchTables>[] = [];
  replica.listen({ changed: (batch) => batches.push(batch) });
  cleanups.push(async () => {
    replica[Symbol.dispose]();
    await session[Symbol.asyncDispose]();
  });
  session.start();
  await replicaInSync(replica, AbortSignal.timeout(10_000));
  const transaction = (): Transaction<VswitchTables> =>
    new Transaction({ database: "Open_vSwitch", tables: VSWITCH_TABLES });
  return { session, replica, batches, transaction };
}

function rootOf(replica: Replica<VswitchTables>) {
  const [root] = replica.table("Open_vSwitch").values();
  if (root === undefined) throw new Error("no root row");
  return root;
}

function bridgeNames(replica: Replica<VswitchTables>): string[] {
  return [...replica.table("Bridge").values()].map((bridge) => bridge.name).sort();
}

function addBridge(at: Client, name: string): Transaction<VswitchTables> {
  const tx = at.transaction();
  const iface = tx.insert("Interface", { name, type: "internal" });
  const port = tx.insert("Port", { name, interfaces: [iface] });
  const bridge = tx.insert("Bridge", { name, datapath_type: "netdev", ports: [port] });
  tx.mutate("Open_vSwitch", rootOf(at.replica)._uuid, [["bridges", "insert", [bridge]]]);
  tx.comment(`test adds ${name}`);
  return tx;
}

test("the installed schema has every column we declare", async () => {
  const ovs = await ovsdb({ withoutVswitchd: true });
  const { replica } = await client(ovs.dbAddress);
  expect(replica.absent).toEqual([]);
});

test("what others write arrives, typed and batched per transaction", async () => {
  const ovs = await ovsdb();
  const { replica, batches } = await client(ovs.dbAddress);
  batches.length = 0;
  await ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "external_ids:a=b");
  await until("br0 in the replica", () => bridgeNames(replica).includes("br0"));
  const [bridge] = replica.table("Bridge").values();
  expect(bridge?.external_ids).toEqual(new Map([["a", "b"]]));
  const first = batches.find((batch) => batch.some((change) => change.table === "Bridge"));
  const tables = new Set(first?.map((change) => change.table));
  for (const table of ["Open_vSwitch", "Bridge", "Port", "Interface"]) {
    expect(tables).toContain(table);
  }
  // ovs-vswitchd fills in what it decided.
  const ofport = (): number | null | undefined =>
    [...replica.table("Interface").values()].find((row) => row.name === "br0")?.ofport;
  await until("an ofport", () => typeof ofport() === "number");

  await ovs.vsctl("remove", "bridge", "br0", "external_ids", "a");
  await until(
    "the key to go",
    () => [...replica.table("Bridge").values()][0]?.external_ids.size === 0,
  );
  await ovs.vsctl("del-br", "br0");
  await until("br0 to go", () => replica.table("Bridge").size === 0);
  expect(replica.table("Interface").size).toBe(0);
});

test("a committed transaction is in the replica when commit returns", async () => {
  const ovs = await ovsdb({ withoutVswitchd: true });
  const at = await client(ovs.dbAddress);
  for (let i = 0; i < 20; i++) {
    await addBridge(at, `br${i}`).commit(at.session);
    expect(bridgeNames(at.replica)).toContain(`br${i}`);
  }
});

test("a named row gets its uuid, and counts tell what was touched", async () => {
  const ovs = await ovsdb({ withoutVswitchd: true });
  const at = await client(ovs.dbAddress);
  const tx = at.transaction();
  const controller = tx.insert("Controller", { target: "tcp:1.2.3.4" });
  const bridge = tx.insert("Bridge", { name: "b", controller: [controller] });
  tx.mutate("Open_vSwitch", rootOf(at.replica)._uuid, [["bridges", "insert", [bridge]]]);
  const result = await tx.commit(at.session);
  expect(at.replica.table("Bridge").get(result.uuidOf(bridge))?.controller).toEqual([
    result.uuidOf(controller),
  ]);
  expect(result.counts).toEqual([null, null, 1]);
});

test("a wait that does not hold is a conflict and nothing is changed", async () => {
  const ovs = await ovsdb({ withoutVswitchd: true });
  const at = await client(ovs.dbAddress);
  await addBridge(at, "br0").commit(at.session);
  const [bridge] = at.replica.table("Bridge").values();
  if (bridge === undefined) throw new Error("no bridge");
  await ovs.vsctl("--no-wait", "set", "bridge", "br0", "external_ids:who=other");

  const tx = at.transaction();
  tx.wait("Bridge", bridge._uuid, [{ external_ids: new Map() }]);
  tx.update("Bridge", bridge._uuid, { fail_mode: "secure" });
  const error = await tx.commit(at.session).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(OvsdbTransactionError);
  expect(error).toMatchObject({ kind: "conflict", opIndex: 0 });
  expect(at.replica.table("Bridge").get(bridge._uuid)?.fail_mode).toBeNull();

  const again = at.transaction();
  again.wait("Bridge", bridge._uuid, [{ external_ids: new Map([["who", "other"]]) }]);
  again.update("Bridge", bridge._uuid, { fail_mode: "secure" });
  await again.commit(at.session);
  expect(at.replica.table("Bridge").get(bridge._uuid)?.fail_mode).toBe("secure");
});

test("refusals of the server carry the operation", async () => {
  const ovs = await ovsdb({ withoutVswitchd: true });
  const at = await client(ovs.dbAddress);
  const bad = addBridge(at, "br0");
  bad.update("Bridge", [["name", "==", "br0"]], { fail_mode: "sometimes" });
  const refused = await bad.commit(at.session).catch((e: unknown) => e);
  expect(refused).toMatchObject({ kind: "rejected", ovsdbError: "constraint violation" });
  expect(String(refused)).toContain("at update Bridge");

  // Two rows of one name break an index: only the commit notices.
  await addBridge(at, "br1").commit(at.session);
  const twice = await addBridge(at, "br1")
    .commit(at.session)
    .catch((e: unknown) => e);
  expect(twice).toMatchObject({ kind: "rejected", opIndex: null });

  const dry = addBridge(at, "br2");
  dry.abort();
  expect(await dry.commit(at.session).catch((e: unknown) => e)).toMatchObject({
    ovsdbError: "aborted",
  });
  const locked = addBridge(at, "br2");
  locked.assertLock("weft");
  expect(await locked.commit(at.session).catch((e: unknown) => e)).toMatchObject({
    kind: "conflict",
  });
  expect(bridgeNames(at.replica)).toEqual(["br1"]);
});

test.each(["SIGTERM", "SIGKILL"] as const)(
  "%s of ovsdb-server: content stays readable, only real changes are told",
  async (signal) => {
    const ovs = await ovsdb({ withoutVswitchd: true });
    const at = await client(ovs.dbAddress);
    await addBridge(at, "br0").commit(at.session);
    await addBridge(at, "br1").commit(at.session);
    at.batches.length = 0;
    await ovs.kill("ovsdb-server", signal);
    await until("the loss to be noticed", () => !at.replica.inSync);
    expect(bridgeNames(at.replica)).toEqual(["br0", "br1"]);
    await expect(addBridge(at, "br2").commit(at.session)).rejects.toMatchObject({
      kind: "transient",
    });

    await ovs.startOvsdb();
    await replicaInSync(at.replica, AbortSignal.timeout(10_000));
    expect(at.batches).toEqual([]);

    await ovs.kill("ovsdb-server", signal);
    await until("the loss to be noticed", () => !at.replica.inSync);
    await ovs.startOvsdb();
    await ovs.vsctl("--no-wait", "del-br", "br1");
    await replicaInSync(at.replica, AbortSignal.timeout(10_000));
    await until("br1 to go", () => bridgeNames(at.replica).length === 1);
    const told = at.batches.flat().filter((change) => change.table === "Bridge");
    expect(told.map((change) => [change.old?.name, change.new])).toEqual([["br1", null]]);
    await addBridge(at, "br2").commit(at.session);
    expect(bridgeNames(at.replica)).toEqual(["br0", "br2"]);
  },
);

test("a connection cut in between resumes from the last transaction where history is kept", async () => {
  const ovs = await ovsdb({ withoutVswitchd: true, clustered: true });
  // The server keeps a history no larger than its data, and starts with none: fill, then restart.
  const fill = Array.from({ length: 20 }, (_, i) => ["--", "add-br", `fill${i}`]).flat();
  await ovs.vsctl("--no-wait", ...fill);
  await ovs.restartOvsdb();
  const at = await client(ovs.dbAddress);
  await addBridge(at, "br0").commit(at.session);
  expect(at.replica.fullReads).toBe(1);
  at.batches.length = 0;
  await ovs.appctl("ovsdb-server", "ovsdb-server/reconnect");
  await until("the loss to be noticed", () => !at.replica.inSync);
  await ovs.vsctl("--no-wait", "add-br", "br1");
  await replicaInSync(at.replica, AbortSignal.timeout(10_000));
  await until("br1", () => bridgeNames(at.replica).includes("br1"));
  expect(at.replica.fullReads).toBe(1);
  expect(at.batches.flat().filter((c) => c.table === "Bridge" && c.old === null)).toHaveLength(1);
});

test("a plain database is read again in full after a reconnect", async () => {
  const ovs = await ovsdb({ withoutVswitchd: true });
  const at = await client(ovs.dbAddress);
  await ovs.appctl("ovsdb-server", "ovsdb-server/reconnect");
  await until("the loss to be noticed", () => !at.replica.inSync);
  await replicaInSync(at.replica, AbortSignal.timeout(10_000));
  expect(at.replica.fullReads).toBe(2);
});

test("ovs-vswitchd absent: transactions commit, ofports wait for it", async () => {
  const ovs = await ovsdb({ withoutVswitchd: true });
  const at = await client(ovs.dbAddress);
  await addBridge(at, "br0").commit(at.session);
  const ofport = (): number | null | undefined =>
    [...at.replica.table("Interface").values()][0]?.ofport;
  expect(ofport()).toBeNull();
  await ovs.startVswitchd();
  await until("an ofport", () => ofport() === 65_534);
  await ovs.kill("ovs-vswitchd", "SIGKILL");
  await ovs.startVswitchd();
  await until("the ofport again", () => ofport() === 65_534);
});

test("a server that hangs is noticed by the probe, and taken up again", async () => {
  const ovs = await ovsdb({ withoutVswitchd: true });
  const at = await client(ovs.dbAddress, { probeIntervalMs: 200 });
  await ovs.kill("ovsdb-server", "SIGSTOP");
  await until("the silence to be noticed", () => !at.replica.inSync);
  await ovs.kill("ovsdb-server", "SIGCONT");
  await replicaInSync(at.replica, AbortSignal.timeout(10_000));
  expect(at.session.state).toBe("connected");
});

test("over TCP on IPv6, and over TLS with certificates of one CA", async () => {
  const ovs = await ovsdb({ withoutVswitchd: true });
  const pem = (name: string): string => join(dir, `${name}.pem`);
  for (const name of ["ca", "server", "client", "stranger"]) {
    const signed = name === "server" || name === "client";
    const by = signed ? ["-CA", pem("ca"), "-CAkey", pem("ca-key")] : [];
    const subject = ["req", "-x509", "-nodes", "-days", "1", "-subj", `/CN=${name}`];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    const out = ["-keyout", pem(`${name}-key`), "-out", pem(name)];
    await ovs.exec("openssl", ...subject, ...key, ...out, ...by);
  }
  await ovs.kill("ovsdb-server", "SIGTERM");
  const [tcpPort, sslPort] = [await freePort(), await freePort()];
  await ovs.startOvsdb(
    `--remote=ptcp:${tcpPort}:[::1]`,
    `--remote=pssl:${sslPort}:127.0.0.1`,
    `--private-key=${pem("server-key")}`,
    `--certificate=${pem("server")}`,
    `--ca-cert=${pem("ca")}`,
  );
  const overTcp = await client(`tcp:[::1]:${tcpPort}`);
  await addBridge(overTcp, "br0").commit(overTcp.session);

  const read = (name: string): Promise<string> => readFile(pem(name), "utf8");
  const ca = await read("ca");
  const tls = { ca, cert: await read("client"), key: await read("client-key") };
  const overTls = await client(`ssl:127.0.0.1:${sslPort}`, { tls });
  expect(bridgeNames(overTls.replica)).toEqual(["br0"]);

  // A client that another CA signed is refused by the server, a server likewise by the client.
  const stranger = { ca, cert: await read("stranger"), key: await read("stranger-key") };
  const wrongCa = { ...tls, ca: await read("stranger") };
  for (const bad of [stranger, wrongCa]) {
    const session = new OvsdbSession({
      address: `ssl:127.0.0.1:${sslPort}`,
      clock: new SystemClock(),
      random: Math.random,
      tls: bad,
    });
    cleanups.push(() => session[Symbol.asyncDispose]());
    session.start();
    await until("the refusal", () => session.lastError !== null);
    await expect(session.request("list_dbs", [])).rejects.toMatchObject({ kind: "transient" });
  }
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
