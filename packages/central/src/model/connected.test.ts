// What validation refuses of ports, subnets and networks that meet routers, and of deleting what routing needs.
import { describe, it } from "vitest";
import { network, port, provider, remove, subnet } from "../store/transactor.fixture.ts";
import { maxConnectedPerRouter } from "./limits.ts";
import { route, routerInterface } from "./plan.fixture.ts";
import { expectRefused, given, many, other } from "./routing.fixture.ts";
import type { RefusedCase } from "./routing.fixture.ts";

describe("beside routers a set is refused for", () => {
  it.each<RefusedCase>([
    [
      "a port with a given address of a router",
      [port("x", { network: "n2", ...given("10.2.0.254") })],
      ["DUPLICATE_IP port.spec.fixed_ips[0].ip"],
    ],
    [
      "a port with a router's MAC",
      [port("x", { network: "n1", mac: "0a:00:00:00:00:11" })],
      ["DUPLICATE_MAC port.spec.mac"],
    ],
    [
      "more prefixes than a router may be connected to",
      [
        ...many(5, (i) => network(`m${i}`, { id: `m${i}` })),
        ...many(5, (i) => routerInterface(`mi${i}`, { router: "r4", network: `m${i}` })),
        ...many(maxConnectedPerRouter + 1, (i) =>
          subnet(`ms${i}`, {
            network: `m${i % 5}`,
            cidr: `172.${16 + (i >> 8)}.${i & 255}.0/24`,
          }),
        ),
      ],
      many(5, () => "OVER_LIMIT router-interface.spec.network")
        .concat(many(200, () => "OVER_LIMIT subnet.spec.cidr"))
        .slice(0, 200),
    ],
    [
      "a port with a chassis' MAC",
      [port("x", { network: "n1", mac: "0e:57:00:00:00:11" })],
      ["INVALID_ADDRESS port.spec.mac"],
    ],
    [
      "a gateway that another interface was given",
      [subnet("s2", { network: "n2", gatewayIp: "10.2.0.254" }, { id: "s2" })],
      ["INVALID_GATEWAY subnet.spec.gateway_ip", "IN_USE subnet.spec.gateway_ip"],
    ],
    [
      "a subnet whose gateway two routers would have",
      [subnet("new", { network: "n2", cidr: "10.20.0.0/24" })],
      ["INVALID_GATEWAY subnet.spec.gateway_ip"],
    ],
    [
      "a gateway that routes of joined routers need",
      [
        route("r", { router: "r2", destination: "10.1.0.0/24", nextHops: ["10.2.0.1"] }),
        subnet("s2", { network: "n2", gatewayIp: "10.2.0.7" }, { id: "s2" }),
      ],
      ["IN_USE subnet.spec.gateway_ip"],
    ],
    [
      "a gateway taken from a subnet that routes need",
      [subnet("s2", { network: "n2", noGateway: true }, { id: "s2" })],
      ["IN_USE subnet.spec.gateway_ip"],
    ],
    [
      "sharing that ends while others use it",
      [provider("ext", "physical", 100, { id: "ext" })],
      ["IN_USE network.spec.provider.shared"],
    ],
    [
      "a subnet in a shared network of another project",
      [subnet("new", { network: "ext", cidr: "198.51.100.0/24" }, other)],
      ["DANGLING_REFERENCE subnet.spec.network"],
    ],
    ["deleting a router in use", [remove("router", "r1")], ["IN_USE delete"]],
    [
      "deleting a router with a leak alone",
      [
        remove("router", "x1"),
        remove("router-interface", "ixx"),
        remove("router-interface", "ixe"),
      ].map((intent) => ({ ...intent, project: "other" })),
      ["IN_USE delete", "IN_USE delete"],
    ],
    [
      "deleting an interface that a route needs",
      [remove("router-interface", "i12")],
      ["IN_USE delete"],
    ],
    [
      "deleting an interface that a policy names",
      [remove("router-interface", "i11")],
      ["IN_USE delete"],
    ],
    [
      "deleting an interface that a joined router's route needs",
      [remove("router-interface", "i22")],
      ["IN_USE delete"],
    ],
    ["deleting a link that a route needs", [remove("router-link", "l23")], ["IN_USE delete"]],
    [
      "deleting a subnet that a route needs",
      [remove("subnet", "s2"), remove("router-interface", "i22")],
      ["IN_USE delete"],
    ],
    [
      "a leaked prefix that goes over to a provider network",
      [
        remove("subnet", "sx"),
        remove("router-interface", "ixx"),
        provider("prov", "physical", 102, { id: "prov", ...other }),
        subnet("sp", { network: "prov", cidr: "10.9.0.0/24" }, other),
        routerInterface("ixp", { router: "x1", network: "prov" }, other),
      ].map((intent) => ({ ...intent, project: "other" })),
      ["IN_USE delete"],
    ],
    ["deleting a subnet with a given address", [remove("subnet", "s3")], ["IN_USE delete"]],
    [
      "deleting a network with an interface",
      [remove("network", "n3"), remove("subnet", "s3")],
      ["IN_USE delete", "IN_USE delete"],
    ],
  ])("%s", (_, intents, expected) => expectRefused(intents, expected));
});
