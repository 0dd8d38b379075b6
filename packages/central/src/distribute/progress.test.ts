// Streams that get nowhere: cut in time and with the reason; and those that rightly wait for an operator: never cut, and owed nothing
// meanwhile. Time is moved by hand.
import { Resume } from "@weft/shared/gen/weft/v1/southbound.ts";
import { expect, test } from "vitest";
import { rowOf } from "../derive/memory-rows.ts";
import { inSyncWith, network, port, start } from "./two-chassis.fixture.ts";
import { settle, turn, World } from "./world.fixture.ts";

test("an agent that heartbeats and acks nothing is cut, and its status says why until it acks", async () => {
  const { clock, world, a } = await start({ config: { progressMs: 5000 } });
  const status = () => world.distributor.chassisStatus("chassis-1");
  const later = async (ms: number, waitingFor = ""): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 1000) {
      clock.advance(1000);
      await a.heartbeat(0n, waitingFor);
    }
  };
  await later(20_000);
  expect(status().connected).toBe(true);
  a.autoAck = false;
  world.commit([port(3, "chassis-1")]);
  await turn();
  await a.deliver();
  await later(4000);
  world.commit([port(4, "chassis-1")]);
  await turn();
  await a.deliver();
  expect(status()).toMatchObject({ connected: true, waitingFor: "" });
  // One ack is progress, although another one is owed.
  await a.ack();
  await later(4000);
  expect(status().connected).toBe(true);
  await later(3000);
  expect(status().connected).toBe(false);
  await a.deliver();
  expect(a.refusals[0]?.reason).toContain("acked nothing of what it was sent for 5000 ms");
  expect(status().waitingFor).toContain("its stream was cut: it acked nothing");
  await a.connect();
  await turn();
  await a.deliver();
  expect(status().waitingFor).toContain("acked nothing");
  await a.ack();
  expect(status().waitingFor).toBe("");
  inSyncWith(world, a);
});

test("an agent that says what it waits for has time to ack", async () => {
  const { clock, world, a } = await start({ config: { progressMs: 5000 } });
  a.autoAck = false;
  world.commit([port(3, "chassis-1")]);
  await turn();
  await a.deliver();
  for (let second = 0; second < 20; second++) {
    clock.advance(1000);
    await a.heartbeat(0n, "openflow: no connection");
  }
  expect(world.distributor.chassisStatus("chassis-1").connected).toBe(true);
  await a.heartbeat(0n);
  clock.advance(4000);
  expect(world.distributor.chassisStatus("chassis-1").connected).toBe(true);
  clock.advance(2000);
  expect(world.distributor.chassisStatus("chassis-1").connected).toBe(false);
});

test("an agent that does not answer which keys it holds is cut", async () => {
  const { clock, world, a } = await start({ config: { progressMs: 5000 } });
  a.disconnect();
  world.commit([port(3, "chassis-1")]);
  a.forgetSequence();
  await a.connect();
  // Welcome only: the request for keys stays on the wire.
  await a.deliver(1);
  for (let second = 0; second < 7; second++) {
    clock.advance(1000);
    await a.heartbeat(0n);
  }
  expect(world.distributor.chassisStatus("chassis-1")).toMatchObject({ connected: false });
  await a.deliver();
  expect(a.refusals[0]?.reason).toContain("did not say for 5000 ms which instructions it holds");
});

test("for a chassis that waits for an operator nothing is kept, and adoption finds everything", async () => {
  const { clock, world, a } = await start();
  world.close();
  const other = new World({ clock, storeId: "restored" });
  a.moveTo(other);
  await a.connect();
  await settle([a]);
  expect(a.welcome?.resume).toBe(Resume.HOLD);
  // More than any chassis is owed: keys that come and go.
  for (let from = 0; from < 20_000; from += 1000) {
    const edits = Array.from({ length: 1000 }, (_, at) => port(100 + from + at, "chassis-1"));
    other.commit([network("net", 7), ...edits]);
    await other.publisher.whole();
    other.commit(edits.map(({ id }) => ({ table: "port", id, row: undefined })));
    await other.publisher.whole();
  }
  await settle([a]);
  const status = other.distributor.chassisStatus("chassis-1");
  expect(status).toMatchObject({ connected: true, pending: 0, realizedRevision: 0n });
  expect(status.waitingFor).toContain("weft chassis adopt");
  other.commit([port(5, "chassis-1")]);
  expect(other.distributor.adopt("chassis-1")).toBe(true);
  await settle([a]);
  expect(a.refusals).toEqual([]);
  inSyncWith(other, a);
  expect(other.distributor.chassisStatus("chassis-1").realizedRevision).toBe(other.revision);
});

test("what changes while the breaker waits for an operator reaches the chassis with the adoption", async () => {
  const { clock, world, a } = await start();
  world.commit(Array.from({ length: 40 }, (_, at) => port(100 + at, "chassis-1")));
  await settle([a]);
  world.close();
  const { rows, revision } = world;
  rows.clearVolatile();
  const gone = Array.from({ length: 40 }, (_, at) => `port-${100 + at}`);
  rows.edit(
    revision,
    gone.map((id) => ({ table: "port", id, row: undefined })),
  );
  const next = new World({ clock, rows, revision, epoch: 2n });
  a.moveTo(next);
  await a.connect();
  await settle([a]);
  expect(next.distributor.chassisStatus("chassis-1").waitingFor).toContain("would delete");
  // In a scope that was equal when it was compared.
  next.commit([
    { table: "chassis", id: "chassis-1", row: rowOf.chassis({ id: "chassis-1", key: 77 }) },
  ]);
  next.commit([port(6, "chassis-1")]);
  await settle([a]);
  expect(next.distributor.chassisStatus("chassis-1").pending).toBe(0);
  next.distributor.adopt("chassis-1");
  await settle([a]);
  inSyncWith(next, a);
});
