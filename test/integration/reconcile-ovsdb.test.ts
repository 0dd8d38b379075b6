// The OVSDB reconciler against a real ovsdb-server and ovs-vswitchd: what is deleted by hand comes
// back, what is not ours stays, nothing is written when nothing differs, restarts change nothing, and
// one tunnel port carries both address families.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Replica, replicaInSync } from "@weft/agent/ovsdb/replica.ts";
import { OvsdbSession } from "@weft/agent/ovsdb/session.ts";
import { VSWITCH_TABLES } from "@weft/agent/ovsdb/vswitch.ts";
import type { DesiredTunnel, OvsdbDesired } from "@weft/agent/plan/desired.ts";
import { planOvsdb } from "@weft/agent/plan/plan.ts";
import { buildTransaction } from "@weft/agent/reconcile/apply.ts";
import { observeActual } from "@weft/agent/reconcile/observe.ts";
import { OvsdbReconciler } from "@weft/agent/reconcile/ovsdb-reconciler.ts";
import type { OvsdbStatus } from "@weft/agent/reconcile/status.ts";
import { SystemClock } from "@weft/shared/clock.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Ovs, type OvsOptions, startOvs, until } from "../lab/ovs.ts";

let dir: string;
let cleanups: (() => Promise<void>)[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "weft-rec-"));
});

afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  cleanups = [];
  await rm(dir, { recursive: true, force: true });
});

const geneve: DesiredTunnel = {
  encap: "geneve",
  localIps: ["192.0.2.1"],
  csum: true,
  dstPort: null,
  mtuBytes: null,
};
const vxlan: DesiredTunnel = { ...geneve, encap: "vxlan", localIps: ["192.0.2.1", "2001:db8::1"] };

const base: OvsdbDesired = {
  systemId: "c1",
  bridge: { name: "br-int", datapathType: "netdev", adopt: false },
  tunnels: [geneve, vxlan],
  providers: [],
  inSync: true,
};

async function openVSwitch(options: Partial<OvsOptions> = {}): Promise<Ovs> {
  const ovs = await startOvs({ dir: join(dir, "o"), name: "o", dummyDatapath: true, ...options });
  cleanups.push(() => ovs.stop());
  return ovs;
}

interface Agent {
  reconciler: OvsdbReconciler;
  status: () => OvsdbStatus;
  converged: () => Promise<OvsdbStatus>;
  stop: () => Promise<void>;
}

function agent(ovs: Ovs, desired: OvsdbDesired): Agent {
  const clock = new SystemClock();
  const session = new OvsdbSession({ address: ovs.dbAddress, clock, random: Math.random });
  const replica = new Replica({ session, database: "Open_vSwitch", tables: VSWITCH_TABLES });
  const fatal = (error: unknown): void => {
    throw error;
  };
  const reconciler = new OvsdbReconciler({ session, replica, clock, random: Math.random, fatal });
  reconciler.update(desired);
  session.start();
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    await reconciler[Symbol.asyncDispose]();
    replica[Symbol.dispose]();
    await session[Symbol.asyncDispose]();
  };
  cleanups.push(stop);
  const status = (): OvsdbStatus => {
    if (reconciler.status === null) throw new Error("no status yet");
    return reconciler.status;
  };
  const converged = async (): Promise<OvsdbStatus> => {
    await until("convergence", () => reconciler.status?.converged === true).catch((error) => {
      throw new Error(`${String(error)}: ${JSON.stringify(reconciler.status, null, 1)}`);
    });
    return status();
  };
  return { reconciler, status, converged, stop };
}

/** An Open vSwitch, and an agent that has brought it to `desired`. */
async function reconciled(desired: OvsdbDesired = base): Promise<Agent & { readonly ovs: Ovs }> {
  const ovs = await openVSwitch();
  const started = agent(ovs, desired);
  await started.converged();
  return { ovs, ...started };
}

/** A guest's interface, as its owner plugs it. */
async function plugTap(ovs: Ovs): Promise<void> {
  const setting = ["set", "interface", "tap1", "external_ids:iface-id=p1"];
  await ovs.vsctl("add-port", "br-int", "tap1", "--", ...setting);
}

