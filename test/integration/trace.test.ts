// A trace of one chassis against a real Open vSwitch: the agent's tracer over the addon, and the switch's own ofproto/trace, which must
// agree on every lookup. Packets of every way that a pipeline has; what several chassis make of them is test/system/trace.test.ts.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tracer } from "@weft/agent/trace/trace.ts";
import { Dataplane, type DataplaneEvent } from "@weft/dataplane-native";
import { EngineBatch, InstructionBody } from "@weft/shared/gen/weft/v1/southbound.ts";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { ipToBytes } from "@weft/shared/net/ip.ts";
import { macToBytes } from "@weft/shared/net/mac.ts";
import { type TraceQuery, type TraceReply, traceReplySchema } from "@weft/shared/trace-query.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Ovs, startOvs, until } from "../lab/ovs.ts";

const PORTS = { "web-1": 1, "web-2": 2 };
const TUNNEL = 100;
let dir: string;
let ovs: Ovs;
let dataplane: Dataplane;
let tracer: Tracer;

type Body = NonNullable<InstructionBody["body"]>;
const instruction = (key: string, body: Body) => ({
  key,
  body: Buffer.from(InstructionBody.encode({ body }).finish()),
});
const network = (key: number) =>
  instruction(`network/${key}/config`, {
    $case: "network",
    value: {
      ...{ networkKey: key, networkId: `n${key}`, encap: EncapType.GENEVE, mtuBytes: 1400 },
      ...{ physicalNetwork: "", vlan: 0, gatewayIps: [], gatewayMac: Buffer.alloc(0) },
      ...{ relayed: false, unknownUnicast: false },
    },
  });
const mac = (last: number) => macToBytes(`02:00:00:00:00:0${last}`);
const local = (id: string, key: number) =>
  instruction(`chassis/a/port/${key}`, {
    $case: "localPort",
    value: {
      ...{ portId: id, portKey: key, networkKey: 7, mac: mac(key), allowedPairs: [] },
      ips: [ipToBytes(`10.0.0.${key}`), ipToBytes(`fd00::${key}`)],
      ...{ adminUp: true, portSecurity: true, generation: 1n, mtuBytes: 1400 },
    },
  });
const remote = (key: number, net: number) =>
  instruction(`network/${net}/location/${key}`, {
    $case: "location",
    value: {
      ...{ portKey: key, networkKey: net, mac: mac(key), chassisKey: 2, portSecurity: true },
      ips: [ipToBytes(`10.0.${net - 7}.${key}`), ipToBytes(`fd0${net - 7}::${key}`)],
      vtepIp: ipToBytes("192.0.2.2"),
    },
  });
const routerPort = (net: number) =>
  instruction(`router/4/interface/${net}`, {
    $case: "routerPort",
    value: {
      ...{ routerKey: 4, networkKey: net, interfaceKey: net, mac: macToBytes(ROUTER_MAC) },
      addresses: [
        { ip: ipToBytes(`10.0.${net - 7}.254`), prefixLen: 24 },
        { ip: ipToBytes(`fd0${net - 7}::fe`), prefixLen: 64 },
      ],
      ...{ routeTable: 0, mtuBytes: 1400, link: false },
    },
  });
const ROUTER_MAC = "0a:00:00:00:00:fe";

