// Rows of all tables in plain maps, without validation or storage: what derivation, bindings and distribution are tested and
// measured on without a store. Not part of a running central.

import type { Batch, RowChange, Rows, TableName } from "../model/rows.ts";
import type { RowReader } from "./spec.ts";

/** One row to be put or taken away. */
export type RowEdit = {
  [T in TableName]:
    | { readonly table: T; readonly id: string; readonly row: Rows[T] }
    | { readonly table: T; readonly id: string; readonly row: undefined };
}[TableName];

export class MemoryRows implements RowReader {
  readonly #tables = new Map<TableName, Map<string, Rows[TableName]>>();

  get<T extends TableName>(table: T, id: string): Rows[T] | undefined {
    return this.#tables.get(table)?.get(id) as Rows[T] | undefined;
  }

  *values<T extends TableName>(table: T): Generator<Rows[T]> {
    for (const row of this.#tables.get(table)?.values() ?? []) yield row as Rows[T];
  }

  /** Applies edits in order and answers the batch; an edit without effect is left out. */
  edit(revision: bigint, edits: readonly RowEdit[]): Batch {
    const before = new Map<string, RowChange>();
    for (const { table, id, row } of edits) {
      const rows = this.#tables.get(table) ?? new Map<string, Rows[TableName]>();
      this.#tables.set(table, rows);
      const known = before.get(`${table} ${id}`);
      const first = known === undefined ? rows.get(id) : known.before;
      before.set(`${table} ${id}`, { table, id, before: first, after: row } as RowChange);
      if (row === undefined) rows.delete(id);
      else rows.set(id, row);
    }
    const changes = [...before.values()].filter((change) => change.before !== change.after);
    return { revision, changes };
  }

  /** What a restart of central forgets. */
  clearVolatile(): void {
    for (const table of ["binding", "claim", "liveness"] as const) this.#tables.delete(table);
  }

  /** Shows changes that were made elsewhere. */
  apply(changes: readonly RowChange[]): void {
    this.edit(
      0n,
      changes.map((change) => ({ ...change, row: change.after }) as RowEdit),
    );
  }
}

const meta = (id: string, project: string) => ({
  id,
  project,
  name: id,
  labels: {},
  revision: 1n,
  createdAtMs: 0,
  updatedAtMs: 0,
});

type Given<T extends TableName> = Partial<Rows[T]> & { readonly id: string };

/** Rows with the usual values where none are given. */
export const rowOf = {
  network: (given: Given<"network"> & { key: number }): Rows["network"] => ({
    ...meta(given.id, "default"),
    encap: 1,
    physicalNetwork: null,
    vlan: 0,
    shared: false,
    mtuBytes: 0,
    ...given,
  }),
  subnet: (given: Given<"subnet"> & { network: string; cidr: string }): Rows["subnet"] => ({
    ...meta(given.id, "default"),
    gatewayIp: null,
    allocationRanges: [],
    reserved: [],
    ipv6Allocation: null,
    ...given,
  }),
  port: (given: Given<"port"> & { key: number; network: string }): Rows["port"] => ({
    ...meta(given.id, "default"),
    mac: macOf(given.key),
    fixedIps: [],
    allowedAddressPairs: [],
    adminUp: true,
    portSecurity: true,
    requestedChassis: null,
    deviceOwner: "",
    deviceId: "",
    ...given,
  }),
  chassis: (given: Given<"chassis"> & { key: number }): Rows["chassis"] => ({
    ...meta(given.id, ""),
    drain: false,
    lost: false,
    hostname: given.id,
    encaps: [
      {
        type: 1,
        ip: `172.31.${given.key >> 8}.${given.key & 255}`,
        underlayMtuBytes: 1600,
      },
    ],
    physicalNetworks: [],
    ...given,
  }),
  router: (given: Given<"router"> & { key: number }): Rows["router"] => ({
    ...meta(given.id, "default"),
    adminUp: true,
    ...given,
  }),
  "router-interface": (
    given: Given<"router-interface"> & { key: number; router: string; network: string },
  ): Rows["router-interface"] => ({
    ...meta(given.id, "default"),
    mac: macOf(0x80_0000 + given.key),
    fixedIps: [],
    routeTable: 0,
    ...given,
  }),
  route: (
    given: Given<"route"> & { key: number; router: string; destination: string },
  ): Rows["route"] => ({
    ...meta(given.id, "default"),
    table: 0,
    nextHops: [],
    ...given,
  }),
  "policy-route": (
    given: Given<"policy-route"> & { key: number; router: string },
  ): Rows["policy-route"] => ({
    ...meta(given.id, "default"),
    priority: given.key,
    source: null,
    destination: null,
    protocol: 0,
    sourcePorts: [],
    destinationPorts: [],
    ingressNetwork: null,
    verdict: "allow",
    nextHops: [],
    ...given,
  }),
  "router-link": (
    given: Given<"router-link"> & { key: number; ends: Rows["router-link"]["ends"] },
  ): Rows["router-link"] => ({
    ...meta(given.id, "default"),
    ...given,
  }),
  "route-leak": (
    given: Given<"route-leak"> & { key: number; from: string; to: string },
  ): Rows["route-leak"] => ({
    ...meta(given.id, "default"),
    prefixes: [],
    ...given,
  }),
  binding: (given: Given<"binding"> & { chassis: string }): Rows["binding"] => ({
    generation: 1n,
    state: "up",
    reason: "",
    mtuBytes: 0,
    ...given,
  }),
};

function macOf(key: number): string {
  const hex = key.toString(16).padStart(6, "0");
  return `02:00:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`;
}
