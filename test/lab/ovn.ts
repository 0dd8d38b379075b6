// An OVN of our own as the other side of a comparison: its databases and northd, and hosts with an Open vSwitch and an
// ovn-controller each, wired as Weft's chassis are. It never touches an OVN or Open vSwitch that it did not start. Used by
// test/differential.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { labFolder } from "./cluster.ts";
import { addNamespace, Fabric } from "./fabric.ts";
import { type Ovs, startOvs, until } from "./ovs.ts";
import { endLeftovers, run } from "./processes.ts";
import { EXTERNAL_BRIDGE, vtepIp, wireHost } from "./wiring.ts";

/** Program -> Debian package that has it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  "/usr/bin/ovn-northd": "ovn-central",
  "/usr/bin/ovn-nbctl": "ovn-common",
  "/usr/bin/ovn-controller": "ovn-host",
};
const SCHEMAS = "/usr/share/ovn";
/** ovn-nbctl gives up then. */
const COMMAND_SECONDS = 30;

/** Debian packages that are missing for this; none = OVN can be started. */
export function missingOvnPackages(): readonly string[] {
  return Object.entries(PROGRAMS)
    .filter(([program]) => !existsSync(program))
    .map(([, package_]) => package_);
}

/** The OVN that is installed, such as 23.03.1. */
export async function ovnVersion(): Promise<string> {
  return /\d+\.\d+\.\d+/.exec(await run("ovn-nbctl", "--version"))?.[0] ?? "unknown";
}

export interface OvnOptions {
  /** Short: namespaces and the folder start with it. */
  readonly prefix: string;
  readonly hosts: number;
}

export interface OvnHost {
  readonly name: string;
  readonly netns: string;
  readonly ovs: Ovs;
}

export class OvnLab implements AsyncDisposable {
  readonly dir: string;
  readonly fabric: Fabric;
  readonly hosts: readonly OvnHost[];

  private constructor(dir: string, fabric: Fabric, hosts: readonly OvnHost[]) {
    this.dir = dir;
    this.fabric = fabric;
    this.hosts = hosts;
  }

  /** Removes first what an earlier run with this prefix left. */
  static async start({ prefix, hosts: count }: OvnOptions): Promise<OvnLab> {
    const dir = labFolder(prefix);
    await OvnLab.removeLeftovers(prefix);
    await mkdir(dir, { recursive: true });
    const fabric = await Fabric.start(prefix);
    await startCentral(dir);
    const numbers = Array.from({ length: count }, (_, index) => index + 1);
    const hosts = await Promise.all(numbers.map((number) => startHost(dir, fabric, number)));
    const lab = new OvnLab(dir, fabric, hosts);
    await until("all OVN hosts to have registered", async () => {
      const listed = await lab.#tool(
        "ovn-sbctl",
        "sb",
        "--bare",
        "--columns=name",
        "list",
        "chassis",
      );
      return listed.split("\n").filter((name) => name !== "").length === count;
    });
    return lab;
  }

  static async removeLeftovers(prefix: string): Promise<void> {
    const dir = labFolder(prefix);
    await endLeftovers(dir);
    await Fabric.removeLeftovers(prefix);
    await rm(dir, { recursive: true, force: true });
  }

  /** Runs commands as one transaction of the northbound database; returns once every host has its flows. */
  async commit(commands: readonly (readonly string[])[]): Promise<void> {
    const all = commands.length === 0 ? [["sync"]] : commands;
    const words = joined(all);
    await this.#tool("ovn-nbctl", "nb", "--wait=hv", ...words);
  }

  /** Waits until these switch ports are up. */
  async waitUp(ports: readonly string[]): Promise<void> {
    if (ports.length === 0) return;
    const wait = (port: string) => ["wait-until", "Logical_Switch_Port", port, "up=true"];
    const words = joined(ports.map(wait));
    await this.#tool("ovn-nbctl", "nb", ...words);
  }

  async stop(): Promise<void> {
    for (const { ovs } of this.hosts) {
      await endByPidFile(join(ovs.dir, "ovn-controller.pid"), this.dir);
      await ovs.stop();
    }
    for (const name of ["ovn-northd", "nb", "sb"]) {
      await endByPidFile(join(this.dir, `${name}.pid`), this.dir);
    }
    await OvnLab.removeLeftovers(this.fabric.prefix);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #tool(program: string, database: "nb" | "sb", ...args: readonly string[]): Promise<string> {
    const to = `--db=unix:${join(this.dir, `${database}.sock`)}`;
    return run(program, `--timeout=${COMMAND_SECONDS}`, to, ...args);
  }
}

