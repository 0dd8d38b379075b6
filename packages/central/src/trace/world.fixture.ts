// A model for the tests of traces: two networks behind a router on two chassis, a provider network, and agents that answer with what
// they are given. Used by the tests of this folder and of api/objects.ts.

import { ChassisStatus } from "@weft/shared/gen/weft/v1/northbound.ts";
import { TraceRequest } from "@weft/shared/gen/weft/v1/orchestration.ts";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import type {
  TraceQuery,
  TraceReply,
  TraceReplyEvent,
  TraceReplyStep,
} from "@weft/shared/trace-query.ts";
import type { AnyRow, RowChange, Rows, TableName } from "../model/rows.ts";
import { Model } from "../model/tables.ts";

const meta = (id: string, project = "default") => ({
  ...{ id, project, name: id, labels: {}, revision: 1n, createdAtMs: 0, updatedAtMs: 0 },
});

const chassis = (id: string, key: number) => ({
  ...meta(id, ""),
  ...{ key, drain: false, lost: false, hostname: id, physicalNetworks: ["phys1"] },
  encaps: [{ type: EncapType.GENEVE, ip: `192.0.2.${key}`, underlayMtuBytes: 1500 }],
});
const overlay = (id: string, key: number) => ({
  ...meta(id),
  ...{ key, encap: EncapType.GENEVE, physicalNetwork: null, vlan: 0, shared: false, mtuBytes: 0 },
});
const subnet = (id: string, network: string, cidr: string, gatewayIp: string | null) => ({
  ...meta(id),
  ...{ network, cidr, gatewayIp, allocationRanges: [], reserved: [], ipv6Allocation: null },
});
const port = (id: string, key: number, network: string, ips: readonly string[]) => ({
  ...meta(id),
  ...{ key, network, mac: `02:00:00:00:00:0${key}`, allowedAddressPairs: [], adminUp: true },
  fixedIps: ips.map((ip) => ({ subnet: `${network}-4`, ip })),
  ...{ portSecurity: true, requestedChassis: null, deviceOwner: "", deviceId: "" },
});
const binding = (id: string, on: string) => ({
  ...{ id, chassis: on, generation: 1n, state: "up" as const, reason: "", mtuBytes: 1400 },
});
const rows: { readonly [T in TableName]?: readonly Rows[T][] } = {
  chassis: [chassis("chassis-a", 1), chassis("chassis-b", 2)],
  network: [
    overlay("web", 7),
    overlay("db", 8),
    { ...overlay("lan", 9), encap: null, physicalNetwork: "phys1", vlan: 100 },
  ],
  subnet: [
    subnet("web-4", "web", "10.0.0.0/24", "10.0.0.254"),
    subnet("web-6", "web", "fd00::/64", "fd00::fe"),
    subnet("db-4", "db", "10.0.1.0/24", "10.0.1.254"),
    subnet("lan-4", "lan", "10.0.2.0/24", null),
  ],
  port: [
    port("web-1", 1, "web", ["10.0.0.1", "fd00::1"]),
    port("web-2", 2, "web", ["10.0.0.2"]),
    port("db-1", 3, "db", ["10.0.1.3"]),
    port("lan-1", 4, "lan", ["10.0.2.4"]),
    port("lan-2", 5, "lan", ["10.0.2.5"]),
    port("bare", 6, "web", []),
    { ...port("off", 7, "web", ["10.0.0.39"]), adminUp: false },
    port("lost", 8, "db", ["10.0.1.39"]),
    port("quiet", 9, "db", ["10.0.1.40"]),
  ],
  router: [
    { ...meta("main"), key: 4, adminUp: true },
    { ...meta("resting"), key: 5, adminUp: false },
  ],
  "router-interface": (
    [
      ["main", "web"],
      ["main", "db"],
      ["resting", "lan"],
    ] as const
  ).map(([router, network], at) => ({
    ...meta(`${router}-${network}`),
    ...{ key: 11 + at, router, network, mac: `0a:00:00:00:00:1${at}` },
    ...{ fixedIps: [], routeTable: 0 },
  })),
  binding: [
    ...[binding("web-1", "chassis-a"), binding("web-2", "chassis-a")],
    ...[binding("db-1", "chassis-b"), binding("lan-1", "chassis-a")],
    ...[binding("lan-2", "chassis-b"), binding("bare", "chassis-a")],
    { ...binding("quiet", "chassis-b"), state: "programmed" },
    // Unplugged: a binding without a chassis.
    { ...binding("lost", ""), state: "down" },
  ],
  claim: [
    {
      ...{ id: "web/10.0.0.100", network: "web", ip: "10.0.0.100", mac: "02:00:00:00:00:64" },
      ...{ port: "web-2", generation: 1n },
    },
    {
      ...{ id: "lan/10.0.2.200", network: "lan", ip: "10.0.2.200", mac: "00:00:5e:00:01:02" },
      ...{ port: "lan-2", generation: 1n },
    },
  ],
};

export function worldModel(): Model {
  const model = new Model();
  const changes = Object.entries(rows).flatMap(([table, all]) =>
    (all as readonly AnyRow[]).map((after) => {
      return { table, id: after.id, before: undefined, after } as RowChange;
    }),
  );
  model.publish({ revision: 1n, changes });
  return model;
}

export const request = (change: Partial<TraceRequest>): TraceRequest =>
  TraceRequest.fromPartial({ port: "web-1", ...change });

/** A lookup whose cookie says `kind` and `key` of the object, and the rule. */
export function step(
  tableName: string,
  [table, kind, key, rule]: readonly [number, number, number, number],
  change: Partial<TraceReplyStep> = {},
): TraceReplyStep {
  const fields = [[0x57, 56] as const, [table, 48] as const, [kind, 44] as const];
  const cookie = [...fields, [key, 20] as const, [rule, 0] as const].reduce(
    (bits, [value, shift]) => bits | (BigInt(value) << BigInt(shift)),
    0n,
  );
  return {
    ...{ kind: "step", table, tableName, depth: 0, priority: 100, matching: "ip", actions: "drop" },
    ...{ cookie: cookie.toString(), key: "", drops: false },
    ...change,
  };
}

export const reply = (events: TraceReplyEvent[], change: Partial<TraceReply> = {}): TraceReply => ({
  ...{ packet: "in_port=1", events, cut: false, problem: "", real: null },
  ...change,
});

/** Agents by chassis; each answers what `answer` says, or its error is thrown. `waits`: what chassis-b waits for. */
export function agents(
  answer: (chassis: string, query: TraceQuery) => TraceReply | Error | string,
  waits = "",
) {
  const asked: { chassis: string; query: TraceQuery }[] = [];
  const query = async (chassisName: string, text: string): Promise<string> => {
    const parsed = JSON.parse(text.replace(/^trace /, "")) as TraceQuery;
    asked.push({ chassis: chassisName, query: parsed });
    const answered = answer(chassisName, parsed);
    if (answered instanceof Error) throw answered;
    return typeof answered === "string" ? answered : JSON.stringify(answered);
  };
  const chassisStatus = (chassisName: string) =>
    ChassisStatus.fromPartial({ waitingFor: chassisName === "chassis-b" ? waits : "" });
  return { asked, query, chassisStatus };
}
