// The limits that the contracts state, each at the limit and one beyond, against a real process; what is bounded over all callers; and
// what tools rely on: health and reflection.
import { connect as connectHttp2 } from "node:http2";
import type { ClientHttp2Session } from "node:http2";
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import {
  handshakeMs,
  maxPlainRequestBytes,
  maxUnreadCallsPerCaller,
  northboundTransport,
  receiveMs,
  southboundTransport,
} from "@weft/central/api/limits.ts";
import { Client, status as Code } from "@grpc/grpc-js";
import {
  ApplyRequest,
  HistoryRequest,
  Kind,
  ListRequest,
  NorthboundServiceClient,
  NorthboundServiceService,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type { ApplyResponse } from "@weft/shared/gen/weft/v1/northbound.ts";
import { AgentMessage, SouthboundServiceService } from "@weft/shared/gen/weft/v1/southbound.ts";
import { unary } from "@weft/shared/grpc.ts";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type Agent,
  apply as applyTo,
  connectAgent as connectTo,
  deadlineMs,
  encode,
  failure,
  hello,
  literal,
  network,
  rawCall,
  type Saying,
  served,
} from "./central-calls.ts";
import { until } from "../lab/ovs.ts";
import { callHeaders, h2Frame, openApply, opening, readFrames, tls } from "./raw-http2.ts";
import { RunningCentral, type Side } from "./running-central.ts";

let central: RunningCentral;
let ann: NorthboundServiceClient;

beforeAll(async () => {
  central = await RunningCentral.start([
    "operator:ann",
    "operator:bob",
    "chassis:good",
    "chassis:evil",
  ]);
  ann = central.client(NorthboundServiceClient, "northbound", "operator:ann");
  await served(central, ann);
});

afterAll(() => central[Symbol.asyncDispose]());

const apply = (fields: object): Promise<ApplyResponse> => applyTo(ann, fields);
const connectAgent = (identity: string): Agent => connectTo(central, identity);

describe("limits stated in the contract, at the limit and one beyond", () => {
  const list = (fields: Partial<ListRequest>) =>
    unary(ann, NorthboundServiceService.list, ListRequest.fromPartial(fields), { deadlineMs });
  const history = (fields: Partial<HistoryRequest>) =>
    unary(ann, NorthboundServiceService.history, HistoryRequest.fromPartial(fields), {
      deadlineMs,
    });

  it("50,000 changes a set", async () => {
    const changes = Array.from({ length: 50_001 }, (_, at) => network(`m${at}`));
    const { results } = await apply({ changes: changes.slice(1), dryRun: true });
    expect(results).toHaveLength(50_000);
    const error = await failure(apply({ changes, dryRun: true }));
    expect(error).toMatchObject({ code: Code.INVALID_ARGUMENT });
    expect(error.violations[0]?.field).toBe("changes");
  });

  it("256 KiB an object", async () => {
    const object = (reason: string) => ({
      change: {
        $case: "upsert" as const,
        value: {
          object: {
            $case: "port" as const,
            value: { meta: { name: "big" }, spec: { network: "served" }, status: { reason } },
          },
        },
      },
    });
    const sizeOf = (reason: string): number => {
      const [change] = ApplyRequest.fromPartial({ changes: [object(reason)] }).changes;
      const wire = ApplyRequest.encode({
        ...ApplyRequest.fromPartial({}),
        changes: change ? [change] : [],
      });
      // Two headers of three bytes of length and one of tag are around the object.
      return wire.finish().length - 8;
    };
    const padding = 256 * 1024 - sizeOf("x".repeat(200_000)) + 200_000;
    const fits = await apply({ changes: [object("x".repeat(padding))], dryRun: true });
    expect(fits.results).toHaveLength(1);
    const error = await failure(
      apply({ changes: [object("x".repeat(padding + 1))], dryRun: true }),
    );
    expect(error.violations).toMatchObject([{ field: "changes[0].upsert", reason: "OVER_LIMIT" }]);
    expect(error.message).toContain("262145 bytes");
  });

  it("128 bytes of idempotency key, 1024 of comment", async () => {
    const changes = [network("served")];
    await apply({ changes, idempotencyKey: "k".repeat(128), comment: "c".repeat(1024) });
    for (const [field, fields] of [
      ["idempotency_key", { idempotencyKey: "k".repeat(129) }],
      ["comment", { comment: "é".repeat(513) }],
    ] as const) {
      const error = await failure(apply({ changes, ...fields }));
      expect([error.code, error.violations[0]?.field]).toEqual([Code.INVALID_ARGUMENT, field]);
    }
  });

  it("10,000 objects a page, 10,000 entries of history; any revision may be named", async () => {
    await list({ kind: Kind.NETWORK, pageSize: 10_000 });
    expect(await failure(list({ kind: Kind.NETWORK, pageSize: 10_001 }))).toMatchObject({
      code: Code.INVALID_ARGUMENT,
    });
    await history({ limit: 10_000 });
    expect(await failure(history({ limit: 10_001 }))).toMatchObject({
      code: Code.INVALID_ARGUMENT,
    });
    const newest = await history({ limit: 1, beforeRevision: 2n ** 64n - 1n });
    expect(newest.entries).toHaveLength(1);
    expect(await failure(list({ kind: Kind.NETWORK, atRevision: 2n ** 64n - 1n }))).toMatchObject({
      code: Code.OUT_OF_RANGE,
    });
  });

  it("1 MiB a southbound message", async () => {
    const limit = 1024 * 1024;
    const some = "v".repeat(500_000);
    const rest = AgentMessage.encode(encode(hello("evil", { agentVersion: some }))).finish().length;
    const sized = (bytes: number): Saying =>
      hello("evil", { agentVersion: "v".repeat(bytes - rest + some.length) });
    const fits = connectAgent("chassis:evil");
    fits.send(sized(limit));
    expect((await fits.next())?.$case).toBe("welcome");
    fits.stop();
    const beyond = connectAgent("chassis:evil");
    beyond.send(sized(limit + 1));
    expect((await beyond.ended)?.code).toBe(Code.RESOURCE_EXHAUSTED);
    beyond.stop();
    // What it says of itself is kept, and shown, in a bounded form.
    const shown = await unary(
      ann,
      NorthboundServiceService.get,
      { ref: { kind: Kind.CHASSIS, id: "evil", project: "" }, atRevision: 0n },
      { deadlineMs },
    );
    expect(shown.object?.object).toMatchObject({
      value: { status: { agentVersion: expect.stringMatching(/^v{61}\.\.\.$/) as unknown } },
    });
  });

  it("64 MiB a change set", async () => {
    const limit = 64 * 1024 * 1024;
    const operator = central.client(Client, "northbound", "operator:ann");
    const body = (bytes: number): Buffer => {
      // One field that the contract does not know: skipped, so that only the size counts.
      const head = Buffer.from([0xfa, 0x07, 0, 0, 0, 0]);
      const rest = bytes - head.length;
      for (let at = 0; at < 4; at++)
        head[2 + at] = ((rest >> (7 * at)) & 0x7f) | (at < 3 ? 0x80 : 0);
      return Buffer.concat([head, Buffer.alloc(rest)]);
    };
    const { path } = NorthboundServiceService.apply;
    expect((await rawCall(operator, path, body(limit))).code).toBe(Code.OK);
    expect((await rawCall(operator, path, body(limit + 1))).code).toBe(Code.RESOURCE_EXHAUSTED);
  });
});

