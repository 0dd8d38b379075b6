// The OVSDB side of the agent, wired: session, replica and reconciler, the desired state from the configuration, and what is
// observed turned into facts. No networking decision is made here. Made by main.ts; its facts go to agent.ts.

import type { Clock } from "@weft/shared/clock.ts";
import { ipToBytes } from "@weft/shared/net/ip.ts";
import type { Logger } from "pino";
import type { SwitchFacts } from "./agent.ts";
import { type AgentConfig, encapTypeOf } from "./config.ts";
import { Replica } from "./ovsdb/replica.ts";
import { OvsdbSession } from "./ovsdb/session.ts";
import { VSWITCH_DATABASE, VSWITCH_TABLES, type VswitchTables } from "./ovsdb/vswitch.ts";
import type { DesiredTunnel, EncapType, OvsdbDesired } from "./plan/desired.ts";
import { OvsdbReconciler } from "./reconcile/ovsdb-reconciler.ts";
import type { OvsdbStatus } from "./reconcile/status.ts";

export interface SwitchOptions {
  readonly config: AgentConfig;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly onFacts: (facts: SwitchFacts) => void;
  readonly fatal: (error: unknown) => void;
}

export class Switch implements AsyncDisposable {
  readonly #options: SwitchOptions;
  readonly #session: OvsdbSession;
  readonly #replica: Replica<VswitchTables>;
  readonly #reconciler: OvsdbReconciler;
  #objects = "";

  constructor(options: SwitchOptions) {
    this.#options = options;
    const { config, clock, random, fatal } = options;
    this.#session = new OvsdbSession({ address: config.ovs.database, clock, random });
    this.#session.listen({
      disconnected: (error, retryMs) =>
        options.logger.warn({ reason: error.message, retryInMs: Math.round(retryMs) }, "no OVSDB"),
      connected: () => options.logger.info("OVSDB connected"),
    });
    this.#replica = new Replica({
      session: this.#session,
      database: VSWITCH_DATABASE,
      tables: VSWITCH_TABLES,
    });
    this.#reconciler = new OvsdbReconciler({
      session: this.#session,
      replica: this.#replica,
      clock,
      random,
      fatal,
    });
    this.#reconciler.listen((status) => this.#observed(status));
  }

  start(): void {
    this.#reconciler.update(desiredOf(this.#options.config, false));
    this.#session.start();
  }

  /** Our leftovers may go from now on. */
  allowPrune(): void {
    this.#reconciler.update(desiredOf(this.#options.config, true));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reconciler[Symbol.asyncDispose]();
    this.#replica[Symbol.dispose]();
    await this.#session[Symbol.asyncDispose]();
  }

  #observed(status: OvsdbStatus): void {
    const objects = JSON.stringify(status.objects);
    if (objects !== this.#objects) {
      this.#objects = objects;
      for (const { object, state, reason } of status.objects) {
        if (state === "failed")
          this.#options.logger.error({ object, reason }, "OVSDB object failed");
      }
    }
    this.#options.onFacts(factsOf(this.#options.config, status));
  }
}

function desiredOf(config: AgentConfig, inSync: boolean): OvsdbDesired {
  const localIps = new Map<EncapType, string[]>();
  for (const { type, ip } of config.encaps) {
    localIps.set(type, [...(localIps.get(type) ?? []), ip]);
  }
  const tunnels = [...localIps].map(
    ([encap, ips]): DesiredTunnel => ({
      encap,
      localIps: ips,
      csum: null,
      dstPort: null,
      mtuBytes: null,
    }),
  );
  return {
    systemId: config.chassis,
    bridge: {
      name: config.ovs.bridge,
      datapathType: config.ovs.datapathType,
      adopt: config.ovs.adoptBridge,
    },
    tunnels,
    providers: Object.entries(config.providerBridges).map(([physicalNetwork, bridge]) => ({
      physicalNetwork,
      bridge,
    })),
    inSync,
  };
}

function factsOf(config: AgentConfig, { observed }: OvsdbStatus): SwitchFacts {
  const usable = <T extends { ofport: number | null; error: string | null }>(port: T) =>
    port.ofport !== null && port.error === null ? [{ ...port, ofport: port.ofport }] : [];
  return {
    vifs: observed.vifs.map((vif) => ({
      portId: vif.ifaceId,
      name: vif.name,
      ofport: vif.ofport ?? 0,
      linkUp: vif.linkUp,
      mtuBytes: vif.mtuBytes ?? 0,
      error: vif.error ?? "",
    })),
    tunnels: observed.tunnels.flatMap(usable).map(({ encap, ofport }) => ({
      encap: encapTypeOf(encap),
      ofport,
      localIps: config.encaps
        .filter(({ type }) => type === encap)
        .map(({ ip }) => ipToBytes(ip))
        .sort((a, b) => Buffer.compare(a, b)),
    })),
    patches: observed.patches
      .flatMap(usable)
      .map(({ physicalNetwork, ofport }) => ({ physicalNetwork, ofport })),
  };
}
