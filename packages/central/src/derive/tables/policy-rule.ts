// router/<key>/policy/<policy key>: overrides what the table says. One that names a network which is gone matches nothing and is
// absent; one that lost its next hops stays and forwards nothing, because its packets must not take the table's way.

import { PolicyVerdict, type PortSpan } from "@weft/shared/gen/weft/v1/southbound.ts";
import type { PolicyRouteRow } from "../../model/rows.ts";
import { encodeBody, equalBytes, keySegment } from "../encode.ts";
import { segmentHops } from "../next-hops.ts";
import { prefixBytes, prefixOf } from "../prefixes.ts";
import type { DerivedTable } from "../spec.ts";

const VERDICTS: Readonly<Record<PolicyRouteRow["verdict"], PolicyVerdict>> = {
  allow: PolicyVerdict.ALLOW,
  drop: PolicyVerdict.DROP,
  reroute: PolicyVerdict.REROUTE,
};

export const policyRule: DerivedTable<"policy-rule"> = {
  name: "policy-rule",
  sources: [{ table: "rule", keys: (id, key) => (id.startsWith("policy/") ? [key] : []) }],
  derive(read, key) {
    const id = read.first("policyByKey", keySegment(key, 3));
    const policy = id === undefined ? undefined : read.row("policy-route", id);
    if (policy === undefined) return undefined;
    const { ingressNetwork } = policy;
    const ingress = ingressNetwork === null ? null : read.row("network", ingressNetwork);
    if (ingress === undefined) return undefined;
    const source = optionalPrefix(policy.source);
    const destination = optionalPrefix(policy.destination);
    return encodeBody({
      $case: "policyRule",
      value: {
        routerKey: Number(keySegment(key, 1)),
        policyKey: policy.key,
        priority: policy.priority,
        source: source.bytes,
        sourceLen: source.prefixLen,
        destination: destination.bytes,
        destinationLen: destination.prefixLen,
        protocol: policy.protocol,
        sourcePorts: sortedSpans(policy.sourcePorts),
        destinationPorts: sortedSpans(policy.destinationPorts),
        ingressNetworkKey: ingress?.key ?? 0,
        verdict: VERDICTS[policy.verdict],
        nextHops: segmentHops(read, policy.router, policy.nextHops),
      },
    });
  },
  equal: equalBytes,
};

function optionalPrefix(text: string | null): { bytes: Buffer; prefixLen: number } {
  if (text === null) return { bytes: Buffer.alloc(0), prefixLen: 0 };
  const cidr = prefixOf(text);
  return { bytes: prefixBytes(cidr), prefixLen: cidr.prefixLen };
}

function sortedSpans(spans: PolicyRouteRow["sourcePorts"]): PortSpan[] {
  return spans
    .map(({ first, last }) => ({ first, last }))
    .sort((a, b) => a.first - b.first || a.last - b.last);
}
