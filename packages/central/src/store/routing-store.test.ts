// Routers in the store: what is unique stays so over sets that change places, restarts give back what was, keys wait, and a store of
// before learns what it did not know.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { linked, policy, route, router } from "../model/plan.fixture.ts";
import { drop, world } from "../model/routing.fixture.ts";
import { decodeRow } from "./codec.ts";
import { databaseName } from "./database.ts";
import { applicationId, migrations } from "./schema.ts";
import { Store } from "./store.ts";
import { Fixture, network, remove, StillClock } from "./transactor.fixture.ts";

const removals = world.flatMap((intent) =>
  intent.action === "upsert"
    ? [{ ...remove(intent.table, intent.meta.id), project: intent.meta.project }]
    : [],
);

it("keeps routers over a restart, and takes all of them away in one set", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "weft-routing-"));
  try {
    const first = new Fixture({ dataDir });
    await first.apply(world);
    const rows = first.rows();
    await first.close();
    const second = new Fixture({ dataDir });
    expect(second.rows()).toEqual(rows);
    const again = await second.apply(world);
    expect(again.results.every(({ action }) => action === "unchanged")).toBe(true);
    await second.apply(removals);
    expect(second.rows()).toEqual({});
    await second.close();
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});

it("lets what is unique change places inside a set", async () => {
  await using f = new Fixture();
  await f.apply(world);
  await f.apply([policy("second", { router: "r1", priority: 7, action: drop })]);
  await f.apply([
    policy("second", { router: "r1", priority: 100, action: drop }),
    policy("pol", { router: "r1", priority: 7, action: drop }),
    remove("route", "to3"),
    route("anew", { router: "r1", destination: "10.3.0.0/24", blackhole: true }),
  ]);
  expect(f.model.get("policy-route", "pol")?.priority).toBe(7);
  expect(f.model.get("route", "anew")?.destination).toBe("10.3.0.0/24");
});

it("gives no freed key before every agent has heard of it", async () => {
  let forgotten = false;
  const clock = new StillClock();
  await using f = new Fixture({ clock, keyReusable: () => forgotten });
  await f.apply([router("a"), router("b"), network("n", { id: "n" })]);
  await f.apply([linked("l", ["a", "b"], [["10.254.0.1/30", "10.254.0.2/30"]])]);
  const linkKey = f.model.get("router-link", "l")?.key;
  expect(linkKey).toBe(2);
  await f.apply([remove("router-link", "l"), remove("router", "b")]);
  await f.apply([router("c"), network("m", { id: "m" })]);
  expect(f.model.get("router", "c")?.key).toBe(3);
  expect(f.model.get("network", "m")?.key).toBe(3);
  forgotten = true;
  expect(f.transactor.allocator.freedValues()).toMatchObject([
    { space: "network", value: "2" },
    { space: "router", value: "2" },
  ]);
});

it("takes a store of before routing: its networks are not shared, now and in its history", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "weft-routing-"));
  try {
    const db = new Database(join(dataDir, databaseName));
    db.pragma(`application_id = ${applicationId}`);
    for (const sql of migrations.slice(0, 2)) db.exec(sql);
    db.pragma("user_version = 2");
    const body = JSON.stringify({ id: "n", project: "default", name: "n", key: 1, revision: "1" });
    db.exec(`
      INSERT INTO meta VALUES ('store_id', 'before');
      INSERT INTO commits VALUES (1, 0, 'test', '');
      INSERT INTO object VALUES ('network', 'n', 1, '${body}');
      INSERT INTO history VALUES (1, 'network', 'n', 'created', '${body}');
    `);
    db.close();
    const onFatal = (error: unknown): never => {
      throw error;
    };
    await using store = new Store({ dataDir, maxSizeMiB: 0, onFatal });
    expect(store.takeLoaded().rows.network).toMatchObject([{ id: "n", key: 1, shared: false }]);
    const kept = await store.getAt({ kind: "network", id: "n", revision: 1n });
    expect(decodeRow("network", kept ?? "")).toMatchObject({ id: "n", shared: false });
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});