async function addBridge(ovs: Ovs, name: string, ...settings: readonly string[]): Promise<void> {
  const all = ["set", "bridge", name, "datapath_type=netdev", ...settings];
  await ovs.vsctl("add-br", name, "--", ...all);
}

async function ports(ovs: Ovs, bridge = "br-int"): Promise<string[]> {
  return (await ovs.vsctl("list-ports", bridge)).split("\n").filter((line) => line !== "");
}

/** All that the database holds of configuration and identity; counters and times left out. */
async function content(ovs: Ovs): Promise<string> {
  const tables: string[] = [];
  for (const [table, columns] of [
    ["Bridge", "_uuid,name,external_ids,other_config,protocols,fail_mode,datapath_id"],
    ["Port", "_uuid,name,external_ids,tag"],
    ["Interface", "_uuid,name,type,options,ofport,ofport_request,external_ids"],
  ] as const) {
    const rows = await ovs.vsctl("--format=csv", `--columns=${columns}`, "list", table);
    tables.push(rows.split("\n").sort().join("\n"));
  }
  return tables.join("\n");
}

test("from an empty database to a bridge with tunnels, in one transaction", async () => {
  const { ovs, reconciler, status } = await reconciled();
  const { observed, objects } = status();
  expect(reconciler.transactions).toBe(1);
  expect(objects.map((o) => [o.object, o.state])).toEqual([
    ["bridge br-int", "ok"],
    ["tunnel geneve", "ok"],
    ["tunnel vxlan", "ok"],
  ]);
  expect(observed.tunnels).toEqual([
    { encap: "geneve", name: "weft-gnv0", ofport: 65_201, error: null },
    { encap: "vxlan", name: "weft-vx0", ofport: 65_202, error: null },
  ]);
  expect(await ovs.vsctl("get", "bridge", "br-int", "fail_mode")).toBe("secure");
  expect(await ovs.vsctl("get", "interface", "weft-vx0", "options:local_ip")).toBe("flow");
  // Secure: no flow of Open vSwitch's own.
  expect(await ovs.ofctl("dump-flows", "br-int")).not.toContain("actions");
});

test("applied twice is one transaction; a restarted agent changes nothing", async () => {
  const { ovs, ...first } = await reconciled();
  const before = await content(ovs);
  first.reconciler.update({ ...base, tunnels: [vxlan, geneve] });
  await first.converged();
  expect(first.reconciler.transactions).toBe(1);
  await first.stop();

  const second = agent(ovs, base);
  await second.converged();
  expect(second.reconciler.transactions).toBe(0);
  expect(await content(ovs)).toBe(before);
});

test("restarts of both daemons change nothing, ofports included", async () => {
  const { ovs, reconciler, converged } = await reconciled();
  await plugTap(ovs);
  const before = await content(ovs);
  await ovs.restartVswitchd("SIGKILL");
  await ovs.vsctl("set", "Open_vSwitch", ".", "external_ids:probe=1");
  await converged();
  expect(await content(ovs)).toBe(before);
  await ovs.restartOvsdb("SIGKILL");
  await until("reconnect", () => reconciler.status?.connected === true);
  await ovs.vsctl("set", "Open_vSwitch", ".", "external_ids:probe=2");
  await converged();
  expect(await content(ovs)).toBe(before);
  expect(reconciler.transactions).toBe(1);
});

test("tunnel port, its settings, and the bridge come back when changed by hand", async () => {
  const { ovs, converged, reconciler } = await reconciled();
  const mac = await ovs.vsctl("get", "interface", "br-int", "mac_in_use");

  await ovs.vsctl("del-port", "weft-gnv0");
  await until("a second transaction", () => reconciler.transactions === 2);
  const { observed } = await converged();
  expect(observed.tunnels[0]).toMatchObject({ name: "weft-gnv0", ofport: 65_201 });

  await ovs.vsctl("set", "interface", "weft-vx0", "options:local_ip=203.0.113.9");
  await until("a third transaction", () => reconciler.transactions === 3);
  await converged();
  expect(await ovs.vsctl("get", "interface", "weft-vx0", "options:local_ip")).toBe("flow");

  await ovs.vsctl("--no-wait", "del-br", "br-int");
  await until("a fourth transaction", () => reconciler.transactions === 4);
  await converged();
  expect((await ports(ovs)).sort()).toEqual(["weft-gnv0", "weft-vx0"]);
  expect(await ovs.vsctl("get", "interface", "br-int", "mac_in_use")).toBe(mac);
});

