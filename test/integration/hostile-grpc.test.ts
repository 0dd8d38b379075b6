// Whatever is sent to central's two ports, it stays up, its memory stays bounded and who behaves is served. A real process, real TLS;
// the attackers hold valid certificates where that takes them further. After every test an operator and a chassis are served.
import { randomBytes } from "node:crypto";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { gzipSync } from "node:zlib";
import { Client, status as Code } from "@grpc/grpc-js";
import {
  Kind,
  ListRequest,
  NorthboundServiceClient,
  NorthboundServiceService,
  WatchRequest,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type { ApplyResponse } from "@weft/shared/gen/weft/v1/northbound.ts";
import { AdminServiceService } from "@weft/shared/gen/weft/v1/orchestration.ts";
import {
  SouthboundServiceClient,
  SouthboundServiceService,
} from "@weft/shared/gen/weft/v1/southbound.ts";
import type { CentralMessage } from "@weft/shared/gen/weft/v1/southbound.ts";
import { MAX_STREAMS } from "@weft/central/distribute/stream-count.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { unary } from "@weft/shared/grpc.ts";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { until } from "../lab/ovs.ts";
import {
  type Agent,
  apply as applyTo,
  connectAgent as connectTo,
  deadlineMs,
  encode,
  hello,
  literal,
  network,
  rawCall,
  type Saying,
  served,
} from "./central-calls.ts";
import { RunningCentral, type Side } from "./running-central.ts";

const sides: readonly Side[] = ["northbound", "southbound"];
/** What central may grow by during one attack: its own garbage, not what is thrown at it. */
const maxGrowthMib = 160;
/** What it may occupy after all of them: far below the sum of what was thrown at it, and below its promise for a full cloud. */
const maxRssMib = 360;

let central: RunningCentral;
let ann: NorthboundServiceClient;

beforeAll(async () => {
  central = await RunningCentral.start(["operator:ann", "chassis:good", "chassis:evil"]);
  ann = central.client(NorthboundServiceClient, "northbound", "operator:ann");
  await served(central, ann);
});

afterAll(() => central[Symbol.asyncDispose]());

afterEach(async () => {
  if (!central.running) throw new Error(`central ended: ${central.log.slice(-2000)}`);
  await served(central, ann);
});

const apply = (fields: object): Promise<ApplyResponse> => applyTo(ann, fields);
const connectAgent = (identity: string): Agent => connectTo(central, identity);

const port = (name: string, pairs: number) => ({
  change: {
    $case: "upsert" as const,
    value: {
      object: {
        $case: "port" as const,
        value: {
          meta: { id: name, name },
          spec: {
            network: "wide",
            allowedAddressPairs: Array.from({ length: pairs }, (_, at) => ({
              ip: `10.9.${at >> 8}.${at & 255}`,
              mac: "",
            })),
          },
        },
      },
    },
  },
});

/** Says something and answers why the stream was refused. */
async function refusalOf(identity: string, ...messages: Saying[]): Promise<string> {
  const agent = connectAgent(identity);
  for (const message of messages) agent.send(message);
  for (;;) {
    const message = await agent.next();
    if (message === null) throw new Error("ended without a refusal");
    if (message.$case !== "refusal") continue;
    agent.stop();
    return message.value.reason;
  }
}

const connections: SouthboundServiceClient[] = [];

/** One of 30 connections of a chassis: each takes only some streams. They are closed with the central. */
function evilClients(at: number): SouthboundServiceClient {
  const slot = at % 30;
  connections[slot] ??= central.client(SouthboundServiceClient, "southbound", "chassis:evil");
  return connections[slot];
}

// ---- raw sockets ----

function tcp(side: Side): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(central.port(side), "127.0.0.1", () => resolve(socket));
    socket.on("error", reject);
  });
}

