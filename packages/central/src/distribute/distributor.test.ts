// The southbound protocol as an agent meets it: resume, hold, breaker, identity, backpressure, realization. A fake agent over a
// wire in memory; time is moved by hand.
import { Resume } from "@weft/shared/gen/weft/v1/southbound.ts";
import { expect, test } from "vitest";
import { rowOf } from "../derive/memory-rows.ts";
import { boundTo, inSyncWith, network, port, start } from "./two-chassis.fixture.ts";
import { settle, turn, World } from "./world.fixture.ts";

test("an agent gets what it hosts and where its peers are, and nothing else", async () => {
  const { world, a } = await start();
  world.commit([network("other", 8), port(3, "chassis-2", "other")]);
  await settle([a]);
  expect([...a.held.keys()].sort()).toEqual([
    "chassis/chassis-1/config",
    "chassis/chassis-1/port/1",
    "flood/7/peer/2",
    "flood/7/peer/3",
    "network/7/config",
    "network/7/location/1",
    "network/7/location/2",
  ]);
  inSyncWith(world, a);
});

test("of a batch that is derived in parts no part is sent alone", async () => {
  const { world, a, b } = await start();
  const { distributor, deriver, rows } = world;
  const before = new Map(a.held);
  distributor.hold();
  const parts = [[network("other", 8), port(3, "chassis-1", "other")], [port(4, "chassis-1")]].map(
    (edits) => deriver.apply(rows.edit(world.revision + 1n, edits)),
  );
  // A stream that begins meanwhile and must resync, and one that goes on.
  b.forgetSequence();
  await b.connect();
  await settle([a, b]);
  expect(a.held).toEqual(before);
  expect(b.inSync).toBe(false);
  world.revision += 1n;
  distributor.publish({
    revision: world.revision,
    instructions: parts.flatMap((part) => part.instructions),
    subscriptions: parts.flatMap((part) => part.subscriptions),
  });
  const frames = a.frames.length;
  await settle([a, b]);
  expect(a.frames.length).toBe(frames + 1);
  inSyncWith(world, a);
  inSyncWith(world, b);
  // The digests that are kept are right: a resync finds nothing to ask for.
  for (const agent of [a, b]) {
    const asked = agent.keyRequests;
    agent.forgetSequence();
    await agent.connect();
    await settle([agent]);
    expect(agent.welcome?.resume).toBe(Resume.RESYNC);
    expect(agent.keyRequests).toBe(asked);
    inSyncWith(world, agent);
  }
});

test("a change that does not touch a chassis sends it nothing", async () => {
  const { world, a } = await start();
  const frames = a.frames.length;
  const revision = world.commit([network("other", 8), port(3, "chassis-2", "other")]);
  await turn();
  expect(a.inbox).toBe(0);
  expect(a.frames.length).toBe(frames);
  expect(world.distributor.chassisStatus("chassis-1").realizedRevision).toBe(revision);
});

test("everything of one turn is one frame", async () => {
  const { world, a } = await start();
  const frames = a.frames.length;
  world.commit([port(3, "chassis-1")]);
  world.commit([port(4, "chassis-1")]);
  await settle([a]);
  expect(a.frames.length).toBe(frames + 1);
  expect(a.frames.at(-1)?.revision).toBe(world.revision);
});

test("a change has one sequence, whoever is sent it, and what is sent to nobody uses none up", async () => {
  const { world, a, b } = await start();
  const { sequence } = world.distributor;
  for (const change of [1n, 2n]) {
    const row = rowOf.network({ id: "net", key: 7, mtuBytes: 1400 + Number(change) });
    const revision = world.commit([{ table: "network", id: "net", row }]);
    await settle([a, b]);
    await turn();
    expect(world.distributor.sequence).toBe(sequence + change);
    for (const agent of [a, b]) {
      expect(agent.frames.at(-1)).toMatchObject({ sequence: sequence + change, revision });
    }
  }
});

