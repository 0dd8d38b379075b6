// Two chassis that host a port each on one network, connected and in sync, and the edits that tests make. Test support.

import { expect } from "vitest";
import { FakeClock } from "../../../../test/fakes/clock.ts";
import { type RowEdit, rowOf } from "../derive/memory-rows.ts";
import type { FakeAgent } from "./agent.fixture.ts";
import { settle, World, type WorldOptions } from "./world.fixture.ts";

export const network = (id: string, key: number): RowEdit => ({
  table: "network",
  id,
  row: rowOf.network({ id, key }),
});

export function port(key: number, chassis: string | null, on = "net"): RowEdit {
  const id = `port-${key}`;
  return {
    table: "port",
    id,
    row: rowOf.port({ id, key, network: on, requestedChassis: chassis }),
  };
}

export async function start(options: Partial<WorldOptions> = {}) {
  const clock = new FakeClock();
  const world = new World({ clock, ...options });
  const a = world.agent("chassis-1");
  const b = world.agent("chassis-2");
  await a.connect();
  await b.connect();
  world.commit([network("net", 7), port(1, "chassis-1"), port(2, "chassis-2")]);
  a.plugged.set("port-1", 0n);
  b.plugged.set("port-2", 0n);
  await settle([a, b]);
  await a.report(true);
  await b.report(true);
  await settle([a, b]);
  return { clock, world, a, b };
}

export const boundTo = (world: World, chassis: string): number =>
  world.bindings.snapshot().filter((row) => row.chassis === chassis).length;

export const inSyncWith = (world: World, agent: FakeAgent): void => {
  expect(agent.held).toEqual(world.expected(agent.chassis));
};