describe("bounded over all callers", () => {
  const sessions: ClientHttp2Session[] = [];
  afterEach(() => {
    for (const session of sessions.splice(0)) session.destroy();
  });

  const connect = (side: Side, identity: string): ClientHttp2Session => {
    const session = connectHttp2(`https://127.0.0.1:${central.port(side)}`, {
      ...central.pem(identity),
      // This side queues far more than Node grants a session (10 MB).
      maxSessionMemory: 4000,
    });
    session.on("error", () => undefined);
    session.setMaxListeners(0);
    sessions.push(session);
    return session;
  };

  const wholeBytes = 64 * 1024 * 1024;

  it("bytes of requests that are sent and never whole, and others are served meanwhile", async () => {
    const before = central.rssMib;
    const sessions = Array.from({ length: 5 }, () => connect("northbound", "operator:bob"));
    const calls = sessions.flatMap((session) =>
      Array.from({ length: 8 }, () => openApply(session, wholeBytes)),
    );
    // 40 x 40 MiB; HTTP/2 holds most of it back here.
    const piece = Buffer.alloc(4 * 1024 * 1024);
    for (const { stream } of calls) for (let count = 0; count < 10; count++) stream.write(piece);
    const startMs = performance.now();
    let most = 0;
    while (performance.now() - startMs < receiveMs / 2) {
      await served(central, ann);
      most = Math.max(most, central.rssMib - before);
    }
    // Two of them are being received, by limits.ts; some garbage on top.
    const sentMib =
      sessions.reduce((sum, { socket }) => sum + (socket?.bytesWritten ?? 0), 0) / 1024 / 1024;
    expect(sentMib).toBeGreaterThan(40);
    expect(sentMib).toBeLessThan(200);
    expect(most).toBeLessThan(300);
    // Who holds its place for too long while others wait is told so, and its bytes are let go.
    const first = await Promise.race(
      calls.map(async (call) => ({ call, answer: await call.answer })),
    );
    expect(first.answer).toMatch(/^8 the request was not there after 1\d s, and others wait/);
    await first.call.closed;
    expect(first.call.stream.rstCode).toBe(0);
    await served(central, ann);
    for (const { stream } of calls) stream.destroy();
    await until("central to be small again", () =>
      Promise.resolve(central.rssMib - before < 300 && central.running),
    );
  });

  it("calls that wait to be read", async () => {
    const open = Array.from({ length: 3 }, () => connect("northbound", "operator:bob")).flatMap(
      (session) => Array.from({ length: 400 }, () => openApply(session, wholeBytes)),
    );
    const refused: string[] = [];
    for (const { answer } of open) void answer.then((text) => refused.push(text));
    const beyond = open.length - maxUnreadCallsPerCaller - 2;
    await until("the last ones to be refused", () => refused.length >= beyond);
    expect(refused).toHaveLength(beyond);
    const text = `8 ${maxUnreadCallsPerCaller} calls of operator/bob wait to be read already: `;
    expect(new Set(refused)).toEqual(
      new Set([`${text}make fewer calls at once, or split large sets`]),
    );
    await served(central, ann);
  });

  it("requests of other methods than Apply", async () => {
    const at = (length: number) =>
      unary(
        ann,
        NorthboundServiceService.list,
        ListRequest.fromPartial({ kind: Kind.NETWORK, project: "p".repeat(length) }),
        { deadlineMs },
      );
    await at(maxPlainRequestBytes - 100);
    const error = await failure(at(maxPlainRequestBytes));
    expect(error.code).toBe(Code.RESOURCE_EXHAUSTED);
    expect(error.message).toContain(`takes requests of up to ${maxPlainRequestBytes} bytes`);
  });

  it.each([
    ["northbound", "operator:bob", northboundTransport, NorthboundServiceService.apply],
    ["southbound", "chassis:evil", southboundTransport, SouthboundServiceService.connect],
  ] as const)("streams of a connection: %s", async (side, identity, limits, { path }) => {
    const session = connect(side, identity);
    await new Promise((resolve) => session.once("remoteSettings", resolve));
    expect(session.remoteSettings.maxConcurrentStreams).toBe(limits.streamsPerConnection);
    // Who does not obey, by hand: HEADERS without an end, one stream after the other.
    const socket = await tls(central, side, identity);
    const frames: number[] = [];
    const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    readFrames(socket, (type) => frames.push(type));
    socket.write(Buffer.concat([opening, h2Frame(4, 1, 0, Buffer.alloc(0))]));
    const open = (count: number, from: number): void => {
      const all = Array.from({ length: count }, (_, at) => callHeaders(from + 2 * at, path));
      socket.write(Buffer.concat(all));
    };
    open(limits.streamsPerConnection + 20, 1);
    // RST_STREAM of those beyond, or GOAWAY.
    await Promise.race([
      ended,
      until("streams to be refused", () =>
        Promise.resolve(frames.includes(3) || frames.includes(7)),
      ),
    ]);
    await served(central, ann);
    socket.destroy();
  });

  it("connections, those without a handshake included; these are closed in time", async () => {
    const sockets: Socket[] = [];
    let closed = 0;
    const { connections } = northboundTransport;
    for (let count = 0; count < connections + 50; count++) {
      const socket = connectTcp(central.port("northbound"), "127.0.0.1");
      socket.on("error", () => undefined);
      socket.on("close", () => closed++);
      socket.resume();
      sockets.push(socket);
    }
    await until("those beyond to be closed", () => closed >= 50);
    expect(closed).toBeLessThan(connections / 2);
    expect(central.log).toContain(`northbound: ${connections} connections are open`);
    // Who is connected is served.
    await served(central, ann);
    await until("the rest to be closed", () => closed === sockets.length, 3 * handshakeMs);
    const bob = central.client(NorthboundServiceClient, "northbound", "operator:bob");
    await applyTo(bob, { changes: [network("served", { by: "bob" })] });
  });
});

