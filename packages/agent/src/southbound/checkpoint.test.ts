import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock } from "@weft/shared/clock.ts";
import type { AgentCheckpoint } from "@weft/shared/gen/weft/v1/southbound.ts";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { FakeClock } from "../../../../test/fakes/clock.ts";
import { until } from "../../../../test/lab/ovs.ts";
import { CheckpointFile, decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";

const scratch = mkdtempSync(join(tmpdir(), "weft-checkpoint-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const checkpoint = (sequence: bigint): AgentCheckpoint => ({
  storeId: "s",
  epoch: 3n,
  sequence,
  revision: 9n,
  instructions: [{ key: "chassis/a/config", body: Buffer.from("body") }],
  ports: [{ portId: "p", generation: 2n }],
});

function file(name: string): CheckpointFile {
  const opened = new CheckpointFile({
    path: join(scratch, name),
    clock: new SystemClock(),
    random: () => 0,
  });
  opened.listen({
    written: () => {},
    failed: (error) => {
      throw error;
    },
  });
  return opened;
}

test("what was written last is loaded", async () => {
  const written = file("plain");
  expect(await written.load()).toEqual({ kind: "absent" });
  written.changed(() => checkpoint(1n));
  written.changed(() => checkpoint(2n));
  await written.flush();
  expect(await file("plain").load()).toEqual({ kind: "loaded", checkpoint: checkpoint(2n) });
});

test("a write that fails is told once and tried again until it works, with what is newest then", async () => {
  const folder = join(scratch, "in-the-way");
  writeFileSync(folder, "a file where the folder should be");
  const clock = new SystemClock();
  const path = join(folder, "checkpoint");
  const refused = new CheckpointFile({ path, clock, random: () => 0 });
  const told: string[] = [];
  refused.listen({
    written: ({ sequence }) => told.push(`written ${sequence}`),
    failed: ({ message }) => told.push(message),
  });
  let tries = 0;
  refused.changed(() => {
    tries += 1;
    return checkpoint(1n);
  });
  await until("three tries", () => tries === 3);
  expect(told).toEqual([`checkpoint ${path} cannot be written; see to its disk and its owner`]);
  refused.changed(() => checkpoint(2n));
  rmSync(folder);
  // The try under way may still be of what was newest before.
  await until("a write that works", () => told.at(-1) === "written 2");
  expect(told.slice(1).every((text) => text.startsWith("written "))).toBe(true);
  expect(await file("in-the-way/checkpoint").load()).toMatchObject({ kind: "loaded" });
});

test("a last write that fails leaves nothing behind that runs on", async () => {
  writeFileSync(join(scratch, "file"), "");
  const clock = new FakeClock();
  const path = join(scratch, "file", "checkpoint");
  const refused = new CheckpointFile({ path, clock, random: () => 0 });
  refused.changed(() => checkpoint(1n));
  await refused.flush();
  expect(clock.pendingTimers).toBe(0);
});

test("a damaged file is set aside and named", async () => {
  const path = join(scratch, "damaged");
  const bytes = encodeCheckpoint(checkpoint(1n));
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(path, bytes);
  expect(await file("damaged").load()).toEqual({ kind: "damaged", reason: "checksum differs" });
  expect(readFileSync(`${path}.damaged`)).toEqual(bytes);
  expect(await file("damaged").load()).toEqual({ kind: "absent" });
});

test("no bytes crash the decoder, and no changed byte goes unnoticed", () => {
  const good = encodeCheckpoint(checkpoint(7n));
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ flip;
      expect(typeof decodeCheckpoint(bad)).toBe("string");
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(typeof decodeCheckpoint(Buffer.from(bytes))).toBe("string");
    }),
  );
});
