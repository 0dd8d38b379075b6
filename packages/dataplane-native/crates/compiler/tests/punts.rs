//! What routers hand to the engine, and what they get back from it: the registers of packets that
//! they give up, the facts for an answer, and the way in for what they send themselves.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod common;

use common::world::{WORLD, words as packet};
use weft_compiler::Compiler;
use weft_compiler::interp::{Packet, Switch, Trace};
use weft_compiler::router_services::{self, Punt, Reason};
use weft_openflow::{Field as F, Match, PacketIn};

fn ports(trace: &Trace) -> Vec<u32> {
    let mut ports: Vec<u32> = trace.outputs.iter().map(|(port, _)| *port).collect();
    ports.sort_unstable();
    ports
}

/// What a router made itself goes where it should, with its TTL, and nobody is told of its end.
#[test]
fn packets_of_routers_get_in() {
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    let switch = Switch::new(compiler.flow_set().iter(), compiler.groups());
    let table = compiler.service_table();
    let send = |router: u32, network: u32, words: &str| {
        let interface = table.interface(router, network).expect("an interface");
        let mut packet = packet(words).with(F::InPort, 0xffff_fffd);
        packet.length = Some(100);
        switch.act(packet, &router_services::inject(&interface))
    };
    let error = "type=0x800 proto=1 icmp=11 ttl=255 src=10.11.0.1 dst=10.11.0.2";
    let trace = send(1, 11, error);
    assert_eq!((ports(&trace), trace.controller.len()), (vec![8], 0));
    assert_eq!(trace.outputs[0].1.get(F::IpTtl), 255);
    assert_eq!(trace.outputs[0].1.get(F::EthDst), 0x0200_0000_0011);
    // The second router's error goes back by the first, which takes its one.
    let trace = send(
        2,
        20,
        "type=0x86dd proto=58 icmp6=3 ttl=255 src6=fd20::2 dst6=fd11::2",
    );
    assert_eq!(ports(&trace), []);
    let trace = send(
        2,
        12,
        "type=0x86dd proto=58 icmp6=3 ttl=255 src6=fd20::2 dst6=fd11::2",
    );
    assert_eq!(ports(&trace), [8]);
    assert_eq!(trace.outputs[0].1.get(F::IpTtl), 254);
    let lost = send(1, 11, &error.replace("10.11.0.2", "10.11.0.77"));
    assert_eq!((ports(&lost), lost.controller.len()), (vec![], 0));

    let asks = |network| {
        let asks = packet("type=0x806 op=1 from=02:ff:00:00:00:12 to=ff:ff:ff:ff:ff:ff");
        switch.act(asks, &router_services::ask(network))
    };
    let trace = asks(12);
    assert_eq!(ports(&trace), [9, 100]);
    let egress = |packet: &Packet| packet.get(F::TunMetadata0) >> 40 & 0xff_ffff;
    assert!(
        trace
            .outputs
            .iter()
            .any(|(_, packet)| egress(packet) == 0xff_fffd)
    );
    // Nobody there may have other addresses; on a physical network the router is not seen.
    for network in [11, 8] {
        assert_eq!(ports(&asks(network)), []);
    }
    assert_eq!(ports(&asks(9)), [6]);
}

/// The packet-in of what a router gave up.
fn packet_in((userdata, packet): &(Vec<u8>, Packet)) -> PacketIn {
    let mut metadata = Match::new();
    for register in (0..16).filter_map(F::reg) {
        // Open vSwitch leaves out what is zero.
        let value = packet.get(register);
        let mask = if value == 0 { 0 } else { register.all_ones() };
        metadata.put(register, value, mask);
    }
    let mut bytes = vec![0; 12];
    let ethertype = u16::try_from(packet.get(F::EthType)).unwrap();
    bytes.extend(ethertype.to_be_bytes());
    PacketIn {
        packet: bytes,
        metadata,
        userdata: userdata.clone(),
        ..PacketIn::default()
    }
}

const V4: &str =
    "in=8 from=02:00:00:00:00:11 to=02:ff:00:00:00:11 type=0x800 proto=17 src=10.11.0.2";
const V6: &str =
    "in=9 from=02:00:00:00:00:21 to=02:ff:00:00:00:12 type=0x86dd proto=17 src6=fd12::2";

