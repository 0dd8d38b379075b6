// Random histories of sets over a small world of routing: a refused set changes nothing, and what was accepted step by step is
// accepted as one set by an empty store, which then holds the same. A rule that a later change can get round fails here.
import fc from "fast-check";
import { expect, it } from "vitest";
import { pastRoutingObject } from "../api/objects-routing.ts";
import type { RoutingRow } from "../api/objects-routing.ts";
import { fromNetwork, fromPort, fromSubnet, toIntents } from "../api/convert.ts";
import { network, port, provider, remove, subnet } from "../store/transactor.fixture.ts";
import type { ChangeIntent, MetaIntent } from "./intents.ts";
import {
  decoded,
  dump,
  leak,
  linked,
  newContext,
  plan,
  policy,
  route,
  router,
  routerInterface,
  run,
} from "./plan.fixture.ts";
import type { DurableTableName, Rows } from "./rows.ts";
import type { Tables } from "./tables.ts";
import { durableTables } from "./tables.ts";

const projectOf = (router: number): Partial<MetaIntent> =>
  router === 3 ? { project: "other" } : {};
/** Few of each, so that they meet; r3, of the other project, now and then. */
const networkOf = fc.constantFrom(0, 1, 1, 2, 2, 3, 4);
const routerOf = fc.constantFrom(0, 0, 1, 1, 2, 2, 3);
const hostOf = fc.constantFrom(1, 2, 5);
const nextHop = fc
  .tuple(fc.constantFrom(1, 1, 2, 2, 200, 0, 3), fc.constantFrom(1, 2, 2, 5))
  .map(([block, host]) => `10.${block}.0.${host}`);
const prefix = fc.constantFrom("10.1.0.0/24", "10.2.0.0/24", "10.77.0.0/16", "0.0.0.0/0");
const leaked = fc.constantFrom(
  ...["10.0.0.0/24", "10.1.0.0/25", "10.2.0.0/24", "10.3.0.0/24", "10.4.0.0/24"],
);
const table = fc.constantFrom(0, 0, 0, 5);

const networkIntent = networkOf.chain((n) =>
  n === 4
    ? fc.boolean().map((shared) => provider("n4", "phys", 4, { id: "n4", shared }))
    : fc.constant(network(`n${n}`, { id: `n${n}` })),
);
const subnetIntent = fc.tuple(networkOf, fc.constantFrom(1, 2, 5, null)).map(([n, gateway]) =>
  subnet(
    `s${n}`,
    {
      network: `n${n}`,
      cidr: `10.${n}.0.0/24`,
      gatewayIp: gateway === null ? "" : `10.${n}.0.${gateway}`,
      noGateway: gateway === null,
    },
    { id: `s${n}` },
  ),
);
/** A second prefix, which another network has. */
const wideIntent = fc
  .tuple(networkOf, fc.boolean())
  .map(([n, noGateway]) =>
    subnet(`w${n}`, { network: `n${n}`, cidr: `10.${n + 1}.0.0/24`, noGateway }, { id: `w${n}` }),
  );
const interfaceIntent = fc
  .tuple(routerOf, networkOf, fc.option(hostOf), table)
  .map(([r, n, host, routeTable]) =>
    routerInterface(
      `i${r}${n}`,
      {
        router: `r${r}`,
        network: `n${n}`,
        fixedIps: host === null ? [] : [{ subnet: "", ip: `10.${n}.0.${host}` }],
        routeTable,
      },
      projectOf(r),
    ),
  );
const portIntent = fc
  .tuple(networkOf, hostOf)
  .map(([n, host]) =>
    port(
      `p${n}`,
      { network: `n${n}`, fixedIps: [{ subnet: "", ip: `10.${n}.0.${host}` }] },
      { id: `p${n}` },
    ),
  );
const linkIntent = fc
  .tuple(routerOf, routerOf, fc.constantFrom([1, 2], [2, 1], [2, 5]))
  .map(([a, b, [first, second]]) =>
    linked(
      `l${Math.min(a, b)}${Math.max(a, b)}`,
      [`r${Math.min(a, b)}`, `r${Math.max(a, b)}`],
      [[`10.200.0.${first}/29`, `10.200.0.${second}/29`]],
    ),
  );
const routeIntent = fc
  .tuple(routerOf, table, prefix, fc.uniqueArray(nextHop, { maxLength: 2 }))
  .map(([r, inTable, destination, nextHops]) =>
    route(
      `t${r}${inTable}${destination.replaceAll(/[./]/g, "-")}`,
      { router: `r${r}`, table: inTable, destination, nextHops, blackhole: nextHops.length === 0 },
      projectOf(r),
    ),
  );
const policyIntent = fc.tuple(routerOf, fc.option(networkOf), nextHop).map(([r, n, ip]) =>
  policy(
    `y${r}`,
    {
      router: `r${r}`,
      ingressNetwork: n === null ? "" : `n${n}`,
      action: { verdict: "reroute", nextHops: [ip] },
    },
    projectOf(r),
  ),
);
const leakIntent = fc
  .tuple(routerOf, routerOf, leaked)
  .map(([from, to, text]) =>
    leak(`k${from}${to}`, { from: `r${from}`, to: `r${to}`, prefixes: [text] }, projectOf(to)),
  );

