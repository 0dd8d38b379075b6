// Documents: what they become, and the exact wording and place of everything that is wrong.
import { readFileSync } from "node:fs";
import { Object as WeftObject } from "@weft/shared/gen/weft/v1/northbound.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { locateViolation, parseDocuments } from "./documents.ts";
import { documentOf, kinds } from "./kinds.ts";

const options = { file: "x.yaml", project: "p" };
const problems = (text: string): string[] => parseDocuments(text, options).problems;

const all = `
kind: Network
metadata: {name: net, labels: {app: web}}
spec: {overlay: {encap: vxlan}, mtuBytes: 1400}
---
kind: Network
metadata: {name: ext, id: n-1, project: other}
spec: {provider: {physicalNetwork: physnet1, vlan: 100}}
---
kind: Subnet
metadata: {name: s}
spec:
  network: net
  cidr: fd00::/64
  allocationRanges: [{first: "fd00::10", last: "fd00::20"}]
  reserved: ["fd00::5"]
  ipv6Allocation: eui64
---
# nothing here
---
kind: Port
metadata: {id: web-1, revision: 7}
spec:
  network: net
  mac: 02:00:00:00:00:01
  fixedIps:
    - {subnet: s, ip: "fd00::10"}
    - {subnet: s}
  allowedAddressPairs: [{ip: 10.0.0.0/24}]
  requestedChassis: chassis-a
status: {state: UP}
---
kind: Chassis
metadata: {id: chassis-a}
spec: {drain: true}
`;

test("every kind", () => {
  const { objects, problems: none } = parseDocuments(all, options);
  expect(none).toEqual([]);
  expect(objects.map(({ object }) => WeftObject.toJSON(object))).toEqual([
    {
      network: {
        meta: { project: "p", name: "net", labels: { app: "web" } },
        spec: { overlay: { encap: "ENCAP_TYPE_VXLAN" }, mtuBytes: 1400 },
      },
    },
    {
      network: {
        meta: { id: "n-1", project: "other", name: "ext" },
        spec: { provider: { physicalNetwork: "physnet1", vlan: 100 } },
      },
    },
    {
      subnet: {
        meta: { project: "p", name: "s" },
        spec: {
          network: "net",
          cidr: "fd00::/64",
          allocationRanges: [{ first: "fd00::10", last: "fd00::20" }],
          reserved: ["fd00::5"],
          ipv6Allocation: "IPV6_ALLOCATION_EUI64",
        },
      },
    },
    {
      port: {
        meta: { id: "web-1", project: "p", revision: "7" },
        spec: {
          network: "net",
          mac: "02:00:00:00:00:01",
          fixedIps: [{ subnet: "s", ip: "fd00::10" }, { subnet: "s" }],
          allowedAddressPairs: [{ ip: "10.0.0.0/24" }],
          requestedChassis: "chassis-a",
        },
      },
    },
    { chassis: { meta: { id: "chassis-a" }, spec: { drain: true } } },
  ]);
  expect(objects[3]?.placeOf(["spec", "fixedIps", 1, "ip"])).toBe("x.yaml:28");
  expect(objects[3]?.placeOf(["spec", "adminDown"])).toBe("x.yaml:23");
});

test("what get prints can be applied, as documents, a JSON list, and again", () => {
  const first = parseDocuments(all, options).objects.map(({ object }) => object);
  const documents = first.map((object) => documentOf(object));
  for (const text of [
    JSON.stringify(documents),
    documents.map((d) => stringify(d)).join("---\n"),
  ]) {
    const again = parseDocuments(text, { ...options, project: "unused" });
    expect(again.problems).toEqual([]);
    expect(again.objects.map(({ object }) => object)).toEqual(first);
  }
});

test("an overlay without more is Geneve by central's default", () => {
  const text = "{kind: Network, metadata: {name: a}, spec: {overlay: {}}}";
  const [network] = parseDocuments(text, options).objects;
  expect(network?.object.object).toMatchObject({
    $case: "network",
    value: { spec: { type: { $case: "overlay", value: { encap: 0 } } } },
  });
});

