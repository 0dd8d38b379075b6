import { describe, expect, it } from "vitest";
import type { PortRow, SubnetRow } from "../model/rows.ts";
import { StoreFullError } from "./errors.ts";
import { Fixture, network, port, remove, StillClock, subnet } from "./transactor.fixture.ts";

const n1 = network("n1", { id: "n1" });
const v4 = subnet("s4", { cidr: "10.0.0.0/24" }, { id: "s4" });
const ips = (fixture: Fixture, id: string): string[] =>
  fixture.model.get("port", id)?.fixedIps.map((fixed) => fixed.ip) ?? [];

describe("a set", () => {
  it("is one revision, whatever the order inside", async () => {
    await using f = new Fixture();
    const { revision, results } = await f.apply([port("p1", {}, { id: "p1" }), v4, n1]);
    expect(revision).toBe(1n);
    expect(results.map((result) => result.action)).toEqual(["created", "created", "created"]);
    expect(f.model.get("port", "p1")).toMatchObject({
      key: 1,
      network: "n1",
      fixedIps: [{ subnet: "s4", ip: "10.0.0.2" }],
      revision: 1n,
    });
    expect(f.model.revision).toBe(1n);
  });

  it("that changes nothing makes no revision", async () => {
    await using f = new Fixture();
    const set = [n1, v4, port("p1", { fixedIps: [{ subnet: "s4", ip: "" }] })];
    await f.apply(set);
    const again = await f.apply(set);
    expect(again.revision).toBe(1n);
    expect(again.results.map((result) => result.action)).toEqual(Array(3).fill("unchanged"));
    expect(f.store.revision).toBe(1n);
  });

  it("is refused whole, with all problems, and leaves no trace", async () => {
    await using f = new Fixture();
    await f.apply([n1, v4]);
    const before = f.rows();
    expect(
      await f.refusals([
        network("n2", { id: "n2" }),
        port("p1", { mac: "01:00:00:00:00:00" }),
        port("p2", { fixedIps: [{ subnet: "", ip: "10.9.0.1" }] }),
      ]),
    ).toEqual(["INVALID_ADDRESS port.spec.mac", "OUTSIDE_SUBNET port.spec.fixed_ips[0].ip"]);
    expect(f.rows()).toEqual(before);
    expect(f.transactor.head.get("network", "n2")).toBeUndefined();
    const { results } = await f.apply([port("p3")]);
    expect(results[0]?.row).toMatchObject({ fixedIps: [{ ip: "10.0.0.2" }] });
  });

  it("lets addresses, MACs and names change places", async () => {
    await using f = new Fixture();
    const at = (ip: string, mac: string) => ({ fixedIps: [{ subnet: "", ip }], mac });
    await f.apply([
      n1,
      v4,
      port("a", at("10.0.0.10", "0a:00:00:00:00:01"), { id: "pa" }),
      port("b", at("10.0.0.11", "0a:00:00:00:00:02"), { id: "pb" }),
    ]);
    await f.apply([
      port("b", at("10.0.0.11", "0a:00:00:00:00:02"), { id: "pa" }),
      port("a", at("10.0.0.10", "0a:00:00:00:00:01"), { id: "pb" }),
    ]);
    expect(f.model.get("port", "pa")).toMatchObject({ name: "b", mac: "0a:00:00:00:00:02" });
    expect(ips(f, "pa")).toEqual(["10.0.0.11"]);
  });

  it("gives a dynamic port nothing that another port of the set names", async () => {
    await using f = new Fixture();
    await f.apply([
      n1,
      v4,
      port("p1", {}, { id: "p1" }),
      port("p2", { fixedIps: [{ subnet: "", ip: "10.0.0.2" }] }, { id: "p2" }),
    ]);
    expect([ips(f, "p1"), ips(f, "p2")]).toEqual([["10.0.0.3"], ["10.0.0.2"]]);
  });
});

