// What validation refuses, as cases: each names code and field, and leaves the tables as they were.
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { describe, expect, it } from "vitest";
import { network, port, provider, remove, subnet } from "../store/transactor.fixture.ts";
import type { ChangeIntent, UpsertIntent } from "./intents.ts";
import { maxFixedIpsPerPort, maxLabels, maxSubnetsPerNetwork } from "./limits.ts";
import { chassisRow, dump, newContext, plan, planned, refusals } from "./plan.fixture.ts";
import { undoPlan } from "./plan.ts";
import type { PortRow, SubnetRow } from "./rows.ts";
import type { Tables } from "./tables.ts";

/** The world that the cases meet. */
const world = [
  network("n1", { id: "n1" }),
  network("n2", { id: "n2" }),
  provider("phys", "provider", 100),
  subnet("s4", { cidr: "10.0.0.0/24" }, { id: "s4" }),
  subnet("s6", { cidr: "fd00::/64" }, { id: "s6" }),
  subnet("tiny", { network: "n2", cidr: "10.2.0.0/30" }, { id: "tiny" }),
  port(
    "p1",
    { mac: "0a:00:00:00:00:01", fixedIps: [{ subnet: "", ip: "10.0.0.10" }] },
    { id: "p1" },
  ),
  port("full", { network: "n2" }, { id: "full" }),
];

const chassis = (spec: Partial<NonNullable<Extract<UpsertIntent, { table: "chassis" }>["spec"]>>) =>
  ({
    action: "upsert",
    table: "chassis",
    at: "chassis",
    meta: { id: "c1", project: "", name: "", labels: {}, revision: 0n },
    spec: { drain: false, lost: false, hostname: "", encaps: [], physicalNetworks: [], ...spec },
  }) satisfies ChangeIntent;

const fixed = (ip: string, ref = "") => ({ fixedIps: [{ subnet: ref, ip }] });
const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

