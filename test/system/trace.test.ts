// weft trace over whole chassis: the way that a packet goes, what is behind each decision, the verdict and the exit code; and that the
// switches go the same way, for every packet. What one chassis makes of packets is test/integration/trace.test.ts.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CliResult } from "../lab/central.ts";
import { until } from "../lab/ovs.ts";
import {
  interfaceText,
  linkText,
  networkText,
  portText,
  RoutedLab,
  routerText,
  routeText,
} from "./routed-lab.ts";

const A = "chassis-a";
const B = "chassis-b";
const INTENT = [
  networkText("web", 1),
  networkText("db", 2, { type: "overlay: {encap: vxlan}" }),
  networkText("lan", 3, { type: "provider: {physicalNetwork: physnet1, vlan: 100}" }),
  ...[portText("web-a", "web", A, [1, 11]), portText("web-a2", "web", A, [1, 12])],
  ...[portText("web-b", "web", B, [1, 13]), portText("db-a", "db", A, [2, 11])],
  ...[portText("db-b", "db", B, [2, 12]), portText("db-b2", "db", B, [2, 13])],
  ...[portText("lan-a", "lan", A, [3, 11]), portText("lan-b", "lan", B, [3, 12])],
  routerText("r1", ["web", "db"]),
  routeText("hole", "r1", ["10.99.0.0/16", "fd99::/32"], []),
  routeText(
    "lab",
    "r1",
    ["172.16.0.0/16", "2001:db8::/32"],
    ["10.1.2.12", "10.1.2.13", "fd01:2::12", "fd01:2::13"],
  ),
  // On the wire, behind a link, and in another project.
  interfaceText("r1", "lan"),
  ...[networkText("far", 4), portText("far-b", "far", B, [4, 11]), routerText("r2", ["far"])],
  linkText(1, "r1", "r2"),
  routeText("on", "r1", ["10.1.4.0/24", "fd01:4::/64"], ["10.255.1.2", "fd00:ff:1::2"]),
  routeText("back", "r2", ["10.1.1.0/24", "fd01:1::/64"], ["10.255.1.1", "fd00:ff:1::1"]),
  networkText("gold", 9, { of: "gold" }),
  portText("gold-b", "gold", B, [9, 11], { of: "gold" }),
  routerText("gold-r", ["gold"], "gold"),
  `
kind: RouteLeak
metadata: {id: from-gold}
spec: {from: gold-r, to: r1, prefixes: [10.1.9.0/24, "fd01:9::/64"]}
---
kind: PolicyRoute
metadata: {id: no-dns}
spec: {router: r1, priority: 9, protocol: udp, destinationPorts: [{first: 53}], drop: {}}
---`,
].join("");

let lab: RoutedLab;

beforeAll(async () => {
  lab = await RoutedLab.start({ prefix: "wftrc", chassis: [A, B] }, INTENT);
}, 240_000);

afterAll(async () => {
  await lab?.cluster.stop();
});

/** Traces, and asserts that every switch on the way agrees. */
async function trace(args: string): Promise<CliResult & { readonly verdict: string }> {
  const result = await lab.cluster.central.cli("trace", ...args.split(" "), "--real");
  const asked = result.stdout.match(/^ *real: .*$/gm) ?? [];
  expect(asked.length, `${result.stderr}${result.stdout}`).toBeGreaterThan(0);
  for (const line of asked) expect(line, result.stdout).toMatch(/real: the switch agrees: all \d+/);
  return { ...result, verdict: result.stdout.trimEnd().split("\n").at(-1) ?? "" };
}

