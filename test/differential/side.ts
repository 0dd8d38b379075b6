// What both systems of the comparison have in common: hosts whose guests are taps, ports that are plugged into them, and the frames
// that the guests of the present round received. ovn-side.ts and weft-side.ts add how a topology gets in.

import type { Ovs } from "../lab/ovs.ts";
import { gratuitousAdvertisement, gratuitousArp, linkLocal } from "../lab/frames.ts";
import { Taps } from "../lab/taps.ts";
import { EXTERNAL_BRIDGE } from "../lab/wiring.ts";
import { all, contains, get, isProvider, type Port, type Topology } from "./topology.ts";

export interface SideHost {
  readonly netns: string;
  readonly ovs: Ovs;
}

export interface Side extends AsyncDisposable {
  readonly name: "ovn" | "weft";
  readonly guests: Guests;
  /** Brings the system from one topology to the next, with its guests; returns when it says that all hosts have it. */
  change(tag: string, before: Topology, after: Topology): Promise<void>;
  /** Lets guests announce their new claims, and waits until the system has taken them in. */
  claim(tag: string, before: Topology, after: Topology): Promise<void>;
}

export interface Received {
  readonly port: string;
  readonly frame: Buffer;
}

/** Guests on a host at the same time, at most. */
export const GUESTS_PER_HOST = 10;
const DEVICE_MTU_BYTES = 1500;
const BRIDGE = "br-int";
const POLL_MS = 5;

interface Plugged {
  readonly tap: string;
  readonly host: number;
}

export class Guests implements AsyncDisposable {
  readonly #hosts: readonly SideHost[];
  readonly #taps: Taps;
  readonly #free: string[][] = [];
  readonly #plugged = new Map<string, Plugged>();
  readonly #portOfTap = new Map<string, string>();
  #received: Received[] = [];

  private constructor(hosts: readonly SideHost[], labDir: string) {
    this.#hosts = hosts;
    this.#taps = new Taps({ labDir, onFrame: (tap, frame) => this.#take(tap, frame) });
  }

  static async start(hosts: readonly SideHost[], labDir: string): Promise<Guests> {
    const guests = new Guests(hosts, labDir);
    for (const [host, { netns }] of hosts.entries()) {
      const taps = Array.from({ length: GUESTS_PER_HOST }, (_, at) => `g${host}-${at}`);
      for (const tap of taps) await guests.#taps.open(tap, netns, DEVICE_MTU_BYTES);
      guests.#free.push(taps);
    }
    return guests;
  }

  /** Unplugs what is gone or moves away. */
  async unplug(after: Topology): Promise<void> {
    const commands = this.#noCommands();
    for (const [id, { tap, host }] of this.#plugged) {
      const port = after.get(id);
      if (port?.kind === "port" && port.host === host) continue;
      commands[host]?.push(["del-port", BRIDGE, tap]);
      this.#taps.silence(tap);
      this.#plugged.delete(id);
      this.#portOfTap.delete(tap);
      this.#free[host]?.push(tap);
    }
    await this.#run(commands);
  }