describe("a set is refused for", () => {
  it.each<[string, ChangeIntent[], string[]]>([
    ["a bad name", [network("-bad")], ["INVALID_NAME network.meta.name"]],
    ["a bad id", [network("ok", { id: "a/b" })], ["INVALID_NAME network.meta.id"]],
    ["a bad project", [network("ok", { project: "ö" })], ["INVALID_NAME network.meta.project"]],
    [
      "a name that is taken",
      [network("n1", { id: "other" })],
      ["DUPLICATE_NAME network.meta.name"],
    ],
    [
      "two changes of one object",
      [port("p1"), port("p1", {}, { id: "p1" })],
      ["DUPLICATE_CHANGE port"],
    ],
    ["two new objects of one name", [network("x"), network("x")], ["DUPLICATE_CHANGE network"]],
    [
      "too many labels",
      [network("x", { labels: Object.fromEntries(many(maxLabels + 1, (i) => [`k${i}`, ""])) })],
      ["OVER_LIMIT network.meta.labels"],
    ],
    [
      "a bad label",
      [network("x", { labels: { "": "" } })],
      ['INVALID_LABEL network.meta.labels[""]'],
    ],
    [
      "another project",
      [network("n1", { id: "n1", project: "p" })],
      ["IMMUTABLE_FIELD network.meta.project"],
    ],
    [
      "STT",
      [network("x", {}, { encap: EncapType.STT })],
      ["UNSUPPORTED network.spec.overlay.encap"],
    ],
    [
      "another encap",
      [network("n1", {}, { encap: EncapType.VXLAN })],
      ["IMMUTABLE_FIELD network.spec.overlay.encap"],
    ],
    ["another type", [provider("n1", "p", 1)], ["IMMUTABLE_FIELD network.spec.provider"]],
    [
      "another VLAN",
      [provider("phys", "provider", 101)],
      ["IMMUTABLE_FIELD network.spec.provider.vlan"],
    ],
    [
      "a VLAN twice on one physical network",
      [provider("x", "provider", 100)],
      ["DUPLICATE_SEGMENT network.spec.provider.vlan"],
    ],
    [
      "a VLAN that is none",
      [provider("x", "provider", 4095)],
      ["OUT_OF_BOUNDS network.spec.provider.vlan"],
    ],
    [
      "a physical network without a name",
      [provider("x", "", 5)],
      ["INVALID_FIELD network.spec.provider.physical_network"],
    ],
    [
      "a small MTU",
      [network("x", {}, { mtuBytes: 1279 })],
      ["OUT_OF_BOUNDS network.spec.mtu_bytes"],
    ],
    [
      "an MTU that a chassis does not carry",
      [network("x", {}, { mtuBytes: 1535 })],
      ["OUT_OF_BOUNDS network.spec.mtu_bytes"],
    ],
    [
      "a large MTU",
      [network("x", {}, { mtuBytes: 65_001 })],
      ["OUT_OF_BOUNDS network.spec.mtu_bytes"],
    ],
    [
      "a subnet of no network",
      [subnet("x", { network: "no", cidr: "10.9.0.0/24" })],
      ["DANGLING_REFERENCE subnet.spec.network"],
    ],
    ["a subnet without a prefix", [subnet("x", {})], ["MISSING_FIELD subnet.spec.cidr"]],
    ["host bits", [subnet("x", { cidr: "10.9.0.1/24" })], ["INVALID_ADDRESS subnet.spec.cidr"]],
    [
      "a multicast prefix",
      [subnet("x", { cidr: "224.0.0.0/24" })],
      ["INVALID_ADDRESS subnet.spec.cidr"],
    ],
    [
      "a prefix that is too wide",
      [subnet("x", { cidr: "16.0.0.0/7" })],
      ["INVALID_ADDRESS subnet.spec.cidr"],
    ],
    ["no prefix at all", [subnet("x", { cidr: "ten" })], ["INVALID_ADDRESS subnet.spec.cidr"]],
    [
      "an overlap",
      [subnet("x", { cidr: "10.0.0.128/25" })],
      ["OVERLAPPING_SUBNET subnet.spec.cidr"],
    ],
    [
      "an overlap inside the set",
      [subnet("x", { cidr: "10.9.0.0/24" }), subnet("y", { cidr: "10.9.0.0/16" })],
      ["OVERLAPPING_SUBNET subnet.spec.cidr", "OVERLAPPING_SUBNET subnet.spec.cidr"],
    ],
    [
      "too many subnets",
      many(maxSubnetsPerNetwork, (i) => subnet(`x${i}`, { cidr: `10.9.${i}.0/24` })),
      many(maxSubnetsPerNetwork, () => "OVER_LIMIT subnet.spec.network").slice(0, 200),
    ],
    [
      "another prefix",
      [subnet("s4", { cidr: "10.1.0.0/24" }, { id: "s4" })],
      ["IMMUTABLE_FIELD subnet.spec.cidr"],
    ],
    [
      "another network",
      [subnet("s4", { network: "n2" }, { id: "s4" })],
      ["IMMUTABLE_FIELD subnet.spec.network"],
    ],
    [
      "a gateway outside",
      [subnet("x", { cidr: "10.9.0.0/24", gatewayIp: "10.8.0.1" })],
      ["INVALID_GATEWAY subnet.spec.gateway_ip"],
    ],
    [
      "the network address as gateway",
      [subnet("x", { cidr: "10.9.0.0/24", gatewayIp: "10.9.0.0" })],
      ["INVALID_GATEWAY subnet.spec.gateway_ip"],
    ],
    [
      "the broadcast address as gateway",
      [subnet("x", { cidr: "10.9.0.0/24", gatewayIp: "10.9.0.255" })],
      ["INVALID_GATEWAY subnet.spec.gateway_ip"],
    ],
    [
      "a gateway and none",
      [subnet("x", { cidr: "10.9.0.0/24", gatewayIp: "10.9.0.1", noGateway: true })],
      ["INVALID_GATEWAY subnet.spec.gateway_ip"],
    ],
    [
      "a gateway that a port has",
      [subnet("s4", { gatewayIp: "10.0.0.10" }, { id: "s4" })],
      ["INVALID_GATEWAY subnet.spec.gateway_ip"],
    ],
    [
      "a range outside",
      [
        subnet("x", {
          cidr: "10.9.0.0/24",
          allocationRanges: [{ first: "10.9.0.5", last: "10.9.1.5" }],
        }),
      ],
      ["OUTSIDE_SUBNET subnet.spec.allocation_ranges[0].last"],
    ],
    [
      "a range backwards",
      [
        subnet("x", {
          cidr: "10.9.0.0/24",
          allocationRanges: [{ first: "10.9.0.9", last: "10.9.0.5" }],
        }),
      ],
      ["INVALID_RANGE subnet.spec.allocation_ranges[0]"],
    ],
    [
      "ranges that overlap",
      [
        subnet("x", {
          cidr: "10.9.0.0/24",
          allocationRanges: [
            { first: "10.9.0.5", last: "10.9.0.9" },
            { first: "10.9.0.9", last: "10.9.0.12" },
          ],
        }),
      ],
      ["INVALID_RANGE subnet.spec.allocation_ranges[1]"],
    ],
    [
      "something reserved outside",
      [subnet("x", { cidr: "10.9.0.0/24", reserved: ["10.8.0.0/30"] })],
      ["OUTSIDE_SUBNET subnet.spec.reserved[0]"],
    ],
    [
      "EUI-64 without a /64",
      [subnet("x", { cidr: "fd09::/80", ipv6Allocation: "eui64" })],
      ["INVALID_FIELD subnet.spec.ipv6_allocation"],
    ],
    [
      "EUI-64 on IPv4",
      [subnet("x", { cidr: "10.9.0.0/24", ipv6Allocation: "eui64" })],
      ["INVALID_FIELD subnet.spec.ipv6_allocation"],
    ],
    [
      "a port of no network",
      [port("x", { network: "no" })],
      ["DANGLING_REFERENCE port.spec.network"],
    ],
    ["a port without a network", [port("x", { network: "" })], ["MISSING_FIELD port.spec.network"]],
    [
      "a port that moves",
      [port("p1", { network: "n2" }, { id: "p1" })],
      ["IMMUTABLE_FIELD port.spec.network"],
    ],
    [
      "a MAC that is taken",
      [port("x", { mac: "0A:00:00:00:00:01" })],
      ["DUPLICATE_MAC port.spec.mac"],
    ],
    [
      "a MAC twice in the set",
      [port("x", { mac: "0a:00:00:00:00:02" }), port("y", { mac: "0a:00:00:00:00:02" })],
      ["DUPLICATE_MAC port.spec.mac", "DUPLICATE_MAC port.spec.mac"],
    ],
    [
      "a multicast MAC",
      [port("x", { mac: "01:00:5e:00:00:01" })],
      ["INVALID_ADDRESS port.spec.mac"],
    ],
    ["no MAC at all", [port("x", { mac: "zz" })], ["INVALID_ADDRESS port.spec.mac"]],
    [
      "an IP that is taken",
      [port("x", fixed("10.0.0.10"))],
      ["DUPLICATE_IP port.spec.fixed_ips[0].ip"],
    ],
    [
      "an IP twice",
      [
        port("x", {
          fixedIps: [
            { subnet: "", ip: "10.0.0.11" },
            { subnet: "s4", ip: "10.0.0.11" },
          ],
        }),
      ],
      ["DUPLICATE_IP port.spec.fixed_ips[1].ip"],
    ],
    [
      "an IP of no subnet",
      [port("x", fixed("10.7.0.1"))],
      ["OUTSIDE_SUBNET port.spec.fixed_ips[0].ip"],
    ],
    [
      "an IP outside its subnet",
      [port("x", fixed("10.7.0.1", "s4"))],
      ["OUTSIDE_SUBNET port.spec.fixed_ips[0].ip"],
    ],
    [
      "the gateway's IP",
      [port("x", fixed("10.0.0.1"))],
      ["INVALID_ADDRESS port.spec.fixed_ips[0].ip"],
    ],
    [
      "the broadcast IP",
      [port("x", fixed("10.0.0.255"))],
      ["INVALID_ADDRESS port.spec.fixed_ips[0].ip"],
    ],
    [
      "no IP at all",
      [port("x", fixed("10.0.0.256"))],
      ["INVALID_ADDRESS port.spec.fixed_ips[0].ip"],
    ],
    [
      "a subnet of another network",
      [port("x", fixed("", "tiny"))],
      ["DANGLING_REFERENCE port.spec.fixed_ips[0].subnet"],
    ],
    [
      "a subnet that is not there",
      [port("x", fixed("", "none"))],
      ["DANGLING_REFERENCE port.spec.fixed_ips[0].subnet"],
    ],
    ["an empty fixed IP", [port("x", fixed(""))], ["MISSING_FIELD port.spec.fixed_ips[0]"]],
    [
      "fixed IPs and none",
      [port("x", { ...fixed("", "s4"), noFixedIps: true })],
      ["INVALID_FIELD port.spec.fixed_ips"],
    ],
    [
      "too many IPs",
      [port("x", { fixedIps: many(maxFixedIpsPerPort + 1, () => ({ subnet: "s4", ip: "" })) })],
      ["OVER_LIMIT port.spec.fixed_ips"],
    ],
    ["a pool that is empty", [port("x", { network: "n2" })], ["EXHAUSTED port.spec.fixed_ips"]],
    [
      "a pool that is empty, by name",
      [port("x", { network: "n2", ...fixed("", "tiny") })],
      ["EXHAUSTED port.spec.fixed_ips[0]"],
    ],
    [
      "a pair with host bits",
      [port("x", { allowedAddressPairs: [{ ip: "10.0.0.1/24", mac: "" }] })],
      ["INVALID_ADDRESS port.spec.allowed_address_pairs[0].ip"],
    ],
    [
      "a pair with a bad MAC",
      [port("x", { allowedAddressPairs: [{ ip: "10.0.0.99", mac: "x" }] })],
      ["INVALID_ADDRESS port.spec.allowed_address_pairs[0].mac"],
    ],
    [
      "a chassis that is not there",
      [port("x", { requestedChassis: "c9" })],
      ["DANGLING_REFERENCE port.spec.requested_chassis"],
    ],
    [
      "a long device",
      [port("x", { deviceOwner: "d".repeat(256) })],
      ["OVER_LIMIT port.spec.device_owner"],
    ],
    ["deleting a network in use", [remove("network", "n1")], ["IN_USE delete"]],
    ["deleting a subnet in use", [remove("subnet", "s4")], ["IN_USE delete"]],
    ["deleting what is not there", [remove("port", "none")], ["NOT_FOUND delete.id"]],
    [
      "facts of a chassis",
      [chassis({ hostname: "other" })],
      ["IMMUTABLE_FIELD chassis.spec.hostname"],
    ],
    ["a chassis lost by Apply", [chassis({ lost: true })], ["IMMUTABLE_FIELD chassis.spec.lost"]],
    [
      "a chassis that never registered",
      [{ ...chassis({}), meta: { ...chassis({}).meta, id: "c9" } }],
      ["NOT_REGISTERED chassis.meta.id"],
    ],
  ])("%s", (_, intents, expected) => {
    const context = newContext();
    planned(context, world);
    const before = dumpWithIndexes(context.tables);
    expect(refusals(context, intents)).toEqual(expected);
    expect(dumpWithIndexes(context.tables)).toEqual(before);
  });
});

