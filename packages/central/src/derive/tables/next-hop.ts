// next-hop: the network or link that a next hop of a router is on: that of the longest connected prefix which holds it. One row for
// all routes that name it, so that a new interface does not derive them all again. Intermediate.

import { cidrContains } from "@weft/shared/net/cidr.ts";
import { parseIp } from "@weft/shared/net/ip.ts";
import { equalValues } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const nextHop: DerivedTable<"next-hop"> = {
  name: "next-hop",
  sources: [
    { table: "route", keys: (_id, row) => row.nextHops.map((ip) => `${row.router} ${ip}`) },
    { table: "policy-route", keys: (_id, row) => row.nextHops.map((ip) => `${row.router} ${ip}`) },
  ],
  derive(read, key) {
    const space = key.indexOf(" ");
    const ip = parseIp(key.slice(space + 1));
    if (ip === undefined) return undefined;
    const prefixes = read.row("connected", key.slice(0, space)) ?? [];
    return prefixes.find(({ cidr }) => cidrContains(cidr, ip))?.networkKey;
  },
  equal: equalValues,
};
