// Networks that cannot relay end at their limit of chassis: the first that come keep working, and who leaves makes room.
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { expect, test } from "vitest";
import { MAX_FLOOD_CHASSIS } from "../derive/flood-limit.ts";
import { MemoryRows, type RowEdit, rowOf } from "../derive/memory-rows.ts";
import type { BindingState } from "../model/rows.ts";
import { Placement } from "./placement.ts";

/** One port for each of `MAX_FLOOD_CHASSIS + 2` chassis; those of the first 200 are UP. */
function setup(encap: EncapType) {
  const rows = new MemoryRows();
  const edits: RowEdit[] = [
    { table: "network", id: "net", row: rowOf.network({ id: "net", key: 1, encap }) },
  ];
  for (let key = 1; key <= MAX_FLOOD_CHASSIS + 2; key++) {
    const id = `p${key}`;
    edits.push({ table: "port", id, row: rowOf.port({ id, key, network: "net" }) });
  }
  rows.edit(1n, edits);
  const placement = new Placement({ rows, reachable: () => true });
  const says = (port: number, chassis: number, state: BindingState = "up") => {
    const told = { state, reason: "", generation: 0n, mtuBytes: 0 };
    return placement.report(`c${chassis}`, [{ portId: `p${port}`, ...told }], false);
  };
  for (let key = 1; key <= MAX_FLOOD_CHASSIS; key++) expect(says(key, key)).toEqual([]);
  return {
    rows,
    placement,
    says,
    chassisOf: (port: number) => placement.table.get(`p${port}`)?.chassis,
  };
}

test.each([EncapType.VXLAN, EncapType.GRE])("encap %s: one chassis more is refused", (encap) => {
  const { placement, says, chassisOf } = setup(encap);
  const why =
    "network net has ports on 200 chassis, and only geneve floods to more than 200: plug it on one of those, or use a geneve network";
  expect(says(201, 201)).toEqual([{ port: "p201", chassis: "c201", reason: why }]);
  expect(placement.table.get("p201")).toMatchObject({
    ...{ chassis: "", state: "down" },
    reason: `plugged on c201, but ${why}`,
  });
  // Those that are in stay and take more.
  expect(says(7, 7)).toEqual([]);
  expect(says(202, 7)).toEqual([]);
  expect(chassisOf(202)).toBe("c7");
});

test("a chassis that leaves makes room for one that was refused", () => {
  const { rows, placement, says, chassisOf } = setup(EncapType.VXLAN);
  says(201, 201);
  says(202, 202);
  says(9, 9, "down");
  expect([chassisOf(201), chassisOf(202)]).toEqual(["c201", ""]);
  const port = rows.get("port", "p10");
  rows.edit(2n, [{ table: "port", id: "p10", row: undefined }]);
  placement.portChanged(port, undefined);
  expect([chassisOf(201), chassisOf(202)]).toEqual(["c201", "c202"]);
  // Full again.
  expect(says(9, 9)).toHaveLength(1);
});

test("geneve relays and has no such limit", () => {
  const { says, chassisOf } = setup(EncapType.GENEVE);
  expect(says(201, 201)).toEqual([]);
  expect(chassisOf(201)).toBe("c201");
});

test("bindings of a checkpoint count", () => {
  const { rows, placement } = setup(EncapType.VXLAN);
  const next = new Placement({ rows, reachable: () => true });
  next.load([...placement.table.values()]);
  const told = { state: "up", reason: "", generation: 0n, mtuBytes: 0 } as const;
  expect(next.report("c201", [{ portId: "p201", ...told }], false)).toHaveLength(1);
});
