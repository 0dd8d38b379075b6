//! Neighbour solicitations through a real switch: whom flows answer, and what a flood of them costs ovs-vswitchd.
//! Needs ovs-vswitchd; no privileges.
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

use packets::{Ends, Icmp, Mac, echo, frames, read_icmp, solicit};
use std::net::Ipv6Addr;
use std::time::Instant;
use support::{Ovs, Probe, until};
use wire::{burst, datapath_flows, datapath_packets, exchange, since, upcalls};

/// Two plugged ports of one network, one elsewhere, and a router.
const WORLD: &str = "
    chassis/c1/config key=1
    local/tunnel/1 ofport=10 ips=172.31.0.1
    network/7/config id=n7 encap=geneve
    chassis/c1/port/101 id=p101 network=7 mac=02:00:00:00:00:01 ips=10.0.0.1,fd00::1
    chassis/c1/port/102 id=p102 network=7 mac=02:00:00:00:00:02 ips=10.0.0.2,fd00::2
    local/vif/p101 ofport=21
    local/vif/p102 ofport=22
    network/7/location/201 mac=02:00:00:00:01:01 ips=fd00::101 chassis=2 vtep=172.31.0.2
    router/5/config id=r5
    router/5/interface/7 key=51 mac=02:00:00:00:07:fe ips=10.0.0.254/24,fd00::fe/64
";
const GUEST: (Mac, Ipv6Addr) = ([2, 0, 0, 0, 0, 1], address(1));
const PEER: (Mac, Ipv6Addr) = ([2, 0, 0, 0, 0, 2], address(2));
const REMOTE: (Mac, Ipv6Addr) = ([2, 0, 0, 0, 1, 1], address(0x101));
const ROUTER: (Mac, Ipv6Addr) = ([2, 0, 0, 0, 7, 0xfe], address(0xfe));
/// Of the router's MAC.
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0x07fe);

const fn address(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last)
}

fn world() -> (Ovs, Probe) {
    let ovs = Ovs::start();
    for (name, ofport) in [("d1", 21), ("d2", 22)] {
        ovs.add_dummy(name, ofport);
    }
    let mut probe = Probe::open(&ovs.mgmt());
    assert_eq!(probe.apply(WORLD).failures, []);
    (ovs, probe)
}

/// The advertisement that answers the guest: RFC 4861 4.4, and 7.2.4 for what it says.
fn expect_answer(said: &Icmp, owner: (Mac, Ipv6Addr), asks: (Mac, Ipv6Addr), is_router: bool) {
    let flags: u32 = if is_router { 0xe000_0000 } else { 0x6000_0000 };
    assert_eq!((said.kind, said.code, said.rest), (136, 0, flags));
    assert_eq!(said.eth, (asks.0, owner.0));
    assert_eq!((said.from, said.to), (owner.1.into(), asks.1.into()));
    assert_eq!(said.ttl, 255);
    let body = [&owner.1.octets()[..], &[2, 1], &owner.0].concat();
    assert_eq!(said.body, body);
}

#[test]
fn every_known_address_is_answered_for_by_flows_and_nobody_else_is_asked() {
    let (ovs, probe) = world();
    let router_local = (ROUTER.0, LINK_LOCAL);
    for owner in [PEER, REMOTE, ROUTER, router_local] {
        let asks = solicit(GUEST, owner.1, true);
        let said = exchange(&ovs, ("d1", "d1"), &asks);
        let is_router = owner.0 == ROUTER.0;
        expect_answer(&said, owner, GUEST, is_router);
    }
    assert_eq!(frames(&ovs.sent("d2")), [[0; 0]; 0]);
    assert_eq!(probe.engine.stats().packet_ins, 0);
    // Without an option the engine answers, to the same effect.
    for owner in [PEER, ROUTER] {
        let said = exchange(&ovs, ("d1", "d1"), &solicit(GUEST, owner.1, false));
        expect_answer(&said, owner, GUEST, owner.0 == ROUTER.0);
    }
    assert_eq!(probe.engine.stats().packet_ins, 2);
}

