// The JSON-RPC 1.0 adapter: what goes on the wire, what comes back, and hostile peers.
import fc from "fast-check";
import { expect, test } from "vitest";
import { nothingOrProtocolError } from "./errors.fixture.ts";
import { OvsdbConnectionError, OvsdbProtocolError, OvsdbRequestError } from "./errors.ts";
import { DEFAULT_JSONRPC_LIMITS, type Json, type JsonRpcLimits, JsonRpcPeer } from "./jsonrpc.ts";

function start(limits: Partial<JsonRpcLimits> = {}) {
  const written: Record<string, Json>[] = [];
  const notifications: [string, Json][] = [];
  const peer = new JsonRpcPeer({
    limits: { ...DEFAULT_JSONRPC_LIMITS, ...limits },
    write: (text) => written.push(JSON.parse(text) as Record<string, Json>),
    notification: (method, params) => notifications.push([method, params]),
  });
  const receive = (message: unknown): void => peer.receive(Buffer.from(JSON.stringify(message)));
  return { peer, written, notifications, receive };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a request has no jsonrpc member, and its result comes back", async () => {
  const { peer, written, receive } = start();
  const answer = peer.request("list_dbs", []);
  expect(written).toEqual([{ id: 1, method: "list_dbs", params: [] }]);
  receive({ id: 1, result: ["x"], error: null });
  expect(await answer).toEqual(["x"]);
  expect(peer.pending).toBe(0);
});

test("a null result is a result", async () => {
  const { peer, receive } = start();
  const answer = peer.request("unlock", ["x"]);
  receive({ id: 1, result: null, error: null });
  expect(await answer).toBeNull();
});

test.each([
  ["a string", "unknown database", "unknown database", "transient"],
  [
    "an object",
    { error: "constraint violation", details: "d" },
    "constraint violation",
    "rejected",
  ],
  ["something else", 7, "7", "rejected"],
])("an error that is %s", async (_name, error, ovsdbError, kind) => {
  const { peer, receive } = start();
  const answer = peer.request("transact", []);
  receive({ id: 1, result: null, error });
  const thrown = await answer.catch((e: unknown) => e);
  expect(thrown).toBeInstanceOf(OvsdbRequestError);
  expect(thrown).toMatchObject({ ovsdbError, kind });
});

test("echo is answered in the form of 1.0, unknown methods are refused", async () => {
  const { written, receive } = start();
  receive({ id: "e", method: "echo", params: [1, "a"] });
  receive({ id: 0, method: "steal", params: [] });
  await settle();
  // Answers may overtake each other: the id tells them apart.
  expect(written).toHaveLength(2);
  expect(written).toContainEqual({ id: "e", result: [1, "a"], error: null });
  expect(written).toContainEqual({ id: 0, result: null, error: "Method not found" });
});

test("notifications arrive in order, before the answers that follow them are seen", async () => {
  const { peer, notifications, receive } = start();
  const answer = peer.request("transact", []).then(() => notifications.length);
  receive({ id: null, method: "update3", params: [1] });
  receive({ method: "update3", params: [2] });
  receive({ id: 1, result: [], error: null });
  expect(await answer).toBe(2);
});

test("answers to nothing we asked are dropped, also a second answer", async () => {
  const { peer, receive } = start();
  const answer = peer.request("get_schema", []);
  for (const id of [99, "1", null, {}, [], 1.5, "__proto__"])
    receive({ id, result: 1, error: null });
  receive({ id: 1, result: "right", error: null });
  receive({ id: 1, result: "again", error: null });
  expect(await answer).toBe("right");
});

test("pending requests are bounded and end with the conversation", async () => {
  const { peer } = start({ maxPending: 2 });
  const first = peer.request("a", []).catch((e: unknown) => e);
  const second = peer.request("b", []).catch((e: unknown) => e);
  await expect(peer.request("c", [])).rejects.toThrow("c not sent");
  peer.close("cable pulled");
  expect(await first).toBeInstanceOf(OvsdbConnectionError);
  expect(String(await second)).toContain("cable pulled");
  await expect(peer.request("d", [])).rejects.toThrow("cable pulled");
});

test("a flood of requests from the peer is cut", () => {
  const { receive } = start({ maxPeerPending: 3 });
  const echo = { id: 1, method: "echo", params: [] };
  for (let i = 0; i < 3; i++) receive(echo);
  expect(() => receive(echo)).toThrow(OvsdbProtocolError);
});

test.each([
  ["neither request nor response", { id: 1 }],
  ["an id that is an object", { id: {}, method: "echo", params: [] }],
])("refuses %s", (_name, message) => {
  expect(() => start().receive(message)).toThrow(OvsdbProtocolError);
});

test("text that balances but is not JSON is a protocol error", () => {
  expect(() => start().peer.receive(Buffer.from("{nonsense}"))).toThrow(OvsdbProtocolError);
});

test("any JSON object is taken or refused as a protocol error, and answers stay bounded", async () => {
  const member = fc.constantFrom(
    "id",
    "method",
    "params",
    "result",
    "error",
    "jsonrpc",
    "__proto__",
  );
  const message = fc.dictionary(member, fc.oneof(fc.jsonValue(), fc.constantFrom("echo", 1, null)));
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 20 }), async (messages) => {
      const { peer, written, receive } = start({ maxPeerPending: 5 });
      const own = peer.request("x", []).catch((e: unknown) => e);
      expect(
        nothingOrProtocolError(() => {
          for (const each of messages) receive(each);
        }),
      ).toBe(true);
      await settle();
      expect(written.length).toBeLessThanOrEqual(1 + messages.length);
      peer.close("end");
      await own;
      expect(peer.pending).toBe(0);
    }),
  );
});
