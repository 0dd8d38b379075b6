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
      { title: "TOTAL", cell: (d) => number(d.status?.["total"]) },
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
  if (waiting !== "") return `waits: ${waiting}`;
  if (document.spec["lost"] === true) return "declared lost";
  return document.spec["drain"] === true ? "drained" : "";
}

function networkType(document: ObjectDocument): string {
  const provider = document.spec["provider"] as PlainObject | undefined;
  const overlay = document.spec["overlay"] as PlainObject | undefined;
  if (provider === undefined) return text(overlay?.["encap"]);
  const vlan = provider["vlan"];
  return `${text(provider["physicalNetwork"])}${typeof vlan === "number" && vlan > 0 ? ` vlan ${vlan}` : " flat"}`;
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

function list(value: Plain | undefined, key: string): string {
  return items(value)
    .map((item) => text((item as PlainObject)[key]))
    .filter((item) => item !== "")
    .join(",");
}

const items = (value: Plain | undefined): Plain[] => (Array.isArray(value) ? value : []);

/** A count: absent means 0. */
const number = (value: Plain | undefined): string => text(value) || "0";

function text(value: Plain | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
