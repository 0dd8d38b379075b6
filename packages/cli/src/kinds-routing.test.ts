// The kinds of routing as documents: what they become, that what is printed can be applied again, and
// the wording and place of what is wrong.
import { readFileSync } from "node:fs";
import { Kind, Object as WeftObject } from "@weft/shared/gen/weft/v1/northbound.ts";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { parseDocuments } from "./documents.ts";
import type { PlainObject } from "./kinds.ts";
import { documentOf, kindOfWord, kinds } from "./kinds.ts";
import { routingKinds } from "./kinds-routing.ts";

const options = { file: "x.yaml", project: "p" };
const read = (text: string): ReturnType<typeof parseDocuments> => parseDocuments(text, options);

const meta = { project: "p", name: "x" };
const document = (kind: string, spec: string): string =>
  `kind: ${kind}\nmetadata: {name: x}\nspec: ${spec}\n`;

/** A document, and the message as protobuf JSON: empty fields left out. */
const cases: [string, string, object][] = [
  [
    "Network",
    "{provider: {physicalNetwork: physnet1, vlan: 7, shared: true}}",
    {
      network: { meta, spec: { provider: { physicalNetwork: "physnet1", vlan: 7, shared: true } } },
    },
  ],
  ["Router", "{}", { router: { meta, spec: {} } }],
  ["Router", "{adminDown: true}", { router: { meta, spec: { adminDown: true } } }],
  [
    "RouterInterface",
    "{router: r, network: n}",
    {
      routerInterface: { meta, spec: { router: "r", network: "n" } },
    },
  ],
  [
    "RouterInterface",
    "{router: r, network: n, mac: 02:00:00:00:00:01, fixedIps: [{subnet: s, ip: 10.0.0.2}, {subnet: t}], routeTable: 9}",
    {
      routerInterface: {
        meta,
        spec: {
          router: "r",
          network: "n",
          mac: "02:00:00:00:00:01",
          fixedIps: [{ subnet: "s", ip: "10.0.0.2" }, { subnet: "t" }],
          routeTable: 9,
        },
      },
    },
  ],
  [
    "Route",
    '{router: r, table: 3, destination: "fd00::/8", nextHops: [{ip: "fd00::1"}, {ip: "fd00::2"}]}',
    {
      route: {
        meta,
        spec: {
          router: "r",
          table: 3,
          destination: "fd00::/8",
          nextHops: [{ ip: "fd00::1" }, { ip: "fd00::2" }],
        },
      },
    },
  ],
  [
    "Route",
    "{router: r, destination: 0.0.0.0/0, blackhole: true}",
    {
      route: { meta, spec: { router: "r", destination: "0.0.0.0/0", blackhole: true } },
    },
  ],
  [
    "PolicyRoute",
    "{router: r, priority: 5, allow: {}}",
    {
      policyRoute: { meta, spec: { router: "r", priority: 5, allow: {} } },
    },
  ],
  [
    "PolicyRoute",
    "{router: r, priority: 5, protocol: 89, drop: }",
    {
      policyRoute: { meta, spec: { router: "r", priority: 5, protocol: 89, drop: {} } },
    },
  ],
  [
    "PolicyRoute",
    "{router: r, priority: 7, source: 10.0.0.0/24, destination: 10.1.0.0/16, protocol: udp, sourcePorts: [{first: 1, last: 9}], destinationPorts: [{first: 53}], ingressNetwork: n, reroute: {nextHops: [{ip: 10.0.0.5}]}}",
    {
      policyRoute: {
        meta,
        spec: {
          router: "r",
          priority: 7,
          source: "10.0.0.0/24",
          destination: "10.1.0.0/16",
          protocol: 17,
          sourcePorts: [{ first: 1, last: 9 }],
          destinationPorts: [{ first: 53, last: 53 }],
          ingressNetwork: "n",
          reroute: { nextHops: [{ ip: "10.0.0.5" }] },
        },
      },
    },
  ],
  [
    "RouterLink",
    '{first: {router: a, addresses: [10.255.0.1/30, "fd00:ff::1/64"]}, second: {router: b, addresses: [10.255.0.2/30, "fd00:ff::2/64"]}}',
    {
      routerLink: {
        meta,
        spec: {
          first: { router: "a", addresses: ["10.255.0.1/30", "fd00:ff::1/64"] },
          second: { router: "b", addresses: ["10.255.0.2/30", "fd00:ff::2/64"] },
        },
      },
    },
  ],
  [
    "RouteLeak",
    "{from: a, to: b, prefixes: [10.0.0.0/24]}",
    {
      routeLeak: { meta, spec: { from: "a", to: "b", prefixes: ["10.0.0.0/24"] } },
    },
  ],
];
test.each(cases)("%s %s", (kind, spec, message) => {
  const { objects, problems } = read(document(kind, spec));
  expect(problems).toEqual([]);
  const all = objects.map(({ object }) => object);
  expect(all.map((object) => WeftObject.toJSON(object))).toEqual([message]);
  const printed = all.map((object) => documentOf(object));
  expect(printed[0]?.kind).toBe(kind);
  for (const text of [stringify(printed[0]), JSON.stringify(printed)]) {
    const again = read(text);
    expect(again.problems).toEqual([]);
    expect(again.objects.map(({ object }) => object)).toEqual(all);
  }
});

