// Intent as text, as an operator writes it: a network with its subnets, a port. Pure. What is absent is left to central. Used by the
// system tests, which add what else they need.

export interface NetworkText {
  readonly id: string;
  readonly project?: string | undefined;
  /** Its subnets are named after it. */
  readonly name?: string | undefined;
  /** Of its spec; absent = Geneve. */
  readonly type?: string | undefined;
  /** Of its subnets, `<id>-4` and `<id>-6`. */
  readonly cidrs: readonly string[];
}

export function networkText({
  id,
  project,
  name,
  type = "overlay: {encap: geneve}",
  cidrs,
}: NetworkText): string {
  const subnets = cidrs.map((cidr) => {
    const end = cidr.includes(":") ? "-6" : "-4";
    const metadata = metadataText(id + end, project, name === undefined ? name : name + end);
    return `
kind: Subnet
metadata: ${metadata}
spec: {network: ${name ?? id}, cidr: "${cidr}"}
---`;
  });
  return `
kind: Network
metadata: ${metadataText(id, project, name)}
spec: {${type}}
---${subnets.join("")}`;
}

export interface PortText {
  readonly id: string;
  readonly project?: string | undefined;
  readonly network: string;
  /** Null = wherever it is plugged. */
  readonly chassis: string | null;
  readonly ips: readonly string[];
  /** Further fields of its spec. */
  readonly more?: string | undefined;
}

export const portText = ({ id, project, network, chassis, ips, more = "" }: PortText): string => `
kind: Port
metadata: ${metadataText(id, project, undefined)}
spec:
  network: ${network}
  fixedIps: [${ips.map((ip) => `{ip: "${ip}"}`).join(", ")}]
  ${chassis === null ? "" : `requestedChassis: ${chassis}`}
  ${more}
---`;

function metadataText(id: string, project: string | undefined, name: string | undefined): string {
  const fields = Object.entries({ id, project, name }).filter(([, value]) => value !== undefined);
  return `{${fields.map(([field, value]) => `${field}: ${value}`).join(", ")}}`;
}
