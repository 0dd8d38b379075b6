// From a network as asked for to its row: type, segment, MTU. Pure; names every problem. Called by plan.ts.

import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { isId } from "@weft/shared/ids.ts";
import { innerMtuBytes } from "@weft/shared/net/mtu.ts";
import { maxMtuBytes, maxVlan, minMtuBytes } from "@weft/shared/net/vni.ts";
import { segmentGroup } from "./indexes.ts";
import type { NetworkSpecIntent } from "./intents.ts";
import { maxPhysicalNetworkLength } from "./limits.ts";
import type { ObjectProblems } from "./problems.ts";
import { describeObject } from "./references.ts";
import type { NetworkRow, RowMeta } from "./rows.ts";
import type { Tables } from "./tables.ts";
import { Users } from "./users.ts";
import { clip } from "./validate-meta.ts";

const encapNames: Readonly<Record<number, string>> = {
  [EncapType.GENEVE]: "geneve",
  [EncapType.VXLAN]: "vxlan",
  [EncapType.GRE]: "gre",
  [EncapType.STT]: "stt",
};

/** The row to be, key as before or 0; undefined when nothing sensible can be made of it. */
export function completeNetwork(
  meta: RowMeta,
  spec: NetworkSpecIntent | null,
  before: NetworkRow | undefined,
  problems: ObjectProblems,
): NetworkRow | undefined {
  if (spec === null || (spec.type === null && before === undefined)) {
    if (before !== undefined) return { ...before, ...meta };
    const wayOut = "give spec.overlay (encap geneve, vxlan or gre) or spec.provider";
    problems.add("MISSING_FIELD", "spec", `a new network needs a type: ${wayOut}`);
    return undefined;
  }
  checkMtu(spec.mtuBytes, problems);
  const type = completeType(spec, before, problems);
  return { ...meta, key: before?.key ?? 0, ...type, mtuBytes: spec.mtuBytes };
}

type NetworkType = Pick<NetworkRow, "encap" | "physicalNetwork" | "vlan" | "shared">;

function completeType(
  spec: NetworkSpecIntent,
  before: NetworkRow | undefined,
  problems: ObjectProblems,
): NetworkType {
  const asked = spec.type;
  if (asked === null) return typeOf(before);
  if (before !== undefined) checkUnchanged(asked, before, problems);
  if (asked.kind === "overlay") {
    if (asked.encap === EncapType.STT) {
      problems.add(
        "UNSUPPORTED",
        "spec.overlay.encap",
        "stt cannot carry a network: Open vSwitch passes none of its packets; use geneve",
      );
    }
    const encap = asked.encap === EncapType.UNSPECIFIED ? EncapType.GENEVE : asked.encap;
    return before === undefined
      ? { encap, physicalNetwork: null, vlan: 0, shared: false }
      : typeOf(before);
  }
  checkSegment(asked, problems);
  const { physicalNetwork, vlan, shared } = asked;
  // An overlay that was taken for a provider network stays unshared: it is refused above.
  if (before !== undefined) return { ...typeOf(before), shared: shared && before.encap === null };
  return { encap: null, physicalNetwork, vlan, shared };
}

function typeOf(row: NetworkRow | undefined): NetworkType {
  return {
    encap: row?.encap ?? null,
    physicalNetwork: row?.physicalNetwork ?? null,
    vlan: row?.vlan ?? 0,
    shared: row?.shared ?? false,
  };
}

function checkUnchanged(
  asked: NonNullable<NetworkSpecIntent["type"]>,
  before: NetworkRow,
  problems: ObjectProblems,
): void {
  const wayOut = "it cannot change: create a new network and move the ports";
  const isOverlay = before.encap !== null;
  if ((asked.kind === "overlay") !== isOverlay) {
    const now = isOverlay ? "an overlay" : "a provider network";
    problems.add("IMMUTABLE_FIELD", `spec.${asked.kind}`, `the network is ${now}; ${wayOut}`);
  } else if (asked.kind === "overlay") {
    if (asked.encap !== EncapType.UNSPECIFIED && asked.encap !== before.encap) {
      const now = encapNames[before.encap ?? 0] ?? "unknown";
      problems.add("IMMUTABLE_FIELD", "spec.overlay.encap", `the encap is ${now}; ${wayOut}`);
    }
  } else {
    const now = `${before.physicalNetwork} VLAN ${before.vlan}`;
    if (asked.physicalNetwork !== before.physicalNetwork) {
      problems.add(
        "IMMUTABLE_FIELD",
        "spec.provider.physical_network",
        `the network is on ${now}; ${wayOut}`,
      );
    }
    if (asked.vlan !== before.vlan) {
      problems.add("IMMUTABLE_FIELD", "spec.provider.vlan", `the network is on ${now}; ${wayOut}`);
    }
  }
}

