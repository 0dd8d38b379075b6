import { expect, test } from "vitest";
import { FakeClock } from "../../../../test/fakes/clock.ts";
import { MAX_WAITERS, RealizedLog } from "./realized.ts";

function log(): RealizedLog {
  const realized = new RealizedLog({
    clock: new FakeClock(),
    revision: 0n,
    progress: () => ({ alive: true, realizedRevision: 0n, failed: [] }),
    everybody: () => [],
  });
  realized.add(1n, ["c1"], []);
  return realized;
}

const over = { complete: false, realized: [], failed: [], unreachable: ["c1"] };

test("a caller that left is waited for no longer", async () => {
  const realized = log();
  const left = new AbortController();
  const wait = realized.wait(1n, 600_000, left.signal);
  expect(realized.waiting).toBe(1);
  left.abort();
  expect(await wait).toEqual(over);
  expect(realized.waiting).toBe(0);
  expect(await realized.wait(1n, 600_000, left.signal)).toEqual(over);
});

test("so many wait; one more is answered at once with how far it is", async () => {
  const realized = log();
  const waits = Array.from({ length: MAX_WAITERS }, () => realized.wait(1n, 600_000));
  expect(await realized.wait(1n, 600_000)).toEqual(over);
  realized.close();
  expect(await Promise.all(waits)).toHaveLength(MAX_WAITERS);
});
