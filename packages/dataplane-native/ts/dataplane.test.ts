// The addon against a real ovs-vswitchd of its own: a batch becomes flows, events arrive, nothing hangs.
// What the engine does in detail is tested in Rust (crates/engine/tests); this is about the boundary.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Dataplane, DataplaneClosedError, type DataplaneEvent } from "./index.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-dataplane-"));
const mgmtSocket = join(dir, "br-int.mgmt");
const database = `unix:${join(dir, "db.sock")}`;
const env = { ...process.env, OVS_RUNDIR: dir, OVS_DBDIR: dir };
const children: ChildProcess[] = [];

function vsctl(...args: string[]): void {
  execFileSync("ovs-vsctl", ["--timeout=10", `--db=${database}`, ...args]);
}

function marked(): string[] {
  const flows = execFileSync(
    "ovs-ofctl",
    ["-O", "OpenFlow15", "--no-stats", "dump-flows", `unix:${mgmtSocket}`],
    { encoding: "utf8" },
  );
  return flows.split("\n").filter((line) => line.includes("cookie=0x57"));
}

beforeAll(async () => {
  const conf = join(dir, "conf.db");
  execFileSync("ovsdb-tool", ["create", conf, "/usr/share/openvswitch/vswitch.ovsschema"]);
  const options = { env, stdio: "ignore" } as const;
  const server = [
    conf,
    `--remote=punix:${join(dir, "db.sock")}`,
    `--unixctl=${join(dir, "db.ctl")}`,
  ];
  children.push(spawn("ovsdb-server", server, options));
  await vi.waitUntil(() => existsSync(join(dir, "db.sock")), 10_000);
  vsctl("--no-wait", "init");
  const dummy = ["--enable-dummy=system", "--disable-system", `--unixctl=${join(dir, "vs.ctl")}`];
  children.push(spawn("ovs-vswitchd", [database, ...dummy], options));
  const settings = ["datapath_type=dummy", "fail_mode=secure", "protocols=OpenFlow15"];
  vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", ...settings);
});

afterAll(async () => {
  for (const child of children) {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
  rmSync(dir, { recursive: true });
});

/** One length-delimited or varint field of protobuf; enough for the instructions below. */
function field(number: number, value: number | string | Uint8Array): Buffer {
  const varint = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...varint(n >>> 7)]);
  if (typeof value === "number") {
    return Buffer.from([...varint(number << 3), ...varint(value)]);
  }
  const bytes = Buffer.from(value);
  return Buffer.concat([
    Buffer.from([...varint((number << 3) | 2), ...varint(bytes.length)]),
    bytes,
  ]);
}

function message(...fields: Buffer[]): Buffer {
  return Buffer.concat(fields);
}

/** EngineBatch.upserts; `body` is the number of the member of InstructionBody. */
function upsert(key: string, body: number, ...fields: Buffer[]): Buffer {
  return field(1, message(field(1, key), field(2, field(body, message(...fields)))));
}

const world = message(
  upsert("chassis/c1/config", 1, field(1, 1)),
  upsert("network/7/config", 3, field(1, 7), field(2, "n7"), field(3, 1)),
  upsert(
    "chassis/c1/port/101",
    2,
    field(1, "p101"),
    field(2, 101),
    field(3, 7),
    field(4, Buffer.from("020000000001", "hex")),
    field(5, Buffer.from([10, 0, 0, 1])),
    field(7, 1),
    field(8, 1),
  ),
  upsert("local/vif/p101", 32, field(1, "p101"), field(2, 21)),
);

/** An open dataplane, and what it said. */
function open(options: { maxTickets?: number; mgmtSocket?: string } = {}) {
  const events: DataplaneEvent[] = [];
  const all = { mgmtSocket, checkIntervalMs: 200, reconnectMaxMs: 100, ...options };
  const dataplane = Dataplane.open(all, (event) => events.push(event));
  const completed = async (ticket: bigint) =>
    vi.waitUntil(
      () => events.find((event) => event.kind === "completed" && event.ticket === ticket),
      10_000,
    );
  return { dataplane, events, completed };
}

test("a batch becomes flows, its ticket completes, and the flows stay after close", async () => {
  const { dataplane, events, completed } = open();
  const ticket = dataplane.submit(world);
  expect(ticket).toBe(1n);
  const done = await completed(ticket);
  expect(done).toMatchObject({ kind: "completed", ticket: 1n, failures: [] });
  expect(events[0]).toEqual({ kind: "connection", connected: true, reason: "" });
  const flows = marked().length;
  expect(done).toHaveProperty("flows", flows);

  const ofPort = await dataplane.portFlows(101);
  expect(ofPort.length).toBeGreaterThan(5);
  expect(ofPort[0]).toMatchObject({ key: "chassis/c1/port/101" });
  expect((ofPort[0]?.cookie ?? 0n) >> 56n).toBe(0x57n);
  expect(await dataplane.portFlows(999)).toEqual([]);
  expect(dataplane.stats()).toMatchObject({ connected: true, flows, failing: 0, lastReason: "" });
  await dataplane.close();
  expect(marked().length).toBe(flows);
});

test("a failure names the instruction and a way out; drift is told", async () => {
  const { dataplane, events, completed } = open();
  const bad = upsert("network/8/config", 3, field(1, 8), field(2, "n8"), field(5, 9999));
  const done = await completed(dataplane.submit(Buffer.concat([world, bad])));
  expect(done).toMatchObject({ failures: [{ key: "network/8/config" }] });

  const flows = marked();
  execFileSync("ovs-ofctl", ["-O", "OpenFlow15", "del-flows", `unix:${mgmtSocket}`, "table=70"]);
  await vi.waitUntil(() => events.some((event) => event.kind === "drift"), 10_000);
  await vi.waitUntil(() => marked().length === flows.length, 10_000);
  await dataplane.close();
});

test("without a bridge it says why, is busy when full, and closes at once", async () => {
  const { dataplane, events } = open({ maxTickets: 2, mgmtSocket: join(dir, "absent.mgmt") });
  const tickets = [1, 2, 3].map(() => dataplane.submit(world));
  expect(tickets).toEqual([1n, 2n, 0n]);
  await vi.waitUntil(() => events.length > 0, 10_000);
  expect(events[0]).toMatchObject({ kind: "connection", connected: false });
  expect(events[0]).toHaveProperty("reason", expect.stringContaining("absent.mgmt"));
  await dataplane.close();
});

test("after close every call says so, and closing again is nothing", async () => {
  const { dataplane } = open();
  await dataplane.close();
  await dataplane.close();
  expect(() => dataplane.submit(world)).toThrow(DataplaneClosedError);
  expect(() => dataplane.submit(world)).toThrow(/br-int\.mgmt is closed: open another/);
  expect(() => dataplane.allowPrune()).toThrow(DataplaneClosedError);
  expect(() => dataplane.stats()).toThrow(DataplaneClosedError);
  await expect(dataplane.portFlows(1)).rejects.toThrow(DataplaneClosedError);
});
