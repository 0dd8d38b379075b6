// What the OVSDB targets are told to bring about: the whole desired state, replaced as a whole. Plain
// data from configuration and instructions; declarations only.

export type DatapathType = "system" | "netdev";
/** Without stt: Open vSwitch passes none of its packets, whether or not it lists the type (ADR 0006). */
export type EncapType = "geneve" | "vxlan" | "gre";

export interface DesiredBridge {
  /** Normally br-int. */
  readonly name: string;
  readonly datapathType: DatapathType;
  /** Configuration `adoptBridge`: take over an existing bridge that does not carry our mark. */
  readonly adopt: boolean;
}

/** The one flow-based tunnel port of an encap type; peers are named by flows. */
export interface DesiredTunnel {
  readonly encap: EncapType;
  /** Our VTEP addresses of this type, IPv4 and IPv6; at least one. */
  readonly localIps: readonly string[];
  /** Outer checksum on sending; null leaves it to Open vSwitch. */
  readonly csum: boolean | null;
  /** UDP port; null for the one that IANA assigned. Meaningless for gre. */
  readonly dstPort: number | null;
  /** Requested MTU of the port; null for none. Tunnels of the netdev datapath do not act on it. */
  readonly mtuBytes: number | null;
}

/** A physical network that this chassis reaches through a bridge of the operator. */
export interface DesiredProvider {
  readonly physicalNetwork: string;
  readonly bridge: string;
}

export interface OvsdbDesired {
  /** Goes into the ownership mark; `external_ids:system-id` of this chassis. */
  readonly systemId: string;
  readonly bridge: DesiredBridge;
  /** At most one per encap type. */
  readonly tunnels: readonly DesiredTunnel[];
  /** At most one per physical network. */
  readonly providers: readonly DesiredProvider[];
  /** False while the desired state may be incomplete: then nothing is pruned. */
  readonly inSync: boolean;
}
