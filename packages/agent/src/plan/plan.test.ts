// Plans as golden text, and as properties: a plan applied leaves nothing to plan, and rows without our
// mark are never named except the bridge that configuration tells us to adopt.
import fc from "fast-check";
import { expect, test } from "vitest";
import { defaultValue } from "../ovsdb/notation.ts";
import { parseShape, type TableShape } from "../ovsdb/schema.ts";
import { VSWITCH_TABLES } from "../ovsdb/vswitch.ts";
import { OWNER_KEY, ownershipMark, type OwnedRole } from "../ownership.ts";
import type { OvsdbActual } from "./actual.ts";
import type { DesiredTunnel, OvsdbDesired } from "./desired.ts";
import { planOvsdb } from "./plan.ts";
import { type PortRows, renderStep, type Step } from "./step.ts";

const SELF = "chassis-1";

const geneve: DesiredTunnel = {
  encap: "geneve",
  localIps: ["192.0.2.1"],
  csum: true,
  dstPort: null,
  mtuBytes: null,
};
const vxlan: DesiredTunnel = {
  encap: "vxlan",
  localIps: ["192.0.2.1", "2001:db8::1"],
  csum: null,
  dstPort: 8472,
  mtuBytes: 1600,
};
const gre: DesiredTunnel = { ...geneve, encap: "gre", csum: null, dstPort: 1 };

const base: OvsdbDesired = {
  systemId: SELF,
  bridge: { name: "br-int", datapathType: "netdev", adopt: false },
  tunnels: [geneve, vxlan],
  providers: [{ physicalNetwork: "physnet1", bridge: "br-ex" }],
  inSync: true,
};

type Rows = { [column: string]: unknown };

/** A database in memory: just enough to start plans from and to apply them to. */
class Database implements OvsdbActual {
  readonly tables: Record<"Bridge" | "Port" | "Interface", Map<string, Rows>> = {
    Bridge: new Map(),
    Port: new Map(),
    Interface: new Map(),
  };
  ifaceTypes = ["geneve", "vxlan", "gre", "patch"];
  #next = 0;

  get root(): OvsdbActual["root"] {
    return { iface_types: this.ifaceTypes } as unknown as OvsdbActual["root"];
  }
  get bridges(): OvsdbActual["bridges"] {
    return this.tables.Bridge as unknown as OvsdbActual["bridges"];
  }
  get ports(): OvsdbActual["ports"] {
    return this.tables.Port as unknown as OvsdbActual["ports"];
  }
  get interfaces(): OvsdbActual["interfaces"] {
    return this.tables.Interface as unknown as OvsdbActual["interfaces"];
  }

  insert(table: "Bridge" | "Port" | "Interface", columns: Rows): string {
    const _uuid = `00000000-0000-4000-8000-${String(this.#next++).padStart(12, "0")}`;
    const shape: TableShape = VSWITCH_TABLES[table];
    const row: Rows = { _uuid };
    for (const [column, notation] of Object.entries(shape)) {
      row[column] = columns[column] ?? defaultValue(parseShape(notation));
    }
    this.tables[table].set(_uuid, row);
    return _uuid;
  }

  addPort(bridge: string, rows: PortRows): void {
    const iface = this.insert("Interface", rows.iface);
    const port = this.insert("Port", { ...rows.port, interfaces: [iface] });
    const owner = [...this.tables.Bridge.values()].find((row) => row["name"] === bridge);
    if (owner === undefined) throw new Error(`no bridge ${bridge}`);
    owner["ports"] = [...(owner["ports"] as string[]), port];
  }

  addBridge(name: string, columns: Rows = {}): void {
    this.insert("Bridge", { name, ...columns });
    this.addPort(name, { port: { name }, iface: { name, type: "internal" } });
  }

  names(table: "Bridge" | "Port"): string[] {
    return [...this.tables[table].values()].map((row) => String(row["name"])).sort();
  }

  apply(steps: readonly Step[]): void {
    for (const step of steps) this.#apply(step);
  }

