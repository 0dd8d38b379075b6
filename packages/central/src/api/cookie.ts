// What a flow cookie says: table, object, rule (ARCHITECTURE.md, "Pipeline"). The names are those of the compiler crate's pipeline.rs and
// cookie.rs; the test beside this file fails when they differ. Pure; used by admin.ts.

const MARK = 0x57n;

export type CookieObject = "pipeline" | "network" | "port" | "chassis" | "location" | "address";

/** By the number in bits 47..44. */
const objects: readonly CookieObject[] = [
  "pipeline",
  "network",
  "port",
  "chassis",
  "location",
  "address",
];

export const tableNames: Readonly<Record<number, string>> = {
  0: "classify",
  10: "anti-spoof",
  11: "anti-spoof-ipv6",
  20: "services",
  21: "nd-target",
  22: "answer",
  23: "nd-reply",
  30: "l2-lookup",
  40: "tunnel-in",
  41: "tunnel-in-by-mac",
  42: "provider-in",
  60: "ingress-policy",
  70: "deliver",
};

export const ruleTexts: Readonly<Record<number, string>> = {
  0: "what no other flow of the table takes",
  1: "packets of the port enter its network",
  2: "the port is administratively down: nothing in, nothing out",
  3: "tunnel headers become registers",
  4: "tunnel packets of an unknown TLV version are dropped",
  5: "packets of the physical network enter the network",
  6: "tunnel packets of a fenced chassis are dropped",
  16: "a multicast source MAC is dropped",
  17: "DHCP server messages of guests are dropped",
  18: "router advertisements and redirects of guests are dropped",
  19: "source addresses that are not the port's are dropped",
  20: "source addresses of the port",
  21: "the port asks for an IPv4 address",
  22: "ARP with the port's own addresses",
  23: "ARP probes of the port",
  24: "other protocols with the port's own MAC",
  25: "IPv6 packets without a source address: DAD, MLD and router solicitations",
  26: "neighbour solicitations with the port's own MAC, or none",
  27: "neighbour advertisements of the port's own addresses",
  28: "the port speaks for an address of allowed pairs: the claim is reported",
  40: "ARP requests are answered here",
  41: "the port's own announcement is not answered but flooded",
  42: "a port that probes the gateway's address is told that it is taken",
  43: "neighbour solicitations of the port, rate limited",
  44: "who answers for this neighbour",
  45: "the port's own duplicate address detection is not answered but flooded",
  46: "a port that probes the gateway's address is told that it is taken",
  47: "neighbour solicitations are answered here",
  48: "neighbour solicitations that the engine answers",
  60: "to a port of this chassis",
  61: "to a port of another chassis",
  62: "broadcast and multicast",
  63: "unknown destinations: to the ports with port security off",
  64: "to the physical network",
  65: "from a tunnel to the port",
  66: "from a tunnel to all ports of the network here",
  67: "from a tunnel to all ports of the network here and to this block",
  68: "from the physical network to the port",
  69: "out of the port",
};

export interface Cookie {
  /** Name of the table, or its number. */
  readonly stage: string;
  readonly object: CookieObject;
  /** Network, port or chassis key; of a location or address the port key. */
  readonly key: number;
  readonly text: string;
}

/** Undefined for a cookie without our mark. */
export function decodeCookie(cookie: bigint): Cookie | undefined {
  if (cookie >> 56n !== MARK) return undefined;
  const field = (shift: bigint, bits: bigint): number =>
    Number((cookie >> shift) & ((1n << bits) - 1n));
  const table = field(48n, 8n);
  const rule = field(0n, 20n);
  const object = objects[field(44n, 4n)];
  if (object === undefined) return undefined;
  return {
    stage: tableNames[table] ?? `table ${table}`,
    object,
    key: field(20n, 24n),
    text: ruleTexts[rule] ?? `rule ${rule}`,
  };
}
