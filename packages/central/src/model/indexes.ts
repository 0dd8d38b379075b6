// The secondary indexes over rows: which groups a row belongs to, as data. Pure; kept by tables.ts, read by validation, ipam
// and the API. A group is text; a member is the id of the row unless the index says otherwise.

import type { Rows, TableName } from "./rows.ts";

/** One entry of an index: the group, and who is in it. */
export type IndexEntry = readonly [group: string, member: string];

export interface IndexSpec<T extends TableName = TableName> {
  readonly table: T;
  readonly entries: (row: Rows[T]) => readonly IndexEntry[];
}

/** An index whatever its table: its rows must be of that table. */
export interface AnyIndexSpec {
  readonly table: TableName;
  readonly entries: (row: never) => readonly IndexEntry[];
}

function index<T extends TableName>(
  table: T,
  entries: (row: Rows[T]) => readonly IndexEntry[],
): IndexSpec<T> {
  return { table, entries };
}

export const indexSpecs = {
  /** `<project>/<name>` -> id; one a group in a valid model. A chassis has the empty project. */
  networkName: index("network", (row) => [[nameGroup(row.project, row.name), row.id]]),
  subnetName: index("subnet", (row) => [[nameGroup(row.project, row.name), row.id]]),
  portName: index("port", (row) => [[nameGroup(row.project, row.name), row.id]]),
  chassisName: index("chassis", (row) => [[nameGroup(row.project, row.name), row.id]]),
  networkKey: index("network", (row) => [[String(row.key), row.id]]),
  portKey: index("port", (row) => [[String(row.key), row.id]]),
  chassisKey: index("chassis", (row) => [[String(row.key), row.id]]),
  /** `<physical network>/<vlan>` -> provider networks. */
  networkSegment: index("network", (row) =>
    row.physicalNetwork === null ? [] : [[segmentGroup(row.physicalNetwork, row.vlan), row.id]],
  ),
  subnetNetwork: index("subnet", (row) => [[row.network, row.id]]),
  portNetwork: index("port", (row) => [[row.network, row.id]]),
  /** `<network>/<mac>` -> ports. */
  portMacInNetwork: index("port", (row) =>
    row.mac === "" ? [] : [[addressGroup(row.network, row.mac), row.id]],
  ),
  /** MAC -> ports of any network. */
  portMac: index("port", (row) => (row.mac === "" ? [] : [[row.mac, row.id]])),
  /** `<network>/<ip>` -> ports. */
  portIp: index("port", (row) =>
    row.fixedIps.map((fixed): IndexEntry => [addressGroup(row.network, fixed.ip), row.id]),
  ),
  /** Subnet -> addresses in use (the member is the address). */
  subnetAddress: index("port", (row) =>
    row.fixedIps.map((fixed): IndexEntry => [fixed.subnet, fixed.ip]),
  ),
  portRequestedChassis: index("port", (row) =>
    row.requestedChassis === null ? [] : [[row.requestedChassis, row.id]],
  ),
  /** Chassis -> bound ports. */
  bindingChassis: index("binding", (row) => [[row.chassis, row.id]]),
  /** Port -> claims. */
  claimPort: index("claim", (row) => [[row.port, row.id]]),
} as const;

export type IndexName = keyof typeof indexSpecs;

/** What validation and allocation need to see. */
export const headIndexes: readonly IndexName[] = [
  "networkName",
  "subnetName",
  "portName",
  "chassisName",
  "networkKey",
  "portKey",
  "chassisKey",
  "networkSegment",
  "subnetNetwork",
  "portNetwork",
  "portMacInNetwork",
  "portMac",
  "portIp",
  "subnetAddress",
  "portRequestedChassis",
];

/** What reads need to see. */
export const readIndexes: readonly IndexName[] = [
  "networkName",
  "subnetName",
  "portName",
  "chassisName",
  "networkKey",
  "portKey",
  "chassisKey",
  "subnetNetwork",
  "portNetwork",
  "subnetAddress",
  "bindingChassis",
  "claimPort",
];

export const nameGroup = (project: string, name: string): string => `${project}/${name}`;
export const segmentGroup = (physicalNetwork: string, vlan: number): string =>
  `${physicalNetwork}/${vlan}`;
export const addressGroup = (network: string, address: string): string => `${network}/${address}`;

/** The index over names of a durable table. */
export function nameIndex(table: "network" | "subnet" | "port" | "chassis"): IndexName {
  return `${table}Name`;
}
