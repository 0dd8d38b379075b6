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

const provider = { encap: null, physicalNetwork: "physnet1", vlan: 30 };
const dualStack = [subnet("10.0.0.0/24", "10.0.0.1"), subnet("fd00::/64", "fd00::1")];
const pairs = [
  { ip: "10.0.0.100", mac: "00:00:5e:00:01:01" },
  { ip: "fd00:1::/64", mac: null },
];

/** Of a crowd: what is not a port, a location or a flood target, and of those the ends of the blocks. */
const endsOfBlocks = (line: string): boolean =>
  !/\/(?:location|flood)\//.test(line) || /\/(?:1|2|127|128|129|201) /.test(line);

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
  for (const scope of [...deriver.interest.scopes(chassis)].sort()) {
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
