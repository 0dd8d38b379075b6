// The session against a real socket with a scripted peer, on a fake clock: probe, timeouts, backoff,
// hostile bytes. Real ovsdb-server is met in test/integration/ovsdb.test.ts.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "../fakes/clock.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseOvsdbAddress } from "@weft/agent/ovsdb/address.ts";
import { OvsdbSession } from "@weft/agent/ovsdb/session.ts";

let dir: string;
let server: Server;
let clock: FakeClock;
let session: OvsdbSession;
const events: string[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "weft-session-"));
  server = createServer();
  server.listen(join(dir, "s"));
  await once(server, "listening");
  clock = new FakeClock();
  session = new OvsdbSession({
    address: `unix:${join(dir, "s")}`,
    clock,
    random: () => 0,
    probeIntervalMs: 1_000,
    connectTimeoutMs: 3_000,
    backoff: { initialMs: 100, capMs: 1_000, stableMs: 10_000 },
  });
  events.length = 0;
  session.listen({
    connected: () => events.push("connected"),
    disconnected: (error, retryMs) => events.push(`${error.message} | ${retryMs}`),
  });
});

afterEach(async () => {
  await session[Symbol.asyncDispose]();
  server.close();
  await rm(dir, { recursive: true, force: true });
});

async function accept(): Promise<Socket> {
  const [socket] = (await once(server, "connection")) as [Socket];
  socket.on("error", () => {});
  if (session.state !== "connected") await eventually(() => session.state === "connected");
  return socket;
}

async function eventually(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    if (turns > 10_000) throw new Error("condition did not come true");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("connects, answers an echo, and reconnects after the peer closes", async () => {
  session.start();
  const first = await accept();
  first.write('{"id":"e","method":"echo","params":[7]}');
  const [bytes] = (await once(first, "data")) as [Buffer];
  expect(JSON.parse(bytes.toString())).toEqual({ id: "e", result: [7], error: null });
  first.end();
  await eventually(() => session.state === "waiting");
  expect(events[1]).toMatch(/closed the connection \| 50$/);
  clock.advance(49);
  expect(session.state).toBe("waiting");
  clock.advance(1);
  await accept();
  expect(events.filter((e) => e === "connected")).toHaveLength(2);
});

test("attempts back off up to the cap while nobody listens", async () => {
  server.close();
  await rm(join(dir, "s"), { force: true });
  session.start();
  for (let attempt = 1; attempt <= 6; attempt++) {
    await eventually(() => events.length === attempt);
    clock.advance(clock.nextTimerMs ?? 0);
  }
  expect(events.map((e) => Number(e.split("| ")[1]))).toEqual([50, 100, 200, 400, 500, 500]);
});

test("a silent peer is probed once and then dropped", async () => {
  session.start();
  const socket = await accept();
  clock.advance(1_000);
  const [bytes] = (await once(socket, "data")) as [Buffer];
  expect(JSON.parse(bytes.toString())).toMatchObject({ method: "echo", params: [] });
  expect(session.state).toBe("connected");
  clock.advance(1_000);
  expect(session.state).toBe("waiting");
  expect(events[1]).toContain("was silent for 2000 ms");
});

test("any bytes count as a sign of life", async () => {
  session.start();
  const socket = await accept();
  socket.resume();
  let seen = 0;
  session.listen({ notification: () => (seen += 1) });
  for (let i = 1; i <= 4; i++) {
    clock.advance(1_000);
    socket.write('{"id":null,"method":"tick","params":[]}');
    await eventually(() => seen === i);
  }
  expect(session.state).toBe("connected");
});

test("a request that is not answered in time ends the connection", async () => {
  session.start();
  const socket = await accept();
  socket.resume();
  const answer = session.request("get_schema", ["x"], { timeoutMs: 500 });
  clock.advance(500);
  await expect(answer).rejects.toThrow("no answer to get_schema within 500 ms");
  expect(session.state).toBe("waiting");
});

test("requests without a connection are refused at once, naming the server", async () => {
  await expect(session.request("list_dbs", [])).rejects.toThrow(/no connection .*unix:/);
});

test.each([
  ["garbage", "SSH-2.0-OpenSSH\r\n"],
  ["not JSON", "{x}"],
  ["deep nesting", `{"a":${"[".repeat(100)}`],
  ["an id that is an object", '{"id":{},"method":"echo","params":[]}'],
])("%s ends the connection, which then comes back", async (_name, bytes) => {
  session.start();
  const socket = await accept();
  socket.write(bytes);
  await eventually(() => session.state === "waiting");
  expect(events[1]).toContain("broke the protocol");
  clock.advance(50);
  await accept();
});

test("closing rejects what is pending and is final", async () => {
  session.start();
  await accept();
  const answer = session.request("list_dbs", []).catch((e: unknown) => String(e));
  await session[Symbol.asyncDispose]();
  expect(await answer).toContain("session closed");
  expect(session.state).toBe("closed");
  expect(clock.pendingTimers).toBe(0);
});

test.each([
  ["unix:/run/db.sock", { scheme: "unix", path: "/run/db.sock" }],
  ["tcp:127.0.0.1:6640", { scheme: "tcp", host: "127.0.0.1", port: 6640 }],
  ["tcp:host", { scheme: "tcp", host: "host", port: 6640 }],
  ["ssl:[fd00::1]:6641", { scheme: "ssl", host: "fd00::1", port: 6641 }],
])("address %s", (text, expected) => {
  expect(parseOvsdbAddress(text)).toEqual(expected);
});

test.each(["", "unix:", "tcp:", "tcp:h:0", "tcp:h:99999", "udp:h:1", "tcp:::1:6640"])(
  "address %j is refused",
  (text) => {
    expect(() => parseOvsdbAddress(text)).toThrow(/use unix:PATH/);
  },
);
