import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SubnetRow } from "../model/rows.ts";
import { AddressPool, dynamicIntervals } from "./address-pool.ts";
import { intervalsAt, intervalsSize, normalize, subtract } from "./intervals.ts";
import { ReusePool } from "./reuse-pool.ts";

const interval = fc
  .tuple(fc.nat(60), fc.nat(20))
  .map(([first, length]) => ({ first: BigInt(first), last: BigInt(first + length) }));
const intervals = fc.array(interval, { maxLength: 8 });
const ascending = (a: bigint, b: bigint): number => Number(a - b);
const members = (list: readonly { first: bigint; last: bigint }[]): Set<bigint> => {
  const all = new Set<bigint>();
  for (const { first, last } of list) for (let at = first; at <= last; at++) all.add(at);
  return all;
};

it("subtracts intervals as sets do", () => {
  fc.assert(
    fc.property(intervals, intervals, (from, cut) => {
      const rest = subtract(from, cut);
      const gone = members(cut);
      expect([...members(rest)]).toEqual(
        [...members(from)].filter((value) => !gone.has(value)).sort(ascending),
      );
      expect(rest).toEqual(normalize(rest));
      const size = intervalsSize(rest);
      expect(size).toBe(BigInt(members(rest).size));
      for (let at = 0n; at < size; at++) expect(members(rest)).toContain(intervalsAt(rest, at));
    }),
  );
});

const subnet = (more: Partial<SubnetRow>): SubnetRow => ({
  id: "s",
  project: "default",
  name: "s",
  labels: {},
  revision: 1n,
  createdAtMs: 0,
  updatedAtMs: 0,
  network: "n",
  cidr: "10.0.0.0/29",
  gatewayIp: "10.0.0.1",
  allocationRanges: [],
  reserved: [],
  ipv6Allocation: null,
  ...more,
});

it.each<[string, Partial<SubnetRow>, bigint]>([
  ["a /29: not network, broadcast, gateway", {}, 5n],
  ["a /31 has neither network nor broadcast", { cidr: "10.0.0.0/31", gatewayIp: null }, 2n],
  ["a /32 is one address", { cidr: "10.0.0.9/32", gatewayIp: null }, 1n],
  ["reserved prefixes are cut out", { reserved: ["10.0.0.4/31", "10.0.0.1"] }, 3n],
  [
    "an IPv6 /64 without anycast and gateway",
    { cidr: "fd00::/64", gatewayIp: "fd00::1" },
    2n ** 64n - 2n,
  ],
  ["an IPv6 /127", { cidr: "fd00::/127", gatewayIp: "fd00::" }, 1n],
  [
    "ranges only",
    { cidr: "10.0.0.0/24", allocationRanges: [{ first: "10.0.0.250", last: "10.0.0.255" }] },
    5n,
  ],
])("%s", (_, row, size) => {
  expect(intervalsSize(dynamicIntervals(subnet(row)))).toBe(size);
});

