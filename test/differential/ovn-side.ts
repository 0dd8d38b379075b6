// OVN's side of the comparison: loads topologies into our own OVN, plugs the guests. What a topology is in OVN says ovn-rows.ts.

import { OvnLab } from "../lab/ovn.ts";
import { ovnCommands } from "./ovn-rows.ts";
import { Guests, type Side } from "./side.ts";
import { all, type Topology } from "./topology.ts";

export interface OvnSideOptions {
  readonly prefix: string;
  readonly hosts: number;
}

/** OVN tells nobody that a router has learned an address. */
const CLAIM_QUIET_MS = 200;
const CLAIM_DEADLINE_MS = 2_000;

export class OvnSide implements Side {
  readonly name = "ovn";
  readonly guests: Guests;
  readonly #lab: OvnLab;

  private constructor(lab: OvnLab, guests: Guests) {
    this.#lab = lab;
    this.guests = guests;
  }

  static async start(options: OvnSideOptions): Promise<OvnSide> {
    const lab = await OvnLab.start(options);
    return new OvnSide(lab, await Guests.start(lab.hosts, lab.dir));
  }

  async change(tag: string, before: Topology, after: Topology): Promise<void> {
    await this.guests.unplug(after);
    await this.guests.plug(tag, before, after);
    await this.#lab.commit(ovnCommands(tag, before, after));
    const moved = all(after, "port").filter((port) => {
      const old = before.get(port.id);
      return port.up && (old?.kind !== "port" || old.host !== port.host || !old.up);
    });
    await this.#lab.waitUp(moved.map(({ id }) => tag + id));
    // A port that is up has its flows on its own host; the others have heard of it when all have this.
    await this.#lab.commit([]);
  }

  async claim(_tag: string, before: Topology, after: Topology): Promise<void> {
    if (!this.guests.claim(before, after)) return;
    await this.guests.quiet(CLAIM_QUIET_MS, CLAIM_DEADLINE_MS);
    await this.#lab.commit([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.guests[Symbol.asyncDispose]();
    await this.#lab.stop();
  }
}
