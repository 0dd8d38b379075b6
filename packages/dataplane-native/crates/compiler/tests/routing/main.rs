//! Routers against a reference that shares no code with the compiler: random small topologies, and
//! random packets of their ports. The reference walks from router to router by plain loops over
//! what the topology says; the flows, run by the interpreter, have to end the same way.
//! `WEFT_PROPERTY_CASES` asks for more topologies than usual.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

#[path = "../common/mod.rs"]
mod common;
mod reference;
mod topology;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common::world::Dice;
use reference::{Ip, Outcome, Walk, bits};
use topology::{Host, Interface, instructions, random, v4, v6};
use weft_compiler::Compiler;
use weft_compiler::interp::{Packet, Switch, Trace};
use weft_compiler::router_services::Reason;
use weft_openflow::Field as F;

fn random_ip(dice: &mut Dice, host: &Host) -> Ip {
    let ipv4 = host.ips.len() == 1 || dice.roll(2) == 0;
    let mut address = |own: bool| {
        let (b, c) = (
            dice.of(&[11u32, 12, 13, 14, 41, 42, 50, 60, 60]),
            dice.of(&[0u32, 0, 0, 1]),
        );
        let d = dice.of(&[1u32, 2, 3, 5, 96, 97, 100, 101, 102, 103, 120, 255]);
        let odd = dice.roll(if own { 60 } else { 25 });
        match (odd, ipv4) {
            (0, true) => dice
                .of(&[
                    "127.0.0.1",
                    "224.0.0.5",
                    "169.254.1.1",
                    "255.255.255.255",
                    "0.0.0.0",
                    "9.9.9.9",
                ])
                .parse()
                .unwrap(),
            (0, false) => dice
                .of(&["::1", "ff02::1", "::", "2001:db8::1"])
                .parse()
                .unwrap(),
            (_, true) => v4(b, c, d),
            (_, false) => v6(b, c, d),
        }
    };
    let (anywhere, destination) = (address(true), address(false));
    let source = if dice.roll(3) == 0 {
        anywhere
    } else {
        host.ips[usize::from(!ipv4)]
    };
    let protocol = dice.of(&[
        6u8,
        17,
        if ipv4 { 1 } else { 58 },
        if ipv4 { 1 } else { 58 },
    ]);
    let kind = match protocol {
        1 => dice.of(&[8u16, 8, 8, 0, 3]),
        58 => dice.of(&[128u16, 128, 128, 129, 1]),
        _ => dice.of(&[80u16, 999, 1000, 2222, 4321, 4322]),
    };
    Ip {
        source,
        destination,
        protocol,
        kind,
        ttl: dice.of(&[0u8, 1, 2, 3, 5, 64, 64, 64, 255]),
        length: dice.of(&[60u32, 60, 1314, 1315, 1456, 1457]),
        fragment: dice.roll(10) == 0,
    }
}

fn packet(from: &Host, to: u64, ip: Ip, hash: u32) -> Packet {
    let mut packet = Packet::default();
    packet.length = Some(ip.length);
    packet.hash = hash;
    let (eth, source, destination, kind) = if ip.source.is_ipv4() {
        (0x0800u128, F::Ipv4Src, F::Ipv4Dst, F::Icmpv4Type)
    } else {
        (0x86dd, F::Ipv6Src, F::Ipv6Dst, F::Icmpv6Type)
    };
    let packet = packet
        .with(F::InPort, from.ofport.expect("local").into())
        .with(F::EthSrc, from.mac.into())
        .with(F::EthDst, to.into())
        .with(F::EthType, eth)
        .with(source, bits(ip.source))
        .with(destination, bits(ip.destination))
        .with(F::IpProto, ip.protocol.into())
        .with(F::IpTtl, ip.ttl.into());
    if ip.fragment {
        return packet.with(F::IpFrag, 1);
    }
    match ip.protocol {
        6 => packet.with(F::TcpDst, ip.kind.into()).with(F::TcpSrc, 1),
        17 => packet.with(F::UdpDst, ip.kind.into()).with(F::UdpSrc, 1),
        _ => packet.with(kind, ip.kind.into()),
    }
}

