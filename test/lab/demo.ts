// `make demo`: one central, three chassis, the example, a guest a port; probes every pair of guests and prints who reached whom.
// Exit status 0 only if every probe went as expected. KEEP=1 leaves the lab up. Cleans up after itself, also on Ctrl-C.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import { Cluster, type ListedPort } from "./cluster.ts";
import type { Answer } from "./guest.ts";

const PREFIX = "wfdemo";
const EXAMPLE = fileURLToPath(new URL("../../examples/first-light.yaml", import.meta.url));
const CHASSIS = ["chassis-a", "chassis-b", "chassis-c"];

/** An answer takes a millisecond; silence is believed after this. */
const REACH_TIMEOUT_MS = 3_000;
const SILENCE_TIMEOUT_MS = 600;

const startedMs = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`[${seconds.padStart(5)} s] ${text}`);
}

interface Probe {
  readonly from: ListedPort;
  readonly to: ListedPort;
  readonly ip: string;
  /** Who must answer; null = silence. */
  readonly expected: string | null;
  readonly answer: Answer;
}

/** Every guest asks every address of every other guest. An address may exist in its own network too: then that one answers. */
async function probeAll(cluster: Cluster, ports: readonly ListedPort[]): Promise<readonly Probe[]> {
  const perGuest = ports.map(async (from) => {
    const probes: Probe[] = [];
    for (const to of ports) {
      if (to === from) continue;
      for (const { ip } of to.spec.fixedIps ?? []) {
        const local = ports.find(
          (p) => p.spec.network === from.spec.network && ipsOf(p).includes(ip),
        );
        const expected = local === undefined ? null : local.metadata.id;
        const timeoutMs = expected === null ? SILENCE_TIMEOUT_MS : REACH_TIMEOUT_MS;
        const answer = await cluster.guest(from.metadata.id).probe(ip, timeoutMs);
        probes.push({ from, to, ip, expected, answer });
      }
    }
    return probes;
  });
  return (await Promise.all(perGuest)).flat();
}

function ipsOf(port: ListedPort): readonly string[] {
  return (port.spec.fixedIps ?? []).map(({ ip }) => ip);
}

function ok(probe: Probe): boolean {
  return probe.answer.name === probe.expected;
}

/** One line a guest, one column a guest: milliseconds where it answered, `.` where silence was right, `=` where the address is
 * also one of the own network, whose owner rightly answered. */
function printMatrix(ports: readonly ListedPort[], probes: readonly Probe[]): void {
  const width = Math.max(...ports.map(({ metadata }) => metadata.id.length));
  const columns = ports.map((_, index) => String(index + 1).padStart(5)).join("");
  console.log(
    `\nWho reached whom (ms, worst of the addresses):\n${" ".repeat(width + 4)}${columns}`,
  );
  for (const [index, from] of ports.entries()) {
    const cells = ports.map((to) => {
      const own = probes.filter((probe) => probe.from === from && probe.to === to);
      if (own.length === 0) return "-";
      if (!own.every(ok)) return "FAIL";
      if (own.every(({ expected }) => expected === null)) return ".";
      if (own.some(({ expected }) => expected !== to.metadata.id)) return "=";
      return Math.max(...own.map(({ answer }) => answer.ms ?? 0)).toFixed(1);
    });
    const label = `${String(index + 1).padStart(2)}  ${from.metadata.id.padEnd(width)}`;
    console.log(`${label}${cells.map((cell) => cell.padStart(5)).join("")}`);
  }
  console.log(
    "  number = answered   . = silent, as expected   = = answered by the own network's owner of that address",
  );
}

function printFailures(probes: readonly Probe[]): void {
  for (const { from, to, ip, expected, answer } of probes.filter((probe) => !ok(probe))) {
    const seen = answer.name ?? "silence";
    console.log(
      `FAILED ${from.metadata.id} -> ${ip} (${to.metadata.id}): expected ${expected ?? "silence"}, saw ${seen}`,
    );
  }
}

async function demo(cluster: Cluster): Promise<boolean> {
  const documents = parseAllDocuments(readFileSync(EXAMPLE, "utf8")).length;
  say(`weft apply -f examples/first-light.yaml (${documents} objects)`);
  console.log(await cluster.central.must("apply", "-f", EXAMPLE, "--wait"));
  say("guests, plugged by external_ids:iface-id");
  await cluster.plugGuests();
  await cluster.waitUp();
  const ports = await cluster.ports();
  say(`${ports.length} ports UP; probing every pair, IPv4 and IPv6`);
  const probes = await probeAll(cluster, ports);
  printMatrix(ports, probes);
  console.log(`\n${await cluster.central.must("list", "ports")}`);
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
