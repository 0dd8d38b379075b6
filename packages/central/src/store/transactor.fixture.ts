// What the tests of the write path share: a real store in a folder of its own, a transactor with a published model, seeded randomness.
// For tests only.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock } from "@weft/shared/clock.ts";
import type { Clock, Timer } from "@weft/shared/clock.ts";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import type { KeyReusable } from "../ipam/allocator.ts";
import type {
  ChangeIntent,
  DeleteIntent,
  MetaIntent,
  PortSpecIntent,
  SubnetSpecIntent,
} from "../model/intents.ts";
import type { DurableTableName } from "../model/rows.ts";
import { durableTables, Model } from "../model/tables.ts";
import { Publisher } from "../publisher.ts";
import { Store } from "./store.ts";
import type { RunAnswer, RunOptions, RunOutcome } from "./transactor.ts";
import { Transactor } from "./transactor.ts";

export const durable: readonly DurableTableName[] = durableTables;

/** The same bytes in the same order for the same seed (mulberry32). */
export function seededBytes(seed: number): (length: number) => Uint8Array {
  let state = seed >>> 0;
  return (length) => {
    const bytes = Buffer.alloc(length);
    for (let index = 0; index < length; index++) {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      bytes[index] = (mixed ^ (mixed >>> 14)) & 0xff;
    }
    return bytes;
  };
}

/** Time that stands still until it is moved; it has no timers. */
export class StillClock implements Clock {
  #nowMs = 1_000_000;

  nowMs(): number {
    return this.#nowMs;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }

  setTimer(): Timer {
    throw new Error("the write path sets no timers");
  }
}

export interface FixtureOptions {
  dataDir?: string;
  clock?: Clock;
  maxSizeMiB?: number;
  keyReusable?: KeyReusable;
  /** 1 to 5 bytes. */
  macPrefix?: string;
  random?: (length: number) => Uint8Array;
  /** Default: throw. */
  onFatal?: (error: Error) => void;
}

export class Fixture implements AsyncDisposable {
  readonly dataDir: string;
  readonly store: Store;
  readonly model: Model;
  readonly publisher: Publisher;
  readonly transactor: Transactor;
  readonly #keepDir: boolean;
  #ids = 0;

  constructor(options: FixtureOptions = {}) {
    this.#keepDir = options.dataDir !== undefined;
    this.dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), "weft-store-"));
    this.store = new Store({
      dataDir: this.dataDir,
      maxSizeMiB: options.maxSizeMiB ?? 0,
      onFatal:
        options.onFatal ??
        ((error) => {
          throw error;
        }),
    });
    const loaded = this.store.takeLoaded();
    this.model = new Model(loaded.revision);
    for (const table of durable) {
      for (const row of loaded.rows[table]) {
        this.model.put(table, row.id, row);
      }
    }
    this.publisher = new Publisher({
      model: this.model,
      hold: () => undefined,
      release: () => undefined,
      *derive({ revision }) {
        yield;
        return { revision, instructions: [], subscriptions: [] };
      },
      *distribute() {},
      published: () => undefined,
      onFatal: (error) => {
        throw error;
      },
    });
    const prefix = loaded.revision;
    this.transactor = new Transactor({
      store: this.store,
      published: this.model,
      freed: loaded.freed,
      clock: options.clock ?? new SystemClock(),
      newId: () => `id-${prefix}-${this.#ids++}`,
      chassisInUse: () => undefined,
      publish: (batch) => this.publisher.publish(batch),
      encodeOutcome: (outcome: RunOutcome) => Buffer.from(String(outcome.revision)),
      allocation: {
        macPrefix: options.macPrefix ?? "0a:57",
        addressReuseAfterMs: 60_000,
        keyReusable: options.keyReusable ?? (() => true),
        random: options.random ?? seededBytes(1),
      },
    });
  }

  run(intents: readonly ChangeIntent[], options: Partial<RunOptions> = {}): Promise<RunAnswer> {
    return this.transactor.run(
      {
        actor: "test",
        comment: "",
        dryRun: false,
        expectedRevision: 0n,
        idempotency: null,
        ...options,
      },
      () => intents,
    );
  }

  /** Runs a set that must succeed. */
  async apply(
    intents: readonly ChangeIntent[],
    options: Partial<RunOptions> = {},
  ): Promise<RunOutcome> {
    const answer = await this.run(intents, options);
    if (answer.kind !== "done") throw new Error(JSON.stringify(answer));
    return answer.outcome;
  }

  /** Runs a set that must be refused; `CODE field` of each problem. */
  async refusals(
    intents: readonly ChangeIntent[],
    options: Partial<RunOptions> = {},
  ): Promise<string[]> {
    const answer = await this.run(intents, options);
    if (answer.kind !== "refused") throw new Error(`not refused: ${answer.kind}`);
    return answer.problems.map((problem) => `${problem.code} ${problem.field}`);
  }

  /** All durable rows by kind and id. */
  rows(): Record<string, unknown> {
    const all: Record<string, unknown> = {};
    for (const table of durable) {
      for (const id of this.model.sortedIds(table))
        all[`${table}/${id}`] = this.model.get(table, id);
    }
    return all;
  }

  /** Closes the store but leaves the folder. */
  async close(): Promise<void> {
    await this.store[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    if (!this.#keepDir) rmSync(this.dataDir, { recursive: true, force: true });
  }
}

const meta = (name: string, more: Partial<MetaIntent> = {}): MetaIntent => ({
  id: "",
  project: "",
  name,
  labels: {},
  revision: 0n,
  ...more,
});

export function network(
  name: string,
  more: Partial<MetaIntent> = {},
  spec: { encap?: EncapType; mtuBytes?: number } = {},
): ChangeIntent {
  return {
    action: "upsert",
    table: "network",
    at: "network",
    meta: meta(name, more),
    spec: {
      type: { kind: "overlay", encap: spec.encap ?? EncapType.UNSPECIFIED },
      mtuBytes: spec.mtuBytes ?? 0,
    },
  };
}

export function provider(
  name: string,
  physicalNetwork: string,
  vlan: number,
  more: Partial<MetaIntent> & { shared?: boolean } = {},
): ChangeIntent {
  const { shared = false, ...named } = more;
  return {
    action: "upsert",
    table: "network",
    at: "network",
    meta: meta(name, named),
    spec: { type: { kind: "provider", physicalNetwork, vlan, shared }, mtuBytes: 0 },
  };
}

export function subnet(
  name: string,
  spec: Partial<SubnetSpecIntent>,
  more: Partial<MetaIntent> = {},
): ChangeIntent {
  return {
    action: "upsert",
    table: "subnet",
    at: "subnet",
    meta: meta(name, more),
    spec: {
      network: "n1",
      cidr: "",
      gatewayIp: "",
      noGateway: false,
      allocationRanges: [],
      reserved: [],
      ipv6Allocation: null,
      ...spec,
    },
  };
}

export function port(
  name: string,
  spec: Partial<PortSpecIntent> = {},
  more: Partial<MetaIntent> = {},
): ChangeIntent {
  return {
    action: "upsert",
    table: "port",
    at: "port",
    meta: meta(name, more),
    spec: {
      network: "n1",
      mac: "",
      fixedIps: [],
      noFixedIps: false,
      allowedAddressPairs: [],
      adminDown: false,
      portSecurityDisabled: false,
      requestedChassis: "",
      deviceOwner: "",
      deviceId: "",
      ...spec,
    },
  };
}

export function remove(table: DurableTableName, ref: string): DeleteIntent {
  return { action: "delete", table, at: "delete", ref, project: "" };
}