function dumpWithIndexes(tables: Tables): unknown {
  return [
    dump(tables),
    [...tables.members("subnetNetwork", "n1")].sort(),
    [...tables.members("portMac", "0a:00:00:00:00:01")].sort(),
  ];
}

describe("an upsert", () => {
  it("keeps what it does not say", () => {
    const context = newContext();
    planned(context, world);
    const { results } = planned(context, [
      port("", { network: "", deviceId: "vm" }, { id: "p1" }),
      subnet("", { network: "" }, { id: "s4" }),
    ]);
    expect(results.map(({ action }) => action)).toEqual(["updated", "unchanged"]);
    expect(results[0]?.row).toMatchObject({
      name: "p1",
      mac: "0a:00:00:00:00:01",
      fixedIps: [{ subnet: "s4", ip: "10.0.0.10" }],
      deviceId: "vm",
    });
  });

  it("keeps a dynamic address when the subnet is named again", () => {
    const context = newContext();
    planned(context, world);
    const spec = {
      fixedIps: [
        { subnet: "s6", ip: "" },
        { subnet: "s4", ip: "" },
      ],
    };
    const first = planned(context, [port("d", spec)]).results[0]?.row as PortRow;
    const again = planned(context, [port("d", spec)]).results[0];
    expect(again?.action).toBe("unchanged");
    expect(again?.row).toMatchObject({ fixedIps: first.fixedIps });
    expect(first.fixedIps.map(({ subnet: id }) => id)).toEqual(["s6", "s4"]);
  });

  it("takes facts of a chassis as they are, and drain", () => {
    const context = newContext();
    const { encaps, hostname } = chassisRow;
    const { results } = planned(context, [chassis({ drain: true, hostname, encaps })]);
    expect(results[0]).toMatchObject({ action: "updated", row: { drain: true, key: 1 } });
  });

  it("makes canonical text of every spelling", () => {
    const context = newContext();
    planned(context, world);
    const { results } = planned(context, [
      subnet("c6", { cidr: "FD01:0::/64", gatewayIp: "fd01:0:0:0::1", reserved: ["FD01::00ff"] }),
      port("c", { mac: "0A:00:00:00:0A:0B", fixedIps: [{ subnet: "", ip: "fd00:0::00ab" }] }),
    ]);
    expect(results[0]?.row).toMatchObject({
      cidr: "fd01::/64",
      gatewayIp: "fd01::1",
      reserved: ["fd01::ff"],
    });
    expect(results[1]?.row).toMatchObject({
      mac: "0a:00:00:00:0a:0b",
      fixedIps: [{ subnet: "s6", ip: "fd00::ab" }],
    });
  });

  it("gives EUI-64 addresses from the MAC", () => {
    const context = newContext();
    planned(context, [
      network("e", { id: "e" }),
      subnet("e6", { network: "e", cidr: "fd0e::/64", ipv6Allocation: "eui64" }),
    ]);
    const { results } = planned(context, [port("x", { network: "e", mac: "0a:57:00:00:00:01" })]);
    expect(results[0]?.row).toMatchObject({ fixedIps: [{ ip: "fd0e::857:ff:fe00:1" }] });
  });

  it("keeps dynamic addresses inside the ranges and off the reserved", () => {
    const context = newContext();
    planned(context, [
      network("r", { id: "r" }),
      subnet("r4", {
        network: "r",
        cidr: "10.0.0.0/24",
        allocationRanges: [{ first: "10.0.0.10", last: "10.0.0.14" }],
        reserved: ["10.0.0.11", "10.0.0.12/31"],
      }),
    ]);
    const rows = planned(
      context,
      ["a", "b"].map((name) => port(name, { network: "r" })),
    ).results.map(({ row }) => (row as PortRow).fixedIps[0]?.ip);
    expect(rows).toEqual(["10.0.0.10", "10.0.0.14"]);
    // By name anything in the subnet may be had.
    planned(context, [port("c", { network: "r", fixedIps: [{ subnet: "", ip: "10.0.0.11" }] })]);
  });
});

