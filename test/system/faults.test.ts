// Faults in a whole Weft while numbered datagrams run between two chassis. What "no packet lost" means: no more than in the same
// stream without the fault. Deadlines are three times the promise; the true figures are the bench's.

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cluster } from "../lab/cluster.ts";
import { networkText, portText } from "../lab/intent.ts";
import { until } from "../lab/ovs.ts";
import { during, expectHitless as expectFlowsHitless, pause } from "../lab/streams.ts";

const A = "chassis-a";
const B = "chassis-b";
const FAR_IP = "10.9.0.12";
const FAR_IP6 = "fd09::12";

const INTENT = [
  networkText({ id: "wire", cidrs: ["10.9.0.0/24", "fd09::/64"] }),
  portText({ id: "near", network: "wire", chassis: A, ips: ["10.9.0.11", "fd09::11"] }),
  portText({ id: "far", network: "wire", chassis: B, ips: [FAR_IP, FAR_IP6] }),
].join("");

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ prefix: "wffault", chassis: [A, B] });
  await cluster.apply(INTENT);
  await cluster.plugGuests();
  await cluster.waitUp();
  await reachable();
});

afterAll(async () => {
  await cluster?.stop();
});

async function reachable(deadlineMs = 20_000): Promise<void> {
  for (const ip of [FAR_IP, FAR_IP6]) {
    await until(
      `far to answer on ${ip}`,
      async () => (await cluster.guest("near").probe(ip, 1_000)).name === "far",
      deadlineMs,
    );
  }
}

/** Both families. */
const streams = () => [FAR_IP, FAR_IP6].map((to) => ({ from: cluster.guest("near"), to }));

const expectHitless = (fault: () => Promise<void>) => expectFlowsHitless(streams(), fault);

async function streaming(name: string): Promise<boolean> {
  const chassis = await cluster.central.json<
    readonly { metadata: { id: string }; status?: { liveness?: string; agentVersion?: string } }[]
  >("list", "chassis");
  // Alive it may be by what central remembers; its version is known once it said hello to this very central.
  return chassis.some(
    ({ metadata, status }) =>
      metadata.id === name && status?.liveness === "ALIVE" && (status.agentVersion ?? "") !== "",
  );
}

async function bothStream(): Promise<void> {
  await until("both agents back", async () => (await streaming(A)) && (await streaming(B)), 60_000);
}

describe("processes die, traffic goes on", () => {
  test("kill -9 of central", async () => {
    await expectHitless(async () => {
      await cluster.central.endProcess("SIGKILL");
      await cluster.central.startProcess();
      await bothStream();
    });
    await cluster.waitUp();
  });

  test("kill -9 of an agent; its restart touches no flow", async () => {
    const chassis = cluster.one(A);
    const count = await chassis.flowCount();
    let restartedMs = 0;
    await expectHitless(async () => {
      await chassis.endAgent("SIGKILL");
      restartedMs = performance.now();
      await chassis.startAgent();
      await pause(1_000);
    });
    await cluster.waitUp();
    const flows = await chassis.ovs.ofctl("dump-flows", "br-int");
    const sinceRestartS = (performance.now() - restartedMs) / 1000;
    const agesS = [...flows.matchAll(/duration=([\d.]+)s/g)].map(([, age]) => Number(age));
    expect(agesS.length).toBe(count);
    expect(Math.min(...agesS)).toBeGreaterThan(sinceRestartS);
  });

  test("kill -9 of central and both agents", async () => {
    await expectHitless(async () => {
      await cluster.central.endProcess("SIGKILL");
      for (const one of cluster.chassis.values()) await one.endAgent("SIGKILL");
      for (const one of cluster.chassis.values()) await one.startAgent();
      await cluster.central.startProcess();
    });
    await cluster.waitUp(undefined, 60_000);
  });

  test("central is away for a minute while an agent restarts", async () => {
    await cluster.central.endProcess("SIGKILL");
    const chassis = cluster.one(B);
    await expectHitless(async () => {
      await chassis.endAgent("SIGKILL");
      await chassis.startAgent();
      await pause(60_000);
    });
    await cluster.central.startProcess();
    // Their next try may be seconds away.
    await bothStream();
    await cluster.waitUp(undefined, 60_000);
  }, 300_000);
});

