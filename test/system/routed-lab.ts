// What the tests of routing share: routed packets that carry a token through whatever happens to them, and who saw the token: the
// packet itself, or an ICMP error that quotes it. Intent as text. Judges nothing. Used by routing*.test.ts and routed-faults.test.ts.

import { randomBytes } from "node:crypto";
import { Cluster, type ClusterOptions } from "../lab/cluster.ts";
import * as frames from "../lab/frames.ts";
import { type Host, Hosts } from "../lab/hosts.ts";
import * as intent from "../lab/intent.ts";
import { until } from "../lab/ovs.ts";

export const FAMILIES = ["IPv4", "IPv6"] as const;
export type Family = (typeof FAMILIES)[number];

/** TTL that the guests' packets start with. */
export const TTL = 64;

export interface Interface {
  readonly id: string;
  readonly router: string;
  readonly network: string;
  readonly mac: string;
  readonly linkLocal: string;
  readonly ips: readonly string[];
}

/** A frame with the token, where it came in. */
export interface Sighting {
  readonly host: string;
  readonly frame: Buffer;
}

/** What an error says. */
export interface SeenError {
  readonly host: string;
  readonly from: string;
  readonly srcMac: string;
  readonly ttl: number;
  readonly type: number;
  readonly code: number;
  /** The four bytes behind the checksum. */
  readonly word: number;
}

export interface Sent {
  /** From the interface that the sender's network has to `router`; absent = its only one. */
  readonly router?: string;
  readonly to: string;
  readonly fromIp?: string;
  readonly fromPort?: number;
  readonly toPort?: number;
  /** Bytes of the IP packet, at least; absent = as few as it takes. */
  readonly bytes?: number;
  readonly header?: frames.HeaderFields;
}

/** What comes of an Apply: all chassis have it, or some cannot. */
export type Applied = "realized" | "partly";

/** Of `weft apply --wait`. */
const EXIT_CODES: Readonly<Record<Applied, number>> = { realized: 0, partly: 4 };

const SETTLE_MS = 10_000;
const RESEND_MS = 100;
/** Of a packet whose error may have been one too many. */
const RETRY_MS = 300;
const TRIES = 30;

