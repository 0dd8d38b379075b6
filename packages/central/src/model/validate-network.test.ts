// What fits into a network's underlay: the MTU asked for against every chassis known, in numbers and words.
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { expect, test } from "vitest";
import { rowOf } from "../derive/memory-rows.ts";
import { ObjectProblems, Problems } from "./problems.ts";
import type { NetworkRow } from "./rows.ts";
import { Tables } from "./tables.ts";
import { checkNetworkInPlace } from "./validate-network.ts";

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
