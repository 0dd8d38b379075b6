// weft describe router: everything that a router has, and for each route why it is used or not. Reads
// through the lists it is given, one after the other; decides nothing that central has decided.
import { Kind } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { Cidr } from "@weft/shared/net/cidr.ts";
import { cidrContains, formatCidr, parseCidr } from "@weft/shared/net/cidr.ts";
import { parseIp } from "@weft/shared/net/ip.ts";
import type { KindEntry, ObjectDocument, Plain, PlainObject } from "../kinds.ts";
import { kindEntry, metaText, objectTitle } from "../kinds.ts";
import {
  items,
  list,
  policyAction,
  policyMatch,
  stateWord,
  tableName,
  text,
} from "../render/columns.ts";
import { yamlText } from "../render/output.ts";
import { renderTable } from "../render/table.ts";

/** The objects of a kind whose field has this value, of all projects. */
export type ListBy = (kind: KindEntry, field: string, value: string) => Promise<ObjectDocument[]>;

const chassisLineWidth = 100;

/** A prefix that the router is in, and how. */
interface Connected {
  cidr: Cidr;
  /** `on network web`, `over link to-branch`. */
  how: string;
}

/** Text of `weft describe router` but for the history; tables that hold reasons are never cut. */
export async function describeRouter(
  router: ObjectDocument,
  listBy: ListBy,
  width: number | null,
): Promise<string> {
  const id = metaText(router, "id");
  const listed = async (kind: Kind, field: string, value = id): Promise<ObjectDocument[]> => {
    const entry = kindEntry(kind);
    return entry === undefined ? [] : listBy(entry, field, value);
  };
  const interfaces = await listed(Kind.ROUTER_INTERFACE, "spec.router");
  const subnets = new Map<string, ObjectDocument>();
  for (const network of new Set(interfaces.map(({ spec }) => text(spec["network"])))) {
    for (const subnet of await listed(Kind.SUBNET, "spec.network", network)) {
      subnets.set(metaText(subnet, "id"), subnet);
    }
  }
  const routes = await listed(Kind.ROUTE, "spec.router");
  const policies = await listed(Kind.POLICY_ROUTE, "spec.router");
  const links = [
    ...(await listed(Kind.ROUTER_LINK, "spec.first.router")),
    ...(await listed(Kind.ROUTER_LINK, "spec.second.router")),
  ];
  const leaks = [
    ...(await listed(Kind.ROUTE_LEAK, "spec.from")),
    ...(await listed(Kind.ROUTE_LEAK, "spec.to")),
  ];

  const connected = connectedOf(id, interfaces, subnets, links);
  const { chassis, ...status } = router.status ?? {};
  return [
    yamlText({ ...router, ...(router.status === undefined ? {} : { status }) }),
    interfaceSection(interfaces, subnets, width),
    routeSection(routes, connected, router.spec["adminDown"] === true),
    policySection(policies, connected),
    linkSection(id, links, width),
    leakSection(leaks, width),
    failureSection([...interfaces, ...routes]),
    chassisSection(items(chassis).map(text)),
  ]
    .filter((section) => section !== "")
    .join("\n");
}

function section(
  title: string,
  columns: readonly string[],
  rows: string[][],
  width: number | null,
) {
  return `${title}\n${rows.length === 0 ? "" : renderTable({ columns, rows, width })}`;
}

function interfaceSection(
  interfaces: readonly ObjectDocument[],
  subnets: ReadonlyMap<string, ObjectDocument>,
  width: number | null,
): string {
  const rows = interfaces.map((one) => [
    metaText(one, "name", "id"),
    text(one.spec["network"]),
    interfaceAddresses(one)
      .map(({ subnet, ip }) => `${ip}${lengthOf(subnets.get(subnet))}`)
      .join(","),
    text(one.status?.["linkLocalIp"]),
    text(one.status?.["mtuBytes"]),
    tableName(one.spec["routeTable"]),
  ]);
  const columns = ["NAME", "NETWORK", "ADDRESSES", "LINK-LOCAL", "MTU", "TABLE"];
  return section(`interfaces (${interfaces.length})`, columns, rows, width);
}

