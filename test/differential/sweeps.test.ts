// A sweep is sent where one group decides and everything arrives; it finds connections that move, split, are lost or go astray.
import { expect, test } from "vitest";
import {
  inOvn,
  type Known,
  knownOf,
  type Members,
  membersOf,
  SWEEP_FLOWS,
  sweepsOf,
  wrongWith,
} from "./sweeps.ts";
import { port, route, WORLD } from "./topology.fixture.ts";
import { put, without } from "./topology.ts";

const any = [{ ip: "0.0.0.0/0" }, { ip: "::/0" }];
/** t4 has the next hops p3 and p4; p3 may receive for others. */
const ECMP = put(WORLD, port(3, 2, { pairs: any }), port(9, 2, { pairs: any }));
const FEWER = put(ECMP, route("t4", 1, "203.0.113.0/24", ["10.0.2.14"]));

const [[sweep] = []] = sweepsOf([ECMP]);
if (sweep === undefined) throw new Error("nothing to sweep");

test("what is swept, and who its members are", () => {
  expect(sweep).toMatchObject({ group: "t4", packet: { to: "203.0.113.9" } });
  expect(membersOf(ECMP, sweep)).toEqual(members);
  expect(sweepsOf([FEWER])).toEqual([[]]);
  // What had several members once is swept as long as there is one.
  expect(sweepsOf([ECMP, FEWER, without(FEWER, "t4")])).toEqual([[sweep], [sweep], []]);
});

test("no sweep where something is lost on purpose, or another route decides", () => {
  expect(membersOf(put(ECMP, port(3, 2, { pairs: any, up: false })), sweep)).toBeNull();
  const longer = route("t7", 1, "203.0.113.0/25", ["10.0.2.19"]);
  expect(membersOf(put(ECMP, longer), sweep)).toBeNull();
  expect(membersOf(put(ECMP, { ...longer, nextHops: ["10.0.2.13"] }), sweep)).toBeNull();
});

test("OVN delivers to those alone that may receive for others", () => {
  expect(inOvn(ECMP, sweep, members)).toEqual(new Set(["p3", "p4"]));
  expect(membersOf(WORLD, sweep)).toEqual(members);
  expect(inOvn(WORLD, sweep, members)).toEqual(new Set(["p4"]));
});

const members: Members = new Map([
  ["p3", ["10.0.2.13"]],
  ["p4", ["10.0.2.14"]],
]);
const both = (ports: Members) => ({ all: ports, ovn: new Set(ports.keys()) });
/** All arrive, every other one at p4, but for these. */
function seen(...odd: readonly (readonly [number, readonly string[]])[]) {
  const usual = Array.from({ length: SWEEP_FLOWS }, (_, flow) => {
    const at = flow % 2 === 0 ? "p3" : "p4";
    return [flow, [at, at]] as const;
  });
  return new Map<number, readonly string[]>([...usual, ...odd]);
}
const BEFORE: Known = knownOf(members, seen());

test.each<[string, ReturnType<typeof seen>, Known | null, readonly string[]]>([
  ["nothing, the first time", seen(), null, []],
  ["nothing, the second time", seen(), BEFORE, []],
  ["lost", seen([3, []]), null, ["the connection from port 1027 reaches nobody in Weft"]],
  [
    "split",
    seen([3, ["p3", "p4"]]),
    null,
    ["the connection from port 1027 reaches p3 and p4 in Weft"],
  ],
  [
    "astray",
    seen([3, ["p1", "p1"]]),
    null,
    ["the connection from port 1027 reaches p1 in Weft, which is no next hop"],
  ],
  [
    "moved",
    seen([3, ["p3"]]),
    BEFORE,
    [
      "the connection from port 1027 moves from p4 to p3 in Weft, though both were and are next hops",
    ],
  ],
])("what is wrong: %s", (_what, weft, before, expected) => {
  expect(wrongWith(sweep, both(members), { ovn: seen(), weft }, before)).toEqual(expected);
});

test("a member that goes takes its connections along, a new one may take some", () => {
  const all = new Map([...seen()].map(([flow]) => [flow, ["p4", "p4"] as readonly string[]]));
  const one: Members = new Map([["p4", ["10.0.2.14"]]]);
  expect(wrongWith(sweep, both(one), { ovn: all, weft: all }, BEFORE)).toEqual([]);
  expect(wrongWith(sweep, both(one), { ovn: all, weft: seen() }, BEFORE).at(-1)).toMatch(/more$/);
  expect(wrongWith(sweep, both(members), { ovn: seen(), weft: seen() }, knownOf(one, all))).toEqual(
    [],
  );
});

test("of a port with two next hops one may go, or come, and moves connections to others, or from them", () => {
  const two: Members = new Map([...members, ["p4", ["10.0.2.14", "10.0.2.24"]]]);
  const odd = seen([3, ["p3"]]);
  const seenOdd = { ovn: seen(), weft: odd };
  expect(wrongWith(sweep, both(members), seenOdd, knownOf(two, seen()))).toEqual([]);
  expect(wrongWith(sweep, both(two), { ovn: seen(), weft: seen() }, knownOf(members, odd))).toEqual(
    [],
  );
  expect(wrongWith(sweep, both(two), seenOdd, knownOf(members, seen()))).toHaveLength(1);
  expect(wrongWith(sweep, both(two), seenOdd, knownOf(two, seen()))).toHaveLength(1);
});

test("OVN has to use the same members, where ports count for it too", () => {
  const all = new Map([...seen()].map(([flow]) => [flow, ["p4"] as readonly string[]]));
  const text = "OVN uses p4; Weft uses p3, p4";
  expect(wrongWith(sweep, both(members), { ovn: all, weft: seen() }, null)).toEqual([text]);
  const some = { all: members, ovn: new Set(["p4"]) };
  expect(wrongWith(sweep, some, { ovn: all, weft: seen() }, null)).toEqual([]);
  const udp = {
    ...sweep,
    packet: { ...sweep.packet, body: { protocol: 17, fromPort: 1, toPort: 2 } as const },
  };
  expect(wrongWith(udp, both(members), { ovn: all, weft: seen() }, null)).toEqual([]);
});
