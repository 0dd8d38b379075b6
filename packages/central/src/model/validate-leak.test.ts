// What validation refuses about leaks.
import { describe, it } from "vitest";
import { remove } from "../store/transactor.fixture.ts";
import { maxLeaksPerRouter, maxPrefixesPerLeak } from "./limits.ts";
import { leak } from "./plan.fixture.ts";
import { expectRefused, many } from "./routing.fixture.ts";
import type { RefusedCase } from "./routing.fixture.ts";

describe("a leak is refused for", () => {
  it.each<RefusedCase>([
    [
      "a leak without prefixes",
      [leak("new", { from: "x1", to: "r1" })],
      ["MISSING_FIELD route-leak.spec.prefixes"],
    ],
    [
      "a leak to oneself",
      [leak("new", { from: "r1", to: "r1", prefixes: ["10.1.0.0/24"] })],
      ["INVALID_FIELD route-leak.spec.to"],
    ],
    [
      "a leak of no router",
      [leak("new", { from: "no", to: "r1", prefixes: ["10.1.0.0/24"] })],
      ["DANGLING_REFERENCE route-leak.spec.from"],
    ],
    [
      "a leak to another project",
      [leak("new", { from: "r1", to: "x1", prefixes: ["10.1.0.0/24"] })],
      ["DANGLING_REFERENCE route-leak.spec.to"],
    ],
    [
      "a leak that moves",
      [leak("lk", { from: "r1", to: "r3", prefixes: ["10.1.0.0/24"] })],
      ["IMMUTABLE_FIELD route-leak.spec.from", "OUTSIDE_SUBNET route-leak.spec.prefixes"],
    ],
    [
      "a prefix with host bits",
      [leak("new", { from: "x1", to: "r1", prefixes: ["10.9.0.1/25"] })],
      ["INVALID_ADDRESS route-leak.spec.prefixes[0]"],
    ],
    [
      "a prefix that is not connected",
      [leak("new", { from: "x1", to: "r1", prefixes: ["10.8.0.0/24"] })],
      ["OUTSIDE_SUBNET route-leak.spec.prefixes"],
    ],
    [
      "a prefix that is wider than the network",
      [leak("new", { from: "x1", to: "r1", prefixes: ["10.9.0.0/16"] })],
      ["OUTSIDE_SUBNET route-leak.spec.prefixes"],
    ],
    [
      "a prefix of a link",
      [leak("new", { from: "r2", to: "r1", prefixes: ["10.255.0.0/30"] })],
      ["OUTSIDE_SUBNET route-leak.spec.prefixes"],
    ],
    [
      "a prefix of a provider network, where nothing has a location",
      [leak("new", { from: "r1", to: "r3", prefixes: ["192.0.2.0/25"] })],
      ["OUTSIDE_SUBNET route-leak.spec.prefixes"],
    ],
    [
      "a prefix that the other has itself",
      [leak("new", { from: "r1", to: "r2", prefixes: ["10.2.0.0/25"] })],
      ["OVERLAPPING_PREFIX route-leak.spec.prefixes"],
    ],
    [
      "a prefix that comes already",
      [leak("new", { from: "x1", to: "r3", prefixes: ["10.9.0.0/25"] })],
      ["DUPLICATE_ROUTE route-leak.spec.prefixes"],
    ],
    [
      "too many prefixes",
      [
        leak("new", {
          from: "x1",
          to: "r1",
          prefixes: many(maxPrefixesPerLeak + 1, (i) => `10.9.0.${i}/32`),
        }),
      ],
      ["OVER_LIMIT route-leak.spec.prefixes"],
    ],
    [
      "too many leaks",
      many(maxLeaksPerRouter + 1, (i) =>
        leak(`m${i}`, { from: "r1", to: "r4", prefixes: [`10.1.0.${i}/32`] }),
      ),
      many(maxLeaksPerRouter + 1, () => [
        "OVER_LIMIT route-leak.spec.from",
        "OVER_LIMIT route-leak.spec.to",
      ]).flat(),
    ],
    [
      "taking away the prefix of a leak",
      [remove("router-interface", "ixx")].map((intent) => ({ ...intent, project: "other" })),
      ["IN_USE delete"],
    ],
  ])("%s", (_, intents, expected) => expectRefused(intents, expected));
});
