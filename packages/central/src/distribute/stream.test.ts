// The distributor behind a real gRPC server: what only a real stream can show. Garbage and oversized messages end the stream they
// came on and nothing else; a client that does not read holds up nobody and fills no memory.
import {
  credentials,
  type ClientDuplexStream,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  status,
} from "@grpc/grpc-js";
import { SystemClock } from "@weft/shared/clock.ts";
import {
  AgentMessage,
  type CentralMessage,
  SouthboundServiceClient,
  SouthboundServiceService,
} from "@weft/shared/gen/weft/v1/southbound.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { rowOf, type RowEdit } from "../derive/memory-rows.ts";
import { turn, World } from "./world.fixture.ts";

let world: World;
let server: Server;
let address: string;

beforeEach(async () => {
  world = new World({
    clock: new SystemClock(),
    // Only the stream itself may hold frames back.
    config: { maxUnackedFrames: 100_000 },
    // No certificates here: the name that says "anonymous" has none.
    peerChassis: ({ chassis }) => (chassis === "anonymous" ? undefined : chassis),
  });
  server = new Server({ "grpc.max_receive_message_length": 1 << 20 });
  world.distributor.addTo(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    );
  });
  address = `127.0.0.1:${port}`;
});

afterEach(() => {
  world.close();
  server.forceShutdown();
});

/** The service with bytes in place of requests, so that anything can be sent. */
const Raw = makeGenericClientConstructor(
  {
    connect: { ...SouthboundServiceService.connect, requestSerialize: (bytes: Buffer) => bytes },
  },
  "weft.v1.SouthboundService",
);

const hello = (chassis: string): Buffer =>
  Buffer.from(
    AgentMessage.encode({
      message: {
        $case: "hello",
        value: {
          protocolVersion: 1,
          chassis,
          hostname: chassis,
          agentVersion: "",
          encaps: [],
          physicalNetworks: [],
          capabilities: [],
          held: undefined,
          schemaVersion: 1,
        },
      },
    }).finish(),
  );

function open() {
  const client = new Raw(address, credentials.createInsecure());
  const stream = (
    client["connect"] as unknown as () => ClientDuplexStream<Buffer, CentralMessage>
  ).call(client);
  const received: CentralMessage[] = [];
  stream.on("data", (message: CentralMessage) => received.push(message));
  const ended = new Promise<number>((resolve) => {
    stream.on("error", (error: Error & { code: number }) => resolve(error.code));
    stream.on("end", () => resolve(status.OK));
  });
  return { stream, received, ended, close: () => client.close() };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("it did not come true within 5 s");
    await turn();
  }
}

const frames = (received: readonly CentralMessage[]): number =>
  received.filter(({ message }) => message?.$case === "chunk" && message.value.end).length;

test("garbage ends its stream, and others go on", async () => {
  const good = open();
  good.stream.write(hello("chassis-1"));
  await until(() => frames(good.received) === 1);
  const bad = open();
  bad.stream.write(hello("chassis-2"));
  await until(() => frames(bad.received) === 1);
  bad.stream.write(Buffer.from("ffffffffffffffffffff01", "hex"));
  expect(await bad.ended).not.toBe(status.OK);
  await until(() => !world.distributor.chassisStatus("chassis-2").connected);
  const network: RowEdit = { table: "network", id: "n", row: rowOf.network({ id: "n", key: 5 }) };
  const row = rowOf.port({ id: "p", key: 5, network: "n", requestedChassis: "chassis-1" });
  world.commit([network, { table: "port", id: "p", row }]);
  await until(() => frames(good.received) === 2);
  good.close();
  bad.close();
});

test("a message over 1 MiB is refused", async () => {
  const client = open();
  client.stream.write(Buffer.concat([hello("chassis-1"), Buffer.alloc(2 << 20)]));
  expect(await client.ended).toBe(status.RESOURCE_EXHAUSTED);
  client.close();
});

test("a client that does not read is written no more than its window", async () => {
  const stuck = open();
  stuck.stream.write(hello("chassis-1"));
  await until(() => frames(stuck.received) === 1);
  stuck.stream.pause();
  world.commit([{ table: "network", id: "n", row: rowOf.network({ id: "n", key: 5 }) }]);
  const big = (key: number): RowEdit => {
    const id = `p-${key}`;
    const pairs = Array.from({ length: 200 }, (_, at) => ({
      ip: `10.9.${key & 255}.${at}`,
      mac: null,
    }));
    const given = {
      id,
      key,
      network: "n",
      requestedChassis: "chassis-1",
      allowedAddressPairs: pairs,
    };
    return { table: "port", id, row: rowOf.port(given) };
  };
  for (let key = 1; key <= 600; key++) {
    world.commit([big(key)]);
    await turn();
  }
  const { pending, sentSequence } = world.distributor.chassisStatus("chassis-1");
  expect(pending).toBeGreaterThan(100);
  stuck.stream.resume();
  await until(() => world.distributor.chassisStatus("chassis-1").sentSequence > sentSequence);
  stuck.close();
});

test("a client without an identity is refused with the reason", async () => {
  const client = new SouthboundServiceClient(address, credentials.createInsecure());
  const stream = client.connect();
  const refused = new Promise<string>((resolve) => {
    stream.on("data", ({ message }: CentralMessage) => {
      if (message?.$case === "refusal") resolve(message.value.reason);
    });
  });
  const decoded = AgentMessage.decode(hello("anonymous"));
  stream.write(decoded);
  expect(await refused).toContain("names no chassis");
  client.close();
});
