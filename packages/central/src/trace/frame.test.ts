// Frames as fields: each kind of packet that flows tell apart, cut off at any byte, and noise.

import { traceQuerySchema } from "@weft/shared/trace-query.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readFrame } from "./frame.ts";

const ETH = "020000000002" + "020000000001";
const IP4 = "c0a80001" + "c0a80002";
const IP6 = "fd000000000000000000000000000001" + "fd000000000000000000000000000002";
const addresses = { eth_dst: "0x20000000002", eth_src: "0x20000000001" };
const ipv4 = { ...addresses, eth_type: "0x800", ip_src: "0xc0a80001", ip_dst: "0xc0a80002" };
const ipv6 = {
  ...{ ...addresses, eth_type: "0x86dd" },
  ipv6_src: "0xfd000000000000000000000000000001",
  ipv6_dst: "0xfd000000000000000000000000000002",
};

/** Header without options: type of service, flags and offset, protocol. */
const head4 = (tos: string, fragment: string, protocol: string) =>
  `${ETH}080045${tos}00280000${fragment}40${protocol}0000${IP4}`;
const head6 = (next: string) => `${ETH}86dd60000005000c${next}ff${IP6}`;

const cases: readonly (readonly [string, string, object])[] = [
  [
    "TCP",
    `${head4("b9", "0000", "06")}9c400050000000000000000050020000abcd0000`,
    {
      ...{ ...ipv4, nw_proto: "0x6", nw_ttl: "0x40", ip_dscp: "0x2e", nw_ecn: "0x1" },
      ...{ tcp_src: "0x9c40", tcp_dst: "0x50", tcp_flags: "0x2" },
    },
  ],
  [
    "ICMP",
    `${head4("00", "0000", "01")}0301000000000000`,
    { ...ipv4, nw_proto: "0x1", nw_ttl: "0x40", icmp_type: "0x3", icmp_code: "0x1" },
  ],
  [
    "a first fragment",
    `${head4("00", "2000", "11")}9c40003500080000`,
    {
      ...{ ...ipv4, nw_proto: "0x11", nw_ttl: "0x40", ip_frag: "0x1" },
      ...{ udp_src: "0x9c40", udp_dst: "0x35" },
    },
  ],
  [
    "a later fragment has no ports",
    `${head4("00", "0001", "11")}9c40003500080000`,
    { ...ipv4, nw_proto: "0x11", nw_ttl: "0x40", ip_frag: "0x3" },
  ],
  [
    "ARP in a VLAN",
    `${ETH}8100a0640806` + `0001080006040001${"020000000001"}c0a80001${"000000000000"}c0a80002`,
    {
      ...{ ...addresses, eth_type: "0x806", vlan_vid: "0x1064", vlan_pcp: "0x5", arp_op: "0x1" },
      ...{ arp_sha: "0x20000000001", arp_spa: "0xc0a80001", arp_tpa: "0xc0a80002" },
    },
  ],
  [
    "a neighbour solicitation",
    `${head6("3a")}8700000000000000fd0000000000000000000000000000020101020000000001`,
    {
      ...{ ...ipv6, nw_proto: "0x3a", nw_ttl: "0xff", ipv6_label: "0x5", icmpv6_type: "0x87" },
      ...{ nd_target: "0xfd000000000000000000000000000002", nd_sll: "0x20000000001" },
    },
  ],
  [
    "behind extension headers",
    `${head6("00")}2c00000000000000` + "1100000100000000" + "9c40003500080000",
    {
      ...{ ...ipv6, nw_proto: "0x11", nw_ttl: "0xff", ipv6_label: "0x5", ip_frag: "0x1" },
      ...{ udp_src: "0x9c40", udp_dst: "0x35" },
    },
  ],
  ["a length instead of a type", `${ETH}0026424203`, { ...addresses, eth_type: "0x5ff" }],
];

test.each(cases)("%s", (_, text, fields) => {
  expect(readFrame(Buffer.from(text, "hex"))).toEqual({ kind: "fields", fields });
});

test("two tags are refused", () => {
  const frame = Buffer.from(`${ETH}88a80064810000650800`, "hex");
  expect(readFrame(frame)).toMatchObject({ kind: "refused", reason: /two VLAN tags/ });
});

test("a frame cut anywhere has some of its fields, and noise has fields or a reason", () => {
  const whole = fc.constantFrom(...cases.map(([, text]) => Buffer.from(text, "hex")));
  const cut = fc.tuple(whole, fc.nat(90)).map(([frame, length]) => frame.subarray(0, length));
  const noise = fc.uint8Array({ maxLength: 120 }).map((bytes) => Buffer.from(bytes));
  const { fields: schema } = traceQuerySchema.shape;
  fc.assert(
    fc.property(fc.oneof(cut, noise), (frame) => {
      const read = readFrame(frame);
      if (read.kind === "refused") return read.reason !== "";
      return schema.safeParse(read.fields).success;
    }),
  );
});
