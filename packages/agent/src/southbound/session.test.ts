import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { SystemClock } from "@weft/shared/clock.ts";
import type { AgentMessage, Hello } from "@weft/shared/gen/weft/v1/southbound.ts";
import { until } from "../../../../test/lab/ovs.ts";
import { pino } from "pino";
import { afterAll, expect, test } from "vitest";
import { serveCentral, welcome } from "./central.fixture.ts";
import type { Frame } from "./desired-state.ts";
import { Session, type SessionCallbacks } from "./session.ts";

const scratch = mkdtempSync(join(tmpdir(), "weft-session-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Central at a socket of its own. */
async function serve(name: string, onMessage: Parameters<typeof serveCentral>[1]) {
  const address = `unix:${join(scratch, name)}`;
  return { server: await serveCentral(address, onMessage), address };
}

const hello: Hello = {
  protocolVersion: 1,
  chassis: "a",
  hostname: "a",
  agentVersion: "0",
  encaps: [],
  physicalNetworks: [],
  capabilities: [],
  held: undefined,
  schemaVersion: 1,
};

function open(address: string, over: Partial<SessionCallbacks> = {}) {
  const seen = { frames: [] as Frame[], welcomes: 0, lost: [] as string[] };
  const session = new Session({
    address,
    credentials: credentials.createInsecure(),
    channelOptions: {},
    clock: new SystemClock(),
    random: () => 0,
    logger: pino({ level: "silent" }),
    callbacks: {
      hello: () => hello,
      welcomed: () => {
        seen.welcomes += 1;
      },
      frame: (frame) => seen.frames.push(frame),
      scopeKeys: (scope) => [{ key: `${scope}/config`, hash: Buffer.alloc(16, 1) }],
      heartbeat: () => ({ waitingFor: "", driftRepaired: 0n, flows: 0, durableSequence: 0n }),
      refused: () => {},
      query: (query) => Promise.resolve({ id: query.id, json: query.text, error: "" }),
      disconnected: (reason) => seen.lost.push(reason),
      ...over,
    },
  });
  session.start();
  return { session, seen };
}

test("a frame counts only when its end has come, and a cut stream leaves nothing of it", async () => {
  let connects = 0;
  const { server, address } = await serve("frames", (call, { message }) => {
    if (message?.$case !== "hello") return;
    connects += 1;
    call.write(welcome);
    const upserts = [{ key: `chassis/a/${connects}`, body: Buffer.from("x") }];
    const chunk = { upserts, deletes: [], dropScopes: [], end: undefined };
    call.write({ message: { $case: "chunk", value: chunk } });
    if (connects === 1) {
      call.end();
      return;
    }
    const end = { sequence: 4n, revision: 2n, inSync: true, adopted: false };
    call.write({
      message: { $case: "chunk", value: { upserts: [], deletes: ["gone"], dropScopes: [], end } },
    });
  });
  const { session, seen } = open(address);
  await until("a whole frame", () => seen.frames.length === 1);
  expect(seen.lost.length).toBe(1);
  expect(seen.frames[0]).toEqual({
    upserts: [{ key: "chassis/a/2", body: Buffer.from("x") }],
    deletes: ["gone"],
    dropScopes: [],
    sequence: 4n,
    revision: 2n,
    inSync: true,
    adopted: false,
  });
  await session[Symbol.asyncDispose]();
  server.forceShutdown();
});

test("central's questions are answered and a refusal is a reason to come back later", async () => {
  const answers: AgentMessage["message"][] = [];
  const { server, address } = await serve("questions", (call, { message }) => {
    if (message?.$case !== "hello") {
      answers.push(message);
      if (answers.length === 2) {
        call.write({ message: { $case: "refusal", value: { reason: "version 9 wanted" } } });
      }
      return;
    }
    call.write(welcome);
    call.write({ message: { $case: "scopeKeysRequest", value: { scopes: ["network/1"] } } });
    call.write({ message: { $case: "query", value: { id: 3n, text: "objects" } } });
  });
  const { session, seen } = open(address);
  await until("the refusal", () => seen.lost.length === 1);
  expect(answers).toEqual([
    {
      $case: "scopeKeys",
      value: { keys: [{ key: "network/1/config", hash: Buffer.alloc(16, 1) }], last: true },
    },
    { $case: "queryReply", value: { id: 3n, json: "objects", error: "" } },
  ]);
  expect(seen.lost[0]).toBe("refused: version 9 wanted");
  await session[Symbol.asyncDispose]();
  server.forceShutdown();
});

test("a question is answered on the stream that it came on, or not at all", async () => {
  const answers: AgentMessage["message"][] = [];
  /** Gives the answer to the first question. */
  let late: (() => void) | undefined;
  const ask = (text: string) => ({
    message: { $case: "query" as const, value: { id: 1n, text } },
  });
  const { server, address } = await serve("answers", (call, { message }) => {
    if (message?.$case !== "hello") {
      answers.push(message);
      return;
    }
    call.write(welcome);
    const isFirst = late === undefined;
    call.write(ask(isFirst ? "slow" : "fast"));
    if (isFirst) call.end();
  });
  const { session } = open(address, {
    query: ({ id, text }) => {
      const reply = { id, json: text, error: "" };
      if (text === "fast") return Promise.resolve(reply);
      return new Promise((resolve) => {
        late = () => resolve(reply);
      });
    },
    welcomed: () => late?.(),
  });
  await until("an answer", () => answers.length > 0);
  expect(answers[0]).toMatchObject({ value: { json: "fast" } });
  await session[Symbol.asyncDispose]();
  server.forceShutdown();
});
