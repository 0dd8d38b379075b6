// What is no gRPC does central no harm: garbage, halves of handshakes, foreign certificates, floods of HTTP/2 frames. A real process,
// real TLS; after every test an operator and a chassis are served, and central's memory is bounded. Floods of calls: hostile-grpc.test.ts.
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  NorthboundServiceClient,
  NorthboundServiceService,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { SouthboundServiceService } from "@weft/shared/gen/weft/v1/southbound.ts";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { served } from "./central-calls.ts";
import { callHeaders, h2Frame, opening, settings, tcp, tls } from "./raw-http2.ts";
import { maxHarassedRssMib, RunningCentral, type Side } from "./running-central.ts";

/** Who has a certificate for that side. */
const sides: readonly (readonly [side: Side, identity: string])[] = [
  ["northbound", "operator:ann"],
  ["southbound", "chassis:evil"],
];

let central: RunningCentral;
let ann: NorthboundServiceClient;

beforeAll(async () => {
  central = await RunningCentral.start(["operator:ann", "chassis:good", "chassis:evil"]);
  ann = central.client(NorthboundServiceClient, "northbound", "operator:ann");
  await served(central, ann);
});

afterAll(() => central[Symbol.asyncDispose]());
afterEach(() => served(central, ann));

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

it("garbage, plain HTTP and halves of a TLS handshake are dropped", async () => {
  const clientHello = Buffer.concat([
    // A TLS record that announces more than comes.
    Buffer.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03),
    randomBytes(40),
  ]);
  const halves: Socket[] = [];
  for (const [side] of sides) {
    for (const bytes of [randomBytes(10_000), Buffer.from("GET / HTTP/1.1\r\n\r\n"), opening]) {
      const socket = await tcp(central, side);
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.resume();
      socket.write(bytes);
      await closed;
    }
    for (let count = 0; count < 100; count++) {
      const socket = await tcp(central, side);
      socket.write(clientHello.subarray(0, 1 + (count % clientHello.length)));
      halves.push(socket);
    }
  }
  // Others are served while they hang.
  await served(central, ann);
  for (const socket of halves) socket.destroy();
});

it("certificates of another authority, and none at all, open nothing", async () => {
  for (const [side, identity] of sides) {
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
        socket.once("secureConnect", () => socket.write(opening));
      });
      expect(outcome).toBe("refused");
    }
  }
});

it("garbage behind a good handshake ends that connection alone", async () => {
  for (const [side, identity] of sides) {
    for (const start of [Buffer.alloc(0), opening]) {
      const socket = await tls(central, side, identity);
      socket.resume();
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
  for (const [side, identity] of sides) {
    // Answers are not read: they must not pile up.
    const socket = await tls(central, side, identity);
    socket.write(opening);
    const many = Buffer.concat(Array.from({ length: 1000 }, frame));
    await Promise.race([
      pour(socket, many, 100),
      new Promise<void>((resolve) => setTimeout(resolve, 1000)),
    ]);
    socket.destroy();
  }
});

it("HTTP/2 floods: calls that are reset at once", async () => {
  for (const [side, identity] of sides) {
    const socket = await tls(central, side, identity);
    socket.resume();
    socket.write(opening);
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

it("has not kept what was thrown at it", () => {
  expect(central.rssMib).toBeLessThan(maxHarassedRssMib);
});