test("a short interruption continues and carries only what came since", async () => {
  const { world, a } = await start();
  a.disconnect();
  world.commit([port(3, "chassis-1")]);
  const held = a.held.size;
  await a.connect();
  await settle([a]);
  expect(a.welcome?.resume).toBe(Resume.CONTINUE);
  expect(a.held.size).toBe(held + 1);
  inSyncWith(world, a);
});

test("a frame that was written and not received comes again", async () => {
  const { world, a } = await start();
  world.commit([port(3, "chassis-1")]);
  await turn();
  expect(a.inbox).toBe(1);
  a.disconnect();
  await a.connect();
  await settle([a]);
  expect(a.welcome?.resume).toBe(Resume.CONTINUE);
  expect(a.held.has("chassis/chassis-1/port/3")).toBe(true);
  expect(world.distributor.chassisStatus("chassis-1")).toMatchObject({ pending: 0 });
});

test("after a restart of central only differences travel", async () => {
  const { clock, world, a, b } = await start();
  const { rows, revision, bindings } = world;
  const checkpoint = bindings.snapshot();
  world.close();
  rows.clearVolatile();
  rows.edit(revision, [port(9, "chassis-1")]);
  const next = new World({ clock, rows, revision, epoch: 2n, checkpoint });
  for (const agent of [a, b]) agent.moveTo(next);
  await a.connect();
  await a.deliver(1);
  expect(a.welcome?.resume).toBe(Resume.RESYNC);
  await settle([a]);
  expect(a.frames.at(-1)).toMatchObject({ inSync: true, adopted: false });
  inSyncWith(next, a);
});

test("an agent of another store is told nothing before an operator agrees", async () => {
  const { clock, world, a } = await start();
  const before = new Map(a.held);
  world.close();
  const other = new World({ clock, storeId: "restored" });
  a.moveTo(other);
  await a.connect();
  await settle([a]);
  expect(a.welcome?.resume).toBe(Resume.HOLD);
  expect(other.distributor.chassisStatus("chassis-1").waitingFor).toContain("weft chassis adopt");
  expect(a.held).toEqual(before);
  expect(other.distributor.adopt("chassis-1")).toBe(true);
  await settle([a]);
  expect(a.frames.at(-1)).toMatchObject({ inSync: true, adopted: true });
  inSyncWith(other, a);
  expect(other.distributor.adopt("chassis-1")).toBe(false);
});

test("an agent that is ahead of the store holds", async () => {
  const { clock, world, a } = await start();
  world.close();
  const older = new World({ clock, rows: world.rows, revision: 1n, epoch: 2n });
  a.moveTo(older);
  await a.connect();
  await settle([a]);
  expect(a.welcome?.resume).toBe(Resume.HOLD);
  expect(older.distributor.chassisStatus("chassis-1").waitingFor).toContain("revision 3");
});

test("a resync that deletes much trips the breaker and asks", async () => {
  const { clock, world, a } = await start();
  world.commit(Array.from({ length: 40 }, (_, at) => port(100 + at, "chassis-1")));
  await settle([a]);
  world.close();
  const { rows, revision } = world;
  rows.clearVolatile();
  rows.edit(
    revision,
    Array.from({ length: 40 }, (_, at) => ({
      table: "port",
      id: `port-${100 + at}`,
      row: undefined,
    })),
  );
  const next = new World({ clock, rows, revision, epoch: 2n });
  a.moveTo(next);
  const held = a.held.size;
  await a.connect();
  await settle([a]);
  expect(a.held.size).toBe(held);
  expect(next.distributor.chassisStatus("chassis-1").waitingFor).toMatch(/would delete 4\d of the/);
  next.distributor.adopt("chassis-1");
  await settle([a]);
  inSyncWith(next, a);
});

test("a resync that would delete waits for the reports that keep the port", async () => {
  const { clock, world, a } = await start();
  world.commit([port(3, null)]);
  a.plugged.set("port-3", 0n);
  await a.report(true);
  await settle([a]);
  expect(a.held.has("chassis/chassis-1/port/3")).toBe(true);
  world.close();
  const { rows, revision } = world;
  rows.clearVolatile();
  // Its checkpoint is lost: only the report says that port-3 is here.
  const next = new World({ clock, rows, revision, epoch: 2n });
  a.moveTo(next);
  await a.connect();
  let gone = false;
  for (let step = 0; step < 50; step++) {
    await a.deliver(1);
    await turn();
    gone ||= !a.held.has("chassis/chassis-1/port/3");
  }
  expect(gone).toBe(false);
  inSyncWith(next, a);
});

