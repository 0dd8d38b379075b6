// What the log says of chassis that fall silent and come back. Pure but for the logger. Called by central.ts with all volatile changes.

import type { LivenessRow, RowChange } from "../model/rows.ts";

export interface LivenessLogger {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

const TEXTS: Readonly<Record<LivenessRow["state"], string>> = {
  alive: "chassis is alive again",
  unreachable: "chassis is unreachable: see that its agent runs and reaches central",
  fenced: "chassis is fenced: it counts again once its agent is back in sync",
};

/** Changes of state alone: a chassis that is new or deleted says so elsewhere. */
export function logLiveness(changes: readonly RowChange[], logger: LivenessLogger): void {
  for (const { table, id, before, after } of changes) {
    if (table !== "liveness" || before === undefined || after === undefined) continue;
    if (before.state === after.state) continue;
    const fields = { chassis: id, state: after.state };
    if (after.state === "alive") logger.info(fields, TEXTS.alive);
    else logger.warn(fields, TEXTS[after.state]);
  }
}
