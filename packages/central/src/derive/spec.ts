// The vocabulary of derivation: what a derived table, its key source and an index are. Types only, no behaviour; implemented
// by tables/*.ts and indexes.ts, run by engine.ts.

import type { Cidr } from "@weft/shared/net/cidr.ts";
import type { Rows, TableName } from "../model/rows.ts";

/** What only other tables read: never sent to an agent. */
export interface Intermediates {
  /** Key: port id. */
  placement: Placement;
  /** Key: encapsulation type, decimal. Largest inner packet that every chassis with this encap carries, in bytes. */
  "encap-mtu": number;
  /** Key: network id. In bytes. */
  "network-mtu": number;
  /** Key: `interface/<id>` or `link/<id>/<0 or 1>`, the end. */
  segment: Segment;
  /** Key: `<network id> <project>`. Routers of the project there, by ascending key; never empty. */
  "routers-on": readonly RouterOn[];
  /** Key: leak id. */
  leak: Leak;
  /** Key: network id. A leak names prefixes of it. */
  "leaked-network": true;
  /** Key: port id. */
  located: Located;
  /** Key: network key, decimal. It has located ports with port security off. */
  "open-network": true;
  /** Key: `<network key>/<chassis key>`: the chassis has located ports there. True when one has port security off. */
  presence: boolean;
  /** Key: network key, decimal. More chassis than one level of flooding reaches. */
  relayed: boolean;
  /** Key: claim id. */
  claimed: Claimed;
  /** Key: chassis id. Chassis keys that it must refuse, ascending. */
  fences: readonly number[];
  /** Key: router id. Prefixes of the segments of a router that is up, the longest first. */
  connected: readonly ConnectedPrefix[];
  /** Key: `<router id> <ip>`. Key of the network or link that the next hop is on. */
  "next-hop": number;
  /** Key: `route/<id>` or `policy/<id>`. Instruction key of a route or policy route whose router is up. */
  rule: string;
  /** Key: `port/<id>` or `claim/<id>`. Routers that must be told of the port or the claim by itself, by ascending key. */
  neighbour: readonly Neighbour[];
  /** Key: router id; only of a router that is up. */
  adjacent: Adjacent;
  /** Key: `<chassis id> <network id> <project>`: ports of the project are placed there. Router ids, sorted; never empty. */
  hosted: readonly string[];
  /** Key: router id. Scopes that a chassis hears when a port that it hosts is on a network of the router; sorted. */
  reach: readonly string[];
  /** Key: `<chassis id> <router id>`. The reach of the router. */
  hears: readonly string[];
}

/** Which chassis is to host a port. */
export interface Placement {
  readonly chassis: string;
  /** Id. */
  readonly network: string;
  readonly networkKey: number;
  readonly portKey: number;
  /** Of the port; on a shared network it need not be the network's. */
  readonly project: string;
}

/** Where a router touches a network or a link. Ids unless the name says key. */
export interface Segment {
  readonly router: string;
  readonly routerKey: number;
  readonly project: string;
  /** Of the router. A segment that is down holds its addresses and nothing else. */
  readonly up: boolean;
  /** null = a link. */
  readonly network: string | null;
  /** False = a link or a provider network. */
  readonly overlay: boolean;
  /** The router at the other end of a link. */
  readonly peer: string | null;
  /** Of the network or the link. */
  readonly networkKey: number;
  /** Of the interface or the link. */
  readonly interfaceKey: number;
  readonly mac: string;
  /** In the order of their bytes, IPv4 first. */
  readonly addresses: readonly { readonly ip: string; readonly prefixLen: number }[];
  readonly routeTable: number;
}

/** A router that is up and has an interface on the network. */
export interface RouterOn {
  readonly id: string;
  readonly key: number;
}

/** A prefix that a router is connected to. */
export interface ConnectedPrefix {
  readonly cidr: Cidr;
  readonly networkKey: number;
}

/** A leak between routers that are up. */
export interface Leak {
  readonly routerKey: number;
  readonly leakKey: number;
  readonly cuts: readonly LeakCut[];
}

/** What a leak shows of one connected prefix: what both have in common. */
export interface LeakCut {
  /** Of the instruction. */
  readonly key: string;
  readonly network: string;
  readonly segment: string;
  readonly cidr: Cidr;
}

/** A router that reaches a port although the locations of its network need not reach the router's chassis. */
export interface Neighbour {
  readonly routerKey: number;
  /** Id. */
  readonly port: string;
  /** Of the instruction, after the router. */
  readonly key: string;
  readonly mac: string;
  /** Canonical text, in the order of the port. */
  readonly ips: readonly string[];
}

