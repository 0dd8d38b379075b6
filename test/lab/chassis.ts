// A chassis of the lab: a namespace with its own Open vSwitch (userspace datapath), an underlay bridge that owns the VTEP
// addresses, an external bridge for physnet1, a management address, and a weft-agent. Everything can be ended and started again
// on its own, which is what the fault tests do.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tlsFilesIn } from "@weft/shared/tls.ts";
import { stringify } from "yaml";
import { addNamespace, type Fabric, UNDERLAY_MTU_BYTES } from "./fabric.ts";
import { type Ovs, startOvs, until } from "./ovs.ts";
import { Kept, run } from "./processes.ts";
import { EXTERNAL_BRIDGE, vtepIp, vtepIp6, wireHost } from "./wiring.ts";

const AGENT = fileURLToPath(new URL("../../bin/weft-agent", import.meta.url));

export interface ChassisOptions {
  /** Name of the chassis, as in its certificate. */
  readonly name: string;
  /** 1..200: last part of its addresses. */
  readonly number: number;
  readonly fabric: Fabric;
  readonly labDir: string;
  /** host:port of central's southbound listener. */
  readonly central: string;
  /** Folder of the local authority, with a folder for each identity. */
  readonly pkiDir: string;
  /** Family of its tunnel addresses; absent = 4. */
  readonly underlay?: 4 | 6;
  /** Its agent knows the bridge to the physical network; absent = yes. */
  readonly physical?: boolean;
}

export class Chassis {
  readonly name: string;
  readonly netns: string;
  readonly dir: string;
  readonly ovs: Ovs;
  readonly #options: ChassisOptions;
  #agent: Kept | null = null;

  private constructor(options: ChassisOptions, netns: string, dir: string, ovs: Ovs) {
    this.#options = options;
    this.name = options.name;
    this.netns = netns;
    this.dir = dir;
    this.ovs = ovs;
  }

  static async start(options: ChassisOptions): Promise<Chassis> {
    const netns = `${options.fabric.prefix}-c${options.number}`;
    const dir = join(options.labDir, `c${options.number}`);
    await addNamespace(netns);
    await mkdir(dir, { recursive: true });
    const ovs = await startOvs({ dir: join(dir, "ovs"), name: options.name, netns });
    const chassis = new Chassis(options, netns, dir, ovs);
    await wireHost({ fabric: options.fabric, netns, ovs, number: options.number });
    await chassis.#configure();
    await chassis.startAgent();
    return chassis;
  }

  get vtepIp(): string {
    return vtepIp(this.#options.number);
  }

  get vtepIp6(): string {
    return vtepIp6(this.#options.number);
  }

  get agentRunning(): boolean {
    return this.#agent?.running ?? false;
  }

  get agentPid(): number {
    return this.#agent?.pid ?? 0;
  }

  get agentLog(): string {
    return join(this.dir, "agent.log");
  }

  async startAgent(): Promise<void> {
    this.#agent = new Kept({
      command: [
        ...["ip", "netns", "exec", this.netns, AGENT],
        ...["--config", join(this.dir, "agent.yaml")],
      ],
      labDir: this.#options.labDir,
      logPath: this.agentLog,
    });
    await Promise.resolve();
  }

  async endAgent(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    await this.#agent?.end(signal);
  }

  /** Puts an existing interface of this namespace into the integration bridge as the port's VIF. */
  async plug(interfaceName: string, portId: string): Promise<void> {
    await until(`bridge br-int of ${this.name}`, () => this.#hasBridge("br-int"));
    await this.ovs.vsctl(
      ...["--may-exist", "add-port", "br-int", interfaceName],
      ...["--", "set", "interface", interfaceName, `external_ids:iface-id=${portId}`],
    );
  }

  async unplug(interfaceName: string): Promise<void> {
    await this.ovs.vsctl("--if-exists", "del-port", "br-int", interfaceName);
  }

  async flowCount(): Promise<number> {
    const text = await this.ovs.ofctl("dump-aggregate", "br-int");
    return Number(/flow_count=(\d+)/.exec(text)?.[1] ?? 0);
  }

  /** Waits until the underlay reaches a peer: the first packets wait for its neighbour entry. */
  async warm(peer: Chassis): Promise<void> {
    for (const ip of [peer.vtepIp, peer.vtepIp6]) {
      await until(`underlay ${this.name} -> ${ip}`, () =>
        run("ip", "netns", "exec", this.netns, "ping", "-c1", "-W1", ip).then(
          () => true,
          () => false,
        ),
      );
    }
  }

  async stop(): Promise<void> {
    await this.endAgent();
    await this.ovs.stop();
    await run("ip", "netns", "del", this.netns);
  }

  async #configure(): Promise<void> {
    const { pkiDir, central, name } = this.#options;
    const underlayMtuBytes = UNDERLAY_MTU_BYTES;
    const config = {
      chassis: name,
      central: {
        address: central,
        tls: tlsFilesIn(join(pkiDir, `chassis:${name}`)),
      },
      stateDir: join(this.dir, "state"),
      ovs: {
        database: this.ovs.dbAddress,
        runDir: this.ovs.dir,
        bridge: "br-int",
        datapathType: "netdev",
      },
      encaps: ["geneve", "vxlan", "gre"].map((type) => ({
        type,
        ip: this.#options.underlay === 6 ? this.vtepIp6 : this.vtepIp,
        underlayMtuBytes,
      })),
      providerBridges: this.#options.physical === false ? {} : { physnet1: EXTERNAL_BRIDGE },
      log: { level: "info" },
    };
    await writeFile(join(this.dir, "agent.yaml"), stringify(config));
  }

  async #hasBridge(name: string): Promise<boolean> {
    return (await this.ovs.vsctl("list-br")).split("\n").includes(name);
  }
}
