// Which columns a kind's table has, in short and with --wide. Pure: documents in, cells out.
import { Kind } from "@weft/shared/gen/weft/v1/northbound.ts";
import type { ObjectDocument, Plain, PlainObject } from "../kinds.ts";

export interface Column {
  title: string;
  cell: (document: ObjectDocument) => string;
  wide?: true;
}

const meta = (key: string) => (d: ObjectDocument) => text(d.metadata[key]);
const spec = (key: string) => (d: ObjectDocument) => text(d.spec[key]);
const status = (key: string) => (d: ObjectDocument) => text(d.status?.[key]);

const name: Column = { title: "NAME", cell: (d) => text(d.metadata["name"] ?? d.metadata["id"]) };
const project: Column = { title: "PROJECT", cell: meta("project") };
const tail: Column[] = [
  { title: "ID", cell: meta("id"), wide: true },
  { title: "LABELS", cell: (d) => labels(d.metadata["labels"]), wide: true },
  { title: "REVISION", cell: meta("revision"), wide: true },
];

const columns = new Map<Kind, readonly Column[]>([
  [
    Kind.NETWORK,
    [
      name,
      project,
      { title: "TYPE", cell: networkType },
      { title: "KEY", cell: status("key") },
      { title: "MTU", cell: status("mtuBytes") },
      { title: "PORTS", cell: (d) => number(d.status?.["ports"]) },
      ...tail,
    ],
  ],
  [
    Kind.SUBNET,
    [
      name,
      project,
      { title: "NETWORK", cell: spec("network") },
      { title: "CIDR", cell: spec("cidr") },
      {
        title: "GATEWAY",
        cell: (d) => (d.spec["noGateway"] === true ? "none" : text(d.spec["gatewayIp"])),
      },
      { title: "USED", cell: (d) => number(d.status?.["used"]) },
      { title: "TOTAL", cell: (d) => total(d.status?.["total"]) },
      { title: "QUARANTINED", cell: (d) => number(d.status?.["quarantined"]), wide: true },
      { title: "IPV6", cell: spec("ipv6Allocation"), wide: true },
      ...tail,
    ],
  ],
  [
    Kind.PORT,
    [
      name,
      project,
      { title: "NETWORK", cell: spec("network") },
      { title: "MAC", cell: spec("mac") },
      { title: "ADDRESSES", cell: (d) => list(d.spec["fixedIps"], "ip") },
      { title: "CHASSIS", cell: (d) => text(d.status?.["chassis"]) },
      { title: "STATE", cell: status("state") },
      { title: "REASON", cell: status("reason") },
      { title: "KEY", cell: status("key"), wide: true },
      { title: "MTU", cell: status("mtuBytes"), wide: true },
      { title: "REQUESTED", cell: spec("requestedChassis"), wide: true },
      { title: "PAIRS", cell: (d) => list(d.spec["allowedAddressPairs"], "ip"), wide: true },
      {
        title: "SECURITY",
        cell: (d) => (d.spec["portSecurityDisabled"] === true ? "off" : "on"),
        wide: true,
      },
      { title: "DEVICE", cell: spec("deviceId"), wide: true },
      ...tail,
    ],
  ],
  [
    Kind.ROUTER,
    [
      name,
      project,
      { title: "ADMIN", cell: (d) => (d.spec["adminDown"] === true ? "down" : "up") },
      { title: "KEY", cell: status("key") },
      { title: "INTERFACES", cell: (d) => number(d.status?.["interfaces"]) },
      { title: "ROUTES", cell: (d) => number(d.status?.["routes"]) },
      { title: "CHASSIS", cell: (d) => String(items(d.status?.["chassis"]).length) },
      {
        title: "HELD BY",
        cell: (d) => items(d.status?.["chassis"]).map(text).join(","),
        wide: true,
      },
      ...tail,
    ],
  ],
  [
    Kind.ROUTER_INTERFACE,
    [
      name,
      project,
      { title: "ROUTER", cell: spec("router") },
      { title: "NETWORK", cell: spec("network") },
      { title: "ADDRESSES", cell: interfaceAddresses },
      { title: "TABLE", cell: (d) => tableName(d.spec["routeTable"]) },
      { title: "MTU", cell: status("mtuBytes") },
      { title: "FAILED", cell: (d) => String(items(d.status?.["failed"]).length) },
      { title: "MAC", cell: spec("mac"), wide: true },
      { title: "LINK-LOCAL", cell: status("linkLocalIp"), wide: true },
      { title: "KEY", cell: status("key"), wide: true },
      ...tail,
    ],
  ],
  [
    Kind.ROUTE,
    [
      name,
      project,
      { title: "ROUTER", cell: spec("router") },
      { title: "TABLE", cell: (d) => tableName(d.spec["table"]) },
      { title: "DESTINATION", cell: spec("destination") },
      {
        title: "NEXT HOPS",
        cell: (d) => (d.spec["blackhole"] === true ? "blackhole" : list(d.spec["nextHops"], "ip")),
      },
      { title: "STATE", cell: routeState },
      { title: "REASON", cell: reasons },
      { title: "FAILED", cell: (d) => String(items(d.status?.["failed"]).length), wide: true },
      { title: "KEY", cell: status("key"), wide: true },
      ...tail,
    ],
  ],
  [
    Kind.POLICY_ROUTE,
    [
      name,
      project,
      { title: "ROUTER", cell: spec("router") },
      { title: "PRIORITY", cell: spec("priority") },
      { title: "MATCH", cell: policyMatch },
      { title: "ACTION", cell: policyAction },
      { title: "STATE", cell: policyState },
      { title: "REASON", cell: reasons, wide: true },
      { title: "KEY", cell: status("key"), wide: true },
      ...tail,
    ],
  ],
  [
    Kind.ROUTER_LINK,
    [
      name,
      project,
      { title: "FIRST", cell: linkEnd("first") },
      { title: "SECOND", cell: linkEnd("second") },
      { title: "KEY", cell: status("key"), wide: true },
      ...tail,
    ],
  ],
  [
    Kind.ROUTE_LEAK,
    [
      name,
      project,
      { title: "FROM", cell: spec("from") },
      { title: "TO", cell: spec("to") },
      { title: "PREFIXES", cell: (d) => items(d.spec["prefixes"]).map(text).join(",") },
      { title: "KEY", cell: status("key"), wide: true },
      ...tail,
    ],
  ],
  [
    Kind.CHASSIS,
    [
      name,
      { title: "LIVENESS", cell: status("liveness") },
      { title: "ENCAPS", cell: encaps },
      { title: "REVISION", cell: (d) => number(d.status?.["realizedRevision"]) },
      { title: "PENDING", cell: (d) => number(d.status?.["pending"]) },
      { title: "FAILED", cell: (d) => String(items(d.status?.["failed"]).length) },
      { title: "FLOWS", cell: (d) => number(d.status?.["flows"]) },
      { title: "DRIFT", cell: (d) => number(d.status?.["driftRepaired"]) },
      { title: "NOTE", cell: chassisNote },
      { title: "KEY", cell: status("key"), wide: true },
      { title: "INSTRUCTIONS", cell: (d) => number(d.status?.["instructions"]), wide: true },
      {
        title: "PHYSICAL",
        cell: (d) => items(d.spec["physicalNetworks"]).map(text).join(","),
        wide: true,
      },
      { title: "VERSION", cell: status("agentVersion"), wide: true },
      { title: "SEEN", cell: status("lastSeen"), wide: true },
      { title: "LABELS", cell: (d) => labels(d.metadata["labels"]), wide: true },
    ],
  ],
]);

