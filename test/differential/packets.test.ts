// What is written is read back, and the id of a probe is found in the packet and in the quotation of an error.
import { expect, test } from "vitest";
import { ipToBytes } from "@weft/shared/net/ip.ts";
import * as frames from "../lab/frames.ts";
import { type IpPacket, ipFrame, readPacketFrame } from "./packets.ts";

const V4 = { from: "10.0.1.11", to: "10.0.2.13" };
const V6 = { from: "fd00:1::11", to: "fd00:2::13" };
const UDP = { protocol: 17, fromPort: 1000, toPort: 2000 } as const;
const TCP = { protocol: 6, fromPort: 1000, toPort: 2000 } as const;
const base = { src: "02:00:00:00:00:11", dst: "02:00:00:00:f1:01", ttl: 7 };

test.each<[string, Omit<IpPacket, "src" | "dst" | "ttl">, object]>([
  ["udp", { ...V4, body: UDP }, { protocol: 17, ports: [1000, 2000], fragment: "whole" }],
  ["udp, IPv6", { ...V6, body: UDP }, { protocol: 17, ports: [1000, 2000], fragment: "whole" }],
  ["tcp", { ...V4, body: TCP }, { protocol: 6, ports: [1000, 2000] }],
  [
    "echo",
    { ...V4, body: { echo: "request" } },
    { protocol: 1, icmp: { type: 8, code: 0, mtu: 0 } },
  ],
  [
    "echo, IPv6",
    { ...V6, body: { echo: "reply" } },
    { protocol: 58, icmp: { type: 129, code: 0, mtu: 0 } },
  ],
  [
    "first fragment",
    { ...V4, body: UDP, fragment: "first" },
    { fragment: "first", ports: [1000, 2000] },
  ],
  ["later fragment", { ...V4, body: UDP, fragment: "later" }, { fragment: "later", ports: null }],
  [
    "first fragment, IPv6",
    { ...V6, body: UDP, fragment: "first" },
    { fragment: "first", protocol: 17 },
  ],
  [
    "later fragment, IPv6",
    { ...V6, body: UDP, fragment: "later" },
    { fragment: "later", ports: null },
  ],
  ["large", { ...V4, body: UDP, bytes: 1300, dontFragment: true }, { bytes: 1300 }],
  ["large, IPv6", { ...V6, body: { echo: "request" }, bytes: 1301 }, { bytes: 1301 }],
])("%s", (_what, packet, expected) => {
  const { id, src, dst, ip } = readPacketFrame(ipFrame({ ...base, ...packet }, 70_001));
  expect({ id, src, dst }).toEqual({ id: 70_001, src: base.src, dst: base.dst });
  const { from, to } = packet;
  expect(ip).toMatchObject({ ttl: 7, checksumOk: true, from, to, ...expected });
});

test("a broken checksum is seen", () => {
  for (const packet of [V4, V6]) {
    const frame = ipFrame({ ...base, ...packet, body: UDP }, 1);
    frame.writeUInt8(frame.readUInt8(frame.length - 1) ^ 1, frame.length - 1);
    expect(readPacketFrame(frame).ip?.checksumOk).toBe(false);
  }
});

test("an error's quotation names the probe, also when it is cut behind the header", () => {
  const inner4 = ipFrame({ ...base, ...V4, body: UDP }, 70_001).subarray(14, 14 + 28);
  const error4 = Buffer.concat([Buffer.from([11, 0, 0, 0, 0, 0, 0, 0]), inner4]);
  error4.writeUInt16BE(frames.checksum(error4), 2);
  const header = Buffer.concat([
    Buffer.from([0x45, 0, 0, 20 + error4.length, 0, 0, 0, 0, 255, 1, 0, 0]),
    ipToBytes("10.0.1.1"),
    ipToBytes("10.0.1.11"),
  ]);
  header.writeUInt16BE(frames.checksum(header), 10);
  const link = { src: base.dst, dst: base.src };
  const seen4 = readPacketFrame(
    frames.ethernet(link, frames.ETH_IPV4, Buffer.concat([header, error4])),
  );
  expect(seen4.id).toBeNull();
  expect(seen4.ip?.icmp).toEqual({ type: 11, code: 0, mtu: 0 });
  expect(seen4.ip?.quoted).toMatchObject({ ...V4, label: 70_001 & 0xffff });

  const inner6 = ipFrame({ ...base, ...V6, body: UDP }, 70_001).subarray(14, 14 + 48);
  const body = [Buffer.from([0, 0, 5, 20]), inner6];
  const seen6 = readPacketFrame(frames.icmp6(link, "fd00:1::1", "fd00:1::11", 2, body));
  expect(seen6.ip?.icmp).toEqual({ type: 2, code: 0, mtu: 1300 });
  expect(seen6.ip?.quoted).toMatchObject({ ...V6, label: 70_001 });
});
