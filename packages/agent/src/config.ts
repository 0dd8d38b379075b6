// The agent's configuration: schema and defaults. /etc/weft/agent.yaml, environment WEFT_AGENT_*, flags. Read once by main.ts.

import { join } from "node:path";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { logFormats, logLevels } from "@weft/shared/logging.ts";
import { canonicalIp } from "@weft/shared/net/ip.ts";
import { z } from "zod";

export const DEFAULT_CONFIG_PATH = "/etc/weft/agent.yaml";
export const ENV_PREFIX = "WEFT_AGENT_";

const ip = z.string().transform((text, context) => {
  const canonical = canonicalIp(text);
  if (canonical !== undefined) return canonical;
  context.addIssue({ code: "custom", message: `"${text}" is not an IP address` });
  return z.NEVER;
});

const encap = z.strictObject({
  type: z.enum(["geneve", "vxlan", "gre"], {
    error: ({ input }) =>
      input === "stt"
        ? "stt cannot carry a network: Open vSwitch passes none of its packets; use geneve"
        : undefined,
  }),
  /** The VTEP address, an address of this host. */
  ip,
  /** Largest IP packet that the underlay carries; 0 = not known, central assumes 1500. */
  underlayMtuBytes: z.int().min(0).max(65_535).default(0),
});

export const agentConfigSchema = z.strictObject({
  /** Name of this chassis; must equal the certificate's. */
  chassis: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "is not a valid name"),
  central: z.strictObject({
    /** host:port or unix:/path. */
    address: z.string().min(1),
    /** PEM files; see `weft pki issue`. */
    tls: z
      .strictObject({ certFile: z.string(), keyFile: z.string(), caFile: z.string() })
      .optional(),
    /** Only for loopback or a unix socket. */
    plaintext: z.boolean().default(false),
  }),
  stateDir: z.string().default("/var/lib/weft-agent"),
  ovs: z
    .strictObject({
      database: z.string().default("unix:/run/openvswitch/db.sock"),
      /** Where ovs-vswitchd keeps <bridge>.mgmt. */
      runDir: z.string().default("/run/openvswitch"),
      bridge: z.string().default("br-int"),
      datapathType: z.enum(["system", "netdev"]).default("system"),
      /** Take over an existing bridge of that name that nobody marked. */
      adoptBridge: z.boolean().default(false),
    })
    .prefault({}),
  encaps: z.array(encap).default([]),
  /** Physical network -> bridge that leads to it. The bridge is the operator's. */
  providerBridges: z.record(z.string(), z.string()).default({}),
  /** A guest whose interface has a larger MTU than its network stays PLUGGED; false = it comes UP with a warning. */
  mtu: z.strictObject({ enforce: z.boolean().default(true) }).prefault({}),
  metrics: z.strictObject({ listen: z.string().default("") }).prefault({}),
  log: z
    .strictObject({
      level: z.enum(logLevels).default("info"),
      format: z.enum(logFormats).default("auto"),
    })
    .prefault({}),
});

export type AgentConfig = z.output<typeof agentConfigSchema>;

/** Where the integration bridge speaks OpenFlow. */
export function mgmtSocketOf({ ovs }: Pick<AgentConfig, "ovs">): string {
  return join(ovs.runDir, `${ovs.bridge}.mgmt`);
}

const ENCAP_TYPES = {
  geneve: EncapType.GENEVE,
  vxlan: EncapType.VXLAN,
  gre: EncapType.GRE,
} as const;

export function encapTypeOf(name: keyof typeof ENCAP_TYPES): EncapType {
  return ENCAP_TYPES[name];
}
