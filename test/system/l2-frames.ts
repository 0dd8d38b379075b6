// Frames that a guest sends: those that port security must stop, with the like that it must let pass, so that silence proves
// something. Pure. Used by l2.test.ts.

import * as frames from "../lab/frames.ts";
import type { Host } from "../lab/hosts.ts";

/** An ordinary datagram of `from`; whatever is given replaces what would be true. */
export function datagram(
  from: Host,
  to: { readonly mac: string; readonly ip: string },
  lie: { readonly mac?: string; readonly ip?: string; readonly vlan?: number } = {},
): Buffer {
  const { mac = from.mac, ip = to.ip.includes(":") ? from.ip6 : from.ip, vlan } = lie;
  const link = { src: mac, dst: to.mac, ...(vlan === undefined ? {} : { vlan }) };
  return frames.udp(link, { from: ip, to: to.ip, fromPort: 4000, toPort: 4000 });
}

export const ALL = { mac: frames.BROADCAST, ip: "255.255.255.255" };
const ROUTER_LIFETIME = Buffer.from([64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
export const STRANGER = "0a:57:00:00:00:66";

/** Sent by `me`; the others are other ports of the network. */
type Make = (me: Host, victim: Host, third: Host) => Buffer;

const dhcp = (me: Host, fromPort: number, toPort: number): Buffer =>
  frames.udp({ src: me.mac, dst: ALL.mac }, { from: me.ip, to: ALL.ip, fromPort, toPort });

const dhcp6 = (me: Host, fromPort: number, toPort: number): Buffer => {
  const to = "ff02::1:2";
  const link = { src: me.mac, dst: frames.multicastMac(to) };
  return frames.udp(link, { from: frames.linkLocal(me.mac), to, fromPort, toPort });
};

const fromRouter = (me: Host, type: number): Buffer => {
  const link = { src: me.mac, dst: frames.multicastMac(frames.ALL_NODES) };
  const body = type === frames.ND_REDIRECT ? Buffer.alloc(36) : ROUTER_LIFETIME;
  return frames.icmp6(link, frames.linkLocal(me.mac), frames.ALL_NODES, type, [body]);
};

const claimArp = (
  me: Host,
  claimed: { mac: string; ip: string },
  op: "request" | "reply",
): Buffer =>
  frames.arp(
    { src: me.mac, dst: ALL.mac },
    {
      op,
      senderMac: claimed.mac,
      senderIp: claimed.ip,
      targetMac: frames.NO_MAC,
      targetIp: "10.1.1.98",
    },
  );

const claimNd = (me: Host, target: string, option: string | null): Buffer =>
  frames.advertisement(
    { src: me.mac, dst: frames.multicastMac(frames.ALL_NODES) },
    { from: me.ip6, to: frames.ALL_NODES, target, option },
  );

export const FORBIDDEN: readonly (readonly [string, Make])[] = [
  ["IPv4 from another MAC", (me, v) => datagram(me, v, { mac: STRANGER })],
  ["IPv6 from another MAC", (me, v) => datagram(me, { mac: v.mac, ip: v.ip6 }, { mac: STRANGER })],
  ["broadcast from another MAC", (me) => datagram(me, ALL, { mac: STRANGER })],
  ["broadcast from the MAC of another port", (me, v) => datagram(me, ALL, { mac: v.mac })],
  ["a frame from a group MAC", (me, v) => datagram(me, v, { mac: "0b:57:00:00:00:01" })],
  ["IPv4 from a free address", (me, v) => datagram(me, v, { ip: "10.1.1.77" })],
  ["IPv4 from the address of another port", (me, _v, third) => datagram(me, ALL, { ip: third.ip })],
  ["IPv4 from nowhere", (me, v) => datagram(me, v, { ip: "0.0.0.0" })],
  [
    "IPv6 from a free address",
    (me, v) => datagram(me, { mac: v.mac, ip: v.ip6 }, { ip: "fd01:1::77" }),
  ],
  [
    "IPv6 from the address of another port",
    (me, v, third) => datagram(me, { mac: v.mac, ip: v.ip6 }, { ip: third.ip6 }),
  ],
  [
    "IPv6 from another's link-local address",
    (me, v, third) => datagram(me, { mac: v.mac, ip: v.ip6 }, { ip: frames.linkLocal(third.mac) }),
  ],
  ["a frame with a tag", (me, v) => datagram(me, v, { vlan: 100 })],
  [
    "ARP with another's address",
    (me, _v, third) => claimArp(me, { mac: me.mac, ip: third.ip }, "reply"),
  ],
  ["ARP with another MAC inside", (me) => claimArp(me, { mac: STRANGER, ip: me.ip }, "reply")],
  [
    "an ARP request with another's address",
    (me, v) => claimArp(me, { mac: me.mac, ip: v.ip }, "request"),
  ],
  [
    "an announcement (ARP request) of another's address",
    (me, v) => frames.gratuitousArp(me.mac, v.ip),
  ],
  [
    "an announcement (ARP reply) of another's address",
    (me, v) => frames.gratuitousArp(me.mac, v.ip, "reply"),
  ],
  [
    "an announcement of the gateway's address",
    (me) => frames.gratuitousArp(me.mac, "10.1.1.1", "reply"),
  ],
  ["an announcement of a free address", (me) => frames.gratuitousArp(me.mac, "10.1.1.97")],
  ["an advertisement of another's address", (me, v) => claimNd(me, v.ip6, me.mac)],
  ["an advertisement of the gateway's address", (me) => claimNd(me, "fd01:1::1", me.mac)],
  ["an advertisement without option for another's address", (me, v) => claimNd(me, v.ip6, null)],
  ["an advertisement with another MAC", (me) => claimNd(me, me.ip6, STRANGER)],
  ["an answer of a DHCP server", (me) => dhcp(me, 67, 68)],
  ["an answer of a DHCPv6 server", (me) => dhcp6(me, 547, 546)],
  ["a router advertisement", (me) => fromRouter(me, frames.ND_ROUTER_ADVERTISEMENT)],
  ["a redirect", (me) => fromRouter(me, frames.ND_REDIRECT)],
];

export const ALLOWED: readonly (readonly [string, Make])[] = [
  ["broadcast from the own MAC", (me) => datagram(me, ALL)],
  [
    "IPv6 from the own link-local address",
    (me, v) => datagram(me, { mac: v.mac, ip: v.ip6 }, { ip: frames.linkLocal(me.mac) }),
  ],
  ["ARP with the own address", (me) => claimArp(me, me, "reply")],
  ["an announcement of the own address", (me) => frames.gratuitousArp(me.mac, me.ip)],
  ["an advertisement of the own address", (me) => claimNd(me, me.ip6, me.mac)],
  ["an advertisement without option", (me) => claimNd(me, me.ip6, null)],
  [
    "a question of a DHCP client",
    (me) =>
      frames.udp(
        { src: me.mac, dst: ALL.mac },
        { from: "0.0.0.0", to: ALL.ip, fromPort: 68, toPort: 67 },
      ),
  ],
  ["a question of a DHCPv6 client", (me) => dhcp6(me, 546, 547)],
  ["a router solicitation", (me) => fromRouter(me, frames.ND_ROUTER_SOLICITATION)],
];
