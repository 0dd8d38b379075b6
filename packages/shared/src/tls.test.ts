// Mutual TLS and the local authority, over real sockets: who gets in, who is who, and reloading.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
import { Server, status as Code } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  GetRequest,
  GetResponse,
  NorthboundServiceClient,
  NorthboundServiceService,
} from "./gen/weft/v1/northbound.ts";
import { channelOptions, refusal, RpcError, serverOptions, unary } from "./grpc.ts";
import { initCa, issue } from "./pki.ts";
import type { IssuedFiles } from "./pki.ts";
import {
  callerOf,
  isLocalAddress,
  parseIdentity,
  plaintextChannelCredentials,
  plaintextServerCredentials,
  tlsFilesIn,
  TlsStore,
} from "./tls.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-tls-"));
const nowMs = Date.now();
const limits = { maxMessageBytes: 1 << 20 };
let central: IssuedFiles;
let chassis: IssuedFiles;
let operator: IssuedFiles;
const log: string[] = [];
const logger = {
  info: (_: object, message: string) => void log.push(message),
  warn: (fields: object, message: string) => void log.push(`${message} ${JSON.stringify(fields)}`),
};

const open = new Set<{ forceShutdown(): void }>();
const stores = new Set<TlsStore>();
beforeAll(async () => {
  await initCa(dir, { name: "test", nowMs });
  const base = { dns: [], ips: [], days: 30, nowMs };
  central = await issue(dir, {
    ...base,
    identity: "central",
    dns: ["localhost"],
    ips: ["127.0.0.1"],
  });
  chassis = await issue(dir, { ...base, identity: "chassis:hv-1" });
  operator = await issue(dir, { ...base, identity: "operator:ann" });
});
afterAll(async () => {
  for (const server of open) server.forceShutdown();
  for (const store of stores) await store[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

function store(files: IssuedFiles): TlsStore {
  const made = new TlsStore({ files, logger, pollMs: 3_600_000 });
  stores.add(made);
  return made;
}

/** A server whose Get answers who called, as the comment of a refusal. */
async function serve(tls: TlsStore | null, at = "127.0.0.1:0"): Promise<string> {
  const server = new Server(serverOptions(limits));
  open.add(server);
  server.register(
    "/weft.v1.NorthboundService/Get",
    (call: ServerUnaryCall<GetRequest, GetResponse>, answer: sendUnaryData<GetResponse>) => {
      const caller = callerOf(call) ?? "nobody";
      const text = typeof caller === "string" ? caller : `${caller.kind} ${caller.name}`;
      answer(
        refusal(Code.INVALID_ARGUMENT, text, [
          { code: "TEST", object: "port p", field: "a.b", message: "is wrong" },
        ]),
      );
    },
    (response) => Buffer.from(GetResponse.encode(response).finish()),
    (bytes) => GetRequest.decode(bytes),
    "unary",
  );
  const port = await new Promise<number>((resolve, reject) => {
    const using = tls === null ? plaintextServerCredentials(at) : tls.serverCredentials();
    server.bindAsync(at, using, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return at.startsWith("unix:") ? at : at.replace(":0", `:${port}`);
}

async function whoAmI(
  address: string,
  tls: TlsStore | null,
  deadlineMs = 5_000,
): Promise<RpcError> {
  const using = tls === null ? plaintextChannelCredentials(address) : tls.channelCredentials();
  const client = new NorthboundServiceClient(address, using, channelOptions(limits));
  try {
    const request = { ref: undefined, atRevision: 0n };
    await unary(client, NorthboundServiceService.get, request, { deadlineMs, waitForReady: false });
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  } finally {
    client.close();
  }
  throw new Error("the test server refuses every call");
}

test("peers are known by their certificates, by name and by address", async () => {
  const address = await serve(store(central));
  expect((await whoAmI(address, store(chassis))).message).toBe("chassis hv-1");
  const error = await whoAmI(address.replace("127.0.0.1", "localhost"), store(operator));
  expect(error).toMatchObject({
    code: Code.INVALID_ARGUMENT,
    kind: "rejected",
    message: "operator ann",
    violations: [{ field: "a.b", description: "port p: is wrong", reason: "TEST" }],
  });
});

test("no plaintext client, no stranger, no chassis as central", async () => {
  const address = await serve(store(central));
  expect((await whoAmI(address, null)).code).toBe(Code.UNAVAILABLE);

  const other = join(dir, "other");
  await initCa(other, { name: "other", nowMs });
  const options = { dns: [], ips: [], days: 1, nowMs };
  const stranger = await issue(other, { ...options, identity: "operator:eve" });
  copyFileSync(central.caFile, stranger.caFile);
  expect((await whoAmI(address, store(stranger))).code).toBe(Code.UNAVAILABLE);

  const posing = await serve(store(chassis));
  expect((await whoAmI(posing, store(operator))).code).toBe(Code.UNAVAILABLE);
});

test("plaintext on a unix socket and on loopback only", async () => {
  const address = await serve(null, `unix:${join(dir, "s.sock")}`);
  expect((await whoAmI(address, null)).message).toBe("plaintext");
  expect(() => plaintextServerCredentials("0.0.0.0:1")).toThrow(/only for loopback/);
  expect(() => plaintextChannelCredentials("10.0.0.1:1")).toThrow(/only for loopback/);
  const local = [
    "127.0.0.1:1",
    "127.9.9.9",
    "[::1]:1",
    "::1",
    "localhost:1",
    "unix:/x",
    "dns:///localhost:1",
  ];
  expect(local.map(isLocalAddress)).toEqual(local.map(() => true));
  const remote = [
    "10.0.0.1:1",
    "[fd00::1]:1",
    "localhost.example.org:1",
    "127.0.0.1.example.org",
    "",
  ];
  expect(remote.map(isLocalAddress)).toEqual(remote.map(() => false));
});

test("files are reloaded; a half-written or mismatched pair changes nothing", async () => {
  const options = { dns: ["localhost"], ips: ["127.0.0.1"], days: 30, nowMs };
  const files = await issue(dir, { ...options, identity: "central", outDir: join(dir, "live") });
  const server = store(files);
  const client = store(operator);
  const address = await serve(server);
  const before = server.loaded;
  const key = readFileSync(files.keyFile);
  const cert = readFileSync(files.certFile);
  log.length = 0;

  writeFileSync(files.keyFile, key.subarray(0, 60));
  await server.reload();
  await server.reload();
  expect(log).toEqual([
    expect.stringMatching(/not usable; the old ones stay.*holds no private key/),
  ]);
  writeFileSync(files.keyFile, key);

  const next = await issue(dir, { ...options, identity: "central", outDir: join(dir, "next") });
  copyFileSync(next.certFile, files.certFile);
  await server.reload();
  expect(log[1]).toMatch(/is not the key of .*; replace both together/);
  rmSync(files.caFile);
  await server.reload();
  expect(log[2]).toMatch(/ca.crt: cannot be read \(ENOENT\)/);
  expect(server.loaded).toBe(before);
  expect((await whoAmI(address, client)).message).toBe("operator ann");

  copyFileSync(next.keyFile, files.keyFile);
  copyFileSync(next.caFile, files.caFile);
  await server.reload();
  expect(log[3]).toBe("TLS certificate reloaded");
  expect(server.loaded.cert.equals(cert)).toBe(false);
  expect((await whoAmI(address, client)).message).toBe("operator ann");

  // The server now trusts another authority alone: the same client is a stranger.
  const other = join(dir, "another");
  await initCa(other, { name: "another", nowMs });
  copyFileSync(join(other, "ca.crt"), files.caFile);
  await server.reload();
  expect((await whoAmI(address, client)).code).toBe(Code.UNAVAILABLE);
});

test("unusable files are named at the start", () => {
  const open = (files: object): TlsStore =>
    new TlsStore({ files: { ...tlsFilesIn(chassis.dir), ...files }, logger });
  expect(() => open({ certFile: "/nowhere" })).toThrow(
    /\/nowhere: cannot be read \(ENOENT\); issue/,
  );
  expect(() => open({ keyFile: central.keyFile })).toThrow(/is not the key of/);
  expect(() => open({ caFile: chassis.keyFile })).toThrow(/holds no certificate/);
});

test("the authority", async () => {
  expect(statSync(join(dir, "ca.key")).mode & 0o777).toBe(0o600);
  expect(statSync(chassis.keyFile).mode & 0o777).toBe(0o600);
  await expect(initCa(dir, { name: "x", nowMs })).rejects.toThrow(
    /ca.crt: exists; remove it first/,
  );
  const base = { dns: [], ips: [], days: 1, nowMs };
  const bad: [Partial<Parameters<typeof issue>[1]> & { identity: string }, RegExp][] = [
    [{ identity: "router:x" }, /must be central, chassis:<name> or operator:<name>/],
    [{ identity: "chassis:" }, /must be central/],
    [{ identity: "chassis:a b" }, /must be central/],
    [{ identity: "central" }, /needs the names or addresses/],
    [{ identity: "central", ips: ["1.2.3"] }, /--ip 1.2.3: not an IP address/],
    [{ identity: "central", dns: ["a b"] }, /--dns a b: not a host name/],
    [{ identity: "chassis:x", days: 0 }, /--days 0: must be 1 to 3650/],
    [{ identity: "chassis:x", nowMs: nowMs + 4000 * 86_400_000 }, /expired .*make a new authority/],
  ];
  for (const [options, expected] of bad) {
    await expect(issue(dir, { ...base, ...options })).rejects.toThrow(expected);
  }
  await expect(issue(join(dir, "none"), { ...base, identity: "chassis:x" })).rejects.toThrow(
    /no certificate authority .*weft pki init/,
  );
});

test("identities", () => {
  expect(parseIdentity("chassis:a:b")).toBeUndefined();
  expect(parseIdentity("chassis:a\n")).toBeUndefined();
  expect(parseIdentity("central")).toBeUndefined();
  expect(parseIdentity("operator:x")).toEqual({ kind: "operator", name: "x" });
  const call = (CN: unknown) => ({
    getAuthContext: () => ({
      transportSecurityType: "ssl",
      sslPeerCertificate: { subject: { CN } },
    }),
  });
  type Call = Parameters<typeof callerOf>[0];
  expect(callerOf(call("chassis:y") as Call)).toEqual({ kind: "chassis", name: "y" });
  expect(callerOf(call(["operator:x", "chassis:y"]) as Call)).toBeUndefined();
});
