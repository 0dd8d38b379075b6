// The kinds as people write them: names on the command line, the fields of their documents, and the
// conversion between a document and a protobuf object. Pure. To add a kind: one entry in `kinds`; those
// of routing are in kinds-routing.ts.
import { nearestWord } from "@weft/shared/diagnostics.ts";
import type { NetworkSpec, Object as WeftObject } from "@weft/shared/gen/weft/v1/northbound.ts";
import {
  Chassis,
  Ipv6Allocation,
  Kind,
  Liveness,
  Network,
  Port,
  Subnet,
} from "@weft/shared/gen/weft/v1/northbound.ts";
import { EncapType, PortState } from "@weft/shared/gen/weft/v1/types.ts";
import { bytesToIp } from "@weft/shared/net/ip.ts";
import { z } from "zod";
import { CliError, exitCodes } from "./exit-codes.ts";
import type { KindEntry, ObjectDocument, PlainObject } from "./kind-entry.ts";
import {
  fieldsOf,
  metadataOf,
  nameOf,
  numberOf,
  present,
  text,
  u32,
  withoutAbsent,
  withStatus,
  wordOf,
} from "./kind-entry.ts";
import { routingKinds } from "./kinds-routing.ts";

export type { KindEntry, ObjectDocument, Plain, PlainObject } from "./kind-entry.ts";
export { numberOf, wordOf } from "./kind-entry.ts";

const encapNames = {
  geneve: EncapType.GENEVE,
  vxlan: EncapType.VXLAN,
  gre: EncapType.GRE,
} as const;
const allocationNames = { random: Ipv6Allocation.RANDOM, eui64: Ipv6Allocation.EUI64 } as const;

/** In the words of central and agent (ADR 0006). */
const sttRefused =
  "stt cannot carry a network: Open vSwitch passes none of its packets; use geneve";
const encapSchema = z.enum(Object.keys(encapNames) as (keyof typeof encapNames)[], {
  error: ({ input }) => (input === "stt" ? sttRefused : undefined),
});
const allocationSchema = z.enum(Object.keys(allocationNames) as (keyof typeof allocationNames)[]);

const networkSpec = z
  .strictObject({
    overlay: z.strictObject({ encap: encapSchema.optional() }).nullish(),
    provider: z
      .strictObject({
        physicalNetwork: text,
        vlan: u32.optional(),
        shared: z.boolean().optional(),
      })
      .optional(),
    mtuBytes: u32.optional(),
  })
  .refine((spec) => !(spec.overlay !== undefined && spec.provider !== undefined), {
    message: "has both overlay and provider; keep one",
  })
  .refine((spec) => spec.overlay !== undefined || spec.provider !== undefined, {
    message: "has neither overlay nor provider; write one, such as overlay: {encap: geneve}",
  });

const subnetSpec = z.strictObject({
  network: text,
  cidr: text,
  gatewayIp: text.optional(),
  noGateway: z.boolean().optional(),
  allocationRanges: z.array(z.strictObject({ first: text, last: text })).optional(),
  reserved: z.array(text).optional(),
  ipv6Allocation: allocationSchema.optional(),
});

const portSpec = z.strictObject({
  network: text,
  mac: text.optional(),
  fixedIps: z.array(z.strictObject({ subnet: text.optional(), ip: text.optional() })).optional(),
  noFixedIps: z.boolean().optional(),
  allowedAddressPairs: z.array(z.strictObject({ ip: text, mac: text.optional() })).optional(),
  adminDown: z.boolean().optional(),
  portSecurityDisabled: z.boolean().optional(),
  requestedChassis: text.optional(),
  deviceOwner: text.optional(),
  deviceId: text.optional(),
});

const reported = "is reported by the agent; leave it out";
const chassisSpec = z.strictObject({
  drain: z.boolean().optional(),
  hostname: z.undefined({ error: reported }).optional(),
  encaps: z.undefined({ error: reported }).optional(),
  physicalNetworks: z.undefined({ error: reported }).optional(),
  lost: z.undefined({ error: "is set by weft chassis lost; leave it out" }).optional(),
});

