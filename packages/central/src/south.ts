// Joins distribution, derivation and bindings to what the northbound side asks of them (api/south.ts), and tells when a freed key is
// forgotten everywhere. Adapts only. Made by central.ts.

import type { ChassisFailure, Realization } from "@weft/shared/gen/weft/v1/northbound.ts";
import { scopeOf } from "@weft/shared/instruction-digest.ts";
import { VERIFY_SLICE } from "./api/admin.ts";
import type { ScopeSize } from "./api/audience.ts";
import type { ChassisProgress, South } from "./api/south.ts";
import type { Deriver } from "./derive/deriver.ts";
import type { Distributor } from "./distribute/distributor.ts";
import type { Release } from "./ipam/reuse-pool.ts";

/** What an agent may take to answer a query. */
const QUERY_MS = 10_000;

export class SouthAdapter implements South {
  readonly #distributor: Distributor;
  readonly #deriver: Deriver;
  readonly #failures = new Map<string, readonly ChassisFailure[]>();
  readonly epoch: bigint;

  constructor(options: { distributor: Distributor; deriver: Deriver; epoch: bigint }) {
    this.#distributor = options.distributor;
    this.#deriver = options.deriver;
    this.epoch = options.epoch;
  }

  get sequence(): bigint {
    return this.#distributor.sequence;
  }

  get derivedKeys(): number {
    return this.#deriver.counts.keys;
  }

  networkMtu(network: string): number | undefined {
    return this.#deriver.networkMtu(network);
  }

  routerChassis(routerKey: number): Iterable<string> {
    return this.#deriver.interest.audience(`router/${routerKey}`);
  }

  *scopeSizes(): Generator<ScopeSize, void> {
    const { interest } = this.#deriver;
    for (const scope of interest.allScopes()) {
      const chassis = interest.audience(scope).size;
      yield { scope, chassis, instructions: interest.instructions(scope).size };
    }
  }

  failures(key: string): readonly ChassisFailure[] {
    const answer: ChassisFailure[] = [];
    for (const { chassis, failed } of this.#failuresIn(scopeOf(key))) {
      const matching = failed.filter((failure) => failure.key === key);
      if (matching.length > 0) answer.push({ chassis, failed: matching });
    }
    return answer;
  }

  /** Kept for one turn of the event loop: a page of objects asks for the same few scopes again and again. */
  #failuresIn(scope: string): readonly ChassisFailure[] {
    let known = this.#failures.get(scope);
    if (known !== undefined) return known;
    if (this.#failures.size === 0) setImmediate(() => this.#failures.clear());
    known = [...this.#deriver.interest.audience(scope)].sort().flatMap((chassis) => {
      const failed = this.#distributor
        .chassisStatus(chassis)
        .failed.map(({ key, reason }) => ({ key, reason }));
      return failed.length === 0 ? [] : [{ chassis, failed }];
    });
    this.#failures.set(scope, known);
    return known;
  }

  chassisStatus(chassis: string): ChassisProgress {
    const status = this.#distributor.chassisStatus(chassis);
    return {
      realizedRevision: status.realizedRevision,
      ackedSequence: status.ackedSequence,
      sentSequence: status.sentSequence,
      durableSequence: status.durableSequence,
      instructions: status.instructions,
      pending: status.pending,
      driftRepaired: status.driftRepaired,
      flows: status.flows,
      failed: status.failed.map(({ key, reason }) => ({ key, reason })),
      agentVersion: status.agentVersion,
      lastSeen: status.lastSeenMs === 0 ? undefined : new Date(status.lastSeenMs),
      waitingFor: status.waitingFor,
    };
  }

  async realized(options: {
    revision: bigint;
    timeoutMs: number;
    signal: AbortSignal;
  }): Promise<Realization> {
    const { complete, realized, failed, unreachable } = await this.#distributor.realized(
      options.revision,
      options.timeoutMs,
      options.signal,
    );
    return {
      complete,
      realized: [...realized],
      failed: failed.map(({ chassis, failed: keys }) => ({ chassis, failed: [...keys] })),
      unreachable: [...unreachable],
    };
  }

  query(chassis: string, text: string): Promise<string> {
    return this.#distributor.query(chassis, text, QUERY_MS);
  }

  adopt(chassis: string): boolean {
    return this.#distributor.adopt(chassis);
  }

  *verify(): Generator<readonly string[], void, void> {
    for (const found of this.#deriver.verify({ slice: VERIFY_SLICE })) {
      yield found.map(({ table, key, problem }) => `${table} ${key}: ${problem}`);
    }
  }
}

/** Revisions whose sequence is remembered; an older one counts as the oldest of these. */
const MAX_REMEMBERED = 65_536;

/** Which sequence each revision of this life ended with. */
export class SequenceLog {
  readonly #startRevision: bigint;
  readonly #entries: { readonly revision: bigint; readonly sequence: bigint }[] = [];

  constructor(options: { startRevision: bigint }) {
    this.#startRevision = options.startRevision;
  }

  /** A batch of the revision was handed on; the last one was `sequence`. */
  record(revision: bigint, sequence: bigint): void {
    const last = this.#entries.at(-1);
    if (revision <= (last?.revision ?? this.#startRevision)) return;
    this.#entries.push({ revision, sequence });
    if (this.#entries.length > 2 * MAX_REMEMBERED) this.#entries.splice(0, MAX_REMEMBERED);
  }

  /** A sequence that covers all of the release; 0n = it was before this life; undefined = not handed on yet. */
  sequenceOf({ revision }: Release): bigint | undefined {
    if (revision <= this.#startRevision) return 0n;
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.revision ?? 0n) < revision) low = middle + 1;
      else high = middle;
    }
    return this.#entries[low]?.sequence;
  }
}
