// A router with everything a router can have, as central would answer it: messages for the tests of
// tables and of describe. Used by tests only.
import type { DeepPartial, Object as WeftObject } from "@weft/shared/gen/weft/v1/northbound.ts";
import { Object as ObjectMessage } from "@weft/shared/gen/weft/v1/northbound.ts";

const objectOf = (object: DeepPartial<NonNullable<WeftObject["object"]>>): WeftObject =>
  ObjectMessage.fromPartial({ object });

const meta = (name: string): { id: string; project: string; name: string; revision: bigint } => ({
  id: `g-${name}`,
  project: "green",
  name,
  revision: 7n,
});

const subnet = (name: string, network: string, cidr: string): WeftObject =>
  objectOf({ $case: "subnet", value: { meta: meta(name), spec: { network, cidr } } });

const missing =
  "no port of network g-web has 10.0.0.22; add one, or an allowed address pair, that names it";

/** Out of order on purpose: describe puts them into one. */
export const routingObjects: readonly WeftObject[] = [
  objectOf({
    $case: "router",
    value: {
      meta: meta("core"),
      spec: { adminDown: false },
      status: { key: 5, interfaces: 2, routes: 4, chassis: ["chassis-a", "chassis-b"] },
    },
  }),
  subnet("web-v4", "g-web", "10.0.0.0/24"),
  subnet("web-v6", "g-web", "fd00:0:0:1::/64"),
  subnet("ext-v4", "g-ext", "10.0.2.0/24"),
  objectOf({
    $case: "routerInterface",
    value: {
      meta: meta("core-web"),
      spec: { router: "g-core", network: "g-web", mac: "02:00:00:00:00:01" },
      status: {
        key: 21,
        addresses: [
          { subnet: "g-web-v4", ip: "10.0.0.1" },
          { subnet: "g-web-v6", ip: "fd00:0:0:1::1" },
        ],
        linkLocalIp: "fe80::ff:fe00:1",
        mtuBytes: 1442,
      },
    },
  }),
  objectOf({
    $case: "routerInterface",
    value: {
      meta: meta("core-ext"),
      spec: {
        router: "g-core",
        network: "g-ext",
        mac: "02:00:00:00:00:02",
        fixedIps: [{ subnet: "g-ext-v4", ip: "10.0.2.5" }],
        routeTable: 100,
      },
      status: {
        key: 22,
        addresses: [{ subnet: "g-ext-v4", ip: "10.0.2.5" }],
        linkLocalIp: "fe80::ff:fe00:2",
        mtuBytes: 1500,
        failed: [
          {
            chassis: "chassis-c",
            failed: [
              {
                key: "router/5/interface/22",
                reason: "no bridge for physical network physnet1; add it to providerBridges",
              },
            ],
          },
        ],
      },
    },
  }),
  objectOf({
    $case: "route",
    value: {
      meta: meta("default-of-ext"),
      spec: {
        router: "g-core",
        table: 100,
        destination: "0.0.0.0/0",
        nextHops: [{ ip: "10.0.2.254" }],
      },
      status: {
        key: 33,
        active: false,
        nextHops: [
          {
            ip: "10.0.2.254",
            active: false,
            reason: "nothing on network g-ext is known to have 10.0.2.254; check the route",
          },
        ],
      },
    },
  }),
  objectOf({
    $case: "route",
    value: {
      meta: meta("to-lab"),
      spec: { router: "g-core", destination: "fd00:0:0:8::/64", nextHops: [{ ip: "fd00:ff::2" }] },
      status: { key: 32, active: true, nextHops: [{ ip: "fd00:ff::2", active: true }] },
    },
  }),
  objectOf({
    $case: "route",
    value: {
      meta: meta("to-partner"),
      spec: {
        router: "g-core",
        destination: "198.51.100.0/24",
        nextHops: [{ ip: "10.0.0.21" }, { ip: "10.0.0.22" }],
      },
      status: {
        key: 31,
        active: true,
        nextHops: [
          { ip: "10.0.0.21", active: true },
          { ip: "10.0.0.22", active: false, reason: missing },
        ],
      },
    },
  }),
  objectOf({
    $case: "route",
    value: {
      meta: meta("rest"),
      spec: { router: "g-core", destination: "10.0.0.0/8", blackhole: true },
      status: { key: 30, active: true },
    },
  }),
  objectOf({
    $case: "policyRoute",
    value: {
      meta: meta("no-ssh"),
      spec: {
        router: "g-core",
        priority: 100,
        protocol: 6,
        destinationPorts: [
          { first: 22, last: 22 },
          { first: 8000, last: 8099 },
        ],
        action: { $case: "drop", value: {} },
      },
      status: { key: 40 },
    },
  }),
  objectOf({
    $case: "policyRoute",
    value: {
      meta: meta("inspect"),
      spec: {
        router: "g-core",
        priority: 300,
        source: "10.0.0.0/24",
        destination: "198.51.100.0/24",
        ingressNetwork: "g-web",
        action: { $case: "reroute", value: { nextHops: [{ ip: "10.0.0.22" }] } },
      },
      status: { key: 41, nextHops: [{ ip: "10.0.0.22", active: false, reason: missing }] },
    },
  }),
  objectOf({
    $case: "policyRoute",
    value: {
      meta: meta("all"),
      spec: { router: "g-core", priority: 1, action: { $case: "allow", value: {} } },
      status: { key: 42 },
    },
  }),
  objectOf({
    $case: "routerLink",
    value: {
      meta: meta("core-branch"),
      spec: {
        first: { router: "g-branch", addresses: ["10.255.0.2/30", "fd00:ff::2/64"] },
        second: { router: "g-core", addresses: ["10.255.0.1/30", "fd00:ff::1/64"] },
      },
      status: { key: 50 },
    },
  }),
  objectOf({
    $case: "routeLeak",
    value: {
      meta: meta("from-gold"),
      spec: { from: "gold-core", to: "g-core", prefixes: ["10.9.0.0/24", "fd00:9::/64"] },
      status: { key: 60 },
    },
  }),
  objectOf({
    $case: "routeLeak",
    value: {
      meta: meta("to-gold"),
      spec: { from: "g-core", to: "gold-core", prefixes: ["10.0.0.0/24"] },
      status: { key: 61 },
    },
  }),
];
