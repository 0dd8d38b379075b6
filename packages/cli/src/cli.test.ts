// The command line against a small central in this process, over a real gRPC socket: transport,
// conversions, output, errors and exit codes. What central decides is not tested here.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
import { Server, status as Code } from "@grpc/grpc-js";
import { Chassis, Kind, Liveness, WaitLevel } from "@weft/shared/gen/weft/v1/northbound.ts";
import { AdminServiceService, GetStatusResponse } from "@weft/shared/gen/weft/v1/orchestration.ts";
import { refusal } from "@weft/shared/grpc.ts";
import { callerOf, tlsFilesIn, TlsStore } from "@weft/shared/tls.ts";
import { expect, test } from "vitest";
import { exitCodeTexts } from "./exit-codes.ts";
import { exitCodeTable } from "./program.ts";
import { type Circumstances, runWeft, useCentral } from "./testing/run.ts";

const { dir, address, state } = useCentral();

/** Against that central, unless `at` is another one. */
const weft = (args: string, { at = address, ...given }: Circumstances & { at?: string } = {}) =>
  runWeft(args, {
    env: { WEFT_SERVER: at, WEFT_PLAINTEXT: "true", WEFT_LAB: "not ours" },
    ...given,
  });

const documents = `kind: Network
metadata: {name: net, project: red}
spec: {overlay: {}}
---
kind: Port
metadata: {name: web-1, project: red}
spec:
  network: net
  fixedIps:
    - {ip: 10.0.0.5}
`;

test("apply from standard input", async () => {
  expect(
    await weft("apply -f - --comment because --idempotency-key k1", { input: documents }),
  ).toEqual({
    code: 0,
    out: [
      "OBJECT       PROJECT  WAS",
      "network net  red      created",
      "port web-1   red      created",
      "revision 12: 2 created",
      "",
    ].join("\n"),
    err: "",
  });
  expect(state.applied).toMatchObject({
    comment: "because",
    idempotencyKey: "k1",
    dryRun: false,
    wait: WaitLevel.COMMITTED,
  });
  expect(state.applied?.changes).toHaveLength(2);
});

test("apply waits, and says what did not get there", async () => {
  state.onApply = () => ({
    revision: 12n,
    results: [],
    realization: {
      complete: false,
      realized: ["chassis-b"],
      failed: [
        {
          chassis: "chassis-a",
          failed: [{ key: "network/7/config", reason: "no tunnel; configure encaps" }],
        },
      ],
      unreachable: ["chassis-c"],
    },
  });
  const result = await weft("apply -f - --wait --timeout 2s", { input: documents });
  expect(state.applied).toMatchObject({ wait: WaitLevel.REALIZED, waitTimeoutMs: 2000 });
  expect(result.code).toBe(4);
  expect(result.err).toBe(
    [
      "error: chassis chassis-a: network/7/config: no tunnel; configure encaps",
      "error: chassis chassis-c: has not answered; see weft describe chassis chassis-c",
      "error: revision 12: committed, but not realized everywhere; it will be, see weft status",
      "",
    ].join("\n"),
  );
});

test("what central refuses is shown at its line", async () => {
  const file = join(dir, "two.yaml");
  writeFileSync(file, documents);
  state.onApply = () =>
    refusal(Code.INVALID_ARGUMENT, "2 problems", [
      {
        code: "TAKEN",
        object: "port web-1",
        field: "changes[1].upsert.port.spec.fixed_ips[0].ip",
        message: "10.0.0.5 is port db's; choose another",
      },
      { code: "STALE", object: "", field: "expected_revision", message: "is 12 now; read again" },
    ]);
  expect(await weft(`apply -f ${file} --expected-revision 3`)).toEqual({
    code: 1,
    out: "",
    err: [
      `error: ${file}:10: port web-1: spec.fixedIps[0].ip: 10.0.0.5 is port db's; choose another`,
      "error: expected_revision: is 12 now; read again",
      "",
    ].join("\n"),
  });
  expect(state.applied?.expectedRevision).toBe(3n);
});

test("what is wrong in the file never reaches central", async () => {
  const result = await weft("apply -f -", { input: "kind: Prot\n" });
  expect(result).toEqual({
    code: 1,
    out: "",
    err: "error: standard input:1:1: kind: Prot is unknown; did you mean Port?\n",
  });
  expect((await weft(`apply -f ${dir}/none.yaml`)).err).toMatch(
    /none.yaml: cannot be read \(ENOENT\); check --file/,
  );
  expect(state.applied).toBeUndefined();
});

