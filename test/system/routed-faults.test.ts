// Faults while routed traffic runs between chassis, both families, each way through two routers: central, an agent and both die; and
// central is cut off from half of the chassis while what it wants changes. What "nothing lost" means is in lab/streams.ts.

import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../lab/ovs.ts";
import { expectHitless, type Flow } from "../lab/streams.ts";
import {
  interfaceText,
  isError,
  linkText,
  networkText,
  portText,
  RoutedLab,
  routerText,
  routeText,
} from "./routed-lab.ts";

const A = "chassis-a";
const B = "chassis-b";
const BACK_MS = 60_000;

/** web - r1 == r2 - db: traffic runs from near to far, and back. */
const INTENT = [
  networkText("web", 1),
  networkText("db", 2, { type: "overlay: {encap: vxlan}" }),
  portText("near", "web", A, [1, 11]),
  portText("far", "db", B, [2, 12]),
  routerText("r1", ["web"]),
  routerText("r2", ["db"]),
  linkText(1, "r1", "r2"),
  routeText("on", "r1", ["10.1.2.0/24", "fd01:2::/64"], ["10.255.1.2", "fd00:ff:1::2"]),
  routeText("back", "r2", ["10.1.1.0/24", "fd01:1::/64"], ["10.255.1.1", "fd00:ff:1::1"]),
].join("");

let lab: RoutedLab;

beforeAll(async () => {
  lab = await RoutedLab.start({ prefix: "wfrf", chassis: [A, B] }, INTENT);
  await reachable();
}, 240_000);

afterAll(async () => {
  await lab?.stop();
});

const host = (id: string) => lab.hosts.get(id);

function flows(): readonly Flow[] {
  const [near, far] = [lab.cluster.guest("near"), lab.cluster.guest("far")];
  return [
    { from: near, to: host("far").ip },
    { from: near, to: host("far").ip6 },
    { from: far, to: host("near").ip },
    { from: far, to: host("near").ip6 },
  ];
}

async function reachable(deadlineMs = 20_000): Promise<void> {
  for (const { from, to } of flows()) {
    const name = from.name === "near" ? "far" : "near";
    await until(
      `${from.name} to reach ${to}`,
      async () => (await from.probe(to, 1_000)).name === name,
      deadlineMs,
    );
  }
}

interface ListedStatus {
  readonly liveness?: string;
  /** Known once the agent said hello to this very central. */
  readonly agentVersion?: string;
  readonly pending?: number;
  readonly failed?: readonly unknown[];
  readonly sentSequence?: number;
  readonly ackedSequence?: number;
}

interface ListedChassis {
  readonly metadata: { readonly id: string };
  readonly status?: ListedStatus;
}

function hasEverything(status: ListedStatus): boolean {
  const { liveness, agentVersion = "", pending = 0, failed = [] } = status;
  const isDone = pending === 0 && status.ackedSequence === status.sentSequence;
  return liveness === "ALIVE" && agentVersion !== "" && isDone && failed.length === 0;
}

/** Waits until these chassis are heard, have all that is meant for them and failed at nothing. */
async function realized(...names: readonly string[]): Promise<void> {
  let listed: readonly ListedChassis[] = [];
  await until(
    `${names.join(" and ")} to have everything`,
    async () => {
      listed = await lab.cluster.central.json<readonly ListedChassis[]>("list", "chassis");
      return listed
        .filter(({ metadata }) => names.includes(metadata.id))
        .every(({ status = {} }) => hasEverything(status));
    },
    BACK_MS,
  ).catch((cause: unknown) => {
    throw new Error(`not everywhere: ${JSON.stringify(listed)}`, { cause });
  });
}

test("kill -9 of central", async () => {
  await expectHitless(flows(), async () => {
    await lab.cluster.central.endProcess("SIGKILL");
    await lab.cluster.central.startProcess();
    await realized(A, B);
  });
});

test("kill -9 of an agent, which routes one way of the traffic and receives the other", async () => {
  const chassis = lab.cluster.one(A);
  const before = await chassis.ovs.ofctl("dump-flows", "br-int", "--no-stats");
  await expectHitless(flows(), async () => {
    await chassis.endAgent("SIGKILL");
    await chassis.startAgent();
    await realized(A);
  });
  expect(await chassis.ovs.ofctl("dump-flows", "br-int", "--no-stats")).toBe(before);
});

