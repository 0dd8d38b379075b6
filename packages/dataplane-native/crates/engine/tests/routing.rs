//! Routers through a real switch: packets enter and leave by dummy ports, errors and questions are the engine's.
//! Every packet is judged by its bytes. Needs ovs-vswitchd; no privileges.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/packets.rs"]
mod packets;
mod support;
#[path = "support/wire.rs"]
mod wire;

use packets::{Ends, Mac, advertise, echo, frames};
use std::net::IpAddr;
use std::time::Instant;
use support::instructions;
use support::{Ovs, Probe, hex, until};
use weft_engine::Event;
use wire::{burst, datapath_packets, exchange, since};

/// Three plugged ports in two networks; the third may have any address. Router 5 joins both networks, the second with
/// the smallest MTU of IPv6. Router 6 is behind a link, and sends all that it gets back to router 5.
const WORLD: &str = "
    chassis/c1/config key=1
    network/7/config id=n7 encap=geneve
    network/8/config id=n8 encap=geneve unknown=on
    chassis/c1/port/101 id=p101 network=7 mac=02:00:00:00:00:01 ips=10.0.0.1,fd00::1
    chassis/c1/port/102 id=p102 network=8 mac=02:00:00:00:00:02 ips=10.1.0.2,fd01::2
    chassis/c1/port/103 id=p103 network=8 mac=02:00:00:00:00:03 ips=10.1.0.3,fd01::3 security=off
    local/vif/p101 ofport=21
    local/vif/p102 ofport=22
    local/vif/p103 ofport=23
    router/5/config id=r5
    router/5/interface/7 key=51 mac=02:00:00:00:07:fe ips=10.0.0.254/24,fd00::fe/64
    router/5/interface/8 key=52 mac=02:00:00:00:08:fe ips=10.1.0.254/24,fd01::fe/64 mtu=1280
    router/5/interface/9 key=9 mac=0a:00:5d:00:00:09 ips=192.0.2.1/30,fd99::1/64 link=on
    router/5/route/1 to=10.9.0.0/16 via=192.0.2.2@9
    router/5/route/2 to=fd09::/16 via=fd99::2@9
    router/6/config id=r6
    router/6/interface/9 key=9 mac=0a:00:5c:00:00:09 ips=192.0.2.2/30,fd99::2/64 link=on
    router/6/route/3 to=0.0.0.0/0 via=192.0.2.1@9
    router/6/route/4 to=::/0 via=fd99::1@9
";
const GUEST: Mac = [2, 0, 0, 0, 0, 1];
const PEER: Mac = [2, 0, 0, 0, 0, 2];
const OPEN: Mac = [2, 0, 0, 0, 0, 3];
/// Of router 5 on network 7 and on network 8.
const NEAR: Mac = [2, 0, 0, 0, 7, 0xfe];
const FAR: Mac = [2, 0, 0, 0, 8, 0xfe];
/// Of network 8.
const FAR_MTU: u32 = 1280;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn world() -> (Ovs, Probe) {
    let ovs = Ovs::start();
    for (name, ofport) in [("d1", 21), ("d2", 22), ("d3", 23)] {
        ovs.add_dummy(name, ofport);
    }
    let mut probe = Probe::open(&ovs.mgmt());
    assert_eq!(probe.apply(WORLD).failures, []);
    (ovs, probe)
}

/// What {IPv4, IPv6} names the same thing.
type Both = (&'static str, &'static str);

const GUEST_IP: Both = ("10.0.0.1", "fd00::1");
const PEER_IP: Both = ("10.1.0.2", "fd01::2");
const NEAR_IP: Both = ("10.0.0.254", "fd00::fe");
/// Of router 6.
const BEHIND: Both = ("192.0.2.2", "fd99::2");

fn of(both: Both, v6: bool) -> IpAddr {
    ip(if v6 { both.1 } else { both.0 })
}

/// From the guest by its router.
fn to(target: Both, v6: bool) -> Ends {
    Ends {
        from: (GUEST, of(GUEST_IP, v6)),
        to: (NEAR, of(target, v6)),
    }
}

#[test]
fn a_gateway_answers_echo() {
    let (ovs, _probe) = world();
    for v6 in [false, true] {
        for (target, ttl) in [
            (NEAR_IP, 64),
            (NEAR_IP, 1),
            (("10.1.0.254", "fd01::fe"), 64),
        ] {
            let ends = to(target, v6);
            let said = exchange(&ovs, ("d1", "d1"), &echo(&ends, ttl, 40));
            let kind = if v6 { 129 } else { 0 };
            assert_eq!((said.kind, said.code, said.rest), (kind, 0, 0x1234_0001));
            assert_eq!((said.from, said.to), (ends.to.1, ends.from.1));
            assert_eq!((said.eth, said.body.len()), ((GUEST, NEAR), 40));
            assert_eq!(said.ttl, 255);
        }
    }
}