const world = [
  instruction("chassis/a/config", { $case: "chassisConfig", value: { chassisKey: 1 } }),
  ...[network(7), network(8), local("web-1", 1), local("web-2", 2)],
  ...[remote(3, 7), remote(4, 8), remote(5, 8)],
  instruction("router/4/config", { $case: "router", value: { routerKey: 4, routerId: "r" } }),
  ...[routerPort(7), routerPort(8)],
  instruction("router/4/route/9", {
    $case: "staticRoute",
    value: {
      ...{ routerKey: 4, routeKey: 9, table: 0, prefix: ipToBytes("172.16.0.0"), prefixLen: 16 },
      nextHops: ["10.0.1.4", "10.0.1.5"].map((ip) => ({ ip: ipToBytes(ip), networkKey: 8 })),
    },
  }),
  ...Object.entries(PORTS).map(([portId, ofport]) =>
    instruction(`local/vif/${portId}`, { $case: "localVif", value: { portId, ofport } }),
  ),
  instruction("local/tunnel/1", {
    $case: "localTunnel",
    value: { encap: EncapType.GENEVE, ofport: TUNNEL, localIps: [ipToBytes("192.0.2.1")] },
  }),
];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "weft-trace-"));
  ovs = await startOvs({ dir, name: "trace", dummyDatapath: true });
  const settings = ["datapath_type=dummy", "fail_mode=secure", "protocols=OpenFlow15"];
  await ovs.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", ...settings);
  for (const ofport of Object.values(PORTS)) {
    const kind = ["type=dummy", `ofport_request=${ofport}`];
    await ovs.vsctl(
      "add-port",
      "br-int",
      `d${ofport}`,
      "--",
      "set",
      "interface",
      `d${ofport}`,
      ...kind,
    );
  }
  const tunnel = ["remote_ip", "local_ip", "key"].map((option) => `options:${option}=flow`);
  const request = ["type=geneve", `ofport_request=${TUNNEL}`, ...tunnel];
  await ovs.vsctl("add-port", "br-int", "gnv", "--", "set", "interface", "gnv", ...request);

  const events: DataplaneEvent[] = [];
  dataplane = Dataplane.open({ mgmtSocket: ovs.mgmtSocket("br-int") }, (event) =>
    events.push(event),
  );
  const ticket = dataplane.submit(
    EngineBatch.encode({ upserts: world, deletes: [], dropScopes: [] }).finish(),
  );
  const completed = () =>
    events.find((event) => event.kind === "completed" && event.ticket === ticket);
  await until("the flows to be in the switch", () => completed() !== undefined);
  expect(completed()).toMatchObject({ failures: [] });
  const vif = { linkUp: true, mtuBytes: 1400, error: "" };
  const vifs = Object.entries(PORTS).map(([portId, ofport]) => {
    return { ...vif, portId, name: `d${ofport}`, ofport };
  });
  const tunnels = [{ encap: EncapType.GENEVE, ofport: TUNNEL, localIps: [] }];
  const facts = () => ({ vifs, tunnels, patches: [] });
  tracer = new Tracer({ dataplane, ovs: { runDir: dir, bridge: "br-int" }, facts });
});

afterAll(async () => {
  await dataplane?.close();
  await ovs?.stop();
  await rm(dir, { recursive: true, force: true });
});

const hex = (bytes: Buffer) => `0x${BigInt(`0x${bytes.toString("hex")}`).toString(16)}`;

interface Ping {
  readonly from?: string;
  readonly to: string;
  readonly dstMac: Buffer;
  readonly ttl?: number;
  readonly fragment?: number;
  readonly length?: number;
}

/** An echo request of web-1. */
async function ping({ from, to, dstMac, ttl, fragment, length }: Ping): Promise<TraceReply> {
  const isV6 = to.includes(":");
  const [src, dst] = isV6 ? ["ipv6_src", "ipv6_dst"] : ["ip_src", "ip_dst"];
  const type =
    fragment === 3 ? {} : { [isV6 ? "icmpv6_type" : "icmp_type"]: isV6 ? "0x80" : "0x8" };
  return ask({
    entry: { kind: "port", portId: "web-1" },
    fields: {
      eth_src: hex(mac(1)),
      eth_dst: hex(dstMac),
      eth_type: isV6 ? "0x86dd" : "0x800",
      nw_proto: isV6 ? "0x3a" : "0x1",
      nw_ttl: `0x${(ttl ?? 64).toString(16)}`,
      ip_frag: `0x${fragment ?? 0}`,
      [src]: hex(ipToBytes(from ?? (isV6 ? "fd00::1" : "10.0.0.1"))),
      [dst]: hex(ipToBytes(to)),
      ...type,
    },
    lengthBytes: length ?? 98,
    real: true,
  });
}

async function ask(query: TraceQuery): Promise<TraceReply> {
  return traceReplySchema.parse(JSON.parse(await tracer.answer(JSON.stringify(query))));
}

const tables = ({ events }: TraceReply) =>
  events.flatMap((event) => (event.kind === "step" ? [event.tableName] : []));
const ends = ({ events }: TraceReply) => events.filter(({ kind }) => kind !== "step");
const routerMac = macToBytes(ROUTER_MAC);

function expectAgreement(reply: TraceReply): void {
  expect(reply.real, reply.real?.text).toMatchObject({ agreement: "same" });
  expect(reply.problem).toBe("");
}

test.each(["10.0.0.2", "fd00::2"])("on the same network and chassis: %s", async (to) => {
  const reply = await ping({ to, dstMac: mac(2) });
  expectAgreement(reply);
  expect(ends(reply)).toMatchObject([{ kind: "output", to: { kind: "port", portId: "web-2" } }]);
  expect(tables(reply).at(-1)).toBe("deliver");
});

