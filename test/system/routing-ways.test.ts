// Which way a router chooses, judged by who receives: ECMP, policies, tables, blackholes, and next hops that nobody told central of:
// unknown hosts behind open ports, and addresses that move between ports. What routing does to a packet is in routing.test.ts.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as frames from "../lab/frames.ts";
import { until } from "../lab/ovs.ts";
import {
  arrival,
  error,
  FAMILIES,
  type Family,
  interfaceText,
  ipOf,
  isError,
  networkText,
  newToken,
  portText,
  RoutedLab,
  routerText,
  routeText,
  TTL,
} from "./routed-lab.ts";

const A = "chassis-a";
const B = "chassis-b";
const C = "chassis-c";
const MEMBERS = ["gw-1", "gw-2", "gw-3"];
const FLOWS = 48;
const VIPS = ["10.1.2.100", "fd01:2::100"] as const;
const MAY_CLAIM = `allowedAddressPairs: [{ip: ${VIPS[0]}}, {ip: "${VIPS[1]}"}]`;

/** Next hops on network gw, both families. */
const hops = (...last: readonly number[]) =>
  last.flatMap((part) => [`10.1.2.${part}`, `fd01:2::${part}`]);

const policyText = (id: string, priority: number, match: string, action: string) => `
kind: PolicyRoute
metadata: {id: ${id}}
spec: {router: core, priority: ${priority}, ${match}, ${action}}
---`;

const policiesText = (name: string, priority: number, match: string, last: number | null) =>
  (
    [
      ["4", "10.1.1.0/24", `10.1.2.${last}`],
      ["6", "fd01:1::/64", `fd01:2::${last}`],
    ] as const
  )
    .map(([suffix, source, hop], at) => {
      const action = last === null ? "drop: {}" : `reroute: {nextHops: [{ip: "${hop}"}]}`;
      return policyText(
        `${name}-${suffix}`,
        priority + at,
        `source: "${source}", ${match}`,
        action,
      );
    })
    .join("");

const INTENT = [
  networkText("web", 1),
  networkText("gw", 2, { type: "overlay: {encap: vxlan}" }),
  networkText("alt", 3),
  networkText("open", 4),
  portText("web-a", "web", A, [1, 11]),
  portText("web-b", "web", B, [1, 12]),
  portText("alt-a", "alt", A, [3, 11]),
  portText("open-b", "open", B, [4, 12], { more: "portSecurityDisabled: true" }),
  portText("shut-b", "open", B, [4, 13]),
  portText("gw-1", "gw", A, [2, 21], { more: MAY_CLAIM }),
  portText("gw-2", "gw", B, [2, 22], { more: MAY_CLAIM }),
  portText("gw-3", "gw", C, [2, 23]),
  routerText("core", ["web", "gw", "open"]),
  interfaceText("core", "alt", { more: "routeTable: 100" }),
  routeText("many", "core", ["198.51.100.0/24", "2001:db8:1::/48"], hops(21, 22, 23)),
  routeText("main", "core", ["203.0.113.0/24", "2001:db8:2::/48"], hops(21)),
  routeText("other", "core", ["203.0.113.0/24", "2001:db8:2::/48"], hops(22), 100),
  routeText("hole", "core", ["192.0.2.0/24", "2001:db8:3::/48"], []),
  routeText("in-hole", "core", ["192.0.2.128/25", "2001:db8:3:1::/64"], hops(21)),
  routeText("vip", "core", ["198.18.1.0/24", "2001:db8:4::/48"], VIPS),
  routeText("self", "core", ["198.18.2.0/24", "2001:db8:5::/48"], ["10.1.1.11", "fd01:1::11"]),
  policiesText("no-ssh", 100, "protocol: tcp, destinationPorts: [{first: 22}]", null),
  policiesText("detour", 50, "protocol: tcp, destinationPorts: [{first: 8000, last: 8099}]", 22),
  policyText("ssh", 200, "source: 10.1.1.12/32, protocol: tcp", "allow: {}"),
  policyText("ssh-6", 201, 'source: "fd01:1::12/128", protocol: tcp', "allow: {}"),
].join("");

let lab: RoutedLab;

beforeAll(async () => {
  lab = await RoutedLab.start({ prefix: "wfrw", chassis: [A, B, C] }, INTENT);
  for (const to of MEMBERS) await lab.settle("web-a", [host(to).ip, host(to).ip6]);
}, 240_000);

afterAll(async () => {
  await lab?.stop();
});

const host = (id: string) => lab.hosts.get(id);
const of = (family: Family, ipv4: string, ipv6: string) => (family === "IPv4" ? ipv4 : ipv6);
const beacons = (family: Family) => MEMBERS.slice(0, 2).map((id) => ipOf(host(id), family));