/** `/24` of a subnet; "" where the subnet is not known. */
function lengthOf(subnet: ObjectDocument | undefined): string {
  const cidr = parseCidr(text(subnet?.spec["cidr"]));
  return cidr === undefined ? "" : `/${cidr.prefixLen}`;
}

function interfaceAddresses(one: ObjectDocument): { subnet: string; ip: string }[] {
  return items(one.status?.["addresses"])
    .map((address) => address as PlainObject)
    .map(({ subnet, ip }) => ({ subnet: text(subnet), ip: text(ip) }));
}

/** The prefixes that need no route: of the interfaces' addresses, and of this router's ends of links. */
function connectedOf(
  id: string,
  interfaces: readonly ObjectDocument[],
  subnets: ReadonlyMap<string, ObjectDocument>,
  links: readonly ObjectDocument[],
): Connected[] {
  const onNetworks = interfaces.flatMap((one) =>
    interfaceAddresses(one).map(({ subnet }) => ({
      cidr: parseCidr(text(subnets.get(subnet)?.spec["cidr"])),
      how: `on network ${text(one.spec["network"])}`,
    })),
  );
  const overLinks = links.flatMap((link) =>
    addressesOf(endsOf(id, link).own).map((address) => ({
      cidr: parseCidr(address),
      how: `over link ${metaText(link, "name", "id")}`,
    })),
  );
  return [...onNetworks, ...overLinks].flatMap(({ cidr, how }) =>
    cidr === undefined ? [] : [{ cidr, how }],
  );
}

/** A line a next hop: first the connected prefixes, which are in every table, then table by table. */
function routeSection(
  routes: readonly ObjectDocument[],
  connected: readonly Connected[],
  isDown: boolean,
): string {
  const inOrder = <T>(all: readonly T[], cidrOf: (one: T) => Cidr | undefined): T[] =>
    all.toSorted((a, b) => comparePrefixes(cidrOf(a), cidrOf(b)));
  const sorted = inOrder(routes, ({ spec }) => parseCidr(text(spec["destination"]))).toSorted(
    (a, b) => Number(a.spec["table"] ?? 0) - Number(b.spec["table"] ?? 0),
  );
  // Central gives the reasons of next hops; the others have only this one.
  const ownWhy = (why: string): string => (isDown ? "the router is set adminDown" : why);
  const rows = [
    ...inOrder(connected, ({ cidr }) => cidr).map(({ cidr, how }) => [
      "",
      "all",
      formatCidr(cidr),
      "connected",
      isDown ? "inactive" : "active",
      ownWhy(how),
    ]),
    ...sorted.flatMap((route) => {
      const { spec, status } = route;
      const hops =
        spec["blackhole"] === true
          ? [
              {
                ip: "blackhole",
                state: stateWord(status?.["active"]),
                why: ownWhy("drops in silence"),
              },
            ]
          : nextHopsOf(spec["nextHops"], status?.["nextHops"], connected);
      const table = tableName(spec["table"]);
      const [name, destination] = [metaText(route, "name", "id"), text(spec["destination"])];
      return hops.map(({ ip, state, why }) => [name, table, destination, ip, state, why]);
    }),
  ];
  return section(
    `routes (${routes.length}, and ${connected.length} connected)`,
    ["NAME", "TABLE", "DESTINATION", "NEXT HOP", "STATE", "WHY"],
    rows,
    null,
  );
}

/** IPv4 first, then by address, the shorter prefix first; what is no prefix comes last. */
function comparePrefixes(a: Cidr | undefined, b: Cidr | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  if (a.family !== b.family) return a.family < b.family ? -1 : 1;
  if (a.base !== b.base) return a.base < b.base ? -1 : 1;
  return a.prefixLen - b.prefixLen;
}

interface NextHopText {
  ip: string;
  state: string;
  /** Central's reason against it, else what it is reached by. */
  why: string;
}

