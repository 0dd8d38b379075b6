// The real Open vSwitch of the real chassis: userspace datapath, the underlay address on br-phys (MTU 1600), the integration bridge
// and its devices (internal ports). Programs no flow: that is the agent's work. Runs in the namespace it is started in.

import { join } from "node:path";
import { OvsdbSession } from "@weft/agent/ovsdb/session.ts";
import type { Json } from "@weft/agent/ovsdb/jsonrpc.ts";
import { SystemClock } from "@weft/shared/clock.ts";
import { type Ovs, startOvs, until } from "@weft/test/lab/ovs.ts";
import { run } from "@weft/test/lab/processes.ts";
import { FlowMonitor } from "./flow-monitor.ts";

/** With our 12-byte option 1500 would leave 1434 of it; the workloads say 1442. */
export const UNDERLAY_MTU_BYTES = 1600;
/** Below that of every network of the workloads: a larger one is refused. */
const DEVICE_MTU_BYTES = 1400;
export const BRIDGE = "br-int";

export interface Device {
  readonly portId: string;
  readonly mac: string;
}

export class RealSwitch implements AsyncDisposable {
  readonly ovs: Ovs;
  readonly #session: OvsdbSession;
  /** Interface name -> ofport, as the database says. */
  readonly #ofports = new Map<string, number>();
  readonly #waiting = new Set<() => void>();

  private constructor(ovs: Ovs, session: OvsdbSession) {
    this.ovs = ovs;
    this.#session = session;
  }

  static async start(options: {
    readonly dir: string;
    readonly vtepIp: string;
  }): Promise<RealSwitch> {
    const ovs = await startOvs({ dir: options.dir, name: "bench" });
    // Taps speak up by themselves when they come up; nobody is to hear that here.
    await run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1");
    await run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1");
    const bridge = (name: string): string[] => [
      ...["--", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev"],
    ];
    await ovs.vsctl(
      ...bridge("br-phys").slice(1),
      ...["--", "set", "interface", "br-phys", `mtu_request=${UNDERLAY_MTU_BYTES}`],
      ...[...bridge(BRIDGE), "fail_mode=secure", "other_config:disable-in-band=true"],
      ...["protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15"],
    );
    await run("ip", "address", "add", `${options.vtepIp}/16`, "dev", "br-phys");
    await run("ip", "link", "set", "br-phys", "up");
    const clock = new SystemClock();
    const session = new OvsdbSession({ address: ovs.dbAddress, clock, random: Math.random });
    const started = new RealSwitch(ovs, session);
    await started.#follow();
    return started;
  }

  monitor(): Promise<FlowMonitor> {
    return FlowMonitor.start(this.ovs.mgmtSocket(BRIDGE), this.ovs.dir);
  }

  get mgmtSocket(): string {
    return this.ovs.mgmtSocket(BRIDGE);
  }

  /** Plugs an internal port as the port's VIF; answers the milliseconds until ovs-vswitchd gave it an ofport. */
  async plug(device: Device): Promise<number> {
    const name = deviceName(device.portId);
    const from = performance.now();
    await this.#transact([
      {
        op: "insert",
        table: "Interface",
        "uuid-name": "i",
        row: {
          name,
          type: "internal",
          mac: device.mac,
          mtu_request: DEVICE_MTU_BYTES,
          external_ids: ["map", [["iface-id", device.portId]]],
        },
      },
      { op: "insert", table: "Port", "uuid-name": "p", row: { name, interfaces: named("i") } },
      addToBridge(named("p")),
      nextCfg(),
    ]);
    await this.#until(`an ofport of ${name}`, () => (this.#ofports.get(name) ?? 0) > 0);
    return performance.now() - from;
  }

  async unplug(portId: string): Promise<void> {
    const name = deviceName(portId);
    await this.ovs.vsctl("--if-exists", "del-port", BRIDGE, name);
    await this.#until(`${name} to go`, () => !this.#ofports.has(name));
  }

  /** Brings the devices up: only then their ports can be UP. */
  async linkUp(portIds: readonly string[]): Promise<void> {
    for (const portId of portIds) await run("ip", "link", "set", deviceName(portId), "up");
  }

  async flowCount(): Promise<number> {
    const text = await this.ovs.ofctl("dump-aggregate", BRIDGE);
    return Number(/flow_count=(\d+)/.exec(text)?.[1] ?? Number.NaN);
  }

  /** Takes away what an agent made, so that the next start finds a switch as it was before the first. */
  async forgetAgent(): Promise<void> {
    await this.ovs.ofctl("del-flows", BRIDGE);
    await this.ovs.ofctl("del-groups", BRIDGE);
    await this.ovs.ofctl("del-meters", BRIDGE);
    await this.ovs.ofctl("del-tlv-map", BRIDGE);
    for (const port of (await this.ovs.vsctl("list-ports", BRIDGE)).split("\n")) {
      if (port.startsWith("weft-")) await this.ovs.vsctl("del-port", BRIDGE, port);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
    await this.ovs.stop();
  }

  async #follow(): Promise<void> {
    this.#session.listen({
      notification: (method, params) => {
        if (method === "update") this.#take((params as readonly Json[])[1]);
      },
    });
    this.#session.start();
    await until("the connection to OVSDB", () => this.#session.state === "connected");
    const columns = { columns: ["name", "ofport"] };
    this.#take(
      await this.#session.request("monitor", ["Open_vSwitch", null, { Interface: columns }]),
    );
  }

  #take(updates: Json | undefined): void {
    const rows = (updates as { Interface?: Readonly<Record<string, RowUpdate>> }).Interface ?? {};
    for (const { old, new: now } of Object.values(rows)) {
      const name = now?.name ?? old?.name;
      if (name === undefined) continue;
      if (now === undefined) this.#ofports.delete(name);
      else if (typeof now.ofport === "number") this.#ofports.set(name, now.ofport);
    }
    for (const wake of this.#waiting) wake();
  }

  async #transact(operations: readonly Json[]): Promise<void> {
    const results = await this.#session.request("transact", ["Open_vSwitch", ...operations]);
    const failed = (results as readonly ({ error?: string; details?: string } | null)[]).find(
      (result) => result?.error !== undefined,
    );
    if (failed) throw new Error(`OVSDB refused: ${failed.error} ${failed.details ?? ""}`);
  }

  #until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const look = (): void => {
        if (!holds()) return;
        done();
        resolve();
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`waited 20 s in vain for ${what}; see ${join(this.ovs.dir, "*.log")}`));
      }, 20_000);
      this.#waiting.add(look);
      look();
    });
  }
}

interface RowUpdate {
  readonly old?: { readonly name?: string };
  readonly new?: { readonly name?: string; readonly ofport?: number | readonly Json[] };
}

/** `port-12` -> `v12`: names of devices end at 15 characters. */
export function deviceName(portId: string): string {
  return `v${portId.replace(/^port-/, "")}`;
}

function named(name: string): Json {
  return ["named-uuid", name];
}

function addToBridge(port: Json): Json {
  return {
    op: "mutate",
    table: "Bridge",
    where: [["name", "==", BRIDGE]],
    mutations: [["ports", "insert", port]],
  };
}

/** What ovs-vsctl does to know when ovs-vswitchd has taken a change; here it only wakes it the same way. */
function nextCfg(): Json {
  return { op: "mutate", table: "Open_vSwitch", where: [], mutations: [["next_cfg", "+=", 1]] };
}
