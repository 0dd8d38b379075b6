// `make demo`: one central, three chassis, the example, a guest a port; probes every pair of guests and prints who reached whom.
// Exit status 0 only if every probe went as expected. KEEP=1 leaves the lab up. Cleans up after itself, also on Ctrl-C.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import { Cluster, type ListedPort } from "./cluster.ts";
import type { Answer } from "./guest.ts";
import { type ListedInterface, type ListedLink, Reachability, ipsOf } from "./reachability.ts";

const PREFIX = "wfdemo";
const EXAMPLES = ["first-light", "routing"];
const CHASSIS = ["chassis-a", "chassis-b", "chassis-c"];

/** Behind the two gateways of examples/routing.yaml: either may answer. */
const PARTNER = { ip: "198.51.100.7", gateways: ["green-gw-a", "green-gw-b"], project: "green" };

/** An answer takes a millisecond; silence is believed after this. */
const REACH_TIMEOUT_MS = 3_000;
const SILENCE_TIMEOUT_MS = 600;

/** More do not fit a terminal's width: then one matrix a project. */
const MATRIX_GUESTS = 14;

const startedMs = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`[${seconds.padStart(5)} s] ${text}`);
}

interface Probe {
  readonly from: ListedPort;
  readonly to: ListedPort;
  readonly ip: string;
  /** Ids of those who may answer; none = silence. */
  readonly expected: readonly string[];
  readonly answer: Answer;
}

/** Every guest asks every address of every other guest. An address may exist in its own network too: then that one answers. */
async function probeAll(cluster: Cluster, ports: readonly ListedPort[]): Promise<readonly Probe[]> {
  const { central } = cluster;
  const reachability = new Reachability({
    ports: await cluster.ports(),
    interfaces: await central.json<readonly ListedInterface[]>("list", "router-interfaces"),
    links: await central.json<readonly ListedLink[]>("list", "router-links"),
  });
  const perGuest = ports.map(async (from) => {
    const probes: Probe[] = [];
    const ask = async (to: ListedPort, ip: string, expected: readonly string[]) => {
      const timeoutMs = expected.length === 0 ? SILENCE_TIMEOUT_MS : REACH_TIMEOUT_MS;
      const answer = await cluster.guest(from.metadata.id).probe(ip, timeoutMs);
      probes.push({ from, to, ip, expected, answer });
    };
    for (const to of ports) {
      if (to === from) continue;
      for (const ip of ipsOf(to)) {
        const answering = reachability.answers(from, ip);
        await ask(to, ip, answering === null ? [] : [answering]);
      }
      if (to.metadata.id !== PARTNER.gateways[0] || from.metadata.id === PARTNER.gateways[1])
        continue;
      const isGreen = from.metadata.project === PARTNER.project;
      await ask(to, PARTNER.ip, isGreen ? PARTNER.gateways : []);
    }
    return probes;
  });
  return (await Promise.all(perGuest)).flat();
}

function ok(probe: Probe): boolean {
  const { expected, answer } = probe;
  return answer.name === null ? expected.length === 0 : expected.includes(answer.name);
}

/** One line a guest, one column a guest: milliseconds where it answered, `.` where silence was right, `=` where the address is
 * also one of the own network, whose owner rightly answered. */
function printMatrix(title: string, ports: readonly ListedPort[], probes: readonly Probe[]): void {
  const width = Math.max(...ports.map(({ metadata }) => metadata.id.length));
  const columns = ports.map((_, index) => String(index + 1).padStart(5)).join("");
  console.log(
    `\nWho reached whom${title} (ms, worst of the addresses):\n${" ".repeat(width + 4)}${columns}`,
  );
  for (const [index, from] of ports.entries()) {
    const cells = ports.map((to) => {
      const own = probes.filter((probe) => probe.from === from && probe.to === to);
      if (own.length === 0) return "-";
      if (!own.every(ok)) return "FAIL";
      if (own.every(({ expected }) => expected.length === 0)) return ".";
      const answered = own.filter(({ expected }) => expected.length > 0);
      if (answered.some(({ expected }) => !expected.includes(to.metadata.id))) return "=";
      return Math.max(...own.map(({ answer }) => answer.ms ?? 0)).toFixed(1);
    });
    const label = `${String(index + 1).padStart(2)}  ${from.metadata.id.padEnd(width)}`;
    console.log(`${label}${cells.map((cell) => cell.padStart(5)).join("")}`);
  }
}

const LEGEND =
  "  number = answered   . = silent, as expected   = = answered by the owner of that address nearer by";

/** Between projects nobody answers; one line says how many asked. */
function printAcross(probes: readonly Probe[]): void {
  const pairs = new Map<string, Probe[]>();
  for (const probe of probes) {
    const [from, to] = [probe.from.metadata.project, probe.to.metadata.project];
    if (from !== to)
      pairs.set(`${from} -> ${to}`, [...(pairs.get(`${from} -> ${to}`) ?? []), probe]);
  }
  for (const [pair, own] of pairs) {
    const silent = own.filter(({ answer }) => answer.name === null).length;
    const good = own.filter(ok).length;
    console.log(
      `${pair}: ${good} of ${own.length} as expected (${silent} silent, the rest answered by the asker's own project)`,
    );
  }
}