function nextHopsOf(
  asked: Plain | undefined,
  known: Plain | undefined,
  connected: readonly Connected[],
): NextHopText[] {
  const states = items(known).map((state) => state as PlainObject);
  return items(asked).map((hop) => {
    const ip = text((hop as PlainObject)["ip"]);
    const state = states.find((one) => one["ip"] === ip);
    const parsed = parseIp(ip);
    const way = connected.find(({ cidr }) => parsed !== undefined && cidrContains(cidr, parsed));
    const why = text(state?.["reason"]) || (way?.how ?? "");
    return { ip, state: stateWord(state?.["active"]), why };
  });
}

/** The one that counts first comes first. */
function policySection(
  policies: readonly ObjectDocument[],
  connected: readonly Connected[],
): string {
  const priority = ({ spec }: ObjectDocument): number => Number(spec["priority"] ?? 0);
  const rows = policies
    .toSorted((a, b) => priority(b) - priority(a))
    .flatMap((policy) => {
      const reroute = policy.spec["reroute"] as PlainObject | undefined;
      const actions =
        reroute === undefined
          ? [{ action: policyAction(policy), state: "", why: "" }]
          : nextHopsOf(reroute["nextHops"], policy.status?.["nextHops"], connected).map(
              ({ ip, state, why }) => ({ action: `reroute ${ip}`, state, why }),
            );
      const number = String(priority(policy));
      const [name, match] = [metaText(policy, "name", "id"), policyMatch(policy)];
      return actions.map(({ action, state, why }) => [name, number, match, action, state, why]);
    });
  return section(
    `policy routes (${policies.length}), the highest priority counts`,
    ["NAME", "PRIORITY", "MATCH", "ACTION", "STATE", "WHY"],
    rows,
    null,
  );
}

function linkSection(id: string, links: readonly ObjectDocument[], width: number | null): string {
  const rows = links.map((link) => {
    const { own, other } = endsOf(id, link);
    return [
      metaText(link, "name", "id"),
      addressesOf(own).join(","),
      text(other["router"]),
      addressesOf(other).join(","),
    ];
  });
  const columns = ["NAME", "ADDRESSES", "TO ROUTER", "ITS ADDRESSES"];
  return section(`links (${links.length})`, columns, rows, width);
}

function endsOf(id: string, link: ObjectDocument): { own: PlainObject; other: PlainObject } {
  const first = (link.spec["first"] ?? {}) as PlainObject;
  const second = (link.spec["second"] ?? {}) as PlainObject;
  return first["router"] === id ? { own: first, other: second } : { own: second, other: first };
}

function addressesOf(end: PlainObject): string[] {
  return items(end["addresses"]).map(text);
}

function leakSection(leaks: readonly ObjectDocument[], width: number | null): string {
  const rows = leaks.map((leak) => [
    metaText(leak, "name", "id"),
    text(leak.spec["from"]),
    text(leak.spec["to"]),
    items(leak.spec["prefixes"]).map(text).join(","),
  ]);
  return section(`leaks (${leaks.length})`, ["NAME", "FROM", "TO", "PREFIXES"], rows, width);
}

/** What single chassis could not do, such as one without the physical network. Empty when all is well. */
function failureSection(objects: readonly ObjectDocument[]): string {
  const rows = objects.flatMap((object) =>
    items(object.status?.["failed"]).map((failure) => {
      const { chassis, failed } = failure as PlainObject;
      return [text(chassis), objectTitle(object), list(failed, "reason", "; ")];
    }),
  );
  if (rows.length === 0) return "";
  return section(`not on every chassis (${rows.length})`, ["CHASSIS", "OBJECT", "WHY"], rows, null);
}

function chassisSection(chassis: readonly string[]): string {
  const lines: string[] = [];
  for (const name of chassis) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 2 + name.length <= chassisLineWidth) {
      lines[lines.length - 1] = `${last}, ${name}`;
    } else lines.push(name);
  }
  return `held by chassis (${chassis.length})\n${lines.map((line) => `${line}\n`).join("")}`;
}
