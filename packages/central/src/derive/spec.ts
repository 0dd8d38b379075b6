// The vocabulary of derivation: what a derived table, its key source and an index are. Types only, no behaviour; implemented
// by tables/*.ts and indexes.ts, run by engine.ts.

import type { Rows, TableName } from "../model/rows.ts";

/** What only other tables read: never sent to an agent. */
export interface Intermediates {
  /** Key: port id. */
  placement: Placement;
  /** Key: encapsulation type, decimal. Largest inner packet that every chassis with this encap carries, in bytes. */
  "encap-mtu": number;
  /** Key: network id. In bytes. */
  "network-mtu": number;
  /** Key: port id. */
  located: Located;
  /** Key: `<network key>/<chassis key>`: the chassis has located ports there. True when one has port security off. */
  presence: boolean;
  /** Key: network key, decimal. More chassis than one level of flooding reaches. */
  relayed: boolean;
  /** Key: claim id. */
  claimed: Claimed;
  /** Key: chassis id. Chassis keys that it must refuse, ascending. */
  fences: readonly number[];
  /** Key: `<chassis id> <scope>`. */
  subscription: true;
}

/** Which chassis is to host a port. */
export interface Placement {
  readonly chassis: string;
  readonly networkKey: number;
  readonly portKey: number;
}

/** Where an overlay port can be reached: its chassis has programmed it. */
export interface Located {
  readonly networkKey: number;
  readonly portKey: number;
  readonly chassisKey: number;
  /** Canonical text. */
  readonly vtepIp: string;
  readonly portSecurity: boolean;
}

/** A valid claim of an address of allowed pairs. */
export interface Claimed {
  readonly networkKey: number;
  readonly ipHex: string;
  readonly mac: string;
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
  | "chassisByNetwork";

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
