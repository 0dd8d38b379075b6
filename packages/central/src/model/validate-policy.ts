// From a policy route as asked for to its row: priority, match, action. Pure; names every problem. Called by kinds.ts.

import { ipFamily } from "@weft/shared/net/ip.ts";
import { placeGroup, priorityGroup } from "./indexes.ts";
import type { PolicyRouteSpecIntent } from "./intents.ts";
import {
  maxPoliciesPerRouter,
  maxPolicyPriority,
  maxPortRanges,
  minPolicyPriority,
} from "./limits.ts";
import {
  checkFamilies,
  checkNextHopsInPlace,
  completeNextHops,
  completePrefix,
} from "./next-hop-rules.ts";
import { completeOwnRouter, findNetwork } from "./object-refs.ts";
import type { ObjectProblems } from "./problems.ts";
import { describeObject } from "./references.ts";
import type { PolicyRouteRow, PortRange, RowMeta } from "./rows.ts";
import type { Tables } from "./tables.ts";
import { clip } from "./validate-meta.ts";
import type { Whole } from "./whole.ts";

/** TCP, UDP, SCTP: the protocols with ports. */
const portProtocols: readonly number[] = [6, 17, 132];
const maxProtocol = 255;
const maxPort = 65_535;

/** The row to be; undefined when nothing sensible can be made of it. */
export function completePolicy(
  tables: Tables,
  meta: RowMeta,
  spec: PolicyRouteSpecIntent | null,
  before: PolicyRouteRow | undefined,
  problems: ObjectProblems,
): PolicyRouteRow | undefined {
  if (spec === null) {
    if (before !== undefined) return { ...before, ...meta };
    const text = "a new policy-route needs spec.router, spec.priority and an action";
    problems.add("MISSING_FIELD", "spec", text);
    return undefined;
  }
  const router = completeOwnRouter({ tables, meta, spec, before, problems, what: "policy-route" });
  const match = completeMatch(tables, meta, spec, problems);
  const action = completeAction(spec, before, problems);
  if (router === undefined || action === undefined) return undefined;
  const prefixes = [match.source, match.destination];
  checkFamilies(action.nextHops, prefixes, "spec.reroute.next_hops", problems);
  return { ...meta, key: before?.key ?? 0, router, ...match, ...action };
}

type Match = Omit<PolicyRouteRow, keyof RowMeta | "key" | "router" | "verdict" | "nextHops">;

function completeMatch(
  tables: Tables,
  meta: RowMeta,
  spec: PolicyRouteSpecIntent,
  problems: ObjectProblems,
): Match {
  const { priority, protocol } = spec;
  if (priority < minPolicyPriority || priority > maxPolicyPriority) {
    const text = `${priority} is outside ${minPolicyPriority}..${maxPolicyPriority}; the highest counts`;
    problems.add("OUT_OF_BOUNDS", "spec.priority", text);
  }
  if (protocol > maxProtocol) {
    const text = `${protocol} is no IP protocol: give 1 to ${maxProtocol}, or 0 for any`;
    problems.add("OUT_OF_BOUNDS", "spec.protocol", text);
  }
  const source = completeOptional(spec.source, "spec.source", problems);
  const destination = completeOptional(spec.destination, "spec.destination", problems);
  if (source !== null && destination !== null && ipFamily(source) !== ipFamily(destination)) {
    const text = `${source} and ${destination} are of different families: make a policy for each family`;
    problems.add("MIXED_FAMILIES", "spec.destination", text);
  }
  return {
    priority,
    source,
    destination,
    protocol,
    sourcePorts: completeRanges(spec.sourcePorts, "spec.source_ports", spec, problems),
    destinationPorts: completeRanges(
      spec.destinationPorts,
      "spec.destination_ports",
      spec,
      problems,
    ),
    ingressNetwork: completeIngress(tables, meta, spec, problems),
  };
}

function completeOptional(text: string, field: string, problems: ObjectProblems): string | null {
  return text === "" ? null : (completePrefix(text, field, problems) ?? null);
}

