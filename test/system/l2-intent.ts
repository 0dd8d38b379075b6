// What l2.test.ts wants of central: five networks of every type with three guests each, a second tenant with the same names, MACs
// and addresses, and a network with ports without port security. Text and expectations only.

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

export const portText = ({
  id,
  project,
  network,
  chassis,
  part,
  mac,
  more = "",
}: {
  readonly id: string;
  readonly project?: string;
  readonly network: string;
  readonly chassis: string;
  /** Third and last part of its addresses. */
  readonly part: readonly [number, number];
  readonly mac?: string;
  readonly more?: string;
}) => `
kind: Port
metadata: {id: ${id}, project: ${project ?? "default"}}
spec:
  network: ${network}
  requestedChassis: ${chassis}
  fixedIps: [{ip: 10.1.${part[0]}.${part[1]}}, {ip: "fd01:${part[0]}::${part[1]}"}]
  ${mac === undefined ? "" : `mac: ${mac}`}
  ${more}
---`;

export const networkText = (
  id: string,
  project: string,
  name: string,
  type: string,
  number: number,
) => `
kind: Network
metadata: {id: ${id}, project: ${project}, name: ${name}}
spec: {${type}}
---
kind: Subnet
metadata: {id: ${id}-4, project: ${project}, name: ${name}-4}
spec: {network: ${name}, cidr: 10.1.${number}.0/24}
---
kind: Subnet
metadata: {id: ${id}-6, project: ${project}, name: ${name}-6}
spec: {network: ${name}, cidr: "fd01:${number}::/64"}
---`;

/** The same in both tenants. */
export const MACS = ["0a:57:00:00:00:11", "0a:57:00:00:00:13"] as const;

const OPEN = "portSecurityDisabled: true";

export const INTENT = [
  ...NETWORKS.map(({ name, type, number }) => {
    const port = (suffix: string, chassis: string, last: number, mac?: string) =>
      portText({
        ...{ id: `${name}-${suffix}`, network: name, chassis, part: [number, last] },
        ...(mac === undefined ? {} : { mac }),
      });
    const macs = name === "gnv" ? MACS : [undefined, undefined];
    return [
      networkText(name, "default", name, type, number),
      port("a", A, 11, macs[0]),
      port("a2", A, 12),
      port("b", B, 13, macs[1]),
    ].join("");
  }),
  portText({ id: "gnv-c", network: "gnv", chassis: C, part: [1, 14] }),
  networkText("twin", "blue", "gnv", "overlay: {encap: geneve}", 1),
  ...[["twin-a", A, 11, MACS[0]] as const, ["twin-b", B, 13, MACS[1]] as const].map(
    ([id, chassis, last, mac]) =>
      portText({ id, project: "blue", network: "gnv", chassis, part: [1, last], mac }),
  ),
  networkText("open", "default", "open", "overlay: {encap: geneve}", 6),
  portText({ id: "open-a", network: "open", chassis: A, part: [6, 11], more: OPEN }),
  portText({ id: "shut-a", network: "open", chassis: A, part: [6, 12] }),
  portText({ id: "shut-b", network: "open", chassis: B, part: [6, 13] }),
  portText({ id: "open-c", network: "open", chassis: C, part: [6, 14], more: OPEN }),
].join("");
