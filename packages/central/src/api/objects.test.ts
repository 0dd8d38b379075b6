// What is said of a port: why it is not UP with the way out, and of one that is UP why that may not be so any more.

import { ChassisStatus } from "@weft/shared/gen/weft/v1/northbound.ts";
import { expect, test } from "vitest";
import type { LivenessRow } from "../model/rows.ts";
import { worldModel } from "../trace/world.fixture.ts";
import { Objects } from "./objects.ts";
import type { South } from "./south.ts";

function reasonOf(id: string, state: LivenessRow["state"], waitingFor = ""): string {
  const model = worldModel();
  const after = { id: "chassis-b", state };
  const change = { table: "liveness", id: after.id, before: undefined, after } as const;
  model.publish({ revision: 1n, changes: [change] });
  const objects = new Objects({
    model,
    south: { chassisStatus: () => ChassisStatus.fromPartial({ waitingFor }) } as unknown as South,
    statistics: () => ({ total: 0n, used: 0n, quarantined: 0n }),
    portWithIp: () => undefined,
  });
  const port = model.get("port", id);
  if (port === undefined) throw new Error(`no port ${id}`);
  return objects.portReason(port);
}

const gone = "chassis chassis-b is unreachable: see that its agent runs and reaches central";

test("of a port that is UP: a chassis that is not heard of, or waits for something", () => {
  expect(reasonOf("db-1", "alive")).toBe("");
  expect(reasonOf("db-1", "unreachable", "its disk")).toBe(gone);
  expect(reasonOf("db-1", "alive", "its disk")).toBe("chassis chassis-b waits: its disk");
  expect(reasonOf("web-1", "unreachable")).toBe("");
});

test("of a port that is not: its own reason, unless its chassis is not heard of", () => {
  expect(reasonOf("quiet", "alive", "its disk")).toMatch(/no carrier: start the guest$/);
  expect(reasonOf("quiet", "unreachable")).toBe(gone);
  expect(reasonOf("bare", "alive")).toBe("");
});

test("of a port that nobody has any more: which one it is, and what to do", () => {
  const model = worldModel();
  const port = model.get("port", "web-1");
  if (port === undefined) throw new Error("no port web-1");
  const before = model.get("binding", port.id);
  const id = port.id;
  const down = { id: port.id, chassis: "", generation: 2n, state: "down", reason: "" } as const;
  const change = { table: "binding", id, before, after: { ...down, mtuBytes: 0 } } as const;
  model.publish({ revision: 1n, changes: [change] });
  const objects = new Objects({
    model,
    south: {} as South,
    statistics: () => ({ total: 0n, used: 0n, quarantined: 0n }),
    portWithIp: () => undefined,
  });
  expect(objects.portReason(port)).toMatch(
    /^no chassis has plugged port web-1: attach an interface with external_ids:iface-id=/,
  );
});