function printFailures(probes: readonly Probe[]): void {
  for (const { from, to, ip, expected, answer } of probes.filter((probe) => !ok(probe))) {
    const seen = answer.name ?? "silence";
    const wanted = expected.length === 0 ? "silence" : expected.join(" or ");
    console.log(
      `FAILED ${from.metadata.id} -> ${ip} (${to.metadata.id}): expected ${wanted}, saw ${seen}`,
    );
  }
}

/** Applies an example, plugs its guests, probes every pair of them. */
async function act(cluster: Cluster, example: string): Promise<readonly Probe[]> {
  const file = fileURLToPath(new URL(`../../examples/${example}.yaml`, import.meta.url));
  const documents = parseAllDocuments(readFileSync(file, "utf8")).length;
  const before = new Set(cluster.guests.keys());
  say(`weft apply -f examples/${example}.yaml (${documents} objects)`);
  const applied = await cluster.central.must("apply", "-f", file, "--wait");
  console.log(applied.trim().split("\n").at(-1));
  say("guests, plugged by external_ids:iface-id");
  await cluster.plugGuests();
  await cluster.waitUp();
  for (const id of PARTNER.gateways.filter((name) => cluster.guests.has(name))) {
    await cluster.guest(id).exec("ip", "address", "replace", `${PARTNER.ip}/32`, "dev", "lo");
  }
  const ports = (await cluster.ports()).filter(({ metadata }) => !before.has(metadata.id));
  say(`${ports.length} ports UP; probing every pair, IPv4 and IPv6`);
  const probes = await probeAll(cluster, ports);
  const isRouted = ports.length > MATRIX_GUESTS;
  const groups = isRouted ? [...new Set(ports.map(({ metadata }) => metadata.project))] : [""];
  for (const group of groups) {
    const own = ports.filter(({ metadata }) => group === "" || metadata.project === group);
    printMatrix(group === "" ? "" : ` in ${group}`, own, probes);
  }
  console.log(LEGEND);
  if (isRouted) printAcross(probes);
  return probes;
}

async function demo(cluster: Cluster): Promise<boolean> {
  const probes: Probe[] = [];
  for (const example of EXAMPLES) probes.push(...(await act(cluster, example)));
  console.log(`\n${await cluster.central.must("list", "ports")}`);
  console.log(await cluster.central.must("describe", "router", "core", "--project", "green"));
  console.log(await cluster.central.must("status"));
  printFailures(probes);
  const good = probes.filter(ok).length;
  if (process.env["KEEP"] === "1") printKeep(cluster);
  console.log(`demo: ${good} of ${probes.length} probes ok`);
  return good === probes.length && probes.length >= 30;
}

function printKeep(cluster: Cluster): void {
  const { central } = cluster;
  const weft = `ip netns exec ${central.netns} env WEFT_SERVER=${central.northbound} WEFT_TLS_DIR=${central.pkiDir}/operator:admin bin/weft`;
  const [chassis] = cluster.chassis.values();
  const [guest] = cluster.guests.values();
  console.log(`
The lab stays up. Look around:
  ${weft} status
  ${weft} flows ${guest?.name}
  ip netns exec ${guest?.netns} ping -c3 <address>
  ovs-ofctl -O OpenFlow15 dump-flows unix:${chassis?.ovs.mgmtSocket("br-int")}
Logs are in ${cluster.dir}. The next \`make demo\` removes it; so does \`make demo-clean\`.
`);
}

async function main(): Promise<number> {
  if (process.getuid?.() !== 0) {
    console.error("demo: needs root for network namespaces: sudo make demo");
    return 1;
  }
  if (process.argv.includes("--clean")) {
    await Cluster.removeLeftovers(PREFIX);
    return 0;
  }
  say("set-up of the lab (leftovers of an earlier run are removed)");
  const cluster = await Cluster.start({ prefix: PREFIX, chassis: CHASSIS, say });
  try {
    return (await demo(cluster)) ? 0 : 1;
  } finally {
    if (process.env["KEEP"] !== "1") await cluster.stop();
  }
}

let interrupted = false;
/** Settles after a Ctrl-C, once all is removed. Twice: what was being made during the first pass is gone after the second. */
const cleaned = new Promise<number>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      interrupted = true;
      console.error(`\ndemo: ${signal}, cleaning up`);
      const remove = () => Cluster.removeLeftovers(PREFIX);
      void remove()
        .then(remove)
        .finally(() => resolve(130));
    });
  }
});
const finished = main().catch(async (error: unknown) => {
  // What fails while everything is being taken away says nothing.
  if (interrupted) return cleaned;
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
  if (process.env["KEEP"] !== "1") await Cluster.removeLeftovers(PREFIX);
  else console.error("The lab stays up for a look; `make demo-clean` removes it.");
  return 1;
});
const status = await Promise.race([finished, cleaned]);
// Kept guests and daemons must not hold this process.
process.exit(status);
