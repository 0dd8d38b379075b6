// The secondary indexes over rows: which groups a row belongs to, as data. Pure; kept by tables.ts, read by validation, ipam
// and the API. A group is text; a member is the id of the row unless the index says otherwise.

import type { DurableTableName, Rows, TableName } from "./rows.ts";

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
  routerName: index("router", (row) => [[nameGroup(row.project, row.name), row.id]]),
  interfaceName: index("router-interface", (row) => [[nameGroup(row.project, row.name), row.id]]),
  routeName: index("route", (row) => [[nameGroup(row.project, row.name), row.id]]),
  policyName: index("policy-route", (row) => [[nameGroup(row.project, row.name), row.id]]),
  linkName: index("router-link", (row) => [[nameGroup(row.project, row.name), row.id]]),
  leakName: index("route-leak", (row) => [[nameGroup(row.project, row.name), row.id]]),
  networkKey: index("network", (row) => [[String(row.key), row.id]]),
  portKey: index("port", (row) => [[String(row.key), row.id]]),
  chassisKey: index("chassis", (row) => [[String(row.key), row.id]]),
  routerKey: index("router", (row) => [[String(row.key), row.id]]),
  interfaceKey: index("router-interface", (row) => [[String(row.key), row.id]]),
  routeKey: index("route", (row) => [[String(row.key), row.id]]),
  policyKey: index("policy-route", (row) => [[String(row.key), row.id]]),
  /** Network keys that links have. */
  linkKey: index("router-link", (row) => [[String(row.key), row.id]]),
  leakKey: index("route-leak", (row) => [[String(row.key), row.id]]),
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
  interfaceRouter: index("router-interface", (row) => [[row.router, row.id]]),
  interfaceNetwork: index("router-interface", (row) => [[row.network, row.id]]),
  /** `<router>/<network>` -> interfaces; one a group in a valid model. */
  interfacePlace: index("router-interface", (row) => [
    [placeGroup(row.router, row.network), row.id],
  ]),
  /** `<network>/<mac>` -> interfaces. */
  interfaceMacInNetwork: index("router-interface", (row) =>
    row.mac === "" ? [] : [[addressGroup(row.network, row.mac), row.id]],
  ),
  interfaceMac: index("router-interface", (row) => (row.mac === "" ? [] : [[row.mac, row.id]])),
  /** `<network>/<ip>` -> interfaces that were given the address; those that have it as a gateway are not here. */
  interfaceIp: index("router-interface", (row) =>
    row.fixedIps.map((fixed): IndexEntry => [addressGroup(row.network, fixed.ip), row.id]),
  ),
  /** Subnet -> interfaces that were given an address in it. */
  interfaceSubnet: index("router-interface", (row) =>
    row.fixedIps.map((fixed): IndexEntry => [fixed.subnet, row.id]),
  ),
  routeRouter: index("route", (row) => [[row.router, row.id]]),
  /** `<router>/<table>/<destination>` -> routes; one a group in a valid model. */
  routeDestination: index("route", (row) => [
    [routeGroup(row.router, row.table, row.destination), row.id],
  ]),
  /** `<router>/<destination>` -> routes, of any table. */
  routePrefix: index("route", (row) => [[addressGroup(row.router, row.destination), row.id]]),
  /** `<router>/<ip>` -> routes with that next hop. */
  routeNextHop: index("route", (row) =>
    row.nextHops.map((ip): IndexEntry => [addressGroup(row.router, ip), row.id]),
  ),
  policyRouter: index("policy-route", (row) => [[row.router, row.id]]),
  /** `<router>/<priority>` -> policies; one a group in a valid model. */
  policyPriority: index("policy-route", (row) => [
    [priorityGroup(row.router, row.priority), row.id],
  ]),
  /** `<router>/<network>` -> policies for packets that come from there. */
  policyIngress: index("policy-route", (row) =>
    row.ingressNetwork === null ? [] : [[placeGroup(row.router, row.ingressNetwork), row.id]],
  ),
  /** `<router>/<ip>` -> policies with that next hop. */
  policyNextHop: index("policy-route", (row) =>
    row.nextHops.map((ip): IndexEntry => [addressGroup(row.router, ip), row.id]),
  ),
  linkRouter: index("router-link", (row) =>
    row.ends.map((end): IndexEntry => [end.router, row.id]),
  ),
  leakFrom: index("route-leak", (row) => [[row.from, row.id]]),
  leakTo: index("route-leak", (row) => [[row.to, row.id]]),
  /** Chassis -> bound ports. */
  bindingChassis: index("binding", (row) => [[row.chassis, row.id]]),
  /** Port -> claims. */
  claimPort: index("claim", (row) => [[row.port, row.id]]),
} as const;

export type IndexName = keyof typeof indexSpecs;

/** What only reads need to see. */
const readOnly: readonly IndexName[] = ["bindingChassis", "claimPort"];

/** What only validation and allocation need to see. */
const headOnly: ReadonlySet<IndexName> = new Set([
  "networkSegment",
  "portMacInNetwork",
  "portMac",
  "portIp",
  "portRequestedChassis",
  "interfaceMacInNetwork",
  "interfaceMac",
  "routeDestination",
  "routePrefix",
  "routeNextHop",
  "policyPriority",
  "policyIngress",
  "policyNextHop",
]);

const allNames = Object.keys(indexSpecs) as IndexName[];

/** What validation and allocation need to see. */
export const headIndexes: readonly IndexName[] = allNames.filter(
  (name) => !readOnly.includes(name),
);

/** What reads need to see. */
export const readIndexes: readonly IndexName[] = allNames.filter((name) => !headOnly.has(name));

export const nameGroup = (project: string, name: string): string => `${project}/${name}`;
export const segmentGroup = (physicalNetwork: string, vlan: number): string =>
  `${physicalNetwork}/${vlan}`;
/** Of a network, or of a router whose next hop the address is. */
export const addressGroup = (owner: string, address: string): string => `${owner}/${address}`;
export const placeGroup = (router: string, network: string): string => `${router}/${network}`;
export const routeGroup = (router: string, table: number, destination: string): string =>
  `${router}/${table}/${destination}`;
export const priorityGroup = (router: string, priority: number): string => `${router}/${priority}`;

const nameIndexes: Readonly<Record<DurableTableName, IndexName>> = {
  network: "networkName",
  subnet: "subnetName",
  port: "portName",
  chassis: "chassisName",
  router: "routerName",
  "router-interface": "interfaceName",
  route: "routeName",
  "policy-route": "policyName",
  "router-link": "linkName",
  "route-leak": "leakName",
};

/** The index over names of a durable table. */
export function nameIndex(table: DurableTableName): IndexName {
  return nameIndexes[table];
}
