// The oracle of distribution: whatever the order and delay of changes, deliveries, acks, disconnects and restarts of central, an
// agent that hears everything ends with what derivation says; and once in sync it only ever holds states that derivation was in:
// some may be skipped, none is mixed. Who has realized all there is holds what derivation says, and no key is given again that an
// agent acts on, or would after a restart.
import fc from "fast-check";
import { expect, test } from "vitest";
import { FakeClock } from "../../../../test/fakes/clock.ts";
import { history } from "../derive/history.fixture.ts";
import type { RowEdit } from "../derive/memory-rows.ts";
import type { FakeAgent } from "./agent.fixture.ts";
import { settle, turn, World } from "./world.fixture.ts";

const CHASSIS = ["chassis-0", "chassis-1", "chassis-2", "chassis-3"];
const PORTS = ["port-0.0", "port-1.0", "port-2.0", "port-3.0", "port-4.0", "port-5.0", "port-0.1"];
const at = fc.integer({ min: 0, max: CHASSIS.length - 1 });

type Act =
  | { act: "commit" }
  | { act: "connect"; at: number }
  | { act: "disconnect"; at: number }
  | { act: "ack"; at: number }
  | { act: "report"; at: number }
  | { act: "deliver"; at: number; count: number }
  | { act: "plug"; at: number; port: string; plugged: boolean }
  | { act: "save"; at: number }
  | { act: "kill"; at: number }
  | { act: "later"; ms: number }
  | { act: "turn" }
  | { act: "settle" }
  | { act: "restart" };

const acts: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ act: fc.constant("commit" as const) }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant("connect" as const), at }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant("disconnect" as const), at }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant("ack" as const), at }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant("report" as const), at }) },
  {
    weight: 8,
    arbitrary: fc.record({
      act: fc.constant("deliver" as const),
      at,
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constant("plug" as const),
      at,
      port: fc.constantFrom(...PORTS),
      plugged: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ act: fc.constant("save" as const), at }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("kill" as const), at }) },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant("later" as const),
      // A lease, silence, until it is fenced, until its outbox is forgotten.
      ms: fc.constantFrom(20_000, 60_000, 400_000, 700_000),
    }),
  },
  { weight: 4, arbitrary: fc.record({ act: fc.constant("turn" as const) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("settle" as const) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("restart" as const) }) },
);

/** All states that derivation went through, so that a mixed one is found. */
class States {
  readonly #seen = new Map<string, Set<string>>(CHASSIS.map((chassis) => [chassis, new Set()]));

