// A whole Weft in namespaces: wires, one central, some chassis, guests for the ports. Used by the demo and the system tests.
// Everything carries the cluster's prefix and folder; start() removes what an earlier run of the same prefix left.

import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Central } from "./central.ts";
import { Chassis } from "./chassis.ts";
import { Fabric, type Wire } from "./fabric.ts";
import { Guest } from "./guest.ts";
import { until } from "./ovs.ts";
import { endLeftovers } from "./processes.ts";
import { Tap } from "./tap.ts";

/** What `weft list ports -o json` shows of a port, as far as the lab reads it. */
export interface ListedPort {
  readonly metadata: { readonly id: string; readonly name: string; readonly project: string };
  readonly spec: {
    readonly network: string;
    readonly mac: string;
    readonly fixedIps?: readonly { readonly subnet: string; readonly ip: string }[];
    readonly requestedChassis?: string;
  };
  readonly status?: {
    readonly state?: string;
    readonly reason?: string;
    readonly chassis?: string;
    readonly mtuBytes?: number;
  };
}

interface ListedSubnet {
  readonly metadata: { readonly id: string };
  readonly spec: { readonly cidr: string; readonly gatewayIp?: string };
}

export interface ClusterOptions {
  /** Short: namespaces and folders start with it. */
  readonly prefix: string;
  readonly chassis: readonly string[];
  /** Family of the tunnel addresses; absent = 4. */
  readonly underlay?: 4 | 6;
  /** Those of the chassis that have no bridge to the physical network. */
  readonly withoutPhysical?: readonly string[];
  /** Sections of central.yaml beside those of the lab. */
  readonly centralConfig?: Readonly<Record<string, unknown>>;
  /** See CentralOptions. */
  readonly localNorthbound?: boolean;
  readonly say?: (text: string) => void;
}

export class Cluster implements AsyncDisposable {
  readonly dir: string;
  readonly fabric: Fabric;
  readonly central: Central;
  readonly chassis: ReadonlyMap<string, Chassis>;
  readonly guests = new Map<string, Guest>();
  readonly #chassisOfGuest = new Map<string, Chassis>();

  private constructor(dir: string, fabric: Fabric, central: Central, chassis: readonly Chassis[]) {
    this.dir = dir;
    this.fabric = fabric;
    this.central = central;
    this.chassis = new Map(chassis.map((one) => [one.name, one]));
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    const say = options.say ?? (() => {});
    const dir = labFolder(options.prefix);
    await Cluster.removeLeftovers(options.prefix);
    await mkdir(dir, { recursive: true });
    say("wires and central");
    const fabric = await Fabric.start(options.prefix);
    const central = await Central.start({
      ...{ fabric, labDir: dir, chassis: options.chassis },
      config: options.centralConfig ?? {},
      localNorthbound: options.localNorthbound ?? false,
    });
    say(`chassis ${options.chassis.join(", ")}`);
    const chassis = await Promise.all(
      options.chassis.map((name, index) =>
        Chassis.start({
          ...{ name, number: index + 1, fabric, labDir: dir },
          ...{ central: central.southbound, pkiDir: central.pkiDir },
          underlay: options.underlay ?? 4,
          physical: !(options.withoutPhysical ?? []).includes(name),
        }),
      ),
    );
    const [first, ...others] = chassis;
    for (const other of others) await first?.warm(other);
    // Before that, no port may be requested on them.
    await until("all chassis to have registered", async () => {
      const known = await central.json<readonly unknown[]>("list", "chassis");
      return known.length === options.chassis.length;
    });
    return new Cluster(dir, fabric, central, chassis);
  }

  /** Ends processes and removes namespaces and the folder of an earlier run with this prefix. */
  static async removeLeftovers(prefix: string): Promise<void> {
    const dir = labFolder(prefix);
    await endLeftovers(dir);
    await Fabric.removeLeftovers(prefix);
    await rm(dir, { recursive: true, force: true });
  }

  one(name: string): Chassis {
    const chassis = this.chassis.get(name);
    if (chassis === undefined) throw new Error(`no chassis ${name} in this lab`);
    return chassis;
  }

  guest(portId: string): Guest {
    const guest = this.guests.get(portId);
    if (guest === undefined) throw new Error(`no guest for port ${portId} in this lab`);
    return guest;
  }