/** The columns of a kind's table. */
export function columnsOf(kind: Kind, wide: boolean): readonly Column[] {
  return (columns.get(kind) ?? [name, ...tail]).filter((column) => wide || column.wide !== true);
}

/** What a person should know about a chassis first. */
export function chassisNote(document: ObjectDocument): string {
  const waiting = text(document.status?.["waitingFor"]);
  const waits = waiting === "" ? "" : `waits: ${waiting}`;
  if (document.spec["lost"] === true) return waits || "declared lost";
  if (document.status?.["liveness"] === "UNREACHABLE") {
    const seen = text(document.status["lastSeen"]);
    const since = seen === "" ? "" : ` since ${seen}`;
    const silent = `not heard of${since}: see that its agent runs and reaches central`;
    return waits === "" ? silent : `${silent}; the last it said: ${waits}`;
  }
  if (waits !== "") return waits;
  return document.spec["drain"] === true ? "drained" : "";
}

function networkType(document: ObjectDocument): string {
  const provider = document.spec["provider"] as PlainObject | undefined;
  const overlay = document.spec["overlay"] as PlainObject | undefined;
  if (provider === undefined) return text(overlay?.["encap"]);
  const vlan = provider["vlan"];
  const tag = typeof vlan === "number" && vlan > 0 ? `vlan ${vlan}` : "flat";
  return `${text(provider["physicalNetwork"])} ${tag}${provider["shared"] === true ? " shared" : ""}`;
}