test("list follows pages and filters", async () => {
  const { out, code } = await weft("list ports -l app=web --field spec.network=net --project red", {
    columns: 100,
  });
  expect(code).toBe(0);
  expect(out).toBe(
    [
      "NAME   PROJECT  NETWORK  MAC                ADDRESSES  CHASSIS    STATE  REASON",
      "web-1  red      net      02:00:00:00:00:01  10.0.0.5   chassis-a  UP     -",
      "web-2  red      net      02:00:00:00:00:01  10.0.0.5   chassis-a  DOWN   no interface with iface-id…",
      "",
    ].join("\n"),
  );
  expect(state.listed.map(({ pageToken }) => pageToken)).toEqual(["", "more"]);
  expect(state.listed[0]).toMatchObject({
    project: "red",
    labels: { app: "web" },
    fields: { "spec.network": "net" },
  });
  const json = JSON.parse((await weft("list ports -o json")).out) as unknown[];
  expect(json[0]).toEqual({
    kind: "Port",
    metadata: { id: "web-1", project: "red", name: "web-1", labels: { app: "web" }, revision: 7 },
    spec: {
      network: "net",
      mac: "02:00:00:00:00:01",
      fixedIps: [{ subnet: "s4", ip: "10.0.0.5" }],
    },
    status: { state: "UP", chassis: "chassis-a", key: 9, mtuBytes: 1434 },
  });
  expect(await weft("list networks")).toEqual({ code: 0, out: "", err: "no networks\n" });
});

