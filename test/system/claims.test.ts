// Addresses that no port has as a fixed one, and that belong to the port that last spoke for them: of allowed pairs, with a virtual MAC or
// without, on overlays and on a physical network; and any of a network with a router, by ports with port security off. They move while
// numbered datagrams run, and neighbours see them announced. Deadlines are three times the promise; the true figures are the bench's.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cluster } from "../lab/cluster.ts";
import { gratuitousAdvertisement, gratuitousArp } from "../lab/frames.ts";
import { Guest } from "../lab/guest.ts";
import { Hosts } from "../lab/hosts.ts";
import * as intent from "../lab/intent.ts";
import { until } from "../lab/ovs.ts";
import { during, INTERVAL_MS } from "../lab/streams.ts";
import { EXTERNAL_BRIDGE } from "../lab/wiring.ts";
import { routerText } from "./routed-lab.ts";

const A = "chassis-a";
const B = "chassis-b";
const C = "chassis-c";

/** From an announcement until all others send there. */
const MOVE_MS = 3_000;

const VIRTUAL_MAC = "00:00:5e:00:01:07";
const VLAN = 302;
/** A machine of the physical network, which Weft knows nothing of. */
const MACHINE = "machine";

/** Addresses that move in a network, IPv4 first. */
const OWN = { vips: ["10.3.0.100", "fd03::100"], open: ["10.6.0.100", "fd06::100"] } as const;
const VIRTUAL = { vips: ["10.3.0.101", "fd03::101"], wire: ["10.5.0.101", "fd05::101"] } as const;

const NUMBERS = { vips: 3, wire: 5, open: 6 } as const;
type Network = keyof typeof NUMBERS;

const addresses = (network: Network, last: number) => [
  `10.${NUMBERS[network]}.0.${last}`,
  `fd0${NUMBERS[network]}::${last}`,
];

const networkText = (id: Network, type?: string) =>
  intent.networkText({
    ...{ id, type },
    cidrs: [`10.${NUMBERS[id]}.0.0/24`, `fd0${NUMBERS[id]}::/64`],
  });

const portText = (id: string, network: Network, chassis: string, last: number, more = "") =>
  intent.portText({ id, network, chassis, ips: addresses(network, last), more });

const pairsText = (pairs: readonly string[]) => `allowedAddressPairs: [${pairs.join(", ")}]`;
const withVirtualMac = (ip: string) => `{ip: "${ip}", mac: "${VIRTUAL_MAC}"}`;

const VIP_PAIRS = pairsText([
  ...OWN.vips.map((ip) => `{ip: "${ip}"}`),
  ...VIRTUAL.vips.map(withVirtualMac),
]);
const WIRE_PAIRS = pairsText(VIRTUAL.wire.map(withVirtualMac));
const OPEN = "portSecurityDisabled: true";

const INTENT = [
  networkText("vips"),
  portText("vip-a", "vips", A, 11, VIP_PAIRS),
  portText("vip-b", "vips", B, 12, VIP_PAIRS),
  portText("near", "vips", A, 13),
  portText("far", "vips", C, 14),
  networkText("wire", `provider: {physicalNetwork: physnet1, vlan: ${VLAN}}`),
  portText("wire-a", "wire", A, 11, WIRE_PAIRS),
  portText("wire-b", "wire", B, 12, WIRE_PAIRS),
  portText("wire-near", "wire", A, 13),
  networkText("open"),
  portText("open-a", "open", A, 11, OPEN),
  portText("open-b", "open", B, 12, OPEN),
  portText("shut-a", "open", A, 13),
  portText("shut-c", "open", C, 14),
  routerText("open-core", ["open"]),
].join("");

let cluster: Cluster;
let hosts: Hosts;

beforeAll(async () => {
  cluster = await Cluster.start({ prefix: "wfclaim", chassis: [A, B, C] });
  await cluster.apply(INTENT, "--wait");
  hosts = new Hosts(cluster);
  await hosts.bring();
  await hosts.converged();
  await addMachine();
}, 240_000);

afterAll(async () => {
  await hosts?.stop();
  await cluster?.stop();
});

/** At an access port of the switch that leads to the physical network, on the third chassis' side of it. */
async function addMachine(): Promise<void> {
  const { netns, ovs } = cluster.one(C);
  const machine = await Guest.start({
    ...{ name: MACHINE, netns: `${cluster.fabric.prefix}-g-${MACHINE}`, labDir: cluster.dir },
    ...{ hostNetns: netns, mac: "02:ee:00:00:00:99", mtuBytes: 1400 },
    addresses: ["10.5.0.99/24", "fd05::99/64"],
  });
  cluster.guests.set(MACHINE, machine);
  await ovs.vsctl("add-port", EXTERNAL_BRIDGE, machine.hostInterface, `tag=${VLAN}`);
}

