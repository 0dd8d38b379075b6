// Objects of routing there and back: an upsert becomes a row, and the row an object that says the same; sent again it changes nothing.
import type { Object as ObjectMessage } from "@weft/shared/gen/weft/v1/northbound.ts";
import { Object as ObjectCodec } from "@weft/shared/gen/weft/v1/northbound.ts";
import { describe, expect, it } from "vitest";
import {
  decoded,
  newContext,
  planned,
  router as routerIntent,
  run,
} from "../model/plan.fixture.ts";
import type { DurableTableName } from "../model/rows.ts";
import { world } from "../model/routing.fixture.ts";
import { network, provider } from "../store/transactor.fixture.ts";
import { kindOf, tableOf, toIntents } from "./convert.ts";
import { fieldFilters, matches } from "./filters.ts";
import type { RoutingRow } from "./objects-routing.ts";
import { pastRoutingObject } from "./objects-routing.ts";

type Case = NonNullable<ObjectMessage["object"]>["$case"];

/** A message of a partial object. */
const objectOf = (object: object): ObjectMessage =>
  ObjectCodec.fromPartial({ object } as Parameters<typeof ObjectCodec.fromPartial>[0]);

/** The intents of upserts as a caller writes them. */
function intentsOf(objects: readonly object[]) {
  return run(toIntents(decoded(objects.map(objectOf))));
}

const of = ($case: Case, id: string, spec: object): object => ({
  $case,
  value: { meta: { id, name: id, labels: { a: "b" } }, spec },
});
const hops = (...ips: string[]) => ips.map((ip) => ({ ip }));

const cases: readonly [Case, DurableTableName, object][] = [
  ["router", "router", { adminDown: true }],
  [
    "routerInterface",
    "router-interface",
    {
      router: "r4",
      network: "n2",
      mac: "0a:00:00:00:00:77",
      fixedIps: [{ subnet: "s2", ip: "10.2.0.77" }],
      routeTable: 9,
    },
  ],
  [
    "route",
    "route",
    { router: "r1", table: 3, destination: "10.7.0.0/24", nextHops: hops("10.1.0.8", "10.1.0.9") },
  ],
  ["route", "route", { router: "r1", destination: "fd07::/64", blackhole: true }],
  [
    "policyRoute",
    "policy-route",
    {
      router: "r1",
      priority: 9,
      source: "10.1.0.0/24",
      destination: "10.7.0.0/24",
      protocol: 6,
      sourcePorts: [{ first: 1, last: 2 }],
      destinationPorts: [{ first: 80, last: 80 }],
      ingressNetwork: "n1",
      action: { $case: "reroute", value: { nextHops: hops("10.1.0.9") } },
    },
  ],
  [
    "policyRoute",
    "policy-route",
    { router: "r1", priority: 9, action: { $case: "drop", value: {} } },
  ],
  [
    "policyRoute",
    "policy-route",
    { router: "r1", priority: 9, action: { $case: "allow", value: {} } },
  ],
  [
    "routerLink",
    "router-link",
    {
      first: { router: "r1", addresses: ["10.254.0.1/30", "fd99::1/64"] },
      second: { router: "r4", addresses: ["10.254.0.2/30", "fd99::2/64"] },
    },
  ],
  ["routeLeak", "route-leak", { from: "x1", to: "r1", prefixes: ["10.9.0.0/25"] }],
];

describe("an object of routing", () => {
  it.each(cases)("%s comes back as it was sent", ($case, table, spec) => {
    const context = newContext();
    planned(context, world);
    const sent = of($case, "new", spec);
    const { intents, problems } = intentsOf([sent]);
    expect(problems).toEqual([]);
    const { results } = planned(context, intents);
    const row = context.tables.get(table, "new");
    expect(results[0]).toMatchObject({ action: "created", table });
    const back = pastRoutingObject({ table, row } as RoutingRow);
    const expected = objectOf(sent);
    const specOf = ({ object }: ObjectMessage) =>
      (object?.value as { spec?: object } | undefined)?.spec;
    expect(specOf(back)).toEqual(specOf(expected));
    // What is read can be written again.
    const again = intentsOf([back.object as object]);
    expect(again.problems).toEqual([]);
    const revised = again.intents.map((intent) =>
      intent.action === "upsert" ? { ...intent, meta: { ...intent.meta, revision: 0n } } : intent,
    );
    expect(planned(context, revised as typeof again.intents).changes).toEqual([]);
  });

  it("has a path that names the field as the proto does", () => {
    const { intents } = intentsOf([of("routerInterface", "i", {}), of("policyRoute", "p", {})]);
    expect(intents.map(({ at }) => at)).toEqual([
      "changes[0].upsert.router_interface",
      "changes[1].upsert.policy_route",
    ]);
  });

  it("is one kind in both directions", () => {
    for (const [, table] of cases) expect(tableOf(kindOf[table])).toBe(table);
  });

  it.each<[DurableTableName, string, Record<string, string>, boolean]>([
    ["router-interface", "i12", { "spec.router": "r1", "spec.network": "n2" }, true],
    ["router-interface", "i12", { "spec.router": "r2" }, false],
    ["route", "to3", { "spec.next_hops.ip": "10.2.0.254", "spec.table": "0" }, true],
    ["route", "hole", { "spec.blackhole": "true" }, true],
    ["policy-route", "pol", { "spec.reroute.next_hops.ip": "10.1.0.99" }, true],
    [
      "router-link",
      "l23",
      { "spec.second.router": "r3", "spec.first.addresses": "10.255.0.1/30" },
      true,
    ],
    ["route-leak", "lk", { "spec.to": "r3", "spec.prefixes": "10.9.0.0/25" }, true],
    ["router", "r1", { "spec.admin_down": "true" }, false],
  ])("%s %s is found by its fields", (table, id, fields, found) => {
    const context = newContext();
    planned(context, world);
    const row = context.tables.get(table, id);
    const object = pastRoutingObject({ table, row } as RoutingRow);
    const filters = fieldFilters(context.tables, table, "", fields);
    expect(matches(object, filters)).toBe(found);
  });
});

it("takes shared of a provider network there and back", () => {
  const context = newContext();
  const sent = of("network", "p", {
    type: { $case: "provider", value: { physicalNetwork: "phys", vlan: 5, shared: true } },
  });
  planned(context, intentsOf([sent]).intents);
  expect(context.tables.get("network", "p")).toMatchObject({ shared: true, vlan: 5 });
  planned(context, [
    provider("p", "phys", 5, { id: "p" }),
    network("o", { id: "o" }),
    routerIntent("r"),
  ]);
  expect(context.tables.get("network", "p")).toMatchObject({ shared: false });
  expect(context.tables.get("network", "o")).toMatchObject({ shared: false });
});