function checkSegment(
  asked: { readonly physicalNetwork: string; readonly vlan: number },
  problems: ObjectProblems,
): void {
  if (!isId(asked.physicalNetwork)) {
    problems.add(
      "INVALID_FIELD",
      "spec.provider.physical_network",
      `"${clip(asked.physicalNetwork)}" must be the name of a physical network: 1 to ${maxPhysicalNetworkLength} letters, digits, dots, underscores or dashes`,
    );
  }
  if (asked.vlan > maxVlan) {
    problems.add(
      "OUT_OF_BOUNDS",
      "spec.provider.vlan",
      `${asked.vlan} is no VLAN id: give 1 to ${maxVlan}, or 0 for a flat network`,
    );
  }
}

function checkMtu(mtuBytes: number, problems: ObjectProblems): void {
  if (mtuBytes !== 0 && (mtuBytes < minMtuBytes || mtuBytes > maxMtuBytes)) {
    problems.add(
      "OUT_OF_BOUNDS",
      "spec.mtu_bytes",
      `${mtuBytes} is outside ${minMtuBytes}..${maxMtuBytes}; 0 lets it be computed`,
    );
  }
}

/** The MTU asked for must fit into the underlay of every chassis known now that has an endpoint of the encap and told its MTU. */
function checkMtuFits(tables: Tables, row: NetworkRow, problems: ObjectProblems): void {
  // Above the bounds is a problem of its own.
  if (row.mtuBytes === 0 || row.mtuBytes > maxMtuBytes || row.encap === null) return;
  let least: { chassis: string; underlay: number; inner: number } | undefined;
  for (const { name: chassis, encaps } of tables.values("chassis")) {
    const encap = encaps.find(({ type }) => type === row.encap);
    const inner = encap === undefined ? undefined : innerMtuBytes(encap);
    if (encap === undefined || inner === undefined) continue;
    if (least === undefined || inner < least.inner) {
      least = { chassis, underlay: encap.underlayMtuBytes, inner };
    }
  }
  if (least === undefined || row.mtuBytes <= least.inner) return;
  const { chassis, underlay, inner } = least;
  const over = `${encapNames[row.encap] ?? "this encap"} over chassis ${chassis} (underlay MTU ${underlay})`;
  const wayOut = `give at most ${inner}, or 0 to have it computed`;
  const text = `${row.mtuBytes} does not fit ${over}: ${wayOut}`;
  problems.add("OUT_OF_BOUNDS", "spec.mtu_bytes", text);
}

/** What can only be judged once all rows of the set are in place; `before` undefined = a new network. */
export function checkNetworkInPlace(
  tables: Tables,
  row: NetworkRow,
  before: NetworkRow | undefined,
  problems: ObjectProblems,
): void {
  // What fitted when it was asked for is not refused later, because a chassis came that carries less: its own ports say so.
  if (row.mtuBytes !== before?.mtuBytes) checkMtuFits(tables, row, problems);
  if (row.physicalNetwork === null) return;
  if (before?.shared === true && !row.shared) checkNotShared(tables, row, problems);
  for (const id of tables.members("networkSegment", segmentGroup(row.physicalNetwork, row.vlan))) {
    const other = tables.get("network", id);
    if (id === row.id || other === undefined) continue;
    const segment = row.vlan === 0 ? "untagged" : `VLAN ${row.vlan}`;
    problems.add(
      "DUPLICATE_SEGMENT",
      "spec.provider.vlan",
      `${describeObject("network", other)} is already ${segment} on ${row.physicalNetwork}: use another VLAN or that network`,
    );
    return;
  }
}

/** Sharing ends when no other project uses the network any more. */
function checkNotShared(tables: Tables, row: NetworkRow, problems: ObjectProblems): void {
  const users = new Users(tables);
  for (const [index, table] of [
    ["portNetwork", "port"],
    ["interfaceNetwork", "router-interface"],
  ] as const) {
    for (const id of tables.members(index, row.id)) {
      if (tables.get(table, id)?.project !== row.project) users.add(table, id);
    }
  }
  if (users.count === 0) return;
  const text = `other projects use the network: ${users.text}; delete those first, or leave it shared`;
  problems.add("IN_USE", "spec.provider.shared", text);
}