test("to another chassis, and what arrives there", async () => {
  const reply = await ping({ to: "10.0.0.3", dstMac: mac(3) });
  expectAgreement(reply);
  const [output] = ends(reply);
  expect(output).toMatchObject({
    to: { kind: "tunnel", encap: EncapType.GENEVE },
    fields: { tun_id: "0x7", tun_dst: hex(ipToBytes("192.0.2.2")) },
  });
  // The same header, as it would come back for web-2.
  const fields = {
    ...(output?.kind === "output" ? output.fields : {}),
    tun_src: hex(ipToBytes("192.0.2.2")),
    tun_dst: hex(ipToBytes("192.0.2.1")),
  };
  const egress = (1n << 92n) | (3n << 64n) | (2n << 40n);
  const back = await ask({
    entry: { kind: "tunnel", encap: EncapType.GENEVE },
    fields: { ...fields, tun_metadata0: `0x${egress.toString(16)}` },
    lengthBytes: 98,
    real: true,
  });
  expectAgreement(back);
  expect(ends(back)).toMatchObject([{ kind: "output", to: { kind: "port", portId: "web-2" } }]);
});

test.each(["10.0.1.4", "fd01::4"])("routed to %s", async (to) => {
  const reply = await ping({ to, dstMac: routerMac });
  expectAgreement(reply);
  expect(tables(reply)).toContain("router-leave");
  expect(ends(reply)).toMatchObject([
    { kind: "output", to: { kind: "tunnel" }, fields: { tun_id: "0x8", nw_ttl: "0x3f" } },
  ]);
});

test.each([
  ["a spoofed source", { from: "10.9.9.9", to: "10.0.0.2", dstMac: mac(2) }, "anti-spoof"],
  ["a MAC that nobody has", { to: "10.0.0.9", dstMac: mac(9) }, "l2-lookup"],
])("%s ends in the tables", async (_, packet, table) => {
  const reply = await ping(packet);
  expectAgreement(reply);
  expect(reply.events.at(-1)).toMatchObject({ kind: "step", tableName: table, drops: true });
});

test.each([
  ["TTL 1", { to: "10.0.1.4", dstMac: routerMac, ttl: 1 }, "time-exceeded"],
  ["no route", { to: "203.0.113.1", dstMac: routerMac }, "no-route"],
  ["nobody there", { to: "10.0.1.77", dstMac: routerMac }, "host-unreachable"],
  ["too long", { to: "10.0.1.4", dstMac: routerMac, length: 1500 }, "too-big"],
])("%s goes to the engine", async (_, packet, service) => {
  const reply = await ping(packet);
  expectAgreement(reply);
  expect(ends(reply)).toEqual([{ kind: "controller", service }]);
});

test("one of several next hops is chosen as the switch does", async () => {
  const whole = await ping({ to: "172.16.3.3", dstMac: routerMac });
  expectAgreement(whole);
  const [choice, output] = ends(whole);
  expect(choice).toMatchObject({ kind: "bucket", members: 2, real: false });
  expect(output).toMatchObject({ kind: "output", to: { kind: "tunnel" } });
  const fragment = await ping({ to: "172.16.3.3", dstMac: routerMac, fragment: 3 });
  expectAgreement(fragment);
  expect(ends(fragment)[0]).toMatchObject({ kind: "bucket", members: 2, real: true });
});

test("an echo request to the router is answered on the spot", async () => {
  const reply = await ping({ to: "10.0.1.254", dstMac: routerMac });
  expectAgreement(reply);
  const answer = ends(reply).at(-1);
  expect(answer).toMatchObject({
    to: { kind: "port", portId: "web-1" },
    fields: { ip_src: hex(ipToBytes("10.0.1.254")), ip_dst: hex(ipToBytes("10.0.0.1")) },
  });
  expect(answer?.kind === "output" && answer.fields).not.toHaveProperty("icmp_type");
});

const arp = {
  ...{ eth_src: hex(mac(1)), eth_dst: "0xffffffffffff", eth_type: "0x806", arp_op: "0x1" },
  ...{ arp_sha: hex(mac(1)), arp_spa: hex(ipToBytes("10.0.0.1")) },
};
const solicitation = {
  ...{ eth_src: hex(mac(1)), eth_dst: "0x3333ff000002", eth_type: "0x86dd", nw_proto: "0x3a" },
  ...{ nw_ttl: "0xff", icmpv6_type: "0x87", nd_sll: hex(mac(1)) },
  ...{ ipv6_src: hex(ipToBytes("fd00::1")), ipv6_dst: hex(ipToBytes("ff02::1:ff00:2")) },
};