for (const [what, hello, identity, reason] of [
  ["an unknown protocol version", { protocolVersion: 0 }, "chassis-1", /protocol version 0/],
  ["a certificate of another chassis", {}, "chassis-2", /is of chassis chassis-2/],
  ["a certificate of none", {}, null, /names no chassis/],
] as const) {
  test(`${what} is refused`, async () => {
    const { world } = await start();
    const agent = world.agent("chassis-1");
    await agent.connect(hello, identity);
    await settle([agent]);
    expect(agent.welcome).toBeUndefined();
    expect(agent.refusals[0]?.reason).toMatch(reason);
  });
}

test("a second stream of a chassis replaces the first", async () => {
  const { world, a } = await start();
  const twin = world.agent("chassis-1");
  await twin.connect();
  await settle([a, twin]);
  expect(a.refusals[0]?.reason).toContain("newer stream");
  inSyncWith(world, twin);
});

test("what is not a hello comes first: refused", async () => {
  const { world } = await start();
  const sent: Buffer[] = [];
  const wire = { write: (bytes: Buffer) => sent.push(bytes) > 0, end: () => undefined };
  const incoming = world.distributor.accept(wire, () => "chassis-9");
  await incoming.receive({ $case: "portReports", value: { reports: [], complete: true } });
  expect(incoming.session.state).toBe("closed");
  expect(Buffer.concat(sent).toString()).toContain("must be a hello");
});

test("an ack of what was never sent ends the stream", async () => {
  const { a } = await start();
  const value = { sequence: 1n << 60n, failed: [], failedTotal: 0, driftRepaired: 0n, flows: 0 };
  await a.send({ $case: "ack", value });
  await settle([a]);
  expect(a.refusals[0]?.reason).toContain("was not sent");
});

test("a chassis cannot take part in the ports of another by reporting them", async () => {
  const { world, b } = await start();
  b.plugged.set("port-1", 99n);
  await b.report(false);
  expect(world.rows.get("binding", "port-1")).toMatchObject({ chassis: "chassis-1" });
});

test("a stream that takes nothing is written nothing, and is cut in the end", async () => {
  const { clock, world, a } = await start({ config: { stallMs: 5000 } });
  a.capacity = 1;
  world.commit([port(3, "chassis-1")]);
  await turn();
  for (let key = 10; key < 60; key++) {
    world.commit([port(key, "chassis-1")]);
    await turn();
  }
  expect(a.inbox).toBe(1);
  expect(world.distributor.chassisStatus("chassis-1").pending).toBe(50);
  await a.deliver();
  await settle([a]);
  inSyncWith(world, a);
  world.commit([port(4, "chassis-1")]);
  await turn();
  clock.advance(7000);
  expect(world.distributor.chassisStatus("chassis-1").connected).toBe(false);
});

test("an agent that acks nothing is sent a bounded number of frames", async () => {
  const { world, a } = await start({ config: { maxUnackedFrames: 3 } });
  a.autoAck = false;
  const frames = a.frames.length;
  for (let key = 10; key < 20; key++) {
    world.commit([port(key, "chassis-1")]);
    await turn();
    await a.deliver();
  }
  expect(a.frames.length).toBe(frames + 3);
  a.autoAck = true;
  await settle([a]);
  inSyncWith(world, a);
});

test("realized waits for the ack of the chassis it touched, and names failures", async () => {
  const { world, a } = await start();
  const revision = world.commit([port(3, "chassis-1")]);
  let answered = false;
  const realized = world.distributor.realized(revision, 1000).then((answer) => {
    answered = true;
    return answer;
  });
  await turn();
  expect(answered).toBe(false);
  expect(world.distributor.chassisStatus("chassis-1").realizedRevision).toBe(revision - 1n);
  a.failed = [
    { key: "chassis/chassis-1/port/3", reason: "no" },
    { key: "chassis/chassis-1/port/1", reason: "of an older change" },
  ];
  await settle([a]);
  expect(await realized).toEqual({
    complete: false,
    realized: [],
    failed: [{ chassis: "chassis-1", failed: [a.failed[0]] }],
    unreachable: [],
  });
});