describe("for tools", () => {
  it("health says that central serves", async () => {
    const client = central.client(Client, "northbound", "operator:ann");
    const { code, bytes } = await rawCall(client, "/grpc.health.v1.Health/Check", Buffer.alloc(0));
    // HealthCheckResponse {status: SERVING}
    expect([code, bytes.toString("hex")]).toEqual([Code.OK, "0801"]);
    const unknown = Buffer.from("0a0161", "hex");
    expect((await rawCall(client, "/grpc.health.v1.Health/Check", unknown)).code).toBe(
      Code.NOT_FOUND,
    );
  });

  it.each(["v1", "v1alpha"])(
    "reflection %s names the services and knows their files",
    async (version) => {
      const client = central.client(Client, "northbound", "operator:ann");
      const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
      const stream = client.makeBidiStreamRequest(
        path,
        (value: Buffer) => value,
        (value: Buffer) => value,
      );
      const answers: string[] = [];
      const ended = new Promise<void>((resolve, reject) => {
        stream.on("data", (value: Buffer) => answers.push(value.toString("latin1")));
        stream.on("end", resolve);
        stream.on("error", reject);
      });
      // ServerReflectionRequest.list_services = 7, file_containing_symbol = 4.
      stream.write(Buffer.concat([Buffer.of(0x3a), literal("*")]));
      stream.write(Buffer.concat([Buffer.of(0x22), literal("weft.v1.NorthboundService")]));
      stream.end();
      await ended;
      for (const name of ["Northbound", "Orchestration", "Admin"]) {
        expect(answers[0]).toContain(`weft.v1.${name}Service`);
      }
      expect(answers[1]).toContain("PortSpec");
    },
  );
});
