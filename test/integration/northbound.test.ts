// Central's northbound API over real gRPC and a real store: writes, reads, watches, refusals, restart, TLS. No agents: what needs
// them is tested with the southbound side.
import { join } from "node:path";
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { Client, credentials, status as Code } from "@grpc/grpc-js";
import {
  ChangeAction,
  EventType,
  Kind,
  ListRequest,
  NorthboundServiceService,
  WaitLevel,
  WatchRequest,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import type {
  ApplyResponse,
  Change,
  Port,
  WatchResponse,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import {
  AdminServiceClient,
  AdminServiceService,
  OrchestrationServiceService,
} from "@weft/shared/gen/weft/v1/orchestration.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apply as applyTo, failure } from "./central-calls.ts";
import { LocalCentral } from "./local-central.ts";

const central = new LocalCentral();

beforeAll(() => central.start());
afterAll(() => central[Symbol.asyncDispose]());

const apply = (request: object): Promise<ApplyResponse> => applyTo(central.north, request);

const upsert = ($case: "network" | "subnet" | "port", value: object): Change =>
  ({ change: { $case: "upsert", value: { object: { $case, value } } } }) as unknown as Change;

const network = (name: string, spec: object = { type: { $case: "overlay", value: {} } }): Change =>
  upsert("network", { meta: { name }, spec });
const subnet = (name: string, networkName: string, cidr: string): Change =>
  upsert("subnet", { meta: { name }, spec: { network: networkName, cidr } });
const port = (name: string, networkName: string, spec: object = {}): Change =>
  upsert("port", { meta: { name }, spec: { network: networkName, ...spec } });

const portOf = (response: ApplyResponse, index: number): Port => {
  const object = response.results[index]?.object?.object;
  if (object?.$case !== "port") throw new Error("no port");
  return object.value;
};

/** Collects events of a watch until `count` came. */
function watch(request: object): {
  take: (count: number) => Promise<WatchResponse[]>;
  cancel: () => void;
} {
  const stream: ClientReadableStream<WatchResponse> = central.north.watch(
    WatchRequest.fromPartial(request as Parameters<typeof WatchRequest.fromPartial>[0]),
  );
  const events: WatchResponse[] = [];
  let wake: () => void = () => undefined;
  let failed: ServiceError | undefined;
  stream.on("data", (event: WatchResponse) => {
    events.push(event);
    wake();
  });
  stream.on("error", (error: ServiceError) => {
    failed = error;
    wake();
  });
  return {
    take: async (count) => {
      while (events.length < count && failed === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (failed !== undefined) throw failed;
      return events.splice(0, count);
    },
    cancel: () => stream.cancel(),
  };
}

describe("Apply and reads", () => {
  it("creates, reads, lists, filters, repeats and deletes", async () => {
    const first = await apply({
      changes: [
        network("blue"),
        subnet("blue4", "blue", "10.0.0.0/24"),
        subnet("blue6", "blue", "fd00::/64"),
        port("web", "blue"),
        port("db", "blue", { requestedChassis: "" }),
      ],
      comment: "first",
      wait: WaitLevel.REALIZED,
    });
    expect(first.results.map(({ action }) => action)).toEqual(Array(5).fill(ChangeAction.CREATED));
    expect(first.realization).toMatchObject({ complete: true });
    const web = portOf(first, 3);
    expect(web.spec?.fixedIps.map(({ ip }) => ip)).toEqual([
      "10.0.0.2",
      expect.stringMatching(/^fd00::/),
    ]);
    expect(web.status).toMatchObject({ key: 1 });
    expect(web.status?.mtuBytes).toBeGreaterThan(1280);
    expect(web.status?.reason).toContain("no chassis has plugged");

    const again = await apply({ changes: [network("blue"), port("web", "blue")] });
    expect(again.results.map(({ action }) => action)).toEqual(
      Array(2).fill(ChangeAction.UNCHANGED),
    );
    expect(again.revision).toBe(first.revision);

    const get = await central.call(NorthboundServiceService.get, {
      ref: { kind: Kind.PORT, id: "web", project: "" },
      atRevision: 0n,
    });
    expect(get.object).toMatchObject({
      object: { $case: "port", value: { meta: { name: "web" } } },
    });

    const list = await central.call(
      NorthboundServiceService.list,
      ListRequest.fromPartial({
        kind: Kind.PORT,
        fields: { "spec.network": "blue", "status.state": "down" },
        pageSize: 1,
      }),
    );
    expect(list.objects).toHaveLength(1);
    expect(list.nextPageToken).not.toBe("");

    const refused = await failure(
      apply({
        changes: [{ change: { $case: "delete", value: { kind: Kind.NETWORK, id: "blue" } } }],
      }),
    );
    expect(refused.code).toBe(Code.FAILED_PRECONDITION);
    expect(refused.message).toContain("in use by");
  });

  it("names every problem with its path, and its code in the status", async () => {
    const error = await failure(
      apply({
        changes: [
          network("bad", { type: { $case: "overlay", value: { encap: 77 } } }),
          network("stt", { type: { $case: "overlay", value: { encap: 4 } } }),
        ],
      }),
    );
    expect(error.code).toBe(Code.INVALID_ARGUMENT);
    expect(error.violations.map(({ field, reason }) => `${reason} ${field}`)).toEqual([
      "UNKNOWN_VALUE changes[0].upsert.network.spec.overlay.encap",
    ]);
    const second = await failure(
      apply({
        changes: [
          network("stt", { type: { $case: "overlay", value: { encap: 4 } } }),
          port("lost", "nowhere"),
          port("far", "blue", { fixedIps: [{ ip: "10.9.9.9" }] }),
        ],
      }),
    );
    expect(second.violations.map(({ field, reason }) => `${reason} ${field}`)).toEqual([
      "UNSUPPORTED changes[0].upsert.network.spec.overlay.encap",
      "DANGLING_REFERENCE changes[1].upsert.port.spec.network",
      "OUTSIDE_SUBNET changes[2].upsert.port.spec.fixed_ips[0].ip",
    ]);
  });

  it.each([
    [{ idempotencyKey: "k".repeat(129) }, "idempotency_key"],
    [{ comment: "c".repeat(1025) }, "comment"],
    [{ wait: 9 }, "wait"],
    [{ changes: Array.from({ length: 50_001 }, () => ({})) }, "changes"],
    [{ changes: [{}] }, "changes[0]"],
    [{ changes: [port("big", "blue", { deviceId: "d".repeat(256 * 1024) })] }, "changes[0].upsert"],
    [
      { changes: [port("big", "blue", { deviceId: "d".repeat(300) })] },
      "changes[0].upsert.port.spec.device_id",
    ],
  ])("refuses what is over a limit: case %#", async (request, field) => {
    const error = await failure(apply(request));
    expect(error.code).toBe(Code.INVALID_ARGUMENT);
    expect(error.violations[0]?.field).toBe(field);
  });

  it("takes 5,000 ports in one set and gives each its own address", async () => {
    const changes = [
      network("wide"),
      subnet("wide4", "wide", "10.128.0.0/16"),
      ...Array.from({ length: 5000 }, (_, index) => port(`w${index}`, "wide")),
    ];
    const { results } = await apply({ changes });
    const ips = results.slice(2).map(({ object }) => {
      if (object?.object?.$case !== "port") throw new Error("no port");
      return object.object.value.spec?.fixedIps[0]?.ip;
    });
    expect(new Set(ips).size).toBe(5000);
  });
});

describe("Watch", () => {
  it("sends what is there, a bookmark, then changes; and resumes from a revision", async () => {
    await apply({ changes: [network("w-a")] });
    const live = watch({ kinds: [Kind.NETWORK] });
    const current: WatchResponse[] = [];
    while (current.at(-1)?.type !== EventType.BOOKMARK) current.push(...(await live.take(1)));
    const from = current.at(-1)?.revision ?? 0n;
    const { revision } = await apply({ changes: [network("w-b"), network("w-c")] });
    const gone = await apply({
      changes: [{ change: { $case: "delete", value: { kind: Kind.NETWORK, id: "w-b" } } }],
    });
    const events = await live.take(2);
    live.cancel();
    const names = { [EventType.UPSERT]: "upsert", [EventType.DELETE]: "delete" } as Record<
      number,
      string
    >;
    const essence = (event: WatchResponse): string =>
      `${names[event.type]} ${event.object?.object?.value.meta?.name}`;
    // w-b and its end may have met in the queue.
    expect(events.map(essence)).toContain("upsert w-c");

    const resumed = watch({ kinds: [Kind.NETWORK], fromRevision: from });
    const seen = await resumed.take(3);
    resumed.cancel();
    expect(new Set(seen.map(essence))).toEqual(new Set(["upsert w-b", "upsert w-c", "delete w-b"]));
    expect(seen.map((event) => event.revision)).toEqual([revision - 1n, revision, gone.revision]);
  });

  it("refuses a revision that is not there yet", async () => {
    await expect(watch({ fromRevision: 1n << 40n }).take(1)).rejects.toMatchObject({
      code: Code.OUT_OF_RANGE,
    });
  });
});

describe("verbs, history, admin", () => {
  it("says why a port is not ready when the wait is over", async () => {
    const error = await failure(
      central.call(OrchestrationServiceService.waitPortReady, {
        port: "web",
        project: "",
        state: 0,
        timeoutMs: 50,
      }),
    );
    expect(error.code).toBe(Code.DEADLINE_EXCEEDED);
    expect(error.message).toContain("port web is DOWN: no chassis has plugged");
  });

  it("refuses to plug into a chassis that is not there, and drains none that never registered", async () => {
    const error = await failure(
      central.call(OrchestrationServiceService.plugPort, {
        port: "web",
        project: "",
        chassis: "none",
      }),
    );
    expect(error.code).toBe(Code.NOT_FOUND);
    const chassis = {
      object: { $case: "chassis", value: { meta: { id: "c9" }, spec: { drain: true } } },
    };
    const drained = await failure(
      apply({ changes: [{ change: { $case: "upsert", value: chassis } }] }),
    );
    expect(drained.message).toContain("registers");
  });

  it("tells history, status and a cookie, and writes a backup", async () => {
    const history = await central.call(NorthboundServiceService.history, {
      ref: { kind: Kind.PORT, id: "web", project: "" },
      limit: 0,
      beforeRevision: 0n,
      pageToken: "",
    });
    expect(history.entries).toMatchObject([{ actor: "local", comment: "first" }]);
    const status = await central.call(AdminServiceService.getStatus, {});
    expect(status).toMatchObject({ writeState: "READY", counts: { port: 5002n } });
    // No chassis is registered.
    expect(status).toMatchObject({ scopes: [], scopeCount: 0n, deliveries: 0n });
    const cookie = (0x5746_2000_0000_0045n & ~(0xffffffn << 20n)) | (1n << 20n);
    const explained = await central.call(AdminServiceService.explainCookie, { cookie });
    expect(explained).toMatchObject({ stage: "deliver", kind: Kind.PORT });
    const backup = await central.call(AdminServiceService.backup, {
      path: join(central.dir, "backup.db"),
    });
    expect(backup.bytes).toBeGreaterThan(4096n);
  });

  it("keeps everything, idempotency included, over a restart", async () => {
    const request = { changes: [network("keyed")], idempotencyKey: "key-1" };
    const before = await apply(request);
    await central.stop();
    await central.start();
    const after = await apply(request);
    expect(after.revision).toBe(before.revision);
    expect(after.results[0]?.action).toBe(ChangeAction.CREATED);
    const other = await failure(apply({ changes: [network("other")], idempotencyKey: "key-1" }));
    expect(other.violations[0]).toMatchObject({ reason: "KEY_REUSED", field: "idempotency_key" });
    const list = await central.call(
      NorthboundServiceService.list,
      ListRequest.fromPartial({ kind: Kind.PORT, pageSize: 10_000 }),
    );
    expect(list.objects).toHaveLength(5002);
  });

  it("verifies that what is derived is what derivation from scratch gives", async () => {
    const admin = new AdminServiceClient(central.northbound, credentials.createInsecure());
    const stream = admin.verify({});
    const differences: string[] = [];
    let done = false;
    for await (const response of stream as AsyncIterable<{
      differences: string[];
      done: boolean;
    }>) {
      differences.push(...response.differences);
      done = response.done;
    }
    admin.close();
    expect({ differences, done }).toEqual({ differences: [], done: true });
  });
});

it("survives garbage and unknown methods", async () => {
  const raw = new Client(central.northbound, credentials.createInsecure());
  const send = (path: string, bytes: Buffer): Promise<number> =>
    new Promise((resolve) => {
      raw.makeUnaryRequest(
        path,
        (value: Buffer) => value,
        (value) => value,
        bytes,
        (error) => resolve(error?.code ?? Code.OK),
      );
    });
  expect(await send("/weft.v1.NorthboundService/Nothing", Buffer.alloc(0))).toBe(
    Code.UNIMPLEMENTED,
  );
  const codes = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      send(
        "/weft.v1.NorthboundService/Apply",
        Buffer.from(Array.from({ length: 40 }, (__, at) => (index * 31 + at * 17) & 0xff)),
      ),
    ),
  );
  expect(codes.every((code) => code !== Code.UNKNOWN)).toBe(true);
  raw.close();
  expect((await apply({ changes: [] })).revision).toBeGreaterThan(0n);
});
