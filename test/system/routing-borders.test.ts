// Where routing ends: at physical networks, whose switch must never see one MAC on two of its ports, and between projects, which
// reach each other by leaks alone. Judged by packets and by a capture on the physical switch. What routers do is in routing.test.ts.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { macToBytes } from "@weft/shared/net/mac.ts";
import { gratuitousAdvertisement, gratuitousArp, readFrame } from "../lab/frames.ts";
import { until } from "../lab/ovs.ts";
import { Tap } from "../lab/tap.ts";
import {
  arrival,
  FAMILIES,
  type Family,
  ipOf,
  isError,
  networkText,
  portText,
  RoutedLab,
  routerText,
  TTL,
} from "./routed-lab.ts";

const A = "chassis-a";
const B = "chassis-b";
/** Has no bridge to the physical network. */
const C = "chassis-c";
const CHASSIS_MAC = /^0e:57:00:00:/;

/** What two ports of the physical network share, as VRRP does (RFC 9568 7.3): who speaks for it last has it. */
const VIP = {
  IPv4: { ip: "10.1.4.100", mac: "00:00:5e:00:01:01" },
  IPv6: { ip: "fd01:4::100", mac: "00:00:5e:00:02:01" },
} as const;
const MAY_CLAIM = `allowedAddressPairs: [${FAMILIES.map(
  (family) => `{ip: "${VIP[family].ip}", mac: "${VIP[family].mac}"}`,
).join(", ")}]`;
/** Behind the shared address; the other next hop nobody has. */
const vipRouteText = (id: string, destination: string, hops: readonly string[]) => `
kind: Route
metadata: {id: ${id}, project: wire}
spec:
  router: wire-core
  destination: "${destination}"
  nextHops: [${hops.map((ip) => `{ip: "${ip}"}`).join(", ")}]
---`;
const ANNOUNCE_MS = 500;
const BEHIND_VIP = { IPv4: "198.18.1.7", IPv6: "2001:db8:4::7" } as const;

/** A tenant with networks web and db on 10.1.1 and 10.1.2: red has blue's addresses. */
const tenant = (of: string) => {
  const id = (name: string) => `${of}-${name}`;
  return [
    networkText(id("web"), 1, { of }),
    networkText(id("db"), 2, { of, type: "overlay: {encap: vxlan}" }),
    portText(id("web-a"), id("web"), A, [1, 11], { of }),
    portText(id("db-b"), id("db"), B, [2, 11], { of }),
    // Outside of what is leaked: 10.1.2.0/28, fd01:2::/123.
    portText(id("db-far"), id("db"), B, [2, 40], { of }),
    routerText(id("core"), [id("web"), id("db")], of),
  ].join("");
};

const INTENT = [
  tenant("red"),
  tenant("blue"),
  // Of a third project, with addresses of its own.
  networkText("green-net", 9, { of: "green" }),
  portText("green-a", "green-net", A, [9, 11], { of: "green" }),
  routerText("green-core", ["green-net"], "green"),
  // The physical network.
  networkText("ext", 4, { of: "wire", type: "provider: {physicalNetwork: physnet1, vlan: 300}" }),
  networkText("inner", 5, { of: "wire" }),
  portText("ext-a", "ext", A, [4, 11], { of: "wire", more: MAY_CLAIM }),
  portText("ext-b", "ext", B, [4, 12], { of: "wire", more: MAY_CLAIM }),
  portText("inner-a", "inner", A, [5, 11], { of: "wire" }),
  portText("inner-b", "inner", B, [5, 12], { of: "wire" }),
  portText("inner-c", "inner", C, [5, 13], { of: "wire" }),
  routerText("wire-core", ["ext", "inner"], "wire"),
  vipRouteText("vip-4", "198.18.1.0/24", [VIP.IPv4.ip, "10.1.4.99"]),
  vipRouteText("vip-6", "2001:db8:4::/48", [VIP.IPv6.ip, "fd01:4::99"]),
].join("");

/** A leak is of the project whose router imports. */
const leakText = (id: string, project: string, from: string, to: string, prefixes: string) => `
kind: RouteLeak
metadata: {id: ${id}, project: ${project}}
spec: {from: ${from}, to: ${to}, prefixes: [${prefixes}]}
---`;

