//! Packet services through a real switch: packets enter by dummy ports, answers leave by them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::net::IpAddr;
use support::{Ovs, Probe, until};
use weft_engine::Event;

/// Two plugged ports with port security, which may speak for addresses of allowed pairs, one of them for the same.
const PORTS: &str = "
    chassis/c1/config key=1
    network/7/config id=n7 encap=geneve gateways=fd00::fe gateway_mac=02:00:00:00:00:fe
    chassis/c1/port/101 id=p101 network=7 mac=02:00:00:00:00:01 ips=10.0.0.1,fd00::1 pairs=10.0.0.50/32,10.0.0.60/32
    chassis/c1/port/102 id=p102 network=7 mac=02:00:00:00:00:02 ips=10.0.0.2,fd00::2 pairs=10.0.0.50/32
    local/vif/p101 ofport=21
    local/vif/p102 ofport=22
";

/// A solicitation of a host at `source` with MAC `02:..:01`, without an option; checksums as they should be.
fn solicitation(source: &str, target: &str) -> Vec<u8> {
    let source: std::net::Ipv6Addr = source.parse().expect("an address");
    let target: std::net::Ipv6Addr = target.parse().expect("an address");
    let last = target.octets();
    let group: [u8; 16] = [
        0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, last[13], last[14], last[15],
    ];
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(last);
    let mut sum: u32 = 58 + u32::try_from(message.len()).expect("short");
    for part in [&source.octets()[..], &group, &message] {
        sum += part
            .chunks(2)
            .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])))
            .sum::<u32>();
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).expect("folded");
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut frame = vec![
        0x33, 0x33, 0xff, last[13], last[14], last[15], 2, 0, 0, 0, 0, 1,
    ];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 58, 255]);
    frame.extend(source.octets());
    frame.extend(group);
    frame.extend(message);
    frame
}

/// A gratuitous ARP of `ip` with MAC `02:..:<last>`.
fn gratuitous_arp(last: u8, ip: [u8; 4]) -> Vec<u8> {
    let mac = [2, 0, 0, 0, 0, last];
    let mut frame = vec![0xff; 6];
    frame.extend(mac);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac);
    frame.extend(ip);
    frame.extend([0; 6]);
    frame.extend(ip);
    frame.resize(60, 0);
    frame
}

fn switch_with_ports() -> Ovs {
    let ovs = Ovs::start();
    ovs.add_dummy("d1", 21);
    ovs.add_dummy("d2", 22);
    ovs
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_solicitation_that_flows_cannot_answer_is_answered_by_the_engine() {
    let ovs = switch_with_ports();
    let mut probe = Probe::open(&ovs.mgmt());
    assert_eq!(probe.apply(PORTS).failures, []);
    ovs.receive("d1", &solicitation("fd00::1", "fd00::2"));
    // An advertisement to the asking port's MAC, from the owner's, with type 136 and the owner's option.
    let head = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd];
    until("the advertisement", || {
        contains(&ovs.sent("d1"), &head).then_some(())
    });
    assert!(
        contains(&ovs.sent("d1"), &[2, 1, 2, 0, 0, 0, 0, 2]),
        "the link-layer option"
    );
    assert!(
        !contains(&ovs.sent("d2"), &[0x86, 0xdd]),
        "nobody else is asked"
    );
    let stats = probe.engine.stats();
    assert_eq!(
        (stats.packet_ins, stats.packet_ins_dropped),
        (1, 0),
        "{stats:?}"
    );

    // Duplicate address detection of an address that another port has, and of the gateway's.
    ovs.receive("d1", &solicitation("::", "fd00::2"));
    ovs.receive("d1", &solicitation("::", "fd00::fe"));
    let to_all = |mac: u8| [0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, mac, 0x86, 0xdd];
    until("the answer to DAD", || {
        contains(&ovs.sent("d1"), &to_all(2)).then_some(())
    });
    until("the gateway's answer", || {
        contains(&ovs.sent("d1"), &to_all(0xfe)).then_some(())
    });
}

fn claim(event: &Event) -> Option<(String, IpAddr, [u8; 6])> {
    match event {
        Event::Claim { port_id, ip, mac } => Some((port_id.clone(), *ip, *mac)),
        _ => None,
    }
}

