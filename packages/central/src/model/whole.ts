// The set as a whole, for the checks that come once all of its rows are in the tables: what routers are connected to, their next
// hops, and what was there before. Pure; made once a set by plan.ts. Valid while the tables stay as they are.

import type { Ip } from "@weft/shared/net/ip.ts";
import { parseIp } from "@weft/shared/net/ip.ts";
import { RouterViews, subnetsOf } from "./router-view.ts";
import type { DurableTableName, Rows, SubnetRow } from "./rows.ts";
import type { Tables } from "./tables.ts";

/** A next hop that a router's rows name. */
export interface NamedNextHop {
  readonly ip: Ip;
  readonly table: "route" | "policy-route";
  readonly id: string;
}

/** One changed row of the set. */
export interface ChangedRow {
  readonly table: DurableTableName;
  readonly id: string;
  readonly before: Rows[DurableTableName] | undefined;
}

export class Whole {
  readonly tables: Tables;
  readonly views: RouterViews;
  readonly #nextHops = new Map<string, readonly NamedNextHop[]>();
  readonly #subnets: ReadonlyMap<string, SubnetRow | undefined>;
  /** Network -> subnets that it had. */
  readonly #gone = new Map<string, SubnetRow[]>();

  constructor(tables: Tables, changed: Iterable<ChangedRow>) {
    this.tables = tables;
    this.views = new RouterViews(tables);
    const subnets = new Map<string, SubnetRow | undefined>();
    for (const { table, id, before } of changed) {
      if (table !== "subnet") continue;
      const row = before as SubnetRow | undefined;
      subnets.set(id, row);
      if (row === undefined || tables.get("subnet", id) !== undefined) continue;
      this.#gone.set(row.network, [...(this.#gone.get(row.network) ?? []), row]);
    }
    this.#subnets = subnets;
  }

  /** The subnets of a network as they were before the set. */
  subnetsBefore(network: string): SubnetRow[] {
    const now = subnetsOf(this.tables, network).flatMap((subnet) =>
      this.#subnets.has(subnet.id) ? (this.#subnets.get(subnet.id) ?? []) : subnet,
    );
    return [...now, ...(this.#gone.get(network) ?? [])];
  }

  /** All next hops of a router's routes and policies. */
  nextHopsOf(router: string): readonly NamedNextHop[] {
    let named = this.#nextHops.get(router);
    if (named === undefined) {
      named = [...this.#named(router)];
      this.#nextHops.set(router, named);
    }
    return named;
  }

  *#named(router: string): Generator<NamedNextHop> {
    for (const [index, table] of [
      ["routeRouter", "route"],
      ["policyRouter", "policy-route"],
    ] as const) {
      for (const id of this.tables.members(index, router)) {
        for (const text of this.tables.get(table, id)?.nextHops ?? []) {
          const ip = parseIp(text);
          if (ip !== undefined) yield { ip, table, id };
        }
      }
    }
  }
}
