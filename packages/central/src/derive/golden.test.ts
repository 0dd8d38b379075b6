// Golden cases: a small topology in, everything that each chassis is told out, as text in golden/. WEFT_UPDATE_GOLDEN=1 (make golden)
// writes what is now; a review reads the difference as behaviour.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { expect, test } from "vitest";
import { createDeriver, type Deriver } from "./deriver.ts";
import { renderInstruction } from "./instruction-text.fixture.ts";
import { MemoryRows, type RowEdit, rowOf } from "./memory-rows.ts";

interface Case {
  /** First line of the file. */
  readonly about: string;
  readonly rows: readonly RowEdit[];
  /** Chassis to tell of; absent = all. */
  readonly chassis?: readonly string[];
  /** Lines that stand for many of their kind are left out where this says no. */
  readonly keep?: (line: string) => boolean;
}

const put = (table: RowEdit["table"], row: { id: string }): RowEdit =>
  ({ table, id: row.id, row }) as RowEdit;

const host = (key: number, more: Partial<Parameters<typeof rowOf.chassis>[0]> = {}): RowEdit =>
  put("chassis", rowOf.chassis({ id: `c${key}`, key, ...more }));

const network = (more: Partial<Parameters<typeof rowOf.network>[0]> = {}): RowEdit =>
  put("network", rowOf.network({ id: "blue", key: 5, ...more }));

const subnet = (cidr: string, gatewayIp: string | null): RowEdit =>
  put("subnet", rowOf.subnet({ id: cidr, network: "blue", cidr, gatewayIp }));

/** A port with addresses of both families, UP on chassis `on`. */
function port(
  key: number,
  on: number,
  more: Partial<Parameters<typeof rowOf.port>[0]> = {},
): RowEdit[] {
  const id = `p${key}`;
  const fixedIps = [
    { subnet: "10.0.0.0/24", ip: `10.0.0.${key}` },
    { subnet: "fd00::/64", ip: `fd00::${key.toString(16)}` },
  ];
  return [
    put("port", rowOf.port({ id, key, network: "blue", fixedIps, ...more })),
    put("binding", rowOf.binding({ id, chassis: `c${on}` })),
  ];
}

const liveness = (chassis: number, state: "alive" | "unreachable" | "fenced"): RowEdit => ({
  table: "liveness",
  id: `c${chassis}`,
  row: { id: `c${chassis}`, state },
});

/** A port on each of `count` chassis with this encap; addresses without the second family. */
const crowd = (count: number, encap: EncapType): RowEdit[] =>
  Array.from({ length: count }, (_, at) => {
    const key = at + 1;
    const ip = `10.0.${key >> 8}.${key & 255}`;
    const vtep = { ip: `172.31.${key >> 8}.${key & 255}`, underlayMtuBytes: 1600 };
    return [
      host(key, { encaps: [{ type: encap, ...vtep }] }),
      ...port(key, key, { fixedIps: [{ subnet: "s", ip }] }),
    ];
  }).flat();

const vxlanAt = (key: number) => ({
  encaps: [{ type: EncapType.VXLAN, ip: `172.31.0.${key}`, underlayMtuBytes: 1600 }],
});

/** A network with a subnet of each family and a port on chassis `on`; the key is in the addresses. */
const routed = (
  key: number,
  on: number,
  more: Partial<Parameters<typeof rowOf.network>[0]> = {},
) => {
  const id = `n${key}`;
  const subnets = [`10.0.${key}.0/24`, `fd00:${key}::/64`];
  const gateways = [`10.0.${key}.1`, `fd00:${key}::1`];
  const project = more.project ?? "default";
  const fixedIps = [`10.0.${key}.7`, `fd00:${key}::7`].map((ip) => ({ subnet: "any", ip }));
  return [
    put("network", rowOf.network({ id, key, ...more })),
    ...subnets.map((cidr, at) =>
      put("subnet", rowOf.subnet({ id: cidr, network: id, cidr, gatewayIp: gateways[at] ?? null })),
    ),
    ...port(key, on, { network: id, fixedIps, project }),
  ];
};