/** Route tables have numbers; 0 is the one that everybody uses. */
export function tableName(table: Plain | undefined): string {
  return number(table) === "0" ? "main" : text(table);
}

/** What central resolved, else what was asked for. */
function interfaceAddresses(document: ObjectDocument): string {
  return list(document.status?.["addresses"], "ip") || list(document.spec["fixedIps"], "ip");
}

/** A route goes on as long as one next hop works: then the number of those that do. */
function routeState(document: ObjectDocument): string {
  const { status: state, spec: route } = document;
  if (route["blackhole"] !== true) return nextHopState(state?.["nextHops"]);
  return state === undefined ? "" : stateWord(state["active"]);
}

/** Of a reroute; the other actions always work. */
function policyState({ spec: policy, status: state }: ObjectDocument): string {
  return policy["reroute"] === undefined ? "" : nextHopState(state?.["nextHops"]);
}

/** Empty where central says nothing about the next hops, as of an earlier revision. */
function nextHopState(value: Plain | undefined): string {
  const hops = items(value).map((hop) => hop as PlainObject);
  const usable = hops.filter((hop) => hop["active"] === true).length;
  if (hops.length === 0) return "";
  if (usable > 0 && usable < hops.length) return `${usable} of ${hops.length}`;
  return stateWord(usable > 0);
}

/** Empty for what is not known. */
export function stateWord(active: Plain | undefined): string {
  if (active === undefined) return "";
  return active === true ? "active" : "inactive";
}

/** Why next hops cannot be used. */
function reasons(document: ObjectDocument): string {
  return list(document.status?.["nextHops"], "reason", "; ");
}

/** `tcp from 10.0.0.0/24 to fd00::/64 port 80,8000-8099 ingress web`; `any` for a policy that matches all. */
export function policyMatch(document: ObjectDocument): string {
  const { spec: policy } = document;
  const side = (word: string, prefix: string, ports: string): string[] => {
    const range = items(policy[ports])
      .map((item) => item as PlainObject)
      .map(({ first, last }) => (first === last ? text(first) : `${text(first)}-${text(last)}`))
      .join(",");
    const from = text(policy[prefix]);
    if (from === "" && range === "") return [];
    return [word, from || "any", ...(range === "" ? [] : [`port ${range}`])];
  };
  const network = text(policy["ingressNetwork"]);
  const protocol = text(policy["protocol"]);
  const parts = [
    ...(/^\d/.test(protocol) ? [`protocol ${protocol}`] : protocol === "" ? [] : [protocol]),
    ...side("from", "source", "sourcePorts"),
    ...side("to", "destination", "destinationPorts"),
    ...(network === "" ? [] : [`ingress ${network}`]),
  ];
  return parts.length === 0 ? "any" : parts.join(" ");
}

/** `allow`, `drop`, or where it sends the packet. */
export function policyAction({ spec: policy }: ObjectDocument): string {
  const reroute = policy["reroute"] as PlainObject | undefined;
  if (reroute !== undefined) return `reroute ${list(reroute["nextHops"], "ip")}`;
  return ["allow", "drop"].find((action) => policy[action] !== undefined) ?? "";
}

/** `core 10.255.0.1/30`: a router with its addresses on the link. */
function linkEnd(side: "first" | "second"): (document: ObjectDocument) => string {
  return (document) => {
    const end = (document.spec[side] ?? {}) as PlainObject;
    return `${text(end["router"])} ${items(end["addresses"]).map(text).join(",")}`.trimEnd();
  };
}

function encaps(document: ObjectDocument): string {
  return items(document.spec["encaps"])
    .map((encap) => encap as PlainObject)
    .map((encap) => `${text(encap["type"])}:${text(encap["ip"])}`)
    .join(",");
}

function labels(value: Plain | undefined): string {
  return Object.entries((value ?? {}) as PlainObject)
    .map(([key, label]) => `${key}=${text(label)}`)
    .join(",");
}

/** The values of one key in a list of mappings, joined. */
export function list(value: Plain | undefined, key: string, separator = ","): string {
  return items(value)
    .map((item) => text((item as PlainObject)[key]))
    .filter((item) => item !== "")
    .join(separator);
}

export const items = (value: Plain | undefined): Plain[] => (Array.isArray(value) ? value : []);

/** A count: absent means 0. */
const number = (value: Plain | undefined): string => text(value) || "0";

/** Central counts up to 2^63 - 1, which a subnet of IPv6 exceeds; nobody reads such numbers. */
const total = (value: Plain | undefined): string =>
  Number(value ?? 0) >= 1e15 ? ">10^15" : number(value);

export function text(value: Plain | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