test("every kind of routing has a case", () => {
  const tried = new Set(cases.map(([kind]) => kind));
  expect(routingKinds.filter(({ name }) => !tried.has(name))).toEqual([]);
});

test("a protocol is printed by its name, and states with what is not true", () => {
  const route = documentOf(
    WeftObject.fromPartial({
      object: {
        $case: "route",
        value: {
          meta: { id: "x" },
          spec: { router: "r", destination: "0.0.0.0/0", nextHops: [{ ip: "10.0.0.5" }] },
          status: {
            key: 4,
            active: false,
            nextHops: [{ ip: "10.0.0.5", active: false, reason: "no port has 10.0.0.5; add one" }],
            failed: [{ chassis: "c", failed: [{ key: "router/1/route/4", reason: "no bridge" }] }],
          },
        },
      },
    }),
  );
  expect(route?.status).toEqual({
    key: 4,
    active: false,
    nextHops: [{ ip: "10.0.0.5", active: false, reason: "no port has 10.0.0.5; add one" }],
    failed: [{ chassis: "c", failed: [{ key: "router/1/route/4", reason: "no bridge" }] }],
  });
  const [policy] = read(
    document("PolicyRoute", "{router: r, priority: 1, protocol: 58, drop: {}}"),
  ).objects;
  expect(policy === undefined ? undefined : documentOf(policy.object)?.spec).toEqual({
    router: "r",
    priority: 1,
    protocol: "icmpv6",
    drop: {},
  });
});

const wrong: [string, string[]][] = [
  [
    "kind: RouterInterfaces",
    ["x.yaml:1:1: kind: RouterInterfaces is unknown; did you mean RouterInterface?"],
  ],
  [
    document("Router", "{admin_down: true}"),
    ["x.yaml:3:8: router x: spec.admin_down: unknown field; did you mean adminDown?"],
  ],
  [
    document("RouterInterface", "{router: r, mtu: 9}"),
    [
      "x.yaml:3:1: router-interface x: spec.network: is missing",
      "x.yaml:3:19: router-interface x: spec.mtu: unknown field; known here: router, network, mac, fixedIps, routeTable",
    ],
  ],
  [
    document("Route", "{router: r, destination: 0.0.0.0/0, nextHops: [10.0.0.1]}"),
    ["x.yaml:3:54: route x: spec.nextHops[0]: must be a mapping"],
  ],
  [
    document("Route", "{router: r, destination: 0.0.0.0/0, nextHops: [{ip: 10.0.0.1, weight: 2}]}"),
    ["x.yaml:3:69: route x: spec.nextHops[0].weight: unknown field; known here: ip"],
  ],
  [
    document("Route", "{router: r, destination: 0.0.0.0/0}"),
    [
      'x.yaml:3:1: route x: spec: has neither nextHops nor blackhole; write one, such as nextHops: [{ip: "10.0.0.5"}]',
    ],
  ],
  [
    document(
      "Route",
      "{router: r, destination: 0.0.0.0/0, blackhole: true, nextHops: [{ip: 10.0.0.1}]}",
    ),
    ["x.yaml:3:1: route x: spec: has both nextHops and blackhole; keep one"],
  ],
  [
    document("PolicyRoute", "{router: r, priority: high, protocol: tpc, drop: {}}"),
    [
      "x.yaml:3:19: policy-route x: spec.priority: must be a number",
      "x.yaml:3:35: policy-route x: spec.protocol: must be a protocol number, 0 to 255, or one of icmp, tcp, udp, gre, icmpv6, sctp",
    ],
  ],
  [
    document("PolicyRoute", "{router: r, priority: 5}"),
    [
      "x.yaml:3:1: policy-route x: spec: has no action; write one of allow: {}, drop: {} and reroute: {nextHops: [...]}",
    ],
  ],
  [
    document("PolicyRoute", "{router: r, priority: 5, allow: {}, drop: {}}"),
    ["x.yaml:3:1: policy-route x: spec: has more than one of allow, drop and reroute; keep one"],
  ],
  [
    document("PolicyRoute", "{router: r, priority: 5, reroute: {nexthops: []}}"),
    [
      "x.yaml:3:32: policy-route x: spec.reroute.nextHops: is missing",
      "x.yaml:3:42: policy-route x: spec.reroute.nexthops: unknown field; did you mean nextHops?",
    ],
  ],
  [
    document("PolicyRoute", "{router: r, priority: 5, action: drop}"),
    [
      "x.yaml:3:32: policy-route x: spec.action: unknown field; known here: router, priority, source, destination, protocol, sourcePorts, destinationPorts, ingressNetwork, allow, drop, reroute",
      "x.yaml:3:1: policy-route x: spec: has no action; write one of allow: {}, drop: {} and reroute: {nextHops: [...]}",
    ],
  ],
  [
    document(
      "RouterLink",
      "{first: {router: a, addresses: [10.255.0.1/30]}, second: {router: b, ips: []}}",
    ),
    [
      "x.yaml:3:56: router-link x: spec.second.addresses: is missing",
      "x.yaml:3:76: router-link x: spec.second.ips: unknown field; known here: router, addresses",
    ],
  ],
  [
    document("RouteLeak", "{from: a, to: b, prefixes: 10.0.0.0/24}"),
    ["x.yaml:3:24: route-leak x: spec.prefixes: must be a list"],
  ],
  [
    document("Network", "{provider: {physicalNetwork: p, share: true}}"),
    ["x.yaml:3:39: network x: spec.provider.share: unknown field; did you mean shared?"],
  ],
];
test.each(wrong)("%j", (text, expected) => expect(read(text).problems).toEqual(expected));

