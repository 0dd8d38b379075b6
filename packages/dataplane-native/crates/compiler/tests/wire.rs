//! What our flows make of whole packets in a real Open vSwitch: answers and routed packets, byte by
//! byte. Runs its own ovsdb-server and ovs-vswitchd with dummy ports.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod common;
#[path = "common/ovs.rs"]
mod ovs;

use common::world::WORLD;
use ovs::{Ovs, checksum, frame, sent};
use weft_compiler::Compiler;

#[test]
fn answers_are_right_on_the_wire() {
    let ovs = Ovs::start("wire");
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    ovs.install(&compiler);
    let receive = |ofport: u32, packet: &[u8]| ovs.receive(ofport, packet);
    let (own, peer) = (
        common::mac("02:00:00:00:00:01"),
        common::mac("02:00:00:00:00:03"),
    );
    let (ip, target) = (common::ip("10.0.0.2"), common::ip("10.0.0.4"));

    let head = [8, 6, 0, 1, 8, 0, 6, 4, 0];
    receive(
        1,
        &frame(&[&[0xff; 6], &own, &head, &[1], &own, &ip, &[0; 6], &target]),
    );
    let answer = frame(&[&own, &peer, &head, &[2], &peer, &target, &own, &ip]);
    let answers = sent(&ovs, 1);
    assert_eq!(answers[0][..42], answer);

    let (ip, target) = (common::ip("fd00::2"), common::ip("fd00::4"));
    let group = common::ip("ff02::1:ff00:4");
    let ipv6 = [0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255];
    let mut asks = frame(&[&[0x33, 0x33, 0xff, 0, 0, 4], &own, &ipv6, &ip, &group]);
    asks.extend(frame(&[
        &[135, 0, 0, 0, 0, 0, 0, 0],
        &target,
        &[1, 1],
        &own,
    ]));
    let sum = checksum(&asks).to_be_bytes();
    asks[56..58].copy_from_slice(&sum);
    std::fs::remove_file(ovs.path("d1.pcap")).expect("the frames so far");
    let port = ["set", "interface", "d1"];
    let fresh = format!("options:tx_pcap={}", ovs.path("d1.pcap"));
    ovs.vsctl(&[port.as_slice(), &["options:tx_pcap=/dev/null"]].concat());
    ovs.vsctl(&[port.as_slice(), &[fresh.as_str()]].concat());
    receive(1, &asks);
    let answers = sent(&ovs, 1);
    let says = &answers[0];
    assert_eq!(checksum(says), 0, "the checksum adds up");
    let expected = frame(&[&own, &peer, &ipv6, &target, &ip]);
    assert_eq!(says[..54], expected);
    assert_eq!(says[54], 136);
    assert_eq!(
        says[58..86],
        frame(&[&[0x60, 0, 0, 0], &target, &[2, 1], &peer])
    );
}

/// The checksum of the Internet over bytes: 0 when the one inside is right.
fn internet_checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([pair[0], low]))
    });
    let mut sum = words.sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

/// An IPv4 packet of port 11 to its router.
fn ipv4(to: &str, ttl: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).expect("short");
    let mut head = vec![0x45, 0];
    head.extend(length.to_be_bytes());
    head.extend([0, 0, 0x40, 0, ttl, protocol, 0, 0]);
    head.extend(common::ip("10.11.0.2"));
    head.extend(common::ip(to));
    let sum = internet_checksum(&head).to_be_bytes();
    head[10..12].copy_from_slice(&sum);
    let ethernet = [
        common::mac("02:ff:00:00:00:11"),
        common::mac("02:00:00:00:00:11"),
        vec![8, 0],
    ];
    frame(&[&ethernet.concat(), &head, payload])
}

fn udp(to_port: u16) -> Vec<u8> {
    let mut payload = vec![0x10, 0xe1];
    payload.extend(to_port.to_be_bytes());
    payload.extend([0, 12, 0, 0, 1, 2, 3, 4]);
    payload
}

fn echo(identifier: u8) -> Vec<u8> {
    let mut payload = vec![8, 0, 0, 0, 0, identifier, 0, 1, 9, 9, 9, 9];
    let sum = internet_checksum(&payload).to_be_bytes();
    payload[2..4].copy_from_slice(&sum);
    payload
}