/// What came since `begin`: the meter of a port lets 100 through at once, and 100 in a second.
fn most(begin: Instant) -> u64 {
    110 + u64::try_from(begin.elapsed().as_millis()).expect("short") / 10
}

const FROM_GUEST: &str = "src=02:00:00:00:00:01";

/// Floods from the guest until the datapath counted 600 packets at its meter.
fn flood(ovs: &Ovs, mut next: impl FnMut() -> Vec<u8>) {
    until("600 solicitations at the meter", || {
        let asks: Vec<_> = (0..60).map(|_| next()).collect();
        burst(ovs, "d1", &asks);
        let at_meter = datapath_packets(ovs, &[FROM_GUEST, "meter(", "ct(zone", "recirc("]);
        (at_meter >= 600).then_some(())
    });
}

/// The other port is answered, and the guest's other packets pass, whatever its solicitations do.
fn expect_others_served(ovs: &Ovs) {
    let before = frames(&ovs.sent("d2")).len();
    ovs.receive("d2", &solicit(PEER, ROUTER.1, true));
    let said = until("the other port's answer", || {
        let frames = since(ovs, "d2", before);
        let mut said = frames.iter().filter_map(|frame| read_icmp(frame));
        said.find(|said| said.kind == 136)
    });
    expect_answer(&said, ROUTER, PEER, true);
    let before = frames(&ovs.sent("d2")).len();
    let ends = Ends {
        from: (GUEST.0, GUEST.1.into()),
        to: (PEER.0, PEER.1.into()),
    };
    burst(ovs, "d1", &vec![echo(&ends, 64, 8); 30]);
    let is_echo = |frame: &Vec<u8>| read_icmp(frame).is_some_and(|said| said.kind == 128);
    until("what the guest sent to its peer", || {
        let after = since(ovs, "d2", before);
        (after.iter().filter(|frame| is_echo(frame)).count() == 30).then_some(())
    });
}

#[test]
fn a_flood_for_known_addresses_is_cut_before_it_costs_anything() {
    for (target, option) in [
        (PEER.1, true),
        (ROUTER.1, true),
        (LINK_LOCAL, true),
        // The engine's to answer.
        (PEER.1, false),
    ] {
        let (ovs, probe) = world();
        let asks = solicit(GUEST, target, option);
        exchange(&ovs, ("d1", "d1"), &asks);
        let (begin, before) = (Instant::now(), upcalls(&ovs));
        flood(&ovs, || asks.clone());
        expect_others_served(&ovs);
        let cost = upcalls(&ovs) - before;
        let answers = until("answers", || {
            let answers = frames(&ovs.sent("d1")).len();
            (answers >= 60).then(|| u64::try_from(answers).expect("few"))
        });
        let most = most(begin);
        println!("{target}, option {option}: {answers} answers, {cost} upcalls of {most}");
        assert!(answers <= most, "{answers} answers of {most}");
        // Beside the answers: the first packets of what the others send.
        assert!(cost < most + 20, "{cost} upcalls of {most}");
        assert!(probe.engine.stats().packet_ins <= most);
        // The meter is in a pass of its own, where nothing needs ovs-vswitchd.
        let first = datapath_packets(&ovs, &["recirc_id(0)", FROM_GUEST, "slow_path"]);
        assert_eq!(first, 0, "{}", ovs.appctl(&["dpctl/dump-flows"]));
    }
}

#[test]
fn a_scan_of_all_targets_is_cut_as_well() {
    let (ovs, _probe) = world();
    exchange(&ovs, ("d1", "d1"), &solicit(GUEST, PEER.1, true));
    let (begin, before) = (Instant::now(), upcalls(&ovs));
    let mut last = 0x1000;
    flood(&ovs, || {
        last += 1;
        solicit(GUEST, address(last), true)
    });
    expect_others_served(&ovs);
    let (cost, most) = (upcalls(&ovs) - before, most(begin));
    println!("{} targets: {cost} upcalls of {most}", last - 0x1000);
    assert!(cost < most + 20, "{cost} upcalls of {most}");
    let flows = datapath_flows(&ovs, &["recirc_id(0)", FROM_GUEST, "meter("]);
    assert!(flows.len() < 4, "{flows:#?}");
}
