// What a topology is in OVN, and that a change touches only its own rows.
import { expect, test } from "vitest";
import { ovnCommands } from "./ovn-rows.ts";
import { LEAKED, network, port, route, WORLD } from "./topology.fixture.ts";
import { EMPTY, get, put, type Topology, without } from "./topology.ts";

const text = (before: Topology, after: Topology) =>
  ovnCommands("c1.", before, after).map((command) => command.join(" "));

test("every item has its commands", () => {
  const commands = text(EMPTY, WORLD);
  for (const expected of [
    "ls-add c1.n1",
    "lsp-add c1.n3 c1.n3-phys  101",
    "lsp-set-options c1.n3-phys network_name=physnet1",
    "lsp-set-addresses c1.p4 02:00:00:00:00:14 10.0.2.14 fd00:2::14 unknown",
    "lsp-set-port-security c1.p4",
    "lsp-set-port-security c1.p3 02:00:00:00:00:13 10.0.2.13 fd00:2::13",
    "lrp-add c1.r1 c1.i12 02:00:00:00:f1:02 10.0.2.1/24 fd00:2::1/64",
    "lrp-set-options c1.i12 gateway_mtu=1300 route_table=table-0",
    "lrp-add c1.r2 c1.k1-1 02:11:00:00:02:01 10.255.1.2/30 fd00:ff:1::2/64 peer=c1.k1-0",
    "--route-table=table-0 lr-route-add c1.r1 192.0.2.0/24 discard",
    "--route-table=table-0 --ecmp lr-route-add c1.r1 203.0.113.0/24 10.0.2.13",
    "--route-table=table-0 --ecmp lr-route-add c1.r1 203.0.113.0/24 10.0.2.14",
    "lr-policy-add c1.r1 10 ip4 && ip4.dst == 10.0.3.0/24 && ip.proto == 17 && udp.dst >= 50 && udp.dst <= 60 drop",
  ]) {
    expect(commands).toContain(expected);
  }
});

test.each<[string, Topology, readonly string[]]>([
  ["nothing", WORLD, []],
  [
    "admin state",
    put(WORLD, { ...get(WORLD, "port", "p1"), up: false }),
    [
      "lsp-set-addresses c1.p1 02:00:00:00:00:11 10.0.1.11 fd00:1::11",
      "lsp-set-port-security c1.p1 02:00:00:00:00:11 10.0.1.11 fd00:1::11",
      "lsp-set-enabled c1.p1 disabled",
    ],
  ],
  ["a move is not OVN's to be told", put(WORLD, port(1, 1, { host: 0 })), []],
  [
    "a next hop less",
    put(WORLD, route("t4", 1, "203.0.113.0/24", ["10.0.2.14"])),
    ["--if-exists --route-table=table-0 lr-route-del c1.r1 203.0.113.0/24 10.0.2.13"],
  ],
  ["an interface less", without(WORLD, "i13"), ["lsp-del c1.i13-sw", "lrp-del c1.i13"]],
])("change: %s", (_what, after, expected) => {
  expect(text(WORLD, after)).toEqual(expected);
});

test("a leak joins two routers, and only what is leaked goes that way", () => {
  const added = text(without(LEAKED, "l1"), LEAKED);
  expect(added).toEqual([
    "lrp-add c1.r1 c1.l1-0 02:12:00:00:01:01 100.64.1.1/30 fd00:64:1::1/64 peer=c1.l1-1",
    "lrp-add c1.r3 c1.l1-1 02:12:00:00:02:01 100.64.1.2/30 fd00:64:1::2/64 peer=c1.l1-0",
    'lr-policy-add c1.r3 30000 inport == "c1.l1-1" allow',
    "--route-table=table-0 --ecmp lr-route-add c1.r1 10.0.5.16/28 100.64.1.2",
    "--route-table=table-0 --ecmp lr-route-add c1.r1 fd00:5::/64 fd00:64:1::2",
    "lrp-set-options c1.l1-0 route_table=table-0",
    "lrp-set-options c1.l1-1 route_table=leaked",
  ]);
  expect(text(LEAKED, without(LEAKED, "l1")).filter((line) => line.includes("-add"))).toEqual([]);
  const fixed = put(LEAKED, route("t8", 1, "10.0.5.16/28", ["10.0.2.13"]));
  expect(text(LEAKED, fixed)).toEqual([
    "--if-exists --route-table=table-0 lr-route-del c1.r1 10.0.5.16/28 100.64.1.2",
    "--route-table=table-0 --ecmp lr-route-add c1.r1 10.0.5.16/28 10.0.2.13",
  ]);
});

test("a flat network has no tag", () => {
  const flat = put(EMPTY, ...network(1, { vlan: 0, shared: false }));
  expect(text(EMPTY, flat)).toContain("lsp-add c1.n1 c1.n1-phys");
});

test("all goes again, what names before what is named", () => {
  const commands = text(WORLD, EMPTY);
  expect(commands.filter((line) => line.includes("-add"))).toEqual([]);
  expect(commands.indexOf("lr-del c1.r1")).toBeGreaterThan(commands.indexOf("lrp-del c1.i11"));
  expect(commands.at(-1)).toBe("ls-del c1.n1");
});
