//! What packets live to see, by the interpreter: one line a case. And the copies of a flood through relays,
//! counted over all chassis.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod common;

use std::collections::BTreeMap;

use common::world::WORLD;
use weft_compiler::Compiler;
use weft_compiler::interp::{Packet, Switch, Trace};
use weft_openflow::Field as F;

/// `name=value` words; addresses and MACs as usual.
fn packet(text: &str) -> Packet {
    let value = |value: &str| -> u128 {
        let bytes = if value.matches(':').count() == 5 && !value.contains("::") {
            common::mac(value)
        } else if value.contains(['.', ':']) {
            common::ip(value)
        } else if let Some(hex) = value.strip_prefix("0x") {
            return u128::from_str_radix(hex, 16).expect("a number");
        } else {
            return value.parse().expect("a number");
        };
        bytes
            .into_iter()
            .fold(0, |sum, byte| sum << 8 | u128::from(byte))
    };
    let field = |name: &str| match name {
        "in" => F::InPort,
        "tun" => F::TunId,
        "tlv" => F::TunMetadata0,
        "tun_src" => F::TunSrc,
        "tun_src6" => F::TunIpv6Src,
        "vlan" => F::VlanVid,
        "from" => F::EthSrc,
        "to" => F::EthDst,
        "type" => F::EthType,
        "op" => F::ArpOp,
        "sha" => F::ArpSha,
        "spa" => F::ArpSpa,
        "tpa" => F::ArpTpa,
        "src" => F::Ipv4Src,
        "dst" => F::Ipv4Dst,
        "src6" => F::Ipv6Src,
        "dst6" => F::Ipv6Dst,
        "proto" => F::IpProto,
        "sport" => F::UdpSrc,
        "dport" => F::UdpDst,
        "icmp6" => F::Icmpv6Type,
        "target" => F::NdTarget,
        "sll" => F::NdSll,
        "tll" => F::NdTll,
        other => panic!("field {other}"),
    };
    let words = text
        .split_whitespace()
        .map(|word| word.split_once('=').expect("name=value"));
    words.fold(Packet::default(), |packet, (name, text)| {
        packet.with(field(name), value(text))
    })
}

fn ports(trace: &Trace) -> Vec<u32> {
    let mut ports: Vec<u32> = trace.outputs.iter().map(|(port, _)| *port).collect();
    ports.sort_unstable();
    ports
}

