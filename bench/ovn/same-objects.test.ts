import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import type { Object as NorthboundObject } from "@weft/shared/gen/weft/v1/northbound.ts";
import { loadChanges } from "../changes.ts";
import { localPortAdds, type Workload } from "../workload.ts";

// What OVN is given is what Weft is given: read off the rows that bench.py inserts, and off our change set.

const HERE = fileURLToPath(new URL(".", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "weft-same-"));
afterAll(() => rmSync(folder, { recursive: true }));

function python<T>(code: string): T {
  const paths = `import sys; sys.path[:0] = [${JSON.stringify(HERE)}, ${JSON.stringify(join(HERE, "..", "workloads"))}]\n`;
  const maxBuffer = 1 << 28;
  const text = execFileSync("python3", ["-B", "-c", paths + code], { cwd: folder, maxBuffer });
  return JSON.parse(text.toString()) as T;
}

execFileSync("python3", [join(HERE, "..", "workloads", "gen.py"), "--out", folder, "SR", "L"], {
  stdio: "ignore",
});

function read(name: string): Workload {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as Workload;
}

interface Row {
  readonly table: string;
  readonly row: {
    readonly name?: string;
    readonly type?: string;
    readonly addresses?: string;
    readonly mac?: string;
    readonly networks?: readonly [string, readonly string[]];
    readonly ip_prefix?: string;
    readonly nexthop?: string;
    readonly options?: readonly [string, readonly (readonly [string, string])[]];
  };
}

const rows = python<readonly Row[]>(
  "import json, model, subset\n" +
    'print(json.dumps(model.nb_ops(subset.subset(json.load(open("SR.json")), ["routing"]))))',
);
const objects: readonly NonNullable<NorthboundObject["object"]>[] = loadChanges(read("SR")).flatMap(
  ({ change }) => (change?.$case === "upsert" && change.value.object ? [change.value.object] : []),
);

const inTable = (table: string): Row["row"][] =>
  rows.filter((one) => one.table === table).map(({ row }) => row);
const ofKind = <K extends NonNullable<NorthboundObject["object"]>["$case"]>(kind: K) =>
  objects.flatMap((one) =>
    one.$case === kind
      ? [one as Extract<NonNullable<NorthboundObject["object"]>, { $case: K }>]
      : [],
  );

test("networks and routers", () => {
  const ids = (kind: "network" | "router"): string[] =>
    ofKind(kind).map(({ value }) => value.meta?.id ?? "");
  expect(inTable("Logical_Switch").map(({ name }) => name)).toEqual(ids("network"));
  expect(inTable("Logical_Router").map(({ name }) => name)).toEqual(ids("router"));
});

test("ports with MAC, addresses and chassis", () => {
  const theirs = inTable("Logical_Switch_Port")
    .filter(({ type }) => type !== "router")
    .map(({ name, addresses, options }) => `${name} ${addresses} ${options?.[1]?.[0]?.[1]}`);
  const ours = ofKind("port").map(({ value: { meta, spec } }) =>
    [
      meta?.id,
      spec?.mac,
      ...(spec?.fixedIps ?? []).map(({ ip }) => ip),
      spec?.requestedChassis,
    ].join(" "),
  );
  expect(theirs.length).toBe(200);
  expect(theirs.sort()).toEqual(ours.sort());
});

test("interfaces with MAC and the gateway address of every subnet", () => {
  const theirs = inTable("Logical_Router_Port").map(
    ({ name, mac, networks }) => `${name?.replace("lrp-", "")} ${mac} ${networks?.[1].join(" ")}`,
  );
  const ours = ofKind("routerInterface").map(({ value: { spec } }) => {
    const addresses = ofKind("subnet")
      .filter(({ value }) => value.spec?.network === spec?.network)
      .map(({ value }) => `${value.spec?.gatewayIp}/${value.spec?.cidr.split("/")[1]}`);
    return [spec?.network, spec?.mac, ...addresses].join(" ");
  });
  expect(theirs.some((one) => one.includes("/64"))).toBe(true);
  expect(theirs.sort()).toEqual(ours.sort());
});

test("routes, one row a next hop", () => {
  const theirs = inTable("Logical_Router_Static_Route").map(
    ({ ip_prefix, nexthop }) => `${ip_prefix} ${nexthop}`,
  );
  const ours = ofKind("route").flatMap(({ value: { spec } }) =>
    (spec?.nextHops ?? []).map(({ ip }) => `${spec?.destination} ${ip}`),
  );
  expect(theirs.length).toBe(2 * 6);
  expect(theirs.sort()).toEqual(ours.sort());
});

test("nothing else", () => {
  const expected = new Set([
    ...["Logical_Switch", "Logical_Router", "Logical_Switch_Port", "Logical_Router_Port"],
    "Logical_Router_Static_Route",
  ]);
  expect(new Set(rows.map(({ table }) => table))).toEqual(expected);
});

test("which local ports join a router is decided alike", () => {
  const theirs = python<readonly (readonly string[])[]>(
    "import json, bench\n" +
      'split = bench.split_local(json.load(open("L.json")))\n' +
      'print(json.dumps([[p["id"] for p in part] for part in split]))',
  );
  const { staying, joining } = localPortAdds(read("L"));
  expect(theirs).toEqual([staying, joining].map((part) => part.map(({ id }) => id)));
  expect(joining.length).toBeGreaterThan(10);
});