  #apply(step: Step): void {
    switch (step.kind) {
      case "create-bridge":
        this.insert("Bridge", step.bridge);
        this.addPort(step.name, step.local);
        return;
      case "create-port":
        if (this.names("Port").includes(step.name)) throw new Error(`${step.name} exists`);
        this.addPort(step.bridge, step.rows);
        return;
      case "delete-port": {
        const bridge = this.tables.Bridge.get(step.bridgeUuid);
        if (bridge === undefined) throw new Error(`no bridge ${step.bridge}`);
        bridge["ports"] = (bridge["ports"] as string[]).filter((uuid) => uuid !== step.uuid);
        this.tables.Port.delete(step.uuid);
        return;
      }
      case "delete-bridge":
        for (const uuid of this.bridges.get(step.uuid)?.ports ?? []) this.tables.Port.delete(uuid);
        this.tables.Bridge.delete(step.uuid);
        return;
      case "update-row": {
        const row = this.tables[step.table].get(step.uuid);
        if (row === undefined) throw new Error(`no ${step.table} ${step.name}`);
        Object.assign(row, step.set);
        for (const [column, keys] of Object.entries(step.keys)) {
          const map = new Map(row[column] as ReadonlyMap<string, string>);
          for (const [key, value] of keys) {
            if (value === null) map.delete(key);
            else map.set(key, value);
          }
          row[column] = map;
        }
      }
    }
  }
}

function mark(role: OwnedRole, systemId = SELF): Map<string, string> {
  return ownershipMark({ systemId, role, object: "test" });
}

function port(name: string, ids: ReadonlyMap<string, string>, iface: Rows = {}): PortRows {
  return {
    port: { name, external_ids: ids },
    iface: { name, external_ids: ids, ...iface },
  };
}

function render(desired: OvsdbDesired, actual: OvsdbActual): string {
  const plan = planOvsdb(desired, actual);
  const problems = plan.problems.map((p) => `PROBLEM ${p.code} ${p.object}\n  ${p.message}`);
  return `${[...plan.steps.map(renderStep), ...problems].join("\n")}\n`;
}

const cases: readonly [name: string, prepare: (db: Database) => void, desired: OvsdbDesired][] = [
  ["from-nothing", (db) => db.addBridge("br-ex", { datapath_type: "netdev" }), base],
  ["provider-bridge-missing", () => {}, base],
  ["foreign-bridge-refused", (db) => db.addBridge("br-int"), base],
  [
    "other-chassis-bridge-refused",
    (db) => db.addBridge("br-int", { external_ids: mark("integration-bridge", "chassis-2") }),
    { ...base, providers: [] },
  ],
  [
    "foreign-bridge-adopted",
    (db) => db.addBridge("br-int", { other_config: new Map([["hwaddr", "02:00:00:00:00:01"]]) }),
    { ...base, tunnels: [], providers: [], bridge: { ...base.bridge, adopt: true } },
  ],
  ["gre-has-no-destination-port", () => {}, { ...base, tunnels: [gre], providers: [] }],
  [
    "bad-desires",
    (db) => {
      db.addBridge("br-sys", { datapath_type: "" });
      db.ifaceTypes = ["geneve", "vxlan", "patch"];
    },
    {
      ...base,
      tunnels: [{ ...geneve, localIps: [] }, vxlan, vxlan, gre],
      providers: [
        { physicalNetwork: "a", bridge: "br-sys" },
        { physicalNetwork: "b", bridge: "br-sys" },
        { physicalNetwork: "c", bridge: "br-int" },
      ],
    },
  ],
  [
    "reserved-name-taken",
    (db) => {
      db.apply(planOvsdb({ ...base, tunnels: [], providers: [] }, db).steps);
      db.addPort("br-int", port("weft-gnv0", new Map()));
    },
    { ...base, providers: [] },
  ],
  [
    "address-changed-and-port-tampered",
    (db) => {
      db.apply(planOvsdb({ ...base, providers: [] }, db).steps);
      for (const row of db.tables.Port.values()) if (row["name"] === "weft-vx0") row["tag"] = 7;
    },
    { ...base, tunnels: [{ ...geneve, localIps: ["192.0.2.9"] }, vxlan], providers: [] },
  ],
  [
    "leftovers-pruned",
    (db) => {
      db.addBridge("br-ex", { datapath_type: "netdev" });
      db.apply(planOvsdb(base, db).steps);
      db.addPort("br-int", port("tap1", new Map([["iface-id", "p1"]])));
      db.addPort("br-int", port("theirs", mark("tunnel", "chassis-2")));
      db.addPort("br-int", port("made-vif", mark("vif")));
    },
    { ...base, tunnels: [geneve], providers: [] },
  ],
  [
    "bridge-renamed",
    (db) => db.apply(planOvsdb({ ...base, providers: [] }, db).steps),
    { ...base, providers: [], bridge: { ...base.bridge, name: "br-new" } },
  ],
  [
    "bridge-renamed-but-in-use",
    (db) => {
      db.apply(planOvsdb({ ...base, tunnels: [], providers: [] }, db).steps);
      db.addPort("br-int", port("tap1", new Map([["iface-id", "p1"]])));
    },
    { ...base, tunnels: [], providers: [], bridge: { ...base.bridge, name: "br-new" } },
  ],
];

