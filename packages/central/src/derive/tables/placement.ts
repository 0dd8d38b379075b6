// placement: which chassis is to host a port: the requested one, else the one whose binding it is. Intermediate.

import type { DerivedTable } from "../spec.ts";

export const placement: DerivedTable<"placement"> = {
  name: "placement",
  sources: [{ table: "port", keys: (id) => [id] }],
  derive(read, id) {
    const port = read.row("port", id);
    if (port === undefined) return undefined;
    const chassis = port.requestedChassis ?? (read.row("binding", id)?.chassis || null);
    const network = read.row("network", port.network);
    if (chassis === null || network === undefined) return undefined;
    return {
      chassis,
      network: network.id,
      networkKey: network.key,
      portKey: port.key,
      project: port.project,
    };
  },
  equal: (a, b) =>
    a.chassis === b.chassis &&
    a.network === b.network &&
    a.networkKey === b.networkKey &&
    a.portKey === b.portKey &&
    a.project === b.project,
};