async function whoAnswers(from: string, ip: string, timeoutMs = 300): Promise<string | null> {
  return (await cluster.guest(from).probe(ip, timeoutMs)).name;
}

async function claimedBy(id: string): Promise<readonly string[]> {
  const port = (await cluster.ports()).find(({ metadata }) => metadata.id === id);
  const status = port?.status as { claimedIps?: readonly string[] } | undefined;
  return status?.claimedIps ?? [];
}

async function expectHolder(
  id: string,
  ips: readonly string[],
  clients: readonly string[],
): Promise<void> {
  for (const client of clients) {
    for (const ip of ips) {
      await until(
        `${id} to answer ${client} on ${ip}`,
        async () => (await whoAnswers(client, ip)) === id,
        MOVE_MS,
      );
    }
  }
  await until(`${id} to be listed with ${ips.join(", ")}`, async () => {
    const claimed = await claimedBy(id);
    return ips.every((ip) => claimed.includes(ip));
  });
}

const announcement = (mac: string, ip: string) =>
  ip.includes(":") ? gratuitousAdvertisement(mac, ip) : gratuitousArp(mac, ip);

/** The guest has the addresses, with its own MAC, and says so. */
async function take(id: string, ips: readonly string[]): Promise<void> {
  for (const ip of ips) {
    const address = ip.includes(":") ? [`${ip}/64`, "nodad"] : [`${ip}/24`];
    const [cidr = "", ...flags] = address;
    await cluster.guest(id).exec("ip", "address", "add", cidr, "dev", "eth0", ...flags);
  }
  const { mac, tap } = hosts.get(id);
  for (const ip of ips) tap.send(announcement(mac, ip));
}

async function give(id: string, ips: readonly string[]): Promise<void> {
  for (const ip of ips) {
    const cidr = `${ip}/${ip.includes(":") ? 64 : 24}`;
    await cluster.guest(id).exec("ip", "address", "delete", cidr, "dev", "eth0");
  }
}

/** The guest has the addresses with the virtual MAC, and says so. */
async function takeVirtual(id: string, ips: readonly string[]): Promise<void> {
  const guest = cluster.guest(id);
  await guest.exec(
    ...["ip", "link", "add", "vrrp0", "link", "eth0", "address", VIRTUAL_MAC, "type"],
    ...["macvlan", "mode", "private"],
  );
  await guest.exec("ip", "link", "set", "vrrp0", "up");
  for (const ip of ips) {
    const address = ip.includes(":") ? [`${ip}/128`, "nodad"] : [`${ip}/32`];
    const [cidr = "", ...flags] = address;
    await guest.exec("ip", "address", "add", cidr, "dev", "vrrp0", ...flags);
  }
  for (const ip of ips) hosts.get(id).tap.send(announcement(VIRTUAL_MAC, ip));
}

const giveVirtual = (id: string) => cluster.guest(id).exec("ip", "link", "delete", "vrrp0");

/** Streams of the clients to the addresses while these move. */
async function expectContinuity(
  clients: readonly string[],
  ips: readonly string[],
  move: () => Promise<void>,
): Promise<void> {
  const flows = clients.flatMap((client) => ips.map((to) => ({ from: cluster.guest(client), to })));
  for (const { sent, received, longestGapMs } of await during(flows, move)) {
    expect(longestGapMs).toBeLessThan(MOVE_MS);
    expect(received).toBeGreaterThan(0);
    expect(sent - received).toBeLessThan(MOVE_MS / INTERVAL_MS);
  }
}

describe("an address of an allowed pair belongs to the port that last spoke for it", () => {
  const clients = ["near", "far"];

  test("the first one that announces it", async () => {
    expect(await whoAnswers("far", OWN.vips[0])).toBeNull();
    await take("vip-a", OWN.vips);
    await expectHolder("vip-a", OWN.vips, clients);
  });

  test("it moves under traffic, there and back", async () => {
    for (const [from, to] of [
      ["vip-a", "vip-b"],
      ["vip-b", "vip-a"],
    ] as const) {
      await expectContinuity(clients, OWN.vips, async () => {
        await give(from, OWN.vips);
        await take(to, OWN.vips);
        await expectHolder(to, OWN.vips, clients);
      });
    }
  });

  test("with a virtual MAC, as VRRP has it", async () => {
    await takeVirtual("vip-a", VIRTUAL.vips);
    await expectHolder("vip-a", VIRTUAL.vips, clients);
    await expectContinuity(clients, VIRTUAL.vips, async () => {
      await giveVirtual("vip-a");
      await takeVirtual("vip-b", VIRTUAL.vips);
      await expectHolder("vip-b", VIRTUAL.vips, clients);
    });
    const far = cluster.guest("far");
    expect(await far.exec("ip", "neighbour", "show", VIRTUAL.vips[0])).toContain(VIRTUAL_MAC);
  });

  test("a port that has no such pair cannot take it", async () => {
    const { mac, tap } = hosts.get("near");
    for (const ip of OWN.vips) tap.send(announcement(mac, ip));
    await hosts.settle("near");
    await expectHolder("vip-a", OWN.vips, clients);
    expect(await claimedBy("near")).toEqual([]);
  });
});