export const kinds: readonly KindEntry[] = [
  {
    kind: Kind.NETWORK,
    name: "Network",
    singular: "network",
    plural: "networks",
    aliases: ["net", "nets"],
    hasProject: true,
    specSchema: networkSpec,
    specFields: fieldsOf(networkSpec),
    toObject(meta, raw) {
      const { overlay, provider, mtuBytes } = raw as z.output<typeof networkSpec>;
      const encap =
        overlay?.encap === undefined ? EncapType.UNSPECIFIED : encapNames[overlay.encap];
      const type: NetworkSpec["type"] =
        provider === undefined
          ? { $case: "overlay", value: { encap } }
          : { $case: "provider", value: { vlan: 0, shared: false, ...withoutAbsent(provider) } };
      const spec = { type, mtuBytes: mtuBytes ?? 0 };
      return { object: { $case: "network", value: Network.fromPartial({ meta, spec }) } };
    },
    toDocument({ object }) {
      if (object?.$case !== "network") return undefined;
      const { meta, spec, status } = object.value;
      const type: PlainObject =
        spec?.type?.$case === "provider"
          ? {
              provider: {
                physicalNetwork: spec.type.value.physicalNetwork,
                vlan: spec.type.value.vlan,
                ...present({ shared: spec.type.value.shared }),
              },
            }
          : { overlay: { encap: nameOf(encapNames, spec?.type?.value.encap) ?? "geneve" } };
      return {
        metadata: metadataOf(meta),
        spec: { ...type, ...present({ mtuBytes: spec?.mtuBytes }) },
        ...withStatus(status, ({ key, mtuBytes, ports }) => ({ key, mtuBytes, ports })),
      };
    },
  },
  {
    kind: Kind.SUBNET,
    name: "Subnet",
    singular: "subnet",
    plural: "subnets",
    aliases: [],
    hasProject: true,
    specSchema: subnetSpec,
    specFields: fieldsOf(subnetSpec),
    toObject(meta, raw) {
      const { ipv6Allocation, ...rest } = raw as z.output<typeof subnetSpec>;
      const allocation =
        ipv6Allocation === undefined ? Ipv6Allocation.UNSPECIFIED : allocationNames[ipv6Allocation];
      const spec = { ...withoutAbsent(rest), ipv6Allocation: allocation };
      return { object: { $case: "subnet", value: Subnet.fromPartial({ meta, spec }) } };
    },
    toDocument({ object }) {
      if (object?.$case !== "subnet") return undefined;
      const { meta, spec, status } = object.value;
      return {
        metadata: metadataOf(meta),
        spec: present({
          network: spec?.network,
          cidr: spec?.cidr,
          gatewayIp: spec?.gatewayIp,
          noGateway: spec?.noGateway,
          allocationRanges: spec?.allocationRanges.map(({ first, last }) => ({ first, last })),
          reserved: spec?.reserved,
          ipv6Allocation: nameOf(allocationNames, spec?.ipv6Allocation),
        }),
        ...withStatus(status, ({ total, used, quarantined }) => ({
          total: numberOf(total),
          used: numberOf(used),
          quarantined: numberOf(quarantined),
        })),
      };
    },
  },
  {
    kind: Kind.PORT,
    name: "Port",
    singular: "port",
    plural: "ports",
    aliases: [],
    hasProject: true,
    specSchema: portSpec,
    specFields: fieldsOf(portSpec),
    toObject(meta, raw) {
      const { fixedIps, allowedAddressPairs, ...rest } = raw as z.output<typeof portSpec>;
      const spec = {
        ...withoutAbsent(rest),
        fixedIps: (fixedIps ?? []).map(withoutAbsent),
        allowedAddressPairs: (allowedAddressPairs ?? []).map(withoutAbsent),
      };
      return { object: { $case: "port", value: Port.fromPartial({ meta, spec }) } };
    },
    toDocument({ object }) {
      if (object?.$case !== "port") return undefined;
      const { meta, spec, status } = object.value;
      return {
        metadata: metadataOf(meta),
        spec: present({
          network: spec?.network,
          mac: spec?.mac,
          fixedIps: spec?.fixedIps.map(({ subnet, ip }) => present({ subnet, ip })),
          noFixedIps: spec?.noFixedIps,
          allowedAddressPairs: spec?.allowedAddressPairs.map(({ ip, mac }) => present({ ip, mac })),
          adminDown: spec?.adminDown,
          portSecurityDisabled: spec?.portSecurityDisabled,
          requestedChassis: spec?.requestedChassis,
          deviceOwner: spec?.deviceOwner,
          deviceId: spec?.deviceId,
        }),
        ...withStatus(status, (s) =>
          present({
            state: wordOf(PortState, s.state),
            reason: s.reason,
            chassis: s.chassis,
            key: s.key,
            generation: numberOf(s.generation),
            mtuBytes: s.mtuBytes,
            claimedIps: s.claimedIps,
          }),
        ),
      };
    },
  },
  {
    kind: Kind.CHASSIS,
    name: "Chassis",
    singular: "chassis",
    plural: "chassis",
    aliases: ["hypervisor", "hypervisors"],
    hasProject: false,
    specSchema: chassisSpec,
    specFields: fieldsOf(chassisSpec),
    toObject(meta, raw) {
      const { drain } = raw as z.output<typeof chassisSpec>;
      const spec = { drain: drain ?? false };
      return { object: { $case: "chassis", value: Chassis.fromPartial({ meta, spec }) } };
    },
    toDocument({ object }) {
      if (object?.$case !== "chassis") return undefined;
      const { meta, spec, status } = object.value;
      return {
        metadata: metadataOf(meta),
        spec: present({
          drain: spec?.drain,
          hostname: spec?.hostname,
          encaps: spec?.encaps.map(({ type, ip, underlayMtuBytes }) =>
            present({
              type: nameOf(encapNames, type) ?? "unknown",
              ip: ipText(ip),
              underlayMtuBytes,
            }),
          ),
          physicalNetworks: spec?.physicalNetworks,
          lost: spec?.lost,
        }),
        ...withStatus(status, (s) =>
          present({
            key: s.key,
            liveness: wordOf(Liveness, s.liveness),
            realizedRevision: numberOf(s.realizedRevision),
            ackedSequence: numberOf(s.ackedSequence),
            sentSequence: numberOf(s.sentSequence),
            durableSequence: numberOf(s.durableSequence),
            instructions: s.instructions,
            pending: s.pending,
            driftRepaired: numberOf(s.driftRepaired),
            flows: s.flows,
            failed: s.failed.map(({ key, reason }) => ({ key, reason })),
            agentVersion: s.agentVersion,
            lastSeen: s.lastSeen?.toISOString(),
            waitingFor: s.waitingFor,
          }),
        ),
      };
    },
  },
  ...routingKinds,
];

