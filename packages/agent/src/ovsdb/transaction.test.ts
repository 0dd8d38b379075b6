// What a transaction puts on the wire, and how each kind of answer is turned into a result or error.
import { expect, test } from "vitest";
import { OvsdbEncodeError, OvsdbTransactionError } from "./errors.ts";
import type { Json } from "./jsonrpc.ts";
import { type Requester, Transaction } from "./transaction.ts";
import { VSWITCH_TABLES } from "./vswitch.ts";

const U1 = "11111111-1111-4111-8111-111111111111";

function build() {
  return new Transaction({ database: "Open_vSwitch", tables: VSWITCH_TABLES });
}

function answering(answer: Json): Requester & { sent: Json[] } {
  const sent: Json[] = [];
  return {
    sent,
    request: (method, params) => {
      sent.push([method, ...params]);
      return Promise.resolve(answer);
    },
  };
}

test("operations in wire form", async () => {
  const tx = build();
  const iface = tx.insert("Interface", { name: "i", options: new Map([["key", "flow"]]) });
  const port = tx.insert("Port", { name: "i", interfaces: [iface] });
  tx.mutate("Bridge", U1, [["ports", "insert", [port]]]);
  tx.mutate("Bridge", U1, [["other_config", "delete", ["a"]]]);
  tx.update("Interface", [["name", "==", "j"]], { mtu_request: null });
  tx.wait("Bridge", U1, [{ external_ids: new Map() }]);
  tx.delete("Port", iface);
  tx.assertLock("weft");
  tx.comment("why");
  tx.abort();
  const requester = answering([]);
  await tx.commit(requester).catch(() => {});
  const byUuid = [["_uuid", "==", ["uuid", U1]]];
  expect(requester.sent).toEqual([
    [
      "transact",
      "Open_vSwitch",
      {
        op: "insert",
        table: "Interface",
        row: { name: "i", options: ["map", [["key", "flow"]]] },
        "uuid-name": "row0",
      },
      {
        op: "insert",
        table: "Port",
        row: { name: "i", interfaces: ["set", [["named-uuid", "row0"]]] },
        "uuid-name": "row1",
      },
      {
        op: "mutate",
        table: "Bridge",
        where: byUuid,
        mutations: [["ports", "insert", ["set", [["named-uuid", "row1"]]]]],
      },
      {
        op: "mutate",
        table: "Bridge",
        where: byUuid,
        mutations: [["other_config", "delete", ["set", ["a"]]]],
      },
      {
        op: "update",
        table: "Interface",
        where: [["name", "==", "j"]],
        row: { mtu_request: ["set", []] },
      },
      {
        op: "wait",
        timeout: 0,
        table: "Bridge",
        where: byUuid,
        columns: ["external_ids"],
        until: "==",
        rows: [{ external_ids: ["map", []] }],
      },
      { op: "delete", table: "Port", where: [["_uuid", "==", ["named-uuid", "row0"]]] },
      { op: "assert", lock: "weft" },
      { op: "comment", comment: "why" },
      { op: "abort" },
    ],
  ]);
});

test("results", async () => {
  const tx = build();
  const port = tx.insert("Port", { name: "p" });
  tx.delete("Port", U1);
  const result = await tx.commit(answering([{ uuid: ["uuid", U1] }, { count: 3 }]));
  expect(result.uuidOf(port)).toBe(U1);
  expect(result.counts).toEqual([null, 3]);
});

test.each([
  ["of an operation", [{}, { error: "constraint violation", details: "x" }, null], 1, "rejected"],
  ["of a wait", [{}, { error: "timed out" }, null], 1, "conflict"],
  ["of a lock", [{}, { error: "not owner" }], 1, "conflict"],
  ["of the commit", [{}, {}, { error: "referential integrity violation" }], null, "rejected"],
  ["of the disk", [{}, {}, { error: "I/O error" }], null, "transient"],
  ["of ours", [{ error: "syntax error" }], 0, "bug"],
])("failure %s", async (_name, answer, opIndex, kind) => {
  const tx = build();
  tx.insert("Port", { name: "p0" });
  tx.insert("Port", { name: "p1" });
  const error = await tx.commit(answering(answer as Json)).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(OvsdbTransactionError);
  expect(error).toMatchObject({ opIndex, kind });
  const where = opIndex === null ? "at commit" : `insert Port "p${opIndex}"`;
  expect(String(error)).toContain(where);
});

test.each<[string, Json]>([
  ["no array", { error: "x" }],
  ["too few results", [{}]],
])("an answer with %s is a protocol error", async (_name, answer) => {
  const tx = build();
  tx.insert("Port", { name: "p" });
  tx.comment("c");
  await expect(tx.commit(answering(answer))).rejects.toThrow("answer to transact");
});

test("a builder is used once", async () => {
  const tx = build();
  await tx.commit(answering([]));
  expect(() => tx.comment("late")).toThrow(OvsdbEncodeError);
  await expect(tx.commit(answering([]))).rejects.toThrow(OvsdbEncodeError);
});
