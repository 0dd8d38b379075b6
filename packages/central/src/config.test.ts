import { ConfigError, loadConfig } from "@weft/shared/config.ts";
import { expect, it } from "vitest";
import type { CentralConfig } from "./config.ts";
import { centralConfigSchema, envPrefix } from "./config.ts";

const load = (
  flags: Record<string, unknown>,
  env: Record<string, string | undefined> = {},
): CentralConfig =>
  loadConfig({
    schema: centralConfigSchema,
    file: null,
    fileRequired: false,
    env,
    envPrefix,
    flags,
  });

const local = {
  "northbound.listen": "unix:/run/weft/n.sock",
  "northbound.plaintext": true,
  "southbound.listen": "127.0.0.1:7641",
  "southbound.plaintext": true,
};
const files = { certFile: "c", keyFile: "k", caFile: "a" };

it("has defaults for everything but TLS", () => {
  expect(load({ tls: files })).toMatchObject({
    dataDir: "/var/lib/weft-central",
    northbound: { listen: "[::]:7640", plaintext: false },
    ipam: { macPrefix: "0a:57", addressReuseAfterMs: 60_000 },
    store: { retentionDays: 90, retentionRevisions: 100_000 },
    chassis: { staleAfterMs: 24 * 3_600_000 },
  });
});

it("reads the environment", () => {
  expect(load(local, { WEFT_CENTRAL_IPAM_MAC_PREFIX: "FE:16:3e" }).ipam.macPrefix).toBe("fe:16:3e");
});

it.each<[Record<string, unknown>, string]>([
  [{}, "northbound.tls: missing: give certFile"],
  [{ "northbound.tls": files }, "southbound.tls: missing"],
  [{ ...local, "northbound.listen": "10.0.0.1:7640" }, "plaintext is only for loopback"],
  [{ ...local, "northbound.listen": "nowhere" }, "northbound.listen: must be host:port"],
  [{ ...local, "ipam.macPrefix": "01:00" }, "ipam.macPrefix: must not be a multicast prefix"],
  [{ ...local, "ipam.macPrefix": "0a:57:1" }, "ipam.macPrefix: must be 1 to 5 bytes"],
  [{ ...local, "chassis.leaseMs": 5 }, "chassis.leaseMs"],
  [{ ...local, "store.retentionDay": 5 }, "did you mean retentionDays?"],
])("refuses %j", (flags, message) => {
  const attempt = (): unknown => load(flags);
  expect(attempt).toThrow(ConfigError);
  expect(attempt).toThrow(message);
});