/** Sorted; they do not overlap. */
function completeRanges(
  asked: readonly PortRange[],
  field: string,
  { protocol }: PolicyRouteSpecIntent,
  problems: ObjectProblems,
): PortRange[] {
  if (asked.length === 0) return [];
  if (!portProtocols.includes(protocol)) {
    const text =
      "only TCP (6), UDP (17) and SCTP (132) have ports: set spec.protocol to one of them";
    problems.add("INVALID_FIELD", field, text);
  }
  if (asked.length > maxPortRanges) {
    const text = `${asked.length} ranges, at most ${maxPortRanges}: join them, or make more policies`;
    problems.add("OVER_LIMIT", field, text);
    return [];
  }
  const ranges: PortRange[] = [];
  asked.forEach(({ first, last }, index) => {
    const at = `${field}[${index}]`;
    if (first > last || last > maxPort) {
      const text = `${first}..${last} is no range of ports: give first <= last, at most ${maxPort}`;
      problems.add("INVALID_RANGE", at, text);
      return;
    }
    const overlapping = ranges.find((range) => range.first <= last && first <= range.last);
    if (overlapping !== undefined) {
      const other = `${overlapping.first}..${overlapping.last}`;
      problems.add("INVALID_RANGE", at, `${first}..${last} overlaps ${other}: join them`);
    }
    ranges.push({ first, last });
  });
  return ranges.sort((a, b) => a.first - b.first);
}

function completeIngress(
  tables: Tables,
  meta: RowMeta,
  spec: PolicyRouteSpecIntent,
  problems: ObjectProblems,
): string | null {
  if (spec.ingressNetwork === "") return null;
  const network = findNetwork(tables, spec.ingressNetwork, meta.project, true);
  if (network === undefined) {
    const text = `no network "${clip(spec.ingressNetwork)}" in project ${meta.project}: create it in the same set or before`;
    problems.add("DANGLING_REFERENCE", "spec.ingress_network", text);
  }
  return network?.id ?? null;
}

function completeAction(
  { action }: PolicyRouteSpecIntent,
  before: PolicyRouteRow | undefined,
  problems: ObjectProblems,
): Pick<PolicyRouteRow, "verdict" | "nextHops"> | undefined {
  if (action === null) {
    if (before !== undefined) return { verdict: before.verdict, nextHops: before.nextHops };
    problems.add("MISSING_FIELD", "spec", "a policy-route needs an action: allow, drop or reroute");
    return undefined;
  }
  if (action.verdict !== "reroute") return { verdict: action.verdict, nextHops: [] };
  const field = "spec.reroute.next_hops";
  if (action.nextHops.length === 0) {
    problems.add("MISSING_FIELD", field, "a reroute needs next hops: give 1 to 16 addresses");
  }
  return { verdict: "reroute", nextHops: completeNextHops(action.nextHops, field, problems) };
}

/** What can only be judged once all rows of the set are in place. */
export function checkPolicyInPlace(
  whole: Whole,
  row: PolicyRouteRow,
  problems: ObjectProblems,
): void {
  const { tables } = whole;
  const count = tables.count("policyRouter", row.router);
  if (count > maxPoliciesPerRouter) {
    const text = `the router would have ${count} policies, at most ${maxPoliciesPerRouter}: join some`;
    problems.add("OVER_LIMIT", "spec.router", text);
  }
  for (const id of tables.members("policyPriority", priorityGroup(row.router, row.priority))) {
    const other = id === row.id ? undefined : tables.get("policy-route", id);
    if (other === undefined) continue;
    const text = `${describeObject("policy-route", other)} of this router has priority ${row.priority} already: choose another`;
    problems.add("DUPLICATE_PRIORITY", "spec.priority", text);
    break;
  }
  const { ingressNetwork: ingress, router } = row;
  if (ingress !== null && tables.count("interfacePlace", placeGroup(router, ingress)) === 0) {
    const network = tables.get("network", ingress);
    const name = network === undefined ? ingress : describeObject("network", network);
    const text = `the router has no interface on ${name}, so that nothing comes from there: add one, or name another network`;
    problems.add("DANGLING_REFERENCE", "spec.ingress_network", text);
  }
  const { nextHops } = row;
  checkNextHopsInPlace({ whole, problems, router, nextHops, field: "spec.reroute.next_hops" });
}