/// {what it shows, packet, ports it leaves by, userdata of packet-ins}. In the world port 1 is secured with
/// pairs, port 2 is not; both are in network 5 with chassis 2 and 3 behind tunnel port 100.
const CASES: &[(&str, &str, &[u32], &[u8])] = &[
    (
        "known unicast leaves by the tunnel",
        "in=1 from=02:00:00:00:00:01 to=02:00:00:00:00:03 type=0x800 src=10.0.0.2",
        &[100],
        &[],
    ),
    (
        "known unicast stays here",
        "in=1 from=02:00:00:00:00:01 to=02:00:00:00:00:02 type=0x800 src=10.0.0.2",
        &[2],
        &[],
    ),
    (
        "a foreign IPv4 source",
        "in=1 from=02:00:00:00:00:01 to=02:00:00:00:00:02 type=0x800 src=10.0.0.3",
        &[],
        &[],
    ),
    (
        "a foreign MAC",
        "in=1 from=02:00:00:00:00:03 to=02:00:00:00:00:02 type=0x800 src=10.0.0.2",
        &[],
        &[],
    ),
    (
        "a foreign IPv6 source",
        "in=1 from=02:00:00:00:00:01 to=02:00:00:00:00:02 type=0x86dd src6=fd00::3",
        &[],
        &[],
    ),
    (
        "the link-local address of the MAC",
        "in=1 from=02:00:00:00:00:01 to=02:00:00:00:00:02 type=0x86dd src6=fe80::ff:fe00:1",
        &[2],
        &[],
    ),
    (
        "a pair with its MAC",
        "in=1 from=00:00:5e:00:01:01 to=02:00:00:00:00:02 type=0x800 src=10.0.0.9",
        &[2],
        &[],
    ),
    (
        "a pair with another MAC",
        "in=1 from=02:00:00:00:00:01 to=02:00:00:00:00:02 type=0x800 src=10.0.0.9",
        &[],
        &[],
    ),
    (
        "a prefix of a pair",
        "in=1 from=02:00:00:00:00:01 to=02:00:00:00:00:02 type=0x800 src=10.9.7.7",
        &[2],
        &[],
    ),
    (
        "a tagged frame of a guest",
        "in=2 vlan=0x1078 from=02:00:00:00:00:02 to=02:00:00:00:00:01 type=0x800",
        &[],
        &[],
    ),
    (
        "a multicast source",
        "in=1 from=03:00:00:00:00:01 to=02:00:00:00:00:02 type=0x88b5",
        &[],
        &[],
    ),
    (
        "other protocols",
        "in=1 from=02:00:00:00:00:01 to=02:00:00:00:00:02 type=0x88b5",
        &[2],
        &[],
    ),
    (
        "a DHCP request floods",
        "in=1 from=02:00:00:00:00:01 to=ff:ff:ff:ff:ff:ff type=0x800 proto=17 src=0.0.0.0 dst=255.255.255.255 sport=68 dport=67",
        &[2, 100, 100],
        &[],
    ),
    (
        "a guest's DHCP offer",
        "in=1 from=02:00:00:00:00:01 to=ff:ff:ff:ff:ff:ff type=0x800 proto=17 src=10.0.0.2 dst=255.255.255.255 sport=67 dport=68",
        &[],
        &[],
    ),
    (
        "a guest's DHCPv6 reply",
        "in=1 from=02:00:00:00:00:01 to=02:00:00:00:00:02 type=0x86dd proto=17 src6=fd00::2 sport=547 dport=546",
        &[],
        &[],
    ),
    (
        "a guest's router advertisement",
        "in=1 from=02:00:00:00:00:01 to=33:33:00:00:00:01 type=0x86dd proto=58 icmp6=134 src6=fe80::ff:fe00:1",
        &[],
        &[],
    ),
    (
        "a guest's redirect",
        "in=1 from=02:00:00:00:00:01 to=02:00:00:00:00:02 type=0x86dd proto=58 icmp6=137 src6=fe80::ff:fe00:1",
        &[],
        &[],
    ),
    (
        "a router solicitation without address",
        "in=1 from=02:00:00:00:00:01 to=33:33:00:00:00:02 type=0x86dd proto=58 icmp6=133 src6=::",
        &[2, 100, 100],
        &[],
    ),
    (
        "an echo without address",
        "in=1 from=02:00:00:00:00:01 to=33:33:00:00:00:02 type=0x86dd proto=58 icmp6=128 src6=::",
        &[],
        &[],
    ),
    (
        "ARP for a known address is answered",
        "in=1 from=02:00:00:00:00:01 to=ff:ff:ff:ff:ff:ff type=0x806 op=1 sha=02:00:00:00:00:01 spa=10.0.0.2 tpa=10.0.0.4",
        &[1],
        &[],
    ),
    (
        "ARP for an unknown address floods",
        "in=1 from=02:00:00:00:00:01 to=ff:ff:ff:ff:ff:ff type=0x806 op=1 sha=02:00:00:00:00:01 spa=10.0.0.2 tpa=10.0.0.77",
        &[2, 100, 100],
        &[],
    ),
    (
        "a probe for another's address is answered",
        "in=1 from=02:00:00:00:00:01 to=ff:ff:ff:ff:ff:ff type=0x806 op=1 sha=02:00:00:00:00:01 spa=0.0.0.0 tpa=10.0.0.4",
        &[1],
        &[],
    ),
    (
        "a probe for the own address floods",
        "in=1 from=02:00:00:00:00:01 to=ff:ff:ff:ff:ff:ff type=0x806 op=1 sha=02:00:00:00:00:01 spa=0.0.0.0 tpa=10.0.0.2",
        &[2, 100, 100],
        &[],
    ),
    (
        "a gratuitous ARP of the own address floods",
        "in=1 from=02:00:00:00:00:01 to=ff:ff:ff:ff:ff:ff type=0x806 op=1 sha=02:00:00:00:00:01 spa=10.0.0.2 tpa=10.0.0.2",
        &[2, 100, 100],
        &[],
    ),
    (
        "a gratuitous ARP of a foreign address",
        "in=1 from=02:00:00:00:00:01 to=ff:ff:ff:ff:ff:ff type=0x806 op=1 sha=02:00:00:00:00:01 spa=10.0.0.3 tpa=10.0.0.3",
        &[],
        &[],
    ),
    (
        "ARP with a foreign sender MAC",
        "in=1 from=02:00:00:00:00:01 to=ff:ff:ff:ff:ff:ff type=0x806 op=1 sha=02:00:00:00:00:02 spa=10.0.0.2 tpa=10.0.0.4",
        &[],
        &[],
    ),
    (
        "a probe for the gateway is answered",
        "in=1 from=02:00:00:00:00:01 to=ff:ff:ff:ff:ff:ff type=0x806 op=1 sha=02:00:00:00:00:01 spa=0.0.0.0 tpa=10.0.0.1",
        &[1],
        &[],
    ),
    (
        "a request for the gateway floods",
        "in=1 from=02:00:00:00:00:01 to=ff:ff:ff:ff:ff:ff type=0x806 op=1 sha=02:00:00:00:00:01 spa=10.0.0.2 tpa=10.0.0.1",
        &[2, 100, 100],
        &[],
    ),
    (
        "an unsecured port that announces the gateway is told",
        "in=2 from=02:00:00:00:00:02 to=ff:ff:ff:ff:ff:ff type=0x806 op=1 sha=02:00:00:00:00:02 spa=10.0.0.1 tpa=10.0.0.1",
        &[2],
        &[],
    ),
    (
        "taking over an address of a pair floods and is reported",
        "in=1 from=00:00:5e:00:01:01 to=ff:ff:ff:ff:ff:ff type=0x806 op=1 sha=00:00:5e:00:01:01 spa=10.0.0.9 tpa=10.0.0.9",
        &[2, 100, 100],
        &[2],
    ),
    (
        "so with an ARP reply",
        "in=1 from=00:00:5e:00:01:01 to=ff:ff:ff:ff:ff:ff type=0x806 op=2 sha=00:00:5e:00:01:01 spa=10.0.0.9 tpa=10.0.0.9",
        &[2, 100, 100],
        &[2],
    ),
    (
        "so with an advertisement",
        "in=1 from=00:00:5e:00:01:01 to=33:33:00:00:00:01 type=0x86dd proto=58 icmp6=136 src6=fd00::9 target=fd00::9 tll=00:00:5e:00:01:01",
        &[2, 100, 100],
        &[2],
    ),
    (
        "ND for a known address is answered",
        "in=1 from=02:00:00:00:00:01 to=33:33:ff:00:00:04 type=0x86dd proto=58 icmp6=135 src6=fd00::2 target=fd00::4 sll=02:00:00:00:00:01",
        &[1],
        &[],
    ),
    (
        "ND without option goes to the engine",
        "in=1 from=02:00:00:00:00:01 to=33:33:ff:00:00:04 type=0x86dd proto=58 icmp6=135 src6=fd00::2 target=fd00::4",
        &[],
        &[1],
    ),
    (
        "DAD for another's address goes to the engine",
        "in=1 from=02:00:00:00:00:01 to=33:33:ff:00:00:04 type=0x86dd proto=58 icmp6=135 src6=:: target=fd00::4",
        &[],
        &[1],
    ),
    (
        "DAD for the gateway goes to the engine",
        "in=1 from=02:00:00:00:00:01 to=33:33:ff:00:00:01 type=0x86dd proto=58 icmp6=135 src6=:: target=fd00::1",
        &[],
        &[1],
    ),
    (
        "DAD for the own address floods",
        "in=1 from=02:00:00:00:00:01 to=33:33:ff:00:00:02 type=0x86dd proto=58 icmp6=135 src6=:: target=fd00::2",
        &[2, 100, 100],
        &[],
    ),
    (
        "ND with a foreign option",
        "in=1 from=02:00:00:00:00:01 to=33:33:ff:00:00:04 type=0x86dd proto=58 icmp6=135 src6=fd00::2 target=fd00::4 sll=02:00:00:00:00:02",
        &[],
        &[],
    ),
    (
        "an advertisement of a foreign address",
        "in=1 from=02:00:00:00:00:01 to=33:33:00:00:00:01 type=0x86dd proto=58 icmp6=136 src6=fd00::2 target=fd00::3 tll=02:00:00:00:00:01",
        &[],
        &[],
    ),
    (
        "an advertisement with a foreign option",
        "in=1 from=02:00:00:00:00:01 to=33:33:00:00:00:01 type=0x86dd proto=58 icmp6=136 src6=fd00::2 target=fd00::2 tll=02:00:00:00:00:02",
        &[],
        &[],
    ),
    (
        "unknown unicast reaches who asked for it",
        "in=1 from=02:00:00:00:00:01 to=02:00:00:00:00:99 type=0x800 src=10.0.0.2",
        &[2, 100],
        &[],
    ),
    (
        "an address that moved leads to its owner",
        "in=2 from=02:00:00:00:00:02 to=ff:ff:ff:ff:ff:ff type=0x806 op=1 sha=02:00:00:00:00:02 spa=10.0.0.3 tpa=10.0.0.9",
        &[2],
        &[],
    ),
    (
        "a port that is down says nothing",
        "in=4 from=02:00:00:00:00:03 to=ff:ff:ff:ff:ff:ff type=0x800 src=10.0.0.4",
        &[],
        &[],
    ),
    (
        "equal addresses in another network are not met",
        "in=3 from=02:00:00:00:00:01 to=02:00:00:00:00:03 type=0x800 src=10.0.0.2",
        &[],
        &[],
    ),
    (
        "VXLAN carries its own",
        "in=3 from=02:00:00:00:00:01 to=02:00:00:00:00:02 type=0x800 src=10.0.0.2",
        &[101],
        &[],
    ),
    (
        "Geneve delivers by key",
        "in=100 tun=5 tun_src=172.31.0.2 tlv=0x100000210000010000000000 to=02:00:00:00:00:01",
        &[1],
        &[],
    ),
    (
        "a key of another network delivers nothing",
        "in=100 tun=6 tun_src=172.31.0.2 tlv=0x100000210000010000000000 to=02:00:00:00:00:01",
        &[],
        &[],
    ),
    (
        "an unknown version",
        "in=100 tun=5 tun_src=172.31.0.2 tlv=0x200000210000010000000000 to=02:00:00:00:00:01",
        &[],
        &[],
    ),
    (
        "a fenced peer",
        "in=100 tun=5 tun_src=172.31.0.9 tlv=0x100000210000010000000000 to=02:00:00:00:00:01",
        &[],
        &[],
    ),
    (
        "a fenced peer over IPv6",
        "in=100 tun=5 tun_src6=fd31::9 tlv=0x100000210000010000000000 to=02:00:00:00:00:01",
        &[],
        &[],
    ),
    (
        "a flood from a tunnel stays here",
        "in=100 tun=5 tun_src=172.31.0.2 tlv=0x10000021ffffff0000000000 to=ff:ff:ff:ff:ff:ff",
        &[1, 2],
        &[],
    ),
    (
        "unknown unicast from a tunnel",
        "in=100 tun=5 tun_src=172.31.0.2 tlv=0x10000021fffffd0000000000 to=02:00:00:00:00:99",
        &[2],
        &[],
    ),
    (
        "a network without relays does not relay",
        "in=100 tun=5 tun_src=172.31.0.2 tlv=0x10000021fffffe0000000000 to=ff:ff:ff:ff:ff:ff",
        &[],
        &[],
    ),
    (
        "VXLAN delivers by MAC",
        "in=101 tun=6 tun_src=172.31.0.2 to=02:00:00:00:00:01",
        &[3],
        &[],
    ),
    (
        "VXLAN cannot reach a Geneve network",
        "in=101 tun=5 tun_src=172.31.0.2 to=02:00:00:00:00:01",
        &[],
        &[],
    ),
    (
        "the physical network delivers by VLAN and MAC",
        "in=50 vlan=0x1078 to=02:00:00:00:00:01",
        &[5],
        &[],
    ),
    (
        "another VLAN",
        "in=50 vlan=0x1079 to=02:00:00:00:00:01",
        &[],
        &[],
    ),
    (
        "all that is not here goes to the physical network",
        "in=5 from=02:00:00:00:00:01 to=02:00:00:00:00:99 type=0x800 src=10.0.0.2",
        &[50],
        &[],
    ),
    (
        "a flat network takes no tags",
        "in=51 vlan=0x1078 to=02:00:00:00:00:02",
        &[],
        &[],
    ),
    (
        "a flat network delivers",
        "in=51 to=02:00:00:00:00:02",
        &[6],
        &[],
    ),
];

