// The rules of each kind, as one table: how an asked-for object becomes a row, what is checked once the set is in place, who needs a row
// that goes. Pure; no order here (plan.ts). A new kind is a row of this table and a validate-<kind>.ts.

import type { KeySpace } from "../ipam/allocator.ts";
import type { AddressSlot } from "./address-slots.ts";
import { addUsersOfRemoved, segmentsBefore } from "./connected.ts";
import { addressGroup, placeGroup } from "./indexes.ts";
import type { SpecIntents } from "./intents.ts";
import type { ObjectProblems } from "./problems.ts";
import { interfaceSegments, linkSegments } from "./router-view.ts";
import type { DurableTableName, RowMeta, Rows } from "./rows.ts";
import type { Tables } from "./tables.ts";
import type { Users } from "./users.ts";
import { completeChassis } from "./validate-chassis.ts";
import { checkInterfaceInPlace, completeInterface } from "./validate-interface.ts";
import { checkLeakInPlace, completeLeak } from "./validate-leak.ts";
import { checkLinkInPlace, completeLink } from "./validate-link.ts";
import { checkNetworkInPlace, completeNetwork } from "./validate-network.ts";
import { checkPolicyInPlace, completePolicy } from "./validate-policy.ts";
import { checkPortInPlace, completePort } from "./validate-port.ts";
import { checkRouteInPlace, completeRoute } from "./validate-route.ts";
import { completeRouter } from "./validate-router.ts";
import { checkSubnetInPlace, completeSubnet } from "./validate-subnet.ts";
import type { Whole } from "./whole.ts";

/** A row whose static parts are settled. */
export interface Draft<T extends DurableTableName = DurableTableName> {
  /** With known addresses only; mac "" = to be generated, key 0 = to be drawn. */
  readonly row: Rows[T];
  /** All addresses in their order; null = one of each family of the network; undefined = the kind has none. */
  readonly slots?: readonly AddressSlot[] | null;
}

export interface Asked<T extends DurableTableName> {
  readonly tables: Tables;
  readonly meta: RowMeta;
  /** null = as it is. */
  readonly spec: SpecIntents[T] | null;
  readonly before: Rows[T] | undefined;
  readonly problems: ObjectProblems;
}

export interface InPlace<T extends DurableTableName> {
  readonly whole: Whole;
  readonly row: Rows[T];
  readonly before: Rows[T] | undefined;
  readonly problems: ObjectProblems;
}

export interface KindRules<T extends DurableTableName> {
  /** Where its key is drawn; null = it has none. */
  readonly keySpace: KeySpace | null;
  /** Undefined when nothing sensible can be made of it: then the problem is named. */
  readonly complete: (asked: Asked<T>) => Draft<T> | undefined;
  readonly check: (inPlace: InPlace<T>) => void;
  /** Who still needs a row that is gone. */
  readonly addUsers: (whole: Whole, row: Rows[T], users: Users) => void;
}

const draft = <T extends DurableTableName>(row: Rows[T] | undefined): Draft<T> | undefined =>
  row === undefined ? undefined : { row };
const nothing = (): void => undefined;