const router = (id: string, key: number, more: Partial<Parameters<typeof rowOf.router>[0]> = {}) =>
  put("router", rowOf.router({ id, key, ...more }));

type Interface = Parameters<(typeof rowOf)["router-interface"]>[0];

const joins = (of: string, network: string, key: number, more: Partial<Interface> = {}) =>
  put(
    "router-interface",
    rowOf["router-interface"]({ id: `${of}-${network}`, key, router: of, network, ...more }),
  );

const link = (key: number, first: string, second: string): RowEdit => {
  const end = (of: string, last: number) => ({
    router: of,
    addresses: [`10.9.0.${last}/30`, `fd09::${last}/64`],
  });
  const ends = [end(first, 1), end(second, 2)] as const;
  return put("router-link", rowOf["router-link"]({ id: `link${key}`, key, ends }));
};

const provider = { encap: null, physicalNetwork: "physnet1", vlan: 30 };
const dualStack = [subnet("10.0.0.0/24", "10.0.0.1"), subnet("fd00::/64", "fd00::1")];
const pairs = [
  { ip: "10.0.0.100", mac: "00:00:5e:00:01:01" },
  { ip: "fd00:1::/64", mac: null },
];

/** Of a crowd: what is not a port, a location or a flood target, and of those the ends of the blocks. */
const endsOfBlocks = (line: string): boolean =>
  !/\/(?:location|peer)\//.test(line) || /\/(?:1|2|127|128|129|201) /.test(line);