#[test]
fn packets_are_routed_with_new_macs_and_one_ttl_less() {
    let (ovs, _probe) = world();
    for v6 in [false, true] {
        let ends = to(PEER_IP, v6);
        let said = exchange(&ovs, ("d1", "d2"), &echo(&ends, 64, 40));
        assert_eq!((said.eth, said.ttl), ((PEER, FAR), 63));
        assert_eq!((said.from, said.to), (ends.from.1, ends.to.1));
    }
}

/// What an error says: {type, code, the four bytes behind}, for IPv4 and for IPv6.
type Kinds = ((u8, u8, u32), (u8, u8, u32));

fn expect_error(ovs: &Ovs, frame: &[u8], ends: &Ends, kinds: Kinds, from: Both) {
    let v6 = ends.from.1.is_ipv6();
    let said = exchange(ovs, ("d1", "d1"), frame);
    let kind = if v6 { kinds.1 } else { kinds.0 };
    assert_eq!((said.kind, said.code, said.rest), kind, "{said:?}");
    assert_eq!((said.from, said.to), (of(from, v6), ends.from.1));
    assert_eq!(said.eth, (GUEST, NEAR));
    // A router takes nothing from the TTL of what it makes itself.
    let passed = u8::from(from == BEHIND);
    assert_eq!(said.ttl, 255 - passed, "{said:?}");
    let packet = &frame[14..];
    let longest = if v6 { 1232 } else { 548 };
    let quoted = packet.len().min(longest);
    if from == NEAR_IP {
        assert_eq!(said.body, packet[..quoted], "the packet as it came");
    } else {
        assert_eq!(without_ttl(&said.body), without_ttl(&packet[..quoted]));
    }
}

const UNREACHABLE: Kinds = ((3, 1, 0), (1, 3, 0));

/// Routers before took from the TTL.
fn without_ttl(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let changing: &[usize] = if packet[0] >> 4 == 4 {
        &[8, 10, 11]
    } else {
        &[7]
    };
    for &at in changing {
        packet[at] = 0;
    }
    packet
}

#[test]
fn a_router_says_why_a_packet_goes_no_further() {
    let (ovs, _probe) = world();
    let ttl = ((11, 0, 0), (3, 0, 0));
    let no_route = ((3, 0, 0), (1, 0, 0));
    for v6 in [false, true] {
        let ends = to(PEER_IP, v6);
        for left in [1, 0] {
            expect_error(&ovs, &echo(&ends, left, 40), &ends, ttl, NEAR_IP);
        }
        let nowhere = to(("203.0.113.9", "2001:db8::9"), v6);
        expect_error(&ovs, &echo(&nowhere, 64, 40), &nowhere, no_route, NEAR_IP);
    }
}

#[test]
fn what_is_too_long_for_the_next_network_is_said_with_its_mtu() {
    let (ovs, _probe) = world();
    let kinds = ((3, 4, FAR_MTU), (2, 0, FAR_MTU));
    for (v6, fits) in [(false, 1252), (true, 1232)] {
        let ends = to(PEER_IP, v6);
        let said = exchange(&ovs, ("d1", "d2"), &echo(&ends, 64, fits));
        assert_eq!(said.body.len(), fits);
        expect_error(&ovs, &echo(&ends, 64, fits + 1), &ends, kinds, NEAR_IP);
    }
}

#[test]
fn traceroute_sees_each_router_and_a_loop_ends() {
    let (ovs, _probe) = world();
    let kinds = ((11, 0, 0), (3, 0, 0));
    for v6 in [false, true] {
        // Router 6 sends it back to router 5, and so on.
        let ends = to(("10.9.0.1", "fd09::1"), v6);
        expect_error(&ovs, &echo(&ends, 1, 8), &ends, kinds, NEAR_IP);
        expect_error(&ovs, &echo(&ends, 2, 8), &ends, kinds, BEHIND);
        let five = ("192.0.2.1", "fd99::1");
        expect_error(&ovs, &echo(&ends, 3, 8), &ends, kinds, five);
        // The ninth router in one pass is router 5 again.
        expect_error(&ovs, &echo(&ends, 64, 8), &ends, kinds, five);
    }
}

