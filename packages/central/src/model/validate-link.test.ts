// What validation refuses about links between routers.
import { describe, it } from "vitest";
import { maxAddressesPerLinkEnd, maxLinksPerRouter } from "./limits.ts";
import { link, linked, router } from "./plan.fixture.ts";
import { expectRefused, many } from "./routing.fixture.ts";
import type { RefusedCase } from "./routing.fixture.ts";

describe("a link is refused for", () => {
  it.each<RefusedCase>([
    [
      "a link without ends",
      [link("new")],
      ["MISSING_FIELD router-link.spec.first", "MISSING_FIELD router-link.spec.second"],
    ],
    [
      "a link without addresses",
      [linked("new", ["r1", "r4"], [])],
      [
        "MISSING_FIELD router-link.spec.first.addresses",
        "MISSING_FIELD router-link.spec.second.addresses",
      ],
    ],
    [
      "a link to oneself",
      [linked("new", ["r4", "r4"], [["10.254.0.1/30", "10.254.0.2/30"]])],
      ["INVALID_FIELD router-link.spec.second.router"],
    ],
    [
      "a link across projects",
      [linked("new", ["r4", "x1"], [["10.254.0.1/30", "10.254.0.2/30"]])],
      ["DANGLING_REFERENCE router-link.spec.second.router"],
    ],
    [
      "a link that moves",
      [linked("l23", ["r2", "r4"], [["10.255.0.1/30", "10.255.0.2/30"]])],
      ["IMMUTABLE_FIELD router-link.spec.second.router"],
    ],
    [
      "prefixes that differ",
      [linked("new", ["r1", "r4"], [["10.254.0.1/30", "10.254.0.6/30"]])],
      ["MISSING_FIELD router-link.spec.second.addresses"],
    ],
    [
      "lengths that differ",
      [linked("new", ["r1", "r4"], [["10.254.0.1/30", "10.254.0.2/29"]])],
      ["MISSING_FIELD router-link.spec.second.addresses"],
    ],
    [
      "the same address twice",
      [linked("new", ["r1", "r4"], [["10.254.0.1/30", "10.254.0.1/30"]])],
      ["DUPLICATE_IP router-link.spec.second.addresses"],
    ],
    [
      "an address without a length",
      [linked("new", ["r1", "r4"], [["10.254.0.1", "10.254.0.2/30"]])],
      [
        "INVALID_ADDRESS router-link.spec.first.addresses[0]",
        "MISSING_FIELD router-link.spec.first.addresses",
      ],
    ],
    [
      "a broadcast address at a link",
      [linked("new", ["r1", "r4"], [["10.254.0.1/30", "10.254.0.3/30"]])],
      ["INVALID_ADDRESS router-link.spec.second.addresses[0]"],
    ],
    [
      "a link-local prefix",
      [linked("new", ["r1", "r4"], [["fe80::1/64", "fe80::2/64"]])],
      [
        "INVALID_ADDRESS router-link.spec.first.addresses[0]",
        "INVALID_ADDRESS router-link.spec.second.addresses[0]",
      ],
    ],
    [
      "an IPv4 link-local prefix",
      [linked("new", ["r1", "r4"], [["169.254.9.1/30", "169.254.9.2/30"]])],
      [
        "INVALID_ADDRESS router-link.spec.first.addresses[0]",
        "INVALID_ADDRESS router-link.spec.second.addresses[0]",
      ],
    ],
    [
      "two prefixes of a link that overlap",
      [
        linked(
          "new",
          ["r1", "r4"],
          [
            ["10.254.0.1/30", "10.254.0.2/30"],
            ["10.254.0.9/24", "10.254.0.10/24"],
          ],
        ),
      ],
      [
        "OVERLAPPING_PREFIX router-link.spec.first.addresses[1]",
        "OVERLAPPING_PREFIX router-link.spec.second.addresses[1]",
        "OVERLAPPING_PREFIX router-link.spec.first.addresses",
        "OVERLAPPING_PREFIX router-link.spec.second.addresses",
      ],
    ],
    [
      "a link that overlaps a network",
      [linked("new", ["r4", "r1"], [["10.1.0.5/30", "10.1.0.6/30"]])],
      ["OVERLAPPING_PREFIX router-link.spec.second.addresses"],
    ],
    [
      "too many addresses at an end",
      [
        linked(
          "new",
          ["r1", "r4"],
          many(
            maxAddressesPerLinkEnd + 1,
            (i) => [`10.200.${i}.1/30`, `10.200.${i}.2/30`] as const,
          ),
        ),
      ],
      [
        "OVER_LIMIT router-link.spec.first.addresses",
        "OVER_LIMIT router-link.spec.second.addresses",
      ],
    ],
    [
      "too many links",
      many(maxLinksPerRouter + 1, (i) => [
        router(`m${i}`),
        linked(`ml${i}`, ["r4", `m${i}`], [[`10.200.${i}.1/30`, `10.200.${i}.2/30`]]),
      ]).flat(),
      many(maxLinksPerRouter + 1, () => "OVER_LIMIT router-link.spec.first.router"),
    ],
  ])("%s", (_, intents, expected) => expectRefused(intents, expected));
});