/** Who was asked for an address, and by whom. */
const asked = (target: string) =>
  ["open-b", "shut-b"].flatMap((id) =>
    host(id).tap.frames.flatMap((frame) => {
      const { src, arp, nd, ip } = frames.readFrame(frame);
      if (arp?.op === "request" && arp.targetIp === target) return [[id, src, arp.senderIp]];
      const isAsked = nd?.type === frames.ND_SOLICITATION && nd.target === target;
      return isAsked ? [[id, src, ip?.from]] : [];
    }),
  );

/** A part of a segment of web-a; where it is not the first, what looks like ports is none. */
function fragment(to: string, part: frames.Fragment, fromPort: number): (token: Buffer) => Buffer {
  return (token) => {
    if (!to.includes(":")) {
      return lab.segment("web-a", { to, fromPort, header: { fragment: part } }, token);
    }
    const segment = lab.segment("web-a", { to, fromPort }, token);
    return frames.fragment6(segment, part);
  };
}

describe.each(FAMILIES)("%s: several next hops", (family) => {
  const to = of(family, "198.51.100.7", "2001:db8:1::7");

  /** Which member each flow goes to; fails when one goes to none or to two. */
  async function members(): Promise<readonly string[]> {
    const tokens = lab.post(
      "web-a",
      Array.from(
        { length: FLOWS },
        (_, at) => (token) => lab.segment("web-a", { to, fromPort: 5000 + at }, token),
      ),
    );
    await until("all flows to arrive", () => tokens.every((token) => lab.seen(token).length > 0));
    return tokens.map((token) =>
      lab
        .seen(token)
        .map((one) => one.host)
        .join(" "),
    );
  }

  test("a 5-tuple keeps to its member, and all members have a share", async () => {
    const first = await members();
    expect(new Set(first)).toEqual(new Set(MEMBERS));
    expect(await members()).toEqual(first);
  });

  test("what arrives has the member's MAC and lost one of its TTL", async () => {
    const seen = await lab.send("web-a", { to });
    const member = host(seen[0]?.host ?? "");
    expect(seen.map(arrival)).toMatchObject([
      { src: lab.interface("core-gw").mac, dst: member.mac, to, ttl: TTL - 1 },
    ]);
  });

  test("fragments of all packets between two hosts keep together", async () => {
    const parts = Array.from({ length: 12 }, (_, at) => [
      fragment(to, { id: at + 1, offset: 0, more: true }, 6000 + at),
      fragment(to, { id: at + 1, offset: 100, more: false }, 7000 + 31 * at),
    ]).flat();
    const tokens = lab.post("web-a", parts);
    await until("all parts to arrive", () => tokens.every((token) => lab.seen(token).length > 0));
    const seen = tokens.flatMap((token) => lab.seen(token).map((one) => one.host));
    expect(seen.length).toBe(parts.length);
    expect(new Set(seen).size).toBe(1);
  });
});

describe.each(FAMILIES)("%s: policies", (family) => {
  const to = () => ipOf(host("gw-1"), family);
  const way = async (from: string, toPort: number) =>
    (await lab.send(from, { to: to(), toPort })).map((one) => one.host);

  test("drop, but not for whom a higher one allows it", async () => {
    const ssh = (from: string) => (token: Buffer) =>
      lab.segment(from, { to: to(), toPort: 22 }, token);
    expect(await lab.silence("web-a", [ssh("web-a")], beacons(family))).toEqual([]);
    expect(await way("web-b", 22)).toEqual(["gw-1"]);
    expect(await way("web-a", 23)).toEqual(["gw-1"]);
  });

  test("reroute, but not for whom a higher one allows the table's way", async () => {
    expect(await way("web-a", 8099)).toEqual(["gw-2"]);
    expect(await way("web-a", 8100)).toEqual(["gw-1"]);
    expect(await way("web-b", 8000)).toEqual(["gw-1"]);
  });
});

describe.each(FAMILIES)("%s: tables", (family) => {
  const way = async (from: string, to: string) =>
    (await lab.complain(from, { to })).map((one) => (isError(one) ? "error" : one.host));

  test("the interface chooses the table; what only another has is no route", async () => {
    const to = of(family, "203.0.113.7", "2001:db8:2::7");
    expect(await way("web-a", to)).toEqual(["gw-1"]);
    expect(await way("alt-a", to)).toEqual(["gw-2"]);
    expect(await way("alt-a", of(family, "192.0.2.200", "2001:db8:3:1::9"))).toEqual(["error"]);
  });

  test("connected networks are in every table", async () => {
    expect(await way("alt-a", ipOf(host("web-b"), family))).toEqual(["web-b"]);
  });

  test("a blackhole says nothing, and the longer prefix in it wins", async () => {
    const into = of(family, "192.0.2.7", "2001:db8:3::7");
    const make = (token: Buffer) => lab.segment("web-a", { to: into }, token);
    expect(await lab.silence("web-a", [make], beacons(family))).toEqual([]);
    expect(await way("web-a", of(family, "192.0.2.200", "2001:db8:3:1::9"))).toEqual(["gw-1"]);
  });

  test("the next hop may be the sender itself", async () => {
    const to = of(family, "198.18.2.7", "2001:db8:5::7");
    expect((await lab.send("web-a", { to })).map(arrival)).toMatchObject([
      { host: "web-a", dst: host("web-a").mac, src: lab.interface("core-web").mac, ttl: TTL - 1 },
    ]);
  });
});