#[test]
fn routers_are_right_on_the_wire() {
    let ovs = Ovs::start("route");
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    ovs.install(&compiler);
    let receive = |packet: &[u8]| ovs.receive(8, packet);
    let out_of = |ofport: u32, wanted: &dyn Fn(&[u8]) -> bool| loop {
        // Fails by itself when nothing comes.
        let frames = sent(&ovs, ofport);
        if frames.iter().any(|frame| wanted(frame)) {
            return frames;
        }
    };

    // Through two routers: MACs, TTL and checksum.
    receive(&ipv4("10.12.0.2", 64, 17, &udp(7)));
    let frames = out_of(9, &|frame| frame[12..14] == [8, 0]);
    let frame = &frames[0];
    let macs = [
        common::mac("02:00:00:00:00:21"),
        common::mac("02:ff:00:00:00:12"),
    ];
    assert_eq!(frame[..12], macs.concat());
    assert_eq!((frame[22], internet_checksum(&frame[14..34])), (62, 0));

    // The gateway answers, with the whole TTL.
    receive(&ipv4("10.11.0.1", 1, 1, &echo(1)));
    let frames = out_of(8, &|frame| frame[34] == 0);
    let reply = frames.iter().find(|frame| frame[34] == 0).expect("one");
    let macs = [
        common::mac("02:00:00:00:00:11"),
        common::mac("02:ff:00:00:00:11"),
    ];
    assert_eq!(reply[..12], macs.concat());
    let addresses = [common::ip("10.11.0.1"), common::ip("10.11.0.2")];
    assert_eq!(reply[26..34], addresses.concat());
    assert_eq!((reply[22], internet_checksum(&reply[14..34])), (255, 0));
    assert_eq!(internet_checksum(&reply[34..46]), 0);

    // So over IPv6, from the link-local address as well.
    for to in ["fd11::1", "fe80::ff:ff:fe00:11"] {
        let (own, to) = (common::ip("fd11::2"), common::ip(to));
        let head = [0x86, 0xdd, 0x60, 0, 0, 0, 0, 12, 58, 1];
        let mut asks = [
            common::mac("02:ff:00:00:00:11"),
            common::mac("02:00:00:00:00:11"),
            head.to_vec(),
            own.clone(),
            to.clone(),
            vec![128, 0, 0, 0, 0, 5, 0, 1, 9, 9, 9, 9],
        ]
        .concat();
        let sum = checksum(&asks).to_be_bytes();
        asks[56..58].copy_from_slice(&sum);
        receive(&asks);
        let answer = |frame: &[u8]| frame[12..14] == [0x86, 0xdd] && frame[22..38] == to;
        let frames = out_of(8, &answer);
        let reply = frames.iter().find(|frame| answer(frame)).expect("one");
        assert_eq!(
            (reply[21], reply[54], checksum(&reply[..66])),
            (255, 129, 0)
        );
        assert_eq!(reply[38..54], own);
        assert_eq!(reply[..12], macs.concat());
    }

    // One of two next hops is the port itself: a part of the connections, and always the same.
    let mut rounds = Vec::new();
    for round in 0..2u8 {
        for port in 1..=64 {
            receive(&ipv4("10.77.0.9", 64, 17, &udp(port)));
        }
        let last = 10 + round;
        receive(&ipv4("10.11.0.1", 64, 1, &echo(last)));
        rounds.push(out_of(8, &|frame| frame[34] == 0 && frame[39] == last));
    }
    let ports = |frames: &[Vec<u8>]| {
        let back = frames
            .iter()
            .filter(|frame| frame[23] == 17 && frame[30..34] == [10, 77, 0, 9]);
        let mut ports: Vec<u8> = back.map(|frame| frame[37]).collect();
        ports.sort_unstable();
        ports
    };
    let (first, both) = (ports(&rounds[0]), ports(&rounds[1]));
    assert!((8..=56).contains(&first.len()), "{} of 64", first.len());
    let twice: Vec<u8> = first.iter().flat_map(|port| [*port; 2]).collect();
    assert_eq!(both, twice);
}
