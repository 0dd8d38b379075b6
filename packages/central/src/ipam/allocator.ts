// Allocation as the planner sees it: keys, MACs and addresses for one change set, against the head tables. Owns the pools; what a
// set drew or released is an AllocationDraft that counts only when it is kept. Pure: time, random bytes and the answer to "is this
// freed key forgotten everywhere" come in.

import {
  maxChassisKey,
  maxNetworkKey,
  maxPortKey,
  maxRoutingKey,
  minChassisKey,
  minNetworkKey,
  minPortKey,
  minRoutingKey,
} from "@weft/shared/net/vni.ts";
import { bytesToMac } from "@weft/shared/net/mac.ts";
import { addressGroup } from "../model/indexes.ts";
import type { IndexName } from "../model/indexes.ts";
import type { SubnetRow } from "../model/rows.ts";
import type { Tables } from "../model/tables.ts";
import { AddressPool } from "./address-pool.ts";
import type { RandomBytes } from "./address-pool.ts";
import type { PoolDraft, Release } from "./reuse-pool.ts";
import { ReusePool } from "./reuse-pool.ts";

export type KeySpace =
  | "network"
  | "port"
  | "chassis"
  | "router"
  | "router-interface"
  | "route"
  | "policy-route"
  | "route-leak";

/** True when no agent can still act on the old meaning of a freed key. */
export type KeyReusable = (space: KeySpace, key: number, release: Release) => boolean;

/** A released key or address as the store keeps it. `space` is a key space or `address/<subnet id>`. */
export interface FreedValue {
  readonly space: string;
  readonly value: string;
  readonly atMs: number;
  readonly revision: bigint;
}

export interface AllocatorOptions {
  readonly tables: Tables;
  /** 1 to 5 bytes, a unicast prefix: `0a:57`. */
  readonly macPrefix: string;
  readonly addressReuseAfterMs: number;
  readonly keyReusable: KeyReusable;
  /** With this many freed keys waiting, the oldest is reused before a new one is taken: bounds the list. Default: the most there may be. */
  readonly reuseKeysAbove?: number;
  readonly random: RandomBytes;
}

const keyRanges: Readonly<Record<KeySpace, readonly [number, number]>> = {
  network: [minNetworkKey, maxNetworkKey],
  port: [minPortKey, maxPortKey],
  chassis: [minChassisKey, maxChassisKey],
  router: [minRoutingKey, maxRoutingKey],
  "router-interface": [minRoutingKey, maxRoutingKey],
  route: [minRoutingKey, maxRoutingKey],
  "policy-route": [minRoutingKey, maxRoutingKey],
  "route-leak": [minRoutingKey, maxRoutingKey],
};

/** Where a key of a space may be in use. A link is a segment: it has a network's key. */
const keyIndexes: Readonly<Record<KeySpace, readonly IndexName[]>> = {
  network: ["networkKey", "linkKey"],
  port: ["portKey"],
  chassis: ["chassisKey"],
  router: ["routerKey"],
  "router-interface": ["interfaceKey"],
  route: ["routeKey"],
  "policy-route": ["policyKey"],
  "route-leak": ["leakKey"],
};

export const MAX_FREED_KEYS = 65_536;
/** Released addresses of a subnet that are remembered once their time is over. */
const MAX_QUARANTINED = 65_536;
const MAX_RANDOM_MACS = 64;
/** A prefix that is crowded is searched in order for this many MACs. */
const MAX_MAC_SEARCH = 65_536;

export const addressSpace = (subnet: string): string => `address/${subnet}`;

/** What one change set drew and released. */
export class AllocationDraft {
  readonly keys = new Map<KeySpace, PoolDraft<number>>();
  readonly addresses = new Map<string, { pool: AddressPool; draft: PoolDraft<string> }>();
  readonly macs = new Set<string>();
  readonly release: Release;

  constructor(release: Release) {
    this.release = release;
  }
}

export class Allocator {
  readonly #options: AllocatorOptions;
  readonly #keys: Readonly<Record<KeySpace, ReusePool<number>>>;
  readonly #pools = new Map<string, AddressPool>();

