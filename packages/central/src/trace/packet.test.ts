// The first packet of a trace: defaults as a guest would have them, and what is refused.

import { TraceFragment, type TraceRequest } from "@weft/shared/gen/weft/v1/orchestration.ts";
import { expect, test } from "vitest";
import { Refused } from "../api/status.ts";
import { firstPacket } from "./packet.ts";
import { request, worldModel } from "./world.fixture.ts";

const model = worldModel();

function made(change: Partial<TraceRequest>) {
  const asked = request(change);
  const port = model.get("port", asked.port);
  if (port === undefined) throw new Error("no such port");
  return firstPacket(model, port, asked);
}

test.each<[string, Partial<TraceRequest>, string]>([
  [
    "a neighbour",
    { destination: "10.0.0.2" },
    "icmp echo request from port web-1 (10.0.0.1) to 10.0.0.2, TTL 64, 98 bytes, sent to 02:00:00:00:00:02 (port web-2)",
  ],
  [
    "a port by name, behind the gateway",
    { destination: "db-1", protocol: 6, destinationPort: 5432 },
    "tcp 40000 > 5432 from port web-1 (10.0.0.1) to 10.0.1.3, TTL 64, 98 bytes, sent to 0a:00:00:00:00:10 (router main)",
  ],
  [
    "IPv6 off the link",
    { destination: "2001:db8::1", ttl: 0 },
    "icmpv6 echo request from port web-1 (fd00::1) to 2001:db8::1, TTL 0, 98 bytes, sent to 0a:00:00:00:00:10 (router main)",
  ],
  [
    "the router itself",
    { destination: "fd00::fe", sizeBytes: 1500 },
    "icmpv6 echo request from port web-1 (fd00::1) to fd00::fe, TTL 64, 1500 bytes, sent to 0a:00:00:00:00:10 (router main)",
  ],
  [
    "a claimed address",
    { destination: "10.0.0.100" },
    "icmp echo request from port web-1 (10.0.0.1) to 10.0.0.100, TTL 64, 98 bytes, sent to 02:00:00:00:00:64 (port web-2)",
  ],
  [
    "a neighbour's link-local address",
    { destination: "fe80::ff:fe00:2", source: "fe80::ff:fe00:1" },
    "icmpv6 echo request from port web-1 (fe80::ff:fe00:1) to fe80::ff:fe00:2, TTL 64, 98 bytes, sent to 02:00:00:00:00:02 (port web-2)",
  ],
  [
    "everybody",
    { destination: "10.0.0.255", protocol: 17 },
    "udp 40000 > 80 from port web-1 (10.0.0.1) to 10.0.0.255, TTL 64, 98 bytes, sent to ff:ff:ff:ff:ff:ff (everybody)",
  ],
  [
    "a group",
    { destination: "239.1.2.3", fragment: TraceFragment.LATER, protocol: 89 },
    "protocol 89 from port web-1 (10.0.0.1) to 239.1.2.3, TTL 64, 98 bytes, later fragment, sent to 01:00:5e:01:02:03 (everybody)",
  ],
  [
    "an IPv6 group",
    { destination: "ff02::1:ff00:2" },
    "icmpv6 echo request from port web-1 (fd00::1) to ff02::1:ff00:2, TTL 64, 98 bytes, sent to 33:33:ff:00:00:02 (everybody)",
  ],
  [
    "a MAC that was given",
    { destination: "10.0.0.77", ethDst: "02:AA:00:00:00:01" },
    "icmp echo request from port web-1 (10.0.0.1) to 10.0.0.77, TTL 64, 98 bytes, sent to 02:aa:00:00:00:01 (as asked for)",
  ],
  ["a frame", { frame: Buffer.alloc(60) }, "a frame of 60 bytes from port web-1"],
])("%s", (_, change, text) => {
  expect(made(change).text).toBe(text);
});

test("a guest that pretends to be another still sends to its own gateway", () => {
  const { fields } = made({ destination: "10.0.1.3", source: "192.0.2.9" });
  expect(fields).toMatchObject({ eth_dst: "0xa0000000010", ip_src: "0xc0000209" });
});

test("fields as the flows match on them", () => {
  const { fields } = made({ destination: "10.0.1.3", protocol: 17, source: "10.0.0.9", ttl: 1 });
  expect(fields).toEqual({
    ...{ eth_src: "0x20000000001", eth_dst: "0xa0000000010", eth_type: "0x800", ip_frag: "0x0" },
    ...{ nw_proto: "0x11", nw_ttl: "0x1", ip_src: "0xa000009", ip_dst: "0xa000103" },
    ...{ udp_src: "0x9c40", udp_dst: "0x50" },
  });
  const later = made({ destination: "10.0.1.3", protocol: 17, fragment: TraceFragment.LATER });
  expect(later.fields).toMatchObject({ ip_frag: "0x3" });
  expect(later.fields).not.toHaveProperty("udp_src");
});

test.each<[string, Partial<TraceRequest>, string]>([
  [
    "no destination",
    { destination: "nobody" },
    'destination: "nobody" is neither an address nor a port',
  ],
  [
    "another family",
    { destination: "10.0.0.2", source: "fd00::1" },
    "source: fd00::1 and the destination do not go together",
  ],
  [
    "a port without that family",
    { destination: "web-2", source: "fd00::1" },
    "destination: port web-2 has no such address",
  ],
  [
    "a port without addresses",
    { port: "bare", destination: "10.0.0.2" },
    "source: port bare has no IPv4 address",
  ],
  ["no such source", { destination: "10.0.0.2", source: "web" }, 'source: "web" is no IP address'],
  [
    "a stranger",
    { destination: "10.0.0.9" },
    "known to have 10.0.0.9: say whose MAC it is sent to (--eth-dst)",
  ],
  ["no gateway", { port: "lan-1", destination: "8.8.8.8" }, "no subnet of the port has a gateway"],
  ["no MAC", { destination: "10.0.0.2", ethDst: "x" }, 'eth_dst: "x" is no MAC address'],
  ["ports of what has none", { destination: "10.0.0.2", sourcePort: 7 }, "protocol 1 has no ports"],
  [
    "a port beyond",
    { destination: "10.0.0.2", protocol: 6, sourcePort: 65_536 },
    "source_port: is more than 65535",
  ],
  ["a TTL beyond", { destination: "10.0.0.2", ttl: 256 }, "ttl: is more than 255"],
  ["a protocol beyond", { destination: "10.0.0.2", protocol: 256 }, "protocol: is more than 255"],
  [
    "a size beyond",
    { destination: "10.0.0.2", sizeBytes: 65_536 },
    "size_bytes: is more than 65535",
  ],
  ["a short frame", { frame: Buffer.alloc(13) }, "frame: has 13 bytes"],
  ["a long frame", { frame: Buffer.alloc(9217) }, "frame: has 9217 bytes; at most 9216"],
  [
    "both",
    { frame: Buffer.alloc(60), destination: "10.0.0.2" },
    "destination: is in the frame already",
  ],
])("refused: %s", (_, change, text) => {
  expect(() => made(change)).toThrow(Refused);
  expect(() => made(change)).toThrow(text);
});
