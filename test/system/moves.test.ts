// Ports that come, go and move while numbered datagrams run: between chassis, two plugs for one port, admin state, deletion. Addresses
// that move are claims.test.ts. Deadlines are three times the promise; the true figures are the bench's.

import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cluster } from "../lab/cluster.ts";
import { BROADCAST, udp } from "../lab/frames.ts";
import { Guest, type StreamResult } from "../lab/guest.ts";
import { type Host, Hosts } from "../lab/hosts.ts";
import * as intent from "../lab/intent.ts";
import { until } from "../lab/ovs.ts";
import { during } from "../lab/streams.ts";

const A = "chassis-a";
const B = "chassis-b";
const C = "chassis-c";

/** From a plug until all others send there. */
const MOVE_MS = 3_000;

const portText = (id: string, network: string, chassis: string | null, last: number, more = "") =>
  intent.portText({ id, network, chassis, ips: [`10.4.0.${last}`, `fd04::${last}`], more });

const INTENT = [
  intent.networkText({ id: "life", cidrs: ["10.4.0.0/24", "fd04::/64"] }),
  portText("life-a", "life", A, 11),
  portText("life-b", "life", B, 12),
  portText("calm-b", "life", B, 13),
  portText("doomed", "life", B, 14),
  portText("nomad", "life", A, 15),
  portText("twice", "life", null, 16),
  portText("client", "life", C, 17),
].join("");

let cluster: Cluster;
let hosts: Hosts;

beforeAll(async () => {
  cluster = await Cluster.start({ prefix: "wfmove", chassis: [A, B, C] });
  await apply(INTENT);
  hosts = new Hosts(cluster);
  await hosts.bring();
  await hosts.converged();
}, 240_000);

afterAll(async () => {
  await hosts?.stop();
  await cluster?.stop();
});

const apply = (text: string) => cluster.apply(text, "--wait");

async function portOf(id: string) {
  const port = (await cluster.ports()).find(({ metadata }) => metadata.id === id);
  if (port === undefined) throw new Error(`no port ${id}`);
  return port;
}

/** Another guest for a port that has one already: a second plug of the same iface-id, on another chassis. */
async function plugAgain(id: string, name: string, chassis: string): Promise<Host> {
  const port = await portOf(id);
  const guest = await Guest.start({
    ...{ name, netns: `${cluster.fabric.prefix}-g-${name}`, labDir: cluster.dir },
    ...{ hostNetns: cluster.one(chassis).netns, mac: port.spec.mac, mtuBytes: 1400 },
    addresses: (port.spec.fixedIps ?? []).map(({ ip }) => `${ip}/${ip.includes(":") ? 64 : 24}`),
  });
  cluster.guests.set(name, guest);
  const host = await hosts.add(name, guest.netns, port);
  await cluster.one(chassis).plug(guest.hostInterface, id);
  return host;
}

async function whoAnswers(from: string, ip: string, timeoutMs = 300): Promise<string | null> {
  return (await cluster.guest(from).probe(ip, timeoutMs)).name;
}

/** Streams to addresses of a host that moves meanwhile. */
function streaming(
  streams: readonly (readonly [from: string, ip: string])[],
  move: () => Promise<void>,
): Promise<readonly StreamResult[]> {
  const flows = streams.map(([from, to]) => ({ from: cluster.guest(from), to }));
  return during(flows, move);
}

const unicast = (from: Host, to: Host) =>
  udp({ src: from.mac, dst: to.mac }, { from: from.ip, to: to.ip, fromPort: 4000, toPort: 4000 });

const broadcast = (from: Host) =>
  udp(
    { src: from.mac, dst: BROADCAST },
    { from: from.ip, to: "255.255.255.255", fromPort: 4000, toPort: 4000 },
  );

/** What `id` sends arrives nowhere, and what others send does not arrive at it. */
async function expectClosed(id: string, via: string, peer: string): Promise<void> {
  const [closed, other] = [hosts.get(id), hosts.get(peer)];
  const silent = { closed: closedNow };
  const out = [unicast(closed, other), broadcast(closed)];
  expect(await hosts.sendAll(id, out, { ...silent, via })).toEqual([{}, {}]);
  const [direct, everyone] = await hosts.sendAll(
    peer,
    [unicast(other, closed), broadcast(other)],
    silent,
  );
  expect(direct ?? {}).not.toHaveProperty(id);
  expect(everyone ?? {}).not.toHaveProperty(id);
  expect(everyone).toHaveProperty(via);
}

/** Hosts that are closed at this point of the file. */
let closedNow: readonly string[] = [];

test("a port that is admin down is closed both ways until it is up again", async () => {
  await apply(portText("life-b", "life", B, 12, "adminDown: true"));
  await until("life-b to say so", async () => {
    const { status } = await portOf("life-b");
    return status?.state !== "UP" && /admin.down/.test(status?.reason ?? "");
  });
  closedNow = ["life-b"];
  await expectClosed("life-b", "calm-b", "life-a");
  await apply(portText("life-b", "life", B, 12));
  closedNow = [];
  await cluster.waitUp(["life-b"]);
  await hosts.converged(["life-a", "life-b", "calm-b"]);
  expect(await whoAnswers("life-a", hosts.get("life-b").ip, 5_000)).toBe("life-b");
});