/** A TLS connection with a certificate and HTTP/2; what comes back is thrown away. */
function tls(side: Side, identity: string, pki = "pki"): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: "127.0.0.1",
      port: central.port(side),
      ...central.pem(identity, pki),
      ALPNProtocols: ["h2"],
    });
    socket.once("secureConnect", () => {
      socket.resume();
      resolve(socket);
    });
    socket.on("error", reject);
  });
}

/** Writes until everything is taken or the other side has had enough. */
async function pour(socket: Socket, bytes: Buffer, times: number): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  for (let count = 0; count < times && !socket.destroyed; count++) {
    if (!socket.write(bytes)) {
      const drained = new Promise<void>((resolve) => socket.once("drain", () => resolve()));
      await Promise.race([drained, closed]);
    }
  }
  socket.destroy();
}

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

function h2Frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const settings = h2Frame(4, 0, 0, Buffer.alloc(0));

/** HEADERS of a call (RFC 7541: indexed method and scheme, literal path and content type). */
function callHeaders(stream: number, path: string): Buffer {
  const block = [
    Buffer.of(0x83, 0x87, 0x04),
    literal(path),
    Buffer.of(0x01),
    literal("127.0.0.1"),
    Buffer.of(0x0f, 0x10),
    literal("application/grpc"),
  ];
  return h2Frame(1, 4, stream, Buffer.concat(block));
}

// ---- attacks ----

describe("what is no gRPC", () => {
  it("garbage, plain HTTP and halves of a TLS handshake are dropped", async () => {
    const clientHello = Buffer.concat([
      // A TLS record that announces more than comes.
      Buffer.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03),
      randomBytes(40),
    ]);
    const halves: Socket[] = [];
    for (const side of sides) {
      for (const bytes of [
        randomBytes(10_000),
        Buffer.from("GET / HTTP/1.1\r\n\r\n"),
        Buffer.concat([preface, settings]),
      ]) {
        const socket = await tcp(side);
        socket.on("error", () => undefined);
        const closed = new Promise((resolve) => socket.once("close", resolve));
        socket.resume();
        socket.write(bytes);
        await closed;
      }
      for (let count = 0; count < 100; count++) {
        const socket = await tcp(side);
        socket.on("error", () => undefined);
        socket.write(clientHello.subarray(0, 1 + (count % clientHello.length)));
        halves.push(socket);
      }
    }
    // Others are served while they hang.
    await served(central, ann);
    for (const socket of halves) socket.destroy();
  });

  it("certificates of another authority, and none at all, open nothing", async () => {
    for (const side of sides) {
      const identity = side === "northbound" ? "operator:ann" : "chassis:good";
      for (const pem of [central.pem(identity, "foreign"), { ca: central.pem(identity).ca }]) {
        const outcome = await new Promise<string>((resolve) => {
          const socket = connectTls({
            ...pem,
            host: "127.0.0.1",
            port: central.port(side),
            ALPNProtocols: ["h2"],
          });
          // TLS 1.3: the client believes itself connected until the server has looked.
          socket.on("data", () => resolve("served"));
          socket.on("error", () => resolve("refused"));
          socket.on("close", () => resolve("refused"));
          socket.once("secureConnect", () => socket.write(Buffer.concat([preface, settings])));
        });
        expect(outcome).toBe("refused");
      }
    }
  });

  it("garbage behind a good handshake ends that connection alone", async () => {
    for (const side of sides) {
      for (const start of [Buffer.alloc(0), Buffer.concat([preface, settings])]) {
        const socket = await tls(side, side === "northbound" ? "operator:ann" : "chassis:evil");
        socket.on("error", () => undefined);
        await pour(socket, Buffer.concat([start, randomBytes(50_000)]), 20);
      }
    }
  });

  it.each([
    ["settings", () => settings],
    ["ping", () => h2Frame(6, 0, 0, Buffer.alloc(8))],
    ["window updates", () => h2Frame(8, 0, 0, Buffer.of(0, 0, 0, 1))],
    ["empty data", () => h2Frame(0, 0, 1, Buffer.alloc(0))],
  ])("HTTP/2 floods: %s", async (_name, frame) => {
    for (const side of sides) {
      const socket = await tls(side, side === "northbound" ? "operator:ann" : "chassis:evil");
      socket.on("error", () => undefined);
      // Answers are not read: they must not pile up.
      socket.pause();
      socket.write(Buffer.concat([preface, settings]));
      const many = Buffer.concat(Array.from({ length: 1000 }, frame));
      await Promise.race([
        pour(socket, many, 100),
        new Promise<void>((resolve) => setTimeout(resolve, 1000)),
      ]);
      socket.destroy();
    }
  });

  it("HTTP/2 floods: calls that are reset at once", async () => {
    for (const side of sides) {
      const socket = await tls(side, side === "northbound" ? "operator:ann" : "chassis:evil");
      socket.on("error", () => undefined);
      socket.write(Buffer.concat([preface, settings]));
      const path =
        side === "northbound"
          ? NorthboundServiceService.watch.path
          : SouthboundServiceService.connect.path;
      const cancel = Buffer.of(0, 0, 0, 8);
      for (let from = 1; from < 20_000 && !socket.destroyed; from += 1000) {
        const frames: Buffer[] = [];
        for (let stream = from; stream < from + 1000; stream += 2) {
          frames.push(callHeaders(stream, path), h2Frame(3, 0, stream, cancel));
        }
        socket.write(Buffer.concat(frames));
        await new Promise((resolve) => setImmediate(resolve));
      }
      socket.destroy();
    }
  });
});

