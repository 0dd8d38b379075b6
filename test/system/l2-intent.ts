// What l2.test.ts wants of central: five networks of every type with three guests each, a second tenant with the same names, MACs
// and addresses, and a network with ports without port security. Text and expectations only.

import { networkText, portText } from "../lab/intent.ts";

export const A = "chassis-a";
export const B = "chassis-b";
export const C = "chassis-c";

export interface NetworkCase {
  readonly name: string;
  readonly type: string;
  /** Third part of its IPv4 prefix, last of its IPv6 prefix. */
  readonly number: number;
  readonly wire: "under" | "ext";
  /** What a frame between chassis looks like on the wire. */
  readonly onWire: (key: number) => object;
  readonly mtuBytes: number;
  /** On the wire, of the largest packet that fits. */
  readonly wireBytes: number;
}

const UNDERLAY_BYTES = 14 + 1700;

export const NETWORKS: readonly NetworkCase[] = [
  {
    ...{ name: "gnv", number: 1, type: "overlay: {encap: geneve}", wire: "under" },
    ...{ onWire: (vni) => ({ encap: "geneve", vni }), mtuBytes: 1634, wireBytes: UNDERLAY_BYTES },
  },
  {
    ...{ name: "vxl", number: 2, type: "overlay: {encap: vxlan}", wire: "under" },
    ...{ onWire: (vni) => ({ encap: "vxlan", vni }), mtuBytes: 1650, wireBytes: UNDERLAY_BYTES },
  },
  {
    ...{ name: "gre", number: 3, type: "overlay: {encap: gre}", wire: "under" },
    ...{ onWire: (vni) => ({ encap: "gre", vni }), mtuBytes: 1658, wireBytes: UNDERLAY_BYTES },
  },
  {
    ...{ name: "vlan", number: 4, type: "provider: {physicalNetwork: physnet1, vlan: 100}" },
    ...{ wire: "ext", onWire: () => ({ vlan: 100 }), mtuBytes: 1500, wireBytes: 1518 },
  },
  {
    ...{ name: "flat", number: 5, type: "provider: {physicalNetwork: physnet1}" },
    ...{ wire: "ext", onWire: () => ({ vlan: null }), mtuBytes: 1500, wireBytes: 1514 },
  },
];

const cidrs = (number: number) => [`10.1.${number}.0/24`, `fd01:${number}::/64`];

/** The numbers: third and last part of its addresses. */
const port = (
  id: string,
  network: string,
  chassis: string,
  [number, last]: readonly [number, number],
  { project, more }: { project?: string; more?: string | undefined } = {},
) =>
  portText({
    ...{ id, project, network, chassis, more },
    ips: [`10.1.${number}.${last}`, `fd01:${number}::${last}`],
  });

/** The same in both tenants. */
export const MACS = ["0a:57:00:00:00:11", "0a:57:00:00:00:13"] as const;

const OPEN = { more: "portSecurityDisabled: true" };
const WITH_MACS = MACS.map((mac) => `mac: ${mac}`);

export const INTENT = [
  ...NETWORKS.map(({ name, type, number }) => {
    const [first, second] = name === "gnv" ? WITH_MACS : [];
    return [
      networkText({ id: name, type, cidrs: cidrs(number) }),
      port(`${name}-a`, name, A, [number, 11], { more: first }),
      port(`${name}-a2`, name, A, [number, 12]),
      port(`${name}-b`, name, B, [number, 13], { more: second }),
    ].join("");
  }),
  port("gnv-c", "gnv", C, [1, 14]),
  networkText({ id: "twin", project: "blue", name: "gnv", cidrs: cidrs(1) }),
  port("twin-a", "gnv", A, [1, 11], { project: "blue", more: WITH_MACS[0] }),
  port("twin-b", "gnv", B, [1, 13], { project: "blue", more: WITH_MACS[1] }),
  networkText({ id: "open", cidrs: cidrs(6) }),
  port("open-a", "open", A, [6, 11], OPEN),
  port("shut-a", "open", A, [6, 12]),
  port("shut-b", "open", B, [6, 13]),
  port("open-c", "open", C, [6, 14], OPEN),
].join("");
