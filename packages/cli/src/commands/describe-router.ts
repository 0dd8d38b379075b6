// weft describe router: everything that a router has, and for each route why it is used or not. Reads
// through the lists it is given, one after the other; decides nothing that central has decided. Called by read.ts.
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
/** In a reason; the table below names all. */
const maxChassisNamed = 5;

/** A prefix that the router is in, and how. */
interface Connected {
  cidr: Cidr;
  /** `on network web`, `over link to-branch`. */
  how: string;
  /** Chassis that could not do it, such as those without the physical network. */
  failedOn: string[];
}

/** A router with what belongs to it, in the words of `-o json`. */
export interface RouterParts {
  routerInterfaces: ObjectDocument[];
  /** Of the networks that it has an interface on. */
  subnets: ObjectDocument[];
  routes: ObjectDocument[];
  policyRoutes: ObjectDocument[];
  routerLinks: ObjectDocument[];
  /** From it and to it. */
  routeLeaks: ObjectDocument[];
}

export async function routerParts(router: ObjectDocument, listBy: ListBy): Promise<RouterParts> {
  const id = metaText(router, "id");
  const listed = async (kind: Kind, field: string, value = id): Promise<ObjectDocument[]> => {
    const entry = kindEntry(kind);
    return entry === undefined ? [] : listBy(entry, field, value);
  };
  const routerInterfaces = await listed(Kind.ROUTER_INTERFACE, "spec.router");
  const subnets: ObjectDocument[] = [];
  for (const network of new Set(routerInterfaces.map(({ spec }) => text(spec["network"])))) {
    subnets.push(...(await listed(Kind.SUBNET, "spec.network", network)));
  }
  return {
    routerInterfaces,
    subnets,
    routes: await listed(Kind.ROUTE, "spec.router"),
    policyRoutes: await listed(Kind.POLICY_ROUTE, "spec.router"),
    routerLinks: [
      ...(await listed(Kind.ROUTER_LINK, "spec.first.router")),
      ...(await listed(Kind.ROUTER_LINK, "spec.second.router")),
    ],
    routeLeaks: [
      ...(await listed(Kind.ROUTE_LEAK, "spec.from")),
      ...(await listed(Kind.ROUTE_LEAK, "spec.to")),
    ],
  };
}

/** Text of `weft describe router` but for the history. Nothing is cut: addresses and reasons are what is looked for. */
export function routerText(router: ObjectDocument, parts: RouterParts): string {
  const id = metaText(router, "id");
  const { routerInterfaces, routes, routerLinks, routeLeaks } = parts;
  const subnets = new Map(parts.subnets.map((subnet) => [metaText(subnet, "id"), subnet]));
  const connected = connectedOf(id, routerInterfaces, subnets, routerLinks);
  const leakedHere = routeLeaks.filter(({ spec }) => spec["to"] === id);
  const { chassis, ...status } = router.status ?? {};
  return [
    yamlText({ ...router, ...(router.status === undefined ? {} : { status }) }),
    interfaceSection(routerInterfaces, subnets),
    routeSection({
      ...{ routes, connected, leakedHere },
      isDown: router.spec["adminDown"] === true,
      chassisCount: items(chassis).length,
    }),
    policySection(parts.policyRoutes, connected),
    linkSection(id, routerLinks),
    leakSection(routeLeaks),
    failureSection([...routerInterfaces, ...routes]),
    chassisSection(items(chassis).map(text)),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

function section(title: string, columns: readonly string[], rows: string[][]): string {
  return `${title}\n${rows.length === 0 ? "" : renderTable({ columns, rows, width: null })}`;
}

function interfaceSection(
  interfaces: readonly ObjectDocument[],
  subnets: ReadonlyMap<string, ObjectDocument>,
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
  return section(`interfaces (${interfaces.length})`, columns, rows);
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
      failedOn: items(one.status?.["failed"]).map((failure) =>
        text((failure as PlainObject)["chassis"]),
      ),
    })),
  );
  const overLinks = links.flatMap((link) =>
    addressesOf(endsOf(id, link).own).map((address) => ({
      cidr: parseCidr(address),
      how: `over link ${metaText(link, "name", "id")}`,
      failedOn: [],
    })),
  );
  return [...onNetworks, ...overLinks].flatMap(({ cidr, ...rest }) =>
    cidr === undefined ? [] : [{ cidr, ...rest }],
  );
}

