// What validation refuses about networks; and what fits into a network's underlay: the MTU asked for against every chassis known, in
// numbers and words.
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { describe, expect, it, test } from "vitest";
import { rowOf } from "../derive/memory-rows.ts";
import { network, provider } from "../store/transactor.fixture.ts";
import { expectRefused } from "./networks.fixture.ts";
import type { RefusedCase } from "./plan.fixture.ts";
import { ObjectProblems, Problems } from "./problems.ts";
import type { NetworkRow } from "./rows.ts";
import { Tables } from "./tables.ts";
import { checkNetworkInPlace } from "./validate-network.ts";

describe("a network is refused for", () => {
  it.each<RefusedCase>([
    [
      "STT",
      [network("x", {}, { encap: EncapType.STT })],
      ["UNSUPPORTED network.spec.overlay.encap"],
    ],
    [
      "another encap",
      [network("n1", {}, { encap: EncapType.VXLAN })],
      ["IMMUTABLE_FIELD network.spec.overlay.encap"],
    ],
    ["another type", [provider("n1", "p", 1)], ["IMMUTABLE_FIELD network.spec.provider"]],
    [
      "another VLAN",
      [provider("phys", "provider", 101)],
      ["IMMUTABLE_FIELD network.spec.provider.vlan"],
    ],
    [
      "a VLAN twice on one physical network",
      [provider("x", "provider", 100)],
      ["DUPLICATE_SEGMENT network.spec.provider.vlan"],
    ],
    [
      "a VLAN that is none",
      [provider("x", "provider", 4095)],
      ["OUT_OF_BOUNDS network.spec.provider.vlan"],
    ],
    [
      "a physical network without a name",
      [provider("x", "", 5)],
      ["INVALID_FIELD network.spec.provider.physical_network"],
    ],
    [
      "a small MTU",
      [network("x", {}, { mtuBytes: 1279 })],
      ["OUT_OF_BOUNDS network.spec.mtu_bytes"],
    ],
    [
      "an MTU that a chassis does not carry",
      [network("x", {}, { mtuBytes: 1535 })],
      ["OUT_OF_BOUNDS network.spec.mtu_bytes"],
    ],
    [
      "a large MTU",
      [network("x", {}, { mtuBytes: 65_001 })],
      ["OUT_OF_BOUNDS network.spec.mtu_bytes"],
    ],
  ])("%s", (_, intents, expected) => expectRefused(intents, expected));
});

const tables = new Tables();
const geneve = (id: string, ip: string, underlayMtuBytes: number) =>
  rowOf.chassis({ id, key: 1, encaps: [{ type: EncapType.GENEVE, ip, underlayMtuBytes }] });
tables.put("chassis", "wide", geneve("wide", "192.0.2.1", 9000));
tables.put("chassis", "narrow", geneve("narrow", "2001:db8::1", 1600));
tables.put("chassis", "silent", geneve("silent", "192.0.2.3", 0));

function said(row: Partial<NetworkRow>, before?: Partial<NetworkRow>): string[] {
  const all = new Problems();
  const of = (more: Partial<NetworkRow>) => rowOf.network({ id: "blue", key: 1, ...more });
  const problems = new ObjectProblems({ all, object: "network blue", at: "network" });
  checkNetworkInPlace(tables, of(row), before && of(before), problems);
  return all.kept.map(({ message }) => message);
}

test("an MTU that some chassis cannot carry names it, both numbers and the largest possible", () => {
  expect(said({ mtuBytes: 1515 })).toEqual([
    "1515 does not fit geneve over chassis narrow (underlay MTU 1600): give at most 1514, or 0 to have it computed",
  ]);
  expect(said({ mtuBytes: 1514 })).toEqual([]);
});

test("a chassis without an endpoint of the encap, or without a known underlay, bounds nothing", () => {
  expect(said({ mtuBytes: 9000, encap: EncapType.VXLAN })).toEqual([]);
  expect(said({ mtuBytes: 9000, encap: null, physicalNetwork: "physnet1" })).toEqual([]);
});

test("an MTU that was taken before a smaller chassis came does not stand in the way of other changes", () => {
  expect(said({ mtuBytes: 8000, name: "renamed" }, { mtuBytes: 8000 })).toEqual([]);
  expect(said({ mtuBytes: 7000 }, { mtuBytes: 8000 })).toHaveLength(1);
});