let lab: RoutedLab;
/** What each chassis sends to the physical switch. */
const wires = new Map<string, Tap>();

beforeAll(async () => {
  lab = await RoutedLab.start(
    { prefix: "wfrb", chassis: [A, B, C], withoutPhysical: [C] },
    INTENT,
    "partly",
  );
  for (const name of [A, B, C]) {
    const { fabric, dir } = lab.cluster;
    const { netns } = lab.cluster.one(name);
    const outer = fabric.outerInterface("ext", netns);
    wires.set(name, await Tap.start({ netns: fabric.netns, interface: outer, labDir: dir }));
  }
  await lab.settle(
    "inner-a",
    FAMILIES.map((family) => ip("ext-b", family)),
  );
}, 240_000);

afterAll(async () => {
  for (const wire of wires.values()) await wire.stop();
  await lab?.stop();
});

const host = (id: string) => lab.hosts.get(id);
const ip = (id: string, family: Family) => ipOf(host(id), family);
const either = (family: Family, ipv4: string, ipv6: string) => (family === "IPv4" ? ipv4 : ipv6);

/** The next hops of the route behind the shared address: whether each is active, and why. The shared one comes first. */
async function nextHopsBehind(
  family: Family,
): Promise<readonly (readonly [string, boolean, string])[]> {
  interface Listed {
    readonly metadata: { readonly id: string };
    readonly status?: {
      readonly nextHops?: readonly { ip: string; active?: boolean; reason?: string }[];
    };
  }
  const routes = await lab.cluster.central.json<readonly Listed[]>("list", "routes");
  const found = routes.find(({ metadata }) => metadata.id === either(family, "vip-4", "vip-6"));
  const hops = found?.status?.nextHops ?? [];
  return hops
    .map(({ ip: hop, active = false, reason = "" }) => [hop, active, reason] as const)
    .sort(([hop]) => (hop === VIP[family].ip ? -1 : 1));
}

describe.each(FAMILIES)("%s at a physical network", (family) => {
  test("what is routed into it leaves with the MAC of the chassis, tagged", async () => {
    const seen = await lab.send("inner-a", { to: ip("ext-b", family) });
    expect(seen.map(arrival)).toMatchObject([
      {
        ...{ host: "ext-b", dst: host("ext-b").mac },
        ...{ from: ip("inner-a", family), ttl: TTL - 1 },
      },
    ]);
    const tap = wires.get(A);
    await tap?.sync();
    const [src] = seen.map((one) => arrival(one).src);
    expect(src).toMatch(CHASSIS_MAC);
    const crossed = (tap?.frames ?? []).map(readFrame).filter((frame) => frame.src === src);
    expect(new Set(crossed.map(({ vlan }) => vlan))).toEqual(new Set([300]));
  });

  test("a port of the same chassis is reached without leaving it", async () => {
    const before = wires.get(A)?.frames.length ?? 0;
    const seen = await lab.send("inner-a", { to: ip("ext-a", family), toPort: 4712 });
    expect(seen.map(arrival)).toMatchObject([{ host: "ext-a", ttl: TTL - 1 }]);
    await wires.get(A)?.sync();
    const crossed = (wires.get(A)?.frames ?? []).slice(before).map(readFrame);
    expect(crossed.filter((frame) => frame.ip?.to === ip("ext-a", family))).toEqual([]);
  });

  test("what is routed out of it has the interface's MAC", async () => {
    for (const from of ["ext-a", "ext-b"]) {
      const seen = await lab.send(from, { to: ip("inner-b", family) });
      const src = lab.interface("wire-core-inner").mac;
      expect(seen.map(arrival)).toMatchObject([{ host: "inner-b", src, ttl: TTL - 1 }]);
    }
  });

  test("real guests talk across it", async () => {
    for (const [from, to] of [
      ["inner-a", "ext-b"],
      ["inner-b", "ext-a"],
      ["ext-a", "inner-b"],
      ["ext-a", "ext-b"],
    ] as const) {
      expect((await lab.cluster.guest(from).probe(ip(to, family), 5_000)).name).toBe(to);
    }
  });

  test("a chassis without it has no route there, also none back", async () => {
    const seen = await lab.complain("inner-c", { to: ip("ext-b", family) });
    expect(seen.map((one) => [one.host, isError(one)])).toEqual([["inner-c", true]]);
    expect((await lab.cluster.guest("inner-c").probe(ip("inner-a", family), 5_000)).name).toBe(
      "inner-a",
    );
  });
});