const delivered: readonly (readonly [string, string, readonly RegExp[], string])[] = [
  ["its own chassis", "web-a 10.1.1.12", [/deliver +port web-a2 /], `port web-a2 on ${A}`],
  [
    "another chassis",
    "web-a web-b",
    [
      /l2-lookup +port web-b /,
      /to chassis chassis-b at .* by geneve, network key/,
      /^ {2}chassis-b: by geneve/m,
    ],
    `port web-b on ${B}`,
  ],
  [
    "another chassis over IPv6",
    "web-a fd01:1::13 --proto udp --dport 53",
    [/tunnel-in +port web-b /],
    `port web-b on ${B}`,
  ],
  [
    "another network here",
    "web-a 10.1.2.11 --proto tcp",
    [/router-entry +router-interface r1-web /, /deliver +port db-a /],
    `port db-a on ${A}`,
  ],
  [
    "another network there",
    "web-a fd01:2::12",
    [
      /route +router-interface r1-db /,
      /to chassis chassis-b at .* by vxlan/,
      /tunnel-in-by-mac +port db-b /,
    ],
    `port db-b on ${B}`,
  ],
  [
    "a VLAN",
    "lan-a 10.1.3.12",
    [
      /out to physical network physnet1, VLAN 100, to chassis chassis-b/,
      /provider-in +port lan-b /,
    ],
    `port lan-b on ${B}`,
  ],
  [
    "a VLAN, routed",
    "web-a fd01:3::12",
    [
      /l2-lookup .*routed to the physical network, from the MAC of this chassis/,
      /provider-in +port lan-b /,
    ],
    `port lan-b on ${B}`,
  ],
  [
    "a network behind a link",
    "web-a 10.1.4.11",
    [
      /route +route on-4 +to the next hop of the route/,
      /neighbour +router-link r1-r2 /,
      /router-entry +router-link r1-r2 [^]*route +router-interface r2-far /,
    ],
    `port far-b on ${B}`,
  ],
  [
    "a network of another project that is leaked",
    "web-a fd01:9::11 --proto tcp",
    [/route +route-leak from-gold +to a network of another router that is leaked/],
    `port gold/gold-b on ${B}`,
  ],
  ["a later fragment", "web-a web-b --fragment later --size 1400", [], `port web-b on ${B}`],
];

describe("delivered to", () => {
  test.each(delivered)("%s", async (_, args, lines, end) => {
    const { code, verdict, stdout } = await trace(args);
    expect(verdict).toBe(`delivered to ${end}`);
    expect(code).toBe(0);
    for (const line of lines) expect(stdout).toMatch(line);
    expect(
      Math.max(
        ...stdout
          .split("\n")
          .slice(1)
          .map((line) => line.length),
      ),
    ).toBeLessThan(140);
  });

  test.each([
    ["10.1.2.1", "r1"],
    ["fd01:1::1", "r1"],
    ["10.255.1.1", "r1"],
    ["10.255.1.2", "r2"],
  ])("the sender, by the router's answer: %s", async (to, router) => {
    const { code, verdict } = await trace(`web-a ${to}`);
    expect(verdict).toBe(`answered by router ${router}: delivered to port web-a on chassis-a`);
    expect(code).toBe(0);
  });

  test("everybody: a copy for each", async () => {
    const { code, verdict } = await trace("web-a 10.1.1.255 --proto udp");
    expect(verdict).toMatch(/^delivered to port web-a2 on chassis-a, port web-b on chassis-b$/);
    expect(code).toBe(0);
  });

  test.each(["172.16.1.1", "2001:db8::1"])("one of two next hops: %s", async (to) => {
    const { stdout, verdict } = await trace(`web-a ${to}`);
    expect(stdout).toMatch(/route +route lab-[46] /);
    expect(stdout).toContain("-> one of 2 next hops: followed here: bucket ");
    expect(verdict).toMatch(/^delivered to port db-b2? on chassis-b$/);
    const fragment = await trace(`web-a ${to} --fragment later`);
    expect(fragment.stdout).toContain("-> one of 2 next hops: the switch takes bucket ");
  });
});

test.each([
  [
    "a spoofed source",
    "web-a 10.1.1.12 --source 10.9.9.9",
    /^dropped at anti-spoof on chassis-a: port web-a may not send from 10\.9\.9\.9$/,
  ],
  [
    "a spoofed IPv6 source",
    "web-a web-b --source fd09::9",
    /^dropped at anti-spoof(-ipv6)? on chassis-a: port web-a may not send from fd09::9$/,
  ],
  [
    "a blackhole",
    "web-a 10.99.0.1",
    /^dropped at route on chassis-a: route hole-4: the route drops$/,
  ],
  [
    "what a policy drops",
    "web-a fd01:2::11 --proto udp --dport 53",
    /^dropped at policy-route on chassis-a: policy-route no-dns: the policy drops$/,
  ],
  [
    "an address that nobody has",
    "web-a fd01:2::77",
    /^handed to the engine of chassis-a: nobody has the next hop: the router answers/,
  ],
  [
    "TTL 1",
    "web-a 10.1.2.11 --ttl 1",
    /^handed to the engine of chassis-a: TTL or hop limit ran out/,
  ],
  [
    "hop limit 1",
    "web-a fd01:2::11 --ttl 1",
    /^handed to the engine of chassis-a: TTL or hop limit ran out/,
  ],
  ["no route", "web-a 203.0.113.1", /^handed to the engine of chassis-a: no route/],
  ["too long", "web-a db-b --size 9000", /^handed to the engine of chassis-a: longer than the MTU/],
])("not delivered: %s", async (_, args, verdict) => {
  const result = await trace(args);
  expect(result.verdict).toMatch(verdict);
  expect(result.code).toBe(6);
});

