// MACs as callers give them, of ports, address pairs and router interfaces. Pure; names the problem.

import { isMulticastMac, parseMac } from "@weft/shared/net/mac.ts";
import { describeObject } from "./references.ts";
import { addressGroup } from "./indexes.ts";
import type { ObjectProblems } from "./problems.ts";
import type { PortRow, RouterInterfaceRow } from "./rows.ts";
import type { Tables } from "./tables.ts";
import { clip } from "./validate-meta.ts";

/** Routed packets leave to a provider network from this prefix and the key of the chassis: no MAC is seen in two places there. */
const chassisMacPrefix = "0e:57:00:00:";

/** Canonical; undefined for the empty text, and for what is none. */
export function completeMac(
  text: string,
  field: string,
  problems: ObjectProblems,
): string | undefined {
  if (text === "") return undefined;
  const mac = parseMac(text);
  if (mac === undefined) {
    problems.add("INVALID_ADDRESS", field, `"${clip(text)}" is no MAC such as 0a:57:00:00:00:01`);
  } else if (isMulticastMac(mac) || mac === "00:00:00:00:00:00") {
    problems.add("INVALID_ADDRESS", field, `${mac} is no unicast MAC: choose another`);
  } else if (mac.startsWith(chassisMacPrefix)) {
    const text = `${mac} may be the MAC that a chassis routes to provider networks with: choose one outside ${chassisMacPrefix}*`;
    problems.add("INVALID_ADDRESS", field, text);
  }
  return mac;
}

/** A MAC belongs to one port or router interface of a network. */
export function checkMacInPlace(
  tables: Tables,
  row: PortRow | RouterInterfaceRow,
  problems: ObjectProblems,
): void {
  const group = addressGroup(row.network, row.mac);
  for (const [index, table] of [
    ["portMacInNetwork", "port"],
    ["interfaceMacInNetwork", "router-interface"],
  ] as const) {
    for (const id of tables.members(index, group)) {
      const other = id === row.id ? undefined : tables.get(table, id);
      if (other === undefined) continue;
      const network = tables.get("network", row.network)?.name ?? row.network;
      const text = `${row.mac} belongs to ${describeObject(table, other)} in network ${network}: choose another or leave it empty`;
      problems.add("DUPLICATE_MAC", "spec.mac", text);
      return;
    }
  }
}