test("ports of others survive, leftovers of ours go only when in sync", async () => {
  const { ovs, converged, reconciler } = await reconciled();
  await ovs.vsctl(
    "add-port",
    "br-int",
    "theirs",
    "--",
    "set",
    "port",
    "theirs",
    "external_ids:weft-owner=c2",
    "external_ids:weft-role=tunnel",
  );
  await plugTap(ovs);
  reconciler.update({ ...base, tunnels: [], inSync: false });
  await converged();
  expect(await ports(ovs)).toHaveLength(4);
  reconciler.update({ ...base, tunnels: [], inSync: true });
  await until("pruning", () => reconciler.transactions === 2);
  await converged();
  expect((await ports(ovs)).sort()).toEqual(["tap1", "theirs"]);
});

test("a bridge of somebody else is refused, then adopted, then given back", async () => {
  const ovs = await openVSwitch();
  await addBridge(ovs, "br-int", "external_ids:x=y");
  const { converged, reconciler, status } = agent(ovs, base);
  await until("the refusal", () => reconciler.status?.objects[0]?.state === "failed");
  expect(status().objects[0]?.reason).toContain("bridge br-int exists and was not created by Weft");
  expect(status().objects[0]?.reason).toContain("adoptBridge: true");
  expect(await ports(ovs)).toEqual([]);
  expect(reconciler.transactions).toBe(0);

  const adopting = { ...base, bridge: { ...base.bridge, adopt: true } };
  reconciler.update(adopting);
  await converged();
  expect(await ports(ovs)).toHaveLength(2);

  reconciler.update({ ...base, bridge: { ...base.bridge, name: "br-weft" } });
  await until("the new bridge", () => reconciler.status?.objects[0]?.object === "bridge br-weft");
  await converged();
  expect(await ports(ovs)).toEqual([]);
  expect(await ovs.vsctl("get", "bridge", "br-int", "external_ids")).toBe("{x=y}");
});

test("VIFs are observed as they are plugged, by whomever", async () => {
  const { ovs, reconciler } = await reconciled();
  await plugTap(ovs);
  await until("the VIF", () => (reconciler.status?.observed.vifs[0]?.ofport ?? null) !== null);
  const [vif] = reconciler.status?.observed.vifs ?? [];
  expect(vif).toMatchObject({ ifaceId: "p1", name: "tap1", error: null, attachedMac: null });
  const ofport = Number(await ovs.vsctl("get", "interface", "tap1", "ofport"));
  expect(vif?.ofport).toBe(ofport);

  await ovs.appctl("ovs-vswitchd", "netdev-dummy/set-admin-state", "tap1", "up");
  await until("admin up", () => reconciler.status?.observed.vifs[0]?.adminUp === true);
  await ovs.vsctl("del-port", "tap1");
  await until("the VIF to go", () => reconciler.status?.observed.vifs.length === 0);
  expect(reconciler.transactions).toBe(1);
});

test("provider bridges: patches appear with the bridge and go with the mapping", async () => {
  const ovs = await openVSwitch();
  const desired = { ...base, providers: [{ physicalNetwork: "physnet1", bridge: "br-ex" }] };
  const { converged, reconciler } = agent(ovs, desired);
  const provider = () => reconciler.status?.objects.find((o) => o.object === "provider physnet1");
  await until("the complaint", () => provider()?.state === "failed");
  expect(provider()?.reason).toContain("bridge br-ex does not exist");

  await addBridge(ovs, "br-ex");
  const { observed } = await converged();
  expect(observed.patches[0]?.ofport).toBeGreaterThan(0);
  expect(await ports(ovs, "br-ex")).toEqual(["patch-physnet1-to-int"]);

  reconciler.update(base);
  await until("the patches to go", async () => (await ports(ovs, "br-ex")).length === 0);
  await converged();
  expect(await ovs.vsctl("list-br")).toBe("br-ex\nbr-int");
});