fn outcome(trace: &Trace) -> Outcome {
    assert_eq!(trace.aborted, None);
    assert!(
        trace.outputs.len() + trace.controller.len() <= 1,
        "{trace:?}"
    );
    let low = |packet: &Packet, field| u32::try_from(packet.get(field) & 0xff_ffff).unwrap();
    if let Some((userdata, packet)) = trace.controller.first() {
        let reason = Reason::decode(userdata).expect("a router's") as u8;
        return Outcome::GivenUp(reason, low(packet, F::Reg8), low(packet, F::Reg11));
    }
    let Some((port, packet)) = trace.outputs.first() else {
        return Outcome::Dropped;
    };
    let (source, destination) = if packet.get(F::EthType) == 0x0800 {
        let ip = |field| {
            IpAddr::V4(Ipv4Addr::from_bits(
                u32::try_from(packet.get(field)).unwrap(),
            ))
        };
        (ip(F::Ipv4Src), ip(F::Ipv4Dst))
    } else {
        let ip = |field| IpAddr::V6(Ipv6Addr::from_bits(packet.get(field)));
        (ip(F::Ipv6Src), ip(F::Ipv6Dst))
    };
    let mac = |field| u64::try_from(packet.get(field)).unwrap();
    Outcome::Sent(
        *port,
        u32::try_from(packet.get(F::TunDst)).unwrap(),
        u32::try_from(packet.get(F::TunMetadata0) >> 40 & 0xff_ffff).unwrap(),
        mac(F::EthSrc),
        mac(F::EthDst),
        u8::try_from(packet.get(F::IpTtl)).unwrap(),
        source,
        destination,
    )
}

fn cases() -> u64 {
    let asked = std::env::var("WEFT_PROPERTY_CASES").ok();
    asked.map_or(100, |cases| {
        cases.parse().expect("WEFT_PROPERTY_CASES is a number")
    })
}

#[test]
fn flows_route_as_the_reference_does() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 1..=cases() {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let topology = random(&mut dice);
        let text = instructions(&topology);
        let mut compiler = Compiler::new();
        compiler.apply(&common::batch(&text));
        for (key, reason) in compiler.failures() {
            assert!(
                reason.contains("no interface on network") || key.contains("policy"),
                "{key}: {reason}"
            );
        }
        let switch = Switch::new(compiler.flow_set().iter(), compiler.groups());
        let hosts: Vec<&Host> = topology
            .hosts
            .iter()
            .filter(|host| host.ofport.is_some() && host.up)
            .collect();
        for _ in 0..100 {
            let host = hosts[dice.roll(hosts.len())];
            let gates: Vec<&Interface> = topology
                .interfaces
                .iter()
                .filter(|i| i.segment == host.segment)
                .collect();
            if gates.is_empty() {
                continue;
            }
            let gate = gates[dice.roll(gates.len())];
            let ip = random_ip(&mut dice, host);
            let mut expected = BTreeSet::new();
            let walk = Walk {
                router: gate.router,
                ingress: gate.segment,
                hops: 0,
                own: false,
            };
            topology.arrive(walk, ip, &mut expected);
            let context = |found: &Outcome| {
                format!(
                    "seed {seed}\n{text}\n{ip:?} from {} by {}\nfound {found:?}",
                    host.key, gate.router
                )
            };
            // One choice in most cases; where there are several, they have to be met.
            let hashes = if expected.len() > 1 { 32 } else { 1 };
            let first = u32::try_from(dice.roll(256)).unwrap();
            let mut met = BTreeSet::new();
            for hash in 0..hashes {
                let trace = switch.run(packet(host, gate.mac, ip, first + 37 * hash));
                let found = outcome(&trace);
                assert!(
                    expected.contains(&found),
                    "{}\nnot in {expected:?}\n{:?}",
                    context(&found),
                    trace.steps
                );
                *seen
                    .entry(match &found {
                        Outcome::Sent(_, tunnel, ..) => format!("sent by tunnel {}", *tunnel != 0),
                        Outcome::GivenUp(reason, ..) => format!("given up {reason}"),
                        Outcome::Dropped => "dropped".into(),
                    })
                    .or_default() += 1;
                met.insert(found);
            }
            // A first choice may hide some of a second one's.
            assert!(
                hashes == 1 || met.len() > 1,
                "{expected:?} of which {met:?}"
            );
        }
    }
    println!("{seen:?}");
    for kind in [
        "dropped",
        "sent by tunnel true",
        "sent by tunnel false",
        "given up 1",
        "given up 2",
        "given up 3",
        "given up 4",
        "given up 5",
    ] {
        assert!(
            seen.get(kind).is_some_and(|count| *count > 50),
            "{kind} of {seen:?}"
        );
    }
}
