// What routers do with packets, judged by packets: who receives them, with which addresses and TTL, and which errors come back.
// Every case in both families. Choices between ways are in routing-ways.test.ts, tenants and VLANs in routing-borders.test.ts.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as frames from "../lab/frames.ts";
import { until } from "../lab/ovs.ts";
import type { Tap } from "../lab/tap.ts";
import {
  arrival,
  error,
  FAMILIES,
  type Family,
  ipOf,
  isError,
  linkText,
  networkText,
  portText,
  RoutedLab,
  routerText,
  routeText,
  TTL,
} from "./routed-lab.ts";

const A = "chassis-a";
const B = "chassis-b";
const ROUTERS = ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9"];
const THIN_MTU_BYTES = 1300;
const OPEN = "portSecurityDisabled: true";

/** r1 has web, db, thin and open; behind it a chain of eight: `far` at the second, `eight` and `nine` at the last two. */
const INTENT = [
  networkText("web", 1),
  networkText("db", 2, { type: "overlay: {encap: vxlan}" }),
  networkText("thin", 3, { type: `overlay: {encap: geneve}, mtuBytes: ${THIN_MTU_BYTES}` }),
  networkText("far", 4),
  networkText("eight", 5),
  networkText("nine", 6),
  networkText("open", 7),
  portText("web-a", "web", A, [1, 11]),
  portText("web-b", "web", B, [1, 12]),
  portText("db-a", "db", A, [2, 11]),
  portText("db-b", "db", B, [2, 12]),
  portText("thin-b", "thin", B, [3, 12]),
  portText("far-b", "far", B, [4, 12]),
  portText("eight-b", "eight", B, [5, 12]),
  portText("nine-a", "nine", A, [6, 11]),
  portText("open-a", "open", A, [7, 11], { more: OPEN }),
  ...ROUTERS.map((id, at) => {
    const networks = [["web", "db", "thin", "open"], ["far"], [], [], [], [], [], ["eight"]];
    return routerText(id, networks[at] ?? ["nine"]);
  }),
  ...ROUTERS.slice(1).flatMap((id, at) => {
    const [before = "", number] = [ROUTERS[at], at + 1];
    return [
      linkText(number, before, id),
      // 10.1.4 to 10.1.7 are behind the chain; the whole of it knows where web and open are.
      routeText(
        `${before}-on`,
        before,
        ["10.1.4.0/22", "fd01:4::/30"],
        [`10.255.${number}.2`, `fd00:ff:${number}::2`],
      ),
      routeText(
        `${id}-back`,
        id,
        ["10.1.1.0/24", "fd01:1::/64"],
        [`10.255.${number}.1`, `fd00:ff:${number}::1`],
      ),
    ];
  }),
].join("");

let lab: RoutedLab;
let wire: Tap;

beforeAll(async () => {
  lab = await RoutedLab.start({ prefix: "wfrt", chassis: [A, B] }, INTENT);
  wire = await lab.cluster.tapWire("under", A);
  // The first packets of each pair may come before the last flow.
  for (const to of ["db-b", "far-b", "eight-b", "thin-b"]) {
    const { ip, ip6 } = lab.hosts.get(to);
    await lab.settle("web-a", [ip, ip6]);
  }
}, 240_000);

afterAll(async () => {
  await wire?.stop();
  await lab?.stop();
});

const host = (id: string) => lab.hosts.get(id);
const ip = (id: string, family: Family) => ipOf(host(id), family);
const of = (family: Family, ipv4: string, ipv6: string) => (family === "IPv4" ? ipv4 : ipv6);
const beacons = (family: Family) => [ip("db-a", family), ip("db-b", family)];
const ownIp = (id: string, family: Family) =>
  lab.interface(id).ips.find((one) => one.includes(":") === (family === "IPv6")) ?? "";

describe.each(FAMILIES)("%s is routed", (family) => {
  test.each([
    ["web-a", "db-a", "r1-db"],
    ["web-a", "db-b", "r1-db"],
    ["db-a", "web-b", "r1-web"],
    ["db-b", "web-b", "r1-web"],
  ])("once, from the interface's MAC, with TTL - 1: %s to %s", async (from, to, by) => {
    expect((await lab.send(from, { to: ip(to, family) })).map(arrival)).toEqual([
      {
        ...{ host: to, src: lab.interface(by).mac, dst: host(to).mac },
        ...{ from: ip(from, family), to: ip(to, family), ttl: TTL - 1 },
      },
    ]);
  });

  test("between real guests", async () => {
    for (const to of ["db-a", "db-b", "far-b", "eight-b"]) {
      const answer = await lab.cluster.guest("web-a").probe(ip(to, family), 5_000);
      expect(answer.name).toBe(to);
    }
  });

  test("on the source's chassis: one packet on the wire, of the target's network", async () => {
    const before = wire.frames.length;
    await lab.send("web-a", { to: ip("db-b", family), toPort: 4711 });
    await wire.sync();
    const crossed = wire.frames.slice(before).flatMap((frame) => {
      const tunnelled = frames.readTunnelled(frame);
      const inner = tunnelled && frames.readFrame(tunnelled.frame).ip;
      const isOurs = inner?.to === ip("db-b", family) && inner.payload.readUInt16BE(2) === 4711;
      return tunnelled !== null && isOurs ? [tunnelled.encap] : [];
    });
    expect(crossed).toEqual(["vxlan"]);
  });

  test.each([
    ["far-b", "r2-far", 2],
    ["eight-b", "r8-eight", 8],
  ])("by joined routers, TTL - 1 each: to %s", async (to, by, routers) => {
    expect((await lab.send("web-a", { to: ip(to, family) })).map(arrival)).toMatchObject([
      { host: to, src: lab.interface(by).mac, ttl: TTL - routers },
    ]);
  });

  test("back to its own network and out of its own port", async () => {
    for (const to of ["web-b", "web-a"]) {
      expect((await lab.send("web-a", { to: ip(to, family) })).map(arrival)).toMatchObject([
        { host: to, src: lab.interface("r1-web").mac, dst: host(to).mac, ttl: TTL - 1 },
      ]);
    }
  });
});