describe("a subnet that changes in a set", () => {
  it("gives addresses as it is then, also when ports leave it in the same set", async () => {
    await using f = new Fixture();
    const ranges = [{ first: "10.0.0.128", last: "10.0.0.140" }];
    await f.apply([n1, v4, port("p1")]);
    await f.apply([
      remove("port", "p1"),
      subnet("s4", { cidr: "10.0.0.0/24", allocationRanges: ranges }, { id: "s4" }),
      port("p2", {}, { id: "p2" }),
    ]);
    expect(ips(f, "p2")).toEqual(["10.0.0.128"]);
  });

  it("takes what is kept of its addresses with it when it goes", async () => {
    await using f = new Fixture();
    const gone = subnet("gone", { cidr: "10.1.0.0/24" }, { id: "gone" });
    const portIn = (name: string, of: string) => port(name, { fixedIps: [{ subnet: of, ip: "" }] });
    await f.apply([n1, v4, gone, portIn("p1", "s4"), portIn("p2", "gone")]);
    await f.apply([remove("port", "p1"), remove("port", "p2")]);
    await f.apply([remove("subnet", "gone")]);
    const spaces = f.transactor.allocator.freedValues().map(({ space }) => space);
    expect(spaces.toSorted()).toEqual(["address/s4", "port", "port"]);
  });
});

describe("conditions", () => {
  it("refuses a stale store revision and a stale object revision", async () => {
    await using f = new Fixture();
    await f.apply([n1]);
    await f.apply([v4]);
    expect(await f.refusals([network("n2")], { expectedRevision: 1n })).toEqual([
      "STALE_REVISION expected_revision",
    ]);
    expect(await f.refusals([network("n1", { id: "n1", revision: 7n })])).toEqual([
      "STALE_REVISION network.meta.revision",
    ]);
    await f.apply([network("n1", { id: "n1", revision: 1n, labels: { a: "b" } })], {
      expectedRevision: 2n,
    });
  });

  it("answers a repeated key with the first outcome, also after a restart", async () => {
    const first = new Fixture();
    const { dataDir } = first;
    const keyed = (body: string) => ({ idempotency: { key: "k", body: () => Buffer.from(body) } });
    await first.apply([n1], keyed("one"));
    const twice = await Promise.all([
      first.run([v4], { idempotency: { key: "k2", body: () => Buffer.from("x") } }),
      first.run([v4], { idempotency: { key: "k2", body: () => Buffer.from("x") } }),
    ]);
    expect(twice[1]).toBe(twice[0]);
    expect(first.store.revision).toBe(2n);
    await first.close();
    await using second = new Fixture({ dataDir });
    expect(await second.run([n1], keyed("one"))).toMatchObject({ kind: "replayed" });
    expect(await second.refusals([n1], keyed("two"))).toEqual(["KEY_REUSED idempotency_key"]);
    expect(await second.refusals([n1], { ...keyed("two"), actor: "test" })).toHaveLength(1);
    // Another caller's key is another key.
    expect(await second.run([n1], { ...keyed("two"), actor: "else" })).toMatchObject({
      kind: "done",
    });
  });

  it("answers a dry run as the real run does, and commits nothing", async () => {
    await using f = new Fixture();
    await f.apply([n1, v4]);
    const set = [
      port("p1", { mac: "0a:00:00:00:00:01" }),
      port("p2", { mac: "0a:00:00:00:00:02" }),
    ];
    const plan = (await f.apply(set, { dryRun: true })).results;
    expect(f.store.revision).toBe(1n);
    const real = (await f.apply(set)).results;
    const essence = (results: typeof plan): unknown =>
      results.map(({ action, row }) => ({
        action,
        ips: (row as PortRow).fixedIps,
        key: (row as PortRow).key,
      }));
    expect(essence(real)).toEqual(essence(plan));
  });
});

