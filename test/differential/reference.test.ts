// What the reference says of packets on one topology, each worked out by hand.
import { expect, test } from "vitest";
import type { IpPacket } from "./packets.ts";
import { fates, isDirectedBroadcast } from "./reference.ts";
import { gatewayMac, LEAKED, port, route, router, SHARED, WORLD } from "./topology.fixture.ts";
import { get, put, type Topology } from "./topology.ts";

const packet = (more: Partial<IpPacket>): IpPacket => ({
  ...{ src: "02:00:00:00:00:11", dst: gatewayMac(1, 1), from: "10.0.1.11", to: "10.0.2.13" },
  ...{ ttl: 64, body: { protocol: 17, fromPort: 1000, toPort: 2000 } },
  ...more,
});

/** Fates in short: the end, and what tells it apart. */
function check(more: Partial<IpPacket>, expected: readonly string[], topology = WORLD): void {
  const texts = fates(topology, "p1", packet(more)).map((fate) => {
    if (fate.end === "delivered") return `${fate.port} ttl ${fate.ttl}`;
    if (fate.end === "silent") return fate.why;
    if (fate.end === "flooded") return `flooded in ${fate.network}`;
    if ("target" in fate) return `${fate.end} ${fate.target} in ${fate.network}`;
    return `${fate.end} at ${fate.ingress.router}`;
  });
  expect(texts).toEqual(expected);
}

const changed = (id: string, more: object): Topology =>
  put(WORLD, { ...WORLD.get(id), ...more } as never);

test.each<[string, Partial<IpPacket>, readonly string[]]>([
  ["to a neighbour", { dst: "02:00:00:00:00:12", to: "10.0.1.12" }, ["p2 ttl 64"]],
  ["to a neighbour over the gateway", { to: "10.0.1.12" }, ["p2 ttl 63"]],
  ["to everybody", { dst: "ff:ff:ff:ff:ff:ff", to: "255.255.255.255" }, ["flooded in n1"]],
  ["to nobody's MAC", { dst: "02:00:00:00:00:99" }, ["nobody has the MAC"]],
  ["with another's MAC", { src: "02:00:00:00:00:12" }, ["spoofed"]],
  ["with another's address", { from: "10.0.1.12" }, ["spoofed"]],
  ["routed", {}, ["p3 ttl 63"]],
  ["routed, IPv6", { from: "fd00:1::11", to: "fd00:2::13" }, ["p3 ttl 63"]],
  ["over two routers", { to: "10.0.4.16" }, ["p6 ttl 62"]],
  ["TTL ends at the first router", { ttl: 1 }, ["ttl exceeded at r1"]],
  ["TTL ends at the second router", { ttl: 2, to: "10.0.4.16" }, ["ttl exceeded at r2"]],
  ["echo to the near gateway", { to: "10.0.1.1", body: { echo: "request" } }, ["echo at r1"]],
  ["echo to its other side", { to: "10.0.2.1", body: { echo: "request" } }, ["echo at r1"]],
  ["echo to the far router", { to: "10.255.1.2", body: { echo: "request" } }, ["echo at r2"]],
  ["anything else to a gateway", { to: "10.0.1.1" }, ["own address at r1"]],
  ["no route", { to: "198.51.100.1" }, ["no route at r1"]],
  ["no route at the second router", { to: "10.0.4.99" }, ["unknown host 10.0.4.99 in n4"]],
  ["blackhole", { to: "192.0.2.1" }, ["blackhole"]],
  ["ECMP", { to: "203.0.113.1" }, ["p3 ttl 63", "p4 ttl 63"]],
  ["longest prefix", { to: "203.0.113.129" }, ["p4 ttl 63"]],
  ["unknown host", { to: "10.0.2.99" }, ["unknown host 10.0.2.99 in n2"]],
  ["directed broadcast", { to: "10.0.2.255" }, ["never routed"]],
  ["multicast", { to: "239.1.1.1" }, ["never routed"]],
  ["loopback", { to: "127.0.0.1" }, ["never routed"]],
  ["as large as fits", { bytes: 1300 }, ["p3 ttl 63"]],
  ["too big", { bytes: 1301 }, ["too big at r1"]],
  ["policy", { to: "10.0.3.15", body: { protocol: 17, fromPort: 1, toPort: 53 } }, ["policy"]],
  ["beside the policy's ports", { to: "10.0.3.15" }, ["p5 ttl 63"]],
  [
    "a fragment, which has no ports",
    { to: "10.0.3.15", body: { protocol: 17, fromPort: 1, toPort: 53 }, fragment: "first" },
    ["p5 ttl 63"],
  ],
  [
    "later fragments have no ports",
    { to: "10.0.3.15", fragment: "later", body: { protocol: 17, fromPort: 1, toPort: 53 } },
    ["p5 ttl 63"],
  ],
])("%s", (_what, more, expected) => check(more, expected));