/** The kind of a word on the command line. Throws CliError (usage) with a suggestion. */
export function kindOfWord(word: string): KindEntry {
  const lower = word.toLowerCase();
  const found = kinds.find(({ name, singular, plural, aliases }) =>
    [singular, plural, name.toLowerCase(), ...aliases].includes(lower),
  );
  if (found !== undefined) return found;
  const words = kinds.flatMap(({ singular, plural }) => [plural, singular]);
  const near = nearestWord(lower, words);
  const hint =
    near === undefined
      ? `known are ${kinds.map(({ plural }) => plural).join(", ")}`
      : `did you mean ${near}? see weft help kinds`;
  throw new CliError(exitCodes.usage, `${word}: unknown kind; ${hint}`);
}

export function kindEntry(kind: Kind): KindEntry | undefined {
  return kinds.find((entry) => entry.kind === kind);
}

/** The document of an object; undefined for a kind that this weft does not know. */
export function documentOf(object: WeftObject): ObjectDocument | undefined {
  for (const entry of kinds) {
    const document = entry.toDocument(object);
    if (document !== undefined) return { kind: entry.name, ...document };
  }
  return undefined;
}

/** The first of these metadata fields that is there; "" if none is. */
export function metaText(document: ObjectDocument | undefined, ...keys: readonly string[]): string {
  for (const key of keys) {
    const value = document?.metadata[key];
    if (typeof value === "string") return value;
  }
  return "";
}

/** `router-interface` for the kind that documents call RouterInterface; an unknown one as it is. */
export function singularOf(name: string): string {
  return kinds.find((entry) => entry.name === name)?.singular ?? name;
}

/** `port web-1`, for messages. */
export function objectTitle(document: ObjectDocument): string {
  return `${singularOf(document.kind)} ${metaText(document, "name", "id")}`;
}

function ipText(bytes: Uint8Array): string {
  return bytes.length === 4 || bytes.length === 16 ? bytesToIp(bytes) : "";
}
