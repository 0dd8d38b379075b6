// What is there: the rows of the Open_vSwitch database that plans look at, with the few lookups they
// need. Built by reconcile/observe.ts from the replica, by tests from literals. Pure.
import type { VswitchRow } from "../ovsdb/vswitch.ts";

export type BridgeRow = VswitchRow<"Bridge">;
export type PortRow = VswitchRow<"Port">;
export type InterfaceRow = VswitchRow<"Interface">;

export interface OvsdbActual {
  /** The one row of the root table; null while the database is being set up. */
  readonly root: VswitchRow<"Open_vSwitch"> | null;
  readonly bridges: ReadonlyMap<string, BridgeRow>;
  readonly ports: ReadonlyMap<string, PortRow>;
  readonly interfaces: ReadonlyMap<string, InterfaceRow>;
}

/** A port with its place and its first interface; bonds have more, ours never do. */
export interface PlacedPort {
  readonly bridge: BridgeRow;
  readonly port: PortRow;
  readonly iface: InterfaceRow | null;
}

/** Lookups by name over one state of the database. Names are unique there. */
export class ActualIndex {
  readonly actual: OvsdbActual;
  readonly #bridges = new Map<string, BridgeRow>();
  readonly #ports = new Map<string, PlacedPort>();

  constructor(actual: OvsdbActual) {
    this.actual = actual;
    for (const bridge of actual.bridges.values()) {
      this.#bridges.set(bridge.name, bridge);
      for (const uuid of bridge.ports) {
        const port = actual.ports.get(uuid);
        if (port === undefined) continue;
        const iface = actual.interfaces.get(port.interfaces[0] ?? "") ?? null;
        this.#ports.set(port.name, { bridge, port, iface });
      }
    }
  }

  bridge(name: string): BridgeRow | null {
    return this.#bridges.get(name) ?? null;
  }

  port(name: string): PlacedPort | null {
    return this.#ports.get(name) ?? null;
  }

  ports(): Iterable<PlacedPort> {
    return this.#ports.values();
  }

  bridges(): Iterable<BridgeRow> {
    return this.#bridges.values();
  }
}