#[test]
fn unknown_hosts_are_asked_for_where_they_may_be_and_their_answers_are_claims() {
    let (ovs, mut probe) = world();
    let secured = frames(&ovs.sent("d2")).len();
    // Who asks, and for whom, as they stand in a request.
    let arp = [&FAR[..], &[10, 1, 0, 254], &[0; 6], &[10, 1, 0, 77]].concat();
    let target = instructions::ip("fd01::77");
    let solicitation = [&[135, 0][..], &target, &[1, 1], &FAR].concat();
    for (v6, question) in [(false, arp), (true, solicitation)] {
        let before = frames(&ovs.sent("d3")).len();
        let ends = to(("10.1.0.77", "fd01::77"), v6);
        for _ in 0..5 {
            ovs.receive("d1", &echo(&ends, 64, 40));
        }
        let request = until("the question", || since(&ovs, "d3", before).pop());
        let asked = if v6 {
            [&request[54..56], &request[62..78], &request[78..86]].concat()
        } else {
            request[22..42].to_vec()
        };
        assert_eq!(hex(&asked), hex(&question));
        assert_eq!(request[6..12], FAR);
    }
    // Packets of a moment cause one question each, and nobody else hears them.
    until("all packet-ins", || {
        (probe.engine.stats().packet_ins >= 10).then_some(())
    });
    let stats = probe.engine.stats();
    assert_eq!(
        (stats.packet_outs, stats.packet_ins_dropped),
        (2, 0),
        "{stats:?}"
    );
    assert_eq!(frames(&ovs.sent("d2")).len(), secured);

    let mut reply = [FAR, OPEN].concat();
    reply.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
    reply.extend([&OPEN[..], &[10, 1, 0, 77], &FAR, &[10, 1, 0, 254]].concat());
    let advertisement = Ends {
        from: (OPEN, ip("fd01::77")),
        to: (FAR, ip("fd01::fe")),
    };
    let answers = [
        ("10.1.0.77", reply),
        ("fd01::77", advertise(&advertisement)),
    ];
    for (address, answer) in answers {
        ovs.receive("d3", &answer);
        let claimed = probe.wait("a claim", |event| match event {
            Event::Claim { port_id, ip, mac } => Some((port_id.clone(), *ip, *mac)),
            _ => None,
        });
        assert_eq!(claimed, ("p103".to_owned(), ip(address), OPEN));
    }

    // Central names the owner, and the address is reached.
    let owner = "network/8/address/0a01004d mac=02:00:00:00:00:03 port=103 chassis=1";
    assert_eq!(probe.apply(owner).failures, []);
    ovs.settle();
    let ends = to(("10.1.0.77", "fd01::77"), false);
    let said = exchange(&ovs, ("d1", "d3"), &echo(&ends, 64, 40));
    assert_eq!((said.eth, said.ttl), ((OPEN, FAR), 63));
}

#[test]
fn no_question_leaves_by_a_physical_network() {
    let (ovs, mut probe) = world();
    ovs.add_dummy("d4", 24);
    ovs.add_dummy("d5", 25);
    // Open ports are on other chassis only.
    let provider = "
        network/4/config id=n4 physical=outer unknown=on
        local/patch/outer ofport=24
        chassis/c1/port/104 id=p104 network=4 mac=02:00:00:00:00:04 ips=10.4.0.4,fd04::4
        local/vif/p104 ofport=25
        router/5/interface/4 key=54 mac=02:00:00:00:04:fe ips=10.4.0.254/24,fd04::fe/64
    ";
    assert_eq!(probe.apply(provider).failures, []);
    for v6 in [false, true] {
        let before = probe.engine.stats().packet_outs;
        ovs.receive("d1", &echo(&to(("10.4.0.77", "fd04::77"), v6), 64, 40));
        until("the question or an error", || {
            (probe.engine.stats().packet_outs > before).then_some(())
        });
        // Behind a barrier the switch has done with it.
        probe.apply("");
        for port in ["d4", "d5"] {
            assert_eq!(frames(&ovs.sent(port)), [[0; 0]; 0], "{port}, IPv6: {v6}");
        }
    }
}

#[test]
fn a_host_that_nobody_can_be_is_unreachable() {
    let (ovs, mut probe) = world();
    // Without the open port no one could have the address.
    probe.delete(&["chassis/c1/port/103", "local/vif/p103"]);
    assert_eq!(
        probe.apply("network/8/config id=n8 encap=geneve").failures,
        []
    );
    for v6 in [false, true] {
        let ends = to(("10.1.0.77", "fd01::77"), v6);
        expect_error(&ovs, &echo(&ends, 64, 40), &ends, UNREACHABLE, NEAR_IP);
    }
}