describe("deletion", () => {
  it("refuses what is in use unless its user goes in the same set", async () => {
    await using f = new Fixture();
    await f.apply([n1, v4, port("p1")]);
    expect(await f.refusals([remove("network", "n1"), remove("subnet", "s4")])).toEqual([
      "IN_USE delete",
      "IN_USE delete",
    ]);
    await f.apply([remove("subnet", "s4"), remove("network", "n1"), remove("port", "p1")]);
    expect(f.rows()).toEqual({});
    expect(await f.refusals([remove("port", "p1")])).toEqual(["NOT_FOUND delete.id"]);
  });

  it("keeps an address in quarantine for its time, also after a restart; by name it is free", async () => {
    const clock = new StillClock();
    const tiny = subnet("s4", { cidr: "10.0.0.0/30" }, { id: "s4" });
    const first = new Fixture({ clock });
    const { dataDir } = first;
    await first.apply([n1, tiny, port("p1")]);
    await first.apply([remove("port", "p1")]);
    expect(await first.refusals([port("p2")])).toEqual(["EXHAUSTED port.spec.fixed_ips"]);
    await first.close();
    await using f = new Fixture({ dataDir, clock });
    expect(await f.refusals([port("p2")])).toEqual(["EXHAUSTED port.spec.fixed_ips"]);
    const stats = f.transactor.allocator.statistics(
      f.transactor.head.get("subnet", "s4") as SubnetRow,
      clock.nowMs(),
    );
    expect(stats).toEqual({ total: 1n, used: 0n, quarantined: 1n });
    await f.apply([port("named", { fixedIps: [{ subnet: "", ip: "10.0.0.2" }] })]);
    await f.apply([remove("port", "named")]);
    clock.advance(60_000);
    await f.apply([port("p2")]);
  });

  it("reuses a freed key only when it is forgotten everywhere", async () => {
    const asked: unknown[] = [];
    await using f = new Fixture({
      keyReusable: (space, key, release) => {
        asked.push([space, key, release.revision]);
        return false;
      },
    });
    await f.apply([n1, v4, port("p1", {}, { id: "p1" })]);
    await f.apply([remove("port", "p1")]);
    const { results } = await f.apply([port("p2")]);
    // Never used keys come first; the freed one is not even asked for.
    expect(results[0]?.row).toMatchObject({ key: 2 });
    expect(asked).toEqual([]);
  });
});

