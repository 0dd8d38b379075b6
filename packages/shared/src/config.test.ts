// Configuration: precedence, and the exact wording about what is wrong where.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { z } from "zod";
import { ConfigError, envName, loadConfig } from "./config.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-config-"));
afterAll(() => rmSync(dir, { recursive: true }));

const schema = z.strictObject({
  listen: z.string().default("127.0.0.1:6641"),
  leaseMs: z.int().min(1000, "must be at least 1000").default(15_000),
  tls: z
    .strictObject({
      certFile: z.string().default("tls.crt"),
      names: z.array(z.string()).default([]),
    })
    .prefault({}),
});

let count = 0;
function load(options: {
  yaml?: string;
  env?: Record<string, string>;
  flags?: Record<string, unknown>;
}): z.output<typeof schema> {
  const file = join(dir, `${(count += 1)}.yaml`);
  if (options.yaml !== undefined) writeFileSync(file, options.yaml);
  return loadConfig({
    schema,
    file,
    fileRequired: false,
    env: options.env ?? {},
    envPrefix: "WEFT_T_",
    flags: options.flags ?? {},
  });
}
function problems(options: Parameters<typeof load>[0]): string[] {
  try {
    load(options);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => problem.replace(`${dir}/${count}.yaml`, "FILE"));
  }
  throw new Error("was accepted");
}

test("defaults < file < environment < flags", () => {
  expect(load({})).toEqual({
    listen: "127.0.0.1:6641",
    leaseMs: 15_000,
    tls: { certFile: "tls.crt", names: [] },
  });
  expect(
    load({
      yaml: "listen: a:1\nleaseMs: 2000\ntls: {certFile: file, names: [x]}\n",
      env: { WEFT_T_LEASE_MS: "3000", WEFT_T_TLS_CERT_FILE: "0123", WEFT_T_TLS_NAMES: "[a, b]" },
      flags: { "tls.certFile": "flag", leaseMs: undefined },
    }),
  ).toEqual({ listen: "a:1", leaseMs: 3000, tls: { certFile: "flag", names: ["a", "b"] } });
  expect(load({ env: { WEFT_T_TLS_CERT_FILE: "0123" } }).tls.certFile).toBe("0123");
  expect(load({ yaml: "# nothing\n" }).listen).toBe("127.0.0.1:6641");
});

test("names of environment variables", () => {
  expect(envName("WEFT_", ["tls", "certFile"])).toBe("WEFT_TLS_CERT_FILE");
});

test("every problem is named with its place", () => {
  expect(problems({ yaml: "listne: a\nleaseMs: 5\ntls:\n  certFile: 7\n  color: red\n" })).toEqual([
    "FILE:2: leaseMs: must be at least 1000",
    "FILE:4: tls.certFile: Invalid input: expected string, received number",
    "FILE:5: tls.color: unknown key; known here: certFile, names",
    "FILE:1: listne: unknown key; did you mean listen?",
  ]);
  expect(problems({ env: { WEFT_T_LEASE_MS: "soon" } })).toEqual([
    "environment variable WEFT_T_LEASE_MS: leaseMs: Invalid input: expected number, received string",
  ]);
  expect(problems({ env: { WEFT_T_LISTE: "x" } })).toEqual([
    "environment variable WEFT_T_LISTE: unknown; did you mean WEFT_T_LISTEN?",
  ]);
  expect(problems({ flags: { leaseMs: 1 } })).toEqual([
    "--leaseMs: leaseMs: must be at least 1000",
  ]);
});

test("malformed files", () => {
  expect(problems({ yaml: "listen: [a\nb: c\n" })[0]).toMatch(/^FILE:\d+:\d+: not YAML: /);
  expect(problems({ yaml: "listen: *x\n" })[0]).toMatch(/^FILE: not YAML: Unresolved alias/);
  expect(problems({ yaml: "- a\n" })).toEqual(["FILE:1: must be a mapping of keys to values"]);
  expect(() =>
    loadConfig({
      schema,
      file: join(dir, "no"),
      fileRequired: true,
      env: {},
      envPrefix: "W",
      flags: {},
    }),
  ).toThrow(/cannot be read \(ENOENT\); create it or name another file/);
});
