// The control socket of ovs-vswitchd, against servers of our own on real unix sockets: answers in pieces, errors, nonsense, silence.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findControlSocket, runCommand } from "./unixctl.ts";

let dir: string;
let server: Server | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "weft-ctl-"));
});

afterEach(async () => {
  server?.close();
  server = undefined;
  await rm(dir, { recursive: true });
});

async function command(serve: (socket: Socket) => void, timeoutMs = 10_000): Promise<string> {
  const socket = join(dir, "ovs-vswitchd.ctl");
  server = createServer((client) => {
    client.on("error", () => undefined);
    client.once("data", () => serve(client));
  });
  await new Promise<void>((resolve) => server?.listen(socket, resolve));
  const signal = AbortSignal.timeout(timeoutMs);
  return runCommand({ socket, method: "version", params: ["a b"], signal });
}

test("the answer may come in pieces", async () => {
  const answer = command((client) => {
    client.write('{"error":null,"id":0,"resu');
    setImmediate(() => client.write('lt":"one\\ntwo\\n"}'));
  });
  expect(await answer).toBe("one\ntwo\n");
});

test.each<[string, string, string]>([
  [
    "an error of the daemon",
    '{"error":"Unknown bridge\\n","id":0,"result":null}',
    "version: Unknown bridge",
  ],
  ["an answer that is no text", '{"error":null,"id":0,"result":7}', "the answer is no text"],
  ["no JSON", "what?", "expected a JSON object"],
  ["broken JSON", "{what}", "JSON"],
  ["nesting without an end", "{".repeat(100), "nested deeper"],
])("%s", async (_, text, expected) => {
  await expect(command((client) => client.write(text))).rejects.toThrow(expected);
});

test("an end without an answer, more than is bearable, and silence", async () => {
  await expect(command((client) => client.end())).rejects.toThrow("closed before the answer");
  server?.close();
  await rm(join(dir, "ovs-vswitchd.ctl"), { force: true });
  const large = command((client) => client.write(`{"result":"${"x".repeat(5 << 20)}"}`));
  await expect(large).rejects.toThrow("longer than");
  server?.close();
  await rm(join(dir, "ovs-vswitchd.ctl"), { force: true });
  await expect(command(() => undefined, 50)).rejects.toThrow("no answer in time");
});

test("nobody listens", async () => {
  const socket = join(dir, "absent.ctl");
  const signal = AbortSignal.timeout(10_000);
  await expect(runCommand({ socket, method: "version", params: [], signal })).rejects.toThrow(
    "absent.ctl: version: connect ENOENT",
  );
});

test("the socket is found by the pid file, or as the only one", async () => {
  const touch = (name: string, text = "") => writeFile(join(dir, name), text);
  await expect(findControlSocket(join(dir, "absent"))).rejects.toThrow("check ovs.runDir");
  await expect(findControlSocket(dir)).rejects.toThrow("no control socket of ovs-vswitchd");
  await touch("ovsdb-server.12.ctl");
  await touch("ovs-vswitchd.ctl");
  expect(await findControlSocket(dir)).toBe(join(dir, "ovs-vswitchd.ctl"));
  await touch("ovs-vswitchd.12.ctl");
  await expect(findControlSocket(dir)).rejects.toThrow("several control sockets");
  await touch("ovs-vswitchd.pid", "12\n");
  expect(await findControlSocket(dir)).toBe(join(dir, "ovs-vswitchd.12.ctl"));
});
