// What a flow cookie says: table, object, rule (ARCHITECTURE.md, "Pipeline"). The names are those of the compiler crate's pipeline.rs and
// cookie.rs; the test beside this file fails when they differ. Pure; used by admin.ts.

const MARK = 0x57n;

export type CookieObject =
  | "pipeline"
  | "network"
  | "port"
  | "chassis"
  | "location"
  | "address"
  | "router"
  | "router-interface"
  | "route"
  | "policy-route"
  | "router-neighbour"
  | "route-leak"
  | "router-link";

/** By the number in bits 47..44. */
export const cookieObjects: readonly CookieObject[] = [
  "pipeline",
  "network",
  "port",
  "chassis",
  "location",
  "address",
  "router",
  "router-interface",
  "route",
  "policy-route",
  "router-neighbour",
  "route-leak",
  "router-link",
];

export const tableNames: Readonly<Record<number, string>> = {
  0: "classify",
  5: "tunnel-in",
  6: "tunnel-in-by-mac",
  7: "provider-in",
  10: "anti-spoof",
  11: "anti-spoof-ipv6",
  20: "services",
  21: "nd-target",
  22: "answer",
  23: "nd-reply",
  30: "router-entry",
  31: "router-in",
  32: "route",
  33: "policy-route",
  34: "ecmp-member",
  35: "router-out",
  36: "router-leave",
  37: "neighbour",
  38: "punt",
  39: "punt-out",
  40: "echo-limit",
  41: "echo",
  50: "l2-lookup",
  51: "geneve4-out",
  52: "geneve6-out",
  53: "vxlan4-out",
  54: "vxlan6-out",
  55: "gre4-out",
  56: "gre6-out",
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
  29: "the port, with port security off, may say who has an address: the claim is reported",
  30: "the port has port security off: nothing is checked",
  40: "ARP requests are answered here",
  41: "an announcement of the address is not answered but flooded",
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
  70: "into the tunnel: header from registers",
  71: "routed to the physical network, from the MAC of this chassis",
  72: "a router asks who has an address: to the ports with port security off",
  80: "to the router's interface: the router has it",
  81: "eight routers in one pass: time exceeded",
  82: "echo requests to the router's own addresses are answered, so many a second",
  83: "nothing but echo is taken by the router itself",
  84: "multicast, loopback, link-local and unspecified addresses are never routed",
  85: "broadcasts of a connected prefix are never routed",
  86: "the TTL or hop limit ran out: time exceeded",
  87: "IP is routed, nothing else",
  88: "to a network of the router",
  89: "to the next hop of the route",
  90: "to one of the next hops of the route, by a hash of addresses and ports",
  91: "fragments: to one of the next hops, by a hash of addresses",
  92: "the route drops",
  93: "to a network of another router that is leaked",
  94: "no route: unreachable",
  95: "the policy leaves it at the table's answer",
  96: "the policy drops",
  97: "the policy names another next hop",
  98: "the next hop that was chosen",
  99: "is it longer than the network's MTU?",
  100: "longer than the network's MTU: too big",
  101: "the router sends it: TTL or hop limit less one",
  102: "the next hop's MAC",
  103: "nobody is known to have the next hop: ports with port security off are asked",
  104: "nobody has the next hop: unreachable",
  105: "what routers give up of the port, rate limited",
  106: "the engine answers with an error, or asks for the next hop",
  108: "the router sends what it made itself",
  109: "echo requests of the port to routers, rate limited",
  110: "the router's answer to an echo request",
};

export interface Cookie {
  /** Name of the table, or its number. */
  readonly stage: string;
  readonly object: CookieObject;
  /** The object's own key; of a location, an address or a neighbour the port key. */
  readonly key: number;
  /** Its number; text says it in words. */
  readonly rule: number;
  readonly text: string;
}

/** Undefined for a cookie without our mark. */
export function decodeCookie(cookie: bigint): Cookie | undefined {
  if (cookie >> 56n !== MARK) return undefined;
  const field = (shift: bigint, bits: bigint): number =>
    Number((cookie >> shift) & ((1n << bits) - 1n));
  const table = field(48n, 8n);
  const rule = field(0n, 20n);
  const object = cookieObjects[field(44n, 4n)];
  if (object === undefined) return undefined;
  return {
    stage: tableNames[table] ?? `table ${table}`,
    object,
    key: field(20n, 24n),
    rule,
    text: ruleTexts[rule] ?? `rule ${rule}`,
  };
}
