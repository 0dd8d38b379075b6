// Tunnels between IPv6 addresses: the same frames as l2.test.ts sees over IPv4, in packets of the other family, and less room in them.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cluster } from "../lab/cluster.ts";
import { BROADCAST, readFrame, readTunnelled, udp } from "../lab/frames.ts";
import { Hosts } from "../lab/hosts.ts";
import { networkText, portText } from "../lab/intent.ts";
import type { Tap } from "../lab/tap.ts";

const A = "chassis-a";
const B = "chassis-b";
const UNDERLAY_MTU_BYTES = 1700;

const ENCAPS = [
  { encap: "geneve", number: 1, overheadBytes: 86 },
  { encap: "vxlan", number: 2, overheadBytes: 70 },
  { encap: "gre", number: 3, overheadBytes: 62 },
] as const;

const INTENT = ENCAPS.map(({ encap, number }) => {
  const [v4, v6] = [`10.5.${number}`, `fd05:${number}::`];
  const port = (suffix: string, chassis: string, last: number) =>
    portText({
      ...{ id: `${encap}-${suffix}`, network: encap, chassis },
      ips: [`${v4}.${last}`, `${v6}${last}`],
    });
  const type = `overlay: {encap: ${encap}}`;
  return [
    networkText({ id: encap, type, cidrs: [`${v4}.0/24`, `${v6}/64`] }),
    ...[port("a", A, 11), port("a2", A, 12), port("b", B, 13)],
  ].join("");
}).join("");

let cluster: Cluster;
let hosts: Hosts;
let wire: Tap;

beforeAll(async () => {
  cluster = await Cluster.start({ prefix: "wfu6", chassis: [A, B], underlay: 6 });
  await cluster.apply(INTENT);
  hosts = new Hosts(cluster);
  await hosts.bring();
  await hosts.converged();
  wire = await cluster.tapWire("under", A);
}, 240_000);

afterAll(async () => {
  await wire?.stop();
  await hosts?.stop();
  await cluster?.stop();
});

describe.each(ENCAPS)("$encap over IPv6", ({ encap, overheadBytes }) => {
  const port = (suffix: string) => hosts.get(`${encap}-${suffix}`);

  test("unicast and broadcast arrive once, in packets between the IPv6 tunnel addresses", async () => {
    const { mac: src, ip: from } = port("a");
    const datagram = (dst: string, to: string) =>
      udp({ src, dst }, { from, to, fromPort: 4000, toPort: 4000 });
    const before = wire.frames.length;
    const arrivals = await hosts.sendAll(`${encap}-a`, [
      datagram(port("b").mac, port("b").ip),
      datagram(BROADCAST, "255.255.255.255"),
    ]);
    expect(arrivals).toEqual([{ [`${encap}-b`]: 1 }, { [`${encap}-a2`]: 1, [`${encap}-b`]: 1 }]);
    await wire.sync();
    const outers = wire.frames.slice(before).flatMap((frame) => {
      const inner = readTunnelled(frame);
      const { ip } = readFrame(frame);
      return inner?.encap === encap && ip !== null ? [[ip.from, ip.to]] : [];
    });
    expect(outers.length).toBeGreaterThan(1);
    for (const outer of outers) {
      expect(outer).toEqual([cluster.one(A).vtepIp6, cluster.one(B).vtepIp6]);
    }
  });

  test("real guests talk, up to the largest packet that fits", async () => {
    const mtuBytes = UNDERLAY_MTU_BYTES - overheadBytes;
    const listed = (await cluster.ports()).find(({ metadata }) => metadata.id === `${encap}-a`);
    expect(listed?.status?.mtuBytes).toBe(mtuBytes);
    for (const [ip, headers] of [
      [port("b").ip, 28],
      [port("b").ip6, 48],
    ] as const) {
      expect((await cluster.guest(`${encap}-a`).probe(ip, 5_000)).name).toBe(`${encap}-b`);
      const before = wire.frames.length;
      const ping = ["ping", "-c3", "-i0.2", "-W2", "-Mdo", `-s${mtuBytes - headers}`, ip];
      expect(await cluster.guest(`${encap}-a`).exec(...ping)).toMatch(/[1-3] received/);
      await wire.sync();
      const sizes = wire.frames.slice(before).map((frame) => frame.length);
      expect(Math.max(...sizes)).toBe(14 + UNDERLAY_MTU_BYTES);
    }
  });
});