test("what is down receives and sends nothing", () => {
  check({}, ["host down 10.0.2.13 in n2"], changed("p3", { up: false }));
  check({}, ["sender down"], changed("p1", { up: false }));
  check({}, ["router down"], changed("r1", { up: false }));
  const direct = { dst: "02:00:00:00:00:12", to: "10.0.1.12" };
  check(direct, ["receiver down"], changed("p2", { up: false }));
});

test("a route counts only in the table of the interface that the packet comes in at", () => {
  check({ to: "203.0.113.129" }, ["no route at r1"], changed("i11", { table: 7 }));
});

test("a claimed address belongs to who claimed it", () => {
  const claimed = put(WORLD, port(3, 2, { pairs: [{ ip: "10.0.2.99" }], claims: ["10.0.2.99"] }));
  check({ to: "10.0.2.99" }, ["p3 ttl 63"], claimed);
  expect(get(claimed, "port", "p3").claims).toEqual(["10.0.2.99"]);
});

test.each<[string, Partial<IpPacket>, readonly string[]]>([
  ["one router, no further lookup", { to: "10.0.5.17" }, ["p7 ttl 63"]],
  ["IPv6", { from: "fd00:1::11", to: "fd00:5::17" }, ["p7 ttl 63"]],
  ["beside what it shows", { to: "10.0.5.11" }, ["no route at r1"]],
  ["nobody has it", { to: "10.0.5.29" }, ["unknown host 10.0.5.29 in n5"]],
  ["claims are not told", { to: "10.0.5.30" }, ["behind a leak 10.0.5.30 in n5"]],
  ["too big", { to: "10.0.5.17", bytes: 1401 }, ["too big at r1"]],
])("a leak: %s", (_what, more, expected) => check(more, expected, LEAKED));

test("a leak is one way, and of equal prefixes the static route counts", () => {
  const back = { src: "02:00:00:00:00:17", dst: gatewayMac(3, 5), from: "10.0.5.17" };
  expect(fates(LEAKED, "p7", packet({ ...back, to: "10.0.1.11" }))).toMatchObject([
    { end: "no route" },
  ]);
  const fixed = put(LEAKED, route("t8", 1, "10.0.5.16/28", ["10.0.2.13"]));
  check({ to: "10.0.5.17" }, ["p3 ttl 63"], fixed);
});

test("a router that is down leaks nothing", () => {
  check({ to: "10.0.5.17" }, ["no route at r1"], put(LEAKED, router(3, false)));
});

test("on a shared network ports and routers of other projects may be strangers", () => {
  check({ to: "10.0.3.18" }, ["port beyond 10.0.3.18 in n3", "p8 ttl 63"], SHARED);
  const there = { src: "02:00:00:00:00:15", from: "10.0.3.15", dst: gatewayMac(4, 3) };
  expect(fates(SHARED, "p5", packet(there))).toMatchObject([
    { end: "silent", why: "router of others" },
    { end: "no route" },
  ]);
});

test("the directed broadcast is the last address of prefixes that have one", () => {
  expect(isDirectedBroadcast("10.0.2.0/24", "10.0.2.255")).toBe(true);
  expect(isDirectedBroadcast("10.0.2.0/24", "10.0.2.254")).toBe(false);
  expect(isDirectedBroadcast("10.0.2.0/31", "10.0.2.1")).toBe(false);
  expect(isDirectedBroadcast("fd00::/64", "fd00::ffff:ffff:ffff:ffff")).toBe(false);
});