const kindNames =
  "Network, Subnet, Port, Chassis, Router, RouterInterface, Route, PolicyRoute, RouterLink, RouteLeak";

const wrong: [string, string[]][] = [
  ["", ["x.yaml: holds no object; write kind, metadata and spec"]],
  ["# only a comment\n---\n", ["x.yaml: holds no object; write kind, metadata and spec"]],
  ["just text", ["x.yaml:1:1: must be a mapping with kind, metadata and spec"]],
  ["metadata: {name: a}", [`x.yaml:1:1: kind: is missing; one of ${kindNames}`]],
  ["kind: Netwrok", ["x.yaml:1:1: kind: Netwrok is unknown; did you mean Network?"]],
  ["kind: Firewall", [`x.yaml:1:1: kind: Firewall is unknown; known are ${kindNames}`]],
  [
    "kind: Port\nmetadata: {name: a}\nspec:\n  network: n\n  fixed_ips: []\n  color: red\n",
    [
      "x.yaml:5:3: port a: spec.fixed_ips: unknown field; did you mean fixedIps?",
      "x.yaml:6:3: port a: spec.color: unknown field; known here: network, mac, fixedIps, noFixedIps, allowedAddressPairs, adminDown, portSecurityDisabled, requestedChassis, deviceOwner, deviceId",
    ],
  ],
  [
    "kind: Port\nmetadata: {name: a}\nspec:\n  network: 7\n  adminDown: maybe\n  fixedIps:\n    - {ipp: x}\n",
    [
      "x.yaml:4:3: port a: spec.network: must be text; put the value in quotes",
      "x.yaml:7:8: port a: spec.fixedIps[0].ipp: unknown field; did you mean ip?",
      "x.yaml:5:3: port a: spec.adminDown: must be true or false",
    ],
  ],
  [
    "kind: Subnet\nmetadata: {name: s}\nspec:\n",
    [
      "x.yaml:3:1: subnet s: spec.network: is missing",
      "x.yaml:3:1: subnet s: spec.cidr: is missing",
    ],
  ],
  [
    "kind: Network\nmetadata: {name: n}\nspec: {overlay: {encap: geneva}}",
    ["x.yaml:3:18: network n: spec.overlay.encap: must be one of geneve, vxlan, gre"],
  ],
  [
    "kind: Network\nmetadata: {name: n}\nspec: {overlay: {encap: stt}}",
    [
      "x.yaml:3:18: network n: spec.overlay.encap: stt cannot carry a network: Open vSwitch passes none of its packets; use geneve",
    ],
  ],
  [
    "kind: Network\nmetadata: {name: n}\nspec: {overlay: {}, provider: {physicalNetwork: p}}",
    ["x.yaml:3:1: network n: spec: has both overlay and provider; keep one"],
  ],
  [
    "kind: Network\nmetadata: {}\nspec: {overlay: {}}",
    ["x.yaml:2:1: network without a name: metadata: names no object; give name or id"],
  ],
  [
    "kind: Network\nmetadata: {name: n, labels: {a: 1}}\nspec: {overlay: {}}\nmetdata: {}",
    [
      "x.yaml:4:1: metdata: unknown field; did you mean metadata?",
      "x.yaml:2:30: network n: metadata.labels.a: must be text; put the value in quotes",
    ],
  ],
  [
    "kind: Chassis\nmetadata: {id: c}\nspec: {hostname: h}",
    ["x.yaml:3:8: chassis c: spec.hostname: is reported by the agent; leave it out"],
  ],
  [
    "kind: Network\nmetadata: {name: n}\nspec: {overlay: {}}\n---\nkind: Network\nmetadata: {id: n}\nspec: {overlay: {}}",
    ["x.yaml:6: network n: is already in x.yaml:2; keep one of the two"],
  ],
];
test.each(wrong)("%j", (text, expected) => expect(problems(text)).toEqual(expected));

