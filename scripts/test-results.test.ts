// The runners' outputs as they are, and the rules that make a green run mean something.
import { expect, test } from "vitest";
import {
  failUnexpectedSkips,
  judge,
  nothing,
  parseCargo,
  parseExpectedSkips,
  parseVitest,
  summary,
} from "./test-results.ts";

const cargo = `   Compiling weft-openflow v0.1.0 (/x/crates/openflow)
     Running unittests src/lib.rs (target/debug/deps/weft_openflow-0123456789abcdef)

running 3 tests
test wire::tests::short ... ok
test wire::tests::slow ... ignored, needs an hour
test wire::tests::wrong ... FAILED

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/vectors.rs (/elsewhere/target/debug/deps/vectors-0123456789abcdef)
test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s

   Doc-tests weft_openflow
test crates/openflow/src/lib.rs - (line 3) ... ignored
test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
`;

test("cargo: all targets are summed and skips named by their target", () => {
  expect(parseCargo(cargo)).toEqual({
    passed: 5,
    failed: 1,
    skipped: [
      "weft_openflow::wire::tests::slow",
      "weft_openflow::crates/openflow/src/lib.rs - (line 3)",
    ],
  });
});

test("vitest: tests, files that do not load, skips and todos", () => {
  const json = JSON.stringify({
    testResults: [
      {
        name: "/p/test/a.test.ts",
        status: "failed",
        assertionResults: [
          { fullName: "a ok", status: "passed" },
          { fullName: "a wrong", status: "failed" },
          { fullName: "a later", status: "todo" },
          { fullName: "a skip", status: "skipped" },
        ],
      },
      { name: "/p/b.test.ts", status: "failed", assertionResults: [] },
    ],
  });
  expect(parseVitest(json, "/p")).toEqual({
    passed: 1,
    failed: 2,
    skipped: ["test/a.test.ts > a later", "test/a.test.ts > a skip"],
  });
});

test("a runner that ran nothing, or died without a failed test, is a failure", () => {
  expect(judge(nothing, 0)).toMatchObject({ failed: 1, problem: "no test ran" });
  expect(judge({ passed: 0, failed: 0, skipped: ["a"] }, 0)).toMatchObject({ failed: 1 });
  expect(judge({ ...nothing, passed: 3 }, 1)).toMatchObject({ passed: 3, failed: 1 });
  expect(judge({ ...nothing, passed: 3 }, null)).toMatchObject({ failed: 1 });
  expect(judge({ ...nothing, passed: 3 }, 0)).toEqual({ ...nothing, passed: 3 });
  expect(judge({ ...nothing, failed: 2 }, 1)).toEqual({ ...nothing, failed: 2 });
});

test("in CI a skip counts as failed unless it is listed", () => {
  const expected = parseExpectedSkips("# why\n\na > b | no such hardware in CI\n");
  const counts = { passed: 2, failed: 0, skipped: ["a > b", "a > c"] };
  const result = failUnexpectedSkips(counts, expected);
  expect(result.unexpected).toEqual(["a > c"]);
  expect(summary(result.counts)).toBe("2 passed, 1 failed, 1 skipped");
});

test.each(["a > b", "a > b | ", " | reason"])("an expected skip needs a reason: %j", (line) => {
  expect(() => parseExpectedSkips(line)).toThrow("test/expected-skips:1");
});