test("get, describe, delete", async () => {
  expect((await weft("get port web-1 -o json")).out).toMatch(/^\{\n {2}"kind": "Port"/);
  expect(await weft("get port nobody")).toEqual({
    code: 5,
    out: "",
    err: "error: port nobody: does not exist; see weft list ports\n",
  });
  const described = (await weft("describe chassis chassis-a")).out;
  expect(described).toContain("ip: 192.0.2.1");
  expect(described).toContain("ports (2)\nNAME ");
  expect(described).toContain(
    "7         1970-01-01 00:00:00  operator:ann  created  port web-1  why",
  );
  expect((await weft("delete port web-1 --dry-run --project red")).out).toContain(
    "dry run at revision 12: 1 deleted",
  );
  expect(state.applied).toMatchObject({
    dryRun: true,
    changes: [
      { change: { $case: "delete", value: { kind: Kind.PORT, id: "web-1", project: "red" } } },
    ],
  });
});

test("describe router asks for what belongs to it, by its id and in all projects", async () => {
  const { out, code } = await weft("describe router core --project red");
  expect(code).toBe(0);
  expect(out.split("\n").filter((line) => /^[a-z].*\(\d+|^held|^history/.test(line))).toEqual([
    "interfaces (0)",
    "routes (0, and 0 connected)",
    "policy routes (0), the highest priority counts",
    "links (0)",
    "leaks (0)",
    "held by chassis (2)",
    "history, newest first",
  ]);
  expect(state.listed.map(({ kind, project, fields }) => [kind, project, fields])).toEqual([
    [Kind.ROUTER_INTERFACE, "", { "spec.router": "r-1" }],
    [Kind.ROUTE, "", { "spec.router": "r-1" }],
    [Kind.POLICY_ROUTE, "", { "spec.router": "r-1" }],
    [Kind.ROUTER_LINK, "", { "spec.first.router": "r-1" }],
    [Kind.ROUTER_LINK, "", { "spec.second.router": "r-1" }],
    [Kind.ROUTE_LEAK, "", { "spec.from": "r-1" }],
    [Kind.ROUTE_LEAK, "", { "spec.to": "r-1" }],
  ]);
});

test("describe in JSON has what belongs to the object, and its last changes", async () => {
  const lists = async (what: string) => {
    const value = JSON.parse((await weft(`describe ${what} -o json`)).out) as object;
    return Object.entries(value).flatMap(([key, one]) =>
      Array.isArray(one) ? [[key, one.length]] : [],
    );
  };
  expect(await lists("chassis chassis-a")).toEqual([
    ["ports", 2],
    ["routers", 0],
    ["history", 2],
  ]);
  expect(await lists("router core --project red")).toEqual([
    ["routerInterfaces", 0],
    ["subnets", 0],
    ["routes", 0],
    ["policyRoutes", 0],
    ["routerLinks", 0],
    ["routeLeaks", 0],
    ["history", 2],
  ]);
});

test("status", async () => {
  expect((await weft("status")).out).toBe(
    [
      "central    revision 12, lag 1, writes READY",
      "store      s-1, history from revision 1",
      "epoch      3, sequence 40, event loop p99 1.3 ms",
      "objects    2 networks, 6 ports, 1 chassis",
      "ports      1 DOWN, 5 UP",
      "scopes     9 told to chassis, 6403 instructions held in all",
      "",
      "NAME       LIVENESS  ENCAPS            REVISION  PENDING  FAILED  FLOWS  DRIFT  NOTE",
      "chassis-a  ALIVE     geneve:192.0.2.1  11        2        0       40     0      waits: another store",
      "",
      "SCOPE      OBJECT      CHASSIS  INSTRUCTIONS  DELIVERIES",
      "network/1  network n1  12       100           1200",
      "network/2  network n2  11       100           1100",
      "network/3  network n3  10       100           1000",
      "network/4  network n4  9        100           900",
      "network/5  network n5  8        100           800",
      "",
    ].join("\n"),
  );
  expect((await weft("status --wide")).out).toContain("\nnetwork/7  network n7  6 ");
  const json: unknown = JSON.parse((await weft("status -o json")).out);
  const scope = { scope: "network/7", object: "network n7", chassis: 6, instructions: 100 };
  expect(json).toMatchObject({ scopeCount: 9, deliveries: 6403 });
  expect(json).toHaveProperty("scopes[6]", { ...scope, deliveries: 600 });
});

test("status on a terminal: what is wrong is whole, and nothing is wider than it", async () => {
  const waitingFor =
    "Open vSwitch\u001b does not answer on /var/run/openvswitch/br-int.mgmt: flows stay as they are";
  const lastSeen = new Date("2026-01-02T03:04:05Z");
  const status = { liveness: Liveness.UNREACHABLE, lastSeen };
  state.moreChassis = [
    Chassis.fromPartial({
      meta: { id: "chassis-b", name: "chassis-b" },
      status: { liveness: Liveness.ALIVE, waitingFor },
    }),
    Chassis.fromPartial({ meta: { id: "chassis-c", name: "chassis-c" }, status }),
  ];
  state.moreCounts = { router: 3n, "router-interface": 6n, route: 7n, "policy-route": 2n };
  const { out } = await weft("status", { columns: 80 });
  expect(out.split("\n").filter((line) => line.length > 80)).toEqual([]);
  expect(out).toContain("6 router-interfaces, 7\n           routes, 2 policy-routes\n");
  expect(out).toContain(
    [
      "",
      "chassis-a waits: another store",
      "chassis-b waits: Open vSwitch does not answer on",
      "  /var/run/openvswitch/br-int.mgmt: flows stay as they are",
      "chassis-c not heard of since 2026-01-02T03:04:05.000Z: see that its agent runs",
      "  and reaches central",
      "",
    ].join("\n"),
  );
});

test("watch goes on behind the last event after a lost connection", async () => {
  const { out, err, code } = await weft("watch ports --from 4");
  expect(out.split("\n").map((line) => line.slice(0, 21))).toEqual([
    "5 upsert port web-1 p",
    "6 bookmark",
    "7 upsert port web-1 p",
    "8 bookmark",
    "",
  ]);
  expect(err).toMatch(
    /^connection lost .*; trying again\nerror: oldest revision is 5; list again\n$/,
  );
  expect(code).toBe(1);
});

test("operators' verbs", async () => {
  expect((await weft("chassis adopt chassis-a")).out).toBe("chassis chassis-a: adopted\n");
  expect((await weft("chassis lost chassis-a")).code).toBe(2);
  expect((await weft("chassis lost chassis-a", { confirm: true })).out).toBe(
    "chassis chassis-a: lost, revision 13\n",
  );
  expect((await weft("chassis drain chassis-a")).code).toBe(0);
  expect(state.applied?.changes[0]?.change).toMatchObject({
    value: { object: { value: { spec: { drain: true, encaps: [] } } } },
  });
  expect((await weft("backup /b")).out).toBe("/b: 2 bytes, revision 12\n");
  expect((await weft("explain 0x57")).out).toBe(
    "0x0000000000000057: classify\nport web-1\ncookie 87\n",
  );
  expect((await weft("explain x57")).err).toContain("no cookie");
  expect((await weft("flows web-1")).out).toContain(
    "classify port web-1  4        0x5700200000090001  table=0,in_port=3 actions=resubmit(,10)\n",
  );
  expect(await weft("port wait web-2 --timeout 1s")).toEqual({
    code: 4,
    out: "",
    err: "error: port web-2: is not UP: no interface with iface-id web-2 on chassis-a; see weft describe port web-2\n",
  });
  expect((await weft("port plug web-1 chassis-a")).err).toMatch(
    /does not know this call; update it/,
  );
});

test("history goes on page by page, up to its limit", async () => {
  const pages = () =>
    state.histories.splice(0).map(({ limit, pageToken }) => `${limit} ${pageToken}`.trim());
  const all = await weft("history port web-1 -o json");
  expect(all).toMatchObject({ code: 0, err: "" });
  const entries = JSON.parse(all.out) as { revision: number }[];
  expect(entries.map(({ revision }) => revision)).toEqual([7, 6]);
  expect(pages()).toEqual(["100", "99 more"]);
  const one = await weft("history --limit 1");
  expect(one.out.split("\n")).toHaveLength(3);
  expect(pages()).toEqual(["1"]);
  await weft("history --limit 30000");
  expect(pages()).toEqual(["10000", "10000 more"]);
  expect(await weft("history --limit 0")).toMatchObject({
    code: 2,
    err: "error: --limit: give 1 or more\n",
  });
});

test("central verify", async () => {
  state.verified = [
    { checked: 5n, total: 10n, differences: [], done: false },
    { checked: 10n, total: 10n, differences: [], done: true },
  ];
  expect(await weft("central verify")).toEqual({
    code: 0,
    out: "10 keys checked, 0 differ\n",
    err: "",
  });
  state.verified = [{ checked: 10n, total: 10n, differences: ["network/7/config"], done: true }];
  const differing = await weft("central verify");
  expect(differing.code).toBe(1);
  expect(differing.err).toContain("error: network/7/config: differs");
  state.verified = [{ checked: 3n, total: 10n, differences: [], done: false }];
  expect((await weft("central verify")).err).toContain("ended the check early");
});

test("central away", async () => {
  const at = `unix:${dir}/nobody.sock`;
  const result = await weft("status", { at });
  expect(result.code).toBe(3);
  expect(result.err).toMatch(
    /^error: central at unix:\S+: cannot be reached \(connect ENOENT \S+nobody.sock\); check --server, --tls-dir and that weft-central runs\n$/,
  );
  expect((await weft("status", { at: "10.0.0.1:1" })).err).toMatch(
    /plaintext is only for loopback/,
  );
});

test("over mutual TLS, with certificates that weft issued", async () => {
  const pki = join(dir, "pki");
  expect((await weft(`pki init --dir ${pki}`)).out).toContain("ca.crt: valid until ");
  expect((await weft(`pki init --dir ${pki}`)).err).toMatch(/^error: .*ca.crt: exists; remove it/);
  expect((await weft(`pki issue --dir ${pki} central`)).err).toMatch(
    /^error: identity central: needs/,
  );
  expect((await weft(`pki issue --dir ${pki} central --dns localhost --ip 127.0.0.1`)).code).toBe(
    0,
  );
  const json = (await weft(`pki issue --dir ${pki} operator:ann -o json --days 3`)).out;
  expect(JSON.parse(json)).toMatchObject({
    identity: "operator:ann",
    certFile: join(pki, "operator:ann", "tls.crt"),
  });
  await using store = new TlsStore({
    files: tlsFilesIn(join(pki, "central")),
    logger: { info: () => undefined, warn: () => undefined },
  });
  const secure = new Server();
  const { path, responseSerialize, requestDeserialize } = AdminServiceService.getStatus;
  secure.register(
    path,
    (
      call: ServerUnaryCall<unknown, GetStatusResponse>,
      answer: sendUnaryData<GetStatusResponse>,
    ) => {
      const caller = callerOf(call) ?? "nobody";
      const storeId = `for ${typeof caller === "string" ? caller : caller.name}`;
      answer(null, GetStatusResponse.fromPartial({ storeId }));
    },
    responseSerialize,
    requestDeserialize,
    "unary",
  );
  const bound = await new Promise<number>((resolve, reject) => {
    secure.bindAsync("127.0.0.1:0", store.serverCredentials(), (error, port_) =>
      error === null ? resolve(port_) : reject(error),
    );
  });
  const WEFT_SERVER = `127.0.0.1:${bound}`;
  try {
    const env = { WEFT_SERVER, WEFT_TLS_DIR: join(pki, "operator:ann") };
    expect((await weft("status", { env })).out).toContain("store      for ann");
    expect(await weft("status", { env: { WEFT_SERVER, HOME: dir } })).toMatchObject({
      code: 1,
      out: "",
    });
  } finally {
    secure.forceShutdown();
  }
});

test("Ctrl-C", async () => {
  expect(await weft("status", { signal: AbortSignal.abort() })).toEqual({
    code: 130,
    out: "",
    err: "",
  });
});

test("exit codes are as documented", async () => {
  expect((await weft("help exit-codes")).out).toBe(exitCodeTable());
  const guide = readFileSync(new URL("../../../docs/guide/cli.md", import.meta.url), "utf8");
  for (const [code, text] of exitCodeTexts) expect(guide).toContain(`| ${code} | ${text} |`);
});
