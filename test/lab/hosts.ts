// The guests of a cluster as hosts on their networks, with a tap each: sends a frame and tells who received it, how often. What
// did not arrive is known without a wait: markers follow the frame the same way, and only when all have those is it counted.

import { randomBytes } from "node:crypto";
import type { Cluster, ListedPort } from "./cluster.ts";
import { BROADCAST, udp } from "./frames.ts";
import { until } from "./ovs.ts";
import { Tap } from "./tap.ts";

export interface Host {
  readonly id: string;
  readonly network: string;
  readonly mac: string;
  readonly ip: string;
  readonly ip6: string;
  readonly tap: Tap;
}

/** Receivers of a frame with the number of copies; those without any are absent. */
export type Arrivals = Readonly<Record<string, number>>;

export interface SendOptions {
  /** Whose markers tell that the frame has had its time: a host of the same chassis; absent = the sender. */
  readonly via?: string;
  /** Hosts that receive nothing, not even markers. */
  readonly closed?: readonly string[];
}

const MARKER_MS = 10_000;
const RESEND_MS = 200;

export class Hosts {
  readonly #cluster: Cluster;
  readonly #hosts = new Map<string, Host>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  get ids(): readonly string[] {
    return [...this.#hosts.keys()];
  }

  get(id: string): Host {
    const host = this.#hosts.get(id);
    if (host === undefined) throw new Error(`no host ${id} in this lab`);
    return host;
  }

  /** Guests, UP, with a tap each, for these ports; absent = for all that have none. */
  async bring(portIds?: readonly string[]): Promise<void> {
    await this.#cluster.plugGuests(portIds);
    await this.#cluster.waitUp(portIds, 60_000);
    await this.tapGuests();
  }

  /** A tap for every guest of the cluster that has none. */
  async tapGuests(): Promise<void> {
    const ports = new Map((await this.#cluster.ports()).map((port) => [port.metadata.id, port]));
    for (const [id, guest] of this.#cluster.guests) {
      const port = ports.get(id);
      if (port !== undefined && !this.#hosts.has(id)) await this.add(id, guest.netns, port);
    }
  }

  /** A host for a namespace whose interface eth0 stands for the port. */
  async add(id: string, netns: string, port: ListedPort): Promise<Host> {
    const ips = (port.spec.fixedIps ?? []).map(({ ip }) => ip);
    const tap = await Tap.start({ netns, interface: "eth0", labDir: this.#cluster.dir });
    const host: Host = {
      id,
      tap,
      network: port.spec.network,
      mac: port.spec.mac,
      ip: ips.find((ip) => !ip.includes(":")) ?? "",
      ip6: ips.find((ip) => ip.includes(":")) ?? "",
    };
    this.#hosts.set(id, host);
    return host;
  }

  async remove(id: string): Promise<void> {
    await this.#hosts.get(id)?.tap.stop();
    this.#hosts.delete(id);
  }

  /** Waits until a broadcast of each host reaches all others of its network. */
  async converged(ids: readonly string[] = this.ids, deadlineMs = 30_000): Promise<void> {
    for (const id of ids) {
      const from = this.get(id);
      const peers = this.#peersOf(from, []);
      const text = token();
      let sentMs = 0;
      let missing = peers;
      const reached = () => {
        if (performance.now() - sentMs > RESEND_MS) {
          from.tap.send(marker(from, text));
          sentMs = performance.now();
        }
        missing = missing.filter((peer) => peer.tap.count(text) === 0);
        return missing.length === 0;
      };
      await until(`a broadcast of ${id} to reach its network`, reached, deadlineMs).catch(
        (cause: unknown) => {
          const names = (hosts: readonly Host[]) => hosts.map((host) => host.id).join(", ");
          const text = `a broadcast of ${id} did not reach ${names(missing)} of ${names(peers)}`;
          throw new Error(text, { cause });
        },
      );
    }
  }

  /** Sends one frame and tells who received it. */
  async send(from: string, frame: Buffer, options: SendOptions = {}): Promise<Arrivals> {
    return (await this.sendAll(from, [frame], options))[0] ?? {};
  }

  async sendAll(
    from: string,
    frames: readonly Buffer[],
    options: SendOptions = {},
  ): Promise<readonly Arrivals[]> {
    const tokens = frames.map(() => token());
    const { tap } = this.get(from);
    for (const [at, frame] of frames.entries()) {
      // Behind the end of the packet, where its receiver does not look.
      tap.send(Buffer.concat([frame, tokens[at] ?? Buffer.alloc(0)]));
    }
    await tap.sync();
    await this.settle(options.via ?? from, options.closed ?? []);
    return tokens.map((text) => this.#arrivals(text));
  }

  /**
   * Returns when all that was sent before on the chassis of `via` has reached its end. Two markers: OVS may handle frames of one
   * batch out of order, and the second one is of a later batch. One back to `via`, for what returns to the sender.
   */
  async settle(via: string, closed: readonly string[] = []): Promise<void> {
    const from = this.get(via);
    const peers = this.#peersOf(from, closed);
    for (const round of [1, 2]) {
      const text = token();
      from.tap.send(marker(from, text));
      await this.#received(peers, text, `marker ${round} of ${via}`);
    }
    const [back] = peers;
    if (back !== undefined) {
      const text = token();
      back.tap.send(marker(back, text));
      await this.#received([from], text, `marker of ${back.id}`);
    }
    await Promise.all([...this.#hosts.values()].map(({ tap }) => tap.sync()));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#hosts.values()].map(({ tap }) => tap.stop()));
    this.#hosts.clear();
  }

  #peersOf(from: Host, closed: readonly string[]): readonly Host[] {
    return [...this.#hosts.values()].filter(
      ({ id, network }) => network === from.network && id !== from.id && !closed.includes(id),
    );
  }

  async #received(peers: readonly Host[], text: Buffer, what: string): Promise<void> {
    for (const peer of peers) {
      await until(`${what} at ${peer.id}`, () => peer.tap.count(text) > 0, MARKER_MS);
    }
  }

  #arrivals(text: Buffer): Arrivals {
    const counts = [...this.#hosts.values()].map(({ id, tap }) => [id, tap.count(text)] as const);
    return Object.fromEntries(counts.filter(([, count]) => count > 0));
  }
}

function token(): Buffer {
  return Buffer.from(`<${randomBytes(8).toString("hex")}>`);
}

function marker({ mac, ip }: Host, text: Buffer): Buffer {
  const datagram = { from: ip, to: "255.255.255.255", fromPort: 9, toPort: 9 };
  return Buffer.concat([udp({ src: mac, dst: BROADCAST }, datagram), text]);
}