test("weft describe router says which chassis cannot reach the physical network, and why", async () => {
  const text = await lab.cluster.central.must(
    "describe",
    "router",
    "wire-core",
    "--project",
    "wire",
  );
  const [, part = ""] = text.split("not on every chassis");
  expect(part).toMatch(/chassis-c +router-interface wire-core-ext +.*physnet1.*providerBridges/);
  expect(part.split("held by")[0]).not.toMatch(/chassis-[ab]/);
});

test("no MAC is seen on two ports of the physical switch, and none of an interface ever", async () => {
  // All of them speak once more: whoever has not been seen yet is seen now.
  for (const from of ["ext-a", "ext-b", "inner-a", "inner-b"]) {
    for (const to of ["ext-a", "ext-b"].filter((id) => id !== from)) {
      for (const family of FAMILIES) {
        expect((await lab.cluster.guest(from).probe(ip(to, family), 5_000)).name).toBe(to);
      }
    }
  }
  const portsOf = new Map<string, Set<string>>();
  const taken = new Set<string>();
  for (const [chassis, tap] of wires) {
    await tap.sync();
    for (const frame of tap.frames) {
      const { src, vlan } = readFrame(frame);
      if (vlan !== 300) continue;
      portsOf.set(src, (portsOf.get(src) ?? new Set()).add(chassis));
      for (const { id, mac } of lab.interfaces) {
        if (frame.includes(macToBytes(mac))) taken.add(id);
      }
    }
  }
  const macs = [...portsOf.keys()].filter((mac) => CHASSIS_MAC.test(mac));
  expect(macs.length).toBe(2);
  expect([...portsOf.keys()].sort()).toEqual(
    [...macs, host("ext-a").mac, host("ext-b").mac].sort(),
  );
  expect([...portsOf].filter(([, ports]) => ports.size > 1)).toEqual([]);
  expect([...taken]).toEqual([]);
});

describe.each(FAMILIES)("%s: an address that ports of a physical network share", (family) => {
  const vip = VIP[family];

  test("is reached where it was claimed last, from every chassis that is there", async () => {
    const announce = family === "IPv4" ? gratuitousArp : gratuitousAdvertisement;
    for (const owner of ["ext-a", "ext-b", "ext-a"]) {
      let announcedMs = Number.NEGATIVE_INFINITY;
      for (const [from, chassis] of [
        ["inner-a", A],
        ["inner-b", B],
      ] as const) {
        for (const to of [vip.ip, BEHIND_VIP[family]]) {
          let seen: readonly ReturnType<typeof arrival>[] = [];
          await until(`packets of ${from} to ${to} to come to ${owner}`, async () => {
            // Said again, as hosts do, but not so often that it is too much for a port.
            if (performance.now() - announcedMs > ANNOUNCE_MS) {
              announcedMs = performance.now();
              host(owner).tap.send(announce(vip.mac, vip.ip));
            }
            seen = (await lab.send(from, { to }, ANNOUNCE_MS).catch(() => [])).map(arrival);
            return seen.some((one) => one.host === owner);
          });
          expect(seen).toMatchObject([{ host: owner, dst: vip.mac, to, ttl: TTL - 1 }]);
          const isOfChassis = CHASSIS_MAC.test(seen[0]?.src ?? "");
          const crosses = chassis !== (owner === "ext-a" ? A : B);
          expect([from, owner, isOfChassis]).toEqual([from, owner, crosses]);
        }
      }
    }
  });

  test("is an active next hop, and the one that nobody has is not", async () => {
    expect(await nextHopsBehind(family)).toEqual([
      [vip.ip, true, expect.stringMatching(/^not on chassis chassis-c: map physical network/)],
      [
        either(family, "10.1.4.99", "fd01:4::99"),
        false,
        expect.stringMatching(/^nothing in network wire\/ext is known to have/),
      ],
    ]);
  });
});

