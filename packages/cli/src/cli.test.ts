// The command line against a small central in this process, over a real gRPC socket: transport,
// conversions, output, errors and exit codes. What central decides is not tested here.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { sendUnaryData, ServerUnaryCall, ServerWritableStream } from "@grpc/grpc-js";
import { Server, status as Code } from "@grpc/grpc-js";
import type {
  ApplyRequest,
  ApplyResponse,
  ListRequest,
  NorthboundServiceServer,
  WatchRequest,
  WatchResponse,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import {
  ChangeAction,
  EventType,
  HistoryResponse,
  Kind,
  ListResponse,
  Liveness,
  NorthboundServiceService,
  Object as WeftObject,
  WaitLevel,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type {
  AdminServiceServer,
  OrchestrationServiceServer,
  VerifyResponse,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import {
  AdminServiceService,
  GetStatusResponse,
  OrchestrationServiceService,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import { EncapType, PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { refusal, serverOptions } from "@weft/shared/grpc.ts";
import { plaintextServerCredentials } from "@weft/shared/tls.ts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { exitCodeTexts } from "./exit-codes.ts";
import { exitCodeTable, runCli } from "./program.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-cli-"));
const address = `unix:${join(dir, "central.sock")}`;
const server = new Server(serverOptions({ maxMessageBytes: 1 << 20 }));

type Unary<Q, R> = (call: ServerUnaryCall<Q, R>, answer: sendUnaryData<R>) => void;
const unimplemented = (_: unknown, answer: sendUnaryData<never>): void =>
  answer({ code: Code.UNIMPLEMENTED });

const port = (name: string, state: PortState, reason = ""): WeftObject =>
  WeftObject.fromPartial({
    object: {
      $case: "port",
      value: {
        meta: { id: name, project: "red", name, labels: { app: "web" }, revision: 7n },
        spec: {
          network: "net",
          mac: "02:00:00:00:00:01",
          fixedIps: [{ subnet: "s4", ip: "10.0.0.5" }],
        },
        status: { state, reason, chassis: "chassis-a", key: 9, mtuBytes: 1434 },
      },
    },
  });
const ports = [
  port("web-1", PortState.UP),
  port("web-2", PortState.DOWN, "no interface with iface-id web-2 on chassis-a; plug it"),
];
const chassis = {
  meta: { id: "chassis-a", name: "chassis-a" },
  spec: {
    encaps: [{ type: EncapType.GENEVE, ip: Buffer.from([192, 0, 2, 1]), underlayMtuBytes: 1500 }],
  },
  status: {
    key: 1,
    liveness: Liveness.ALIVE,
    realizedRevision: 11n,
    pending: 2,
    flows: 40,
    waitingFor: "another store",
  },
};

/** What the tests steer and look at. */
let applied: ApplyRequest | undefined;
let listed: ListRequest[] = [];
let onApply: (request: ApplyRequest) => ApplyResponse | ReturnType<typeof refusal>;
let verified: VerifyResponse[] = [];
let watchFailures = 0;

const apply: Unary<ApplyRequest, ApplyResponse> = ({ request }, answer) => {
  applied = request;
  const response = onApply(request);
  if ("code" in response) answer(response);
  else answer(null, response);
};

beforeAll(async () => {
  const northbound: NorthboundServiceServer = {
    apply,
    get: ({ request }, answer) => {
      const found = request.ref?.id === "web-1" ? ports[0] : undefined;
      if (request.ref?.kind === Kind.CHASSIS) {
        answer(null, {
          object: WeftObject.fromPartial({ object: { $case: "chassis", value: chassis } }),
          revision: 12n,
        });
      } else if (found === undefined) {
        answer(
          refusal(Code.NOT_FOUND, `port ${request.ref?.id}: does not exist; see weft list ports`),
        );
      } else answer(null, { object: found, revision: 12n });
    },
    list: ({ request }, answer) => {
      listed.push(request);
      const first = request.pageToken === "";
      const objects = request.kind === Kind.PORT ? [first ? ports[0] : ports[1]] : [];
      const nextPageToken = first && request.kind === Kind.PORT ? "more" : "";
      answer(
        null,
        ListResponse.fromPartial({
          objects: objects.filter((o) => o !== undefined),
          nextPageToken,
          revision: 12n,
        }),
      );
    },
    watch: (call: ServerWritableStream<WatchRequest, WatchResponse>) => {
      const object = ports[0];
      call.write({ type: EventType.UPSERT, object, revision: call.request.fromRevision + 1n });
      call.write({
        type: EventType.BOOKMARK,
        object: undefined,
        revision: call.request.fromRevision + 2n,
      });
      watchFailures += 1;
      call.emit(
        "error",
        refusal(
          watchFailures === 1 ? Code.UNAVAILABLE : Code.OUT_OF_RANGE,
          "oldest revision is 5; list again",
        ),
      );
    },
    history: (_, answer) => {
      const entry = {
        revision: 7n,
        at: new Date(0),
        actor: "operator:ann",
        comment: "why",
        action: ChangeAction.CREATED,
        kind: Kind.PORT,
        id: "web-1",
      };
      answer(null, HistoryResponse.fromPartial({ entries: [entry], oldestRevision: 1n }));
    },
  };
  const admin: AdminServiceServer = {
    getStatus: (_, answer) =>
      answer(
        null,
        GetStatusResponse.fromPartial({
          storeId: "s-1",
          revision: 12n,
          epoch: 3n,
          sequence: 40n,
          oldestRevision: 1n,
          convergedRevision: 11n,
          chassis: [chassis],
          portsByState: [0, 1, 0, 0, 5],
          counts: { ports: 6n, networks: 2n },
          writeState: "READY",
          eventLoopP99Ms: 1.25,
        }),
      ),
    verify: (call) => {
      for (const response of verified) call.write(response);
      call.end();
    },
    adoptChassis: (_, answer) => answer(null, {}),
    declareLost: (_, answer) => answer(null, { revision: 13n }),
    portFlows: (_, answer) =>
      answer(null, {
        chassis: "chassis-a",
        flows: [
          {
            flow: "table=0,in_port=3 actions=resubmit(,10)",
            cookie: 0x5700_2000_0009_0001n,
            origin: "classify port web-1",
            packets: 4n,
          },
        ],
      }),
    explainCookie: ({ request }, answer) =>
      answer(null, {
        stage: "classify",
        kind: Kind.PORT,
        id: "web-1",
        text: `cookie ${request.cookie}`,
      }),
    backup: ({ request }, answer) =>
      answer(null, { bytes: BigInt(request.path.length), revision: 12n }),
  };
  const orchestration: OrchestrationServiceServer = {
    plugPort: unimplemented,
    unplugPort: unimplemented,
    waitPortReady: ({ request }, answer) =>
      answer(
        refusal(Code.DEADLINE_EXCEEDED, `no interface with iface-id ${request.port} on chassis-a`),
      ),
  };
  server.addService(NorthboundServiceService, northbound);
  server.addService(AdminServiceService, admin);
  server.addService(OrchestrationServiceService, orchestration);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(address, plaintextServerCredentials(address), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
});
afterAll(() => {
  server.forceShutdown();
  rmSync(dir, { recursive: true });
});
beforeEach(() => {
  applied = undefined;
  listed = [];
  watchFailures = 0;
  onApply = ({ changes }) => ({
    revision: 12n,
    results: changes.map(({ change }) => ({
      action: change?.$case === "delete" ? ChangeAction.DELETED : ChangeAction.CREATED,
      object: change?.$case === "upsert" ? change.value : ports[0],
    })),
    realization: undefined,
  });
});

interface Result {
  code: number;
  out: string;
  err: string;
}

async function weft(
  args: string,
  options: { input?: string; confirm?: boolean; columns?: number; at?: string } = {},
): Promise<Result> {
  const result = { code: -1, out: "", err: "" };
  result.code = await runCli({
    args: args.split(" "),
    terminal: {
      write: (text) => void (result.out += text),
      writeError: (text) => void (result.err += text),
      columns: options.columns ?? null,
      showsProgress: false,
      readInput: async () => options.input ?? "",
      confirm: async () => options.confirm ?? null,
    },
    env: { WEFT_SERVER: options.at ?? address, WEFT_PLAINTEXT: "true", WEFT_LAB: "not ours" },
    signal: new AbortController().signal,
  });
  return result;
}

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
  expect(applied).toMatchObject({
    comment: "because",
    idempotencyKey: "k1",
    dryRun: false,
    wait: WaitLevel.COMMITTED,
  });
  expect(applied?.changes).toHaveLength(2);
});

test("apply waits, and says what did not get there", async () => {
  onApply = () => ({
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
  expect(applied).toMatchObject({ wait: WaitLevel.REALIZED, waitTimeoutMs: 2000 });
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
  onApply = () =>
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
  expect(applied?.expectedRevision).toBe(3n);
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
  expect(applied).toBeUndefined();
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
  expect(listed.map(({ pageToken }) => pageToken)).toEqual(["", "more"]);
  expect(listed[0]).toMatchObject({
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
  expect(applied).toMatchObject({
    dryRun: true,
    changes: [
      { change: { $case: "delete", value: { kind: Kind.PORT, id: "web-1", project: "red" } } },
    ],
  });
});

test("status", async () => {
  expect((await weft("status")).out).toBe(
    [
      "central    revision 12, lag 1, writes READY",
      "store      s-1, history from revision 1",
      "epoch      3, sequence 40, event loop p99 1.3 ms",
      "objects    2 networks, 6 ports",
      "ports      1 DOWN, 5 UP",
      "",
      "NAME       LIVENESS  ENCAPS            REVISION  PENDING  FAILED  FLOWS  DRIFT  NOTE",
      "chassis-a  ALIVE     geneve:192.0.2.1  11        2        0       40     0      waits: another store (weft chassis adopt chassis-a)",
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
  expect(applied?.changes[0]?.change).toMatchObject({
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

test("central verify", async () => {
  verified = [
    { checked: 5n, total: 10n, differences: [], done: false },
    { checked: 10n, total: 10n, differences: [], done: true },
  ];
  expect(await weft("central verify")).toEqual({
    code: 0,
    out: "10 keys checked, 0 differ\n",
    err: "",
  });
  verified = [{ checked: 10n, total: 10n, differences: ["network/7/config"], done: true }];
  const differing = await weft("central verify");
  expect(differing.code).toBe(1);
  expect(differing.err).toContain("error: network/7/config: differs");
  verified = [{ checked: 3n, total: 10n, differences: [], done: false }];
  expect((await weft("central verify")).err).toContain("ended the check early");
});

test("central away", async () => {
  const at = `unix:${dir}/nobody.sock`;
  const result = await weft("status", { at });
  expect(result.code).toBe(3);
  expect(result.err).toMatch(
    /^error: central at unix:.*nobody.sock: cannot be reached .*; check --server/,
  );
  expect((await weft("status", { at: "10.0.0.1:1" })).err).toMatch(
    /plaintext is only for loopback/,
  );
});

test("usage", async () => {
  for (const args of [
    "",
    "lst",
    "get",
    "get ports --at-revision x",
    "list routers",
    "list ports -o xml",
    "apply",
    "history port",
    "apply -f x --timeout never",
    "list ports -l app",
  ]) {
    expect([args, (await weft(args)).code]).toEqual([args, 2]);
  }
  expect((await weft("list prots")).err).toBe("error: prots: unknown kind; did you mean ports?\n");
  expect((await weft("--help")).code).toBe(0);
  expect((await weft("help port wait")).out).toContain("--state <state>");
  expect((await weft("help nothing")).code).toBe(2);
});

test("exit codes are as documented", async () => {
  expect((await weft("help exit-codes")).out).toBe(exitCodeTable());
  const guide = readFileSync(new URL("../../../docs/guide/cli.md", import.meta.url), "utf8");
  for (const [code, text] of exitCodeTexts) expect(guide).toContain(`| ${code} | ${text} |`);
});
