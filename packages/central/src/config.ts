// The configuration of central: schema and defaults. /etc/weft/central.yaml, environment WEFT_CENTRAL_*, flags. Read once by main.ts.

import { logFormats, logLevels } from "@weft/shared/logging.ts";
import { isMulticastMac } from "@weft/shared/net/mac.ts";
import { isLocalAddress } from "@weft/shared/tls.ts";
import { z } from "zod";
import { MAX_FREED_KEYS } from "./ipam/allocator.ts";

export const defaultConfigPath = "/etc/weft/central.yaml";
export const envPrefix = "WEFT_CENTRAL_";

const dayMs = 24 * 3600 * 1000;

/** A listening socket of gRPC: host:port, [v6]:port, or unix:/path. */
const listen = z
  .string()
  .regex(/^(?:unix:\/.+|.+:\d{1,5})$/, "must be host:port, [v6]:port or unix:/path");

/** PEM files; see `weft pki issue`. */
const tls = z.strictObject({ certFile: z.string(), keyFile: z.string(), caFile: z.string() });

const api = (port: number) =>
  z
    .strictObject({
      listen: listen.default(`[::]:${port}`),
      /** No TLS: only on loopback or a unix socket. */
      plaintext: z.boolean().default(false),
      /** Default: the tls of the top. */
      tls: tls.optional(),
    })
    .refine((value) => !value.plaintext || isLocalAddress(value.listen), {
      message:
        "plaintext is only for loopback addresses and unix sockets: change listen, or use tls",
    })
    .prefault({});

const macPrefix = z
  .string()
  .toLowerCase()
  .regex(/^[0-9a-f]{2}(?::[0-9a-f]{2}){0,4}$/, "must be 1 to 5 bytes such as 0a:57")
  .refine((prefix) => !isMulticastMac(prefix), "must not be a multicast prefix");

export const centralConfigSchema = z
  .strictObject({
    dataDir: z.string().min(1).default("/var/lib/weft-central"),
    northbound: api(7640),
    southbound: api(7641),
    /** Of the APIs that name none of their own. */
    tls: tls.optional(),
    /** host:port of /metrics; empty = none. It has no TLS. */
    metrics: z.strictObject({ listen: z.string().default("127.0.0.1:7642") }).prefault({}),
    log: z
      .strictObject({
        level: z.enum(logLevels).default("info"),
        format: z.enum(logFormats).default("auto"),
      })
      .prefault({}),
    ipam: z
      .strictObject({
        macPrefix: macPrefix.default("0a:57"),
        /** A released address is not given dynamically before. */
        addressReuseAfterMs: z.int().min(0).max(dayMs).default(60_000),
        /** Freed keys that may wait before the oldest is reused; until then new ones are given. */
        reuseKeysAbove: z.int().min(0).max(MAX_FREED_KEYS).default(MAX_FREED_KEYS),
      })
      .prefault({}),
    store: z
      .strictObject({
        /** History is kept so long, */
        retentionDays: z.number().min(0).max(36_500).default(90),
        /** and at least for so many revisions. */
        retentionRevisions: z.int().min(0).default(100_000),
        /** 0 = no bound but the disk. */
        maxSizeMiB: z.int().min(0).default(0),
      })
      .prefault({}),
    chassis: z
      .strictObject({
        /** Silent for longer: unreachable. Agents heartbeat at a third of it. */
        leaseMs: z.int().min(1000).max(600_000).default(15_000),
        /** Silent for longer: fenced. */
        staleAfterMs: z
          .int()
          .min(10_000)
          .max(30 * dayMs)
          .default(dayMs),
      })
      .prefault({}),
  })
  .superRefine((config, context) => {
    for (const name of ["northbound", "southbound"] as const) {
      if (config[name].plaintext || config[name].tls !== undefined || config.tls !== undefined) {
        continue;
      }
      const wayOut = `give certFile, keyFile and caFile ("weft pki issue"), or ${name}.plaintext for a local socket`;
      context.addIssue({ code: "custom", path: [name, "tls"], message: `missing: ${wayOut}` });
    }
  });

export type CentralConfig = z.output<typeof centralConfigSchema>;