test("what the server refuses is named and stops nothing else", async () => {
  const ovs = await openVSwitch();
  // The schema wants mtu_request to be 1 or more.
  const bad = { ...base, tunnels: [{ ...geneve, mtuBytes: 0 }, vxlan] };
  const { reconciler, converged } = agent(ovs, bad);
  const state = (object: string) => reconciler.status?.objects.find((o) => o.object === object);
  await until("vxlan ok", () => state("tunnel vxlan")?.state === "ok");
  expect(state("tunnel geneve")?.state).toBe("failed");
  expect(state("tunnel geneve")?.reason).toContain("constraint violation");
  reconciler.update(base);
  await converged();
});

test("a refusal that only the commit finds is pinned to its object too", async () => {
  const ovs = await openVSwitch();
  // A bond of somebody else has a member of our name: the index on interface names is broken.
  await addBridge(ovs, "br-x");
  await ovs.vsctl("add-bond", "br-x", "bond0", "weft-gnv0", "m1");
  const { reconciler, converged } = agent(ovs, base);
  const state = (object: string) => reconciler.status?.objects.find((o) => o.object === object);
  await until("vxlan ok", () => state("tunnel vxlan")?.state === "ok");
  expect(state("bridge br-int")?.state).toBe("ok");
  expect(state("tunnel geneve")?.state).toBe("failed");
  expect(state("tunnel geneve")?.reason).toContain("weft-gnv0");
  await ovs.vsctl("del-port", "bond0");
  reconciler.update({ ...base });
  await converged();
});

test("ovs-vswitchd absent: written at once, pending until it comes", async () => {
  const ovs = await openVSwitch({ withoutVswitchd: true });
  const { reconciler, converged, status } = agent(ovs, base);
  await until("the transaction", () => reconciler.status?.openSteps === 0);
  expect(status().converged).toBe(false);
  expect(status().objects[0]?.reason).toContain("waits for ovs-vswitchd");
  await ovs.startVswitchd();
  await converged();
});

test("a change asked for while ovsdb-server is away is made when it is back", async () => {
  const { ovs, reconciler, converged } = await reconciled();
  await ovs.kill("ovsdb-server", "SIGKILL");
  await until("the loss", () => reconciler.status?.connected === false);
  reconciler.update({ ...base, tunnels: [geneve] });
  await ovs.startOvsdb();
  await until("the change", () => reconciler.transactions === 2);
  await converged();
  expect(await ports(ovs)).toEqual(["weft-gnv0"]);
});

test("somebody who undoes our changes again and again slows us down, and is named", async () => {
  const { ovs, reconciler, converged } = await reconciled();
  const complaint = (): boolean => reconciler.status?.lastError?.includes("undone") === true;
  await until("the complaint", async () => {
    await ovs.vsctl("--no-wait", "--if-exists", "del-port", "weft-gnv0");
    return complaint();
  });
  expect(reconciler.transactions).toBeGreaterThanOrEqual(8);
  await converged();
  expect(complaint()).toBe(false);
});

test("a plan made from an outdated view is refused as a whole", async () => {
  const { ovs, stop } = await reconciled();
  await stop();
  const clock = new SystemClock();
  await using session = new OvsdbSession({ address: ovs.dbAddress, clock, random: Math.random });
  using replica = new Replica({ session, database: "Open_vSwitch", tables: VSWITCH_TABLES });
  session.start();
  await replicaInSync(replica, AbortSignal.timeout(10_000));
  const { root, bridges, ports: portRows, interfaces } = observeActual(replica);
  const outdated = {
    root,
    bridges: new Map(bridges),
    ports: new Map(portRows),
    interfaces: new Map(interfaces),
  };
  // Another agent takes the port over; our pruning, planned before, must not hit it.
  await ovs.vsctl("--no-wait", "set", "port", "weft-gnv0", "external_ids:weft-owner=c2");
  const { steps } = planOvsdb({ ...base, tunnels: [] }, outdated);
  expect(steps.map((step) => step.kind)).toEqual(["delete-port", "delete-port"]);
  const rootUuid = root?._uuid ?? "";
  const { transaction } = buildTransaction({ steps, actual: outdated, rootUuid, comment: "test" });
  await expect(transaction.commit(session)).rejects.toMatchObject({ kind: "conflict" });
  expect(await ports(ovs)).toHaveLength(2);
});

