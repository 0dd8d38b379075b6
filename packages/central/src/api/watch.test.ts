// A watch beside others: whatever it skips or reads back, the thread is not held for it.
import { Writable } from "node:stream";
import { EventType, WatchRequest } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { WatchResponse } from "@weft/shared/gen/weft/v1/northbound.ts";
import { SystemClock } from "@weft/shared/clock.ts";
import { expect, test } from "vitest";
import { rowOf } from "../derive/memory-rows.ts";
import { Model } from "../model/tables.ts";
import { encodeRow } from "../store/codec.ts";
import type { Commit, CommitLog } from "../store/commit-log.ts";
import { Objects } from "./objects.ts";
import type { South } from "./south.ts";
import { WatchHub } from "./watch.ts";

const COUNT = 50_000;
const ports = Array.from({ length: COUNT }, (_, at) =>
  rowOf.port({ id: `p${at}`, key: at + 1, network: "n", project: "theirs" }),
);

/** Serves one watch until its first bookmark or COUNT events; answers the events, and how many turns others got meanwhile. */
async function watch(
  log: Partial<CommitLog>,
  request: object,
  { onEvent = (): void => undefined } = {},
) {
  const model = new Model(2n);
  for (const port of ports) model.put("port", port.id, port);
  model.sortedIds("port");
  const objects = new Objects({
    model,
    south: { networkMtu: () => 1450 } as unknown as South,
    statistics: () => ({ total: 0n, used: 0n, quarantined: 0n }),
    portWithIp: () => undefined,
  });
  using hub = new WatchHub({
    ...{ model, objects, log: log as CommitLog, clock: new SystemClock() },
    whole: () => Promise.resolve(),
  });
  const seen: WatchResponse[] = [];
  const stream = new Writable({
    objectMode: true,
    write(event: WatchResponse, _encoding, done) {
      seen.push(event);
      onEvent();
      if (event.type === EventType.BOOKMARK || seen.length === COUNT) this.emit("cancelled");
      done();
    },
  });
  const call = Object.assign(stream, {
    request: WatchRequest.fromPartial(request),
    cancelled: false,
  });
  let turns = 0;
  const turn = (): void => {
    turns += 1;
    if (!stream.destroyed) setImmediate(turn);
  };
  setImmediate(turn);
  await hub.serve(call as unknown as Parameters<WatchHub["serve"]>[0]);
  stream.destroy();
  return { seen, turns };
}

test("of one project among 50,000 objects of others", async () => {
  const { turns } = await watch({}, { project: "ours" });
  expect(turns).toBeGreaterThan(1);
});

test("that resumes behind one revision of 50,000 changes reads one after the other", async () => {
  let read = 0;
  let readBeforeFirst = 0;
  const entries = ports.map((row) => ({
    ...{ kind: "port" as const, id: row.id, action: "created" as const },
    get body(): string {
      read += 1;
      return encodeRow(row);
    },
  }));
  const commit: Commit = { revision: 2n, atMs: 0, actor: "", comment: "", entries };
  const log = { read: () => Promise.resolve([commit]) };
  const onEvent = (): void => {
    readBeforeFirst ||= read;
  };
  const { seen } = await watch(log, { fromRevision: 1n }, { onEvent });
  expect(seen.map(({ revision }) => revision).indexOf(2n)).toBe(COUNT - 1);
  expect(readBeforeFirst).toBeLessThan(10);
});
