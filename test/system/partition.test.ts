// A chassis that central does not reach any more while its guests go on sending: what it learned before must hurt nobody, however
// its keys are reused meanwhile; and it comes back, by itself once it is heard again, by an operator's word once declared lost.

import { afterAll, beforeAll, expect, test } from "vitest";
import { Cluster } from "../lab/cluster.ts";
import { BROADCAST, readTunnelled, udp } from "../lab/frames.ts";
import { Guest } from "../lab/guest.ts";
import { type Host, Hosts } from "../lab/hosts.ts";
import * as intent from "../lab/intent.ts";
import { until } from "../lab/ovs.ts";

const A = "chassis-a";
const B = "chassis-b";
const C = "chassis-c";

/** As short as central allows. */
const STALE_AFTER_MS = 10_000;
const FENCED_MS = STALE_AFTER_MS + 10_000;
const BACK_MS = 60_000;

const networkText = (id: string) => intent.networkText({ id, project: id, cidrs: ["10.7.0.0/24"] });

const portText = (id: string, network: string, chassis: string | null, last: number) =>
  intent.portText({ id, project: network, network, chassis, ips: [`10.7.0.${last}`] });

interface Keyed {
  readonly metadata: { readonly id: string };
  readonly status?: { readonly key?: number };
}

let cluster: Cluster;
let hosts: Hosts;
/** Guests that the cluster does not know: two may stand for one port. */
const twins: Guest[] = [];

beforeAll(async () => {
  cluster = await Cluster.start({
    ...{ prefix: "wfpart", chassis: [A, B, C] },
    centralConfig: {
      chassis: { leaseMs: 2_000, staleAfterMs: STALE_AFTER_MS },
      ipam: { reuseKeysAbove: 0, addressReuseAfterMs: 0 },
    },
  });
  await apply(
    networkText("old"),
    portText("near", "old", A, 11),
    portText("victim", "old", B, 12),
    portText("stale", "old", C, 13),
  );
  hosts = new Hosts(cluster);
  await hosts.bring();
  await hosts.converged();
}, 240_000);

afterAll(async () => {
  await hosts?.stop();
  for (const twin of twins) await twin.stop();
  await cluster?.stop();
});

const apply = (...texts: readonly string[]) => cluster.apply(texts.join(""));

const setManagement = (chassis: string, up: boolean) =>
  cluster.fabric.setLink("mgmt", cluster.one(chassis).netns, up);

async function keyOf(kind: "networks" | "ports", id: string): Promise<number> {
  const listed = await cluster.central.json<readonly Keyed[]>("list", kind);
  const key = listed.find(({ metadata }) => metadata.id === id)?.status?.key;
  if (key === undefined) throw new Error(`no key of ${kind} ${id}`);
  return key;
}

async function livenessIs(chassis: string, liveness: string, deadlineMs: number): Promise<void> {
  await until(
    `${chassis} to be ${liveness}`,
    async () => {
      const listed = await cluster.central.json<
        readonly { metadata: { id: string }; status?: { liveness?: string } }[]
      >("list", "chassis");
      return listed.some(
        ({ metadata, status }) => metadata.id === chassis && status?.liveness === liveness,
      );
    },
    deadlineMs,
  );
}

/** Tunnel packets that a chassis refused because of the address that they come from. */
async function refused(chassis: string, from: string): Promise<number> {
  const flows = await cluster.one(chassis).ovs.ofctl("dump-flows", "br-int");
  const line = flows
    .split("\n")
    .find((flow) => flow.includes(`tun_src=${cluster.one(from).vtepIp}`) && /=drop$/.test(flow));
  return line === undefined ? -1 : Number(/n_packets=(\d+)/.exec(line)?.[1]);
}

const datagram = ({ mac, ip }: Host, to: { mac: string; ip: string }, text: string) =>
  Buffer.concat([
    udp({ src: mac, dst: to.mac }, { from: ip, to: to.ip, fromPort: 7, toPort: 7 }),
    Buffer.from(text),
  ]);

const broadcastAddress = { mac: BROADCAST, ip: "255.255.255.255" };

/** Plugs a guest of its own for a port on a chassis. */
async function plugOn(chassis: string, portId: string): Promise<void> {
  const port = (await cluster.ports()).find(({ metadata }) => metadata.id === portId);
  const name = `${portId}-${chassis.at(-1)}`;
  const guest = await Guest.start({
    ...{ name, netns: `${cluster.fabric.prefix}-g-${name}`, labDir: cluster.dir },
    ...{ hostNetns: cluster.one(chassis).netns, mac: port?.spec.mac ?? "", mtuBytes: 1400 },
    addresses: [],
  });
  twins.push(guest);
  await cluster.one(chassis).plug(guest.hostInterface, portId);
}

async function stateOf(id: string): Promise<string> {
  const port = (await cluster.ports()).find(({ metadata }) => metadata.id === id);
  const { state = "DOWN", chassis = "", reason = "" } = port?.status ?? {};
  return [state, chassis, reason].filter((part) => part !== "").join(" ");
}

/** What these chassis were told is on their disks: only then may freed keys be used again. */
async function durable(...chassis: readonly string[]): Promise<void> {
  await until("the removals to be on disk", async () => {
    const listed = await cluster.central.json<
      readonly {
        metadata: { id: string };
        status?: { sentSequence?: number; durableSequence?: number };
      }[]
    >("list", "chassis");
    return listed
      .filter(({ metadata }) => chassis.includes(metadata.id))
      .every(({ status }) => (status?.durableSequence ?? 0) >= (status?.sentSequence ?? 0));
  });
}

