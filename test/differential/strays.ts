// Frames that belong to no probe: which of them a system may send by itself. Pure; called by case.ts, tested in differences.test.ts.

import { parseMac } from "@weft/shared/net/mac.ts";
import type { Arrival } from "./observe.ts";
import { get, isProvider, type Topology } from "./topology.ts";

/** Of reports of the groups that a host listens to (RFC 3810 5.2.14); the kernel makes them as soon as an interface is up. */
const ALL_MLD_ROUTERS = "ff02::16";

/** A frame that no probe explains: what a system says by itself. */
export function isExpectedStray(
  topology: Topology,
  system: "ovn" | "weft",
  stray: Arrival,
): boolean {
  const { what, port } = stray;
  if (isOfMachine(topology, stray)) return true;
  if (what.kind !== "arp" && what.kind !== "nd") return false;
  const receiver = get(topology, "port", port);
  const byRouter = stray.src === "a router" || stray.src.startsWith("router ");
  const asks = what.kind === "arp" ? what.op === "request" : what.op === "solicitation";
  if (byRouter && asks) {
    // OVN asks everybody for a host that it does not know; Weft asks those who might have it.
    return system === "ovn" || !receiver.security;
  }
  // OVN announces the ports of a network that has a physical one.
  return system === "ovn" && isProvider(get(topology, "network", receiver.network));
}

/** A machine of the physical network that looks for its neighbours: on a flat network the hosts themselves are heard. */
function isOfMachine(topology: Topology, { port, src, what }: Arrival): boolean {
  const { type } = get(topology, "network", get(topology, "port", port).network);
  const isFlat = "vlan" in type && type.vlan === 0;
  const isKnown = [...topology.values()].some((item) => "mac" in item && item.mac === src);
  const looks =
    what.kind === "nd" ||
    (what.kind === "ip" && (what.content.startsWith("icmp 1") || what.to === ALL_MLD_ROUTERS));
  return isFlat && parseMac(src) !== undefined && !isKnown && looks;
}
