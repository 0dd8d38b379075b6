// What validation refuses about router interfaces, and about ports, subnets and networks that meet them.
import { describe, it } from "vitest";
import { network, provider, subnet } from "../store/transactor.fixture.ts";
import { maxInterfacesPerRouter } from "./limits.ts";
import { routerInterface } from "./plan.fixture.ts";
import { expectRefused, given, many, other } from "./routing.fixture.ts";
import type { RefusedCase } from "./routing.fixture.ts";

describe("an interface is refused for", () => {
  it.each<RefusedCase>([
    [
      "an interface without a spec",
      [{ ...routerInterface("i"), spec: null }],
      ["MISSING_FIELD router-interface.spec"],
    ],
    [
      "an interface without a router",
      [routerInterface("i", { router: "", network: "n4" })],
      ["MISSING_FIELD router-interface.spec.router"],
    ],
    [
      "an interface of no router",
      [routerInterface("i", { router: "no", network: "n4" })],
      ["DANGLING_REFERENCE router-interface.spec.router"],
    ],
    [
      "an interface of a router of another project",
      [routerInterface("i", { router: "x1", network: "n4" })],
      ["DANGLING_REFERENCE router-interface.spec.router"],
    ],
    [
      "an interface without a network",
      [routerInterface("i", {})],
      ["MISSING_FIELD router-interface.spec.network"],
    ],
    [
      "an overlay of another project",
      [routerInterface("i", { router: "r4", network: "xn" })],
      ["DANGLING_REFERENCE router-interface.spec.network"],
    ],
    [
      "a provider network of another project that is not shared",
      [routerInterface("i", { router: "x1", network: "own" }, other)],
      ["DANGLING_REFERENCE router-interface.spec.network"],
    ],
    [
      "a shared network of another project by its name",
      [
        provider("byname", "physical", 102, { id: "sharedid", shared: true }),
        routerInterface("i", { router: "x1", network: "byname" }, other),
      ],
      ["DANGLING_REFERENCE router-interface.spec.network"],
    ],
    [
      "a second interface on a network",
      [routerInterface("i", { router: "r1", network: "n2", ...given("10.2.0.7") })],
      ["DUPLICATE_INTERFACE router-interface.spec.network"],
    ],
    [
      "two interfaces on a network in one set",
      [
        routerInterface("i", { router: "r4", network: "n4" }),
        routerInterface("j", { router: "r4", network: "n4", ...given("10.4.0.7") }),
      ],
      [
        "DUPLICATE_INTERFACE router-interface.spec.network",
        "DUPLICATE_INTERFACE router-interface.spec.network",
      ],
    ],
    [
      "another router",
      [routerInterface("i11", { router: "r2", network: "n1" })],
      ["IMMUTABLE_FIELD router-interface.spec.router"],
    ],
    [
      "another network",
      [routerInterface("i11", { router: "r1", network: "n4" })],
      ["IMMUTABLE_FIELD router-interface.spec.network"],
    ],
    [
      "an address outside its subnet",
      [routerInterface("i", { router: "r4", network: "n4", ...given("10.5.0.1", "s4") })],
      ["OUTSIDE_SUBNET router-interface.spec.fixed_ips[0].ip"],
    ],
    [
      "an address of no subnet",
      [routerInterface("i", { router: "r4", network: "n4", ...given("10.5.0.1") })],
      ["OUTSIDE_SUBNET router-interface.spec.fixed_ips[0].ip"],
    ],
    [
      "the broadcast address",
      [routerInterface("i", { router: "r4", network: "n4", ...given("10.4.0.255") })],
      ["INVALID_ADDRESS router-interface.spec.fixed_ips[0].ip"],
    ],
    [
      "two addresses in one subnet",
      [
        routerInterface("i", {
          router: "r4",
          network: "n4",
          fixedIps: [
            { subnet: "s4", ip: "10.4.0.7" },
            { subnet: "s4", ip: "" },
          ],
        }),
      ],
      ["DUPLICATE_IP router-interface.spec.fixed_ips[1]"],
    ],
    [
      "an address that a port has",
      [
        routerInterface("i", {
          router: "r4",
          network: "n1",
          fixedIps: [
            { subnet: "s1", ip: "10.1.0.10" },
            { subnet: "s16", ip: "" },
          ],
        }),
      ],
      ["DUPLICATE_IP router-interface.spec.fixed_ips[0].ip"],
    ],
    [
      "an address that an interface was given",
      [routerInterface("i", { router: "r4", network: "n2", ...given("10.2.0.254") })],
      ["DUPLICATE_IP router-interface.spec.fixed_ips[0].ip"],
    ],
    [
      "an address that an interface has as the gateway",
      [routerInterface("i", { router: "r4", network: "n2", ...given("10.2.0.1") })],
      ["DUPLICATE_IP router-interface.spec.fixed_ips[0].ip"],
    ],
    [
      "a gateway that an interface has",
      [routerInterface("i", { router: "r4", network: "n2" })],
      ["DUPLICATE_IP router-interface.spec.fixed_ips"],
    ],
    [
      "a MAC that a port has",
      [
        routerInterface("i", {
          router: "r4",
          network: "n1",
          mac: "0a:00:00:00:00:01",
          fixedIps: [
            { subnet: "s1", ip: "" },
            { subnet: "s16", ip: "" },
          ],
        }),
      ],
      ["DUPLICATE_MAC router-interface.spec.mac"],
    ],
    [
      "a MAC that an interface has",
      [
        routerInterface("i", {
          router: "r4",
          network: "n1",
          mac: "0a:00:00:00:00:11",
          fixedIps: [
            { subnet: "s1", ip: "" },
            { subnet: "s16", ip: "" },
          ],
        }),
      ],
      ["DUPLICATE_MAC router-interface.spec.mac"],
    ],
    [
      "a multicast MAC",
      [routerInterface("i", { router: "r4", network: "n4", mac: "01:00:5e:00:00:01" })],
      ["INVALID_ADDRESS router-interface.spec.mac"],
    ],
    [
      "a route table that is none",
      [routerInterface("i", { router: "r4", network: "n4", routeTable: 65_536 })],
      ["OUT_OF_BOUNDS router-interface.spec.route_table"],
    ],
    [
      "overlapping prefixes on one router",
      [
        network("o", { id: "o" }),
        subnet("so", { network: "o", cidr: "10.2.0.0/16" }),
        routerInterface("i", { router: "r1", network: "o" }),
      ],
      ["OVERLAPPING_PREFIX subnet.spec.cidr", "OVERLAPPING_PREFIX router-interface.spec.network"],
    ],
    [
      "a subnet that makes prefixes overlap",
      [subnet("new", { network: "n1", cidr: "10.2.0.0/25" })],
      ["OVERLAPPING_PREFIX subnet.spec.cidr"],
    ],
    [
      "a gateway that makes prefixes overlap",
      [
        network("o", { id: "o" }),
        subnet("so", { network: "o", cidr: "10.3.0.0/25" }, { id: "so" }),
        routerInterface("i", { router: "r3", network: "o" }),
      ],
      ["OVERLAPPING_PREFIX subnet.spec.cidr", "OVERLAPPING_PREFIX router-interface.spec.network"],
    ],
    [
      "a prefix that a link has",
      [
        network("o", { id: "o" }),
        subnet("so", { network: "o", cidr: "10.255.0.0/24" }),
        routerInterface("i", { router: "r2", network: "o" }),
      ],
      ["OVERLAPPING_PREFIX subnet.spec.cidr", "OVERLAPPING_PREFIX router-interface.spec.network"],
    ],
    [
      "a prefix that a leak brings",
      [
        network("o", { id: "o" }),
        subnet("so", { network: "o", cidr: "10.9.0.0/16" }),
        routerInterface("i", { router: "r3", network: "o" }),
      ],
      ["OVERLAPPING_PREFIX subnet.spec.cidr", "OVERLAPPING_PREFIX router-interface.spec.network"],
    ],
    [
      "an own address that is a next hop",
      [routerInterface("i11", { router: "r1", network: "n1", ...given("10.1.0.99") })],
      ["IN_USE router-interface.spec.network"],
    ],
    [
      "too many interfaces",
      many(maxInterfacesPerRouter + 1, (i) => [
        network(`m${i}`, { id: `m${i}` }),
        routerInterface(`mi${i}`, { router: "r4", network: `m${i}` }),
      ]).flat(),
      many(200, () => "OVER_LIMIT router-interface.spec.router"),
    ],
  ])("%s", (_, intents, expected) => expectRefused(intents, expected));
});