  watch(world: World): void {
    const note = (): void => {
      for (const [chassis, seen] of this.#seen) seen.add(text(world.expected(chassis)));
    };
    world.onPublish = note;
    note();
  }

  /** What the agent holds if derivation never was in that state; undefined = it was, or the agent is not in sync. */
  mixed(agent: FakeAgent): string | undefined {
    const held = text(agent.held);
    return agent.inSync && !this.#seen.get(agent.chassis)?.has(held) ? held : undefined;
  }
}

const text = (held: ReadonlyMap<string, string>): string =>
  JSON.stringify([...held].map(([key, body]) => `${key} ${body}`).sort());

const durable = (edits: readonly RowEdit[]): RowEdit[] =>
  edits.filter(({ table }) => table !== "binding" && table !== "claim" && table !== "liveness");

/** A resync that would take most of what an agent holds waits for an operator: here he always agrees. */
async function adoptHeld(world: World, agents: readonly FakeAgent[]): Promise<void> {
  for (const { chassis } of agents) {
    const { waitingFor } = world.distributor.chassisStatus(chassis);
    if (waitingFor.includes("weft chassis adopt")) world.distributor.adopt(chassis);
  }
  await settle(agents);
}

/** A chassis that a commit under way deletes loses its stream, and connects anew. */
async function settleAll(world: World, agents: readonly FakeAgent[]): Promise<void> {
  await world.publisher.whole();
  for (const agent of agents) if (!agent.connected) await agent.connect();
  await settle(agents);
}

/** Where central trusts agents at rest between two acts, and of whom it must not have. */
function trust(world: World, agents: readonly FakeAgent[]): { trusted: number; wrong: string[] } {
  const wrong: string[] = [];
  if (!world.publisher.isIdle) return { trusted: 0, wrong };
  const { distributor, bindings, revision } = world;
  const isReusable = distributor.keyReusable(distributor.sequence);
  let trusted = 0;
  for (const agent of agents) {
    const { chassis } = agent;
    const status = distributor.chassisStatus(chassis);
    const expected = world.expected(chassis);
    const isDone = status.pending === 0 && status.sentSequence === status.ackedSequence;
    if (agent.state === "streaming" && isDone && status.realizedRevision === revision) {
      if (text(agent.held) !== text(expected)) wrong.push(`${chassis} has realized ${revision}`);
      trusted += 1;
    }
    const isKnown = world.rows.get("chassis", chassis) !== undefined;
    if (!isReusable || !isKnown || bindings.isFenced(chassis)) continue;
    const gone = agent.actsOn.filter((key) => !expected.has(key));
    if (gone.length > 0) wrong.push(`${chassis} acts no more on ${gone}`);
    trusted += 1;
  }
  return { trusted, wrong };
}

test("random order, delay, disconnects and restarts end in what derivation says", async () => {
  let resumed = 0;
  let checked = 0;
  await fc.assert(
    fc.asyncProperty(
      history,
      fc.array(acts, { minLength: 20, maxLength: 120, size: "max" }),
      // Whether every step of central's work is a turn of its own.
      fc.boolean(),
      async (steps, script, isSliced) => {
        const clock = new FakeClock();
        const budgetMs = isSliced ? 0 : 1000;
        const queue = steps.map(durable);
        let world = new World({ clock, budgetMs });
        const states = new States();
        states.watch(world);
        const agents = CHASSIS.map((chassis) => world.agent(chassis));
        for (const agent of agents) agent.autoAck = false;
        world.commit(queue.shift() ?? []);
        await settleAll(world, agents);
        for (const agent of agents) await agent.save();
        let mixed: string | undefined;
        for (const step of script) {
          const agent = "at" in step ? agents[step.at] : undefined;
          if (step.act === "commit") world.commit(queue.shift() ?? []);
          else if (step.act === "turn") await turn();
          else if (step.act === "settle") await settleAll(world, agents);
          else if (step.act === "later") clock.advance(step.ms);
          else if (step.act === "restart") {
            // What is durable is shown by the next life, whatever this one got done.
            await world.publisher.whole();
            world.close();
            const { rows, revision, bindings } = world;
            const epoch = BigInt(clock.nowMs()) + 2n;
            clock.advance(1);
            const checkpoint = bindings.snapshot();
            rows.clearVolatile();
            world = new World({ clock, rows, revision, epoch, checkpoint, budgetMs });
            states.watch(world);
            for (const one of agents) one.moveTo(world);
          } else if (agent === undefined) continue;
          else if (step.act === "connect") {
            await agent.connect();
          } else if (step.act === "disconnect") agent.disconnect();
          else if (step.act === "ack") await agent.ack();
          else if (step.act === "save") await agent.save();
          else if (step.act === "kill") agent.restart();
          else if (step.act === "report") await agent.report(true);
          else if (step.act === "plug" && step.plugged) agent.plugged.set(step.port, 0n);
          else if (step.act === "plug") agent.plugged.delete(step.port);
          else if (step.act === "deliver") {
            await agent.deliver(step.count);
            mixed = states.mixed(agent) ?? mixed;
          }
          const { trusted, wrong } = trust(world, agents);
          expect(wrong).toEqual([]);
          checked += trusted;
        }
        expect(mixed).toBeUndefined();
        await settleAll(world, agents);
        await adoptHeld(world, agents);
        for (const agent of agents) await agent.report(true);
        await settle(agents);
        await adoptHeld(world, agents);
        expect(world.publisher.isIdle).toBe(true);
        for (const agent of agents) {
          // It was later, and nothing had come.
          const refusals = agent.refusals.filter(({ reason }) => !/ for \d+ ms/.test(reason));
          expect(refusals).toEqual([]);
          expect(agent.inSync).toBe(true);
          expect(agent.held).toEqual(world.expected(agent.chassis));
          if (agent.welcome?.resume === 1) resumed += 1;
          const status = world.distributor.chassisStatus(agent.chassis);
          expect(status).toMatchObject({ pending: 0, realizedRevision: world.revision });
        }
        expect([...world.deriver.verify({ slice: 50 })].flat()).toEqual([]);
        world.close();
      },
    ),
    { numRuns: 200 },
  );
  // Both ways of resuming were walked.
  expect(resumed).toBeGreaterThan(10);
  expect(checked).toBeGreaterThan(1000);
});
