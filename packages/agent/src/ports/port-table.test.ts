import type { LocalPort } from "@weft/shared/gen/weft/v1/southbound.ts";
import { PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { expect, test } from "vitest";
import { PortTable, type Vif } from "./port-table.ts";

const KEY = "chassis/a/port/7";

const local: LocalPort = {
  portId: "web-1",
  portKey: 7,
  networkKey: 3,
  mac: Buffer.from("020000000001", "hex"),
  ips: [],
  allowedPairs: [],
  adminUp: true,
  portSecurity: true,
  generation: 4n,
  mtuBytes: 1442,
};

const vif: Vif = {
  portId: "web-1",
  name: "tap0",
  ofport: 5,
  linkUp: true,
  mtuBytes: 1442,
  error: "",
};

function states(table: PortTable): string[] {
  return table
    .takeChangedReports()
    .map(({ portId, state, reason }) => `${portId} ${state} ${reason}`.trim());
}

test("a port comes up step by step, and each step is reported once", () => {
  const table = new PortTable();
  table.setVif("web-1", vif);
  expect(states(table)).toEqual([
    `web-1 ${PortState.PLUGGED} waiting for central to place the port here`,
  ]);
  table.setLocal(KEY, local);
  table.awaitTicket(["web-1"], 3n);
  expect(states(table)).toEqual([`web-1 ${PortState.PLUGGED} flows are being installed`]);
  table.completed(2n, new Map());
  expect(states(table)).toEqual([]);
  table.completed(3n, new Map());
  expect(table.takeChangedReports()).toEqual([
    { portId: "web-1", state: PortState.UP, reason: "", generation: 4n, mtuBytes: 1442 },
  ]);
});

test("a failure of the port or of its network keeps it from being programmed, with the reason", () => {
  const table = new PortTable();
  table.setVif("web-1", vif);
  table.setLocal(KEY, local);
  table.completed(1n, new Map([["network/3/config", "no bridge for physnet1"]]));
  expect(states(table)).toEqual([`web-1 ${PortState.PLUGGED} no bridge for physnet1`]);
  table.completed(2n, new Map());
  expect(states(table)).toEqual([`web-1 ${PortState.UP}`]);
  table.completed(3n, new Map([[KEY, "two ports want one flow"]]));
  expect(states(table)).toEqual([`web-1 ${PortState.PLUGGED} two ports want one flow`]);
});

test("a port that goes is reported down once and then forgotten", () => {
  const table = new PortTable();
  table.setVif("web-1", vif);
  states(table);
  table.setVif("web-1", null);
  expect(states(table)).toEqual([
    `web-1 ${PortState.DOWN} no interface with this iface-id on the chassis`,
  ]);
  expect([...table.entries()]).toEqual([]);
});

test("a new stream is told everything, with the generation held", () => {
  const table = new PortTable();
  table.setHeld("web-1", 9n);
  table.setVif("web-1", vif);
  states(table);
  expect(table.takeAllReports().map((r) => [r.portId, r.generation])).toEqual([["web-1", 9n]]);
});

test("a guest's MTU beyond the network's is said", () => {
  const table = new PortTable();
  table.setVif("web-1", { ...vif, mtuBytes: 1500 });
  table.setLocal(KEY, local);
  expect(states(table)[0]).toContain("MTU 1500");
});