const intent: fc.Arbitrary<ChangeIntent> = fc.oneof(
  { weight: 1, arbitrary: networkIntent },
  { weight: 3, arbitrary: subnetIntent },
  { weight: 1, arbitrary: wideIntent },
  { weight: 1, arbitrary: routerOf.map((r) => router(`r${r}`, {}, projectOf(r))) },
  { weight: 6, arbitrary: interfaceIntent },
  { weight: 1, arbitrary: portIntent },
  { weight: 4, arbitrary: linkIntent },
  { weight: 8, arbitrary: routeIntent },
  { weight: 3, arbitrary: policyIntent },
  { weight: 2, arbitrary: leakIntent },
);

/** A change, or the deletion of the object that it is about. */
const change = fc
  .tuple(intent, fc.integer({ min: 0, max: 3 }))
  .map(([asked, dice]) =>
    dice > 0 || asked.action !== "upsert"
      ? asked
      : { ...remove(asked.table, asked.meta.id), project: asked.meta.project },
  );

/** Where histories begin: r0 to r2 in a row over n1 and n2, r3 of another project alone. */
const beginning: readonly ChangeIntent[] = [
  ...[0, 1, 2, 3].flatMap((n) => [
    network(`n${n}`, { id: `n${n}` }),
    subnet(`s${n}`, { network: `n${n}`, cidr: `10.${n}.0.0/24` }, { id: `s${n}` }),
    router(`r${n}`, {}, projectOf(n)),
  ]),
  provider("n4", "phys", 4, { id: "n4", shared: true }),
  subnet("s4", { network: "n4", cidr: "10.4.0.0/24" }, { id: "s4" }),
  routerInterface("i00", { router: "r0", network: "n0" }),
  routerInterface("i01", { router: "r0", network: "n1" }),
  routerInterface("i11", {
    router: "r1",
    network: "n1",
    fixedIps: [{ subnet: "", ip: "10.1.0.2" }],
  }),
  routerInterface("i12", { router: "r1", network: "n2" }),
  routerInterface("i22", {
    router: "r2",
    network: "n2",
    fixedIps: [{ subnet: "", ip: "10.2.0.2" }],
  }),
];

/** All rows as a caller would write them. */
function intentsOf(tables: Tables): readonly ChangeIntent[] {
  const objects = durableTables.flatMap((of) =>
    of === "chassis"
      ? []
      : tables
          .sortedIds(of)
          .map((id) => objectOf(of, tables.get(of, id) as Rows[DurableTableName])),
  );
  return run(toIntents(decoded(objects))).intents.map((asked) =>
    asked.action === "upsert" ? { ...asked, meta: { ...asked.meta, revision: 0n } } : asked,
  );
}

function objectOf(of: DurableTableName, row: Rows[DurableTableName]) {
  switch (of) {
    case "network":
      return {
        object: {
          $case: "network" as const,
          value: fromNetwork(row as Rows["network"], undefined),
        },
      };
    case "subnet":
      return {
        object: { $case: "subnet" as const, value: fromSubnet(row as Rows["subnet"], undefined) },
      };
    case "port":
      return {
        object: { $case: "port" as const, value: fromPort(row as Rows["port"], undefined) },
      };
    case "chassis":
      throw new Error("a chassis is not applied");
    case "router":
    case "router-interface":
    case "route":
    case "policy-route":
    case "router-link":
    case "route-leak":
      return pastRoutingObject({ table: of, row } as RoutingRow);
  }
}

/** Rows without what differs by when they were made. */
const essence = (tables: Tables): unknown =>
  JSON.parse(
    JSON.stringify(dump(tables), (name, value: unknown) =>
      ["key", "revision", "createdAtMs", "updatedAtMs"].includes(name) ? undefined : value,
    ),
  );

it("accepts no state in steps that it would refuse as a whole", () => {
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(
      fc.array(fc.array(change, { minLength: 1, maxLength: 2 }), { minLength: 50, maxLength: 150 }),
      (sets) => {
        const context = newContext();
        for (const set of [beginning, ...sets]) {
          const before = dump(context.tables);
          const outcome = plan(context, set);
          if (outcome.ok) run(context.allocator.keep(outcome.plan.draft));
          if (outcome.ok) accepted += 1;
          else refused += 1;
          const after = dump(context.tables);
          expect(outcome.ok ? before : after).toEqual(before);
        }
        const whole = newContext();
        const outcome = plan(whole, intentsOf(context.tables));
        if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems, null, 1));
        expect(essence(whole.tables)).toEqual(essence(context.tables));
      },
    ),
    { numRuns: 300 },
  );
  // Neither side may be empty, or nothing was tried.
  console.log(`${accepted} sets accepted, ${refused} refused`);
  expect(accepted).toBeGreaterThan(500);
  expect(refused).toBeGreaterThan(500);
}, 60_000);