describe.each(FAMILIES)("%s errors", (family) => {
  const gateway = () => ({
    ...{ host: "web-a", from: ownIp("r1-web", family) },
    ...{ srcMac: lab.interface("r1-web").mac, ttl: 255 },
  });

  test("TTL exceeded at the first router", async () => {
    for (const ttl of [0, 1]) {
      const seen = await lab.complain("web-a", { to: ip("db-b", family), header: { ttl } });
      const [type, code] = family === "IPv4" ? [11, 0] : [3, 0];
      expect(seen.map(error)).toEqual([{ ...gateway(), type, code, word: 0 }]);
    }
  });

  test("no route", async () => {
    const seen = await lab.complain("web-a", { to: of(family, "203.0.113.9", "2001:db8::9") });
    const [type, code] = family === "IPv4" ? [3, 0] : [1, 0];
    expect(seen.map(error)).toEqual([{ ...gateway(), type, code, word: 0 }]);
  });

  test("host unreachable: nobody has the address", async () => {
    const seen = await lab.complain("web-a", { to: of(family, "10.1.2.99", "fd01:2::99") });
    const [type, code] = family === "IPv4" ? [3, 1] : [1, 3];
    expect(seen.map(error)).toEqual([{ ...gateway(), type, code, word: 0 }]);
  });

  test("too big for the next network, with and without DF; what fits passes", async () => {
    const to = ip("thin-b", family);
    for (const df of [true, false]) {
      const seen = await lab.complain("web-a", { to, bytes: THIN_MTU_BYTES + 1, header: { df } });
      const [type, code] = family === "IPv4" ? [3, 4] : [2, 0];
      expect(seen.map(error)).toEqual([{ ...gateway(), type, code, word: THIN_MTU_BYTES }]);
    }
    const fits = await lab.send("web-a", { to, bytes: THIN_MTU_BYTES });
    expect(fits.map(arrival)).toMatchObject([{ host: "thin-b", ttl: TTL - 1 }]);
  });

  test("a walk by TTL sees the ingress address of every router, then the target", async () => {
    const walk: unknown[] = [];
    for (let ttl = 1; ttl <= 9; ttl += 1) {
      const seen = await lab.complain("web-a", { to: ip("eight-b", family), header: { ttl } });
      walk.push(...seen.map((one) => (isError(one) ? error(one).from : one.host)));
    }
    const ends = [1, 2, 3, 4, 5, 6, 7].map((n) => of(family, `10.255.${n}.2`, `fd00:ff:${n}::2`));
    expect(walk).toEqual([ownIp("r1-web", family), ...ends, "eight-b"]);
  });

  test("the ninth router gives up", async () => {
    const seen = await lab.complain("web-a", { to: ip("nine-a", family) });
    const [type, code] = family === "IPv4" ? [11, 0] : [3, 0];
    const from = of(family, "10.255.8.2", "fd00:ff:8::2");
    expect(seen.map(error)).toMatchObject([{ host: "web-a", from, type, code }]);
  });

  test("none about errors, later fragments and groups, and none of these is routed", async () => {
    const { mac } = lab.interface("r1-web");
    const link = { src: host("web-a").mac, dst: mac };
    const from = ip("web-a", family);
    const nowhere = of(family, "203.0.113.9", "2001:db8::9");
    const isIpv4 = family === "IPv4";
    const unreachable = (token: Buffer) => {
      const body = [Buffer.alloc(4), token];
      return isIpv4
        ? frames.icmp4(link, from, nowhere, 3, body)
        : frames.icmp6(link, from, nowhere, 1, body);
    };
    const part = { id: 7, offset: 100, more: false };
    const later = (token: Buffer) =>
      isIpv4
        ? lab.segment("web-a", { to: nowhere, header: { fragment: part } }, token)
        : frames.fragment6(lab.segment("web-a", { to: nowhere }, token), part);
    const group = (token: Buffer) =>
      lab.segment("web-a", { to: of(family, "239.1.2.3", "ff0e::77") }, token);
    const about = [unreachable, later, group];
    expect(await lab.silence("web-a", about, beacons(family))).toEqual([]);
  });
});

