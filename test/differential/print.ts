// Topologies and failures as text for people. Pure.

import type { Failure } from "./case.ts";
import { arrivalText } from "./observe.ts";
import { describeProbe } from "./probes.ts";
import type { FixedCase } from "./shrink.ts";
import { SWEEP_FLOWS } from "./sweeps.ts";
import { difference, EMPTY, type Item, type Network, type Topology } from "./topology.ts";

export function itemText(item: Item): string {
  switch (item.kind) {
    case "network": {
      const type = typeText(item.type);
      return `network ${item.id} (${item.project}): ${type}, MTU ${item.mtuBytes}`;
    }
    case "subnet":
      return `subnet ${item.id} of ${item.network}: ${item.cidr}, gateway ${item.gateway}`;
    case "port": {
      const notes = [
        ...(item.security ? [] : ["port security off"]),
        ...(item.up ? [] : ["admin down"]),
        ...(item.pairs.length === 0
          ? []
          : [`may use ${item.pairs.map(({ ip }) => ip).join(", ")}`]),
        ...(item.claims.length === 0 ? [] : [`claims ${item.claims.join(", ")}`]),
      ];
      return [
        `port ${item.id} (${item.project}) in ${item.network} on host ${item.host + 1}: ${[item.mac, ...item.ips].join(" ")}`,
        ...notes,
      ].join("; ");
    }
    case "router":
      return `router ${item.id} (${item.project})${item.up ? "" : "; admin down"}`;
    case "interface": {
      const own = item.ips.length === 0 ? "gateway addresses" : item.ips.join(" ");
      const table = item.table === 0 ? "" : `; table ${item.table}`;
      return `interface ${item.id} of ${item.router} in ${item.network}: ${item.mac}, ${own}${table}`;
    }
    case "link":
      return `link ${item.id}: ${item.ends.map(({ router, addresses }) => `${router} ${addresses.join(" ")}`).join(" to ")}`;
    case "route": {
      const hops = item.nextHops.length === 0 ? "blackhole" : `via ${item.nextHops.join(", ")}`;
      const table = item.table === 0 ? "" : ` in table ${item.table}`;
      return `route ${item.id} of ${item.router}${table}: ${item.destination} ${hops}`;
    }
    case "policy": {
      const conditions = [
        ...(item.family === null ? [] : [`IPv${item.family}`]),
        ...(item.source === null ? [] : [`from ${item.source}`]),
        ...(item.destination === null ? [] : [`to ${item.destination}`]),
        ...(item.protocol === 0 ? [] : [`protocol ${item.protocol}`]),
        ...(item.ports === null ? [] : [`ports ${item.ports.first}-${item.ports.last}`]),
        ...(item.ingress === null ? [] : [`in from ${item.ingress}`]),
      ];
      const { action } = item;
      const what = typeof action === "object" ? `reroute to ${action.nextHops.join(", ")}` : action;
      return `policy ${item.id} of ${item.router}, priority ${item.priority}: ${[...conditions, what].join(", ")}`;
    }
    case "leak":
      return `leak ${item.id} from ${item.from} to ${item.to}: ${item.prefixes.join(", ")}`;
  }
}

function typeText(type: Network["type"]): string {
  if ("encap" in type) return type.encap;
  return `${type.vlan === 0 ? "flat" : `VLAN ${type.vlan}`}${type.shared ? ", shared" : ""}`;
}

export function topologyText(topology: Topology): string {
  return changeText(EMPTY, topology);
}

export function changeText(before: Topology, after: Topology): string {
  const { gone, now } = difference(before, after);
  const sign = (item: Item) => (before.has(item.id) ? "~" : "+");
  return [
    ...gone.map((item) => `  - ${itemText(item)}`),
    ...now.map((item) => `  ${sign(item)} ${itemText(item)}`),
  ].join("\n");
}

export function failureText({ steps }: FixedCase, failure: Failure): string {
  const lines: string[] = [];
  let before = EMPTY;
  for (const { what, topology } of steps.slice(0, failure.step + 1)) {
    lines.push(`${what}:`, changeText(before, topology));
    before = topology;
  }
  const list = (arrivals: Failure["ovn"], marked: Failure["ovn"]) => {
    const odd = new Set(marked.map(arrivalText));
    const counts = new Map<string, number>();
    for (const text of arrivals.map(arrivalText)) counts.set(text, (counts.get(text) ?? 0) + 1);
    if (counts.size === 0) return ["    nothing"];
    return [...counts].map(
      ([text, count]) =>
        `  ${odd.has(text) ? "!" : " "} ${text}${count === 1 ? "" : ` (${count} times)`}`,
    );
  };
  const { probe, ovn, weft, unexplained, error, sweep } = failure;
  if (sweep !== undefined) {
    const { sweep: sent, wrong } = sweep;
    const first = describeProbe({
      kind: "ip",
      from: sent.from,
      packet: sent.packet,
      flows: SWEEP_FLOWS,
    });
    return [
      ...lines,
      `then ${first}, chosen by ${sent.group}:`,
      ...wrong.map((one) => `  ! ${one}`),
    ].join("\n");
  }
  if (error !== undefined)
    return [...lines, "then:", `  ${error.replaceAll("\n", "\n  ")}`].join("\n");
  lines.push(
    `then ${probe === null ? "frames that nobody sent" : describeProbe(probe)}`,
    "  OVN:",
    ...list(ovn, unexplained.ovn),
    "  Weft:",
    ...list(weft, unexplained.weft),
  );
  return lines.join("\n");
}