test("a kind by any of its words, and no word of two kinds", () => {
  for (const word of ["router-interface", "interfaces", "RouterInterface"]) {
    expect(kindOfWord(word).kind).toBe(Kind.ROUTER_INTERFACE);
  }
  expect(() => kindOfWord("rooter")).toThrow("rooter: unknown kind; did you mean router?");
  const words = kinds.flatMap(({ singular, plural, aliases }) =>
    [singular, ...aliases].concat(singular === plural ? [] : plural),
  );
  expect(new Set(words).size).toBe(words.length);
});

test("the example: the same addresses twice, and every part of routing", () => {
  const file = new URL("../../../examples/routing.yaml", import.meta.url);
  const { objects, problems } = read(readFileSync(file, "utf8"));
  expect(problems).toEqual([]);
  const specs = (name: string, project?: string): PlainObject[] =>
    objects
      .filter(({ entry, meta: m }) => entry.name === name && (project ?? m.project) === m.project)
      .map(({ object }) => documentOf(object)?.spec ?? {});
  const cidrs = (project: string, network: string): unknown[] =>
    specs("Subnet", project)
      .filter((spec) => spec["network"] === network)
      .map((spec) => spec["cidr"]);
  expect(new Set(objects.map(({ meta: m }) => m.project))).toEqual(new Set(["green", "gold"]));
  for (const network of ["web", "db"]) {
    expect(cidrs("green", network)).toHaveLength(2);
    expect(cidrs("green", network)).toEqual(cidrs("gold", network));
  }
  expect([specs("Router", "green").length, specs("Router", "gold").length]).toEqual([2, 1]);
  expect(specs("RouterInterface", "gold").map((spec) => spec["network"])).toContain("ext");
  expect(specs("RouterLink")).toHaveLength(1);
  const routes = specs("Route");
  expect(routes.filter((spec) => spec["blackhole"] === true)).toHaveLength(1);
  expect(routes.filter(({ nextHops }) => ((nextHops ?? []) as []).length > 1)).toHaveLength(1);
  expect(specs("PolicyRoute").flatMap(Object.keys)).toEqual(
    expect.arrayContaining(["allow", "drop"]),
  );
  const chassis = specs("Port").map((spec) => spec["requestedChassis"]);
  expect(new Set(chassis)).toEqual(new Set(["chassis-a", "chassis-b", "chassis-c"]));
});
