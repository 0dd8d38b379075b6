import type { NetworkConfig } from "@weft/shared/gen/weft/v1/southbound.ts";
import { EncapType, PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { expect, test } from "vitest";
import { localPort as local } from "../southbound/central.fixture.ts";
import type { Underlay } from "./fit.ts";
import { PortTable, type Vif } from "./port-table.ts";

const KEY = "chassis/a/port/7";

const vif: Vif = {
  portId: "web-1",
  name: "tap0",
  ofport: 5,
  linkUp: true,
  mtuBytes: 1442,
  error: "",
};

const underlay: Underlay = {
  chassis: "host-a",
  encaps: [{ type: EncapType.GENEVE, ip: "192.0.2.1", underlayMtuBytes: 1600 }],
  enforceMtu: true,
};

const network: NetworkConfig = {
  networkKey: 3,
  networkId: "blue",
  encap: EncapType.GENEVE,
  physicalNetwork: "",
  vlan: 0,
  mtuBytes: 1442,
  gatewayIps: [],
  gatewayMac: Buffer.alloc(0),
  relayed: false,
  unknownUnicast: false,
};

function states(table: PortTable): string[] {
  return table
    .takeChangedReports()
    .map(({ portId, state, reason }) => `${portId} ${state} ${reason}`.trim());
}

test("a port comes up step by step, and each step is reported once", () => {
  const table = new PortTable(underlay);
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

test("a change of a programmed port does not take it down; a new device or admin up is waited for", () => {
  const table = new PortTable(underlay);
  table.setVif("web-1", vif);
  table.setLocal(KEY, local);
  table.awaitTicket(["web-1"], 1n);
  table.completed(1n, new Map());
  expect(states(table)).toEqual([`web-1 ${PortState.UP}`]);
  table.setLocal(KEY, { ...local, ips: [Buffer.of(10, 0, 0, 9)] });
  table.awaitTicket(["web-1"], 2n);
  expect(states(table)).toEqual([]);
  table.completed(2n, new Map());
  table.setVif("web-1", { ...vif, ofport: 6 });
  table.awaitTicket(["web-1"], 3n);
  expect(states(table)).toEqual([`web-1 ${PortState.PLUGGED} flows are being installed`]);
  table.completed(3n, new Map());
  table.setLocal(KEY, { ...local, adminUp: false });
  table.awaitTicket(["web-1"], 4n);
  table.completed(4n, new Map());
  expect(states(table)).toEqual([`web-1 ${PortState.PROGRAMMED} port is admin down`]);
  table.setLocal(KEY, local);
  table.awaitTicket(["web-1"], 5n);
  expect(states(table)).toEqual([`web-1 ${PortState.PLUGGED} flows are being installed`]);
});

test("an interface that Open vSwitch found fault with is up only when its flows are back", () => {
  const table = new PortTable(underlay);
  table.setLocal(KEY, local);
  table.setVif("web-1", vif);
  table.awaitTicket(["web-1"], 1n);
  table.completed(1n, new Map());
  expect(states(table)).toEqual([`web-1 ${PortState.UP}`]);
  // The engine is told that there is no such interface; it has its port all the same.
  table.setVif("web-1", { ...vif, error: "could not set configuration" });
  table.awaitTicket(["web-1"], 2n);
  table.completed(2n, new Map());
  expect(states(table)).toEqual([
    `web-1 ${PortState.DOWN} interface tap0: could not set configuration`,
  ]);
  table.setVif("web-1", vif);
  table.awaitTicket(["web-1"], 3n);
  expect(states(table)).toEqual([`web-1 ${PortState.PLUGGED} flows are being installed`]);
});

test("a port held before a restart of the agent is not reported down while its flows are compared", () => {
  const table = new PortTable(underlay);
  table.setHeld("web-1", 4n);
  table.setLocal(KEY, local);
  table.setVif("web-1", vif);
  table.awaitTicket(["web-1"], 1n);
  expect(states(table)).toEqual([`web-1 ${PortState.UP}`]);
  table.setVif("web-1", null);
  table.setVif("web-1", vif);
  expect(states(table)).toEqual([`web-1 ${PortState.PLUGGED} flows are being installed`]);
});

test("a failure of the port or of its network keeps it from being programmed, with the reason", () => {
  const table = new PortTable(underlay);
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
  const table = new PortTable(underlay);
  table.setVif("web-1", vif);
  states(table);
  table.setVif("web-1", null);
  expect(states(table)).toEqual([
    `web-1 ${PortState.DOWN} no interface has external_ids:iface-id=web-1: attach one`,
  ]);
  expect([...table.entries()]).toEqual([]);
});

test("a new stream is told everything, with the generation held", () => {
  const table = new PortTable(underlay);
  table.setHeld("web-1", 9n);
  table.setVif("web-1", vif);
  states(table);
  expect(table.takeAllReports().map((r) => [r.portId, r.generation])).toEqual([["web-1", 9n]]);
});

const large: Vif = { ...vif, mtuBytes: 1500 };
const TOO_LARGE =
  "interface tap0 has MTU 1500, the network carries 1442: set the guest and its interface to that";

test("a guest's MTU beyond the network's is refused with both numbers, until it fits", () => {
  const table = new PortTable(underlay);
  table.setVif("web-1", large);
  table.setLocal(KEY, local);
  expect(states(table)).toEqual([`web-1 ${PortState.PLUGGED} ${TOO_LARGE}`]);
  expect([...table.held()]).toEqual([]);
  table.setVif("web-1", vif);
  expect(states(table)).toEqual([`web-1 ${PortState.UP}`]);
  table.setVif("web-1", large);
  expect(states(table)).toEqual([`web-1 ${PortState.PLUGGED} ${TOO_LARGE}`]);
});

test("a barred port is told from others; when it fits again, its flows are waited for", () => {
  const table = new PortTable(underlay);
  table.setHeld("web-1", 4n);
  table.setVif("web-1", vif);
  table.setLocal(KEY, local);
  table.setNetwork(3, { ...network, mtuBytes: 1535 });
  expect(table.isBarred("web-1")).toBe(true);
  expect(table.isBarred("unknown")).toBe(false);
  table.awaitTicket(["web-1"], 1n);
  table.completed(1n, new Map());
  states(table);
  table.setNetwork(3, network);
  expect(table.isBarred("web-1")).toBe(false);
  table.awaitTicket(["web-1"], 2n);
  expect(states(table)).toEqual([`web-1 ${PortState.PLUGGED} flows are being installed`]);
  table.completed(2n, new Map());
  expect(states(table)).toEqual([`web-1 ${PortState.UP}`]);
});

test("a port that is only warned of is not barred", () => {
  const table = new PortTable(underlay);
  table.setHeld("web-1", 4n);
  table.setVif("web-1", large);
  table.setLocal(KEY, local);
  expect(table.isBarred("web-1")).toBe(false);
  expect(states(table)).toEqual([`web-1 ${PortState.UP} ${TOO_LARGE}`]);
});

test("without enforcement it comes UP with a warning", () => {
  const table = new PortTable({ ...underlay, enforceMtu: false });
  table.setVif("web-1", large);
  table.setLocal(KEY, local);
  expect(states(table)).toEqual([`web-1 ${PortState.UP} ${TOO_LARGE}`]);
});

test("a network whose MTU falls takes no port down that was programmed, nor after a restart", () => {
  const table = new PortTable(underlay);
  table.setVif("web-1", large);
  table.setLocal(KEY, { ...local, mtuBytes: 1500 });
  expect(states(table)).toEqual([`web-1 ${PortState.UP}`]);
  table.setLocal(KEY, local);
  expect(states(table)).toEqual([`web-1 ${PortState.UP} ${TOO_LARGE}`]);
  const [held] = [...table.held()];
  const next = new PortTable(underlay);
  next.setHeld(held?.portId ?? "", held?.generation ?? 0n);
  next.setVif("web-1", large);
  next.setLocal(KEY, local);
  expect(states(next)).toEqual([`web-1 ${PortState.UP} ${TOO_LARGE}`]);
  next.setVif("web-1", null);
  next.setVif("web-1", large);
  expect(states(next)).toEqual([`web-1 ${PortState.PLUGGED} ${TOO_LARGE}`]);
});

test("an underlay that cannot carry the network's MTU keeps its ports PLUGGED, programmed or not", () => {
  const table = new PortTable(underlay);
  table.setHeld("web-1", 4n);
  table.setVif("web-1", vif);
  table.setLocal(KEY, local);
  table.setNetwork(3, { ...network, mtuBytes: 1534 });
  expect(states(table)).toEqual([`web-1 ${PortState.UP}`]);
  table.setNetwork(3, { ...network, mtuBytes: 1535 });
  expect(states(table)).toEqual([
    `web-1 ${PortState.PLUGGED} network blue has MTU 1535, geneve over host-a carries 1534 (underlay 1600): raise the underlay's MTU, or lower the network's`,
  ]);
});

test("a network whose encap this chassis has no endpoint of is said with the way out", () => {
  const table = new PortTable(underlay);
  table.setVif("web-1", vif);
  table.setLocal(KEY, local);
  table.setNetwork(3, { ...network, encap: EncapType.VXLAN });
  expect(states(table)).toEqual([
    `web-1 ${PortState.PLUGGED} host-a has no vxlan endpoint: add one to encaps in its agent.yaml`,
  ]);
  // A provider network needs none.
  table.setNetwork(3, { ...network, encap: EncapType.UNSPECIFIED, physicalNetwork: "physnet1" });
  expect(states(table)).toEqual([`web-1 ${PortState.UP}`]);
});