const cases: Readonly<Record<string, Case>> = {
  "geneve-dual-stack": {
    about: "Two chassis and an idle one; gateways of both families; one port not yet programmed.",
    rows: [
      ...[host(1), host(2), host(3), network(), ...dualStack, ...port(7, 1), ...port(8, 2)],
      put("port", rowOf.port({ id: "p9", key: 9, network: "blue" })),
      put("binding", rowOf.binding({ id: "p9", chassis: "c2", state: "plugged" })),
    ],
  },
  vxlan: {
    about: "VXLAN; the third chassis has no endpoint of it, so that its port has no location.",
    rows: [
      ...[host(1, vxlanAt(1)), host(2, vxlanAt(2)), host(3)],
      ...[network({ encap: EncapType.VXLAN }), ...port(7, 1), ...port(8, 2), ...port(9, 3)],
    ],
  },
  "provider-vlan": {
    about: "A provider network: no locations, no flood targets, its gateway answers for itself.",
    rows: [host(1), host(2), network(provider), ...dualStack, ...port(7, 1), ...port(8, 2)],
  },
  "allowed-pair-claimed": {
    about: "Two ports may hold 10.0.0.100; the second claimed it last.",
    rows: [
      ...[host(1), host(2), network()],
      ...[7, 8].flatMap((key) => port(key, key - 6, { allowedAddressPairs: pairs })),
      put("claim", {
        ...{ id: "blue/10.0.0.100", network: "blue", ip: "10.0.0.100", port: "p8" },
        ...{ mac: "00:00:5e:00:01:01", generation: 2n },
      }),
    ],
  },
  "provider-claimed": {
    about:
      "Two ports of a provider network may hold 10.0.0.100: who claimed it is told to its chassis.",
    rows: [
      ...[host(1), host(2), network(provider)],
      ...[7, 8].flatMap((key) => port(key, key - 6, { allowedAddressPairs: pairs })),
      put("claim", {
        ...{ id: "blue/10.0.0.100", network: "blue", ip: "10.0.0.100", port: "p8" },
        ...{ mac: "00:00:5e:00:01:01", generation: 2n },
      }),
    ],
  },
  "port-security-off": {
    about: "A port without port security asks for unknown unicast; another is admin down.",
    rows: [
      ...[host(1), host(2), network()],
      ...[...port(7, 1, { portSecurity: false }), ...port(8, 2, { adminUp: false })],
    ],
  },
  relayed: {
    about: "Geneve over 201 chassis floods through relays; ends of blocks only.",
    rows: [network(), ...crowd(201, EncapType.GENEVE)],
    chassis: ["c1"],
    keep: endsOfBlocks,
  },
  "vxlan-crowd": {
    about: "VXLAN cannot relay: it stays as it is above the limit that bindings keep.",
    rows: [network({ encap: EncapType.VXLAN }), ...crowd(201, EncapType.VXLAN)],
    chassis: ["c1"],
    keep: endsOfBlocks,
  },
  fenced: {
    about:
      "The second chassis is fenced: every chassis that hosts a port refuses it, whatever it hosts.",
    rows: [
      ...[host(1), host(2), host(3), host(4), network()],
      put("network", rowOf.network({ id: "red", key: 6 })),
      ...[...port(7, 1), ...port(8, 2), ...port(9, 3, { network: "red" }), liveness(2, "fenced")],
    ],
  },
  router: {
    about:
      "A router on two networks with routes and policies; a subnet that it does not serve keeps its gateway.",
    rows: [
      ...[host(1), host(2), host(3), ...routed(5, 1), ...routed(6, 2), ...routed(7, 3)],
      put("subnet", rowOf.subnet({ id: "bare", network: "n6", cidr: "10.1.0.0/24" })),
      router("r", 3),
      joins("r", "n5", 11, {
        fixedIps: [{ subnet: "fd00:5::/64", ip: "fd00:5::2" }],
        routeTable: 4,
      }),
      joins("r", "n6", 12, { fixedIps: [{ subnet: "bare", ip: "10.1.0.9" }] }),
      put(
        "route",
        rowOf.route({
          ...{ id: "ecmp", key: 1, router: "r", table: 4, destination: "0.0.0.0/0" },
          nextHops: ["10.0.6.9", "10.0.5.9", "192.0.2.1"],
        }),
      ),
      put("route", rowOf.route({ id: "hole", key: 2, router: "r", destination: "fd66::/16" })),
      put(
        "route",
        rowOf.route({
          ...{ id: "lost", key: 3, router: "r", destination: "192.0.2.0/24" },
          nextHops: ["192.0.2.1"],
        }),
      ),
      put(
        "policy-route",
        rowOf["policy-route"]({
          ...{ id: "web", key: 4, router: "r", priority: 90, protocol: 6, verdict: "reroute" },
          ...{ source: "10.0.5.0/24", ingressNetwork: "n5", nextHops: ["10.1.0.5"] },
          destinationPorts: [
            { first: 443, last: 443 },
            { first: 80, last: 88 },
          ],
        }),
      ),
      put(
        "policy-route",
        rowOf["policy-route"]({
          ...{ id: "no", key: 5, router: "r", verdict: "drop", destination: "fd00:6::/64" },
        }),
      ),
    ],
  },
  "routers-joined": {
    about:
      "Three routers, joined by a network and by a link; the last chassis hears all of it for its one port. An open port there is flooded to.",
    rows: [
      ...[host(1), host(2), host(3), ...routed(5, 1), ...routed(6, 1), ...routed(7, 2)],
      ...port(8, 2, { network: "n7", fixedIps: [], portSecurity: false }),
      put("network", rowOf.network({ id: "n9", key: 9 })),
      ...port(9, 3, { network: "n9", fixedIps: [] }),
      ...[router("a", 1), router("b", 2), router("c", 3)],
      ...[joins("a", "n9", 11), joins("a", "n6", 12)],
      joins("b", "n6", 21, {
        fixedIps: [
          { subnet: "10.0.6.0/24", ip: "10.0.6.2" },
          { subnet: "fd00:6::/64", ip: "fd00:6::2" },
        ],
      }),
      ...[joins("c", "n7", 31), link(40, "b", "c")],
    ],
    chassis: ["c3"],
  },
  "router-down": {
    about: "A router that is down: nothing of it is told, and nobody answers for its addresses.",
    rows: [
      ...[host(1), ...routed(5, 1), ...routed(6, 1), router("r", 3, { adminUp: false })],
      ...[joins("r", "n5", 11), joins("r", "n6", 12)],
      put("route", rowOf.route({ id: "hole", key: 2, router: "r", destination: "fd66::/16" })),
    ],
  },
  "shared-provider": {
    about:
      "Two projects on a shared provider network, each with a router: they hear of its ports only their own, and of what these claimed.",
    rows: [
      ...[host(1), host(2), ...routed(5, 1, { ...provider, shared: true, project: "red" })],
      ...port(8, 2, {
        ...{ network: "n5", project: "blue", allowedAddressPairs: pairs },
        fixedIps: [{ subnet: "any", ip: "10.0.5.8" }],
      }),
      put("claim", {
        ...{ id: "n5/10.0.0.100", network: "n5", ip: "10.0.0.100", port: "p8" },
        ...{ mac: "00:00:5e:00:01:01", generation: 1n },
      }),
      ...[...routed(6, 1, { project: "red" }), ...routed(7, 2, { project: "blue" })],
      ...[router("red", 1, { project: "red" }), router("blue", 2, { project: "blue" })],
      ...[joins("red", "n5", 11), joins("red", "n6", 12), joins("blue", "n7", 22)],
      joins("blue", "n5", 21, {
        fixedIps: [
          { subnet: "10.0.5.0/24", ip: "10.0.5.2" },
          { subnet: "fd00:5::/64", ip: "fd00:5::2" },
        ],
      }),
    ],
  },
  leak: {
    about:
      "Red shows blue half of one network and all of another family; one port of two is in it. Nothing goes the other way.",
    rows: [
      ...[
        host(1),
        host(2),
        ...routed(5, 1, { project: "red" }),
        ...routed(6, 2, { project: "blue" }),
      ],
      ...port(9, 1, {
        ...{ network: "n5", project: "red" },
        fixedIps: [{ subnet: "any", ip: "10.0.5.200" }],
      }),
      ...[router("red", 1, { project: "red" }), router("blue", 2, { project: "blue" })],
      ...[joins("red", "n5", 11), joins("blue", "n6", 21)],
      put(
        "route-leak",
        rowOf["route-leak"]({
          ...{ id: "leak", key: 3, from: "red", to: "blue" },
          prefixes: ["10.0.5.0/25", "192.0.2.0/24", "fd00::/16"],
        }),
      ),
    ],
  },
  drained: {
    about: "A drained chassis keeps what it has; a port requested there is placed.",
    rows: [
      ...[host(1), host(2, { drain: true }), network(), ...port(7, 1), ...port(8, 2)],
      put("port", rowOf.port({ id: "p9", key: 9, network: "blue", requestedChassis: "c2" })),
    ],
  },
};

