import { expect, it } from "vitest";
import { maxPageBytes, Page } from "./page.ts";

it.each<[string, number, number[], boolean[]]>([
  ["ends at its limit", 2, [1, 1, 1], [true, true, false]],
  ["ends at its bytes", 9, [1, maxPageBytes - 1, 1], [true, true, false]],
  ["takes one item of any size", 9, [maxPageBytes + 1, 1], [true, false]],
])("%s", (_, limit, sizes, expected) => {
  const page = new Page<number>({ limit });
  expect(sizes.map((bytes, at) => page.offer(at, bytes))).toEqual(expected);
  expect(page.items).toEqual([...expected.keys()].filter((at) => expected[at]));
});

it("leaves room below what a client receives unless told otherwise, for the last object and all headers", () => {
  const grpcDefault = 4 * 1024 * 1024;
  const maxObjectAsAnswered = 1024 * 1024;
  expect(maxPageBytes + maxObjectAsAnswered + 10_000 * 16).toBeLessThan(grpcDefault);
});