  /** Plugs what is not yet, and lets all guests answer for their addresses. */
  async plug(tag: string, before: Topology, after: Topology): Promise<void> {
    const commands = this.#noCommands();
    for (const { id, host, network } of all(after, "port")) {
      if (this.#plugged.has(id)) continue;
      const tap = this.#free[host]?.pop();
      if (tap === undefined) throw new Error(`more than ${GUESTS_PER_HOST} guests on host ${host}`);
      await this.#taps.resize(tap, get(after, "network", network).mtuBytes);
      this.#plugged.set(id, { tap, host });
      this.#portOfTap.set(tap, id);
      commands[host]?.push(
        ["add-port", BRIDGE, tap],
        ["set", "interface", tap, `external_ids:iface-id=${tag}${id}`],
      );
    }
    await this.#run(commands);
    this.#answer(before, after);
  }

  send(port: string, frame: Buffer): void {
    const plugged = this.#plugged.get(port);
    if (plugged === undefined) throw new Error(`port ${port} is not plugged`);
    this.#taps.send(plugged.tap, frame);
  }

  /** Guests that have new claims announce them. True = there were any. */
  claim(before: Topology, after: Topology): boolean {
    let any = false;
    for (const port of all(after, "port")) {
      const found = before.get(port.id);
      const old = found?.kind === "port" ? found : undefined;
      const isNewHere = port.up && (old === undefined || old.host !== port.host || !old.up);
      // As a machine does that boots or has moved: the switches of a physical network know it by that alone.
      if (isNewHere && isProvider(get(after, "network", port.network))) {
        for (const ip of port.ips) this.send(port.id, announcementOf(port.mac, ip));
      }
      const had = old?.claims ?? [];
      for (const ip of port.claims.filter((one) => !had.includes(one))) {
        any = true;
        this.send(port.id, announcementOf(port.mac, ip));
      }
    }
    return any;
  }

  /** Waits until nothing has come in anywhere for so long, or so many frames are there, and forgets nothing. */
  async quiet(
    quietMs: number,
    deadlineMs: number,
    enough = Number.POSITIVE_INFINITY,
  ): Promise<void> {
    await this.#taps.sync();
    const startMs = performance.now();
    for (;;) {
      const nowMs = performance.now();
      const sinceMs = nowMs - Math.max(startMs, this.#taps.lastFrameMs);
      if (sinceMs >= quietMs || nowMs - startMs > deadlineMs) break;
      if (this.#received.length >= enough) break;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    await this.#taps.sync();
  }

  /**
   * Lets the bridges to the physical network forget where they saw which MAC: guests move, the next case has the same MACs elsewhere,
   * and from what a cached flow forwards they learn only later.
   */
  async forget(): Promise<void> {
    await Promise.all(
      this.#hosts.map(({ ovs }) => ovs.appctl("ovs-vswitchd", "fdb/flush", EXTERNAL_BRIDGE)),
    );
  }

  /** What came in since the last call. */
  takeReceived(): readonly Received[] {
    const received = this.#received;
    this.#received = [];
    return received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#taps.stop();
  }

  #noCommands(): string[][][] {
    return this.#hosts.map(() => []);
  }

  async #run(commands: readonly (readonly (readonly string[])[])[]): Promise<void> {
    const each = commands.map(async (list, host) => {
      if (list.length > 0) await this.#hosts[host]?.ovs.vsctl(...joined(list));
    });
    await Promise.all(each);
  }

  #answer(before: Topology, after: Topology): void {
    for (const port of all(after, "port")) {
      if (JSON.stringify(before.get(port.id)) === JSON.stringify(port)) continue;
      const tap = this.#plugged.get(port.id)?.tap ?? "";
      this.#taps.silence(tap);
      for (const ip of [...port.ips, ...port.claims, linkLocal(port.mac)])
        this.#taps.answer(tap, ip, port.mac);
    }
  }

  #take(tap: string, frame: Buffer): void {
    const port = this.#portOfTap.get(tap);
    if (port !== undefined) this.#received.push({ port, frame });
  }
}

/** Gratuitous ARP or unsolicited neighbour advertisement. */
export function announcementOf(mac: string, ip: string): Buffer {
  return ip.includes(":") ? gratuitousAdvertisement(mac, ip) : gratuitousArp(mac, ip);
}

function joined(commands: readonly (readonly string[])[]): readonly string[] {
  return commands.flatMap((command, index) => (index === 0 ? command : ["--", ...command]));
}

/** May this guest say that it has the address, and does port security let it receive for it? */
export function speaksFor(port: Port, ip: string): boolean {
  if (!port.security || port.ips.includes(ip)) return true;
  if (ip === linkLocal(port.mac)) return port.ips.some((own) => own.includes(":"));
  return port.pairs.some((pair) => contains(pair.ip.includes("/") ? pair.ip : single(pair.ip), ip));
}

function single(ip: string): string {
  return `${ip}/${ip.includes(":") ? 128 : 32}`;
}