describe("who speaks where", () => {
  it("a chassis may use no northbound method, streams included", async () => {
    const chassis = central.client(Client, "northbound", "chassis:evil");
    const methods = [
      ...Object.values(NorthboundServiceService),
      ...Object.values(AdminServiceService),
    ];
    expect(methods.length).toBeGreaterThan(10);
    for (const method of methods) {
      const { code } = await rawCall(chassis, method.path, Buffer.alloc(0));
      expect([method.path, code]).toEqual([method.path, Code.PERMISSION_DENIED]);
    }
  });

  it("an operator is no chassis, and a chassis is only itself", async () => {
    expect(await refusalOf("operator:ann", hello("good"))).toContain("names no chassis");
    expect(await refusalOf("chassis:evil", hello("good"))).toContain("not of good");
    expect(await refusalOf("chassis:evil", hello("x".repeat(900_000), { hostname: "h" }))).toMatch(
      /^.{1,300}$/s,
    );
  });

  it("the protocol is kept: its version, hello first and once, acks of what was sent", async () => {
    expect(await refusalOf("chassis:evil", hello("evil", { protocolVersion: 0 }))).toContain(
      "protocol version 0 is unknown",
    );
    const beat: Saying = { message: { $case: "heartbeat", value: {} } };
    expect(await refusalOf("chassis:evil", beat)).toContain("must be a hello");
    expect(await refusalOf("chassis:evil", hello("evil"), hello("evil"))).toContain("second hello");
    const ack: Saying = { message: { $case: "ack", value: { sequence: 2n ** 63n } } };
    expect(await refusalOf("chassis:evil", hello("evil"), ack)).toContain("was not sent");
    const keys: Saying = { message: { $case: "scopeKeys", value: { last: true } } };
    expect(await refusalOf("chassis:evil", hello("evil"), keys)).toContain("not asked for");
  });
});

describe("messages that cannot be read", () => {
  it("are refused with INTERNAL, on both sides", async () => {
    const garbage = Buffer.from("ffffffffffffffffffff07", "hex");
    const operator = central.client(Client, "northbound", "operator:ann");
    for (const path of [NorthboundServiceService.apply.path, NorthboundServiceService.watch.path]) {
      const { code } = await rawCall(operator, path, garbage);
      expect([path, code]).toEqual([path, Code.INTERNAL]);
    }
    const chassis = central.client(Client, "southbound", "chassis:evil");
    const { code } = await rawCall(chassis, SouthboundServiceService.connect.path, garbage);
    expect(code).toBe(Code.INTERNAL);
  });

  it("and a compressed message that unpacks to too much, or to nothing", async () => {
    const operator = central.client(Client, "northbound", "operator:ann");
    // Frames are made by grpc-js; the flag and the encoding are told by hand, on a raw connection.
    const bomb = gzipSync(Buffer.alloc(100 * 1024 * 1024));
    for (const [body, codes] of [
      [bomb, [Code.RESOURCE_EXHAUSTED]],
      [randomBytes(1000), [Code.INTERNAL, Code.UNKNOWN, Code.RESOURCE_EXHAUSTED]],
    ] as const) {
      expect(codes).toContain(await compressedCall(body));
    }
    operator.close();
  });
});

