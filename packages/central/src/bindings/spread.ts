// Over how many chassis the ports of a network are spread, for networks whose encapsulation cannot relay a flood (VXLAN, GRE): what
// bounds them. Pure bookkeeping of bound ports; placement.ts asks before it binds, and so the first that come keep working.

import { MAX_FLOOD_CHASSIS, relays } from "../derive/flood-limit.ts";
import type { RowReader } from "../derive/spec.ts";

interface Bound {
  readonly network: string;
  readonly chassis: string;
}

export class Spread {
  readonly #rows: RowReader;
  readonly #bound = new Map<string, Bound>();
  /** Network -> chassis -> number of ports. */
  readonly #networks = new Map<string, Map<string, number>>();

  constructor(rows: RowReader) {
    this.#rows = rows;
  }

  /** Why a chassis may not take a port of the network; undefined = it may. */
  refusal(network: string, chassis: string): string | undefined {
    const spread = this.#networks.get(network);
    if (spread === undefined || spread.size < MAX_FLOOD_CHASSIS || spread.has(chassis)) {
      return undefined;
    }
    const name = this.#rows.get("network", network)?.name ?? network;
    const why = `network ${name} has ports on ${spread.size} chassis, and only geneve floods to more`;
    return `${why} than ${MAX_FLOOD_CHASSIS}: plug it on one of those, or use a geneve network`;
  }

  /** The port is bound to a chassis; empty = to none. Answers the network that is below its limit again, if any. */
  set(port: string, chassis: string): string | undefined {
    const before = this.#bound.get(port);
    if (before?.chassis === chassis) return undefined;
    if (before !== undefined) this.#bound.delete(port);
    // Added first: a port that moves within one network frees nothing if its new chassis fills the place.
    if (chassis !== "") this.#add(port, chassis);
    return before && this.#remove(before);
  }

  #add(port: string, chassis: string): void {
    const network = this.#rows.get("port", port)?.network;
    const encap = network === undefined ? null : this.#rows.get("network", network)?.encap;
    if (network === undefined || !encap || relays(encap)) return;
    this.#bound.set(port, { network, chassis });
    const spread = this.#networks.get(network) ?? new Map<string, number>();
    this.#networks.set(network, spread);
    spread.set(chassis, (spread.get(chassis) ?? 0) + 1);
  }

  #remove({ network, chassis }: Bound): string | undefined {
    const spread = this.#networks.get(network);
    if (spread === undefined) return undefined;
    const left = (spread.get(chassis) ?? 0) - 1;
    if (left > 0) {
      spread.set(chassis, left);
      return undefined;
    }
    const wasFull = spread.size >= MAX_FLOOD_CHASSIS;
    spread.delete(chassis);
    if (spread.size === 0) this.#networks.delete(network);
    return wasFull && spread.size < MAX_FLOOD_CHASSIS ? network : undefined;
  }
}
