// Instructions as text, a line each: the key, then name=value with addresses as people write them; what is empty, off or 0 is left
// out. The same words as the compiler's golden cases (packages/dataplane-native/crates/compiler/tests). Test support.

import {
  InstructionBody,
  type LocalPort,
  type NetworkConfig,
  type PolicyRule,
  PolicyVerdict,
  type PortSpan,
  type SegmentHop,
} from "@weft/shared/gen/weft/v1/southbound.ts";
import { EncapType } from "@weft/shared/gen/weft/v1/types.ts";
import { bytesToIp } from "@weft/shared/net/ip.ts";
import { bytesToMac } from "@weft/shared/net/mac.ts";

type Words = Readonly<Record<string, string | number | bigint | readonly string[]>>;

/** One instruction; throws for a body that has no kind. */
export function renderInstruction(key: string, bytes: Buffer): string {
  const words = Object.entries(wordsOf(key, InstructionBody.decode(bytes).body))
    .map(([name, value]) => [name, Array.isArray(value) ? value.join(",") : String(value)])
    .filter(([, value]) => value !== "" && value !== "0")
    .map(([name, value]) => ` ${name}=${value}`);
  return `${key}${words.join("")}`;
}

/** What the key says already is left out. */
function wordsOf(key: string, body: InstructionBody["body"]): Words {
  switch (body?.$case) {
    case "chassisConfig":
      return { key: body.value.chassisKey };
    case "fencedPeer":
      return { vteps: body.value.vtepIps.map(bytesToIp) };
    case "network":
      return wordsOfNetwork(body.value);
    case "localPort":
      return wordsOfPort(body.value);
    case "location": {
      const { mac, ips, chassisKey, vtepIp, portSecurity } = body.value;
      const where = { chassis: chassisKey, vtep: bytesToIp(vtepIp) };
      return {
        mac: bytesToMac(mac),
        ips: ips.map(bytesToIp),
        ...where,
        security: portSecurity ? "" : "off",
      };
    }
    case "floodPeer": {
      const { vtepIp, block, relay, unknownUnicast } = body.value;
      return { vtep: bytesToIp(vtepIp), block, relay: on(relay), unknown: on(unknownUnicast) };
    }
    case "addressOwner": {
      const { ip, mac, portKey, chassisKey, vtepIp } = body.value;
      const vtep = vtepIp.length === 0 ? "" : bytesToIp(vtepIp);
      const where = { chassis: chassisKey, vtep };
      return { ip: bytesToIp(ip), mac: bytesToMac(mac), port: portKey, ...where };
    }
    case "router":
      return { id: body.value.routerId };
    case "routerPort": {
      const { interfaceKey, mac, addresses, routeTable, mtuBytes, link } = body.value;
      const ips = addresses.map(({ ip, prefixLen }) => `${bytesToIp(ip)}/${prefixLen}`);
      const rest = { table: routeTable, mtu: mtuBytes, link: on(link) };
      return { key: interfaceKey, mac: bytesToMac(mac), ips, ...rest };
    }
    case "staticRoute": {
      const { table, prefix, prefixLen, nextHops } = body.value;
      const hops = nextHops.length === 0 ? "blackhole" : nextHops.map(renderHop);
      return { table, prefix: renderPrefix(prefix, prefixLen), hops };
    }
    case "policyRule":
      return wordsOfPolicy(body.value);
    case "routerNeighbour": {
      const { networkKey, portKey, mac, ips, chassisKey, encap, vtepIp } = body.value;
      const vtep = vtepIp.length === 0 ? "" : bytesToIp(vtepIp);
      const where = { chassis: chassisKey, encap: ENCAPS[encap] ?? "", vtep };
      if (key.includes("/claimed/")) return { port: portKey, mac: bytesToMac(mac), ...where };
      return { network: networkKey, mac: bytesToMac(mac), ips: ips.map(bytesToIp), ...where };
    }
    case "leakedRoute": {
      const { prefix, prefixLen, mac, mtuBytes } = body.value;
      return { prefix: renderPrefix(prefix, prefixLen), mac: bytesToMac(mac), mtu: mtuBytes };
    }
    case "localVif":
    case "localTunnel":
    case "localPatch":
    case undefined:
      throw new Error(`central derives no ${body?.$case ?? "instruction without a body"}`);
  }
}

function wordsOfNetwork(network: NetworkConfig): Words {
  return {
    id: network.networkId,
    encap: ENCAPS[network.encap] ?? "",
    physical: network.physicalNetwork,
    vlan: network.vlan,
    mtu: network.mtuBytes,
    gateways: network.gatewayIps.map(bytesToIp),
    gateway_mac: network.gatewayMac.length === 0 ? "" : bytesToMac(network.gatewayMac),
    relayed: on(network.relayed),
    unknown: on(network.unknownUnicast),
  };
}

function wordsOfPolicy(policy: PolicyRule): Words {
  const span = ({ first, last }: PortSpan): string => `${first}-${last}`;
  return {
    priority: policy.priority,
    source: renderPrefix(policy.source, policy.sourceLen),
    destination: renderPrefix(policy.destination, policy.destinationLen),
    protocol: policy.protocol,
    source_ports: policy.sourcePorts.map(span),
    destination_ports: policy.destinationPorts.map(span),
    ingress: policy.ingressNetworkKey,
    verdict: VERDICTS[policy.verdict] ?? "",
    hops: policy.nextHops.map(renderHop),
  };
}

/** Empty = any. */
const renderPrefix = (ip: Buffer, prefixLen: number): string =>
  ip.length === 0 ? "" : `${bytesToIp(ip)}/${prefixLen}`;

/** The address and the key of the network or link that it is on. */
const renderHop = ({ ip, networkKey }: SegmentHop): string => `${bytesToIp(ip)}@${networkKey}`;

function wordsOfPort(port: LocalPort): Words {
  return {
    id: port.portId,
    network: port.networkKey,
    mac: bytesToMac(port.mac),
    ips: port.ips.map(bytesToIp),
    pairs: port.allowedPairs.map(renderPair),
    up: port.adminUp ? "" : "off",
    security: port.portSecurity ? "" : "off",
    generation: port.generation,
    mtu: port.mtuBytes,
  };
}

function renderPair({ ip, prefixLen, mac }: LocalPort["allowedPairs"][number]): string {
  const prefix = prefixLen === ip.length * 8 ? "" : `/${prefixLen}`;
  return `${bytesToIp(ip)}${prefix}${mac === undefined ? "" : `@${bytesToMac(mac)}`}`;
}

const ENCAPS: Readonly<Record<number, string>> = {
  [EncapType.GENEVE]: "geneve",
  [EncapType.VXLAN]: "vxlan",
  [EncapType.GRE]: "gre",
  [EncapType.STT]: "stt",
};

const VERDICTS: Readonly<Record<number, string>> = {
  [PolicyVerdict.ALLOW]: "allow",
  [PolicyVerdict.DROP]: "drop",
  [PolicyVerdict.REROUTE]: "reroute",
};

const on = (value: boolean): string => (value ? "on" : "");