export class RoutedLab implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly hosts: Hosts;
  #interfaces: readonly Interface[] = [];

  private constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.hosts = new Hosts(cluster);
  }

  static async start(
    options: ClusterOptions,
    intent: string,
    applied: Applied = "realized",
  ): Promise<RoutedLab> {
    const lab = new RoutedLab(await Cluster.start(options));
    await lab.apply(intent, applied);
    await lab.bring();
    return lab;
  }

  /** Applies and waits for nobody. */
  async applyOnly(text: string): Promise<void> {
    await this.cluster.apply(text);
  }

  /** Applies and waits until every chassis has it, or has said why not. */
  async apply(text: string, applied: Applied = "realized"): Promise<void> {
    const file = await this.cluster.intentFile(text);
    const { code, stderr } = await this.cluster.central.cli("apply", "-f", file, "--wait");
    if (code !== EXIT_CODES[applied]) {
      throw new Error(`weft apply of ${file} ended with ${code}: ${stderr}`);
    }
    await this.#readInterfaces();
  }

  /** Guests and taps for all ports that have none. */
  async bring(): Promise<void> {
    await this.hosts.bring();
    await this.hosts.converged();
  }

  interface(id: string): Interface {
    const found = this.#interfaces.find((one) => one.id === id);
    if (found === undefined) throw new Error(`no interface ${id} in this lab`);
    return found;
  }

  get interfaces(): readonly Interface[] {
    return this.#interfaces;
  }

  /** The interface that a host's packets go to. */
  gateway(host: Host, router?: string): Interface {
    const { network } = host;
    const fits = this.#interfaces.filter(
      (one) => one.network === network && (router === undefined || one.router === router),
    );
    const [first] = fits;
    if (first === undefined) throw new Error(`no router on network ${network} of ${host.id}`);
    return first;
  }

  /** A segment for the host's router. */
  segment(from: string, sent: Sent, token: Buffer): Buffer {
    const host = this.hosts.get(from);
    const { to, fromIp = to.includes(":") ? host.ip6 : host.ip, bytes = 0 } = sent;
    const headers = to.includes(":") ? 60 : 40;
    const padding = Buffer.alloc(Math.max(0, bytes - headers - token.length));
    return frames.reset(
      { src: host.mac, dst: this.gateway(host, sent.router).mac },
      {
        ...{ from: fromIp, to, fromPort: sent.fromPort ?? 4000, toPort: sent.toPort ?? 4000 },
        payload: Buffer.concat([token, padding]),
        header: { ttl: TTL, ...sent.header },
      },
    );
  }

  /** Sends frames that hold a token each; answers the tokens. */
  post(from: string, makes: readonly ((token: Buffer) => Buffer)[]): readonly Buffer[] {
    return makes.map((make) => {
      const token = newToken();
      this.hosts.get(from).tap.send(make(token));
      return token;
    });
  }

  seen(token: Buffer): readonly Sighting[] {
    return this.hosts.ids.flatMap((host) =>
      this.hosts
        .get(host)
        .tap.frames.filter((frame) => frame.includes(token))
        .map((frame) => ({ host, frame })),
    );
  }

  /** Sends one segment and waits until it, or an error about it, was seen. Sent once. */
  async send(from: string, sent: Sent, deadlineMs = 5_000): Promise<readonly Sighting[]> {
    return this.exchange(from, (token) => this.segment(from, sent, token), deadlineMs);
  }

  async exchange(
    from: string,
    make: (token: Buffer) => Buffer,
    deadlineMs = 5_000,
  ): Promise<readonly Sighting[]> {
    const [token] = this.post(from, [make]);
    const what = `what ${from} sent to be seen`;
    await until(what, () => token !== undefined && this.seen(token).length > 0, deadlineMs);
    // A second copy would be right behind.
    await Promise.all(this.hosts.ids.map((id) => this.hosts.get(id).tap.sync()));
    return token === undefined ? [] : this.seen(token);
  }

  /** As `send`, for what draws an error: those of a port are few a second, so it asks again, each time with another packet. */
  async complain(from: string, sent: Sent): Promise<readonly Sighting[]> {
    for (let tries = 1; ; tries += 1) {
      const found = await this.send(from, sent, tries === TRIES ? 5_000 : RETRY_MS).catch(() => []);
      if (found.length > 0 || tries === TRIES) return found;
    }
  }

  /**
   * What was seen of these frames once packets sent later have had every chance: routed ones to each of `beacons`, and one whose
   * TTL ends, which takes the way of all errors.
   */
  async silence(
    from: string,
    makes: readonly ((token: Buffer) => Buffer)[],
    beacons: readonly string[],
  ): Promise<readonly Sighting[]> {
    const tokens = this.post(from, makes);
    await this.settle(from, beacons);
    return tokens.flatMap((token) => this.seen(token));
  }

  /** Two rounds: Open vSwitch may handle frames of one batch out of order, and the second is of a later batch. */
  async settle(from: string, beacons: readonly string[]): Promise<void> {
    for (const [first = ""] of [beacons, beacons]) {
      for (const to of beacons) await this.#insist(from, { to });
      await this.#insist(from, { to: first, header: { ttl: 1 } });
    }
    await Promise.all(this.hosts.ids.map((id) => this.hosts.get(id).tap.sync()));
  }

  /** Sends again until seen: errors of a port are few a second. */
  async #insist(from: string, sent: Sent): Promise<void> {
    const token = newToken();
    let sentMs = Number.NEGATIVE_INFINITY;
    await until(
      `a packet of ${from} to ${sent.to} to be seen`,
      () => {
        if (performance.now() - sentMs > RESEND_MS) {
          this.hosts.get(from).tap.send(this.segment(from, sent, token));
          sentMs = performance.now();
        }
        return this.seen(token).length > 0;
      },
      SETTLE_MS,
    );
  }

  async stop(): Promise<void> {
    await this.hosts.stop();
    await this.cluster.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #readInterfaces(): Promise<void> {
    const listed = await this.cluster.central.json<
      readonly {
        metadata: { id: string };
        spec: { router: string; network: string; mac: string };
        status?: { addresses?: readonly { ip: string }[]; linkLocalIp?: string };
      }[]
    >("list", "router-interfaces");
    this.#interfaces = listed.map(({ metadata, spec, status }) => ({
      id: metadata.id,
      router: spec.router,
      network: spec.network,
      mac: spec.mac,
      linkLocal: status?.linkLocalIp ?? "",
      ips: (status?.addresses ?? []).map(({ ip }) => ip.split("/")[0] ?? ""),
    }));
  }
}

