// Each intended difference explains what it is about, with both outcomes, and nothing beside it.
import { expect, test } from "vitest";
import { linkLocal } from "../lab/frames.ts";
import { DIFFERENCES, judge } from "./differences.ts";
import type { Arrival, ArrivedError, ArrivedIp } from "./observe.ts";
import type { IpPacket } from "./packets.ts";
import type { IpProbe, Probe, QuestionProbe } from "./probes.ts";
import { isExpectedStray } from "./strays.ts";
import {
  gatewayMac,
  interface_,
  leak,
  LEAKED,
  port,
  route,
  router,
  SHARED,
  WORLD,
} from "./topology.fixture.ts";
import { get, type Item, type Policy, put, type Topology } from "./topology.ts";

const UDP = { protocol: 17, fromPort: 1000, toPort: 2000 } as const;

/** From p1 over its gateway. */
function send(more: Partial<IpPacket>, flows = 1): IpProbe {
  const base = {
    src: "02:00:00:00:00:11",
    dst: gatewayMac(1, 1),
    from: "10.0.1.11",
    to: "10.0.2.13",
  };
  return { kind: "ip", from: "p1", flows, packet: { ...base, ttl: 64, body: UDP, ...more } };
}

function ask(target: string, more: Partial<QuestionProbe> = {}): QuestionProbe {
  return { kind: "question", from: "p1", target, as: "10.0.1.11", ...more };
}

function gets(to: string, what: Partial<ArrivedIp> = {}, src = "router r1"): Arrival {
  const base = { from: "10.0.1.11", to: "10.0.2.13", ttl: 63, content: "udp" } as const;
  return {
    port: to,
    src,
    dst: to,
    what: { kind: "ip", ...base, fragment: "whole", bytes: 43, ...what },
  };
}

function error(
  type: number,
  code: number,
  more: Partial<ArrivedError> = {},
  src = "router r1",
): Arrival {
  const base = { from: "10.0.1.1", to: "10.0.1.11", ttl: 255, family: 4, mtu: 0 } as const;
  const about = "10.0.1.11 > 10.0.2.13";
  return {
    port: "p1",
    src,
    dst: "p1",
    what: { kind: "error", ...base, type, code, about, ...more },
  };
}

function asked(at: string, target: string, senderIp = "10.0.1.11", src = "p1"): Arrival {
  const what = { kind: "arp", op: "request", senderMac: src, senderIp, targetIp: target } as const;
  return { port: at, src, dst: "ff:ff:ff:ff:ff:ff", what };
}

function answered(by: string, ip: string, targetIp = "10.0.1.11"): Arrival {
  const what = { kind: "arp", op: "reply", senderMac: by, senderIp: ip, targetIp } as const;
  return { port: "p1", src: by, dst: "p1", what };
}

const changed = (id: string, more: object): Topology =>
  put(WORLD, Object.assign<object, object | undefined, object>({}, WORLD.get(id), more) as Item);

interface Case {
  readonly name: string;
  readonly topology?: Topology;
  readonly probe: Probe;
  readonly ovn: readonly Arrival[];
  readonly weft: readonly Arrival[];
  /** Of outcomes that are not meant: the same, otherwise. */
  readonly wrong: readonly (readonly [readonly Arrival[], readonly Arrival[]])[];
}

const echo = (ttl: number) =>
  gets("p1", { from: "10.0.1.1", to: "10.0.1.11", ttl, content: "echo reply" });
const ecmp = (to: string) => gets(to, { to: "203.0.113.1" });
const far = (ttl: number, src: string) =>
  error(11, 0, { from: "10.255.1.2", ttl, about: "10.0.1.11 > 10.0.4.16" }, src);