describe.each(FAMILIES)("%s echo", (family) => {
  const ping = (id: string, to: string, router = "r1-web") => {
    const link = { src: host(id).mac, dst: lab.interface(router).mac };
    const from = to.startsWith("fe80") ? frames.linkLocal(host(id).mac) : ip(id, family);
    return lab.exchange(id, (payload) => frames.echoRequest(link, { from, to, payload }));
  };
  const reply = { type: family === "IPv4" ? 0 : 129, code: 0 };

  test("of the near interface and of the router's others", async () => {
    const targets = [
      ...["r1-web", "r1-db"].map((id) => ownIp(id, family)),
      of(family, "10.255.1.1", "fd00:ff:1::1"),
    ];
    for (const to of targets) {
      expect((await ping("web-a", to)).map(error)).toMatchObject([
        { host: "web-a", from: to, srcMac: lab.interface("r1-web").mac, ttl: 255, ...reply },
      ]);
    }
  });

  test("of a router behind it: as any packet, TTL - 1 at each router on the way", async () => {
    for (const [to, ttl] of [
      [of(family, "10.255.1.2", "fd00:ff:1::2"), 254],
      [ownIp("r2-far", family), 254],
      [ownIp("r8-eight", family), 248],
    ] as const) {
      expect((await ping("web-a", to)).map(error)).toMatchObject([
        { host: "web-a", from: to, ttl, ...reply },
      ]);
    }
  });

  test("asked by real guests", async () => {
    for (const to of [ownIp("r1-db", family), ownIp("r2-far", family)]) {
      expect(await lab.cluster.guest("web-b").exec("ping", "-c1", "-W3", to)).toMatch(/1 received/);
    }
  });

  if (family === "IPv6") {
    test("of the link-local address", async () => {
      const to = lab.interface("r1-web").linkLocal;
      expect((await ping("web-a", to)).map(error)).toMatchObject([
        { host: "web-a", from: to, srcMac: lab.interface("r1-web").mac, ttl: 255, ...reply },
      ]);
    });
  }
});

test.each(FAMILIES)("a real guest learns the path's MTU: %s", async (family) => {
  const guest = lab.cluster.guest("web-b");
  const to = ip("thin-b", family);
  const payload = (bytes: number) => String(bytes - (family === "IPv4" ? 28 : 48));
  const ping = (bytes: number) =>
    guest.exec("ping", "-c1", "-W3", "-Mdo", "-s", payload(bytes), to);
  await expect(ping(THIN_MTU_BYTES + 1)).rejects.toThrow();
  await until("the route to have the MTU", async () =>
    (await guest.exec("ip", "route", "get", to)).includes(`mtu ${THIN_MTU_BYTES}`),
  );
  expect(await ping(THIN_MTU_BYTES)).toMatch(/1 received/);
  // What may be fragmented its sender fragments from now on.
  const large = payload(THIN_MTU_BYTES + 200);
  expect(await guest.exec("ping", "-c1", "-W3", "-Mwant", "-s", large, to)).toMatch(/1 received/);
});

describe("never routed", () => {
  test.each([
    ["to a group", "239.1.2.3", "ff0e::77"],
    ["to a loopback address", "127.0.0.1", "::1"],
    ["to a link-local address", "169.254.9.9", "fe80::9"],
    ["to all and to nobody", "255.255.255.255", "::"],
    ["to all of a network behind the router", "10.1.2.255", "ff02::1"],
    ["to all of the own network", "10.1.1.255", "ff05::1"],
    ["to nobody", "0.0.0.0", "ff02::2"],
  ])("%s", async (_, ...targets) => {
    const makes = targets.map((to) => (token: Buffer) => lab.segment("web-a", { to }, token));
    expect(await lab.silence("web-a", makes, beacons("IPv4"))).toEqual([]);
  });

  test("from such addresses, by a port that may lie", async () => {
    const [to, to6] = [host("db-b").ip, host("db-b").ip6];
    const sources = ["127.0.0.1", "169.254.9.9", "0.0.0.0", "239.1.2.3", "255.255.255.255"];
    const sources6 = ["::1", "fe80::9", "::", "ff0e::77"];
    const lie = (fromIp: string) => (token: Buffer) =>
      lab.segment("open-a", { to: fromIp.includes(":") ? to6 : to, fromIp }, token);
    const seen = await lab.silence("open-a", [...sources, ...sources6].map(lie), [to, to6]);
    expect(seen).toEqual([]);
    for (const [target, fromIp] of [
      [to, "198.51.100.66"],
      [to6, "2001:db8::66"],
    ] as const) {
      expect((await lab.send("open-a", { to: target, fromIp })).map(arrival)).toMatchObject([
        { host: "db-b", from: fromIp, ttl: TTL - 1 },
      ]);
    }
  });
});