test("kill -9 of central and all agents", async () => {
  await expectHitless(flows(), async () => {
    await lab.cluster.central.endProcess("SIGKILL");
    for (const one of lab.cluster.chassis.values()) await one.endAgent("SIGKILL");
    for (const one of lab.cluster.chassis.values()) await one.startAgent();
    await lab.cluster.central.startProcess();
    await realized(A, B);
  });
});

/** A network behind r1 with a port on each chassis, and the way to it from r2. */
const branchText = (name: string, number: number) =>
  [
    networkText(name, number),
    interfaceText("r1", name),
    portText(`${name}-a`, name, A, [number, 11]),
    portText(`${name}-b`, name, B, [number, 12]),
    routeText(
      `to-${name}`,
      "r2",
      [`10.1.${number}.0/24`, `fd01:${number}::/64`],
      ["10.255.1.1", "fd00:ff:1::1"],
    ),
  ].join("");

/** All of it but the network. */
async function cutBranch(name: string): Promise<void> {
  const { central } = lab.cluster;
  await central.must("delete", "route", `to-${name}-4`, `to-${name}-6`);
  await central.must("delete", "router-interface", `r1-${name}`);
  await central.must("delete", "port", `${name}-a`, `${name}-b`);
}

test("half of the chassis cut off while routes, interfaces and ports change; then healed", async () => {
  const { central, fabric } = lab.cluster;
  const setManagement = (up: boolean) => fabric.setLink("mgmt", lab.cluster.one(B).netns, up);
  const statusOfB = async () => {
    const listed = await central.json<readonly ListedChassis[]>("list", "chassis");
    return listed.find(({ metadata }) => metadata.id === B)?.status ?? {};
  };
  const flowsOfB = () => lab.cluster.one(B).ovs.ofctl("dump-flows", "br-int", "--no-stats");
  const unrouted = ["10.1.5.11", "fd01:5::11"];
  await expectHitless(flows(), async () => {
    // B has the fifth network before, never hears of the fourth, and gets the third afterwards.
    await lab.apply(branchText("fifth", 5));
    await setManagement(false);
    const before = await flowsOfB();
    for (const [number, name] of [
      [3, "third"],
      [4, "fourth"],
    ] as const) {
      await lab.applyOnly(branchText(name, number));
    }
    for (const name of ["fourth", "fifth"]) await cutBranch(name);
    await realized(A);
    // A goes by what is wanted now, B by what it was told last.
    await plugOnce("third-a");
    for (const to of [host("third-a").ip, host("third-a").ip6])
      await answers("near", to, "third-a");
    expect(hasEverything(await statusOfB())).toBe(false);
    expect(before).toContain("10.1.5.0/24");
    expect(await flowsOfB()).toBe(before);
    await setManagement(true);
    await realized(A, B);
  });
  await lab.bring();
  const { ip, ip6 } = host("third-b");
  for (const to of [ip, ip6]) {
    for (const from of ["far", "near", "third-a"]) await answers(from, to, "third-b");
  }
  // far is on B: the way to the fifth network is gone there.
  for (const to of unrouted) {
    const seen = await lab.complain("far", { to });
    expect(seen.map(({ host: by }) => by)).toEqual(["far"]);
    expect(seen.map(isError)).toEqual([true]);
  }
  for (const name of [A, B]) {
    const dumped = await lab.cluster.one(name).ovs.ofctl("dump-flows", "br-int");
    expect(dumped).toContain("10.1.3.0/24");
    for (const gone of ["10.1.4.0/24", "10.1.5.0/24"]) expect(dumped).not.toContain(gone);
  }
  await reachable();
});

/** The fault may run more than once. */
async function plugOnce(id: string): Promise<void> {
  if (lab.cluster.guests.has(id)) return;
  await lab.cluster.plugGuests([id]);
  await lab.cluster.waitUp([id]);
  await lab.hosts.tapGuests();
}

async function answers(from: string, to: string, name: string): Promise<void> {
  expect((await lab.cluster.guest(from).probe(to, 5_000)).name).toBe(name);
}