test.each<[string, Record<string, string>, object]>([
  [
    "an ARP request for a neighbour",
    { ...arp, arp_tpa: hex(ipToBytes("10.0.0.2")) },
    { kind: "output", to: { kind: "port", portId: "web-1" }, fields: { arp_op: "0x2" } },
  ],
  [
    "an ARP request for the router",
    { ...arp, arp_tpa: hex(ipToBytes("10.0.0.254")) },
    { fields: { arp_sha: hex(routerMac) } },
  ],
  [
    "a neighbour solicitation",
    { ...solicitation, nd_target: hex(ipToBytes("fd00::2")) },
    { to: { kind: "port", portId: "web-1" }, fields: { icmpv6_type: "0x88" } },
  ],
  [
    "a first fragment",
    {
      ...{ eth_src: hex(mac(1)), eth_dst: hex(mac(2)), eth_type: "0x800", ip_frag: "0x1" },
      ...{ nw_proto: "0x11", nw_ttl: "0x40", udp_src: "0x9c40", udp_dst: "0x35", ip_dscp: "0x2e" },
      ...{ ip_src: hex(ipToBytes("10.0.0.1")), ip_dst: hex(ipToBytes("10.0.0.2")) },
    },
    { kind: "output", to: { kind: "port", portId: "web-2" } },
  ],
  [
    "a tag of the guest's own",
    {
      ...{ eth_src: hex(mac(1)), eth_dst: hex(mac(2)), eth_type: "0x88b5" },
      ...{ vlan_vid: "0x1064", vlan_pcp: "0x5" },
    },
    { kind: "step", tableName: "classify", drops: true },
  ],
])("%s", async (_, fields, end) => {
  const entry = { kind: "port", portId: "web-1" } as const;
  const reply = await ask({ entry, fields, lengthBytes: 60, real: true });
  expectAgreement(reply);
  expect(reply.events.at(-1)).toMatchObject(end);
});

test("a flow that somebody else put in front is found", async () => {
  const flow = "table=50,priority=65000,dl_dst=02:00:00:00:00:02,actions=drop";
  await ovs.ofctl("add-flow", "br-int", flow);
  const reply = await ping({ to: "10.0.0.2", dstMac: mac(2) });
  await ovs.ofctl("del-flows", "br-int", "table=50,cookie=0/-1,dl_dst=02:00:00:00:00:02");
  expect(reply.real).toMatchObject({ agreement: "different" });
  expect(reply.real?.text).toMatch(
    /^lookup 5 differs: weft compiled table 50 priority 300 cookie 0x5732\w+, the switch has table 50 priority 65000 cookie 0x0$/,
  );
  expectAgreement(await ping({ to: "10.0.0.2", dstMac: mac(2) }));
});

test("what cannot be traced says why", async () => {
  const query: TraceQuery = {
    entry: { kind: "port", portId: "db-1" },
    ...{ fields: {}, lengthBytes: 98, real: false },
  };
  const asking = (change: Partial<TraceQuery>) => ask({ ...query, ...change });
  await expect(asking({})).rejects.toThrow("set external_ids:iface-id=db-1 on its interface");
  const entry = { kind: "port", portId: "web-1" } as const;
  await expect(asking({ entry, fields: { reg0: "0x1" } })).rejects.toThrow("reg0=0x1 is no field");
  await expect(asking({ entry: { kind: "patch", physicalNetwork: "x" } })).rejects.toThrow(
    "providerBridges",
  );
  await expect(tracer.answer('{"entry":1}')).rejects.toThrow("update the agent");
  const lost = new Tracer({
    dataplane,
    ovs: { runDir: join(dir, "nowhere"), bridge: "br-int" },
    facts: () => ({ vifs: [], tunnels: [{ encap: 1, ofport: TUNNEL, localIps: [] }], patches: [] }),
  });
  const asked = { ...query, entry: { kind: "tunnel", encap: 1 }, real: true };
  const reply = traceReplySchema.parse(JSON.parse(await lost.answer(JSON.stringify(asked))));
  expect(reply.real).toMatchObject({ agreement: "not-known" });
  expect(reply.real?.text).toContain("check ovs.runDir");
});