#[test]
fn packets_go_where_the_rules_say() {
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    let switch = Switch::new(compiler.flow_set().iter(), compiler.groups());
    for (what, text, expected, userdata) in CASES {
        let trace = switch.run(packet(text));
        assert_eq!(trace.aborted, None, "{what}");
        assert_eq!(ports(&trace), *expected, "{what}: {:?}", trace.steps);
        let controller: Vec<u8> = trace
            .controller
            .iter()
            .flat_map(|(data, _)| data.clone())
            .collect();
        assert_eq!(controller, *userdata, "{what}");
    }
}

/// The switch of chassis `own` in a network of `count` chassis with relays.
fn chassis(own: u32, count: u32) -> Switch {
    let text = format!(
        "chassis/c/config key={own}
local/tunnel/1 ofport=100 ips=172.31.0.1
network/5/config id=huge encap=geneve relayed=on
chassis/c/port/{own} id=p network=5 mac=02:00:00:00:00:01 ips=10.0.0.2
local/vif/p ofport=1
@1..{count} network/5/flood/{{i}} vtep=172.16.{{hi}}.{{lo}}"
    );
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(&text));
    assert!(compiler.failures().is_empty());
    Switch::new(compiler.flow_set().iter(), compiler.groups())
}

#[test]
fn through_relays_each_of_1000_chassis_gets_one_copy_and_the_sender_none() {
    for sender in [1, 200, 256, 1000] {
        let broadcast = "in=1 from=02:00:00:00:00:01 to=ff:ff:ff:ff:ff:ff type=0x800 src=10.0.0.2";
        let mut copies: BTreeMap<u128, u32> = BTreeMap::new();
        let mut tunnel = chassis(sender, 1000).run(packet(broadcast)).outputs;
        while let Some((port, copy)) = tunnel.pop() {
            if port != 100 {
                continue;
            }
            let to = copy.get(F::TunDst) & 0xffff;
            *copies.entry(to).or_default() += 1;
            let egress = copy.get(F::TunMetadata0) >> 40 & 0xff_ffff;
            if egress == 0xff_fffe {
                let arriving = packet("in=100 to=ff:ff:ff:ff:ff:ff tun_src=172.31.0.1");
                let arriving = arriving
                    .with(F::TunId, 5)
                    .with(F::TunMetadata0, copy.get(F::TunMetadata0));
                let relay = chassis(u32::try_from(to).unwrap(), 1000).run(arriving);
                assert!(
                    relay.outputs.iter().any(|(port, _)| *port == 1),
                    "the relay hears it too"
                );
                tunnel.extend(relay.outputs);
            }
        }
        assert_eq!(copies.len(), 999, "from {sender}");
        assert!(
            copies.values().all(|count| *count == 1) && !copies.contains_key(&u128::from(sender))
        );
    }
}