test("one port with two addresses carries tunnels over IPv4 and over IPv6", async () => {
  const suffix = `${process.pid}`;
  const encaps = ["geneve", "vxlan", "gre"] as const;
  const hosts = await Promise.all(
    [1, 2].map(async (n) => {
      const ovs = await openVSwitch({
        dir: join(dir, `h${n}`),
        name: `h${n}`,
        netns: `wr${n}-${suffix}`,
        dummyDatapath: false,
      });
      return { n, ovs, netns: ovs.netns ?? "" };
    }),
  );
  const [first, second] = hosts;
  if (first === undefined || second === undefined) throw new Error("no hosts");
  await first.ovs.exec(
    "ip",
    "link",
    "add",
    "u0",
    "type",
    "veth",
    "peer",
    "name",
    "u0",
    "netns",
    second.netns,
  );
  for (const { n, ovs } of hosts) {
    await ovs.exec("ethtool", "-K", "u0", "tx", "off");
    await ovs.exec("ip", "link", "set", "u0", "up");
    await ovs.vsctl(
      "add-br",
      "br-phy",
      "--",
      "set",
      "bridge",
      "br-phy",
      "datapath_type=netdev",
      "--",
      "add-port",
      "br-phy",
      "u0",
    );
    await ovs.exec("ip", "addr", "add", `192.0.2.${n}/24`, "dev", "br-phy");
    await ovs.exec("ip", "addr", "add", `2001:db8::${n}/64`, "dev", "br-phy", "nodad");
    await ovs.exec("ip", "link", "set", "br-phy", "up");
    const localIps = [`192.0.2.${n}`, `2001:db8::${n}`];
    const tunnels = encaps.map((encap) => ({ ...geneve, encap, localIps }));
    await agent(ovs, { ...base, systemId: `h${n}`, tunnels }).converged();
    // An internal port stands for the guest.
    await ovs.vsctl(
      "add-port",
      "br-int",
      "g0",
      "--",
      "set",
      "interface",
      "g0",
      "type=internal",
      "ofport_request=1",
    );
    await until("g0", async () => (await ovs.exec("ip", "-o", "link")).includes("g0"));
    await ovs.exec("ip", "addr", "add", `10.77.0.${n}/24`, "dev", "g0");
    await ovs.exec("ip", "link", "set", "g0", "up");
  }
  const ofports = { geneve: 65_201, vxlan: 65_202, gre: 65_203 };
  for (const encap of encaps) {
    for (const dst of [
      (n: number) => `set_field:192.0.2.${n}->tun_dst`,
      (n: number) => `set_field:2001:db8::${n}->tun_ipv6_dst`,
    ]) {
      for (const { n, ovs } of hosts) {
        await ovs.ofctl("del-flows", "br-int");
        const out = `set_field:77->tun_id,${dst(3 - n)},output:${ofports[encap]}`;
        await ovs.ofctl("add-flow", "br-int", `in_port=1,actions=${out}`);
        await ovs.ofctl(
          "add-flow",
          "br-int",
          `in_port=${ofports[encap]},tun_id=77,actions=output:1`,
        );
      }
      const ping = (): Promise<boolean> =>
        first.ovs.exec("ping", "-c1", "-W1", "-I", "g0", "10.77.0.2").then(
          () => true,
          () => false,
        );
      await until(`a reply over ${encap}, ${dst(2)}`, ping);
    }
  }
});
