// What validation refuses about static routes.
import { describe, it } from "vitest";
import { maxNextHops, maxRoutesPerRouter } from "./limits.ts";
import { linked, route } from "./plan.fixture.ts";
import { expectRefused, many, to } from "./routing.fixture.ts";
import type { RefusedCase } from "./routing.fixture.ts";

describe("a route is refused for", () => {
  it.each<RefusedCase>([
    [
      "a route without a router",
      [route("new", { router: "", destination: "10.0.0.0/8", blackhole: true })],
      ["MISSING_FIELD route.spec.router"],
    ],
    [
      "a route of another project's router",
      [route("new", { router: "x1", destination: "10.0.0.0/8", blackhole: true })],
      ["DANGLING_REFERENCE route.spec.router"],
    ],
    [
      "a route without a destination",
      [to("", "10.2.0.254")],
      ["MISSING_FIELD route.spec.destination"],
    ],
    ["no prefix at all", [to("ten", "10.2.0.254")], ["INVALID_ADDRESS route.spec.destination"]],
    ["host bits", [to("10.7.0.1/24", "10.2.0.254")], ["INVALID_ADDRESS route.spec.destination"]],
    [
      "a multicast destination",
      [to("239.0.0.0/8", "10.2.0.254")],
      ["INVALID_ADDRESS route.spec.destination"],
    ],
    [
      "a link-local destination",
      [to("fe80::/64", "fd01::5")],
      ["INVALID_ADDRESS route.spec.destination"],
    ],
    [
      "a destination twice",
      [to("10.3.0.0/24", "10.1.0.99")],
      ["DUPLICATE_ROUTE route.spec.destination"],
    ],
    [
      "a destination twice in the set",
      [
        to("10.7.0.0/24", "10.1.0.99"),
        route("new2", { router: "r1", destination: "10.7.0.0/24", blackhole: true }),
      ],
      ["DUPLICATE_ROUTE route.spec.destination", "DUPLICATE_ROUTE route.spec.destination"],
    ],
    [
      "another destination",
      [route("to3", { router: "r1", destination: "10.7.0.0/24", nextHops: ["10.2.0.254"] })],
      ["IMMUTABLE_FIELD route.spec.destination"],
    ],
    [
      "another table",
      [route("to3", { router: "r1", table: 1, nextHops: ["10.2.0.254"] })],
      ["IMMUTABLE_FIELD route.spec.table"],
    ],
    [
      "a route that moves to another router",
      [route("to3", { router: "r2", nextHops: ["10.2.0.1"] })],
      ["IMMUTABLE_FIELD route.spec.router", "INVALID_NEXT_HOP route.spec.next_hops[0].ip"],
    ],
    [
      "a table that is none",
      [route("new", { router: "r1", table: 65_536, destination: "10.7.0.0/24", blackhole: true })],
      ["OUT_OF_BOUNDS route.spec.table"],
    ],
    ["no next hop", [to("10.7.0.0/24")], ["MISSING_FIELD route.spec.next_hops"]],
    [
      "a blackhole with next hops",
      [
        route("new", {
          router: "r1",
          destination: "10.7.0.0/24",
          nextHops: ["10.2.0.254"],
          blackhole: true,
        }),
      ],
      ["INVALID_FIELD route.spec.next_hops"],
    ],
    [
      "too many next hops",
      [to("10.7.0.0/24", ...many(maxNextHops + 1, (i) => `10.2.0.${i + 10}`))],
      ["OVER_LIMIT route.spec.next_hops"],
    ],
    [
      "a next hop that is no address",
      [to("10.7.0.0/24", "ten")],
      ["INVALID_ADDRESS route.spec.next_hops[0].ip"],
    ],
    [
      "a next hop twice",
      [to("10.7.0.0/24", "10.2.0.254", "10.2.0.254")],
      ["DUPLICATE_IP route.spec.next_hops[1].ip"],
    ],
    [
      "a next hop off-link",
      [to("10.7.0.0/24", "10.99.0.1")],
      ["INVALID_NEXT_HOP route.spec.next_hops[0].ip"],
    ],
    [
      "a next hop off-link of several",
      [to("10.7.0.0/24", "10.2.0.254", "10.99.0.1")],
      ["INVALID_NEXT_HOP route.spec.next_hops"],
    ],
    [
      "a next hop that is the router's own",
      [to("10.7.0.0/24", "10.2.0.1")],
      ["INVALID_NEXT_HOP route.spec.next_hops[0].ip"],
    ],
    [
      "a next hop that is a broadcast address",
      [to("10.7.0.0/24", "10.2.0.255")],
      ["INVALID_NEXT_HOP route.spec.next_hops[0].ip"],
    ],
    [
      "a next hop of the other family",
      [to("fd07::/64", "10.2.0.254")],
      ["MIXED_FAMILIES route.spec.next_hops"],
    ],
    [
      "a loop",
      [
        route("back", { router: "r3", destination: "10.7.0.0/24", nextHops: ["10.255.0.1"] }),
        route("forth", { router: "r2", destination: "10.7.0.0/24", nextHops: ["10.255.0.2"] }),
      ],
      ["ROUTING_LOOP route.spec.next_hops", "ROUTING_LOOP route.spec.next_hops"],
    ],
    [
      "a loop of three by one member of each",
      [
        to("0.0.0.0/0", "10.1.0.99", "10.2.0.254"),
        route("two", { router: "r2", destination: "0.0.0.0/0", nextHops: ["10.255.0.2"] }),
        route("three", { router: "r3", destination: "0.0.0.0/0", nextHops: ["10.255.9.1"] }),
        linked("l31", ["r3", "r1"], [["10.255.9.2/30", "10.255.9.1/30"]]),
      ],
      [
        "ROUTING_LOOP router-link.spec.second.addresses",
        "ROUTING_LOOP route.spec.next_hops",
        "ROUTING_LOOP route.spec.next_hops",
        "ROUTING_LOOP route.spec.next_hops",
      ].sort(),
    ],
    [
      "too many routes",
      many(maxRoutesPerRouter + 1, (i) =>
        route(`m${i}`, {
          router: "r4",
          destination: `10.${i >> 8}.${i & 255}.0/24`,
          blackhole: true,
        }),
      ),
      many(200, () => "OVER_LIMIT route.spec.router"),
    ],
  ])("%s", (_, intents, expected) => expectRefused(intents, expected));
});
