// What a network does with frames, judged by frames: who receives them, how often, and what crosses the wires between chassis.
// Two tenants use the same names, MACs and addresses. Moves and the life of ports are in moves.test.ts.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cluster } from "../lab/cluster.ts";
import * as frames from "../lab/frames.ts";
import { type Host, Hosts } from "../lab/hosts.ts";
import { ALL, ALLOWED, datagram, FORBIDDEN, STRANGER } from "./l2-frames.ts";
import { A, B, C, INTENT, MACS, NETWORKS } from "./l2-intent.ts";
import { until } from "../lab/ovs.ts";
import type { Tap } from "../lab/tap.ts";

let cluster: Cluster;
let hosts: Hosts;
let wires: Readonly<Record<"under" | "ext", Tap>>;
const keys = new Map<string, number>();
const gateways = new Map<string, string>();

beforeAll(async () => {
  cluster = await Cluster.start({ prefix: "wfl2", chassis: [A, B, C] });
  await cluster.apply(INTENT);
  for (const { metadata, status } of await cluster.central.json<
    readonly { metadata: { id: string }; status: { key: number } }[]
  >("list", "networks")) {
    keys.set(metadata.id, status.key);
  }
  for (const { metadata, spec } of await cluster.central.json<
    readonly { metadata: { id: string }; spec: { gatewayIp: string } }[]
  >("list", "subnets")) {
    gateways.set(metadata.id, spec.gatewayIp);
  }
  hosts = new Hosts(cluster);
  await hosts.bring();
  await hosts.converged();
  wires = { under: await cluster.tapWire("under", A), ext: await cluster.tapWire("ext", A) };
}, 240_000);

afterAll(async () => {
  for (const wire of Object.values(wires ?? {})) await wire.stop();
  await hosts?.stop();
  await cluster?.stop();
});

const families = (host: Host) => [host.ip, host.ip6];

/** What chassis A sent to a wire since `from`, read: tunnel packets as what they carry. */
function sentToWire(wire: "under" | "ext", from: number) {
  return wires[wire].frames.slice(from).flatMap((frame) => {
    const tunnelled = frames.readTunnelled(frame);
    if (wire === "under" && tunnelled === null) return [];
    return [
      {
        outer: frames.readFrame(frame),
        tunnelled,
        inner: frames.readFrame(tunnelled?.frame ?? frame),
      },
    ];
  });
}

const describeOnWire = ({ outer, tunnelled }: ReturnType<typeof sentToWire>[number]) =>
  tunnelled === null ? { vlan: outer.vlan } : { encap: tunnelled.encap, vni: tunnelled.vni };

