// What validation refuses about subnets: prefixes, gateways, ranges, and their limits.
import { describe, it } from "vitest";
import { subnet } from "../store/transactor.fixture.ts";
import { maxSubnetsPerNetwork } from "./limits.ts";
import { expectRefused } from "./networks.fixture.ts";
import { many, type RefusedCase } from "./plan.fixture.ts";

describe("a subnet is refused for", () => {
  it.each<RefusedCase>([
    [
      "a subnet of no network",
      [subnet("x", { network: "no", cidr: "10.9.0.0/24" })],
      ["DANGLING_REFERENCE subnet.spec.network"],
    ],
    ["a subnet without a prefix", [subnet("x", {})], ["MISSING_FIELD subnet.spec.cidr"]],
    ["host bits", [subnet("x", { cidr: "10.9.0.1/24" })], ["INVALID_ADDRESS subnet.spec.cidr"]],
    [
      "a multicast prefix",
      [subnet("x", { cidr: "224.0.0.0/24" })],
      ["INVALID_ADDRESS subnet.spec.cidr"],
    ],
    [
      "a prefix that is too wide",
      [subnet("x", { cidr: "16.0.0.0/7" })],
      ["INVALID_ADDRESS subnet.spec.cidr"],
    ],
    ["no prefix at all", [subnet("x", { cidr: "ten" })], ["INVALID_ADDRESS subnet.spec.cidr"]],
    [
      "an overlap",
      [subnet("x", { cidr: "10.0.0.128/25" })],
      ["OVERLAPPING_SUBNET subnet.spec.cidr"],
    ],
    [
      "an overlap inside the set",
      [subnet("x", { cidr: "10.9.0.0/24" }), subnet("y", { cidr: "10.9.0.0/16" })],
      ["OVERLAPPING_SUBNET subnet.spec.cidr", "OVERLAPPING_SUBNET subnet.spec.cidr"],
    ],
    [
      "too many subnets",
      many(maxSubnetsPerNetwork, (i) => subnet(`x${i}`, { cidr: `10.9.${i}.0/24` })),
      many(maxSubnetsPerNetwork, () => "OVER_LIMIT subnet.spec.network").slice(0, 200),
    ],
    [
      "another prefix",
      [subnet("s4", { cidr: "10.1.0.0/24" }, { id: "s4" })],
      ["IMMUTABLE_FIELD subnet.spec.cidr"],
    ],
    [
      "another network",
      [subnet("s4", { network: "n2" }, { id: "s4" })],
      ["IMMUTABLE_FIELD subnet.spec.network"],
    ],
    [
      "a gateway outside",
      [subnet("x", { cidr: "10.9.0.0/24", gatewayIp: "10.8.0.1" })],
      ["INVALID_GATEWAY subnet.spec.gateway_ip"],
    ],
    [
      "the network address as gateway",
      [subnet("x", { cidr: "10.9.0.0/24", gatewayIp: "10.9.0.0" })],
      ["INVALID_GATEWAY subnet.spec.gateway_ip"],
    ],
    [
      "the broadcast address as gateway",
      [subnet("x", { cidr: "10.9.0.0/24", gatewayIp: "10.9.0.255" })],
      ["INVALID_GATEWAY subnet.spec.gateway_ip"],
    ],
    [
      "a gateway and none",
      [subnet("x", { cidr: "10.9.0.0/24", gatewayIp: "10.9.0.1", noGateway: true })],
      ["INVALID_GATEWAY subnet.spec.gateway_ip"],
    ],
    [
      "a gateway that a port has",
      [subnet("s4", { gatewayIp: "10.0.0.10" }, { id: "s4" })],
      ["INVALID_GATEWAY subnet.spec.gateway_ip"],
    ],
    [
      "a range outside",
      [
        subnet("x", {
          cidr: "10.9.0.0/24",
          allocationRanges: [{ first: "10.9.0.5", last: "10.9.1.5" }],
        }),
      ],
      ["OUTSIDE_SUBNET subnet.spec.allocation_ranges[0].last"],
    ],
    [
      "a range backwards",
      [
        subnet("x", {
          cidr: "10.9.0.0/24",
          allocationRanges: [{ first: "10.9.0.9", last: "10.9.0.5" }],
        }),
      ],
      ["INVALID_RANGE subnet.spec.allocation_ranges[0]"],
    ],
    [
      "ranges that overlap",
      [
        subnet("x", {
          cidr: "10.9.0.0/24",
          allocationRanges: [
            { first: "10.9.0.5", last: "10.9.0.9" },
            { first: "10.9.0.9", last: "10.9.0.12" },
          ],
        }),
      ],
      ["INVALID_RANGE subnet.spec.allocation_ranges[1]"],
    ],
    [
      "something reserved outside",
      [subnet("x", { cidr: "10.9.0.0/24", reserved: ["10.8.0.0/30"] })],
      ["OUTSIDE_SUBNET subnet.spec.reserved[0]"],
    ],
    [
      "EUI-64 without a /64",
      [subnet("x", { cidr: "fd09::/80", ipv6Allocation: "eui64" })],
      ["INVALID_FIELD subnet.spec.ipv6_allocation"],
    ],
    [
      "EUI-64 on IPv4",
      [subnet("x", { cidr: "10.9.0.0/24", ipv6Allocation: "eui64" })],
      ["INVALID_FIELD subnet.spec.ipv6_allocation"],
    ],
  ])("%s", (_, intents, expected) => expectRefused(intents, expected));
});