/** What an owner with port security off says to all when somebody wants its address. */
const told = (to: string, by = "p2", ip = "fd00:1::12"): Arrival => {
  const what = { from: ip, to: "ff02::1", target: ip, option: by };
  const said = { kind: "nd", op: "advertisement", ...what } as const;
  return { port: to, src: by, dst: "33:33:00:00:00:01", what: said };
};
const leaked = (ttl: number) => gets("p7", { to: "10.0.5.17", ttl }, "router r3");

const far6 = (type: number) => {
  const about = "fd00:1::11 > fd00:4::16";
  const ends = { from: "fd00:ff:1::2", to: "fd00:1::11" };
  return error(type, 0, { ...ends, family: 6, ttl: 254, about });
};
const DROP: Policy = {
  ...{ kind: "policy", id: "q", project: "red", router: "r1", priority: 20, family: 4 },
  ...{ source: null, destination: null, protocol: 0, ports: null, ingress: null, action: "drop" },
};

const CASES: readonly Case[] = [
  {
    name: "what a router says has TTL 255",
    probe: send({ to: "10.0.1.1", body: { echo: "request" } }),
    ...{ ovn: [echo(254)], weft: [echo(255)] },
    wrong: [
      [[echo(254)], [echo(253)]],
      [[echo(254)], []],
      [[gets("p3", { ttl: 62 })], [gets("p3", { ttl: 63 })]],
    ],
  },
  {
    name: "way back of errors",
    probe: send({ to: "10.0.4.16", ttl: 2 }),
    ...{ ovn: [far(252, "router r1")], weft: [far(254, "router r2")] },
    wrong: [[[far(254, "router r1")], [far(252, "router r2")]]],
  },
  {
    name: "which of its addresses a router speaks with",
    topology: put(WORLD, {
      ...{ kind: "subnet", id: "s9", project: "red", network: "n1" },
      ...{ cidr: "10.1.2.0/23", gateway: "10.1.2.1" },
    }),
    probe: send({ ttl: 1 }),
    ...{ ovn: [error(11, 0, { ttl: 254, from: "10.1.2.1" })], weft: [error(11, 0)] },
    wrong: [
      [[error(11, 0, { ttl: 254 })], [error(11, 0, { from: "10.1.2.1" })]],
      [[error(11, 0, { ttl: 254, from: "10.1.2.1" })], [error(11, 0, { from: "10.0.2.1" })]],
    ],
  },
  {
    name: "time exceeded at a router further on, IPv6",
    topology: put(WORLD, route("t9", 1, "fd00:4::/64", ["fd00:ff:1::2"])),
    probe: send({ from: "fd00:1::11", to: "fd00:4::16", ttl: 2 }),
    ...{ ovn: [], weft: [far6(3)] },
    wrong: [
      [[], [far6(1)]],
      [[far6(3)], []],
    ],
  },
  {
    name: "policies about errors",
    topology: put(WORLD, { ...DROP, id: "q2", destination: "10.0.1.0/24" }),
    probe: send({ ttl: 1 }),
    ...{ ovn: [error(11, 0, { ttl: 254 })], weft: [] },
    wrong: [
      [[], [error(11, 0)]],
      [[gets("p3")], []],
    ],
  },
  {
    name: "a leak is one router",
    topology: LEAKED,
    probe: send({ to: "10.0.5.17" }),
    ...{ ovn: [leaked(62)], weft: [leaked(63)] },
    wrong: [
      [[leaked(61)], [leaked(63)]],
      [[], [leaked(63)]],
      [[leaked(63)], [leaked(64)]],
      [[leaked(62)], [{ ...leaked(63), port: "p6", dst: "p6" }]],
    ],
  },
  {
    name: "a leak is one router",
    topology: LEAKED,
    probe: send({ to: "10.0.5.17", ttl: 2 }),
    ovn: [error(11, 0, { from: "100.64.1.2", ttl: 252, about: "10.0.1.11 > 10.0.5.17" })],
    weft: [leaked(1)],
    wrong: [
      [[error(11, 0, { from: "10.0.5.1", about: "10.0.1.11 > 10.0.5.17" })], [leaked(1)]],
      [[], [leaked(2)]],
    ],
  },
  {
    name: "a leak is one router",
    topology: put(LEAKED, leak("r1", "r3", ["10.0.1.0/24"])),
    probe: send({ to: "10.0.5.1", body: { echo: "request" } }),
    ovn: [gets("p1", { from: "10.0.5.1", to: "10.0.1.11", ttl: 253, content: "echo reply" })],
    weft: [gets("p1", { from: "10.0.5.1", to: "10.0.1.11", ttl: 255, content: "echo reply" })],
    wrong: [[[gets("p3", { ttl: 61 })], [gets("p3", { ttl: 63 })]]],
  },
  {
    name: "what a leak does not tell",
    topology: LEAKED,
    probe: send({ to: "10.0.5.30" }),
    ovn: [{ ...leaked(62), what: { ...leaked(62).what, to: "10.0.5.30" } as ArrivedIp }],
    weft: [error(3, 1, { about: "10.0.1.11 > 10.0.5.30" })],
    wrong: [
      [[], [error(3, 1, { about: "10.0.1.11 > 10.0.5.31" })]],
      [[], [error(3, 1, { about: "10.0.1.11 > 10.0.5.30", from: "10.0.2.1" })]],
    ],
  },
  {
    name: "ports of other projects on a shared network",
    topology: SHARED,
    probe: send({ to: "10.0.3.18", body: { echo: "request" } }),
    ovn: [gets("p8", { to: "10.0.3.18" }, "a router")],
    weft: [error(3, 1, { about: "10.0.1.11 > 10.0.3.18" })],
    wrong: [
      [[gets("p8", { to: "10.0.3.18", ttl: 62 }, "a router")], []],
      [[], [error(3, 0, { about: "10.0.1.11 > 10.0.3.18" })]],
      [[gets("p5", { to: "10.0.3.18" }, "a router")], []],
    ],
  },
  {
    name: "routers of other projects on a shared network",
    topology: put(SHARED, port(7, 1), port(9, 3, { security: false })),
    probe: {
      ...send({ src: "02:00:00:00:00:15", dst: gatewayMac(4, 3), from: "10.0.3.15" }),
      from: "p5",
    },
    ovn: [{ ...error(3, 0, { from: "10.0.3.98", to: "10.0.3.15" }), port: "p5", dst: "p5" }],
    weft: [{ ...gets("p9", { from: "10.0.3.15" }, "p5"), dst: "a router" }],
    wrong: [[[], [{ ...gets("p7", { from: "10.0.3.15" }, "p5"), dst: "a router" }]]],
  },
  {
    name: "routers of other projects on a shared network",
    topology: SHARED,
    probe: ask("10.0.3.98", { from: "p5", as: "10.0.3.15" }),
    ovn: [{ ...answered("a router", "10.0.3.98", "10.0.3.15"), port: "p5", dst: "p5" }],
    weft: [asked("p8", "10.0.3.98", "10.0.3.15", "p5")],
    wrong: [
      [[], [gets("p8", { to: "10.0.3.98" })]],
      [[], [asked("p8", "10.0.3.98", "10.0.3.15", "p6")]],
    ],
  },
  {
    name: "policies about errors",
    topology: put(WORLD, {
      ...{ ...DROP, id: "q2", destination: "10.0.1.0/24" },
      action: { nextHops: ["10.0.2.99"] },
    }),
    probe: send({ ttl: 1 }),
    ...{ ovn: [error(11, 0, { ttl: 254 })], weft: [] },
    wrong: [[[error(11, 0, { ttl: 254, from: "10.0.2.1" })], []]],
  },
  {
    // The next hop is somebody's, but not next to the router.
    name: "policies about errors",
    topology: put(WORLD, port(9, 4, { project: "blue", ips: ["10.0.2.99"] }), {
      ...{ ...DROP, id: "q2", destination: "10.0.1.0/24" },
      action: { nextHops: ["10.0.2.99"] },
    }),
    probe: send({ ttl: 1 }),
    ...{ ovn: [error(11, 0, { ttl: 254 })], weft: [] },
    wrong: [[[error(11, 0, { ttl: 254, from: "10.0.2.1" })], []]],
  },
  {
    name: "policies about errors",
    topology: put(WORLD, {
      ...{ ...DROP, id: "q2", destination: "10.0.1.0/24" },
      action: { nextHops: ["10.0.2.14"] },
    }),
    probe: send({ ttl: 1 }),
    ovn: [error(11, 0, { ttl: 254 })],
    weft: [{ ...error(11, 0), port: "p4", dst: "p4" }],
    wrong: [
      [[error(11, 0, { ttl: 254 })], []],
      [[error(11, 0, { ttl: 254 })], [{ ...error(11, 0), port: "p3", dst: "p3" }]],
    ],
  },
  {
    name: "no route",
    probe: send({ to: "198.51.100.1" }),
    ...{ ovn: [], weft: [error(3, 0, { about: "10.0.1.11 > 198.51.100.1" })] },
    wrong: [
      [[], [error(3, 1, { about: "10.0.1.11 > 198.51.100.1" })]],
      [[], [error(3, 0, { about: "10.0.1.11 > 198.51.100.1", from: "10.0.2.1" })]],
      [[], [error(3, 0, { about: "10.0.1.12 > 198.51.100.1" })]],
    ],
  },
  {
    name: "unknown host",
    probe: send({ to: "10.0.2.99" }),
    ...{ ovn: [], weft: [error(3, 1, { about: "10.0.1.11 > 10.0.2.99" })] },
    wrong: [[[], [error(3, 0, { about: "10.0.1.11 > 10.0.2.99" })]]],
  },
  {
    name: "host that is down",
    topology: changed("p3", { up: false }),
    probe: send({}),
    ...{ ovn: [], weft: [error(3, 1)] },
    wrong: [[[gets("p3")], [error(3, 1)]]],
  },
  {
    name: "ECMP chooses otherwise",
    probe: send({ to: "203.0.113.1", body: { echo: "request" } }),
    ...{ ovn: [ecmp("p3")], weft: [ecmp("p4")] },
    wrong: [
      [[ecmp("p3")], [ecmp("p2")]],
      [[ecmp("p3")], [gets("p4", { to: "203.0.113.1", ttl: 62 })]],
    ],
  },
  {
    name: "ECMP chooses otherwise for what a router says",
    topology: put(WORLD, {
      ...{ ...DROP, id: "q2", destination: "10.0.1.0/24" },
      action: { nextHops: ["10.0.2.13", "10.0.2.14"] },
    }),
    probe: send({ ttl: 1, to: "198.51.100.1" }),
    ovn: [{ ...error(11, 0, { ttl: 254 }), port: "p3", dst: "p3" }],
    weft: [{ ...error(11, 0), port: "p4", dst: "p4", src: "a router" }],
    wrong: [
      [
        [{ ...error(11, 0, { ttl: 254 }), port: "p3", dst: "p3" }],
        [{ ...error(11, 0), port: "p5", dst: "p5" }],
      ],
    ],
  },
  {
    name: "ECMP chooses otherwise for what a router says",
    topology: put(WORLD, {
      ...{ ...DROP, id: "q2", destination: "10.0.1.0/24" },
      action: { nextHops: ["10.0.2.99", "10.0.2.14"] },
    }),
    probe: send({ to: "10.0.1.1", body: { echo: "request" } }),
    ovn: [],
    weft: [{ ...echo(255), port: "p4", dst: "p4" }],
    wrong: [
      [[], [{ ...echo(255), port: "p3", dst: "p3" }]],
      [[], [ecmp("p4")]],
    ],
  },
  {
    name: "traffic to a router's own address",
    probe: send({ to: "10.0.2.1" }),
    ...{ ovn: [error(3, 3, { from: "10.0.2.1", about: "10.0.1.11 > 10.0.2.1" })], weft: [] },
    wrong: [[[], [error(3, 3, { from: "10.0.2.1", about: "10.0.1.11 > 10.0.2.1" })]]],
  },
  {
    name: "never routed",
    probe: send({ from: linkLocal("02:00:00:00:00:11"), to: "fd00:2::13" }),
    ...{ ovn: [gets("p3")], weft: [] },
    wrong: [[[], [gets("p3")]]],
  },
  {
    name: "router behind a provider network",
    topology: put(WORLD, router(3), interface_(3, 3, ["10.0.3.99", "fd00:3::99"])),
    probe: send({ to: "10.0.3.99", body: { echo: "request" } }),
    ...{ ovn: [echo(254)], weft: [error(3, 1, { about: "10.0.1.11 > 10.0.3.99" })] },
    wrong: [[[echo(254)], [error(3, 0, { about: "10.0.1.11 > 10.0.3.99" })]]],
  },
  {
    name: "packet too big",
    probe: send({ bytes: 1400 }),
    ...{ ovn: [], weft: [error(3, 4, { mtu: 1300 })] },
    wrong: [[[error(3, 4, { mtu: 1300 })], []]],
  },
  {
    name: "frames for a MAC that is nobody's now",
    topology: changed("p3", { up: false }),
    probe: send({}),
    ...{ ovn: [], weft: [{ ...gets("p4"), dst: "p3" }] },
    wrong: [[[], [{ ...gets("p5"), dst: "p3" }]]],
  },
  {
    name: "frames for a MAC that is nobody's now",
    probe: send({ to: "10.0.2.99" }),
    ...{ ovn: [{ ...gets("p4", { to: "10.0.2.99" }), dst: "02:00:00:00:00:99" }], weft: [] },
    wrong: [
      [[{ ...gets("p3", { to: "10.0.2.99" }), dst: "02:00:00:00:00:99" }], []],
      [[], [{ ...gets("p4", { to: "10.0.2.99" }), dst: "02:00:00:00:00:99" }]],
    ],
  },
  {
    name: "address detection",
    probe: ask("10.0.1.12", { as: null }),
    ...{ ovn: [], weft: [answered("p2", "10.0.1.12", "0.0.0.0")] },
    wrong: [[[], [asked("p2", "10.0.1.12", "0.0.0.0")]]],
  },
  {
    name: "address detection",
    topology: changed("p2", { security: false }),
    probe: ask("fd00:1::12", { as: null }),
    ovn: [told("p1"), told("p4")],
    weft: [told("p1")],
    wrong: [
      [[told("p1")], []],
      [[], [told("p4")]],
    ],
  },
  {
    name: "address detection",
    topology: put(WORLD, port(7, 3, { host: 0 }), port(9, 3)),
    probe: ask("fd00:3::17", { from: "p5", as: null }),
    ovn: [],
    weft: [told("p5", "p7", "fd00:3::17"), told("p9", "p7", "fd00:3::17")],
    wrong: [
      [[told("p9", "p7", "fd00:3::17")], []],
      [[], [told("p7", "p9", "fd00:3::17")]],
    ],
  },
  {
    name: "questions that OVN does not answer at the source",
    topology: changed("p2", { security: false }),
    probe: ask("10.0.1.12"),
    ovn: [asked("p2", "10.0.1.12"), answered("p2", "10.0.1.12")],
    weft: [answered("p2", "10.0.1.12")],
    wrong: [[[asked("p2", "10.0.1.12"), answered("p2", "10.0.1.12")], []]],
  },
  {
    name: "questions that Weft does not answer at the source",
    topology: put(WORLD, port(7, 3, { host: 0 })),
    probe: ask("10.0.3.17", { from: "p5", as: "10.0.3.15" }),
    ...{ ovn: [], weft: [asked("p7", "10.0.3.17", "10.0.3.15", "p5")] },
    wrong: [[[asked("p7", "10.0.3.17", "10.0.3.15", "p5")], []]],
  },
  {
    name: "questions for a port that is down",
    topology: changed("p2", { up: false, host: 1 }),
    probe: ask("10.0.1.12"),
    ...{ ovn: [answered("p2", "10.0.1.12")], weft: [asked("p4", "10.0.1.12")] },
    wrong: [[[], [answered("p2", "10.0.1.12")]]],
  },
  {
    name: "port security of the receiver",
    topology: put(WORLD, route("t9", 1, "198.51.100.0/24", ["10.0.2.13"])),
    probe: send({ to: "198.51.100.1" }),
    ...{ ovn: [], weft: [gets("p3", { to: "198.51.100.1" })] },
    wrong: [
      [[], [gets("p3", { to: "198.51.100.1", ttl: 62 })]],
      [[], [gets("p2", { to: "198.51.100.1" })]],
      [[gets("p3", { to: "198.51.100.1" })], []],
    ],
  },
];

