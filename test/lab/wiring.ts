// What every host of the lab has beside its integration bridge, whichever system runs on it: an address on the management wire, an
// underlay bridge that owns the VTEP addresses, an external bridge for the physical network. Called by chassis.ts, test/differential.

import { type Fabric, UNDERLAY_MTU_BYTES } from "./fabric.ts";
import type { Ovs } from "./ovs.ts";
import { run } from "./processes.ts";

/** The bridge that leads to the physical network. */
export const EXTERNAL_BRIDGE = "br-ex";

export interface WiredHost {
  readonly fabric: Fabric;
  readonly netns: string;
  readonly ovs: Ovs;
  /** 1..200: last part of its addresses. */
  readonly number: number;
}

export function vtepIp(number: number): string {
  return `172.31.0.${number}`;
}

export function vtepIp6(number: number): string {
  return `fd31::${number}`;
}

export async function wireHost({ fabric, netns, ovs, number }: WiredHost): Promise<void> {
  await fabric.attach("mgmt", netns, "mgmt0");
  await run("ip", "-n", netns, "address", "add", `192.168.77.${number}/24`, "dev", "mgmt0");
  await fabric.attach("under", netns, "uplink0");
  await fabric.attach("ext", netns, "ext0");
  const bridge = (name: string, port: string) => [
    ...["--", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev"],
    ...["--", "add-port", name, port],
  ];
  const mtu = `mtu_request=${UNDERLAY_MTU_BYTES}`;
  await ovs.vsctl(
    ...bridge("br-phys", "uplink0").slice(1),
    ...bridge(EXTERNAL_BRIDGE, "ext0"),
    ...["--", "set", "interface", "br-phys", mtu],
  );
  const ip = (...args: string[]) => run("ip", "-n", netns, ...args);
  await ip("address", "add", `${vtepIp(number)}/24`, "dev", "br-phys");
  await ip("address", "add", `${vtepIp6(number)}/64`, "dev", "br-phys", "nodad");
  await ip("link", "set", "br-phys", "up");
}
