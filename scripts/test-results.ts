// Reads what the test runners print or write and adds it up. Pure: text in, counts out. Used by
// test.ts, which runs them.

/** What one step of `make test` came to. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** Identity of every skipped test: `file > test` (vitest) or `crate::path::test` (cargo). */
  readonly skipped: readonly string[];
}

export const nothing: Counts = { passed: 0, failed: 0, skipped: [] };

export function add(a: Counts, b: Counts): Counts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: [...a.skipped, ...b.skipped],
  };
}

/** Cargo's merged output: every `test result:` line counts, skips are named with their crate. */
export function parseCargo(output: string): Counts {
  let passed = 0;
  let failed = 0;
  let crate = "unknown";
  const skipped: string[] = [];
  for (const line of output.split("\n")) {
    const running = /^\s+Running .*\(.*?([A-Za-z0-9_]+)-[0-9a-f]{8,}(?:\.exe)?\)$/.exec(line);
    const documented = /^\s+Doc-tests ([A-Za-z0-9_]+)$/.exec(line);
    crate = running?.[1] ?? documented?.[1] ?? crate;
    const result = /^test result: \w+\. (\d+) passed; (\d+) failed;/.exec(line);
    if (result !== null) {
      passed += Number(result[1]);
      failed += Number(result[2]);
    }
    const ignored = /^test (.+?) \.\.\. ignored/.exec(line);
    if (ignored !== null) skipped.push(`${crate}::${ignored[1] ?? ""}`);
  }
  return { passed, failed, skipped };
}

/** The file that vitest's json reporter writes; paths are shown relative to `root`. */
export function parseVitest(json: string, root: string): Counts {
  const report = JSON.parse(json) as {
    testResults: {
      name: string;
      status: string;
      assertionResults: { fullName: string; status: string }[];
    }[];
  };
  let counts = nothing;
  for (const file of report.testResults) {
    const path = file.name.startsWith(`${root}/`) ? file.name.slice(root.length + 1) : file.name;
    const tests = file.assertionResults;
    const failed = tests.filter((test) => test.status === "failed").length;
    counts = add(counts, {
      passed: tests.filter((test) => test.status === "passed").length,
      // A file that failed outside its tests (an import, a hook) is one failure.
      failed: failed === 0 && file.status === "failed" ? 1 : failed,
      skipped: tests
        .filter((test) => test.status !== "passed" && test.status !== "failed")
        .map((test) => `${path} > ${test.fullName}`),
    });
  }
  return counts;
}

/** The counts of a runner that also has an exit status: it must agree, and something must have run. */
export function judge(counts: Counts, exitStatus: number | null): Counts & { problem?: string } {
  if (counts.failed === 0 && exitStatus !== 0) {
    const failed = counts.failed + 1;
    return { ...counts, failed, problem: `the runner ended with status ${exitStatus ?? "none"}` };
  }
  if (counts.passed + counts.failed === 0) {
    return { ...counts, failed: 1, problem: "no test ran" };
  }
  return counts;
}

/**
 * test/expected-skips: one `identity | reason` a line, `#` starts a comment. Throws on a line without
 * a reason.
 */
export function parseExpectedSkips(text: string): Map<string, string> {
  const skips = new Map<string, string>();
  text.split("\n").forEach((line, index) => {
    if (line.trim() === "" || line.startsWith("#")) return;
    const [identity, reason] = line.split(" | ").map((part) => part.trim());
    if (identity === undefined || identity === "" || reason === undefined || reason === "") {
      throw new Error(`test/expected-skips:${index + 1}: write "identity | reason", got "${line}"`);
    }
    skips.set(identity, reason);
  });
  return skips;
}

/** In CI every skip that is not expected counts as a failure. */
export function failUnexpectedSkips(
  counts: Counts,
  expected: ReadonlyMap<string, string>,
): { counts: Counts; unexpected: string[] } {
  const unexpected = counts.skipped.filter((identity) => !expected.has(identity));
  return {
    unexpected,
    counts: {
      passed: counts.passed,
      failed: counts.failed + unexpected.length,
      skipped: counts.skipped.filter((identity) => expected.has(identity)),
    },
  };
}

/** The one line that ends every run. */
export function summary(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped.length} skipped`;
}
