// Whether a stream has used up its time, and with what. Pure: time comes in. Asked by distributor.ts, stream by stream, every second.

import type { DistributorConfig } from "./options.ts";
import type { Session } from "./session.ts";

export interface Overdue {
  readonly cause: "silent" | "stalled";
  readonly reason: string;
}

type Limits = Pick<DistributorConfig, "helloMs" | "stallMs"> & { readonly silentMs: number };

/** Why the stream is to be cut; undefined = it has time. */
export function overdueOf(
  session: Pick<Session, "state" | "startedMs" | "heardMs" | "blockedSinceMs">,
  nowMs: number,
  { helloMs, silentMs, stallMs }: Limits,
): Overdue | undefined {
  const { state, startedMs, heardMs, blockedSinceMs } = session;
  if (state === "greeting" && nowMs - startedMs > helloMs) {
    return { cause: "silent", reason: `no hello within ${helloMs} ms` };
  }
  if (nowMs - heardMs > silentMs) {
    return { cause: "silent", reason: `nothing heard for ${silentMs} ms` };
  }
  if (blockedSinceMs !== undefined && nowMs - blockedSinceMs > stallMs) {
    return { cause: "stalled", reason: `it took nothing for ${stallMs} ms` };
  }
  return undefined;
}