describe("a pool", () => {
  const always = (): boolean => true;

  function newPool(size: number, preferReuseAbove = Number.POSITIVE_INFINITY) {
    const used = new Set<number>();
    const pool = new ReusePool<number>({
      size: BigInt(size),
      at: Number,
      isUsed: (value) => used.has(value),
      preferReuseAbove,
    });
    const take = (reusable: (value: number) => boolean = always): number | undefined => {
      const draft = pool.begin();
      const value = pool.draw(draft, reusable);
      for (const step of pool.keep(draft)) expect(step).toBeUndefined();
      if (value !== undefined) used.add(value);
      return value;
    };
    const give = (value: number, atMs: number): void => {
      const draft = pool.begin();
      draft.released.set(value, { atMs, revision: BigInt(atMs) });
      for (const step of pool.keep(draft)) expect(step).toBeUndefined();
      used.delete(value);
    };
    return { pool, used, take, give };
  }

  it("gives what was never used first, then the oldest release", () => {
    const { take, give } = newPool(3);
    expect([take(), take()]).toEqual([0, 1]);
    give(1, 10);
    give(0, 20);
    expect([take(), take(), take(), take()]).toEqual([2, 1, 0, undefined]);
  });

  it("waits for the oldest release, whatever came later", () => {
    const { take, give } = newPool(2);
    take();
    take();
    give(1, 10);
    give(0, 20);
    expect(take((value) => value === 0)).toBeUndefined();
    expect(take((value) => value === 1)).toBe(1);
  });

  it("prefers releases once there are too many of them", () => {
    const { take, give } = newPool(100, 2);
    for (let index = 0; index < 5; index++) take();
    for (let index = 0; index < 3; index++) give(index, index);
    expect([take(), take()]).toEqual([0, 5]);
  });

  it("draws nothing when the draft is dropped", () => {
    const { pool, take, give } = newPool(2);
    take();
    give(0, 1);
    const draft = pool.begin();
    expect([pool.draw(draft, always), pool.draw(draft, always)]).toEqual([1, 0]);
    expect([take(), take()]).toEqual([1, 0]);
  });

  it("keeps what is waiting though a draft that is dropped saw it used", () => {
    const { pool, used, take, give } = newPool(1);
    take();
    give(0, 1);
    used.add(0);
    expect(pool.draw(pool.begin(), always)).toBeUndefined();
    used.delete(0);
    expect(take()).toBe(0);
  });

  it("draws tens of thousands of releases in one set", () => {
    const count = 40_000;
    const { pool, take, give } = newPool(count);
    for (let index = 0; index < count; index++) take();
    for (let index = 0; index < count; index++) give(index, index);
    const draft = pool.begin();
    const startMs = performance.now();
    for (let index = 0; index < count; index++) expect(pool.draw(draft, always)).toBe(index);
    expect(performance.now() - startMs).toBeLessThan(2000);
  });

  it("forgets nothing when it trims", () => {
    const { pool, take, give } = newPool(10);
    for (let index = 0; index < 10; index++) take();
    for (let index = 0; index < 10; index++) give(index, index);
    pool.trim(6, ({ atMs }) => atMs < 100);
    expect(pool.quarantined.size).toBe(3);
    const drawn = Array.from({ length: 11 }, () => take());
    expect(new Set(drawn.slice(0, 10)).size).toBe(10);
    expect(drawn[10]).toBeUndefined();
  });

  it("does not begin its search again with each release that it cannot forget", () => {
    const { pool, used, take, give } = newPool(1000);
    for (let index = 0; index < 900; index++) take();
    for (let index = 0; index < 900; index++) give(index, index);
    let asked = 0;
    used.has = () => {
      asked += 1;
      return false;
    };
    pool.trim(100, () => false);
    expect(take()).toBe(900);
    expect(asked).toBe(1);
    // What it can forget it forgets for many releases at once.
    pool.trim(800, always);
    expect(pool.quarantined.size).toBe(400);
  });

  it("finds the last free address of a crowded IPv6 subnet, though it draws at random", () => {
    const row = subnet({ cidr: "fd00::/120", gatewayIp: null, ipv6Allocation: "random" });
    const used = new Set<string>();
    const pool = new AddressPool({ subnet: row, isUsed: (ip) => used.has(ip) });
    let byte = 0;
    const random = (length: number): Uint8Array => Buffer.alloc(length, byte++ & 0xff);
    const draw = (): string | undefined => {
      const draft = pool.begin();
      const ip = pool.drawAddress({ draft, mac: "", reusable: always, random });
      for (const step of pool.keep(draft)) expect(step).toBeUndefined();
      if (ip !== undefined) used.add(ip);
      return ip;
    };
    const drawn = Array.from({ length: 255 }, draw);
    expect(new Set(drawn).size).toBe(255);
    expect(drawn).not.toContain(undefined);
    expect(draw()).toBeUndefined();
  });
});
