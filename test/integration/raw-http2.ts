// What a client's library would not send to central: sockets of its own, HTTP/2 frames written and read by hand, calls whose
// messages the test writes itself. Asserts nothing. For tests of a RunningCentral only.

import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { NorthboundServiceService } from "@weft/shared/gen/weft/v1/northbound.ts";
import { literal } from "./central-calls.ts";
import type { RunningCentral, Side } from "./running-central.ts";

export function tcp(central: RunningCentral, side: Side): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(central.port(side), "127.0.0.1", () => resolve(socket));
    socket.on("error", reject);
  });
}

/** A TLS connection for HTTP/2. Nothing is read until the caller does. */
export function tls(central: RunningCentral, side: Side, identity: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: "127.0.0.1",
      port: central.port(side),
      ...central.pem(identity),
      ALPNProtocols: ["h2"],
    });
    socket.once("secureConnect", () => resolve(socket));
    socket.on("error", reject);
  });
}

export function h2Frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const settings = h2Frame(4, 0, 0, Buffer.alloc(0));

/** What a client says first: the preface and empty settings. */
export const opening = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings]);

/** HEADERS of a call, without an end (RFC 7541: indexed method and scheme, literal path and content type). */
export function callHeaders(stream: number, path: string): Buffer {
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

/** The types of the frames that come. */
export function readFrames(socket: Socket, got: (type: number) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      got(rest[3] ?? -1);
      rest = rest.subarray(9 + rest.readUIntBE(0, 3));
    }
  });
}

export interface OpenApply {
  readonly stream: ClientHttp2Stream;
  /** grpc-status and grpc-message; something else when it closed without. */
  readonly answer: Promise<string>;
  readonly closed: Promise<void>;
}

/** An Apply of a message of `bytes` that is announced; the caller sends what it likes of it. */
export function openApply(
  session: ClientHttp2Session,
  bytes: number,
  encoding: "gzip" | "identity" = "identity",
): OpenApply {
  const stream = session.request(
    {
      ":method": "POST",
      ":path": NorthboundServiceService.apply.path,
      "content-type": "application/grpc",
      "grpc-encoding": encoding,
      te: "trailers",
    },
    { endStream: false },
  );
  stream.on("error", () => undefined);
  stream.resume();
  const head = Buffer.alloc(5);
  head[0] = encoding === "gzip" ? 1 : 0;
  head.writeUInt32BE(bytes, 1);
  stream.write(head);
  const closed = new Promise<void>((resolve) => stream.on("close", resolve));
  const answer = new Promise<string>((resolve) => {
    const read = (
      headers: Readonly<Record<string, string | string[] | number | undefined>>,
    ): void => {
      const { "grpc-status": code, "grpc-message": message } = headers;
      if (code !== undefined) resolve(`${String(code)} ${decodeURI(String(message))}`);
    };
    stream.on("response", read);
    stream.on("trailers", read);
    void closed.then(() => resolve("closed without a status"));
  });
  return { stream, answer, closed };
}
