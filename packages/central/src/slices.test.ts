// Work in slices: what is done at once, what waits for its turn, and that nobody waits for somebody else's long work.
import { expect, test } from "vitest";
import { runInSlices, runSlice, SlicedWork } from "./slices.ts";

function* steps(name: string, count: number, done: string[]): Generator<void, void> {
  for (let step = 1; step <= count; step++) {
    done.push(`${name}${step}`);
    yield;
  }
}

test("a slice has at least one step, and answers the last one", () => {
  const done: string[] = [];
  const work = steps("a", 2, done);
  expect(runSlice(work, 0).done).toBe(false);
  expect(done).toEqual(["a1"]);
  expect(runSlice(work, 60_000).done).toBe(true);
  expect(done).toEqual(["a1", "a2"]);
});

test("between slices others get a turn", async () => {
  const done: string[] = [];
  const run = runInSlices(steps("a", 3, done), 0);
  setImmediate(() => done.push("other"));
  await run;
  expect(done.indexOf("other")).toBeGreaterThan(0);
  expect(done.indexOf("other")).toBeLessThan(3);
});

test("what fits is done at once, in any number", () => {
  const done: string[] = [];
  const work = new SlicedWork(60_000);
  expect(work.start(steps("a", 2, done))).toBeUndefined();
  expect(work.start(steps("b", 1, done))).toBeUndefined();
  expect(done).toEqual(["a1", "a2", "b1"]);
});

test("short work does not wait for the end of long work", async () => {
  const done: string[] = [];
  const work = new SlicedWork(0);
  const long = work.start(steps("long", 50, done));
  await work.start(steps("short", 2, done));
  expect(done).toContain("short2");
  expect(done.length).toBeLessThan(20);
  await long;
  expect(done).toHaveLength(52);
});

test("work that fails rejects, and what is behind it goes on", async () => {
  const done: string[] = [];
  const work = new SlicedWork(0);
  const first = work.start(steps("a", 3, done));
  const failing = work.start(
    (function* () {
      yield;
      throw new Error("broken");
    })(),
  );
  const last = work.start(steps("b", 3, done));
  await expect(failing).rejects.toThrow("broken");
  await Promise.all([first, last]);
  expect(done).toHaveLength(6);
});