describe.each(FAMILIES)(
  "%s: an address that only a port with port security off may have",
  (family) => {
    const unknown = of(family, "10.1.4.77", "fd01:4::77");
    const macOfUnknown = "0a:57:00:00:77:77";

    test("is asked for by the interface, found, and then known to all", async () => {
      const { mac, ips } = lab.interface("core-open");
      const own = ips.find((one) => one.includes(":") === (family === "IPv6")) ?? "";
      lab.post("web-a", [(token) => lab.segment("web-a", { to: unknown }, token)]);
      await until("open-b to be asked", () => asked(unknown).length > 0);
      expect(asked(unknown)).toEqual([["open-b", mac, own]]);
      const link = { src: macOfUnknown, dst: mac };
      host("open-b").tap.send(
        family === "IPv4"
          ? frames.arp(link, {
              ...{ op: "reply", senderMac: macOfUnknown, senderIp: unknown },
              ...{ targetMac: mac, targetIp: own },
            })
          : frames.advertisement(link, {
              ...{ from: unknown, to: own, target: unknown, option: macOfUnknown },
            }),
      );
      for (const from of ["web-a", "web-b"]) {
        const seen = await lab.complain(from, { to: unknown });
        expect(seen.map(arrival)).toMatchObject([
          { host: "open-b", src: mac, dst: macOfUnknown, to: unknown, ttl: TTL - 1 },
        ]);
      }
    });
  },
);

test("an address that nobody answers for is unreachable, and only open ports were asked", async () => {
  await Promise.all(
    FAMILIES.map(async (family) => {
      const nobody = of(family, "10.1.4.78", "fd01:4::78");
      const from = of(family, "web-a", "web-b");
      const [type, code] = family === "IPv4" ? [3, 1] : [1, 3];
      const seen = await lab.complain(from, { to: nobody });
      expect(seen.map(error)).toMatchObject([{ host: from, type, code }]);
      expect(new Set(asked(nobody).map(([id]) => id))).toEqual(new Set(["open-b"]));
    }),
  );
}, 20_000);

test.each(FAMILIES)("%s: a next hop that moves between ports by its claim", async (family) => {
  const vip = of(family, ...VIPS);
  const to = of(family, "198.18.1.7", "2001:db8:4::7");
  for (const owner of ["gw-1", "gw-2", "gw-1"]) {
    const { mac, tap } = host(owner);
    const claim =
      family === "IPv4" ? frames.gratuitousArp(mac, vip) : frames.gratuitousAdvertisement(mac, vip);
    let seen: readonly unknown[] = [];
    // Said again, as hosts do (RFC 5227 2.3): the same claim within a second is not reported twice.
    await until(`packets to come to ${owner}`, async () => {
      tap.send(claim);
      const sightings = await lab.complain("web-a", { to });
      seen = sightings.filter((one) => !isError(one)).map(arrival);
      return sightings.some((one) => one.host === owner);
    });
    expect(seen).toMatchObject([{ host: owner, dst: mac, ttl: TTL - 1 }]);
  }
});

test("a member that is unplugged leaves, and its flows alone move", async () => {
  const sources = FAMILIES.map((family) => of(family, "198.51.100.7", "2001:db8:1::7"));
  const flows = sources.flatMap((to) =>
    Array.from({ length: FLOWS }, (_, at) => ({ to, fromPort: 5000 + at })),
  );
  const ways = async () => {
    const tokens = lab.post(
      "web-a",
      flows.map((sent) => (token) => lab.segment("web-a", sent, token)),
    );
    await until("all flows to arrive", () => tokens.every((token) => lab.seen(token).length > 0));
    return tokens.map((token) => lab.seen(token)[0]?.host ?? "");
  };
  const before = await ways();
  const gone = "gw-3";
  const lost = flows.filter((_, at) => before[at] === gone);
  expect(lost.length).toBeGreaterThan(0);
  await lab.hosts.remove(gone);
  await lab.cluster.removeGuest(gone);
  await until("the flows of the one that left to go elsewhere", async () => {
    const tokens = lost.map((sent) => {
      const token = newToken();
      host("web-a").tap.send(lab.segment("web-a", sent, token));
      return token;
    });
    await host("web-a").tap.sync();
    await lab.settle("web-a", beacons("IPv4"));
    return tokens.every((token) => lab.seen(token).some((one) => !isError(one)));
  });
  const after = await ways();
  const stayed = before.flatMap((member, at) => (member === gone ? [] : [at]));
  expect(stayed.map((at) => after[at])).toEqual(stayed.map((at) => before[at]));
  expect(after).not.toContain(gone);
});