describe.each(NETWORKS)("network $name", ({ name, number, wire, onWire, mtuBytes, wireBytes }) => {
  const port = (suffix: string) => hosts.get(`${name}-${suffix}`);
  const tap = () => wires[wire];
  const others = () =>
    Object.fromEntries(
      hosts.ids
        .filter((id) => hosts.get(id).network === name && id !== `${name}-a`)
        .map((id) => [id, 1]),
    );

  test.each(["a2", "b"])("real guests talk: a and %s", async (other) => {
    for (const ip of families(port(other))) {
      expect((await cluster.guest(`${name}-a`).probe(ip, 5_000)).name).toBe(`${name}-${other}`);
    }
    for (const ip of families(port("a"))) {
      expect((await cluster.guest(`${name}-${other}`).probe(ip, 5_000)).name).toBe(`${name}-a`);
    }
  });

  test("known unicast reaches its port and no other, and the wire only when it must", async () => {
    for (const [other, copies] of [
      ["a2", 0],
      ["b", 1],
    ] as const) {
      for (const ip of families(port(other))) {
        const before = tap().frames.length;
        const frame = datagram(port("a"), { mac: port(other).mac, ip });
        expect(await hosts.send(`${name}-a`, frame)).toEqual({ [`${name}-${other}`]: 1 });
        await tap().sync();
        const seen = sentToWire(wire, before).filter(
          ({ inner }) => inner.dst === port(other).mac && inner.ip?.to === ip,
        );
        const expected = onWire(keys.get(name) ?? 0);
        expect(seen.map(describeOnWire)).toEqual(new Array(copies).fill(expected));
      }
    }
  });

  test("broadcast and multicast reach every other port of the network once, and only those", async () => {
    const groups = ["255.255.255.255", `10.1.${number}.255`, "239.1.2.3", "ff02::1", "ff1e::77"];
    const list = groups.map((ip) => {
      const isGroup = ip.includes(":") || ip.startsWith("239");
      const mac = isGroup ? frames.multicastMac(ip) : frames.BROADCAST;
      return datagram(port("a"), { mac, ip });
    });
    expect(await hosts.sendAll(`${name}-a`, list)).toEqual(list.map(others));
  });

  test("ARP for a known address is answered on the chassis", async () => {
    // Where ports of a provider network are is not known: only those of the same chassis are answered for.
    const target = wire === "ext" ? port("a2") : port("b");
    const { mac: src, ip: senderIp } = port("a");
    const ask = (targetIp: string) =>
      frames.arp(
        { src, dst: frames.BROADCAST },
        { op: "request", senderMac: src, senderIp, targetMac: frames.NO_MAC, targetIp },
      );
    const before = tap().frames.length;
    const from = port("a").tap.frames.length;
    const unknownIp = `10.1.${number}.99`;
    expect(await hosts.send(`${name}-a`, ask(target.ip))).not.toHaveProperty(target.id);
    expect(await hosts.send(`${name}-a`, ask(unknownIp))).toEqual(others());
    await tap().sync();
    const answers = port("a")
      .tap.frames.slice(from)
      .flatMap((frame) => frames.readFrame(frame).arp ?? []);
    expect(answers).toContainEqual({
      ...{ op: "reply", senderMac: target.mac, senderIp: target.ip },
      ...{ targetMac: src, targetIp: senderIp },
    });
    const asked = sentToWire(wire, before)
      .filter(({ inner }) => inner.arp?.op === "request" && inner.src === src)
      .map(({ inner }) => inner.arp?.targetIp);
    expect(asked).toContain(unknownIp);
    expect(asked).not.toContain(target.ip);
  });

  test.each(["with", "without"])(
    "a solicitation %s its option is answered on the chassis",
    async (how) => {
      const target = wire === "ext" ? port("a2") : port("b");
      const { mac: src, ip6, tap: own } = port("a");
      const option = how === "with" ? src : null;
      const ask = (ip: string) =>
        frames.solicitation(
          { src, dst: frames.multicastMac(frames.solicitedNode(ip)) },
          { from: ip6, target: ip, option },
        );
      const before = tap().frames.length;
      const from = own.frames.length;
      const unknownIp = `fd01:${number}::99`;
      expect(await hosts.send(`${name}-a`, ask(target.ip6))).not.toHaveProperty(target.id);
      expect(await hosts.send(`${name}-a`, ask(unknownIp))).toEqual(others());
      const says = { type: frames.ND_ADVERTISEMENT, target: target.ip6, option: target.mac };
      await until(`an answer for ${target.ip6}`, () =>
        own.frames.slice(from).some((frame) => {
          const { nd, dst } = frames.readFrame(frame);
          return dst === src && JSON.stringify(nd) === JSON.stringify(says);
        }),
      );
      await tap().sync();
      const asked = sentToWire(wire, before)
        .filter(({ inner }) => inner.nd?.type === frames.ND_SOLICITATION && inner.src === src)
        .map(({ inner }) => inner.nd?.target);
      expect(asked).toContain(unknownIp);
      expect(asked).not.toContain(target.ip6);
    },
  );

  test("the largest packet that the port is told passes and fills the wire", async () => {
    const listed = (await cluster.ports()).find(({ metadata }) => metadata.id === `${name}-a`);
    expect(listed?.status?.mtuBytes).toBe(mtuBytes);
    const guest = cluster.guest(`${name}-a`);
    for (const [ip, headers] of [
      [port("b").ip, 28],
      [port("b").ip6, 48],
    ] as const) {
      const before = tap().frames.length;
      const ping = (bytes: number) =>
        guest.exec("ping", "-c3", "-i0.2", "-W2", "-Mdo", `-s${bytes}`, ip);
      expect(await ping(mtuBytes - headers)).toMatch(/[1-3] received/);
      await tap().sync();
      const sizes = tap()
        .frames.slice(before)
        .map((frame) => frame.length);
      expect(Math.max(...sizes)).toBe(wireBytes);
      await expect(ping(mtuBytes - headers + 1)).rejects.toThrow();
    }
  });
});

test("two tenants with the same addresses and MACs stay apart", async () => {
  for (const tenant of ["gnv", "twin"]) {
    const [near, far] = [hosts.get(`${tenant}-a`), hosts.get(`${tenant}-b`)];
    expect([near.mac, far.mac]).toEqual(MACS);
    for (const ip of families(far)) {
      expect((await cluster.guest(near.id).probe(ip, 5_000)).name).toBe(far.id);
      expect(await hosts.send(near.id, datagram(near, { mac: far.mac, ip }))).toEqual({
        [far.id]: 1,
      });
    }
  }
  const near = hosts.get("twin-a");
  const everyone = datagram(near, { mac: frames.BROADCAST, ip: "255.255.255.255" });
  expect(await hosts.send("twin-a", everyone)).toEqual({ "twin-b": 1 });
  // In this tenant nobody has the address.
  expect((await cluster.guest("twin-a").probe(hosts.get("gnv-c").ip, 700)).name).toBeNull();
});

test("unknown unicast goes nowhere while all ports have port security", async () => {
  const frame = datagram(hosts.get("gnv-a"), { mac: "0a:57:00:00:99:99", ip: "10.1.1.99" });
  const before = wires.under.frames.length;
  expect(await hosts.send("gnv-a", frame)).toEqual({});
  await wires.under.sync();
  const crossed = sentToWire("under", before).filter(({ inner }) => inner.dst.endsWith("99:99"));
  expect(crossed).toEqual([]);
});

