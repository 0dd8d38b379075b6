// Interest against the reference (interest.reference.fixture.ts): what each chassis is told is exactly what its ports give it, over
// random routed topologies and over random histories; and, judged object by object, nothing of a tenant reaches a chassis that
// hosts nothing of it, leaks aside, of which exactly the routes and the addresses that they name do.
import { InstructionBody } from "@weft/shared/gen/weft/v1/southbound.ts";
import { bytesToIp } from "@weft/shared/net/ip.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createDeriver, type Deriver } from "./deriver.ts";
import { history } from "./history.fixture.ts";
import { bitsOf, expected, placedOn, prefixBits } from "./interest.reference.fixture.ts";
import { MemoryRows } from "./memory-rows.ts";
import { CHASSIS, topology } from "./topology.fixture.ts";

/** Keys that a chassis is told, sorted; a neighbour with its addresses. */
function told(deriver: Deriver, chassis: string): string[] {
  const lines: string[] = [];
  for (const scope of deriver.interest.scopes(chassis).keys()) {
    for (const [key, bytes] of deriver.interest.instructions(scope)) {
      const { body } = InstructionBody.decode(bytes);
      const ips = body?.$case === "routerNeighbour" ? body.value.ips.map(bytesToIp).sort() : [];
      lines.push(ips.length === 0 ? key : `${key} ${ips.join(",")}`);
    }
  }
  return lines.sort();
}

test("each chassis is told what the reference gives it: routed topologies", () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(topology, (steps) => {
      const rows = new MemoryRows();
      const deriver = createDeriver({ rows });
      for (const step of steps) {
        deriver.apply(rows.edit(1n, step));
        const reference = expected(rows, CHASSIS);
        for (const chassis of CHASSIS) {
          const keys = told(deriver, chassis);
          expect(keys).toEqual(reference.get(chassis));
          for (const key of keys) count(seen, key.replace(/^(\w+)\/[^/]+\/(\w+).*/, "$1/$2"));
        }
        // Of a router that is down there is nothing, whoever might ask.
        const down = [...rows.values("router")].filter(({ adminUp }) => !adminUp);
        const held = down.flatMap(({ key }) => [...deriver.interest.instructions(`router/${key}`)]);
        expect(held).toEqual([]);
      }
    }),
    { numRuns: 300 },
  );
  // The topologies are worth something: they told every kind of routing instruction, and often.
  for (const kind of ["interface", "route", "policy", "neighbour", "claimed", "leaked"]) {
    expect([kind, (seen.get(`router/${kind}`) ?? 0) > 100]).toEqual([kind, true]);
  }
  for (const kind of ["flood/peer", "network/address", "chassis/address"]) {
    expect([kind, (seen.get(kind) ?? 0) > 100]).toEqual([kind, true]);
  }
});

test("each chassis is told what the reference gives it: histories", () => {
  const chassis = ["chassis-0", "chassis-1", "chassis-2", "chassis-3"];
  fc.assert(
    fc.property(history, (steps) => {
      const rows = new MemoryRows();
      const deriver = createDeriver({ rows });
      for (const step of steps) {
        deriver.apply(rows.edit(1n, step));
        const reference = expected(rows, chassis);
        for (const id of chassis) expect(told(deriver, id)).toEqual(reference.get(id));
      }
    }),
    { numRuns: 150 },
  );
});

test("nothing of a tenant reaches a chassis that hosts nothing of it, leaks aside", () => {
  const judged = new Map<string, number>();
  fc.assert(
    fc.property(topology, (steps) => {
      const rows = new MemoryRows();
      const deriver = createDeriver({ rows });
      for (const step of steps) {
        deriver.apply(rows.edit(1n, step));
        for (const chassis of CHASSIS) {
          const tenants = new Set<string>();
          for (const port of rows.values("port")) {
            if (placedOn(rows, port) === chassis) tenants.add(port.project);
          }
          const strangers = told(deriver, chassis).filter(
            (line) => !mayHear(rows, chassis, tenants, line, judged),
          );
          expect(strangers).toEqual([]);
        }
      }
    }),
    { numRuns: 300 },
  );
  const kinds = ["network", "shared network", "router", "claim", "claim on the wire"];
  for (const kind of [...kinds, "leaked route", "leaked port"]) {
    expect([kind, (judged.get(kind) ?? 0) > 100]).toEqual([kind, true]);
  }
});