/** Apply with a gzip message of these bytes; answers grpc-status. */
async function compressedCall(body: Buffer): Promise<Code> {
  const session = connectHttp2(`https://127.0.0.1:${central.port("northbound")}`, {
    ...central.pem("operator:ann"),
  });
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": NorthboundServiceService.apply.path,
    "content-type": "application/grpc",
    "grpc-encoding": "gzip",
    te: "trailers",
  });
  const code = new Promise<number>((resolve, reject) => {
    const read = (headers: Record<string, unknown>): void => {
      if (headers["grpc-status"] !== undefined) resolve(Number(headers["grpc-status"]));
    };
    stream.on("response", read);
    stream.on("trailers", read);
    stream.on("error", reject);
    stream.on("close", () => reject(new Error("closed without a status")));
  });
  const head = Buffer.alloc(5);
  head[0] = 1;
  head.writeUInt32BE(body.length, 1);
  stream.resume();
  stream.end(Buffer.concat([head, body]));
  try {
    return await code;
  } finally {
    session.destroy();
  }
}

describe("floods of a chassis", () => {
  it("reports and claims of what is not its own are refused, and the log stays small", async () => {
    const before = central.log.length;
    const agent = connectAgent("chassis:evil");
    agent.send(hello("evil"));
    await agent.next();
    const reports = Array.from({ length: 500 }, (_, at) => ({
      portId: `ghost-${at}-${"x".repeat(500)}`,
      state: PortState.UP,
      reason: "y".repeat(100),
      generation: 2n ** 64n - 1n,
    }));
    const claims = Array.from({ length: 5000 }, (_, at) => ({
      portId: `ghost-${at}`,
      ip: Buffer.of(10, 0, 0, 1),
      mac: Buffer.alloc(6, 2),
      generation: 2n ** 64n - 1n,
    }));
    for (let count = 0; count < 100; count++) {
      const kept = agent.send({ message: { $case: "portReports", value: { reports } } });
      agent.send({ message: { $case: "addressClaims", value: { claims } } });
      if (!kept) await new Promise((resolve) => agent.stream.once("drain", resolve));
    }
    await served(central, ann);
    agent.stop();
    expect(central.log.length - before).toBeLessThan(10_000);
  });

  it("scope keys without end are cut off", async () => {
    const first = connectAgent("chassis:evil");
    first.send(hello("evil"));
    const welcome = await first.next();
    if (welcome?.$case !== "welcome") throw new Error("not welcomed");
    first.stop();
    const { storeId, epoch, revision } = welcome.value;
    const scopes = [{ scope: "network/1", digest: Buffer.alloc(16, 1) }];
    const held = { storeId, epoch: epoch + 1n, sequence: 1n, revision, instructions: 1, scopes };
    const agent = connectAgent("chassis:evil");
    agent.send(hello("evil", { held }));
    await until("the question", async () => (await agent.next())?.$case === "scopeKeysRequest");
    let sent = 0;
    let over = false;
    void agent.ended.then(() => {
      over = true;
    });
    for (; sent < 200 && !over; sent++) {
      const key = `network/1/${sent}/${"k".repeat(900_000)}`;
      const keys = [{ key, hash: Buffer.alloc(16) }];
      if (!agent.send({ message: { $case: "scopeKeys", value: { keys, last: false } } })) {
        const drained = new Promise((resolve) => agent.stream.once("drain", resolve));
        await Promise.race([drained, agent.ended]);
      }
    }
    expect(await agent.next()).toMatchObject({ $case: "refusal" });
    expect(sent).toBeLessThan(200);
    agent.stop();
  });

  it("who never reads is owed no more than what changed, and neither is a watcher", async () => {
    const ports = 200;
    const names = Array.from({ length: ports }, (_, at) => `w${at}`);
    await apply({ changes: [network("wide"), ...names.map((name) => port(name, 100))] });
    const client = central.client(SouthboundServiceClient, "southbound", "chassis:evil");
    const stream = client.connect();
    stream.on("error", () => undefined);
    stream.write(encode(hello("evil")));
    const reports = names.map((portId) => ({ portId, state: PortState.UP }));
    stream.write(
      encode({
        message: { $case: "portReports", value: { reports, complete: true } },
      }),
    );
    const watch = ann.watch(WatchRequest.fromPartial({ includeStatus: true }));
    watch.on("error", () => undefined);
    await until("the ports to be bound", async () => {
      const { objects } = await unary(
        ann,
        NorthboundServiceService.list,
        ListRequest.fromPartial({ kind: Kind.PORT, fields: { "status.chassis": "evil" } }),
        { deadlineMs },
      );
      return objects.length === ports;
    });
    const before = central.rssMib;
    for (let round = 0; round < 20; round++) {
      await apply({ changes: names.map((name) => port(name, 100 + (round % 2))) });
    }
    expect(central.rssMib - before).toBeLessThan(maxGrowthMib);
    // Each of these replaces the one before, whose bytes nobody takes.
    const more = Array.from({ length: 100 }, (_, at) => {
      const another = evilClients(at).connect();
      another.on("error", () => undefined);
      another.write(encode(hello("evil")));
      return another;
    });
    await until("central to have had enough", () => central.log.includes("streams open already"));
    await served(central, ann);
    expect(central.rssMib - before).toBeLessThan(maxGrowthMib);
    for (const one of [stream, watch, ...more]) one.cancel();
    client.close();
    const keys = names.map((id) => ({
      change: { $case: "delete" as const, value: { kind: Kind.PORT, id } },
    }));
    await apply({ changes: keys });
  });

  it("who reports and never reads what is refused is owed the latest alone", async () => {
    const before = central.rssMib;
    const agent = connectTo(central, "chassis:evil", { reads: false });
    agent.send(hello("evil"));
    for (let count = 0; count < 300; count++) {
      const reports = Array.from({ length: 200 }, (_, at) => ({
        portId: `${count}-${at}-${"x".repeat(2000)}`,
        state: PortState.UP,
      }));
      if (!agent.send({ message: { $case: "portReports", value: { reports } } })) {
        await new Promise((resolve) => agent.stream.once("drain", resolve));
      }
    }
    await served(central, ann);
    expect(central.rssMib - before).toBeLessThan(maxGrowthMib);
    agent.stop();
  });

  it("streams that never say hello are cut, and do not keep others out", async () => {
    const startMs = performance.now();
    const silent = Array.from({ length: 300 }, (_, at) => {
      const stream = evilClients(at).connect();
      return new Promise<string>((resolve) => {
        stream.on("data", ({ message }: CentralMessage) => {
          if (message?.$case === "refusal") resolve(message.value.reason);
        });
        stream.on("error", () => resolve("error"));
      });
    });
    await served(central, ann);
    const reasons = await Promise.all(silent);
    const count = (text: string): number => reasons.filter((why) => why.includes(text)).length;
    // One certificate has so many streams and no more.
    expect(count("streams open already")).toBe(300 - MAX_STREAMS);
    expect(count("no hello within")).toBe(MAX_STREAMS);
    expect(performance.now() - startMs).toBeLessThan(15_000);
  });
});

it("has not kept what was thrown at it", async () => {
  await served(central, ann);
  expect(central.rssMib).toBeLessThan(maxRssMib);
});