interface RouteRows {
  routes: readonly ObjectDocument[];
  connected: readonly Connected[];
  /** Leaks to this router. */
  leakedHere: readonly ObjectDocument[];
  isDown: boolean;
  /** Of those that hold the router. */
  chassisCount: number;
}

/** A line a next hop: connected and leaked prefixes, which are in every table, then table by table. */
function routeSection(shown: RouteRows): string {
  const { routes, connected, leakedHere, isDown, chassisCount } = shown;
  const inOrder = <T>(all: readonly T[], cidrOf: (one: T) => Cidr | undefined): T[] =>
    all.toSorted((a, b) => comparePrefixes(cidrOf(a), cidrOf(b)));
  const sorted = inOrder(routes, ({ spec }) => parseCidr(text(spec["destination"]))).toSorted(
    (a, b) => Number(a.spec["table"] ?? 0) - Number(b.spec["table"] ?? 0),
  );
  // Central gives the reasons of next hops; the others have only this one.
  const ownWhy = (why: string): string => (isDown ? "the router is administratively down" : why);
  const ownState = isDown ? "inactive" : "active";
  const leaked = leakedHere.flatMap((leak) =>
    items(leak.spec["prefixes"]).map((prefix) => ({ leak, prefix: text(prefix) })),
  );
  const rows = [
    ...inOrder(connected, ({ cidr }) => cidr).map((one) => {
      const isNowhere = one.failedOn.length > 0 && one.failedOn.length >= chassisCount;
      const state = isNowhere ? "inactive" : ownState;
      return ["", "all", formatCidr(one.cidr), "connected", state, ownWhy(connectedWhy(one))];
    }),
    ...inOrder(leaked, ({ prefix }) => parseCidr(prefix)).map(({ leak, prefix }) => {
      const why = ownWhy(`a network of router ${text(leak.spec["from"])}`);
      return [metaText(leak, "name", "id"), "all", prefix, "leaked", ownState, why];
    }),
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
  const others = [`${connected.length} connected`];
  if (leaked.length > 0) others.push(`${leaked.length} leaked`);
  return section(
    `routes (${routes.length}, and ${others.join(", ")})`,
    ["NAME", "TABLE", "DESTINATION", "NEXT HOP", "STATE", "WHY"],
    rows,
  );
}

function connectedWhy({ how, failedOn }: Connected): string {
  if (failedOn.length === 0) return how;
  const more = failedOn.length - maxChassisNamed;
  const named = failedOn.slice(0, maxChassisNamed).join(", ");
  return `${how}, but not on ${named}${more > 0 ? ` and ${more} more` : ""}: see below`;
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
  );
}

function linkSection(id: string, links: readonly ObjectDocument[]): string {
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
  return section(`links (${links.length})`, columns, rows);
}

function endsOf(id: string, link: ObjectDocument): { own: PlainObject; other: PlainObject } {
  const first = (link.spec["first"] ?? {}) as PlainObject;
  const second = (link.spec["second"] ?? {}) as PlainObject;
  return first["router"] === id ? { own: first, other: second } : { own: second, other: first };
}

function addressesOf(end: PlainObject): string[] {
  return items(end["addresses"]).map(text);
}

function leakSection(leaks: readonly ObjectDocument[]): string {
  const rows = leaks.map((leak) => [
    metaText(leak, "name", "id"),
    text(leak.spec["from"]),
    text(leak.spec["to"]),
    items(leak.spec["prefixes"]).map(text).join(","),
  ]);
  return section(`leaks (${leaks.length})`, ["NAME", "FROM", "TO", "PREFIXES"], rows);
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
  return section(`not on every chassis (${rows.length})`, ["CHASSIS", "OBJECT", "WHY"], rows);
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
