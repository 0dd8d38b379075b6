// When a freed key may be given again: an agent that is killed goes on from its disk, so only that counts.
import { Resume } from "@weft/shared/gen/weft/v1/southbound.ts";
import { expect, test } from "vitest";
import { start } from "./two-chassis.fixture.ts";
import { settle, turn } from "./world.fixture.ts";

test("a freed key is reusable once everybody has it on disk, or is fenced", async () => {
  const { clock, world, a, b } = await start({ bindings: { leaseMs: 1000, staleAfterMs: 5000 } });
  const reusable = (sequence: bigint): boolean => world.distributor.keyReusable(sequence);
  // In sync and acked, but their disks may be as old as can be.
  expect(reusable(0n)).toBe(false);
  await a.heartbeat();
  await b.heartbeat();
  expect(reusable(world.distributor.sequence)).toBe(true);
  world.commit([{ table: "port", id: "port-2", row: undefined }]);
  const freed = world.distributor.sequence;
  await turn();
  expect(reusable(freed)).toBe(false);
  await settle([a, b]);
  // Both acked.
  expect(reusable(freed)).toBe(false);
  await b.heartbeat();
  await a.heartbeat(1n);
  expect(reusable(freed)).toBe(false);
  expect(reusable(0n)).toBe(true);
  a.disconnect();
  for (let second = 0; second < 7; second++) {
    clock.advance(900);
    world.bindings.heard("chassis-2");
  }
  expect(world.bindings.isFenced("chassis-1")).toBe(true);
  expect(reusable(freed)).toBe(true);
});

test("what an agent holds in memory when it reconnects is not on its disk", async () => {
  const { world, a, b } = await start();
  world.commit([{ table: "port", id: "port-2", row: undefined }]);
  const freed = world.distributor.sequence;
  await settle([a, b]);
  await b.heartbeat();
  await a.connect();
  await settle([a]);
  expect(a.welcome?.resume).toBe(Resume.CONTINUE);
  expect(world.distributor.keyReusable(freed)).toBe(false);
  // A number that was never sent is of another epoch.
  await a.heartbeat(1n << 40n);
  expect(world.distributor.keyReusable(freed)).toBe(false);
  await a.heartbeat();
  expect(world.distributor.keyReusable(freed)).toBe(true);
  // A resync that finds nothing different says nothing of the disk either.
  a.forgetSequence();
  await a.connect();
  await settle([a]);
  expect(a.welcome?.resume).toBe(Resume.RESYNC);
  expect(world.distributor.keyReusable(freed)).toBe(false);
  await a.heartbeat();
  expect(world.distributor.keyReusable(freed)).toBe(true);
});

test("a fenced chassis is let in when it is in sync, and its disk as well", async () => {
  const { clock, world, a } = await start({ bindings: { leaseMs: 1000, staleAfterMs: 5000 } });
  a.disconnect();
  clock.advance(7000);
  expect(world.bindings.isFenced("chassis-1")).toBe(true);
  await a.connect();
  await settle([a]);
  expect(a.welcome?.resume).toBe(Resume.RESYNC);
  expect(a.inSync).toBe(true);
  // What it has on disk is from before.
  await a.heartbeat(1n);
  expect(world.bindings.isFenced("chassis-1")).toBe(true);
  await a.heartbeat();
  expect(world.bindings.isFenced("chassis-1")).toBe(false);
});
