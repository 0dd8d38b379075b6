// Weft against OVN on a fixed set of random topologies, and on those that once showed a difference. `make test-differential` runs any
// number of others and makes small what fails; this only says that it did.
import { afterAll, beforeAll, expect, test } from "vitest";
import { probesOf, Runner, type Sides } from "../differential/case.ts";
import { regressions } from "../differential/case-file.ts";
import { OVN_SERIES } from "../differential/differences.ts";
import { generateCase } from "../differential/generate.ts";
import { opinion } from "../differential/oracle.ts";
import { failureText, topologyText } from "../differential/print.ts";
import { describeProbe } from "../differential/probes.ts";
import { type FixedCase, fixed } from "../differential/shrink.ts";
import { startSides } from "../differential/start.ts";
import { missingOvnPackages, ovnVersion } from "../lab/ovn.ts";

const missing = missingOvnPackages();
/** Why OVN is no measure here; empty = it is. */
const reason =
  missing.length > 0
    ? `OVN is missing: apt-get install ${missing.join(" ")}`
    : (await ovnVersion()).startsWith(OVN_SERIES)
      ? ""
      : `OVN is ${await ovnVersion()}, the differences that are meant are known of ${OVN_SERIES}`;
const SEEDS = Array.from({ length: 32 }, (_, index) => index + 1);
/** Each of the tests below, on a machine that does something else as well. */
const LIMIT_MS = 120_000;

let sides: Sides & AsyncDisposable;
let runner: Runner;
/** What the reference thinks of what each system did: how often, and for what is wrong one probe each. */
const opinions = new Map<string, { count: number; readonly example: string }>();

beforeAll(async () => {
  if (reason !== "") {
    console.warn(`not compared with OVN: ${reason}`);
    return;
  }
  sides = await startSides("wfdt", () => {});
  runner = new Runner(sides, (topology, probe, outcome) => {
    for (const system of ["ovn", "weft"] as const) {
      const thought = opinion(topology, probe, outcome[system]);
      if (thought === null) continue;
      const example =
        thought === "agrees" ? "" : `${topologyText(topology)}\n${describeProbe(probe)}`;
      const known = opinions.get(`${system} ${thought}`) ?? { count: 0, example };
      opinions.set(`${system} ${thought}`, { ...known, count: known.count + 1 });
    }
  });
}, 120_000);

afterAll(async () => {
  await sides?.[Symbol.asyncDispose]();
});

async function check(name: string, case_: FixedCase): Promise<void> {
  const { failures, probes } = await runner.run(case_);
  const [failure] = failures;
  expect.soft(failure === undefined ? "" : `${name}: ${failureText(case_, failure)}`).toBe("");
  expect(probes).toBeGreaterThan(0);
}

test.skipIf(reason !== "")(
  "random topologies: who receives what is as in OVN",
  async () => {
    for (const seed of SEEDS)
      await check(`seed ${seed}`, fixed(generateCase(seed).steps, probesOf));
  },
  LIMIT_MS,
);

test.skipIf(reason !== "")("what both do is what routers do", () => {
  const count = (name: string) => opinions.get(name)?.count ?? 0;
  expect(count("ovn agrees")).toBeGreaterThan(100);
  expect(count("weft agrees")).toBeGreaterThan(100);
  const wrong = [...opinions].filter(([name]) => !name.endsWith(" agrees"));
  expect(wrong.map(([name, { example }]) => `${name}:\n${example}`)).toEqual([]);
});

test.skipIf(reason !== "")(
  "cases that once differed",
  async () => {
    for (const [file, case_] of regressions()) await check(file, case_);
  },
  LIMIT_MS,
);
