// Model, derivation, bindings and distribution put together as in central.ts, but with rows in memory and a clock that the test
// moves. Test support.

import { Bindings, type BindingsConfig } from "../bindings/bindings.ts";
import { createDeriver } from "../derive/deriver.ts";
import { MemoryRows, type RowEdit, rowOf } from "../derive/memory-rows.ts";
import type { Batch, BindingRow } from "../model/rows.ts";
import type { Hello } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { Clock } from "@weft/shared/clock.ts";
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
}

export class World {
  readonly rows: MemoryRows;
  readonly deriver;
  readonly bindings: Bindings;
  readonly distributor: Distributor;
  revision: bigint;
  /** Called after each derived batch. */
  onPublish: () => void = () => undefined;

  constructor(options: WorldOptions) {
    this.rows = options.rows ?? new MemoryRows();
    this.revision = options.revision ?? 0n;
    this.deriver = createDeriver({ rows: this.rows });
    this.bindings = new Bindings({
      rows: this.rows,
      isFixedIp: (network, ip) => this.deriver.isFixedIp(network, ip),
      clock: options.clock,
      publish: (changes) => {
        this.rows.apply(changes);
        this.#publish({ revision: this.revision, changes });
      },
      config: options.bindings ?? {},
    });
    this.distributor = new Distributor({
      deriver: this.deriver,
      bindings: this.bindings,
      storeId: options.storeId ?? "store",
      epoch: options.epoch ?? 1n,
      currentRevision: () => this.revision,
      registerChassis: async ({ chassis: id }) => {
        await Promise.resolve();
        const known = this.rows.get("chassis", id);
        if (known !== undefined) return known;
        const key = Number(id.replace(/\D/g, "")) + 1;
        this.commit([{ table: "chassis", id, row: rowOf.chassis({ id, key }) }]);
        return this.rows.get("chassis", id) ?? rowOf.chassis({ id, key });
      },
      peerChassis: (_call, hello) => options.peerChassis?.(hello),
      clock: options.clock,
      logger: { info: () => undefined, warn: () => undefined },
      config: options.config ?? {},
    });
    this.bindings.load(options.checkpoint ?? []);
    this.bindings.start();
  }

  /** Commits edits as a revision. */
  commit(edits: readonly RowEdit[]): bigint {
    this.revision += 1n;
    this.#publish(this.rows.edit(this.revision, edits));
    return this.revision;
  }

  agent(chassis: string): FakeAgent {
    return new FakeAgent(this.distributor, chassis);
  }

  /** What derivation says that a chassis holds. */
  expected(chassis: string): Map<string, string> {
    const expected = new Map<string, string>();
    for (const scope of this.deriver.interest.scopes(chassis)) {
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

  #publish(batch: Batch): void {
    this.distributor.publish(this.deriver.apply(batch));
    this.onPublish();
    this.bindings.modelChanged(batch);
  }
}

/** Lets frames of this turn go out. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/** Delivers until nobody has anything to say. */
export async function settle(agents: readonly FakeAgent[]): Promise<void> {
  let quiet = 0;
  while (quiet < 2) {
    await turn();
    quiet = agents.every((agent) => agent.inbox === 0) ? quiet + 1 : 0;
    for (const agent of agents) {
      await agent.deliver();
      for (let owed = 0; owed < 64; owed++) await agent.ack();
    }
  }
}