describe("on a physical network without a router", () => {
  const clients = [MACHINE, "wire-near"];
  /** Flows of a chassis that take frames with the virtual MAC from the physical network. */
  const taken = async (chassis: string) => {
    const flows = await cluster.one(chassis).ovs.ofctl("dump-flows", "br-int", "table=7");
    return flows.split("\n").filter((line) => line.includes(`dl_dst=${VIRTUAL_MAC}`)).length;
  };

  test("a virtual MAC is reached by a machine there and by ports, at the port that claimed its address", async () => {
    expect(await whoAnswers(MACHINE, VIRTUAL.wire[0])).toBeNull();
    await takeVirtual("wire-a", VIRTUAL.wire);
    await expectHolder("wire-a", VIRTUAL.wire, clients);
    const machine = cluster.guest(MACHINE);
    expect(await machine.exec("ip", "neighbour", "show", VIRTUAL.wire[0])).toContain(VIRTUAL_MAC);
  });

  test("it moves to another chassis under traffic, there and back", async () => {
    expect([await taken(A), await taken(B)]).toEqual([1, 0]);
    for (const [from, to, flows] of [
      ["wire-a", "wire-b", [0, 1]],
      ["wire-b", "wire-a", [1, 0]],
    ] as const) {
      await expectContinuity(clients, VIRTUAL.wire, async () => {
        await giveVirtual(from);
        await takeVirtual(to, VIRTUAL.wire);
        await expectHolder(to, VIRTUAL.wire, clients);
      });
      expect([await taken(A), await taken(B)]).toEqual(flows);
    }
  });
});

describe("an address that no pair names moves between ports with port security off", () => {
  const others = ["shut-a", "shut-c"];

  test("all neighbours see each announcement, however soon it comes", async () => {
    for (const id of ["open-a", "open-b", "open-b", "open-a"]) {
      const { mac } = hosts.get(id);
      const peer = id === "open-a" ? "open-b" : "open-a";
      const seen = await hosts.sendAll(
        id,
        OWN.open.map((ip) => announcement(mac, ip)),
      );
      const all = Object.fromEntries([...others, peer].map((receiver) => [receiver, 1]));
      expect(seen).toEqual([all, all]);
    }
    await until("the last one to have the addresses", async () => {
      const claimed = await claimedBy("open-a");
      return OWN.open.every((ip) => claimed.includes(ip));
    });
  });

  test("it moves under traffic, there and back", async () => {
    await take("open-a", OWN.open);
    await expectHolder("open-a", OWN.open, others);
    for (const [from, to] of [
      ["open-a", "open-b"],
      ["open-b", "open-a"],
    ] as const) {
      await expectContinuity(others, OWN.open, async () => {
        await give(from, OWN.open);
        await take(to, OWN.open);
        await expectHolder(to, OWN.open, others);
      });
      const { mac } = hosts.get(to);
      for (const other of others) {
        const known = await cluster.guest(other).exec("ip", "neighbour", "show", OWN.open[0]);
        expect(known).toContain(mac);
      }
    }
  });

  test("an address that is fixed to another does not move: who announces it is told whose it is", async () => {
    const [owner, thief] = [hosts.get("shut-c"), hosts.get("open-a")];
    const before = thief.tap.frames.length;
    expect(await hosts.send("open-a", gratuitousArp(thief.mac, owner.ip))).toEqual({
      "open-a": 1,
    });
    const said = thief.tap.frames.slice(before).map((frame) => frame.toString("hex"));
    expect(said.some((frame) => frame.includes(owner.mac.replaceAll(":", "")))).toBe(true);
    expect(await whoAnswers("shut-a", owner.ip, 2_000)).toBe("shut-c");
    expect(await claimedBy("open-a")).not.toContain(owner.ip);
  });
});