#[test]
fn of_a_virtual_address_that_goes_back_and_forth_every_move_is_reported() {
    let ovs = switch_with_ports();
    let mut probe = Probe::open(&ovs.mgmt());
    assert_eq!(probe.apply(PORTS).failures, []);
    let ip = [10, 0, 0, 50];
    // Faster than central may answer, and then as soon as it named a port of another chassis.
    for last in [1, 2, 1] {
        ovs.receive(&format!("d{last}"), &gratuitous_arp(last, ip));
        let expected = (format!("p10{last}"), ip.into(), [2, 0, 0, 0, 0, last]);
        assert_eq!(probe.wait("a claim", claim), expected);
    }
    let owners = ["port=101 chassis=1", "port=201 chassis=2 vtep=172.31.0.2"];
    for owner in owners {
        let owner = format!(
            "network/7/address/0a000032 mac=02:00:00:00:00:01 {owner}
             local/tunnel/1 ofport=10 ips=172.31.0.1"
        );
        assert_eq!(probe.apply(&owner).failures, []);
    }
    ovs.receive("d1", &gratuitous_arp(1, ip));
    assert_eq!(probe.wait("a claim", claim).0, "p101");
}

#[test]
fn on_a_provider_network_central_answers_the_chassis_of_the_port() {
    let ovs = switch_with_ports();
    let mut probe = Probe::open(&ovs.mgmt());
    let network = "network/7/config id=n7 physical=phys1 vlan=30
                   local/patch/phys1 ofport=50";
    assert_eq!(probe.apply(&format!("{PORTS}{network}")).failures, []);
    let (ip, key) = ([10, 0, 0, 50], "chassis/c1/address/7/0a000032");
    let taken = |last: u8| (format!("p10{last}"), ip.into(), [2, 0, 0, 0, 0, last]);
    ovs.receive("d1", &gratuitous_arp(1, ip));
    assert_eq!(probe.wait("a claim", claim), taken(1));
    let owner = format!("{key} mac=02:00:00:00:00:01 port=101 chassis=1");
    assert_eq!(probe.apply(&owner).failures, []);
    ovs.receive("d1", &gratuitous_arp(1, ip));
    until("both packet-ins", || {
        (probe.engine.stats().packet_ins == 2).then_some(())
    });
    assert_eq!(probe.pending(claim), None, "central has named it");
    ovs.receive("d2", &gratuitous_arp(2, ip));
    assert_eq!(probe.wait("another port's claim", claim), taken(2));
    // Ports of another chassis took it, the second time before it was named as anybody's here: that its
    // row goes is all that is heard of that, and the next claim is news.
    for _ in 0..2 {
        assert_eq!(probe.delete(&[key]).failures, []);
        ovs.receive("d1", &gratuitous_arp(1, ip));
        assert_eq!(probe.wait("a claim again", claim), taken(1));
    }
}

#[test]
fn a_claim_is_reported_once_and_not_when_it_holds() {
    let ovs = switch_with_ports();
    let mut probe = Probe::open(&ovs.mgmt());
    assert_eq!(probe.apply(PORTS).failures, []);
    for _ in 0..3 {
        ovs.receive("d1", &gratuitous_arp(1, [10, 0, 0, 50]));
    }
    let expected = ("p101".to_owned(), [10, 0, 0, 50].into(), [2, 0, 0, 0, 0, 1]);
    assert_eq!(probe.wait("a claim", claim), expected);
    until("all packet-ins", || {
        (probe.engine.stats().packet_ins == 3).then_some(())
    });

    // An address that central already names as this port's is nothing to report.
    let owner = "network/7/address/0a00003c mac=02:00:00:00:00:01 port=101 chassis=1";
    assert_eq!(probe.apply(owner).failures, []);
    ovs.receive("d1", &gratuitous_arp(1, [10, 0, 0, 60]));
    until("the packet-in", || {
        (probe.engine.stats().packet_ins == 4).then_some(())
    });
    assert_eq!(probe.pending(claim), None);
    // What is not the port's does not even come.
    ovs.receive("d1", &gratuitous_arp(1, [10, 0, 0, 51]));
    probe.apply("");
    assert_eq!(probe.engine.stats().packet_ins, 4);
}
