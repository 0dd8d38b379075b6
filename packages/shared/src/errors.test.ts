// Checks of the error root: kinds of foreign errors, and bounded description of cause chains.
import { expect, test } from "vitest";
import { describeError, errorKind, WeftError } from "./errors.ts";

test("kinds", () => {
  expect(errorKind(new WeftError("conflict", "x"))).toBe("conflict");
  expect(errorKind(new TypeError("x"))).toBe("bug");
  expect(errorKind("thrown string")).toBe("bug");
});

test("a chain is described outermost first", () => {
  const error = new WeftError("transient", "cannot read bridge br-int", {
    cause: new Error("connect ENOENT", { cause: "deep" }),
  });
  expect(describeError(error)).toBe("cannot read bridge br-int: connect ENOENT: 'deep'");
});

test("a cyclic chain ends", () => {
  const error = new Error("a");
  error.cause = error;
  expect(describeError(error).length).toBeLessThan(100);
});
