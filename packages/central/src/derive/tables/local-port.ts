// chassis/<name>/port/<port key>: the whole policy of a port, for the chassis that is to host it.

import { macToBytes } from "@weft/shared/net/mac.ts";
import { parsePair } from "../address-pairs.ts";
import type { PortRow } from "../../model/rows.ts";
import { compareAddresses, encodeBody, equalBytes, keySegment, sortedIps } from "../encode.ts";
import type { DerivedTable } from "../spec.ts";

export const localPort: DerivedTable<"local-port"> = {
  name: "local-port",
  sources: [
    { table: "placement", keys: (_id, row) => [`chassis/${row.chassis}/port/${row.portKey}`] },
  ],
  derive(read, key) {
    const id = read.first("portByKey", keySegment(key, 3));
    const port = id === undefined ? undefined : read.row("port", id);
    const network = port && read.row("network", port.network);
    if (port === undefined || !network) return undefined;
    return encodeBody({
      $case: "localPort",
      value: {
        portId: port.id,
        portKey: port.key,
        networkKey: network.key,
        mac: macToBytes(port.mac),
        ips: sortedIps(port.fixedIps.map((fixed) => fixed.ip)),
        allowedPairs: allowedPairs(port),
        adminUp: port.adminUp,
        portSecurity: port.portSecurity,
        generation: generation(read.row("binding", port.id), keySegment(key, 1)),
        mtuBytes: read.row("network-mtu", port.network) ?? 0,
      },
    });
  },
  equal: equalBytes,
};

/** Of this chassis' binding, or the one that its claim will get: the claim itself then changes no byte. */
function generation(
  binding: { readonly chassis: string; readonly generation: bigint } | undefined,
  chassis: string,
): bigint {
  if (binding === undefined) return 1n;
  return binding.chassis === chassis ? binding.generation : binding.generation + 1n;
}

function allowedPairs(port: PortRow) {
  const pairs = port.allowedAddressPairs.map((pair) => {
    const { ip, prefixLen } = parsePair(pair.ip);
    return { ip, prefixLen, mac: pair.mac === null ? undefined : macToBytes(pair.mac) };
  });
  return pairs.sort(
    (a, b) =>
      compareAddresses(a.ip, b.ip) ||
      a.prefixLen - b.prefixLen ||
      compareAddresses(a.mac ?? Buffer.alloc(0), b.mac ?? Buffer.alloc(0)),
  );
}
