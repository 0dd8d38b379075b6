// What a failing case reads like.
import { expect, test } from "vitest";
import { failureText, itemText, topologyText } from "./print.ts";
import { sweepsOf } from "./sweeps.ts";
import { leak, network, port, SHARED, WORLD } from "./topology.fixture.ts";
import { put, type Topology } from "./topology.ts";

test("leaks, flat and shared networks, and ports of other projects", () => {
  expect(itemText(leak("r3", "r1", ["10.0.5.0/24", "fd00:5::/64"]))).toBe(
    "leak l1 from r3 to r1: 10.0.5.0/24, fd00:5::/64",
  );
  const [flat] = network(1, { vlan: 0, shared: false });
  expect(flat === undefined ? "" : itemText(flat)).toBe("network n1 (red): flat, MTU 1400");
  expect(topologyText(SHARED)).toContain("+ network n3 (red): VLAN 101, shared, MTU 1400");
  expect(topologyText(SHARED)).toContain("+ port p8 (blue) in n3 on host 1: ");
});

test("a sweep that went wrong", () => {
  const topology: Topology = put(WORLD, port(3, 2, { pairs: [{ ip: "0.0.0.0/0" }] }));
  const [[sweep] = []] = sweepsOf([topology]);
  if (sweep === undefined) throw new Error("nothing to sweep");
  const case_ = { steps: [{ what: "load", topology, probes: [], sweeps: [sweep] }] };
  const none = { ovn: [], weft: [] };
  const failure = { step: 0, probe: null, sweep: { sweep, wrong: ["it moves"] } };
  const text = failureText(case_, { ...failure, ...none, unexplained: none });
  expect(text.split("\n").slice(-2)).toEqual([
    expect.stringMatching(/^then p1 sends .* > 203\.0\.113\.9, .*1024 flows, chosen by t4:$/),
    "  ! it moves",
  ]);
});
