// weft-central as a process: TLS on both sides, who may speak where, exit codes, a full disk, kill -9. Real files, real sockets; the
// southbound side is spoken to by hand.
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { status as Code } from "@grpc/grpc-js";
import { SystemClock } from "@weft/shared/clock.ts";
import {
  ApplyRequest,
  Kind,
  ListRequest,
  NorthboundServiceClient,
  NorthboundServiceService,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { SouthboundServiceClient } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { CentralMessage } from "@weft/shared/gen/weft/v1/southbound.ts";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { channelOptions, maxNorthboundBytes, unary } from "@weft/shared/grpc.ts";
import type { RpcError } from "@weft/shared/grpc.ts";
import { initCa, issue } from "@weft/shared/pki.ts";
import { TlsStore, tlsFilesIn } from "@weft/shared/tls.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apply, deadlineMs, encode, failure, hello as helloOf, network } from "./central-calls.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-process-"));
const central = fileURLToPath(new URL("../../bin/weft-central", import.meta.url));
const quiet = { info: () => undefined, warn: () => undefined };
const disk = join(dir, "disk");
const stores: TlsStore[] = [];
const running = new Set<ChildProcess>();
let ports: readonly number[] = [];

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

beforeAll(async () => {
  const nowMs = new SystemClock().nowMs();
  await initCa(join(dir, "pki"), { name: "test", nowMs });
  for (const identity of ["central", "operator:ann", "chassis:c1"]) {
    const ips = identity === "central" ? ["127.0.0.1"] : [];
    await issue(join(dir, "pki"), { identity, dns: [], ips, days: 1, nowMs });
  }
  ports = [await freePort(), await freePort()];
  mkdirSync(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "weft-test", disk]);
});

afterAll(async () => {
  for (const child of running) child.kill("SIGKILL");
  for (const store of stores) await store[Symbol.asyncDispose]();
  execFileSync("umount", ["-l", disk]);
  rmSync(dir, { recursive: true, force: true });
});

interface Started {
  readonly child: ChildProcess;
  readonly exited: Promise<{ code: number | null; output: string }>;
}

function start(more: object, ...args: readonly string[]): Started {
  const file = join(dir, "central.yaml");
  const config = {
    dataDir: join(dir, "data"),
    northbound: { listen: `127.0.0.1:${ports[0]}` },
    southbound: { listen: `127.0.0.1:${ports[1]}` },
    tls: tlsFilesIn(join(dir, "pki", "central")),
    metrics: { listen: "" },
    ...more,
  };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config));
  const child = spawn(central, ["--config", file, ...args]);
  running.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const exited = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.once("exit", (code) => {
      running.delete(child);
      resolve({ code, output });
    });
  });
  return { child, exited };
}

async function stop(
  { child, exited }: Started,
  signal: "SIGTERM" | "SIGKILL",
): Promise<number | null> {
  child.kill(signal);
  return (await exited).code;
}

function credentialsOf(identity: string): TlsStore {
  const store = new TlsStore({ files: tlsFilesIn(join(dir, "pki", identity)), logger: quiet });
  stores.push(store);
  return store;
}

function northOf(identity: string): NorthboundServiceClient {
  return new NorthboundServiceClient(
    `127.0.0.1:${ports[0]}`,
    credentialsOf(identity).channelCredentials(),
    channelOptions({ maxMessageBytes: maxNorthboundBytes }),
  );
}

const networks = (count: number, prefix: string, labels: Record<string, string> = {}): object => ({
  changes: Array.from({ length: count }, (_, index) => network(`${prefix}${index}`, labels)),
});

/** Says hello as `chassis` with the certificate of `identity`; answers the first messages until one is conclusive. */
async function hello(identity: string, chassis: string): Promise<CentralMessage["message"]> {
  const client = new SouthboundServiceClient(
    `127.0.0.1:${ports[1]}`,
    credentialsOf(identity).channelCredentials(),
  );
  const stream = client.connect();
  const first = new Promise<CentralMessage["message"]>((resolve, reject) => {
    stream.on("data", ({ message }: CentralMessage) => resolve(message));
    stream.on("error", reject);
    stream.on("end", () => reject(new Error("ended without a message")));
  });
  const encap = { type: EncapType.GENEVE, ip: Buffer.of(192, 0, 2, 1), underlayMtuBytes: 1600 };
  const more = { hostname: "host-1", encaps: [encap], physicalNetworks: ["physnet"] };
  stream.write(encode(helloOf(chassis, more)));
  try {
    return await first;
  } finally {
    stream.cancel();
    client.close();
  }
}