const kinds: { readonly [T in DurableTableName]: KindRules<T> } = {
  chassis: {
    keySpace: "chassis",
    complete: ({ meta, spec, before, problems }) =>
      draft<"chassis">(completeChassis(meta, spec, before, problems)),
    check: nothing,
    addUsers: ({ tables }, row, users) =>
      users.addAll("port", tables.members("portRequestedChassis", row.id)),
  },
  network: {
    keySpace: "network",
    complete: ({ meta, spec, before, problems }) =>
      draft<"network">(completeNetwork(meta, spec, before, problems)),
    check: ({ whole, row, before, problems }) =>
      checkNetworkInPlace(whole.tables, row, before, problems),
    addUsers: ({ tables }, row, users) => {
      users.addAll("subnet", tables.members("subnetNetwork", row.id));
      users.addAll("port", tables.members("portNetwork", row.id));
      users.addAll("router-interface", tables.members("interfaceNetwork", row.id));
    },
  },
  subnet: {
    keySpace: null,
    complete: ({ tables, meta, spec, before, problems }) =>
      draft<"subnet">(completeSubnet(tables, meta, spec, before, problems)),
    check: ({ whole, row, before, problems }) => checkSubnetInPlace(whole, row, before, problems),
    addUsers: (whole, row, users) => {
      const { tables } = whole;
      for (const ip of tables.members("subnetAddress", row.id)) {
        users.addAll("port", tables.members("portIp", addressGroup(row.network, ip)));
      }
      users.addAll("router-interface", tables.members("interfaceSubnet", row.id));
      for (const id of tables.members("interfaceNetwork", row.network)) {
        const found = tables.get("router-interface", id);
        if (found === undefined) continue;
        addUsersOfRemoved(whole, found.router, interfaceSegments(found, [row]), users);
      }
    },
  },
  port: {
    keySpace: "port",
    complete: ({ tables, meta, spec, before, problems }) =>
      completePort(tables, meta, spec, before, problems),
    check: ({ whole, row, problems }) => checkPortInPlace(whole.tables, row, problems),
    addUsers: nothing,
  },
  router: {
    keySpace: "router",
    complete: ({ meta, spec, before }) => draft<"router">(completeRouter(meta, spec, before)),
    check: nothing,
    addUsers: ({ tables }, { id }, users) => {
      users.addAll("router-interface", tables.members("interfaceRouter", id));
      users.addAll("router-link", tables.members("linkRouter", id));
      users.addAll("route", tables.members("routeRouter", id));
      users.addAll("policy-route", tables.members("policyRouter", id));
      users.addAll("route-leak", tables.members("leakFrom", id));
      users.addAll("route-leak", tables.members("leakTo", id));
    },
  },
  "router-interface": {
    keySpace: "router-interface",
    complete: ({ tables, meta, spec, before, problems }) =>
      completeInterface(tables, meta, spec, before, problems),
    check: ({ whole, row, before, problems }) =>
      checkInterfaceInPlace(whole, row, before, problems),
    addUsers: (whole, row, users) => {
      const place = placeGroup(row.router, row.network);
      // Another interface may have taken its place in the same set.
      if (whole.tables.count("interfacePlace", place) === 0) {
        users.addAll("policy-route", whole.tables.members("policyIngress", place));
      }
      addUsersOfRemoved(whole, row.router, segmentsBefore(whole, row), users);
    },
  },
  "router-link": {
    // A link is a segment of its own.
    keySpace: "network",
    complete: ({ tables, meta, spec, before, problems }) =>
      draft<"router-link">(completeLink(tables, meta, spec, before, problems)),
    check: ({ whole, row, before, problems }) => checkLinkInPlace(whole, row, before, problems),
    addUsers: (whole, row, users) => {
      for (const { router } of row.ends) {
        addUsersOfRemoved(whole, router, linkSegments(row, router), users);
      }
    },
  },
  route: {
    keySpace: "route",
    complete: ({ tables, meta, spec, before, problems }) =>
      draft<"route">(completeRoute(tables, meta, spec, before, problems)),
    check: ({ whole, row, problems }) => checkRouteInPlace(whole, row, problems),
    addUsers: nothing,
  },
  "policy-route": {
    keySpace: "policy-route",
    complete: ({ tables, meta, spec, before, problems }) =>
      draft<"policy-route">(completePolicy(tables, meta, spec, before, problems)),
    check: ({ whole, row, problems }) => checkPolicyInPlace(whole, row, problems),
    addUsers: nothing,
  },
  "route-leak": {
    keySpace: "route-leak",
    complete: ({ tables, meta, spec, before, problems }) =>
      draft<"route-leak">(completeLeak(tables, meta, spec, before, problems)),
    check: ({ whole, row, problems }) => checkLeakInPlace(whole, row, problems),
    addUsers: nothing,
  },
};

/** The rules of a kind that is known only when it runs: rows and specs must be of that kind. */
export function rulesOf(table: DurableTableName): KindRules<DurableTableName> {
  return kinds[table] as unknown as KindRules<DurableTableName>;
}