describe("concurrency and faults", () => {
  it("gives 200 concurrent ports distinct addresses, MACs and keys", async () => {
    await using f = new Fixture();
    await f.apply([n1, v4]);
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, index) => f.apply([port(`p${index}`)])),
    );
    const rows = outcomes.map((outcome) => outcome.results[0]?.row as PortRow);
    for (const read of [
      (row: PortRow): unknown => row.mac,
      (row: PortRow): unknown => row.key,
      (row: PortRow): unknown => row.fixedIps[0]?.ip,
      (row: PortRow): unknown => row.revision,
    ]) {
      expect(new Set(rows.map(read)).size).toBe(200);
    }
    expect(f.model.revision).toBe(201n);
  });

  it("refuses writes when the disk is full, goes on reading, and recovers by itself", async () => {
    await using f = new Fixture({ maxSizeMiB: 1 });
    await f.apply([n1, v4]);
    const big = {
      labels: Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`k${i}`, "x".repeat(250)])),
    };
    let filled = 0;
    const fill = async (): Promise<void> => {
      for (; ; filled++) await f.apply([port(`big${filled}`, {}, { ...big, id: `big${filled}` })]);
    };
    await expect(fill()).rejects.toBeInstanceOf(StoreFullError);
    expect(f.store.writeState).toContain("full");
    expect(f.model.get("port", "big0")).toBeDefined();
    expect(
      (await f.store.history({ object: null, limit: 1, beforeRevision: null, after: null })).items,
    ).toHaveLength(1);
    const before = f.rows();
    expect(f.transactor.head.size("port")).toBe(f.model.size("port"));
    // Space comes back: pages of deleted objects are used again, once their history is compacted.
    await f.store.compact({
      nowMs: Number.MAX_SAFE_INTEGER,
      retentionMs: 0,
      minRevisions: 0n,
      idempotencyMs: 0,
      addressReuseAfterMs: 0,
    });
    expect(f.rows()).toEqual(before);
    await expect
      .poll(
        async () => {
          const answer = await f.run([remove("port", "big0")]).catch(() => undefined);
          return answer?.kind;
        },
        { timeout: 5000 },
      )
      .toMatch(/done|refused/);
    expect(f.store.writeState).toBe("READY");
  });

  it("fails every queued set when one cannot be written, and goes on from what is durable", async () => {
    await using f = new Fixture({ maxSizeMiB: 1 });
    await f.apply([n1, v4]);
    const labels = Object.fromEntries(
      Array.from({ length: 60 }, (_, index) => [`k${index}`, "x".repeat(250)]),
    );
    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, (_, index) =>
        f.apply([port(`p${index}`, {}, { id: `p${index}`, labels })]),
      ),
    );
    const failed = outcomes.filter(({ status }) => status === "rejected");
    expect(failed.length).toBeGreaterThan(0);
    expect(f.model.size("port")).toBe(100 - failed.length);
    await expect
      .poll(() => f.transactor.head.size("port"), { timeout: 5000 })
      .toBe(f.model.size("port"));
    const addresses = [...f.model.values("port")].map((row) => row.fixedIps[0]?.ip);
    expect(new Set(addresses).size).toBe(addresses.length);
    // A dry run needs no space: nothing of the failed sets is left in the way.
    const [dry] = (await f.apply([port("p99", {}, { id: "p99" })], { dryRun: true })).results;
    expect(dry?.action).toBe("created");
  });
});

describe("what is not durable yet", () => {
  it("is not confirmed by a set that finds nothing to do", async () => {
    await using f = new Fixture();
    const order: string[] = [];
    await Promise.all([
      f.apply([n1]).then(() => order.push("created")),
      f.apply([n1]).then(() => order.push(`unchanged at ${f.store.revision}`)),
      f.run([remove("network", "other")]).then(() => order.push(`refused at ${f.store.revision}`)),
      f.apply([v4], { dryRun: true }).then(() => order.push(`planned at ${f.store.revision}`)),
    ]);
    expect(order.toSorted()).toEqual(["created", "planned at 1", "refused at 1", "unchanged at 1"]);
  });

  it("fails those too when it fails", async () => {
    await using f = new Fixture({ maxSizeMiB: 1 });
    const labels = Object.fromEntries(
      Array.from({ length: 60 }, (_, at) => [`k${at}`, "x".repeat(250)]),
    );
    const big = Array.from({ length: 100 }, (_, at) => network(`b${at}`, { labels }));
    const first = f.apply(big);
    const second = f.apply(big);
    await expect(first).rejects.toBeInstanceOf(StoreFullError);
    await expect(second).rejects.toBeInstanceOf(StoreFullError);
    const { revision } = await f.apply([n1]);
    expect(revision).toBe(1n);
  });

  it("a set whose planning breaks leaves nothing behind", async () => {
    await using f = new Fixture();
    await f.apply([n1]);
    const broken = {
      action: "edit",
      table: "chassis",
      at: "chassis",
      id: "c1",
      change: () => {
        throw new Error("a bug");
      },
    } as const;
    await expect(f.apply([network("n2", { id: "n2" }), broken])).rejects.toThrow("a bug");
    expect(f.transactor.head.get("network", "n2")).toBeUndefined();
    const { results } = await f.apply([network("n2", { id: "n2" })]);
    expect(results[0]).toMatchObject({ action: "created", row: { key: 2 } });
  });
});
