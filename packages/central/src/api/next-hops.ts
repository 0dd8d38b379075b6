// Whether a next hop of a router can be used now, and why not: who has the address and whether that one has a location. Reads only;
// the data plane decides the same on each chassis. Called by objects-routing.ts.

import type { NextHopStatus } from "@weft/shared/gen/weft/v1/northbound.ts";
import { parseIp } from "@weft/shared/net/ip.ts";
import { describeObject } from "../model/references.ts";
import type { Segment } from "../model/router-view.ts";
import { nextRouter, RouterViews, segmentOf } from "../model/router-view.ts";
import type { NetworkRow, PortRow, RouterRow } from "../model/rows.ts";
import type { Tables } from "../model/tables.ts";

type NetworkSegment = Extract<Segment, { kind: "network" }>;

export interface NextHopOptions {
  readonly tables: Tables;
  /** Id of the port that has a fixed address; undefined = none. */
  readonly portWithIp: (network: string, ip: string) => string | undefined;
  readonly portReason: (port: PortRow) => string;
  /** Chassis that hold a router, by its key. */
  readonly routerChassis: (routerKey: number) => Iterable<string>;
}

interface Usability {
  readonly active: boolean;
  /** Of one that is active a warning, or empty. */
  readonly reason: string;
}

const usable: Usability = { active: true, reason: "" };
const unusable = (reason: string): Usability => ({ active: false, reason });
const MAX_CHASSIS_NAMED = 5;

export class NextHops {
  readonly #options: NextHopOptions;
  readonly #views: RouterViews;
  /** `<router>/<physical network or next router>` -> how it is on the chassis of the router. */
  readonly #onChassis = new Map<string, Usability>();

  constructor(options: NextHopOptions) {
    this.#options = options;
    this.#views = new RouterViews(options.tables);
  }

  /** The tables changed. */
  clear(): void {
    this.#views.clear();
    this.#onChassis.clear();
  }

  /** In the order of `ips`. */
  of(router: string, ips: readonly string[]): NextHopStatus[] {
    return ips.map((ip) => ({ ip, ...this.#usability(router, ip) }));
  }

  /** Why a static route to `destination` is never looked at; undefined = it is. A connected prefix of the same length wins. */
  hiddenBy(router: string, destination: string): string | undefined {
    const first = parseIp(destination.slice(0, destination.indexOf("/")));
    const segment = first && segmentOf(this.#views.of(router), first);
    if (segment?.prefix !== destination) return undefined;
    const object =
      segment.kind === "network"
        ? describeObject("router-interface", segment.interface)
        : describeObject("router-link", segment.link);
    return `hidden by the connected prefix of ${object}: delete the route, or give it a longer prefix`;
  }

  #usability(routerId: string, text: string): Usability {
    const { tables } = this.#options;
    const router = tables.get("router", routerId);
    const ip = parseIp(text);
    if (router === undefined || ip === undefined) return unusable(`there is no router ${routerId}`);
    if (!router.adminUp) return unusable(downReason(router));
    const segment = segmentOf(this.#views.of(routerId), ip);
    if (segment === undefined) {
      const name = describeObject("router", router);
      return unusable(
        `no interface or link of ${name} is on a prefix with ${text}: add one, or give another next hop`,
      );
    }
    if (segment.kind === "network") return this.#inNetwork(router, segment, text);
    const peer = this.#routerAt(segment, text);
    if (peer !== undefined) return peer.adminUp ? usable : unusable(downReason(peer));
    const link = describeObject("router-link", segment.link);
    return unusable(
      `the other end of ${link} has ${segment.peer.ips.join(", ")}: give one of those`,
    );
  }

  /** Undefined = no router has the address. */
  #routerAt(segment: Segment, ip: string): RouterRow | undefined {
    const { tables } = this.#options;
    const next = nextRouter(tables, segment, ip);
    return next && tables.get("router", next.router);
  }

  #inNetwork(router: RouterRow, segment: NetworkSegment, ip: string): Usability {
    const network = this.#options.tables.get("network", segment.interface.network);
    if (network === undefined) return unusable(`there is no network ${segment.interface.network}`);
    const next = this.#routerAt(segment, ip);
    if (next?.adminUp === false) return unusable(downReason(next));
    const holder = next === undefined ? this.#portAt(router, network, ip) : usable;
    if (!holder.active || network.physicalNetwork === null) return holder;
    const wire = this.#wire(router, network.physicalNetwork);
    return wire.active && next !== undefined ? this.#besides(router, next) : wire;
  }

  #portAt(router: RouterRow, network: NetworkRow, ip: string): Usability {
    const { tables, portWithIp, portReason } = this.#options;
    const fixed = tables.get("port", portWithIp(network.id, ip) ?? "");
    // The lookup may be ahead of what is visible.
    const owner = fixed?.fixedIps.some((entry) => entry.ip === ip) ? fixed : undefined;
    const claim = tables.get("claim", `${network.id}/${ip}`);
    const port = owner ?? (claim && tables.get("port", claim.port));
    if (port === undefined) {
      const name = describeObject("network", network);
      return unusable(
        `nothing in ${name} is known to have ${ip}: create a port with it, or let one claim it by an allowed pair`,
      );
    }
    if (network.encap === null && port.project !== router.project) {
      return unusable(
        `a port of another project has ${ip}, and routers reach those of their own on a shared network: give another next hop`,
      );
    }
    const state = tables.get("binding", port.id)?.state;
    if (port.adminUp && (state === "programmed" || state === "up")) return usable;
    const name = describeObject("port", port);
    return unusable(`${name} has ${ip} and is not located: ${portReason(port)}`);
  }

  /** Routed packets reach a provider network only from chassis that are on its wire. */
  #wire(router: RouterRow, physicalNetwork: string): Usability {
    const { tables } = this.#options;
    return this.#where(router, physicalNetwork, () => ({
      fits: (id) => tables.get("chassis", id)?.physicalNetworks.includes(physicalNetwork) ?? false,
      wayOut: `map physical network ${physicalNetwork} to a bridge there`,
    }));
  }

  /** A provider network joins no routers: the other is known only where a port leads to both. */
  #besides(router: RouterRow, next: RouterRow): Usability {
    return this.#where(router, next.id, () => {
      const chassis = new Set(this.#options.routerChassis(next.key));
      const name = describeObject("router", next);
      return {
        fits: (id) => chassis.has(id),
        wayOut: `a provider network does not join ${name} to it: add a router-link, or give another next hop`,
      };
    });
  }

  #where(
    router: RouterRow,
    what: string,
    rule: () => { readonly fits: (chassis: string) => boolean; readonly wayOut: string },
  ): Usability {
    const slot = `${router.id}/${what}`;
    let known = this.#onChassis.get(slot);
    if (known !== undefined) return known;
    const { fits, wayOut } = rule();
    const chassis = [...this.#options.routerChassis(router.key)];
    const without = chassis.filter((id) => !fits(id)).sort();
    known = usable;
    if (without.length > 0) {
      const more = without.length - MAX_CHASSIS_NAMED;
      const names = `${without.slice(0, MAX_CHASSIS_NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
      const reason = `not on chassis ${names}: ${wayOut}`;
      known = { active: without.length < chassis.length, reason };
    }
    this.#onChassis.set(slot, known);
    return known;
  }
}

function downReason(router: RouterRow): string {
  return `${describeObject("router", router)} is administratively down: apply it without adminDown`;
}
