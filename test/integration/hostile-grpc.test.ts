// Whatever calls say to central, it stays up, its memory stays bounded and who behaves is served. A real process, real TLS; the attackers
// hold valid certificates. After every test an operator and a chassis are served. What is no gRPC at all: hostile-wire.test.ts.
import { randomBytes } from "node:crypto";
import { connect as connectHttp2 } from "node:http2";
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
  network,
  rawCall,
  type Saying,
  served,
} from "./central-calls.ts";
import { openApply } from "./raw-http2.ts";
import { maxHarassedRssMib, RunningCentral } from "./running-central.ts";

/** What central may grow by during one attack: its own garbage, not what is thrown at it. */
const maxGrowthMib = 160;

let central: RunningCentral;
let ann: NorthboundServiceClient;

beforeAll(async () => {
  central = await RunningCentral.start(["operator:ann", "chassis:good", "chassis:evil"]);
  ann = central.client(NorthboundServiceClient, "northbound", "operator:ann");
  await served(central, ann);
});

afterAll(() => central[Symbol.asyncDispose]());
afterEach(() => served(central, ann));

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
  const { stream, answer } = openApply(session, body.length, "gzip");
  stream.end(body);
  try {
    return Number.parseInt(await answer, 10);
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

it("has not kept what was thrown at it", () => {
  expect(central.rssMib).toBeLessThan(maxHarassedRssMib);
});
