// What validation refuses about policy routes.
import { describe, it } from "vitest";
import { maxPoliciesPerRouter, maxPortRanges } from "./limits.ts";
import { policy } from "./plan.fixture.ts";
import { drop, expectRefused, many, match, reroute } from "./routing.fixture.ts";
import type { RefusedCase } from "./routing.fixture.ts";

describe("a policy is refused for", () => {
  it.each<RefusedCase>([
    ["a policy without an action", [match({ action: null })], ["MISSING_FIELD policy-route.spec"]],
    [
      "a policy of no router",
      [policy("new", { router: "no", action: drop })],
      ["DANGLING_REFERENCE policy-route.spec.router"],
    ],
    [
      "a policy that moves",
      [policy("pol", { router: "r2", action: drop })],
      ["IMMUTABLE_FIELD policy-route.spec.router"],
    ],
    ["priority 0", [match({ priority: 0 })], ["OUT_OF_BOUNDS policy-route.spec.priority"]],
    [
      "a priority that is too high",
      [match({ priority: 32_768 })],
      ["OUT_OF_BOUNDS policy-route.spec.priority"],
    ],
    [
      "a priority twice",
      [match({ priority: 100 })],
      ["DUPLICATE_PRIORITY policy-route.spec.priority"],
    ],
    [
      "a source with host bits",
      [match({ priority: 7, source: "10.0.0.1/8" })],
      ["INVALID_ADDRESS policy-route.spec.source"],
    ],
    [
      "mixed families",
      [match({ priority: 7, source: "10.0.0.0/8", destination: "fd00::/8" })],
      ["MIXED_FAMILIES policy-route.spec.destination"],
    ],
    [
      "next hops of another family than the match",
      [match({ priority: 7, source: "fd00::/8", action: reroute("10.1.0.99") })],
      ["MIXED_FAMILIES policy-route.spec.reroute.next_hops"],
    ],
    [
      "next hops of two families",
      [match({ priority: 7, action: reroute("10.1.0.99", "fd01::99") })],
      ["MIXED_FAMILIES policy-route.spec.reroute.next_hops"],
    ],
    [
      "a protocol that is none",
      [match({ priority: 7, protocol: 256 })],
      ["OUT_OF_BOUNDS policy-route.spec.protocol"],
    ],
    [
      "ports without a protocol",
      [match({ priority: 7, destinationPorts: [{ first: 80, last: 80 }] })],
      ["INVALID_FIELD policy-route.spec.destination_ports"],
    ],
    [
      "ports of ICMP",
      [match({ priority: 7, protocol: 1, sourcePorts: [{ first: 80, last: 80 }] })],
      ["INVALID_FIELD policy-route.spec.source_ports"],
    ],
    [
      "too many ranges",
      [
        match({
          priority: 7,
          protocol: 6,
          sourcePorts: many(maxPortRanges + 1, (i) => ({ first: 2 * i, last: 2 * i })),
        }),
      ],
      ["OVER_LIMIT policy-route.spec.source_ports"],
    ],
    [
      "a range backwards",
      [match({ priority: 7, protocol: 17, sourcePorts: [{ first: 9, last: 8 }] })],
      ["INVALID_RANGE policy-route.spec.source_ports[0]"],
    ],
    [
      "a range beyond",
      [match({ priority: 7, protocol: 132, sourcePorts: [{ first: 9, last: 65_536 }] })],
      ["INVALID_RANGE policy-route.spec.source_ports[0]"],
    ],
    [
      "ranges that overlap",
      [
        match({
          priority: 7,
          protocol: 6,
          sourcePorts: [
            { first: 9, last: 20 },
            { first: 1, last: 9 },
          ],
        }),
      ],
      ["INVALID_RANGE policy-route.spec.source_ports[1]"],
    ],
    [
      "an ingress network that is not there",
      [match({ priority: 7, ingressNetwork: "no" })],
      ["DANGLING_REFERENCE policy-route.spec.ingress_network"],
    ],
    [
      "an ingress network without an interface",
      [match({ priority: 7, ingressNetwork: "n3" })],
      ["DANGLING_REFERENCE policy-route.spec.ingress_network"],
    ],
    [
      "a reroute to nobody",
      [match({ priority: 7, action: reroute() })],
      ["MISSING_FIELD policy-route.spec.reroute.next_hops"],
    ],
    [
      "a reroute off-link",
      [match({ priority: 7, action: reroute("10.99.0.1") })],
      ["INVALID_NEXT_HOP policy-route.spec.reroute.next_hops[0].ip"],
    ],
    [
      "too many policies",
      many(maxPoliciesPerRouter + 1, (i) =>
        policy(`m${i}`, { router: "r4", priority: i + 1, action: drop }),
      ),
      many(200, () => "OVER_LIMIT policy-route.spec.router"),
    ],
  ])("%s", (_, intents, expected) => expectRefused(intents, expected));
});
