// Two hosts with a guest on the one and two on the other: one in the same network, one behind a router. Both paths cross the same
// wire in Geneve; only the router is between. Runs one TCP stream over either. Called by throughput.ts.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Cluster } from "@weft/test/lab/cluster.ts";
import type { Guest } from "@weft/test/lab/guest.ts";
import { until } from "@weft/test/lab/ovs.ts";
import { Kept } from "@weft/test/lab/processes.ts";
import { stringify } from "yaml";
import { processCpuUs } from "./machine.ts";
import { type Family, families, type Path, parseIperf, type Stream } from "./throughput-report.ts";

export const PREFIX = "wfthru";
const HOSTS = ["host-a", "host-b"] as const;
const IPERF_PORT = "5201";

/** Network -> the last but one part of its prefixes. */
const networks = { near: 1, far: 2 } as const;
type Network = keyof typeof networks;

const ports: readonly { id: string; network: Network; chassis: string; host: number }[] = [
  { id: "sender", network: "near", chassis: HOSTS[0], host: 10 },
  { id: "switched", network: "near", chassis: HOSTS[1], host: 20 },
  { id: "routed", network: "far", chassis: HOSTS[1], host: 20 },
];

const prefixOf = (network: Network, family: Family): string =>
  family === "IPv4" ? `10.9.${networks[network]}.` : `fd00:9:0:${networks[network]}::`;

function addressOf(path: Path, family: Family): string {
  const port = ports.find(({ id }) => id === path);
  if (port === undefined) throw new RangeError(`no port ${path}`);
  return `${prefixOf(port.network, family)}${port.host}`;
}

function intent(): string {
  const project = "default";
  const object = (kind: string, id: string, spec: object): string =>
    stringify({ kind, metadata: { id, project, name: id }, spec });
  const names = Object.keys(networks) as Network[];
  return [
    ...names.map((id) => object("Network", id, { overlay: { encap: "geneve" } })),
    ...names.flatMap((network) =>
      families.map((family) => {
        const cidr =
          family === "IPv4"
            ? `${prefixOf(network, family)}0/24`
            : `${prefixOf(network, family)}/64`;
        return object("Subnet", `${network}-${family.toLowerCase()}`, { network, cidr });
      }),
    ),
    object("Router", "between", {}),
    ...names.map((network) =>
      object("RouterInterface", `between-${network}`, { router: "between", network }),
    ),
    ...ports.map(({ id, network, chassis, host }) => {
      const fixedIps = families.map((family) => ({ ip: `${prefixOf(network, family)}${host}` }));
      return object("Port", id, { network, fixedIps, requestedChassis: chassis });
    }),
  ].join("---\n");
}

export class ThroughputLab implements AsyncDisposable {
  readonly #cluster: Cluster;

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  static async start(say: (text: string) => void): Promise<ThroughputLab> {
    const cluster = await Cluster.start({ prefix: PREFIX, chassis: HOSTS, say });
    const lab = new ThroughputLab(cluster);
    try {
      await lab.#fill();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return lab;
  }

  /** One stream from the sender; counts what the receiver's interface saw, and the CPU of both switches meanwhile. */
  async stream(path: Path, family: Family, seconds: number): Promise<Stream> {
    const receiver = this.#cluster.guest(path);
    const cpuBefore = await this.#switchCpuSeconds();
    const packetsBefore = await packetsOf(receiver);
    const text = await this.#cluster
      .guest("sender")
      .exec(
        ...["iperf3", "--client", addressOf(path, family), "--port", IPERF_PORT],
        ...["--time", String(seconds), "--connect-timeout", "5000", "--json"],
      );
    const packets = (await packetsOf(receiver)) - packetsBefore;
    const cpuSeconds = (await this.#switchCpuSeconds()) - cpuBefore;
    return { ...parseIperf(text), packetsPerCpuSecond: packets / cpuSeconds };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cluster.stop();
  }

  async #fill(): Promise<void> {
    const cluster = this.#cluster;
    const file = join(cluster.dir, "throughput.yaml");
    await writeFile(file, intent());
    await cluster.central.must("apply", "-f", file, "--wait");
    await cluster.plugGuests();
    await cluster.waitUp();
    for (const path of ["switched", "routed"] as const) {
      new Kept({
        command: [
          ...["ip", "netns", "exec", cluster.guest(path).netns],
          ...["iperf3", "--server", "--port", IPERF_PORT],
        ],
        labDir: cluster.dir,
        logPath: join(cluster.dir, `iperf3-${path}.log`),
      });
      for (const family of families) await this.#assertHops(path, family);
    }
  }

  /** The answer's TTL tells that the routed path has exactly one router in it, and the switched one none. */
  async #assertHops(path: Path, family: Family): Promise<void> {
    const expected = path === "routed" ? 63 : 64;
    const target = addressOf(path, family);
    await until(`${target} to answer with TTL ${expected}`, async () => {
      const ping = this.#cluster.guest("sender").exec("ping", "-c1", "-W1", target);
      return (await ping.catch(() => "")).includes(`ttl=${expected} `);
    });
  }

  async #switchCpuSeconds(): Promise<number> {
    let us = 0;
    for (const { name, ovs } of this.#cluster.chassis.values()) {
      const pid = await ovs.pid("ovs-vswitchd");
      if (pid === null) throw new Error(`ovs-vswitchd of ${name} does not run`);
      us += await processCpuUs(pid);
    }
    return us / 1e6;
  }
}

async function packetsOf(guest: Guest): Promise<number> {
  const text = await guest.exec("ip", "-json", "-stats", "link", "show", "dev", "eth0");
  const [link] = JSON.parse(text) as readonly {
    readonly stats64: Readonly<Record<"rx" | "tx", { readonly packets: number }>>;
  }[];
  if (link === undefined) throw new Error(`guest ${guest.name} has no eth0`);
  return link.stats64.rx.packets + link.stats64.tx.packets;
}