function told(deriver: Deriver, chassis: string): string[] {
  const lines: string[] = [];
  for (const scope of [...deriver.interest.scopes(chassis).keys()].sort()) {
    const instructions = [...deriver.interest.instructions(scope)];
    lines.push(...instructions.map(([key, body]) => renderInstruction(key, body)));
  }
  return lines.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

function render({ about, rows: edits, chassis, keep }: Case): string {
  const rows = new MemoryRows();
  rows.edit(1n, edits);
  const deriver = createDeriver({ rows });
  const names = chassis ?? [...rows.values("chassis")].map(({ id }) => id);
  const parts = names.map((name) => {
    const lines = told(deriver, name);
    const shown = lines.filter(keep ?? (() => true));
    const hidden = lines.length - shown.length;
    const more = hidden === 0 ? [] : [`... and ${hidden} more`];
    return [`--- ${name}`, ...shown, ...more].join("\n");
  });
  return `# ${about}\n${parts.join("\n")}\n`;
}

const folder = fileURLToPath(new URL("./golden/", import.meta.url));

test.each(Object.entries(cases))("%s", (name, topology) => {
  const file = `${folder}${name}.txt`;
  const found = render(topology);
  if (process.env["WEFT_UPDATE_GOLDEN"] !== undefined) writeFileSync(file, found);
  expect(found).toBe(readFileSync(file, "utf8"));
});

test("every file has its case", () => {
  const names = readdirSync(folder).map((file) => file.replace(/\.txt$/, ""));
  expect(names.sort()).toEqual(Object.keys(cases).sort());
});
