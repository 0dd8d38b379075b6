// The log tells of a chassis that falls silent, is fenced and comes back, once each.
import { expect, test } from "vitest";
import type { LivenessRow, RowChange } from "../model/rows.ts";
import { logLiveness } from "./liveness-log.ts";

type State = LivenessRow["state"];

test("each change of state is said once, with the way out", () => {
  const lines: string[] = [];
  const say = (level: string) => (fields: object, text: string) =>
    void lines.push(`${level} ${JSON.stringify(fields)} ${text}`);
  const logger = { info: say("info"), warn: say("warn") };
  const states: readonly (State | undefined)[] = [
    ...[undefined, "alive", "alive", "unreachable", "fenced", "alive", undefined],
  ] as const;
  for (const [at, state] of states.entries()) {
    const row = (of: State | undefined) => of && { id: "hv1", state: of };
    const change = { table: "liveness", id: "hv1", before: row(states[at - 1]), after: row(state) };
    logLiveness([change as RowChange], logger);
  }
  expect(lines).toEqual([
    'warn {"chassis":"hv1","state":"unreachable"} chassis is unreachable: see that its agent runs and reaches central',
    'warn {"chassis":"hv1","state":"fenced"} chassis is fenced: it counts again once its agent is back in sync',
    'info {"chassis":"hv1","state":"alive"} chassis is alive again',
  ]);
});