test("malformed YAML is named by line and column", () => {
  expect(problems("kind: Port\nmetadata: {name: a\nspec: {}\n")).toEqual([
    expect.stringMatching(/^x\.yaml:3:\d+: not YAML: /),
    ...problems("kind: Port\nmetadata: {name: a\nspec: {}\n").slice(1),
  ]);
  expect(problems("a: 1\na: 2\n")).toEqual([
    expect.stringMatching(/^x\.yaml:2:1: not YAML: Map keys/),
  ]);
  expect(problems("a: *nobody\n")).toEqual([
    expect.stringMatching(/^x\.yaml:1:1: not YAML: Unresolved alias/),
  ]);
});

test("the same name in another project or kind is another object", () => {
  const text = `[{kind: Network, metadata: {name: n, project: a}, spec: {overlay: {}}},
    {kind: Network, metadata: {name: n, project: b}, spec: {overlay: {}}},
    {kind: Port, metadata: {name: n, project: a}, spec: {network: n}}]`;
  expect(problems(text)).toEqual([]);
});

test("violations lead back to documents", () => {
  expect(locateViolation("changes[3].upsert.port.spec.fixed_ips[0].ip")).toEqual({
    change: 3,
    path: ["spec", "fixedIps", 0, "ip"],
  });
  expect(locateViolation("changes[0].upsert.network.meta.labels")).toEqual({
    change: 0,
    path: ["metadata", "labels"],
  });
  expect(
    locateViolation("changes[0].upsert.policy_route.spec.action.reroute.next_hops[1]"),
  ).toEqual({ change: 0, path: ["spec", "reroute", "nextHops", 1] });
  expect(locateViolation("changes[1].delete.id")).toEqual({ change: 1, path: [] });
  expect(locateViolation("expected_revision")).toBeUndefined();
});

test("no text throws, and whatever is accepted is an object of a known kind", () => {
  const word = fc.constantFrom(
    "kind",
    "metadata",
    "spec",
    "name",
    "Port",
    "network",
    "x",
    "fixedIps",
  );
  const tree = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      word,
      fc.constant(null),
      fc.integer(),
      fc.array(tie("node"), { maxLength: 3 }),
      fc.dictionary(word, tie("node"), { maxKeys: 4 }),
    ),
  })).node;
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        tree.map((value) => stringify(value)),
      ),
      (text) => {
        const { objects, problems: found } = parseDocuments(text, options);
        expect(objects.length + found.length).toBeGreaterThan(0);
        expect(objects.every(({ entry }) => kinds.includes(entry))).toBe(true);
      },
    ),
    { numRuns: 500 },
  );
});

test("the example: both projects use the same ranges, and every port says where it goes", () => {
  const file = new URL("../../../examples/first-light.yaml", import.meta.url);
  const { objects, problems: none } = parseDocuments(readFileSync(file, "utf8"), options);
  expect(none).toEqual([]);
  const cidrs: Record<string, string[]> = {};
  const chassis: string[] = [];
  for (const { object, meta } of objects.map(({ object: o, meta: m }) => ({
    object: o.object,
    meta: m,
  }))) {
    if (object?.$case === "subnet")
      (cidrs[meta.project] ??= []).push(object.value.spec?.cidr ?? "");
    if (object?.$case === "port") chassis.push(object.value.spec?.requestedChassis ?? "");
  }
  expect(Object.keys(cidrs)).toEqual(["red", "blue"]);
  expect(cidrs["red"]).toEqual(cidrs["blue"]);
  expect(chassis.length).toBeGreaterThanOrEqual(10);
  expect(new Set(chassis)).toEqual(new Set(["chassis-a", "chassis-b", "chassis-c"]));
});

test.each(["networks", "routers", "port-security", "cli"])(
  "the documents of the guide %s are such as weft takes",
  (guide) => {
    const path = new URL(`../../../docs/guide/${guide}.md`, import.meta.url);
    const blocks = [...readFileSync(path, "utf8").matchAll(/^```yaml\n(kind: .*?)^```/gms)];
    expect(blocks.length).toBeGreaterThan(0);
    for (const [, text = ""] of blocks) expect(problems(text), text).toEqual([]);
  },
);