test("an address that no port may claim any more is nobody's", async () => {
  await lab.apply(
    [
      portText("ext-a", "ext", A, [4, 11], { of: "wire" }),
      portText("ext-b", "ext", B, [4, 12], { of: "wire" }),
    ].join(""),
  );
  for (const family of FAMILIES) {
    for (const from of ["inner-a", "inner-b"]) {
      const seen = await lab.complain(from, { to: BEHIND_VIP[family] });
      expect(seen.map((one) => [one.host, isError(one)])).toEqual([[from, true]]);
    }
    const known = (await nextHopsBehind(family)).map(([, active]) => active);
    expect(known).toEqual([false, false]);
  }
});

describe.each(FAMILIES)("%s: two projects with the same addresses", (family) => {
  test.each(["red", "blue"])("%s reaches its own", async (of) => {
    const seen = await lab.send(`${of}-web-a`, { to: ip("blue-db-b", family) });
    expect(seen.map(arrival)).toMatchObject([
      { host: `${of}-db-b`, src: lab.interface(`${of}-core-${of}-db`).mac, ttl: TTL - 1 },
    ]);
    const guest = lab.cluster.guest(`${of}-web-a`);
    expect((await guest.probe(ip("red-db-b", family), 5_000)).name).toBe(`${of}-db-b`);
  });

  test("nothing of the one is routed into the other or a third", async () => {
    for (const [from, to] of [
      ["red-web-a", "green-a"],
      ["blue-web-a", "green-a"],
      ["green-a", "red-db-b"],
      ["green-a", "inner-a"],
    ] as const) {
      const seen = await lab.complain(from, { to: ip(to, family) });
      expect(seen.map((one) => [one.host, isError(one)])).toEqual([[from, true]]);
    }
  });
});

describe("a leak", () => {
  /** Who receives, and `error` for what comes back. */
  const way = async (from: string, to: string, family: Family) =>
    (await lab.complain(from, { to: ip(to, family) })).map((one) =>
      isError(one) ? "error" : one.host,
    );

  test("one way: exactly its prefixes, and no way back", async () => {
    const prefixes = '10.1.2.0/28, "fd01:2::/123"';
    await lab.apply(leakText("red-to-green", "green", "red-core", "green-core", prefixes));
    for (const family of FAMILIES) {
      const seen = await lab.send("green-a", { to: ip("red-db-b", family) });
      expect(seen.map(arrival)).toMatchObject([
        { host: "red-db-b", src: lab.interface("red-core-red-db").mac, ttl: TTL - 1 },
      ]);
      for (const to of ["red-db-far", "red-web-a"]) {
        expect(await way("green-a", to, family)).toEqual(["error"]);
      }
      expect(await way("red-db-b", "green-a", family)).toEqual(["error"]);
      expect(await way("blue-db-b", "green-a", family)).toEqual(["error"]);
      const probe = await lab.cluster.guest("green-a").probe(ip("red-db-b", family), 600);
      expect(probe.name).toBeNull();
    }
  });

  test("both ways: guests talk, others of both projects still do not", async () => {
    const prefixes = '10.1.9.0/24, "fd01:9::/64"';
    await lab.apply(leakText("green-to-red", "red", "green-core", "red-core", prefixes));
    for (const family of FAMILIES) {
      const guest = lab.cluster.guest("green-a");
      expect((await guest.probe(ip("red-db-b", family), 5_000)).name).toBe("red-db-b");
      const back = lab.cluster.guest("red-db-b");
      expect((await back.probe(ip("green-a", family), 5_000)).name).toBe("green-a");
      expect(await way("green-a", "red-db-far", family)).toEqual(["error"]);
      expect(await way("blue-web-a", "green-a", family)).toEqual(["error"]);
    }
  });

  test("deleted: apart again", async () => {
    for (const [id, project] of [
      ["red-to-green", "green"],
      ["green-to-red", "red"],
    ] as const) {
      await lab.cluster.central.must("delete", "route-leak", id, "--project", project);
    }
    for (const family of FAMILIES) {
      await until(
        "green to be apart",
        async () => (await way("green-a", "red-db-b", family)).join() === "error",
      );
      expect(await way("red-db-b", "green-a", family)).toEqual(["error"]);
    }
  });
});