/** What a router touches by itself. */
export interface Adjacent {
  /** Its own and those of its networks. */
  readonly scopes: readonly string[];
  /** Ids of the routers at the other ends of its links, and of those of its project on its overlay networks. */
  readonly routers: readonly string[];
}

/** Where a port can be reached: its chassis has programmed it. */
export interface Located {
  /** Id. */
  readonly network: string;
  readonly project: string;
  readonly networkKey: number;
  readonly portKey: number;
  readonly chassisKey: number;
  /** Canonical text; null = on the wire of a provider network. */
  readonly vtepIp: string | null;
  readonly portSecurity: boolean;
  /** A leak names prefixes of the network. */
  readonly leaked: boolean;
}

/** A valid claim of an address. */
export interface Claimed {
  readonly networkKey: number;
  /** Id of the one that is to host the port, on a provider network; null = an overlay. */
  readonly chassis: string | null;
  /** Canonical text. */
  readonly ip: string;
  readonly mac: string;
  /** Id. */
  readonly port: string;
}

/** Instruction tables: their keys are the instructions' keys, their values the encoded InstructionBody. */
export interface InstructionTables {
  "chassis-config": Buffer;
  "fenced-peer": Buffer;
  "local-port": Buffer;
  "network-config": Buffer;
  location: Buffer;
  "flood-peer": Buffer;
  "address-owner": Buffer;
  "router-config": Buffer;
  "router-port": Buffer;
  "static-route": Buffer;
  "policy-rule": Buffer;
  "router-neighbour": Buffer;
  "leaked-route": Buffer;
}

export type DerivedTables = Intermediates & InstructionTables;
export type DerivedName = keyof DerivedTables;
export type Readable = Rows & DerivedTables;
export type ReadableName = keyof Readable;

/** The indexes; indexes.ts says what each groups by what. */
export type IndexName =
  | "networkByKey"
  | "portByKey"
  | "chassisByKey"
  | "subnetByNetwork"
  | "portByFixedIp"
  | "chassisByInnerMtu"
  | "fencedChassis"
  | "openPorts"
  | "claimByAddress"
  | "chassisByNetwork"
  | "routerByKey"
  | "routeByKey"
  | "policyByKey"
  | "leakByKey"
  | "interfaceByAddress"
  | "segmentByKey"
  | "segmentByRouter"
  | "segmentByNetwork"
  | "leakByNetwork";

/** The tracked reads of a derivation. Each makes a dependency on exactly what it answers. */
export interface Read {
  row<T extends ReadableName>(table: T, id: string): Readable[T] | undefined;
  exists(table: ReadableName, id: string): boolean;
  /** Sorted. Only for groups bounded by one chassis or one object's own list. */
  members(index: IndexName, group: string): readonly string[];
  count(index: IndexName, group: string): number;
  first(index: IndexName, group: string): string | undefined;
}

/** A pure projection of one row to the derived keys that it keeps alive. */
export type KeySource = {
  [T in ReadableName]: {
    readonly table: T;
    readonly keys: (id: string, row: Readable[T]) => readonly string[];
  };
}[ReadableName];

/** A pure projection of one row to pairs that it keeps alive, counted by reference. */
export type PairSource = {
  [T in ReadableName]: {
    readonly table: T;
    readonly pairs: (id: string, row: Readable[T]) => readonly (readonly [string, string])[];
  };
}[ReadableName];

/** Where pairs are counted. */
export interface Pairs {
  /** With repetitions. */
  readonly count: number;
  has(first: string, second: string): boolean;
  hold(first: string, second: string): void;
  letGo(first: string, second: string): void;
}

/**
 * A derived table: a key lives while a row of a source projects to it; its value is a pure function of the key and of what
 * it reads, and may be absent. A table reads only tables that stand before it in graph.ts.
 */
export interface DerivedTable<N extends DerivedName = DerivedName> {
  readonly name: N;
  readonly sources: readonly KeySource[];
  readonly derive: (read: Read, key: string) => DerivedTables[N] | undefined;
  /** Equal values stop the ripple. */
  readonly equal: (a: DerivedTables[N], b: DerivedTables[N]) => boolean;
}

/**
 * An index: a pure projection of one row to (group, member) pairs. A member contains what makes it unique to its row: no two
 * rows give the same pair.
 */
export type Index = {
  [T in ReadableName]: {
    readonly table: T;
    readonly entries: (
      id: string,
      row: Readable[T],
      emit: (group: string, member: string) => void,
    ) => void;
  };
}[ReadableName];

/** What the engine reads of the model: rows as they are after the batch being applied. */
export interface RowReader {
  get<T extends TableName>(table: T, id: string): Rows[T] | undefined;
  values<T extends TableName>(table: T): Iterable<Rows[T]>;
}