test("a port whose device is larger than its network carries is closed both ways until it fits", async () => {
  const { hostInterface } = cluster.guest("life-b");
  const mtuBytes = (await portOf("life-b")).status?.mtuBytes ?? 0;
  const setMtu = (bytes: number) =>
    cluster
      .one(B)
      .ovs.exec(...(["ip", "link", "set", hostInterface, "mtu", String(bytes)] as const));
  await setMtu(mtuBytes + 1);
  await until("life-b to say so", async () => {
    const { status } = await portOf("life-b");
    return (
      status?.state === "PLUGGED" &&
      status.reason?.includes(`has MTU ${mtuBytes + 1}, the network carries ${mtuBytes}`) === true
    );
  });
  closedNow = ["life-b"];
  await expectClosed("life-b", "calm-b", "life-a");
  const [closed, near] = [hosts.get("life-b"), hosts.get("calm-b")];
  const frames = [unicast(near, closed), broadcast(near)];
  const [direct, everyone] = await hosts.sendAll("calm-b", frames, { closed: closedNow });
  expect(direct ?? {}).not.toHaveProperty("life-b");
  expect(everyone ?? {}).not.toHaveProperty("life-b");
  expect(everyone).toHaveProperty("life-a");
  await setMtu(mtuBytes);
  closedNow = [];
  await cluster.waitUp(["life-b"]);
  await hosts.converged(["life-a", "life-b", "calm-b"]);
  expect(await whoAnswers("life-a", hosts.get("life-b").ip, 5_000)).toBe("life-b");
});

test("a deleted port is gone", async () => {
  await cluster.central.must("delete", "port", "doomed", "--wait");
  closedNow = ["doomed"];
  await expectClosed("doomed", "calm-b", "life-a");
  expect((await cluster.ports()).map(({ metadata }) => metadata.id)).not.toContain("doomed");
  expect(await whoAnswers("life-a", hosts.get("doomed").ip)).toBeNull();
});

test("a port that is plugged on two chassis belongs to the first; the other plug is closed and says why", async () => {
  const { ip } = hosts.get("twice");
  closedNow = [...closedNow, "twice-too"];
  await plugAgain("twice", "twice-too", B);
  await until("weft and the losing agent to say why", async () => {
    type Listed = {
      metadata: { id: string };
      status: { failed?: { key: string; reason: string }[] };
    };
    const chassis = await cluster.central.json<readonly Listed[]>("list", "chassis");
    const loser = chassis.find(({ metadata }) => metadata.id === B);
    const told = loser?.status.failed?.some(
      ({ key, reason }) => key === "port/twice" && reason.includes("chassis-a has the port"),
    );
    const log = await readFile(cluster.one(B).agentLog, "utf8");
    return told === true && /"portId":"twice","reason":"chassis-a has the port/.test(log);
  });
  for (const client of ["life-a", "client"]) expect(await whoAnswers(client, ip)).toBe("twice");
  await expectClosed("twice-too", "calm-b", "life-a");
  expect((await portOf("twice")).status).toMatchObject({ state: "UP", chassis: A });
});

test("the other plug takes over when the first one goes", async () => {
  const { ip, ip6 } = hosts.get("twice-too");
  const before = (await portOf("twice")) as { status?: { generation?: number } };
  await cluster.one(A).unplug(cluster.guest("twice").hostInterface);
  closedNow = closedNow.filter((id) => id !== "twice-too").concat("twice");
  for (const client of ["life-a", "client", "calm-b"]) {
    for (const target of [ip, ip6]) {
      await until(
        `twice-too to answer ${client} on ${target}`,
        async () => (await whoAnswers(client, target)) === "twice-too",
        MOVE_MS,
      );
    }
  }
  const after = (await portOf("twice")) as { status?: { generation?: number; chassis?: string } };
  expect(after.status?.chassis).toBe(B);
  expect(after.status?.generation).toBeGreaterThan(before.status?.generation ?? 0);
});

test("a port that is requested elsewhere moves there; its old plug is closed", async () => {
  const { ip, ip6 } = hosts.get("nomad");
  const streams = ["client", "life-b", "life-a"].flatMap((from) =>
    [ip, ip6].map((target) => [from, target] as const),
  );
  closedNow = [...closedNow, "nomad-too"];
  await plugAgain("nomad", "nomad-too", B);
  expect(await whoAnswers("client", ip, 2_000)).toBe("nomad");
  const results = await streaming(streams, async () => {
    await apply(portText("nomad", "life", B, 15));
    for (const [client, target] of streams) {
      await until(
        `nomad-too to answer ${client} on ${target}`,
        async () => (await whoAnswers(client, target)) === "nomad-too",
        MOVE_MS,
      );
    }
  });
  for (const { received, longestGapMs } of results) {
    expect(longestGapMs).toBeLessThan(MOVE_MS);
    expect(received).toBeGreaterThan(0);
  }
  closedNow = closedNow.filter((id) => id !== "nomad-too").concat("nomad");
  await expectClosed("nomad", "life-a", "client");
  expect((await portOf("nomad")).status).toMatchObject({ state: "UP", chassis: B });
});