test("realized ends at the deadline, and at once for who is not alive", async () => {
  const { clock, world, a, b } = await start({ bindings: { leaseMs: 1000 } });
  const late = world.distributor.realized(world.commit([port(3, "chassis-1")]), 100);
  await turn();
  clock.advance(100);
  expect(await late).toMatchObject({ complete: false, unreachable: ["chassis-1"] });
  await settle([a]);
  a.disconnect();
  clock.advance(900);
  world.bindings.heard("chassis-2");
  clock.advance(900);
  const gone = world.distributor.realized(world.commit([port(4, "chassis-1")]), 1_000_000);
  expect(await gone).toMatchObject({ unreachable: ["chassis-1"], realized: [] });
  const fine = world.distributor.realized(world.commit([port(5, "chassis-2")]), 1_000_000);
  await settle([b]);
  expect(await fine).toMatchObject({ complete: true, realized: ["chassis-2"] });
});

test("a chassis that is deleted is not waited for, nor called unreachable", async () => {
  const { world, a, b } = await start();
  const revision = world.commit([
    { table: "port", id: "port-2", row: undefined },
    { table: "chassis", id: "chassis-2", row: undefined },
  ]);
  b.disconnect();
  const realized = world.distributor.realized(revision, 1000);
  await settle([a]);
  expect(await realized).toMatchObject({ complete: true, realized: ["chassis-1"] });
});

test("what an earlier life committed is realized once every chassis has come back with it, or is given up", async () => {
  const { clock, world, a } = await start();
  world.close();
  world.rows.clearVolatile();
  const { rows, revision } = world;
  const bindings = { leaseMs: 1000 };
  const next = new World({ clock, rows, revision, bindings, epoch: 2n });
  const realized = next.distributor.realized(revision, 1_000_000);
  a.moveTo(next);
  await a.connect();
  await settle([a]);
  for (let passed = 0; passed < 2000; passed += 500) {
    clock.advance(500);
    await a.heartbeat();
  }
  expect(await realized).toEqual({
    complete: false,
    realized: ["chassis-1"],
    failed: [],
    unreachable: ["chassis-2"],
  });
});

test("a long message is worked on in slices, and ends with its stream", async () => {
  const { world, a, b } = await start({ budgetMs: 0 });
  world.commit(Array.from({ length: 300 }, (_, at) => port(100 + at, null)));
  await world.publisher.whole();
  for (let key = 100; key < 400; key++) a.plugged.set(`port-${key}`, 0n);
  const bound = (): number => boundTo(world, "chassis-1");
  const report = a.report(true);
  await turn();
  expect(bound()).toBeLessThan(301);
  await report;
  await world.publisher.whole();
  expect(bound()).toBe(301);
  // All end: the stream goes when a part of them has.
  a.plugged.clear();
  const ends = a.report(true);
  await turn();
  a.disconnect();
  await ends;
  await settle([b]);
  expect(bound()).toBeGreaterThan(0);
  await a.connect();
  await settle([a, b]);
  expect(bound()).toBe(0);
});

test("a query is answered, fails when the stream ends, and has a deadline", async () => {
  const { clock, world, a } = await start();
  const answer = world.distributor.query("chassis-1", "objects", 1000);
  await a.deliver();
  expect(await answer).toBe('"objects"');
  const cut = world.distributor.query("chassis-1", "objects", 1000);
  a.disconnect();
  await expect(cut).rejects.toThrow("disconnected");
  const slow = world.distributor.query("chassis-2", "objects", 1000);
  clock.advance(1001);
  await expect(slow).rejects.toThrow("within 1000 ms");
  await expect(world.distributor.query("nobody", "objects", 1)).rejects.toThrow("not connected");
});
