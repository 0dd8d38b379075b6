// Routers and what belongs to them as callers see them: rows with their status. Reads only. Called by objects.ts.

import type { Object as ObjectMessage } from "@weft/shared/gen/weft/v1/northbound.ts";
import { eui64LinkLocal } from "@weft/shared/net/mac.ts";
import { interfaceAddresses } from "../model/router-addresses.ts";
import { subnetsOf } from "../model/router-view.ts";
import type {
  PolicyRouteRow,
  PortRow,
  RouteLeakRow,
  RouteRow,
  RouterInterfaceRow,
  RouterLinkRow,
  RouterRow,
} from "../model/rows.ts";
import type { Model } from "../model/tables.ts";
import {
  fromInterface,
  fromLeak,
  fromLink,
  fromPolicy,
  fromRoute,
  fromRouter,
} from "./convert-routing.ts";
import { NextHops } from "./next-hops.ts";
import type { South } from "./south.ts";

/** A row with its table, of the kinds that this file shows. */
export type RoutingRow =
  | { readonly table: "router"; readonly row: RouterRow }
  | { readonly table: "router-interface"; readonly row: RouterInterfaceRow }
  | { readonly table: "route"; readonly row: RouteRow }
  | { readonly table: "policy-route"; readonly row: PolicyRouteRow }
  | { readonly table: "router-link"; readonly row: RouterLinkRow }
  | { readonly table: "route-leak"; readonly row: RouteLeakRow };

export class RoutingObjects {
  readonly #model: Model;
  readonly #south: South;
  readonly #nextHops: NextHops;

  constructor(options: {
    model: Model;
    south: South;
    portWithIp: (network: string, ip: string) => string | undefined;
    portReason: (port: PortRow) => string;
  }) {
    const { model, portWithIp, portReason } = options;
    this.#model = model;
    this.#south = options.south;
    const routerChassis = (key: number): Iterable<string> => this.#south.routerChassis(key);
    this.#nextHops = new NextHops({ tables: model, portWithIp, portReason, routerChassis });
    model.onBatch(() => this.#nextHops.clear());
  }

  object(shown: RoutingRow): ObjectMessage {
    const { row } = shown;
    const { key } = row;
    switch (shown.table) {
      case "router":
        return { object: { $case: "router", value: this.#router(shown.row) } };
      case "router-interface":
        return { object: { $case: "routerInterface", value: this.#interface(shown.row) } };
      case "route":
        return { object: { $case: "route", value: this.#route(shown.row) } };
      case "policy-route": {
        const { router, nextHops } = shown.row;
        const status = { key, nextHops: this.#nextHops.of(router, nextHops) };
        return { object: { $case: "policyRoute", value: fromPolicy(shown.row, status) } };
      }
      case "router-link":
        return { object: { $case: "routerLink", value: fromLink(shown.row, { key }) } };
      case "route-leak":
        return { object: { $case: "routeLeak", value: fromLeak(shown.row, { key }) } };
    }
  }

  #router(row: RouterRow): ReturnType<typeof fromRouter> {
    return fromRouter(row, {
      key: row.key,
      interfaces: this.#model.count("interfaceRouter", row.id),
      routes: this.#model.count("routeRouter", row.id),
      chassis: [...this.#south.routerChassis(row.key)].sort(),
    });
  }

  #interface(row: RouterInterfaceRow): ReturnType<typeof fromInterface> {
    const model = this.#model;
    const addresses = interfaceAddresses(row.fixedIps, subnetsOf(model, row.network));
    const router = model.get("router", row.router)?.key ?? 0;
    const network = model.get("network", row.network)?.key ?? 0;
    return fromInterface(row, {
      key: row.key,
      addresses: addresses.map(({ subnet, ip }) => ({ subnet, ip })),
      linkLocalIp: eui64LinkLocal(row.mac),
      mtuBytes: this.#south.networkMtu(row.network) ?? 0,
      failed: [...this.#south.failures(`router/${router}/interface/${network}`)],
    });
  }

  #route(row: RouteRow): ReturnType<typeof fromRoute> {
    const router = this.#model.get("router", row.router);
    const hidden = this.#nextHops.hiddenBy(row.router, row.destination);
    const nextHops =
      hidden === undefined
        ? this.#nextHops.of(row.router, row.nextHops)
        : row.nextHops.map((ip) => ({ ip, active: false, reason: hidden }));
    const isUsable =
      nextHops.length === 0 ? router?.adminUp === true : nextHops.some(({ active }) => active);
    return fromRoute(row, {
      key: row.key,
      active: isUsable && hidden === undefined,
      nextHops,
      failed: [...this.#south.failures(`router/${router?.key ?? 0}/route/${row.key}`)],
    });
  }
}

/** What the row was given, with its key alone of the status. Routes have none: the rest of it would say that they did not work. */
export function pastRoutingObject(shown: RoutingRow): ObjectMessage {
  const { key } = shown.row;
  switch (shown.table) {
    case "router": {
      const status = { key, interfaces: 0, routes: 0, chassis: [] };
      return { object: { $case: "router", value: fromRouter(shown.row, status) } };
    }
    case "router-interface": {
      const linkLocalIp = eui64LinkLocal(shown.row.mac);
      const status = { key, addresses: [], linkLocalIp, mtuBytes: 0, failed: [] };
      return { object: { $case: "routerInterface", value: fromInterface(shown.row, status) } };
    }
    case "route":
      return { object: { $case: "route", value: fromRoute(shown.row, undefined) } };
    case "policy-route":
      return { object: { $case: "policyRoute", value: fromPolicy(shown.row, undefined) } };
    case "router-link":
      return { object: { $case: "routerLink", value: fromLink(shown.row, { key }) } };
    case "route-leak":
      return { object: { $case: "routeLeak", value: fromLeak(shown.row, { key }) } };
  }
}
