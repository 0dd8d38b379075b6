// located: where a port can be reached. A row exists once the chassis that is to host the port reported PROGRAMMED and, on an
// overlay, has an endpoint of its encapsulation; and while the port is administratively up: one that is down is not there to
// others, who do not answer for its addresses, do not route to them and choose other next hops. Ports of provider networks are
// found on the wire: they have no endpoint, and of what reads this table only neighbour takes them, and address-owner what they
// claimed. Intermediate.

import type { BindingState } from "../../model/rows.ts";
import { vtepOf } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

const REACHABLE: Readonly<Record<BindingState, boolean>> = {
  down: false,
  plugged: false,
  programmed: true,
  up: true,
};

export const located: DerivedTable<"located"> = {
  name: "located",
  sources: [{ table: "binding", keys: (id) => [id] }],
  derive(read, id) {
    const binding = read.row("binding", id);
    if (binding === undefined || !REACHABLE[binding.state]) return undefined;
    if (read.row("placement", id)?.chassis !== binding.chassis) return undefined;
    const port = read.row("port", id);
    const chassis = read.row("chassis", binding.chassis);
    const network = port && read.row("network", port.network);
    if (!port?.adminUp || chassis === undefined || !network) return undefined;
    const vtepIp = network.encap === null ? null : vtepOf(chassis, network.encap);
    if (vtepIp === undefined) return undefined;
    return {
      network: network.id,
      project: port.project,
      networkKey: network.key,
      portKey: port.key,
      chassisKey: chassis.key,
      vtepIp,
      portSecurity: port.portSecurity,
      leaked: read.exists("leaked-network", network.id),
    };
  },
  equal: (a, b) =>
    a.network === b.network &&
    a.project === b.project &&
    a.networkKey === b.networkKey &&
    a.portKey === b.portKey &&
    a.chassisKey === b.chassisKey &&
    a.vtepIp === b.vtepIp &&
    a.portSecurity === b.portSecurity &&
    a.leaked === b.leaked,
};
