// The order of what a publisher does, in one slice and in many: the rows are a real model, derivation and distribution note what
// they are told.
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import type { DerivedBatch } from "./derive/deriver.ts";
import { rowOf } from "./derive/memory-rows.ts";
import type { RowChange } from "./model/rows.ts";
import { Model } from "./model/tables.ts";
import { Publisher } from "./publisher.ts";

const networks = (count: number): RowChange[] =>
  Array.from({ length: count }, (_, at) => ({
    table: "network" as const,
    id: `n${at}`,
    before: undefined,
    after: rowOf.network({ id: `n${at}`, key: at + 1 }),
  }));

const alive = (id: string): RowChange => ({
  table: "liveness",
  id,
  before: undefined,
  after: { id, state: "alive" },
});

function start(budgetMs: number) {
  const model = new Model(0n);
  const steps: string[] = [];
  const failures: unknown[] = [];
  const derived: DerivedBatch[] = [];
  let onDerive: (key: string) => void = () => undefined;
  const publisher = new Publisher({
    model,
    budgetMs,
    hold: () => steps.push("hold"),
    release: () => steps.push("release"),
    *derive({ revision, changes }) {
      steps.push(`derive ${changes.length}`);
      const instructions = [];
      for (const { id } of changes) {
        onDerive(id);
        instructions.push({ scope: "", key: id, before: undefined, body: undefined });
        yield;
      }
      return { revision, instructions, subscriptions: [] };
    },
    *distribute(batch) {
      steps.push(`distribute ${batch.revision}`);
      yield;
      derived.push(batch);
    },
    published: () => undefined,
    onFatal: (error) => failures.push(error),
  });
  const setOnDerive = (act: typeof onDerive): void => {
    onDerive = act;
  };
  return { model, publisher, steps, failures, derived, setOnDerive };
}

test("what fits into a slice is done on return", () => {
  const { publisher, model, steps } = start(60_000);
  void publisher.publish({ revision: 1n, changes: networks(64) });
  expect(steps).toEqual(["derive 64", "distribute 1", "release"]);
  expect(model.revision).toBe(1n);
  expect(publisher.isIdle).toBe(true);
});

test("a large revision begins when who awaited the last one has read, and is distributed as one", async () => {
  const { publisher, model, steps, derived } = start(60_000);
  const done = publisher.publish({ revision: 2n, changes: networks(130) });
  expect(model.size("network")).toBe(0);
  await done;
  expect(steps).toEqual(["derive 64", "derive 64", "derive 2", "distribute 2", "release"]);
  expect(derived.map(({ instructions }) => instructions.length)).toEqual([130]);
});

test("others get a turn between slices, and nothing goes out meanwhile", async () => {
  const { publisher, steps, derived, model } = start(0);
  const done = publisher.publish({ revision: 1n, changes: networks(3) });
  expect(steps).toEqual(["derive 3", "hold"]);
  expect(publisher.isIdle).toBe(false);
  let turns = 0;
  for (; !publisher.isIdle; turns++) await setImmediate();
  await done;
  expect(turns).toBeGreaterThan(3);
  expect(model.revision).toBe(1n);
  expect(derived).toHaveLength(1);
  expect(steps.lastIndexOf("hold")).toBeLessThan(steps.indexOf("release"));
});

test("volatile changes wait for the batch under way, and go with a large revision", async () => {
  const { publisher, steps, derived, model, setOnDerive } = start(0);
  let early: unknown = "not asked";
  setOnDerive((key) => {
    if (key === "n3") publisher.publishVolatile([alive("c1")]);
    if (key === "n63") early = model.get("liveness", "c1");
  });
  await publisher.publish({ revision: 1n, changes: networks(65) });
  expect(steps.filter((step) => step.startsWith("d"))).toEqual([
    "derive 64",
    "derive 1",
    "derive 1",
    "distribute 1",
  ]);
  expect(derived[0]?.instructions.map(({ key }) => key).indexOf("c1")).toBe(64);
  expect(early).toBeUndefined();
  expect(model.get("liveness", "c1")?.state).toBe("alive");
});

test("batches are worked off in the order in which they come", async () => {
  const { publisher, derived } = start(0);
  publisher.publishVolatile(Array.from({ length: 70 }, (_, at) => alive(`c${at}`)));
  const first = publisher.publish({ revision: 1n, changes: networks(1) });
  publisher.publishVolatile([alive("d")]);
  await first;
  await publisher.whole();
  const order = derived.map(({ instructions }) => instructions.at(-1)?.key);
  expect(order).toEqual(["c63", "c69", "n0", "d"]);
});

test("who answers the end of a batch with another one is not left waiting", async () => {
  const { publisher, derived } = start(60_000);
  await publisher.publish({ revision: 1n, changes: networks(65) });
  void publisher.publish({ revision: 2n, changes: [alive("c1")] });
  await publisher.whole();
  expect(derived.map(({ revision }) => revision)).toEqual([1n, 2n]);
});

test("when derivation breaks nothing goes out any more, and everybody who waits is told", async () => {
  const { publisher, steps, failures, setOnDerive } = start(0);
  const broken = new Error("broken");
  setOnDerive((key) => {
    if (key === "n1") throw broken;
  });
  const first = publisher.publish({ revision: 1n, changes: networks(3) });
  publisher.publishVolatile([alive("c1")]);
  await expect(first).rejects.toBe(broken);
  expect(failures).toEqual([broken]);
  await expect(publisher.publish({ revision: 2n, changes: networks(1) })).rejects.toBe(broken);
  expect(steps.at(-1)).toBe("hold");
});