  /** A file with this intent, for weft apply. */
  async intentFile(text: string): Promise<string> {
    const file = join(this.dir, `intent-${randomBytes(4).toString("hex")}.yaml`);
    await writeFile(file, text);
    return file;
  }

  /** Applies intent; throws unless weft apply with these flags succeeds. */
  async apply(text: string, ...flags: readonly string[]): Promise<void> {
    await this.central.must("apply", "-f", await this.intentFile(text), ...flags);
  }

  async ports(): Promise<readonly ListedPort[]> {
    return this.central.json<readonly ListedPort[]>("list", "ports");
  }

  /** Makes a guest for each port (those named, or all without one) with the addresses central gave it, and plugs it. */
  async plugGuests(portIds?: readonly string[]): Promise<void> {
    const subnets = await this.central.json<readonly ListedSubnet[]>("list", "subnets");
    const subnetOf = new Map(subnets.map((subnet) => [subnet.metadata.id, subnet.spec]));
    const ports = (await this.ports()).filter(({ metadata: { id } }) =>
      portIds === undefined ? !this.guests.has(id) : portIds.includes(id),
    );
    await Promise.all(ports.map((port) => this.#plugGuest(port, subnetOf)));
  }

  async #plugGuest(
    port: ListedPort,
    subnetOf: ReadonlyMap<string, ListedSubnet["spec"]>,
  ): Promise<void> {
    const { id } = port.metadata;
    const chassis = this.one(port.spec.requestedChassis ?? [...this.chassis.keys()][0] ?? "");
    const guest = await Guest.start({
      name: id,
      netns: `${this.fabric.prefix}-g-${id}`,
      labDir: this.dir,
      hostNetns: chassis.netns,
      mac: port.spec.mac,
      addresses: (port.spec.fixedIps ?? []).map(
        ({ subnet, ip }) => `${ip}/${subnetOf.get(subnet)?.cidr.split("/")[1]}`,
      ),
      gateways: (port.spec.fixedIps ?? []).flatMap(
        ({ subnet }) => subnetOf.get(subnet)?.gatewayIp ?? [],
      ),
      mtuBytes: port.status?.mtuBytes ?? 1400,
    });
    this.guests.set(id, guest);
    this.#chassisOfGuest.set(id, chassis);
    await chassis.plug(guest.hostInterface, id);
  }

  async removeGuest(portId: string): Promise<void> {
    const guest = this.guest(portId);
    await this.#chassisOfGuest.get(portId)?.unplug(guest.hostInterface);
    await guest.stop();
    this.guests.delete(portId);
  }

  /** A tap on a wire, where what this chassis sends comes in; the caller stops it. */
  async tapWire(wire: Wire, chassis: string): Promise<Tap> {
    const { fabric, dir } = this;
    const outer = fabric.outerInterface(wire, this.one(chassis).netns);
    return Tap.start({ netns: fabric.netns, interface: outer, labDir: dir });
  }

  /** Waits until these ports (default: all with a guest) are UP; names those that are not, with their reasons. */
  async waitUp(
    portIds: readonly string[] = [...this.guests.keys()],
    deadlineMs = 30_000,
  ): Promise<void> {
    let missing: readonly string[] = [];
    const allUp = async () => {
      const waiting = (await this.ports()).filter(
        ({ metadata, status }) => portIds.includes(metadata.id) && status?.state !== "UP",
      );
      missing = waiting.map(
        ({ metadata, status }) => `${metadata.id}: ${status?.state} ${status?.reason}`,
      );
      return waiting.length === 0;
    };
    await until("ports to be UP", allUp, deadlineMs).catch((cause: unknown) => {
      throw new Error(`ports not UP after ${deadlineMs} ms:\n${missing.join("\n")}`, { cause });
    });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.guests.values()].map((guest) => guest.stop().catch(() => {})));
    await Promise.all([...this.chassis.values()].map((chassis) => chassis.stop().catch(() => {})));
    await this.central.stop().catch(() => {});
    await Cluster.removeLeftovers(this.fabric.prefix);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Short and outside the tree: socket paths end at 108 bytes. */
export function labFolder(prefix: string): string {
  return join("/run", `weft-lab-${prefix}`);
}