#[test]
fn what_routers_give_up_says_why_and_whose_it_is() {
    use Reason::{HostUnreachable, NoRoute, Resolve, TimeExceeded, TooBig};
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    let switch = Switch::new(compiler.flow_set().iter(), compiler.groups());
    // {from, to, bytes, reason, router, ingress, egress, next hop; none: it says nothing}
    let cases = [
        (
            V4,
            "ttl=1 dst=10.12.0.2",
            100,
            TimeExceeded,
            (1, 11, 11),
            "",
        ),
        (
            V4,
            "ttl=2 dst=10.12.0.2",
            100,
            TimeExceeded,
            (2, 20, 20),
            "",
        ),
        (V4, "ttl=64 dst=8.8.8.8", 100, NoRoute, (1, 11, 11), ""),
        (V4, "ttl=64 dst=10.12.0.2", 1415, TooBig, (2, 20, 12), ""),
        (
            V4,
            "ttl=64 dst=10.11.0.77",
            100,
            HostUnreachable,
            (1, 11, 11),
            "10.11.0.77",
        ),
        (
            V4,
            "ttl=64 dst=10.12.0.77",
            100,
            Resolve,
            (2, 20, 12),
            "10.12.0.77",
        ),
        (
            V6,
            "ttl=64 dst6=fd12::77",
            100,
            Resolve,
            (2, 12, 12),
            "fd12::77",
        ),
    ];
    for (from, to, bytes, reason, (router, ingress, egress), next_hop) in cases {
        let mut sent = packet(&format!("{from} {to}"));
        sent.length = Some(bytes);
        let trace = switch.run(sent);
        let [given_up] = &trace.controller[..] else {
            panic!("{to}: {:?}", trace.steps)
        };
        let punt = router_services::read_punt(&packet_in(given_up)).expect("a router's");
        let expected = Punt {
            reason,
            port_key: if from == V4 { 11 } else { 21 },
            router_key: router,
            ingress_network_key: ingress,
            egress_network_key: egress,
            next_hop: next_hop.parse().unwrap_or(punt.next_hop),
        };
        assert_eq!(punt, expected, "{to}");
    }
}

#[test]
fn the_engine_learns_what_speaks_for_a_router() {
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    let table = compiler.service_table();
    assert_eq!(table.segment_mtu(2, 12), Some(1400));
    assert_eq!(table.segment_mtu(1, 13), Some(1300));
    assert_eq!(table.segment_mtu(2, 13), None);
    let interface = table.interface(2, 12).expect("an interface");
    let source = |peer: &str| {
        interface
            .source(peer.parse().unwrap())
            .map(|ip| ip.to_string())
    };
    assert_eq!(source("10.12.0.9").as_deref(), Some("10.12.0.1"));
    assert_eq!(source("9.9.9.9").as_deref(), Some("10.12.0.1"));
    assert_eq!(source("fd11::9").as_deref(), Some("fd12::1"));
    assert_eq!(interface.route_table, 1);
}

/// Solicitations without an option go to the engine, which answers for interfaces: as a router, and to
/// all who ask.
#[test]
fn the_engine_answers_for_interfaces() {
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    let table = compiler.service_table();
    let asks = table.port_at(8).expect("a port");
    let own = common::mac("02:00:00:00:00:11");
    let interface = common::mac("02:ff:00:00:00:11");
    for target in ["fd11::1", "fe80::ff:ff:fe00:11"] {
        for (from, flags) in [("fd11::2", 0xe0), ("::", 0xa0)] {
            let target = common::ip(target);
            let head = [0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 58, 255];
            let solicitation = [
                [0x33, 0x33, 0xff, 0, 0, 1].to_vec(),
                own.clone(),
                head.to_vec(),
                common::ip(from),
                common::ip("ff02::1:ff00:1"),
                vec![135, 0, 0, 0, 0, 0, 0, 0],
                target.clone(),
            ];
            let answer = weft_compiler::services::answer_nd(&solicitation.concat(), &asks, table);
            let answer = answer.expect("an answer");
            assert_eq!((answer[54], answer[58]), (136, flags), "{from}");
            assert_eq!(
                (&answer[62..78], &answer[80..86]),
                (&target[..], &interface[..])
            );
        }
    }
}
