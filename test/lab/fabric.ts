// The wires of the lab: one namespace with three Linux bridges (management, underlay, external), and veth pairs from it into the
// namespaces of central and chassis. Owns namespaces that start with its prefix and nothing else.

import { run } from "./processes.ts";

export type Wire = "mgmt" | "under" | "ext";

/** MTU of the underlay and external wires. */
export const UNDERLAY_MTU_BYTES = 1700;

export class Fabric {
  readonly prefix: string;
  readonly netns: string;

  private constructor(prefix: string) {
    this.prefix = prefix;
    this.netns = `${prefix}-net`;
  }

  /** Makes the wires; removes first what an earlier run with this prefix left. */
  static async start(prefix: string): Promise<Fabric> {
    await Fabric.removeLeftovers(prefix);
    const fabric = new Fabric(prefix);
    await addNamespace(fabric.netns);
    await fabric.#passFramesAsTheyAre();
    for (const wire of ["mgmt", "under", "ext"] satisfies Wire[]) {
      await run(
        "ip",
        "-n",
        fabric.netns,
        "link",
        "add",
        wire,
        "type",
        "bridge",
        "mcast_snooping",
        "0",
      );
      await run("ip", "-n", fabric.netns, "link", "set", wire, "up");
    }
    return fabric;
  }

  /** Removes every namespace of this prefix. Answers how many there were. */
  static async removeLeftovers(prefix: string): Promise<number> {
    const names = (await run("ip", "netns", "list"))
      .split("\n")
      .map((line) => line.split(" ")[0] ?? "")
      .filter((name) => name.startsWith(`${prefix}-`));
    // One that is gone meanwhile is as good as removed.
    for (const name of names) await run("ip", "netns", "del", name).catch(() => {});
    return names.length;
  }

  /** A veth from a wire into a namespace, named `interfaceName` there and up. */
  async attach(wire: Wire, netns: string, interfaceName: string): Promise<void> {
    const outer = this.#outer(wire, netns);
    const mtu = wire === "mgmt" ? "1500" : String(UNDERLAY_MTU_BYTES);
    await run(
      ...(["ip", "-n", this.netns, "link", "add", outer, "mtu", mtu, "type", "veth"] as const),
      ...["peer", "name", interfaceName, "mtu", mtu, "netns", netns],
    );
    await run("ip", "-n", this.netns, "link", "set", outer, "master", wire, "up");
    await run("ip", "-n", netns, "link", "set", interfaceName, "up");
  }

  /** Cuts or mends the wire of one namespace. */
  async setLink(wire: Wire, netns: string, up: boolean): Promise<void> {
    await run("ip", "-n", this.netns, "link", "set", this.#outer(wire, netns), up ? "up" : "down");
  }

  async stop(): Promise<void> {
    await run("ip", "netns", "del", this.netns);
  }

  /** Where br_netfilter is loaded, bridged packets pass the host's filter and lose what is behind their end: no wire does that. */
  async #passFramesAsTheyAre(): Promise<void> {
    for (const family of ["ip", "ip6", "arp"]) {
      const file = `/proc/sys/net/bridge/bridge-nf-call-${family}tables`;
      const script = `if [ -e ${file} ]; then echo 0 > ${file}; fi`;
      await run("ip", "netns", "exec", this.netns, "sh", "-c", script);
    }
  }

  /** The end of a wire that belongs to the fabric: what comes in there is what that namespace sent. */
  outerInterface(wire: Wire, netns: string): string {
    return this.#outer(wire, netns);
  }

  /** Interface names end at 15 characters. */
  #outer(wire: Wire, netns: string): string {
    return `${wire[0]}-${netns.slice(this.prefix.length + 1)}`.slice(0, 15);
  }
}

export async function addNamespace(name: string): Promise<void> {
  await run("ip", "netns", "add", name);
  await run("ip", "-n", name, "link", "set", "lo", "up");
}