describe("the switch loses its state", () => {
  test("after a restart of ovs-vswitchd forwarding is back", async () => {
    await cluster.one(B).ovs.restartVswitchd("SIGKILL");
    await reachable(9_000);
    await cluster.waitUp();
  });

  test("while ovs-vswitchd is away its ports stay as they are, and the chassis says so", async () => {
    const { ovs } = cluster.one(B);
    const waitingFor = async () => {
      type Listed = { metadata: { id: string }; status?: { waitingFor?: string } };
      const chassis = await cluster.central.json<readonly Listed[]>("list", "chassis");
      return chassis.find(({ metadata }) => metadata.id === B)?.status?.waitingFor ?? "";
    };
    await ovs.kill("ovs-vswitchd", "SIGKILL");
    const text = `Open vSwitch does not answer on ${ovs.mgmtSocket("br-int")}`;
    await until("it to be said", async () => (await waitingFor()).startsWith(text), 9_000);
    await cluster.waitUp();
    await ovs.startVswitchd();
    await reachable(9_000);
    await until("its end to be said", async () => (await waitingFor()) === "");
  });

  test("after a restart of ovsdb-server forwarding is back and no flow has changed", async () => {
    const chassis = cluster.one(A);
    const flows = await chassis.ovs.ofctl("dump-flows", "br-int", "--no-stats");
    // ovs-vswitchd 3.1 itself forwards nothing for the second that it waits before it connects again, with or without an agent.
    const results = await during(streams(), async () => {
      await chassis.ovs.restartOvsdb("SIGKILL");
      await reachable(9_000);
    });
    for (const { longestGapMs } of results) expect(longestGapMs).toBeLessThan(9_000);
    expect(await chassis.ovs.ofctl("dump-flows", "br-int", "--no-stats")).toBe(flows);
    await cluster.waitUp();
  });

  test("flows deleted by hand come back", async () => {
    const { ovs } = cluster.one(A);
    const before = await cluster.one(A).flowCount();
    await ovs.ofctl("del-flows", "br-int");
    await until(
      "the flows to come back",
      async () => (await cluster.one(A).flowCount()) === before,
      9_000,
    );
    await reachable(9_000);
  });

  test("a tunnel port deleted by hand comes back", async () => {
    const { ovs } = cluster.one(A);
    const tunnel = (await ovs.vsctl("list-ports", "br-int"))
      .split("\n")
      .find((n) => n.startsWith("weft-gnv"));
    expect(tunnel).toBeDefined();
    await ovs.vsctl("del-port", "br-int", tunnel ?? "");
    await reachable(9_000);
  });

  test("the integration bridge deleted by hand comes back; guests are plugged again by their owner", async () => {
    const chassis = cluster.one(A);
    await chassis.ovs.vsctl("del-br", "br-int");
    await chassis.plug(cluster.guest("near").hostInterface, "near");
    await reachable(15_000);
    await cluster.waitUp();
  });
});

describe("central comes back with another memory", () => {
  test("restored from an old backup: agents go on, wait, and take over once adopted", async () => {
    const backup = join(cluster.dir, "backup.db");
    await cluster.central.must("backup", backup);
    await cluster.apply(
      `kind: Port\nmetadata: {id: late}\nspec: {network: wire, requestedChassis: ${A}}\n`,
    );
    await expectHitless(async () => {
      await cluster.central.endProcess();
      await cluster.central.restore(backup);
      await cluster.central.startProcess();
      await until(
        "both chassis to wait for an operator",
        async () => {
          const status = await cluster.central.must("status", "--wide");
          return [A, B].every((name) => status.includes(`weft chassis adopt ${name}`));
        },
        60_000,
      );
    });
    for (const name of [A, B]) await cluster.central.must("chassis", "adopt", name);
    await cluster.waitUp(undefined, 60_000);
    await reachable();
  });

  test("on an empty database: nothing is pruned by mistake", async () => {
    await expectHitless(async () => {
      await cluster.central.endProcess();
      await cluster.central.forget();
      await cluster.central.startProcess();
      await pause(3_000);
    });
    await reachable();
  });
});