it("generates MACs until the prefix is used up, and says so", () => {
  const context = newContext({ macPrefix: "0a:00:00:00:00" });
  planned(context, [network("n1", { id: "n1" })]);
  const all = Array.from({ length: 256 }, (_, index) => port(`p${index}`));
  const macs = planned(context, all).results.map(({ row }) => (row as PortRow).mac);
  expect(new Set(macs).size).toBe(256);
  const outcome = plan(context, [port("one-more")]);
  expect(outcome.ok ? "" : outcome.problems[0]?.code).toBe("EXHAUSTED");
});

it("gives 50,000 addresses in seconds, out of a /15 as out of many /29", () => {
  const measure = (world: ChangeIntent[], ports: ChangeIntent[]): number => {
    const context = newContext();
    planned(context, world);
    const startMs = performance.now();
    const { results } = planned(context, ports);
    const tookMs = performance.now() - startMs;
    const addresses = results.map(({ row }) => {
      const { network: id, fixedIps, mac, key } = row as PortRow;
      expect(fixedIps).toHaveLength(1);
      return `${id} ${fixedIps[0]?.ip} ${mac} ${key}`;
    });
    expect(new Set(addresses).size).toBe(ports.length);
    return tookMs;
  };
  const count = 50_000;
  const perSmall = 5;
  const large = measure(
    [network("n1", { id: "n1" }), subnet("s", { cidr: "10.0.0.0/15" })],
    many(count, (i) => port(`p${i}`)),
  );
  const small = measure(
    many(count / perSmall, (i) => [
      network(`m${i}`, { id: `m${i}` }),
      subnet(`t${i}`, { network: `m${i}`, cidr: "10.0.0.0/29" }),
    ]).flat(),
    many(count, (i) => port(`p${i}`, { network: `m${Math.floor(i / perSmall)}` })),
  );
  console.log(`50,000 ports: /15 ${large.toFixed(0)} ms, /29 ${small.toFixed(0)} ms`);
  expect(large).toBeLessThan(15_000);
  expect(small).toBeLessThan(15_000);
});

it("puts everything back when a plan is undone", () => {
  const context = newContext();
  planned(context, world);
  const before = dumpWithIndexes(context.tables);
  const outcome = plan(context, [
    port("new"),
    port("p1", { mac: "0a:00:00:00:00:09" }, { id: "p1" }),
    remove("port", "full"),
    subnet("s9", { cidr: "10.9.0.0/24" }),
  ]);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  for (const step of undoPlan(context, outcome.plan)) expect(step).toBeUndefined();
  expect(dumpWithIndexes(context.tables)).toEqual(before);
  const tiny = context.tables.get("subnet", "tiny") as SubnetRow;
  expect(context.allocator.statistics(tiny, 1000)).toEqual({
    total: 1n,
    used: 1n,
    quarantined: 0n,
  });
});