test.each(cases)("golden %s", async (name, prepare, desired) => {
  const db = new Database();
  prepare(db);
  await expect(render(desired, db)).toMatchFileSnapshot(`golden/${name}.txt`);
});

test("nothing is pruned while the desired state may be incomplete", () => {
  const db = new Database();
  db.apply(planOvsdb({ ...base, providers: [] }, db).steps);
  const desired = { ...base, tunnels: [], providers: [], inSync: false };
  expect(planOvsdb(desired, db).steps).toEqual([]);
  expect(planOvsdb({ ...desired, inSync: true }, db).steps).toHaveLength(2);
});

const desires: fc.Arbitrary<OvsdbDesired> = fc.record({
  systemId: fc.constant(SELF),
  bridge: fc.record({
    name: fc.constantFrom("br-int", "br-new"),
    datapathType: fc.constantFrom("netdev", "system"),
    adopt: fc.boolean(),
  }),
  tunnels: fc.subarray([geneve, { ...vxlan, mtuBytes: null }, gre]),
  providers: fc.subarray([
    { physicalNetwork: "physnet1", bridge: "br-ex" },
    { physicalNetwork: "a very long physical network", bridge: "br-ex2" },
  ]),
  inSync: fc.boolean(),
});

const places = fc.array(
  fc.record({
    bridge: fc.constantFrom("br-int", "br-ex", "br-ex2"),
    name: fc.constantFrom("weft-gnv0", "weft-vx0", "tap0", "tap1", "patch-physnet1-to-int"),
    owner: fc.constantFrom(null, SELF, "chassis-2"),
    role: fc.constantFrom<OwnedRole[]>("tunnel", "patch", "vif"),
  }),
  { maxLength: 6 },
);

test("a plan applied leaves no step, whatever was there, and foreign rows are as before", () => {
  fc.assert(
    fc.property(
      fc.array(desires, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      places,
      (all, owned, ports) => {
        const db = new Database();
        db.addBridge("br-ex", { datapath_type: "netdev" });
        db.addBridge("br-ex2", { datapath_type: "system" });
        db.addBridge("br-int", { external_ids: owned ? mark("integration-bridge") : new Map() });
        const taken = new Set<string>();
        for (const { bridge, name, owner, role } of ports) {
          if (taken.has(name)) continue;
          taken.add(name);
          db.addPort(bridge, port(name, owner === null ? new Map() : mark(role, owner)));
        }
        const foreign = foreignRows(db);
        for (const desired of all) {
          db.apply(planOvsdb(desired, db).steps);
          const again = planOvsdb(desired, db).steps;
          // Pruning the ports of a bridge may make the bridge itself deletable: one round more.
          db.apply(again);
          expect(planOvsdb(desired, db).steps.map(renderStep)).toEqual([]);
        }
        for (const [uuid, text] of foreign) {
          const now = foreignRows(db).get(uuid);
          // The one exception: the integration bridge that configuration says to adopt.
          if (text.startsWith("Bridge br-int ") && all.some((d) => d.bridge.adopt)) continue;
          if (text.startsWith("Port br-int ") || text.startsWith("Interface br-int ")) continue;
          expect(now).toBe(text);
        }
      },
    ),
    { numRuns: 300 },
  );
});

/** Rows without our mark as text, by uuid; of bridges all but the list of their ports. */
function foreignRows(db: Database): Map<string, string> {
  const found = new Map<string, string>();
  for (const [table, rows] of Object.entries(db.tables)) {
    for (const [uuid, row] of rows) {
      const ids = row["external_ids"] as ReadonlyMap<string, string>;
      if (ids.get(OWNER_KEY) === SELF) continue;
      const { ports: _ports, ...columns } = row;
      const text = Object.values(columns).map((v) => (v instanceof Map ? Array.from(v) : v));
      found.set(uuid, `${table} ${String(row["name"])} ${JSON.stringify(text)}`);
    }
  }
  return found;
}