/** Judges one line by the objects that it names. */
function mayHear(
  rows: MemoryRows,
  chassis: string,
  tenants: ReadonlySet<string>,
  line: string,
  judged: Map<string, number>,
): boolean {
  const [key = "", addresses = ""] = line.split(" ");
  const [space = "", owner = "", kind = "", ...rest] = key.split("/");
  if (space === "chassis" && kind === "address") {
    const [networkKey, hex = ""] = rest;
    const network = byKey(rows.values("network"), networkKey);
    const claim = rows.get("claim", `${network.id}/${textOf(hex)}`);
    const port = rows.get("port", claim?.port ?? "");
    if (port === undefined || owner !== chassis) return false;
    count(judged, "claim on the wire");
    return network.encap === null && placedOn(rows, port) === chassis && tenants.has(port.project);
  }
  if (space === "chassis") return owner === chassis;
  if (space === "network" || space === "flood") {
    const network = byKey(rows.values("network"), owner);
    const port = kind === "location" ? byKey(rows.values("port"), rest[0]) : undefined;
    if (network.shared && !tenants.has(network.project)) {
      // Only what it is, to who has a port or a router there; no port of it.
      count(judged, "shared network");
      return kind === "config" && usesNetwork(rows, tenants, network.id);
    }
    count(judged, "network");
    // A port that was there before the network stopped being shared.
    if (network.encap === null && kind === "config") return usesNetwork(rows, tenants, network.id);
    return tenants.has(network.project) && (port === undefined || tenants.has(port.project));
  }
  const router = byKey(rows.values("router"), owner);
  count(judged, "router");
  if (!tenants.has(router.project)) return false;
  const leaks = [...rows.values("route-leak")].filter((leak) => leak.to === router.id);
  const named = leaks.flatMap((leak) => leak.prefixes.map(prefixBits));
  if (kind === "leaked") {
    const [leakKey, networkKey, hex = "", length] = rest;
    const leak = byKey(leaks, leakKey);
    const from = rows.get("router", leak.from);
    const bits = prefixBits(`${textOf(hex)}/${length}`);
    count(judged, "leaked route");
    return (
      byKey(rows.values("network"), networkKey).project === from?.project &&
      leak.prefixes.some((prefix) => bits.startsWith(prefixBits(prefix)))
    );
  }
  if (kind === "claimed") {
    const network = byKey(rows.values("network"), rest[0]);
    const claim = rows.get("claim", `${network.id}/${addresses}`);
    count(judged, "claim");
    return (
      network.encap === null && rows.get("port", claim?.port ?? "")?.project === router.project
    );
  }
  if (kind !== "neighbour") return true;
  const port = byKey(rows.values("port"), rest[0]);
  if (rows.get("network", port.network)?.encap === null) return port.project === router.project;
  count(judged, "leaked port");
  return addresses.split(",").every((ip) => named.some((bits) => bitsOf(ip).startsWith(bits)));
}

/** One of the tenants has a port or a router on the network. */
function usesNetwork(rows: MemoryRows, tenants: ReadonlySet<string>, network: string): boolean {
  const ports = [...rows.values("port")].filter((port) => port.network === network);
  const interfaces = [...rows.values("router-interface")].filter((one) => one.network === network);
  return [...ports, ...interfaces].some((row) => tenants.has(row.project));
}

function byKey<R extends { readonly key: number }>(rows: Iterable<R>, key: string | undefined): R {
  for (const row of rows) if (String(row.key) === key) return row;
  throw new Error(`nothing has the key ${key}`);
}

const textOf = (hex: string): string => bytesToIp(Buffer.from(hex, "hex"));

function count(into: Map<string, number>, what: string): void {
  into.set(what, (into.get(what) ?? 0) + 1);
}