  constructor(options: AllocatorOptions) {
    this.#options = options;
    this.#keys = {
      network: this.#keyPool("network"),
      port: this.#keyPool("port"),
      chassis: this.#keyPool("chassis"),
      router: this.#keyPool("router"),
      "router-interface": this.#keyPool("router-interface"),
      route: this.#keyPool("route"),
      "policy-route": this.#keyPool("policy-route"),
      "route-leak": this.#keyPool("route-leak"),
    };
  }

  begin(release: Release): AllocationDraft {
    return new AllocationDraft(release);
  }

  /** A key that is in no row; undefined = exhausted, or all freed ones are still known to an agent. */
  drawKey(draft: AllocationDraft, space: KeySpace): number | undefined {
    const pool = this.#keys[space];
    return pool.draw(this.#keyDraft(draft, space), (key, release) =>
      this.#options.keyReusable(space, key, release),
    );
  }

  releaseKey(draft: AllocationDraft, space: KeySpace, key: number): void {
    this.#keyDraft(draft, space).released.set(key, draft.release);
  }

  /** A MAC that no port and no router interface has; undefined when the prefix is crowded. */
  drawMac(draft: AllocationDraft): string | undefined {
    const prefix = this.#options.macPrefix.split(":").map((byte) => Number.parseInt(byte, 16));
    const isFree = (mac: string): boolean =>
      !draft.macs.has(mac) &&
      this.#options.tables.count("portMac", mac) === 0 &&
      this.#options.tables.count("interfaceMac", mac) === 0;
    const bytes = Buffer.alloc(6);
    Buffer.from(prefix).copy(bytes);
    const tail = 6 - prefix.length;
    for (let round = 0; round < MAX_RANDOM_MACS; round++) {
      Buffer.from(this.#options.random(tail)).copy(bytes, prefix.length);
      const mac = bytesToMac(bytes);
      if (isFree(mac)) return take(draft, mac);
    }
    const size = 2 ** (8 * tail);
    const start = bytes.readUIntBE(prefix.length, tail);
    for (let step = 1; step <= Math.min(size, MAX_MAC_SEARCH); step++) {
      bytes.writeUIntBE((start + step) % size, prefix.length, tail);
      const mac = bytesToMac(bytes);
      if (isFree(mac)) return take(draft, mac);
    }
    return undefined;
  }

  /** A dynamic address of a subnet; undefined = exhausted. */
  drawAddress(
    draft: AllocationDraft,
    options: { subnet: SubnetRow; mac: string },
  ): string | undefined {
    const { pool, draft: drawn } = this.#addressDraft(draft, options.subnet);
    return pool.drawAddress({
      draft: drawn,
      mac: options.mac,
      reusable: (_ip, release) => this.#isAged(release, draft.release.atMs),
      random: this.#options.random,
    });
  }

  releaseAddress(draft: AllocationDraft, subnet: SubnetRow, ip: string): void {
    this.#addressDraft(draft, subnet).draft.released.set(ip, draft.release);
  }

  /** Makes a draft count, step by step: its set is on its way to the store. */
  *keep(draft: AllocationDraft): Generator<void, void> {
    for (const [space, drawn] of draft.keys) yield* this.#keys[space].keep(drawn);
    for (const [subnet, { pool, draft: drawn }] of draft.addresses) {
      yield* pool.keep(drawn);
      pool.trim(MAX_QUARANTINED, (release) => this.#isAged(release, draft.release.atMs));
      this.#pools.set(subnet, pool);
    }
    this.#forgetSubnets();
  }

  /** The set is refused or was a dry run, and the tables are put back. */
  drop(draft: AllocationDraft): void {
    for (const subnet of draft.addresses.keys()) {
      if (this.#options.tables.get("subnet", subnet) === undefined) this.#pools.delete(subnet);
    }
  }

  /** Everything in quarantine, oldest first in each space: for a new allocator to begin from. */
  freedValues(): FreedValue[] {
    const freed: FreedValue[] = [];
    for (const space of Object.keys(keyRanges) as KeySpace[]) {
      for (const [key, release] of this.#keys[space].quarantined) {
        freed.push({ space, value: String(key), ...release });
      }
    }
    for (const [subnet, pool] of this.#pools) {
      for (const [value, release] of pool.quarantined) {
        freed.push({ space: addressSpace(subnet), value, ...release });
      }
    }
    return freed;
  }

  /** Takes in what the store keeps of releases. */
  restore(freed: readonly FreedValue[]): void {
    const bySpace = Map.groupBy(freed, (entry) => entry.space);
    for (const [space, entries] of bySpace) {
      const releaseOf = (entry: FreedValue): Release => ({
        atMs: entry.atMs,
        revision: entry.revision,
      });
      if (space in keyRanges) {
        this.#keys[space as KeySpace].restore(
          entries.map((entry) => [Number(entry.value), releaseOf(entry)] as const),
        );
        continue;
      }
      const subnet = this.#options.tables.get("subnet", space.slice(addressSpace("").length));
      if (subnet === undefined) continue;
      this.#pool(subnet).restore(entries.map((entry) => [entry.value, releaseOf(entry)] as const));
    }
  }

  /** Pool statistics of a subnet. */
  statistics(
    subnet: SubnetRow,
    nowMs: number,
  ): { total: bigint; used: bigint; quarantined: bigint } {
    const pool = this.#pool(subnet);
    let quarantined = 0n;
    for (const [ip, release] of pool.quarantined) {
      if (this.#isAged(release, nowMs)) continue;
      if (!this.#isUsed(subnet, ip)) quarantined += 1n;
    }
    const { tables } = this.#options;
    const used = BigInt(
      tables.count("subnetAddress", subnet.id) + tables.count("interfaceSubnet", subnet.id),
    );
    return { total: pool.size, used, quarantined };
  }

  /** More pools than subnets: some are of subnets that are gone. */
  #forgetSubnets(): void {
    const { tables } = this.#options;
    if (this.#pools.size <= tables.size("subnet")) return;
    for (const subnet of this.#pools.keys()) {
      if (tables.get("subnet", subnet) === undefined) this.#pools.delete(subnet);
    }
  }

  #isAged(release: Release, nowMs: number): boolean {
    return nowMs - release.atMs >= this.#options.addressReuseAfterMs;
  }

  #isUsed(subnet: SubnetRow, ip: string): boolean {
    const { tables } = this.#options;
    const group = addressGroup(subnet.network, ip);
    return tables.count("portIp", group) > 0 || tables.count("interfaceIp", group) > 0;
  }

  #keyPool(space: KeySpace): ReusePool<number> {
    const [min, max] = keyRanges[space];
    const { tables, reuseKeysAbove = MAX_FREED_KEYS } = this.#options;
    return new ReusePool<number>({
      size: BigInt(max - min + 1),
      at: (position) => min + Number(position),
      isUsed: (key) => keyIndexes[space].some((index) => tables.count(index, String(key)) > 0),
      preferReuseAbove: Math.min(reuseKeysAbove, (max - min) / 2),
    });
  }

  #keyDraft(draft: AllocationDraft, space: KeySpace): PoolDraft<number> {
    let found = draft.keys.get(space);
    if (found === undefined) {
      found = this.#keys[space].begin();
      draft.keys.set(space, found);
    }
    return found;
  }

  #addressDraft(
    draft: AllocationDraft,
    subnet: SubnetRow,
  ): { pool: AddressPool; draft: PoolDraft<string> } {
    let found = draft.addresses.get(subnet.id);
    if (found === undefined) {
      const pool = this.#pool(subnet);
      found = { pool, draft: pool.begin() };
      draft.addresses.set(subnet.id, found);
    }
    return found;
  }

  /** The pool of a subnet as it is now; changed ranges make a new one that inherits the quarantine. */
  #pool(subnet: SubnetRow): AddressPool {
    const known = this.#pools.get(subnet.id);
    if (known !== undefined && samePool(known.subnet, subnet)) return known;
    const pool = new AddressPool({ subnet, isUsed: (ip) => this.#isUsed(subnet, ip) });
    if (known !== undefined) pool.restore(known.quarantined);
    this.#pools.set(subnet.id, pool);
    return pool;
  }
}

function take(draft: AllocationDraft, mac: string): string {
  draft.macs.add(mac);
  return mac;
}

/** True when both rows give the same pool. */
function samePool(a: SubnetRow, b: SubnetRow): boolean {
  if (a === b) return true;
  return (
    a.cidr === b.cidr &&
    a.network === b.network &&
    a.gatewayIp === b.gatewayIp &&
    a.ipv6Allocation === b.ipv6Allocation &&
    JSON.stringify([a.allocationRanges, a.reserved]) ===
      JSON.stringify([b.allocationRanges, b.reserved])
  );
}
