// Starts both systems side by side, each on its own hosts in its own namespaces, and takes them away. Wiring of the comparison.

import { Cluster } from "../lab/cluster.ts";
import { hostMac, OvnLab } from "../lab/ovn.ts";
import type { Sides } from "./case.ts";
import { HOSTS } from "./pieces.ts";
import { OvnSide } from "./ovn-side.ts";
import { WeftSide } from "./weft-side.ts";

/** The MAC of a Weft chassis on the physical network, by its key. */
function chassisMac(key: number): string {
  return `0e:57:00:00:00:${key.toString(16).padStart(2, "0")}`;
}

/** `prefix`: short, of the namespaces and folders. */
export async function startSides(
  prefix: string,
  say: (text: string) => void,
): Promise<Sides & AsyncDisposable> {
  const [ovn, weft] = await Promise.allSettled([
    OvnSide.start({ prefix: `${prefix}o`, hosts: HOSTS }),
    WeftSide.start({ prefix: `${prefix}w`, hosts: HOSTS, say }),
  ]);
  const started = [ovn, weft].flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const stop = async () => {
    await Promise.all(started.map((side) => side[Symbol.asyncDispose]()));
  };
  if (ovn.status === "rejected" || weft.status === "rejected") {
    await stop();
    await OvnLab.removeLeftovers(`${prefix}o`);
    await Cluster.removeLeftovers(`${prefix}w`);
    throw ovn.status === "rejected" ? ovn.reason : (weft as PromiseRejectedResult).reason;
  }
  const numbers = Array.from({ length: HOSTS }, (_, index) => index + 1);
  const hostMacs = new Set(numbers.flatMap((number) => [hostMac(number), chassisMac(number)]));
  return { ovn: ovn.value, weft: weft.value, hostMacs, [Symbol.asyncDispose]: stop };
}