test("a foreign flow in the switch is shown both ways", async () => {
  const { ovs } = lab.cluster.one(B);
  await ovs.ofctl("add-flow", "br-int", "table=70,priority=65000,ip,actions=drop");
  const { code, stdout } = await lab.cluster.central.cli("trace", "web-a", "web-b", "--real");
  await ovs.ofctl("del-flows", "br-int", "table=70,cookie=0/-1");
  expect(code).toBe(7);
  expect(stdout).toMatch(
    /real: the switch agrees[^]*real: THE SWITCH DIFFERS: lookup \d+ differs: weft/,
  );
  expect(stdout).toMatch(/^ +the switch has table 70 priority 65000 cookie 0x0$/m);
});

test("groups that somebody emptied are shown", async () => {
  const { central } = lab.cluster;
  const { ovs } = lab.cluster.one(A);
  const networks = await central.json<
    readonly { readonly metadata: { readonly id: string }; readonly status: { key: number } }[]
  >(...["list", "networks"]);
  const key = networks.find(({ metadata }) => metadata.id === "web")?.status.key;
  const groups = (await ovs.ofctl("dump-groups", "br-int"))
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => {
      const id = /^group_id=(\d+),type=all,bucket=/.exec(line)?.[1];
      return id !== undefined && (Number(id) & 0xff_ffff) === key;
    });
  expect(groups.length).toBeGreaterThan(0);
  let stdout = "";
  // The agent looks at its groups every few seconds, and mends them.
  await until("the difference to be told", async () => {
    for (const group of groups) {
      await ovs.ofctl("mod-group", "br-int", group.replace(/,bucket=.*$/, ""));
    }
    const told = await central.cli("trace", "web-a", "10.1.1.255", "--proto", "udp", "--real");
    ({ stdout } = told);
    return told.code === 7;
  });
  for (const group of groups) await ovs.ofctl("mod-group", "br-int", group);
  expect(stdout).toMatch(/real: THE SWITCH DIFFERS: .*,\n +the switch has .+\n/);
  expect(stdout).toMatch(/, if the switch of chassis-a did what Weft compiled\n$/);
  await trace("web-a 10.1.1.255 --proto udp");
});

test("a port that is set down takes nothing, and says so", async () => {
  const down = (more: string) => lab.apply(portText("web-a2", "web", A, [1, 12], { more }));
  await down("adminDown: true");
  const near = await trace("web-a web-a2");
  const routed = await trace("db-b web-a2");
  await down("");
  expect([near.code, routed.code]).toEqual([6, 6]);
  expect(near.verdict).toMatch(/^dropped at l2-lookup on chassis-a: /);
  expect(routed.verdict).toMatch(/^handed to the engine of chassis-b: nobody has the next hop/);
  const note = "note: port web-a2 has 10.1.1.12, but is administratively down: apply it without";
  for (const { stdout } of [near, routed]) expect(stdout).toContain(note);
});

test("what cannot be traced says what to do", async () => {
  const refused = async (args: string) => {
    const { code, stderr } = await lab.cluster.central.cli("trace", ...args.split(" "));
    return { code, stderr };
  };
  expect(await refused("web-a 10.1.1.77")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      "10.1.1.77: say whose MAC it is sent to (--eth-dst)",
    ) as unknown,
  });
  expect(await refused("nobody 10.1.1.11")).toMatchObject({ code: 5 });
  await lab.cluster.one(B).endAgent();
  expect(await refused("web-b 10.1.1.11")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /chassis chassis-b is not connected: see that its agent runs/,
    ) as unknown,
  });
  const beyond = await lab.cluster.central.cli("trace", "web-a", "web-b");
  expect(beyond.stdout).toContain("not known beyond chassis-b: chassis chassis-b is not connected");
  expect(beyond.code).toBe(6);
});