describe("over TLS", () => {
  it("knows who calls, registers a chassis, and keeps all of it over kill -9", async () => {
    const first = start({});
    const ann = northOf("operator:ann");
    await apply(ann, networks(1, "a"));
    const asChassis = northOf("chassis:c1");
    expect(await failure(apply(asChassis, networks(1, "b")))).toMatchObject({
      code: Code.PERMISSION_DENIED,
    });
    asChassis.close();

    expect((await hello("chassis:c1", "c1"))?.$case).toBe("welcome");
    // Another's name, and an operator's certificate.
    expect((await hello("chassis:c1", "c2"))?.$case).toBe("refusal");
    expect((await hello("operator:ann", "c1"))?.$case).toBe("refusal");

    const acknowledged: string[] = [];
    const writes = Promise.allSettled(
      Array.from({ length: 50 }, async (_, index) => {
        await apply(ann, networks(1, `k${index}-`));
        acknowledged.push(`k${index}-0`);
        if (acknowledged.length === 20) first.child.kill("SIGKILL");
      }),
    );
    await first.exited;
    await writes;

    const second = start({});
    const { objects } = await unary(
      ann,
      NorthboundServiceService.list,
      ListRequest.fromPartial({ kind: Kind.NETWORK }),
      { deadlineMs },
    );
    const names = objects.map(({ object }) => object?.value.meta?.name);
    expect(acknowledged.length).toBeGreaterThanOrEqual(20);
    for (const name of acknowledged) expect(names).toContain(name);

    const chassis = await unary(
      ann,
      NorthboundServiceService.get,
      { ref: { kind: Kind.CHASSIS, id: "c1", project: "" }, atRevision: 0n },
      { deadlineMs },
    );
    expect(chassis.object?.object).toMatchObject({
      $case: "chassis",
      value: { spec: { hostname: "host-1", physicalNetworks: ["physnet"] }, status: { key: 1 } },
    });
    const history = await unary(
      ann,
      NorthboundServiceService.history,
      { ref: undefined, limit: 10_000, beforeRevision: 0n, pageToken: "" },
      { deadlineMs },
    );
    expect(new Set(history.entries.map(({ actor }) => actor))).toEqual(
      new Set(["operator/ann", "chassis/c1"]),
    );
    ann.close();
    expect(await stop(second, "SIGTERM")).toBe(0);
  });

  it("drops who has no certificate", async () => {
    const started = start({});
    const ann = northOf("operator:ann");
    await apply(ann, { changes: [] });
    ann.close();
    const plain = new NorthboundServiceClient(
      `127.0.0.1:${ports[0]}`,
      (await import("@grpc/grpc-js")).credentials.createInsecure(),
    );
    const error = await failure(
      unary(plain, NorthboundServiceService.apply, ApplyRequest.fromPartial({}), {
        deadlineMs: 5000,
        waitForReady: false,
      }),
    );
    expect(error.code).toBe(Code.UNAVAILABLE);
    plain.close();
    await stop(started, "SIGTERM");
  });
});

it("answers RESOURCE_EXHAUSTED on a full disk, goes on reading, and recovers when there is space", async () => {
  const dataDir = join(disk, "data");
  const started = start({ dataDir });
  const ann = northOf("operator:ann");
  const labels = Object.fromEntries(
    Array.from({ length: 60 }, (_, index) => [`k${index}`, "x".repeat(250)]),
  );
  await apply(ann, networks(1, "kept"));
  const ballast = join(disk, "ballast");
  writeFileSync(ballast, Buffer.alloc(1024 * 1024));
  let refused: RpcError | undefined;
  for (let index = 0; index < 500 && refused === undefined; index++) {
    await apply(ann, networks(5, `full${index}-`, labels)).catch((error: unknown) => {
      refused = error as RpcError;
    });
  }
  expect(refused?.code).toBe(Code.RESOURCE_EXHAUSTED);
  expect(refused?.message).toContain("full");
  const { object } = await unary(
    ann,
    NorthboundServiceService.get,
    { ref: { kind: Kind.NETWORK, id: "kept0", project: "" }, atRevision: 0n },
    { deadlineMs },
  );
  expect(object).toBeDefined();
  rmSync(ballast);
  await expect
    .poll(
      async () =>
        apply(ann, networks(1, "after")).then(
          () => "ok",
          (e: RpcError) => e.message,
        ),
      {
        timeout: 10_000,
      },
    )
    .toBe("ok");
  ann.close();
  expect(await stop(started, "SIGTERM")).toBe(0);
});

describe("exit codes", () => {
  it("is 78 for a damaged store, an unknown key, and a store in use; each says what to do", async () => {
    const dataDir = join(dir, "bad");
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, "central.db"), "no database".repeat(1000));
    const damaged = await start({ dataDir }).exited;
    expect(damaged).toMatchObject({ code: 78 });
    expect(damaged.output).toContain("weft-central restore FILE");

    const unknown = await start({ nothbound: {} }).exited;
    expect(unknown).toMatchObject({ code: 78 });
    expect(unknown.output).toContain("did you mean northbound?");

    const first = start({});
    const ann = northOf("operator:ann");
    await apply(ann, { changes: [] });
    ann.close();
    const second = await start({}).exited;
    expect(second).toMatchObject({ code: 78 });
    expect(second.output).toContain("another weft-central uses");
    expect(await stop(first, "SIGTERM")).toBe(0);
  });

  it("is 0 for --help and --check", async () => {
    expect((await start({}, "--help").exited).output).toContain("restore FILE");
    expect(await start({}, "--check").exited).toMatchObject({ code: 0 });
  });
});