export function newToken(): Buffer {
  return Buffer.from(`<${randomBytes(8).toString("hex")}>`);
}

/** What an arrival of a routed packet looks like to its receiver. */
export function arrival({ host, frame }: Sighting) {
  const { src, dst, ip } = frames.readFrame(frame);
  return { host, src, dst, from: ip?.from, to: ip?.to, ttl: ip?.ttl };
}

export function isError({ frame }: Sighting): boolean {
  const { ip } = frames.readFrame(frame);
  return ip !== null && [frames.PROTOCOL_ICMP, frames.PROTOCOL_ICMP6].includes(ip.protocol);
}

export function error({ host, frame }: Sighting): SeenError {
  const { src, ip } = frames.readFrame(frame);
  const payload = ip?.payload ?? Buffer.alloc(8);
  return {
    ...{ host, from: ip?.from ?? "", srcMac: src, ttl: ip?.ttl ?? 0 },
    ...{ type: payload.readUInt8(0), code: payload.readUInt8(1), word: payload.readUInt32BE(4) },
  };
}

export const ipOf = (host: { ip: string; ip6: string }, family: Family) =>
  family === "IPv4" ? host.ip : host.ip6;

const project = (name: string | undefined) => (name === undefined ? "" : `, project: ${name}`);

/** A network of 10.1.<number>.0/24 and fd01:<number>::/64. Its id is also its name. */
export const networkText = (
  id: string,
  number: number,
  { type, of }: { type?: string; of?: string } = {},
) =>
  intent.networkText({
    ...{ id, project: of, type },
    cidrs: [`10.1.${number}.0/24`, `fd01:${number}::/64`],
  });

export const portText = (
  id: string,
  network: string,
  chassis: string,
  [number, last]: readonly [number, number],
  { more, of }: { more?: string; of?: string } = {},
) =>
  intent.portText({
    ...{ id, project: of, network, chassis, more },
    ips: [`10.1.${number}.${last}`, `fd01:${number}::${last}`],
  });

/** A router with an interface `<router>-<network>` on each network. */
export const routerText = (id: string, networks: readonly string[], of?: string) =>
  [
    `\nkind: Router\nmetadata: {id: ${id}${project(of)}}\n---`,
    ...networks.map((network) => interfaceText(id, network, { of })),
  ].join("");

export const interfaceText = (
  router: string,
  network: string,
  { more = "", of }: { more?: string; of?: string | undefined } = {},
) => `
kind: RouterInterface
metadata: {id: ${router}-${network}${project(of)}}
spec: {router: ${router}, network: ${network}${more === "" ? "" : `, ${more}`}}
---`;

/** Routes of one name for both families; a destination without next hops is a blackhole. */
export const routeText = (
  id: string,
  router: string,
  destinations: readonly string[],
  hops: readonly string[],
  table = 0,
) =>
  destinations
    .map((destination) => {
      const isIpv6 = destination.includes(":");
      const own = hops.filter((ip) => ip.includes(":") === isIpv6);
      const list = own.map((ip) => `{ip: "${ip}"}`).join(", ");
      return `
kind: Route
metadata: {id: ${id}-${isIpv6 ? 6 : 4}}
spec:
  router: ${router}
  table: ${table}
  destination: "${destination}"
  ${own.length === 0 ? "blackhole: true" : `nextHops: [${list}]`}
---`;
    })
    .join("");

/** Segment `number`: the first router has .1, the second .2. */
export const linkText = (number: number, first: string, second: string) => `
kind: RouterLink
metadata: {id: ${first}-${second}}
spec:
  first: {router: ${first}, addresses: [10.255.${number}.1/30, "fd00:ff:${number}::1/64"]}
  second: {router: ${second}, addresses: [10.255.${number}.2/30, "fd00:ff:${number}::2/64"]}
---`;
