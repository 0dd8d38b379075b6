import { EngineBatch } from "@weft/shared/gen/weft/v1/southbound.ts";
import { FakeClock } from "../../../test/fakes/clock.ts";
import { expect, test } from "vitest";
import { EngineFeed } from "./engine-feed.ts";

interface Taken {
  readonly upserts: readonly string[];
  readonly deletes: readonly string[];
}

function setUp() {
  const clock = new FakeClock();
  const taken: Taken[] = [];
  const tickets: [readonly string[], bigint][] = [];
  const engine = { busy: false, ticket: 0n };
  const feed = new EngineFeed({
    submit: (bytes) => {
      if (engine.busy) return 0n;
      const batch = EngineBatch.decode(bytes);
      const upserts = batch.upserts.map(({ key, body }) => `${key}=${body.toString()}`);
      taken.push({ upserts, deletes: batch.deletes });
      engine.ticket += 1n;
      return engine.ticket;
    },
    onQueued: () => {},
    onSubmitted: (keys, ticket) => tickets.push([keys, ticket]),
    clock,
  });
  feed.open();
  return { clock, taken, tickets, engine, feed };
}

const upsert = (key: string, text: string) => ({ key, body: Buffer.from(text) });

test("what a busy engine refuses is merged by key and goes in order later", () => {
  const { clock, taken, tickets, engine, feed } = setUp();
  engine.busy = true;
  feed.push([upsert("a", "1"), upsert("b", "1")], [], 7n);
  feed.push([upsert("a", "2")], ["b"], 8n);
  expect(taken).toEqual([]);
  expect(feed.backlog).toBe(2);
  engine.busy = false;
  clock.advance(5);
  expect(taken).toEqual([{ upserts: ["a=2"], deletes: ["b"] }]);
  expect(tickets).toEqual([[["a", "b"], 1n]]);
  expect(feed.completed(1n)).toBe(8n);
});

test("a sequence is complete only with its own ticket, and an earlier one counts with it", () => {
  const { feed } = setUp();
  feed.push([upsert("a", "1")], [], 1n);
  feed.push([upsert("local/vif/x", "1")], [], null);
  feed.push([upsert("b", "1")], [], 2n);
  expect(feed.completed(2n)).toBe(1n);
  expect(feed.completed(2n)).toBeNull();
  expect(feed.completed(3n)).toBe(2n);
});

test("nothing goes in before the feed is open, then all of it at once", () => {
  const taken: number[] = [];
  const feed = new EngineFeed({
    submit: (bytes) => BigInt(taken.push(EngineBatch.decode(bytes).upserts.length)),
    onQueued: () => {},
    onSubmitted: () => {},
    clock: new FakeClock(),
  });
  feed.push([upsert("a", "1")], [], null);
  feed.push([upsert("local/vif/x", "1")], [], null);
  expect(taken).toEqual([]);
  feed.open();
  expect(taken).toEqual([2]);
});

test("a frame that changes nothing is acked through an empty batch, in order", () => {
  const { taken, feed } = setUp();
  feed.push([], [], 5n);
  expect(taken).toEqual([{ upserts: [], deletes: [] }]);
  expect(feed.completed(1n)).toBe(5n);
});

test("what fails is asked once, by a batch of what waits or an empty one", () => {
  const { clock, taken, engine, feed } = setUp();
  feed.ask();
  expect(taken).toEqual([{ upserts: [], deletes: [] }]);
  engine.busy = true;
  feed.ask();
  feed.push([upsert("a", "1")], [], null);
  engine.busy = false;
  clock.advance(5);
  feed.completed(2n);
  expect(taken.slice(1)).toEqual([{ upserts: ["a=1"], deletes: [] }]);
});
