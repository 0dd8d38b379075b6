// The agent's schema: which encaps a chassis may have, and what is said about the one that it may not.

import { expect, test } from "vitest";
import { agentConfigSchema, encapTypeOf } from "./config.ts";

const parse = (encaps: unknown) =>
  agentConfigSchema.safeParse({
    chassis: "hv1",
    central: { address: "localhost:7641", plaintext: true },
    encaps,
  });

test("every encap that is accepted has a type", () => {
  for (const type of ["geneve", "vxlan", "gre"] as const) {
    const parsed = parse([{ type, ip: "192.0.2.1" }]);
    expect(parsed.success).toBe(true);
    expect(encapTypeOf(type)).toBeGreaterThan(0);
  }
});

test("stt is refused by name and the way out is told, another word by the list", () => {
  const messages = (type: string) =>
    parse([{ type, ip: "192.0.2.1" }]).error?.issues.map(
      ({ path, message }) => `${path.join(".")}: ${message}`,
    );
  expect(messages("stt")).toEqual([
    "encaps.0.type: stt cannot carry a network: Open vSwitch passes none of its packets; use geneve",
  ]);
  expect(messages("lisp")?.join()).toMatch(/^encaps\.0\.type: .*"geneve".*"vxlan".*"gre"$/);
});