test.each(CASES)("$name", ({ name, topology = WORLD, probe, ovn, weft, wrong }) => {
  const verdict = judge(topology, probe, ovn, weft);
  expect(verdict).toMatchObject({ ovn: [], weft: [] });
  expect(verdict.because).toEqual([name]);
  for (const [wrongOvn, wrongWeft] of wrong) {
    const left = judge(topology, probe, wrongOvn, wrongWeft);
    const unexplained = left.ovn.length + left.weft.length;
    expect({ wrongOvn, wrongWeft, unexplained }).not.toMatchObject({ unexplained: 0 });
  }
});

test("every difference has its case", () => {
  expect([...new Set(CASES.map(({ name }) => name))]).toEqual(DIFFERENCES.map(({ name }) => name));
});

test("equal outcomes need no explanation, and each copy counts", () => {
  const probe = send({});
  expect(judge(WORLD, probe, [gets("p3")], [gets("p3")])).toEqual({
    ovn: [],
    weft: [],
    because: [],
  });
  expect(judge(WORLD, probe, [gets("p3")], [gets("p3"), gets("p3")]).weft).toHaveLength(1);
  expect(judge(WORLD, probe, [gets("p3")], []).ovn).toHaveLength(1);
});

test("what a system may say by itself", () => {
  const byRouter = (at: string): Arrival => ({
    ...asked(at, "10.0.2.99", "10.0.2.1", "router r1"),
  });
  expect(isExpectedStray(WORLD, "ovn", byRouter("p3"))).toBe(true);
  expect(isExpectedStray(WORLD, "weft", byRouter("p3"))).toBe(false);
  expect(isExpectedStray(WORLD, "weft", byRouter("p4"))).toBe(true);
  expect(isExpectedStray(WORLD, "ovn", gets("p3"))).toBe(false);
});

test("hosts of a flat network look for their neighbours, and nobody else does in their place", () => {
  const flat = put(WORLD, {
    ...get(WORLD, "network", "n3"),
    type: { vlan: 0, shared: false },
  });
  const from = "fe80::58ad:5eff:fe59:b33f";
  const looks = (content: string, src = "5a:ad:5e:59:b3:3f", to = "ff02::2") =>
    gets("p5", { from, to, ttl: 255, content }, src);
  expect(isExpectedStray(flat, "weft", looks("icmp 133/0"))).toBe(true);
  expect(isExpectedStray(flat, "weft", looks("protocol 0", undefined, "ff02::16"))).toBe(true);
  expect(isExpectedStray(flat, "weft", looks("protocol 0"))).toBe(false);
  expect(isExpectedStray(WORLD, "weft", looks("icmp 133/0"))).toBe(false);
  expect(isExpectedStray(flat, "weft", looks("udp"))).toBe(false);
  expect(isExpectedStray(flat, "weft", looks("icmp 133/0", "02:00:00:00:00:11"))).toBe(false);
});
