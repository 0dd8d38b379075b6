// The order of what the agent says and does, with a real stream and an engine that completes when the test says so.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import type { Dataplane, DataplaneEvent } from "@weft/dataplane-native";
import { SystemClock } from "@weft/shared/clock.ts";
import {
  type AgentMessage,
  type CentralMessage,
  EngineBatch,
  type Heartbeat,
  InstructionBody,
} from "@weft/shared/gen/weft/v1/southbound.ts";
import { EncapType, PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { pino } from "pino";
import { afterAll, expect, test } from "vitest";
import { until } from "../../../test/lab/ovs.ts";
import { Agent, type SwitchFacts } from "./agent.ts";
import { agentConfigSchema } from "./config.ts";
import { type Call, localPort, serveCentral, welcome } from "./southbound/central.fixture.ts";
import { CheckpointFile } from "./southbound/checkpoint.ts";

const scratch = mkdtempSync(join(tmpdir(), "weft-agent-"));
afterAll(() => rmSync(scratch, { recursive: true }));

type Said = NonNullable<AgentMessage["message"]>;

/** Takes a batch when there is room, and completes a ticket when it is told to. */
class Engine {
  room = true;
  lastTicket = 0n;
  /** Keys that it holds. */
  readonly keys = new Set<string>();
  readonly onEvent: (event: DataplaneEvent) => void;

  constructor(onEvent: (event: DataplaneEvent) => void) {
    this.onEvent = onEvent;
  }

  submit(bytes: Buffer): bigint {
    if (!this.room) return 0n;
    const { upserts, deletes } = EngineBatch.decode(bytes);
    for (const key of deletes) this.keys.delete(key);
    for (const { key } of upserts) this.keys.add(key);
    this.lastTicket += 1n;
    return this.lastTicket;
  }

  allowPrune(): void {}

  portFlows(): Promise<{ text: string; cookie: bigint }[]> {
    return Promise.resolve([{ text: "x".repeat(2_000_000), cookie: 1n }]);
  }

  async close(): Promise<void> {}

  complete(failures: { key: string; reason: string }[] = []): void {
    this.onEvent({
      kind: "completed",
      ticket: this.lastTicket,
      failures,
      flows: 1,
      groups: 0,
      meters: 0,
    });
  }
}

let runs = 0;

async function start() {
  const dir = join(scratch, String(runs++));
  const said: Said[] = [];
  const calls: Call[] = [];
  const address = `unix:${dir}.sock`;
  const server = await serveCentral(address, (call, { message }) => {
    if (message === undefined) return;
    said.push(message);
    if (message.$case !== "hello") return;
    calls.push(call);
    call.write(welcome);
  });
  const engines: Engine[] = [];
  const agent = new Agent({
    config: agentConfigSchema.parse({ chassis: "a", central: { address, plaintext: true } }),
    hostname: "a",
    credentials: credentials.createInsecure(),
    channelOptions: {},
    checkpoint: new CheckpointFile({
      path: join(dir, "checkpoint"),
      clock: new SystemClock(),
      random: () => 0,
    }),
    openDataplane: (onEvent) => {
      const engine = new Engine(onEvent);
      engines.push(engine);
      return engine as unknown as Dataplane;
    },
    onInSync: () => {},
    clock: new SystemClock(),
    random: () => 0,
    logger: pino({ level: "silent" }),
  });
  await agent.start();
  await until("hello", () => said.some(({ $case }) => $case === "hello"));
  const reports = () =>
    said.flatMap((message) => (message.$case === "portReports" ? [message.value] : []));
  return {
    agent,
    dir,
    said,
    reports,
    heartbeats: () =>
      said.flatMap((message): Heartbeat[] =>
        message.$case === "heartbeat" ? [message.value] : [],
      ),
    engine: engines[0] ?? new Engine(() => {}),
    /** Writes, and waits until the agent has answered a question behind it. */
    tell: async (message: NonNullable<CentralMessage["message"]>) => {
      const asked = said.length;
      calls.at(-1)?.write({ message });
      calls.at(-1)?.write({ message: { $case: "query", value: { id: 1n, text: "?" } } });
      await until("a reply", () => said.slice(asked).some(({ $case }) => $case === "queryReply"));
    },
    /** Ends the stream; the agent comes back and is told to compare everything. */
    cut: async () => {
      const streams = calls.length;
      calls.at(-1)?.end();
      await until("the next stream", () => calls.length > streams);
    },
    stop: async () => {
      await agent[Symbol.asyncDispose]();
      server.forceShutdown();
    },
  };
}

const frame: NonNullable<CentralMessage["message"]> = {
  $case: "chunk",
  value: {
    upserts: [
      {
        key: "chassis/a/port/7",
        body: Buffer.from(
          InstructionBody.encode({ body: { $case: "localPort", value: localPort } }).finish(),
        ),
      },
    ],
    deletes: [],
    dropScopes: [],
    end: { sequence: 1n, revision: 1n, inSync: true, adopted: false },
  },
};

const facts: SwitchFacts = {
  vifs: [{ portId: "web-1", name: "tap0", ofport: 5, linkUp: true, mtuBytes: 1442, error: "" }],
  tunnels: [],
  patches: [],
};

test("before OVSDB has shown what the host has, no port is said to be down", async () => {
  const t = await start();
  await t.tell(frame);
  expect(t.reports()).toEqual([]);
  t.agent.onSwitchFacts(facts);
  await until("the reports", () => t.reports().length > 0);
  expect(t.reports()[0]).toMatchObject({
    complete: true,
    reports: [{ portId: "web-1", state: PortState.PLUGGED }],
  });
  t.engine.complete();
  await until("the ack", () => t.said.some(({ $case }) => $case === "ack"));
  expect(t.reports().at(-1)?.reports).toMatchObject([{ portId: "web-1", state: PortState.UP }]);
  await t.stop();
});

test("a frame of a stream that is gone is not acked on the next one, which began anew", async () => {
  const t = await start();
  t.agent.onSwitchFacts(facts);
  await t.tell(change(500n, []));
  await t.cut();
  t.engine.complete();
  await t.tell(change(3n, []));
  t.engine.complete();
  const acks = () =>
    t.said.flatMap((message) => (message.$case === "ack" ? [message.value.sequence] : []));
  await until("an ack", () => acks().length > 0);
  expect(acks()).toEqual([3n]);
  await t.stop();
});

test("a port is not programmed while the engine has no room for its instructions", async () => {
  const t = await start();
  t.agent.onSwitchFacts(facts);
  t.engine.complete();
  t.engine.room = false;
  await t.tell(frame);
  const states = () => t.reports().flatMap(({ reports }) => reports.map(({ state }) => state));
  expect(states()).not.toContain(PortState.UP);
  t.engine.room = true;
  const before = t.engine.lastTicket;
  await until("the batch to go in", () => t.engine.lastTicket > before);
  t.engine.complete();
  await until("the port to be up", () => states().includes(PortState.UP));
  await t.stop();
});

test.each<DataplaneEvent>([
  { kind: "connection", connected: true, reason: "" },
  { kind: "drift", repaired: 3 },
])("what fails after the engine acted by itself is said: %o", async (event) => {
  const t = await start();
  t.agent.onSwitchFacts(facts);
  t.engine.complete();
  await t.tell(frame);
  t.engine.complete();
  const last = () =>
    t
      .reports()
      .flatMap(({ reports }) => reports)
      .at(-1);
  await until("the port to be up", () => last()?.state === PortState.UP);
  const before = t.engine.lastTicket;
  t.engine.onEvent(event);
  expect(t.engine.lastTicket).toBe(before + 1n);
  t.engine.complete([{ key: "chassis/a/port/7", reason: "refused by Open vSwitch" }]);
  await until("the port to be plugged", () => last()?.state === PortState.PLUGGED);
  await t.stop();
});

test("one instruction that cannot be read does not stop the others", async () => {
  const t = await start();
  t.agent.onSwitchFacts(facts);
  if (frame.$case !== "chunk") throw new Error("a frame is a chunk");
  const broken = { key: "chassis/a/port/8", body: Buffer.from("ffffffff", "hex") };
  const upserts = [broken, ...frame.value.upserts];
  await t.tell({ $case: "chunk", value: { ...frame.value, upserts } });
  t.engine.complete();
  await until("the port to be up", () =>
    t.reports().some(({ reports }) => reports.some(({ state }) => state === PortState.UP)),
  );
  await t.stop();
});

test("an answer that is too large for a message is refused and does not end the stream", async () => {
  const t = await start();
  t.agent.onSwitchFacts(facts);
  await t.tell(frame);
  await t.tell({ $case: "query", value: { id: 2n, text: "port-flows web-1" } });
  await until("both replies", () =>
    t.said.some((message) => message.$case === "queryReply" && message.value.id === 2n),
  );
  const reply = t.said.find((message) => message.$case === "queryReply" && message.value.id === 2n);
  expect(reply).toMatchObject({
    value: { json: "", error: expect.stringContaining("too large") as unknown },
  });
  expect(t.said.filter(({ $case }) => $case === "hello")).toHaveLength(1);
  await t.stop();
});

/** Frame `sequence` with these changes. */
function change(
  sequence: bigint,
  upserts: readonly { key: string; body: InstructionBody["body"] }[],
  deletes: readonly string[] = [],
): NonNullable<CentralMessage["message"]> {
  return {
    $case: "chunk",
    value: {
      upserts: upserts.map(({ key, body }) => ({
        key,
        body: Buffer.from(InstructionBody.encode({ body }).finish()),
      })),
      deletes: [...deletes],
      dropScopes: [],
      end: { sequence, revision: sequence, inSync: false, adopted: false },
    },
  };
}

function networkOf(encap: EncapType) {
  return {
    key: "network/3/config",
    body: {
      $case: "network" as const,
      value: {
        ...{ networkKey: 3, networkId: "blue", encap, physicalNetwork: "", vlan: 0 },
        ...{ mtuBytes: 1442, gatewayIps: [], gatewayMac: Buffer.alloc(0) },
        ...{ relayed: false, unknownUnicast: false },
      },
    },
  };
}

test("a port that does not fit is unknown to the engine, from the frame that says so until it fits", async () => {
  const t = await start();
  t.agent.onSwitchFacts({
    ...facts,
    vifs: facts.vifs.map((vif) => ({ ...vif, mtuBytes: 1500 })),
  });
  expect([...t.engine.keys]).toEqual(["local/vif/web-1"]);
  await t.tell(frame);
  expect([...t.engine.keys]).toEqual(["chassis/a/port/7"]);
  t.engine.complete();
  const last = () =>
    t
      .reports()
      .flatMap(({ reports }) => reports)
      .at(-1);
  await until("the reason", () => last()?.reason.includes("has MTU 1500") === true);
  expect(last()?.state).toBe(PortState.PLUGGED);

  t.agent.onSwitchFacts(facts);
  expect([...t.engine.keys]).toEqual(["chassis/a/port/7", "local/vif/web-1"]);
  await until("the wait", () => last()?.reason === "flows are being installed");
  t.engine.complete();
  await until("the port to be up", () => last()?.state === PortState.UP);

  await t.tell(change(2n, [networkOf(EncapType.VXLAN)]));
  expect([...t.engine.keys].sort()).toEqual(["chassis/a/port/7", "network/3/config"]);
  await until("the refusal", () => last()?.reason.includes("no vxlan endpoint") === true);
  await t.tell(change(3n, [], ["network/3/config"]));
  expect([...t.engine.keys].sort()).toEqual(["chassis/a/port/7", "local/vif/web-1"]);
  t.engine.complete();
  await until("the port to be up again", () => last()?.state === PortState.UP);
  await t.stop();
});

test("a frame that frees something is said to be on disk soon after it is", async () => {
  const t = await start();
  t.agent.onSwitchFacts(facts);
  await t.tell(frame);
  await t.tell(change(2n, [], ["chassis/a/port/7"]));
  await until("the heartbeat", () =>
    t.heartbeats().some(({ durableSequence }) => durableSequence === 2n),
  );
  await t.stop();
  const next = new CheckpointFile({
    ...{ path: join(t.dir, "checkpoint"), clock: new SystemClock(), random: () => 0 },
  });
  expect(await next.load()).toMatchObject({ checkpoint: { sequence: 2n, instructions: [] } });
});

test("a disk that refuses and a switch that does not answer are said, and that they do again", async () => {
  const t = await start();
  writeFileSync(t.dir, "in the way");
  t.agent.onSwitchFacts(facts);
  await t.tell(frame);
  const waitingFor = () => t.heartbeats().at(-1)?.waitingFor ?? "";
  await until("both", () =>
    /^Open vSwitch does not answer on \/run\/openvswitch\/br-int\.mgmt .*; checkpoint .* cannot be written/.test(
      waitingFor(),
    ),
  );
  expect(t.heartbeats().map(({ durableSequence }) => durableSequence)).not.toContain(1n);
  rmSync(t.dir);
  t.engine.onEvent({ kind: "connection", connected: true, reason: "" });
  await until("neither", () => waitingFor() === "");
  expect(t.heartbeats().at(-1)?.durableSequence).toBe(1n);
  await t.stop();
});