test("keys of a chassis cut off beyond staleAfter go to others, and nobody gets its packets", async () => {
  const stale = hosts.get("stale");
  const victim = hosts.get("victim");
  const keys = { network: await keyOf("networks", "old"), port: await keyOf("ports", "victim") };
  await setManagement(C, false);
  await livenessIs(C, "FENCED", FENCED_MS);

  // Everything that C knows of is deleted, and its numbers go to another tenant on the host that C sends to.
  for (const id of ["near", "victim"]) {
    await hosts.remove(id);
    await cluster.removeGuest(id);
  }
  for (const id of ["near", "victim", "stale"]) {
    await cluster.central.must("delete", "port", id);
  }
  await cluster.central.must("delete", "subnet", "old-4");
  await cluster.central.must("delete", "network", "old");
  await durable(A, B);
  const heirs = ["heir-1", "heir-2", "heir-3"];
  await apply(networkText("new"), ...heirs.map((id, at) => portText(id, "new", B, 21 + at)));
  await hosts.bring(heirs);
  expect(await keyOf("networks", "new")).toBe(keys.network);
  expect(await Promise.all(heirs.map((id) => keyOf("ports", id)))).toContain(keys.port);
  await hosts.converged(heirs);

  // C still sends as it learned: to the tunnel address and under the keys that are the heirs' now.
  const wire = await cluster.tapWire("under", C);
  const before = await refused(B, C);
  expect(before).toBeGreaterThanOrEqual(0);
  stale.tap.send(datagram(stale, victim, "to the victim"));
  stale.tap.send(datagram(stale, broadcastAddress, "to everybody"));
  await until("host B to refuse both", async () => (await refused(B, C)) >= before + 2, 10_000);
  await wire.sync();
  const sent = wire.frames.flatMap((frame) => readTunnelled(frame) ?? []);
  await wire.stop();
  expect(sent.filter(({ vni }) => vni === keys.network).length).toBeGreaterThanOrEqual(2);
  await hosts.settle("heir-1", ["stale"]);
  for (const id of heirs) {
    expect(hosts.get(id).tap.count(Buffer.from("to the victim"))).toBe(0);
    expect(hosts.get(id).tap.count(Buffer.from("to everybody"))).toBe(0);
  }
}, 180_000);

test("it stays refused when central dies meanwhile", async () => {
  await cluster.central.endProcess("SIGKILL");
  await cluster.central.startProcess();
  await apply(portText("late", "new", B, 24));
  await hosts.bring(["late"]);
  await livenessIs(C, "FENCED", 1_000);
  const before = await refused(B, C);
  const stale = hosts.get("stale");
  stale.tap.send(datagram(stale, broadcastAddress, "still here"));
  await until("host B to refuse it", async () => (await refused(B, C)) > before, 10_000);
  expect(before).toBeGreaterThan(0);
}, 180_000);

test("healed, it is in sync again, its old port is gone and new ones work", async () => {
  await setManagement(C, true);
  await livenessIs(C, "ALIVE", BACK_MS);
  await until("B to let C in again", async () => (await refused(B, C)) === -1, 10_000);
  const stale = hosts.get("stale");
  const flows = await cluster.one(C).ovs.ofctl("dump-flows", "br-int");
  expect(flows).not.toContain(stale.mac);
  await hosts.remove("stale");
  await cluster.removeGuest("stale");
  await apply(portText("fresh", "new", C, 31));
  await hosts.bring(["fresh"]);
  await hosts.converged();
}, 180_000);

test("declared lost: its ports may run elsewhere and it is refused, until it is adopted", async () => {
  await apply(portText("nomad", "new", null, 41));
  await plugOn(C, "nomad");
  await cluster.waitUp(["nomad"]);
  expect(await stateOf("nomad")).toBe(`UP ${C}`);
  const guests = hosts.ids;
  expect(guests).toContain("fresh");
  await setManagement(C, false);
  await cluster.central.must("chassis", "lost", C, "--yes");
  await until("B to refuse C", async () => (await refused(B, C)) >= 0, 10_000);
  expect(await stateOf("fresh")).toBe(`DOWN chassis ${C} was declared lost`);
  await plugOn(A, "nomad");
  await cluster.waitUp(["nomad"]);
  expect(await stateOf("nomad")).toBe(`UP ${A}`);

  const fresh = hosts.get("fresh");
  const before = await refused(B, C);
  fresh.tap.send(datagram(fresh, broadcastAddress, "from a lost one"));
  await until("B to refuse the packet", async () => (await refused(B, C)) > before, 10_000);
  await hosts.settle("heir-1", ["fresh"]);
  for (const id of guests.filter((id) => id !== "fresh")) {
    expect(hosts.get(id).tap.count(Buffer.from("from a lost one"))).toBe(0);
  }

  // Reachable again it waits: only an operator knows that its guests do not run twice.
  await setManagement(C, true);
  await until(
    `${C} to wait for an operator`,
    async () => (await cluster.central.must("status", "--wide")).includes(`chassis adopt ${C}`),
    BACK_MS,
  );
  expect(await stateOf("fresh")).toContain("DOWN");
  await cluster.central.must("chassis", "adopt", C);
  await livenessIs(C, "ALIVE", BACK_MS);
  await cluster.waitUp(["fresh"], BACK_MS);
  await until("B to let C in again", async () => (await refused(B, C)) === -1, 10_000);
  await hosts.converged();
  // Its twin on C does not take it back.
  expect(await stateOf("nomad")).toBe(`UP ${A}`);
}, 180_000);
