// What the tests of planning share: a context in memory with one chassis, plans that must succeed or be refused, and intents of the
// kinds of routing. The worlds that they begin with are in networks.fixture.ts and routing.fixture.ts.

import type { Object as ObjectMessage } from "@weft/shared/gen/weft/v1/northbound.ts";
import { ApplyRequest } from "@weft/shared/gen/weft/v1/northbound.ts";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { expect } from "vitest";
import type { DecodedApply } from "../api/apply-wire.ts";
import { Allocator } from "../ipam/allocator.ts";
import { seededBytes } from "../store/transactor.fixture.ts";
import type { ChangeIntent, MetaIntent, SpecIntents, UpsertIntent } from "./intents.ts";
import type { Plan, PlanContext, PlanOutcome } from "./plan.ts";
import { planChanges } from "./plan.ts";
import type { ChassisRow } from "./rows.ts";
import { durableTables, Tables } from "./tables.ts";

export const chassisRow: ChassisRow = {
  id: "c1",
  project: "",
  name: "c1",
  labels: {},
  revision: 1n,
  createdAtMs: 0,
  updatedAtMs: 0,
  key: 1,
  drain: false,
  lost: false,
  hostname: "host",
  encaps: [{ type: EncapType.GENEVE, ip: "192.0.2.1", underlayMtuBytes: 1600 }],
  physicalNetworks: [],
};

export function newContext(more: Partial<PlanContext> & { macPrefix?: string } = {}): PlanContext {
  const tables = new Tables();
  tables.put("chassis", "c1", chassisRow);
  const allocator = new Allocator({
    tables,
    macPrefix: more.macPrefix ?? "0a:57",
    addressReuseAfterMs: 60_000,
    keyReusable: () => true,
    random: seededBytes(7),
  });
  let ids = 0;
  const base = { revision: 2n, nowMs: 1000, newId: () => `id${ids++}` };
  return { tables, allocator, ...base, chassisInUse: () => undefined, ...more };
}

/** Runs a generator to its end. */
export function run<T>(steps: Generator<unknown, T>): T {
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value;
}

/** Upserts as they come decoded from the wire. */
export function decoded(objects: readonly ObjectMessage[]): DecodedApply {
  const changes = objects.map((value) => ({ change: { $case: "upsert" as const, value } }));
  const request = ApplyRequest.fromPartial({ changes });
  return { request, changeCount: changes.length, oversized: new Map() };
}

export function plan(context: PlanContext, intents: readonly ChangeIntent[]): PlanOutcome {
  return run(planChanges(context, intents));
}

/** A plan that must succeed, and counts. */
export function planned(context: PlanContext, intents: readonly ChangeIntent[]): Plan {
  const outcome = plan(context, intents);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  run(context.allocator.keep(outcome.plan.draft));
  return outcome.plan;
}

/** `CODE field` of each problem; `accepted` when there is none. */
export function refusals(context: PlanContext, intents: readonly ChangeIntent[]): string[] {
  const outcome = plan(context, intents);
  return outcome.ok ? ["accepted"] : outcome.problems.map((p) => `${p.code} ${p.field}`);
}

/** All durable rows. */
export function dump(tables: Tables): unknown {
  return durableTables.map((table) => [
    table,
    tables.sortedIds(table).map((id) => tables.get(table, id)),
  ]);
}

/** All durable rows, and two groups of indexes over network n1 and the MAC of port p1. */
export function dumpWithIndexes(tables: Tables): unknown {
  return [
    dump(tables),
    [...tables.members("subnetNetwork", "n1")].sort(),
    [...tables.members("portMac", "0a:00:00:00:00:01")].sort(),
  ];
}

export type RefusedCase = [name: string, intents: ChangeIntent[], problems: string[]];

/** The check of a refusal in a world: each problem by code and field, and tables as they were. */
export const refusedIn =
  (world: readonly ChangeIntent[]) =>
  (intents: readonly ChangeIntent[], expected: readonly string[]): void => {
    const context = newContext();
    planned(context, world);
    const before = dumpWithIndexes(context.tables);
    expect(refusals(context, intents)).toEqual(expected);
    expect(dumpWithIndexes(context.tables)).toEqual(before);
  };

export const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
/** Of a port or a router interface: one fixed address; "" = any subnet that has it. */
export const given = (ip: string, id = "") => ({ fixedIps: [{ subnet: id, ip }] });

const emptySpecs: Pick<
  SpecIntents,
  "router" | "router-interface" | "route" | "policy-route" | "router-link" | "route-leak"
> = {
  router: { adminDown: false },
  "router-interface": { router: "r1", network: "", mac: "", fixedIps: [], routeTable: 0 },
  route: { router: "r1", table: 0, destination: "", nextHops: [], blackhole: false },
  "policy-route": {
    router: "r1",
    priority: 100,
    source: "",
    destination: "",
    protocol: 0,
    sourcePorts: [],
    destinationPorts: [],
    ingressNetwork: "",
    action: null,
  },
  "router-link": { first: null, second: null },
  "route-leak": { from: "", to: "", prefixes: [] },
};
type RoutingTable = keyof typeof emptySpecs;

/** An upsert whose id is its name, and its path its table. */
function upsert<T extends RoutingTable>(
  table: T,
  name: string,
  spec: Partial<SpecIntents[T]>,
  more: Partial<MetaIntent> = {},
): UpsertIntent {
  const meta = { id: name, project: "", name, labels: {}, revision: 0n, ...more };
  const whole = { ...emptySpecs[table], ...spec };
  return { action: "upsert", table, at: table, meta, spec: whole } as UpsertIntent;
}

type Maker<T extends RoutingTable> = (
  name: string,
  spec?: Partial<SpecIntents[T]>,
  more?: Partial<MetaIntent>,
) => UpsertIntent;
const maker =
  <T extends RoutingTable>(table: T): Maker<T> =>
  (name, spec = {}, more = {}) =>
    upsert(table, name, spec, more);

export const router = maker("router");
export const routerInterface = maker("router-interface");
export const route = maker("route");
export const policy = maker("policy-route");
export const link = maker("router-link");
export const leak = maker("route-leak");

/** A link between two routers, the first with the lower address of each prefix pair. */
export function linked(
  name: string,
  [first, second]: readonly [string, string],
  pairs: readonly (readonly [string, string])[],
  more: Partial<MetaIntent> = {},
): UpsertIntent {
  return link(
    name,
    {
      first: { router: first, addresses: pairs.map(([address]) => address) },
      second: { router: second, addresses: pairs.map(([, address]) => address) },
    },
    more,
  );
}
