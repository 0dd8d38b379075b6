// Both forms of a log line.
import { expect, test } from "vitest";
import { createLogger } from "./logging.ts";
import type { LogFormat } from "./logging.ts";

function linesOf(format: LogFormat, isTty: boolean): string[] {
  const lines: string[] = [];
  const logger = createLogger({
    name: "weft-test",
    level: "info",
    format,
    isTty,
    write: (line) => lines.push(line),
  });
  logger.debug("hidden");
  logger.info({ chassis: "a", count: 2n.toString(), list: [1] }, "connected");
  logger.child({ name: "ovsdb" }).error({ err: new Error("no socket") }, "gone");
  return lines;
}

test("JSON", () => {
  const lines = linesOf("auto", false).map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatchObject({
    level: "info",
    name: "weft-test",
    chassis: "a",
    msg: "connected",
  });
  expect(lines[0]?.["time"]).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  expect(lines[1]).toMatchObject({ level: "error", err: { message: "no socket" } });
});

test("on a terminal", () => {
  const lines = linesOf("auto", true);
  expect(lines[0]).toMatch(
    /^[\d:.]{12} INFO  weft-test: connected chassis=a count=2 list=\[1\]\n$/,
  );
  expect(lines[1]).toMatch(/^[\d:.]{12} ERROR ovsdb: gone\n {2}Error: no socket\n {6}at /);
});
