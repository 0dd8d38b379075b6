// Whether a stream has used up its time, and with what. Pure: time comes in. Asked by distributor.ts, stream by stream, every second.

import type { DistributorConfig } from "./options.ts";
import type { Session } from "./session.ts";

export interface Overdue {
  readonly cause: "silent" | "stalled" | "stuck";
  readonly reason: string;
}

type Limits = Pick<DistributorConfig, "helloMs" | "stallMs" | "progressMs"> & {
  readonly silentMs: number;
};

type Judged = Pick<Session, "state" | "startedMs" | "heardMs" | "blockedSinceMs" | "keysSinceMs">;

/** Why the stream is to be cut; undefined = it has time. `unackedSinceMs`: since when it owes an ack; undefined = it owes none. */
export function overdueOf(
  session: Judged,
  unackedSinceMs: number | undefined,
  nowMs: number,
  { helloMs, silentMs, stallMs, progressMs }: Limits,
): Overdue | undefined {
  const { state, startedMs, heardMs, blockedSinceMs, keysSinceMs } = session;
  if (state === "greeting" && nowMs - startedMs > helloMs) {
    return { cause: "silent", reason: `no hello within ${helloMs} ms` };
  }
  if (nowMs - heardMs > silentMs) {
    return { cause: "silent", reason: `nothing heard for ${silentMs} ms` };
  }
  if (blockedSinceMs !== undefined && nowMs - blockedSinceMs > stallMs) {
    return { cause: "stalled", reason: `it took nothing for ${stallMs} ms` };
  }
  if (unackedSinceMs !== undefined && nowMs - unackedSinceMs > progressMs) {
    const reason = `it acked nothing of what it was sent for ${progressMs} ms`;
    return { cause: "stuck", reason: `${reason}: see the log of weft-agent there` };
  }
  if (keysSinceMs !== undefined && nowMs - keysSinceMs > progressMs) {
    const reason = `it did not say for ${progressMs} ms which instructions it holds`;
    return { cause: "stuck", reason: `${reason}: see the log of weft-agent there` };
  }
  return undefined;
}
