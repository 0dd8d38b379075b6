//! What packets live to see, by the interpreter: one line a case. And the copies of a flood through
//! relays, counted over all chassis.

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

#[test]
fn packets_go_where_the_rules_say() {
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    let switch = Switch::new(compiler.flow_set().iter(), compiler.groups());
    let lines = include_str!("behaviour.txt").lines();
    let mut cases = 0;
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [what, text, expected, asked] = parts[..] else {
            panic!("not a case: {line}")
        };
        let trace = switch.run(packet(text));
        assert_eq!(trace.aborted, None, "{what}");
        assert_eq!(
            ports(&trace),
            numbers(expected),
            "{what}: {:?}",
            trace.steps
        );
        let services = trace.controller.iter().flat_map(|(data, _)| data);
        let services: Vec<u32> = services.copied().map(u32::from).collect();
        assert_eq!(services, numbers(asked), "{what}");
        cases += 1;
    }
    assert!(cases > 50, "{cases} cases");
}

fn numbers(text: &str) -> Vec<u32> {
    let words = text.split_whitespace();
    words.map(|word| word.parse().expect("a number")).collect()
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
