// Model, publisher, derivation, bindings and distribution put together as in central.ts, but with rows in memory and a clock that the
// test moves. Test support.

import { Bindings, type BindingsConfig } from "../bindings/bindings.ts";
import type { DerivedBatch } from "../derive/deriver.ts";
import { createDeriver } from "../derive/deriver.ts";
import { MemoryRows, type RowEdit, rowOf } from "../derive/memory-rows.ts";
import type { BindingRow, TableName } from "../model/rows.ts";
import type { Hello } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { Clock } from "@weft/shared/clock.ts";
import { Publisher } from "../publisher.ts";
import { FakeAgent } from "./agent.fixture.ts";
import { Distributor, type DistributorConfig } from "./distributor.ts";

export interface WorldOptions {
  readonly clock: Clock;
  readonly rows?: MemoryRows;
  readonly revision?: bigint;
  readonly storeId?: string;
  readonly epoch?: bigint;
  readonly checkpoint?: readonly BindingRow[];
  /** Over gRPC only; accept() takes an identity of its own. */
  readonly peerChassis?: (hello: Hello) => string | undefined;
  readonly bindings?: Partial<BindingsConfig>;
  readonly config?: Partial<DistributorConfig>;
  /** 0 = every step is a slice of its own. */
  readonly budgetMs?: number;
}

const DURABLE: readonly TableName[] = ["chassis", "network", "subnet", "port"];

export class World {
  readonly rows: MemoryRows;
  readonly deriver;
  readonly bindings: Bindings;
  readonly distributor: Distributor;
  readonly publisher: Publisher;
  /** Visible; commit() may be ahead. */
  revision: bigint;
  /** Called after each derived batch. */
  onPublish: () => void = () => undefined;
  /** Durable rows as the next commit finds them. */
  readonly #head = new MemoryRows();
  #committed = 0n;

  constructor(options: WorldOptions) {
    this.rows = options.rows ?? new MemoryRows();
    for (const table of DURABLE) {
      for (const row of this.rows.values(table)) {
        this.#head.edit(0n, [{ table, id: row.id, row } as RowEdit]);
      }
    }
    this.revision = options.revision ?? 0n;
    this.deriver = createDeriver({ rows: this.rows });
    const revision = (): bigint => this.revision;
    const distribute = (derived: DerivedBatch) => this.#distribute(derived);
    this.publisher = new Publisher({
      model: {
        get revision() {
          return revision();
        },
        publish: (batch, part) => {
          this.rows.apply(batch.changes);
          if (part?.isLast ?? true) this.revision = batch.revision;
        },
      },
      hold: () => this.distributor.hold(),
      release: () => this.distributor.release(),
      derive: (batch) => this.deriver.applySteps(batch),
      distribute,
      published: (batch) => {
        this.bindings.modelChanged(batch);
        this.distributor.modelChanged(batch);
      },
      onFatal: (error) => {
        throw error;
      },
      ...budget(options.budgetMs),
    });
    this.bindings = new Bindings({
      rows: this.rows,
      isFixedIp: (network, ip) => this.deriver.isFixedIp(network, ip),
      isRouted: (network, ip) => this.deriver.isRouted(network, ip),
      clock: options.clock,
      publish: (changes) => this.publisher.publishVolatile(changes),
      config: options.bindings ?? {},
    });
    this.distributor = new Distributor({
      deriver: this.deriver,
      bindings: this.bindings,
      storeId: options.storeId ?? "store",
      epoch: options.epoch ?? 1n,
      currentRevision: () => this.revision,
      registerChassis: async ({ chassis: id }) => {
        const key = Number(id.replace(/\D/g, "")) + 1;
        if (this.#head.get("chassis", id) === undefined) {
          this.commit([{ table: "chassis", id, row: rowOf.chassis({ id, key }) }]);
        }
        await this.publisher.whole();
        return this.rows.get("chassis", id) ?? rowOf.chassis({ id, key });
      },
      peerChassis: (_call, hello) => options.peerChassis?.(hello),
      clock: options.clock,
      logger: { info: () => undefined, warn: () => undefined },
      config: options.config ?? {},
      ...budget(options.budgetMs),
    });
    this.bindings.load(options.checkpoint ?? []);
    this.bindings.start();
  }

  *#distribute(derived: DerivedBatch): Generator<void, void> {
    yield* this.distributor.publishSteps(derived);
    this.onPublish();
  }

  /** Commits edits as a revision. It is visible on return unless it takes more than a slice. */
  commit(edits: readonly RowEdit[]): bigint {
    this.#committed = (this.#committed > this.revision ? this.#committed : this.revision) + 1n;
    void this.publisher.publish(this.#head.edit(this.#committed, edits));
    return this.#committed;
  }

  agent(chassis: string): FakeAgent {
    return new FakeAgent(this, chassis);
  }

  /** What derivation says that a chassis holds. */
  expected(chassis: string): Map<string, string> {
    const expected = new Map<string, string>();
    for (const scope of this.deriver.interest.scopes(chassis).keys()) {
      for (const [key, body] of this.deriver.interest.instructions(scope)) {
        expected.set(key, body.toString("hex"));
      }
    }
    return expected;
  }

  close(): void {
    this.distributor.close();
    this.bindings.close();
  }
}

function budget(budgetMs: number | undefined): { budgetMs?: number } {
  return budgetMs === undefined ? {} : { budgetMs };
}

/** Lets frames of this turn go out. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/** Frames of so many chassis may go out one a turn. */
/** Far more than any of these tests takes. */
const MAX_TURNS = 20_000;
const QUIET_TURNS = 6;

/** Delivers until nobody has anything to say. */
export async function settle(agents: readonly FakeAgent[]): Promise<void> {
  let quiet = 0;
  for (let turns = 0; quiet < QUIET_TURNS; turns++) {
    if (turns > MAX_TURNS) {
      const loud = agents.filter((agent) => !agent.isQuiet);
      throw new Error(`never quiet: ${loud.map(({ chassis, state }) => `${chassis} ${state}`)}`);
    }
    await turn();
    quiet = agents.every((agent) => agent.isQuiet) ? quiet + 1 : 0;
    for (const agent of agents) {
      await agent.deliver();
      for (let owed = 0; owed < 64; owed++) await agent.ack();
    }
  }
}