#[test]
fn a_port_draws_few_errors_however_many_packets_it_sends() {
    let (ovs, probe) = world();
    let ends = to(PEER_IP, false);
    for _ in 0..3 {
        burst(&ovs, "d1", &vec![echo(&ends, 1, 8); 60]);
    }
    // Another port has a limit of its own.
    let other = Ends {
        from: (PEER, ip("10.1.0.2")),
        to: (FAR, ip("10.0.0.1")),
    };
    let said = exchange(&ovs, ("d2", "d2"), &echo(&other, 1, 8));
    assert_eq!((said.kind, said.from), (11, ip("10.1.0.254")));
    // The meter of the port lets 20 through at once, and 10 in a second.
    let packet_ins = until("the packet-ins", || {
        Some(probe.engine.stats().packet_ins).filter(|count| *count > 20)
    });
    assert!(packet_ins < 60, "{packet_ins} packet-ins");
    let errors = frames(&ovs.sent("d1")).len();
    assert!((1..60).contains(&errors), "{errors} errors");
}

#[test]
fn echo_of_a_port_is_limited_before_it_costs_anything() {
    for (v6, gateway) in [
        (false, NEAR_IP),
        (true, NEAR_IP),
        // Behind the first router, and the answer that goes back by its port.
        (false, BEHIND),
        (true, (NEAR_IP.0, "fe80::ff:fe00:7fe")),
    ] {
        let (ovs, _probe) = world();
        let ends = to(gateway, v6);
        let ask = echo(&ends, 64, 8);
        // The datapath has its flow before the burst.
        exchange(&ovs, ("d1", "d1"), &ask);
        let begin = Instant::now();
        let asks = vec![ask; 60];
        let from = "src=02:00:00:00:00:01";
        until("500 packets at the meter", || {
            burst(&ovs, "d1", &asks);
            let metered = datapath_packets(&ovs, &[from, "meter(", "ct(zone", "recirc("]);
            (metered >= 500).then_some(())
        });
        // Other packets of the port pass, all of them.
        burst(&ovs, "d1", &vec![echo(&to(PEER_IP, v6), 64, 8); 30]);
        until("what the guest sent to its peer", || {
            (frames(&ovs.sent("d2")).len() == 30).then_some(())
        });
        // And another port is answered.
        let other = Ends {
            from: (PEER, of(PEER_IP, v6)),
            to: (FAR, of(("10.1.0.254", "fd01::fe"), v6)),
        };
        exchange(&ovs, ("d2", "d2"), &echo(&other, 64, 8));
        // The meter lets 100 through at once, and 100 in a second.
        let most = 110 + begin.elapsed().as_millis() / 10;
        let answers = frames(&ovs.sent("d1")).len();
        let fair = |count: u128| (60..=most).contains(&count);
        assert!(fair(answers as u128), "{answers} answers of {most}");
        // The meter is in a pass of its own, where nothing needs ovs-vswitchd.
        let first = datapath_packets(&ovs, &["recirc_id(0)", from, "slow_path"]);
        assert_eq!(first, 0, "{}", ovs.appctl(&["dpctl/dump-flows"]));
        let slow = datapath_packets(&ovs, &["slow_path"]);
        assert!(fair(slow.into()), "{slow} slow ones of {most}");
    }
}

#[test]
fn nobody_is_answered_about_an_error_and_no_packet_of_any_kind_does_harm() {
    let (ovs, probe) = world();
    let ends = to(PEER_IP, false);
    let unreachable = [3, 1, 0xfc, 0xfe, 0, 0, 0, 0];
    ovs.receive("d1", &packets::ip(&ends, 1, 1, &unreachable));
    until("the packet-in", || {
        (probe.engine.stats().packet_ins_dropped == 1).then_some(())
    });
    // Whatever a switch may hand over as a router's, whole or not.
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let whole = echo(&to(("10.1.0.77", "fd01::77"), true), 1, 40);
    for _ in 0..100 {
        let mut frame = whole[..random.usize(14..whole.len())].to_vec();
        for _ in 0..random.usize(..6) {
            let at = random.usize(..frame.len());
            frame[at] = random.u8(..);
        }
        let registers = [1, 2, 8, 11].map(|register| {
            let value = random.choice([0, 5, 6, 7, 8, 9, u32::MAX]).unwrap_or(0);
            format!("set_field:{value}->reg{register}")
        });
        let spec = format!(
            "in_port=CONTROLLER packet={} actions={},controller(userdata=03.0{})",
            hex(&frame),
            registers.join(","),
            random.u8(..8)
        );
        ovs.ofctl("packet-out", &[&spec]);
    }
    until("all packet-ins", || {
        (probe.engine.stats().packet_ins >= 101).then_some(())
    });
    let kinds = ((11, 0, 0), (3, 0, 0));
    expect_error(&ovs, &echo(&ends, 1, 40), &ends, kinds, NEAR_IP);
    assert!(probe.engine.stats().connected);
}
