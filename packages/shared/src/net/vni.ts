// The numbers that Weft gives out and their ranges: network keys (which ride in the VNI), port keys
// (which ride in the Geneve TLV), chassis keys, VLAN ids. Pure; allocation is central's ipam.

/** Network keys are VNIs: 24 bits (RFC 7348 5, RFC 8926 3.4); 0 is not used. */
export const minNetworkKey = 1;
export const maxNetworkKey = 0xff_ffff;

/** Port keys share the 24-bit egress field with the keys of replication below. */
export const minPortKey = 1;
export const maxPortKey = 0xff_efff;

/** Egress keys that are no port: ARCHITECTURE.md, "Pipeline". */
export const egressFlood = 0xff_ffff;
export const egressRelay = 0xff_fffe;
export const egressUnknownUnicast = 0xff_fffd;
export const egressRelayUnknownUnicast = 0xff_fffc;

/** Chassis keys; blocks of `chassisBlockSize` consecutive keys relay for each other. */
export const minChassisKey = 1;
export const maxChassisKey = 0xffff;
export const chassisBlockSize = 128;

/** Keys of routers and of their interfaces, routes, policy routes and leaks: 24 bits each. */
export const minRoutingKey = 1;
export const maxRoutingKey = 0xff_ffff;

/** VLAN ids that may be asked for; 0 stands for a flat (untagged) network where one is optional. */
export const minVlan = 1;
export const maxVlan = 4094;

/** MTU of a network, in bytes of IP packet: IPv6 needs 1280 (RFC 8200 5). */
export const minMtuBytes = 1280;
export const maxMtuBytes = 65_000;

export const isNetworkKey = (key: number): boolean => inRange(key, minNetworkKey, maxNetworkKey);
export const isPortKey = (key: number): boolean => inRange(key, minPortKey, maxPortKey);
export const isChassisKey = (key: number): boolean => inRange(key, minChassisKey, maxChassisKey);
export const isVlan = (id: number): boolean => inRange(id, minVlan, maxVlan);

/** The block of chassis keys that a chassis belongs to. */
export function chassisBlock(chassisKey: number): number {
  return Math.floor(chassisKey / chassisBlockSize);
}

function inRange(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