describe("anti-spoofing", () => {
  const trio = () => [hosts.get("gnv-b"), hosts.get("gnv-a"), hosts.get("gnv-c")] as const;

  test.each(FORBIDDEN)("%s arrives nowhere", async (_, make) => {
    expect(await hosts.send("gnv-b", make(...trio()))).toEqual({});
  });

  test.each(ALLOWED)("%s arrives", async (_, make) => {
    const arrivals = await hosts.send("gnv-b", make(...trio()));
    expect(arrivals).toMatchObject({ "gnv-a": 1 });
  });
});

describe("a guest that takes an address", () => {
  const probe = (me: Host, targetIp: string) =>
    frames.arp(
      { src: me.mac, dst: ALL.mac },
      { op: "request", senderMac: me.mac, senderIp: "0.0.0.0", targetMac: frames.NO_MAC, targetIp },
    );
  const detect = (me: Host, target: string) =>
    frames.solicitation(
      { src: me.mac, dst: frames.multicastMac(frames.solicitedNode(target)) },
      { from: "::", target, option: null },
    );

  test("is told by ARP that another port or the gateway has it, and not that it has it itself", async () => {
    const me = hosts.get("gnv-b");
    const from = me.tap.frames.length;
    const gateway = gateways.get("gnv-4") ?? "";
    const [own] = await hosts.sendAll(
      "gnv-b",
      [me.ip, hosts.get("gnv-a").ip, hosts.get("gnv-c").ip, gateway].map((ip) => probe(me, ip)),
    );
    expect(own).toMatchObject({ "gnv-a": 1 });
    const answers = me.tap.frames.slice(from).flatMap((frame) => {
      const { arp } = frames.readFrame(frame);
      return arp?.op === "reply" ? [[arp.senderIp, arp.senderMac, arp.targetMac]] : [];
    });
    expect(answers).toEqual([
      [hosts.get("gnv-a").ip, hosts.get("gnv-a").mac, me.mac],
      [hosts.get("gnv-c").ip, hosts.get("gnv-c").mac, me.mac],
      [gateway, expect.not.stringMatching(`^(${me.mac}|${frames.NO_MAC})$`), me.mac],
    ]);
  });

  test("is told by neighbour discovery, and not that it has it itself", async () => {
    const me = hosts.get("gnv-b");
    const from = me.tap.frames.length;
    const taken = [hosts.get("gnv-a").ip6, hosts.get("gnv-c").ip6, gateways.get("gnv-6") ?? ""];
    expect(await hosts.send("gnv-b", detect(me, me.ip6))).toMatchObject({ "gnv-a": 1 });
    await hosts.sendAll(
      "gnv-b",
      taken.map((ip) => detect(me, ip)),
    );
    const said = () =>
      me.tap.frames.slice(from).flatMap((frame) => {
        const { ip, nd } = frames.readFrame(frame);
        const isAnswer = nd?.type === frames.ND_ADVERTISEMENT && ip?.to === frames.ALL_NODES;
        return isAnswer ? [nd.target] : [];
      });
    await until(`answers for ${taken.join(", ")}`, () => taken.every((ip) => said().includes(ip)));
    expect(said().toSorted()).toEqual(taken.toSorted());
  });

  test("a real guest gives up an IPv6 address that another port has", async () => {
    const guest = cluster.guest("gnv-b");
    const address = `${hosts.get("gnv-c").ip6}/64`;
    await guest.exec("ip", "address", "add", address, "dev", "eth0");
    await until("duplicate address detection to fail", async () =>
      (await guest.exec("ip", "-6", "address", "show", "dev", "eth0")).includes("dadfailed"),
    );
    await guest.exec("ip", "address", "delete", address, "dev", "eth0");
  });
});

describe("port security off", () => {
  const unknown = (me: Host, lie = {}) =>
    datagram(me, { mac: "0a:57:00:00:99:99", ip: "10.1.6.99" }, lie);

  test("such ports receive unknown unicast once, others do not", async () => {
    expect(await hosts.send("shut-b", unknown(hosts.get("shut-b")))).toEqual({
      "open-a": 1,
      "open-c": 1,
    });
    expect(await hosts.send("shut-a", unknown(hosts.get("shut-a")))).toEqual({
      "open-a": 1,
      "open-c": 1,
    });
    expect(await hosts.send("open-a", unknown(hosts.get("open-a")))).toEqual({ "open-c": 1 });
  });

  test("such a port may speak for any address, others still may not", async () => {
    const victim = hosts.get("shut-b");
    const lies = [{ mac: STRANGER }, { ip: "10.1.6.77" }, { mac: STRANGER, ip: "10.9.9.9" }];
    for (const sender of ["open-a", "shut-a"]) {
      const list = lies.map((lie) => datagram(hosts.get(sender), victim, lie));
      const arrivals = await hosts.sendAll(sender, list);
      expect(arrivals).toEqual(lies.map(() => (sender === "open-a" ? { "shut-b": 1 } : {})));
    }
  });

  test("a tag does not leave the network even then", async () => {
    const frame = datagram(hosts.get("open-a"), hosts.get("shut-b"), { vlan: 100 });
    expect(await hosts.send("open-a", frame)).toEqual({});
  });
});