/** Several commands for one call of a tool. */
function joined(commands: readonly (readonly string[])[]): readonly string[] {
  const words: string[] = [];
  for (const command of commands) words.push("--", ...command);
  return words.slice(1);
}

async function startCentral(dir: string): Promise<void> {
  for (const name of ["nb", "sb"]) {
    const file = join(dir, `${name}.db`);
    await run("ovsdb-tool", "create", file, join(SCHEMAS, `ovn-${name}.ovsschema`));
    const remote = `--remote=punix:${join(dir, `${name}.sock`)}`;
    await daemon(dir, ["ovsdb-server", file, remote], name, dir);
  }
  const databases = ["nb", "sb"].map((name) => `--ovn${name}-db=unix:${join(dir, `${name}.sock`)}`);
  await daemon(dir, ["ovn-northd", ...databases], "ovn-northd", dir);
  await run("ovn-nbctl", `--db=unix:${join(dir, "nb.sock")}`, "init");
  await run("ovn-sbctl", `--db=unix:${join(dir, "sb.sock")}`, "init");
}

/** The MAC that a host uses on the physical network instead of a router's. */
export function hostMac(number: number): string {
  return `0e:57:00:00:ff:0${number}`;
}

async function startHost(dir: string, fabric: Fabric, number: number): Promise<OvnHost> {
  const name = `host-${number}`;
  const netns = `${fabric.prefix}-h${number}`;
  await addNamespace(netns);
  const ovs = await startOvs({ dir: join(dir, `h${number}`), name, netns, systemId: name });
  await wireHost({ fabric, netns, ovs, number });
  const settings = {
    "ovn-remote": `unix:${join(dir, "sb.sock")}`,
    "ovn-encap-type": "geneve",
    "ovn-encap-ip": vtepIp(number),
    "ovn-bridge-datapath-type": "netdev",
    "ovn-bridge-mappings": `physnet1:${EXTERNAL_BRIDGE}`,
    "ovn-chassis-mac-mappings": `physnet1:${hostMac(number)}`,
  };
  const pairs = Object.entries(settings).map(([key, value]) => `external_ids:${key}="${value}"`);
  await ovs.vsctl("set", "Open_vSwitch", ".", ...pairs);
  const inside = ["ip", "netns", "exec", netns, "ovn-controller", ovs.dbAddress];
  await daemon(dir, inside, "ovn-controller", ovs.dir);
  return { name, netns, ovs };
}

/** Starts a program that detaches itself; it answers once it serves. */
async function daemon(
  labDir: string,
  command: readonly string[],
  name: string,
  runDir: string,
): Promise<void> {
  const log = join(runDir, `${name}.log`);
  const [file = "", ...args] = [
    ...command,
    ...[`--pidfile=${join(runDir, `${name}.pid`)}`, `--log-file=${log}`],
    // ovn-controller has no such option: it makes its control socket in OVN_RUNDIR.
    ...(name === "ovn-controller" ? [] : [`--unixctl=${join(runDir, `${name}.ctl`)}`]),
    ...["--verbose=console:off", "--detach", "--no-chdir"],
  ];
  const env = { ...process.env, OVS_RUNDIR: runDir, OVN_RUNDIR: runDir, WEFT_LAB: labDir };
  const child = spawn(file, args, { env, stdio: "ignore" });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  if (code !== 0) {
    const tail = (await readFile(log, "utf8").catch(() => "")).split("\n").slice(-8).join("\n");
    throw new Error(`${name} ended with ${code} while starting:\n${tail}`);
  }
}

async function endByPidFile(file: string, labDir: string): Promise<void> {
  const pid = Number.parseInt(await readFile(file, "utf8").catch(() => ""), 10);
  if (!Number.isInteger(pid)) return;
  const environment = () => readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
  const ours = async () => (await environment()).split("\0").includes(`WEFT_LAB=${labDir}`);
  if (!(await ours())) return;
  process.kill(pid, "SIGTERM");
  await until(`the process of ${file} to end`, async () => !(await ours()));
}
