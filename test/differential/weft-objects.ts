// A topology as the changes of an Apply: what is put and what goes, each with the ids of its case. Pure.

import {
  type Change,
  Change as ChangeMessage,
  Kind,
  type Object as WeftObject,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { difference, type Item, type ItemKind, type Topology } from "./topology.ts";

/** Physical network that all hosts have. */
const PHYSICAL_NETWORK = "physnet1";

const KIND_OF: Readonly<Record<ItemKind, Kind>> = {
  network: Kind.NETWORK,
  subnet: Kind.SUBNET,
  port: Kind.PORT,
  router: Kind.ROUTER,
  interface: Kind.ROUTER_INTERFACE,
  link: Kind.ROUTER_LINK,
  route: Kind.ROUTE,
  policy: Kind.POLICY_ROUTE,
  leak: Kind.ROUTE_LEAK,
};

const ENCAPS = { geneve: EncapType.GENEVE, vxlan: EncapType.VXLAN, gre: EncapType.GRE } as const;

/** `hosts`: chassis names by number. */
export function weftChanges(
  tag: string,
  hosts: readonly string[],
  before: Topology,
  after: Topology,
): Change[] {
  const { gone, now } = difference(before, after);
  return [
    ...gone.map((item) =>
      ChangeMessage.fromPartial({
        change: { $case: "delete", value: { kind: KIND_OF[item.kind], id: tag + item.id } },
      }),
    ),
    ...now.map((item) =>
      ChangeMessage.fromPartial({
        change: { $case: "upsert", value: { object: objectOf(tag, hosts, item) } },
      }),
    ),
  ];
}

type WeftCase = NonNullable<WeftObject["object"]>;
type PartialOf<T> = T extends readonly (infer U)[]
  ? PartialOf<U>[]
  : T extends bigint | Buffer | Date
    ? T
    : T extends { $case: string; value: unknown }
      ? { $case: T["$case"]; value: PartialOf<T["value"]> }
      : T extends object
        ? { [K in keyof T]?: PartialOf<T[K]> }
        : T;

function objectOf(tag: string, hosts: readonly string[], item: Item): PartialOf<WeftCase> {
  const meta = { id: tag + item.id, project: tag + item.project, name: item.id };
  const hops = (ips: readonly string[]) => ips.map((ip) => ({ ip }));
  switch (item.kind) {
    case "network": {
      const type: PartialOf<Extract<WeftCase, { $case: "network" }>["value"]["spec"]> =
        "vlan" in item.type
          ? {
              type: {
                $case: "provider",
                value: { physicalNetwork: PHYSICAL_NETWORK, ...item.type },
              },
            }
          : { type: { $case: "overlay", value: { encap: ENCAPS[item.type.encap] } } };
      return { $case: "network", value: { meta, spec: { ...type, mtuBytes: item.mtuBytes } } };
    }
    case "subnet": {
      const { network, cidr, gateway } = item;
      return {
        $case: "subnet",
        value: { meta, spec: { network: tag + network, cidr, gatewayIp: gateway } },
      };
    }
    case "port":
      return {
        $case: "port",
        value: {
          meta,
          spec: {
            network: tag + item.network,
            mac: item.mac,
            fixedIps: item.ips.map((ip) => ({ ip })),
            allowedAddressPairs: item.pairs.map(({ ip }) => ({ ip })),
            adminDown: !item.up,
            portSecurityDisabled: !item.security,
            requestedChassis: hosts[item.host] ?? "",
          },
        },
      };
    case "router":
      return { $case: "router", value: { meta, spec: { adminDown: !item.up } } };
    case "interface":
      return {
        $case: "routerInterface",
        value: {
          meta,
          spec: {
            router: tag + item.router,
            network: tag + item.network,
            mac: item.mac,
            fixedIps: item.ips.map((ip) => ({ ip })),
            routeTable: item.table,
          },
        },
      };
    case "link": {
      const [first, second] = item.ends.map(({ router, addresses }) => ({
        router: tag + router,
        addresses: [...addresses],
      }));
      return {
        $case: "routerLink",
        value: { meta, spec: { ...{ first: first ?? {}, second: second ?? {} } } },
      };
    }
    case "route": {
      const { router, table, destination, nextHops } = item;
      const spec = { router: tag + router, table, destination, nextHops: hops(nextHops) };
      return {
        $case: "route",
        value: { meta, spec: { ...spec, blackhole: nextHops.length === 0 } },
      };
    }
    case "policy": {
      const { action } = item;
      return {
        $case: "policyRoute",
        value: {
          meta,
          spec: {
            router: tag + item.router,
            priority: item.priority,
            source: item.source ?? "",
            destination: item.destination ?? "",
            protocol: item.protocol,
            destinationPorts: item.ports === null ? [] : [{ ...item.ports }],
            ingressNetwork: item.ingress === null ? "" : tag + item.ingress,
            action:
              typeof action === "object"
                ? { $case: "reroute", value: { nextHops: hops(action.nextHops) } }
                : { $case: action, value: {} },
          },
        },
      };
    }
    case "leak": {
      const { from, to, prefixes } = item;
      const spec = { from: tag + from, to: tag + to, prefixes: [...prefixes] };
      return { $case: "routeLeak", value: { meta, spec } };
    }
  }
}
