//! Several next hops through a real switch: who gets which connection, who keeps it, and what it costs the datapath.
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

use packets::{Ends, echo, frames, ip};
use std::collections::BTreeMap;
use std::time::Instant;
use support::{Ovs, Probe, until};
use wire::{burst, datapath_flows, datapath_packets, exchange, upcalls};

/// One guest in network 7, three next hops in network 8.
const WORLD: &str = "
    chassis/c1/config key=1
    network/7/config id=n7 encap=geneve
    network/8/config id=n8 encap=geneve
    chassis/c1/port/101 id=p101 network=7 mac=02:00:00:00:00:01 ips=10.0.0.1,fd00::1
    chassis/c1/port/102 id=p102 network=8 mac=02:00:00:00:00:02 ips=10.1.0.2,fd01::2
    chassis/c1/port/103 id=p103 network=8 mac=02:00:00:00:00:03 ips=10.1.0.3,fd01::3
    chassis/c1/port/104 id=p104 network=8 mac=02:00:00:00:00:04 ips=10.1.0.4,fd01::4
    local/vif/p101 ofport=21
    local/vif/p102 ofport=22
    local/vif/p103 ofport=23
    local/vif/p104 ofport=24
    router/5/config id=r5
    router/5/interface/7 key=51 mac=02:00:00:00:07:fe ips=10.0.0.254/24,fd00::fe/64
    router/5/interface/8 key=52 mac=02:00:00:00:08:fe ips=10.1.0.254/24,fd01::fe/64
    router/5/route/1 to=10.9.0.0/16 via=10.1.0.2@8,10.1.0.3@8,10.1.0.4@8
    router/5/route/2 to=fd09::/16 via=fd01::2@8,fd01::3@8,fd01::4@8
";
const HOPS: [&str; 3] = ["d2", "d3", "d4"];
/// Frames in one burst.
const AT_ONCE: usize = 50;

fn world() -> (Ovs, Probe) {
    let ovs = Ovs::start();
    for (name, ofport) in [("d1", 21), ("d2", 22), ("d3", 23), ("d4", 24)] {
        ovs.add_dummy(name, ofport);
    }
    let mut probe = Probe::open(&ovs.mgmt());
    assert_eq!(probe.apply(WORLD).failures, []);
    (ovs, probe)
}

/// From the guest by its router.
fn ends(target: &str) -> Ends {
    let target: std::net::IpAddr = target.parse().expect("an address");
    let guest = if target.is_ipv4() {
        "10.0.0.1"
    } else {
        "fd00::1"
    };
    Ends {
        from: ([2, 0, 0, 0, 0, 1], guest.parse().expect("an address")),
        to: ([2, 0, 0, 0, 7, 0xfe], target),
    }
}

/// The first packet of a TCP connection from this port.
fn syn(ends: &Ends, port: u16) -> Vec<u8> {
    let mut header = port.to_be_bytes().to_vec();
    header.extend([
        0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0,
    ]);
    ip(ends, 64, 6, &header)
}

/// Which next hop each connection takes, by its port.
fn choices(ovs: &Ovs, target: &str, count: u16) -> BTreeMap<u16, usize> {
    let ends = ends(target);
    let at = if ends.to.1.is_ipv4() { 34 } else { 54 };
    let mut chosen = BTreeMap::new();
    let ports: Vec<u16> = (1000..1000 + count).collect();
    for ports in ports.chunks(AT_ONCE) {
        let before = HOPS.map(|hop| frames(&ovs.sent(hop)).len());
        let sent: Vec<_> = ports.iter().map(|&port| syn(&ends, port)).collect();
        burst(ovs, "d1", &sent);
        let arrived = until("all packets", || {
            let fresh = |hop: usize| frames(&ovs.sent(HOPS[hop])).split_off(before[hop]);
            let arrived: Vec<_> = (0..3)
                .flat_map(|hop| fresh(hop).into_iter().map(move |frame| (hop, frame)))
                .collect();
            (arrived.len() == ports.len()).then_some(arrived)
        });
        for (hop, frame) in arrived {
            chosen.insert(u16::from_be_bytes([frame[at], frame[at + 1]]), hop);
        }
    }
    chosen
}

#[test]
fn a_connection_keeps_its_next_hop_and_a_lost_one_moves_only_its_own() {
    let (ovs, mut probe) = world();
    for target in ["10.9.0.9", "fd09::9"] {
        ovs.appctl(&["dpctl/del-flows"]);
        let first = choices(&ovs, target, 500);
        for hop in 0..3 {
            let share = first.values().filter(|chosen| **chosen == hop).count();
            assert!((80..300).contains(&share), "{target}: {hop} has {share}");
        }
        // One recirculation, and behind it at most a flow for each bucket.
        let flows = datapath_flows(&ovs, &[]);
        let (behind, before): (Vec<_>, Vec<_>) =
            flows.iter().partition(|flow| flow.contains("dp_hash(0x"));
        assert!(behind.len() <= 256, "{} flows", behind.len());
        assert!(before.len() < 20, "{before:?}");
        assert!(!behind.iter().any(|flow| flow.contains("recirc(")));

        assert_eq!(choices(&ovs, target, 500), first, "again");
        probe.delete(&["local/vif/p103"]);
        ovs.settle();
        let without = choices(&ovs, target, 500);
        for (port, hop) in &without {
            let stays = first[port] == *hop;
            assert!(
                *hop != 1 && (stays || first[port] == 1),
                "port {port} moved"
            );
        }
        assert_eq!(probe.apply("local/vif/p103 ofport=23").failures, []);
        ovs.settle();
        assert_eq!(choices(&ovs, target, 500), first, "back");
    }
}

#[test]
fn fragments_of_one_packet_take_one_way() {
    let (ovs, _probe) = world();
    let all = || HOPS.map(|hop| frames(&ovs.sent(hop)).len());
    let mut used = [0; 3];
    for host in 1..40 {
        let ends = ends(&format!("10.9.0.{host}"));
        let before = all();
        // The first fragment, and one of 8 bytes further.
        for flags in [[0x20, 0], [0, 1]] {
            let mut frame = ip(&ends, 64, 17, &[7; 8]);
            frame[20..22].copy_from_slice(&flags);
            packets::sum_header(&mut frame);
            ovs.receive("d1", &frame);
        }
        let after = until("two fragments", || {
            Some(all()).filter(|now| now.iter().sum::<usize>() == before.iter().sum::<usize>() + 2)
        });
        let both = (0..3).find(|&hop| after[hop] == before[hop] + 2);
        used[both.expect("one way")] += 1;
    }
    assert!(used.iter().all(|count| *count > 0), "{used:?}");
}

#[test]
fn echo_of_two_hosts_takes_one_way() {
    let (ovs, _probe) = world();
    let all = || HOPS.map(|hop| frames(&ovs.sent(hop)).len());
    for target in ["10.9.0.9", "fd09::9"] {
        let before = all();
        // Of other lengths, as for path MTU discovery.
        let asked: Vec<_> = (0..40).map(|n| echo(&ends(target), 64, n)).collect();
        burst(&ovs, "d1", &asked);
        let used = until("all of it", || {
            let after = all();
            let arrived = [0, 1, 2].map(|hop| after[hop] - before[hop]);
            (arrived.iter().sum::<usize>() == asked.len()).then_some(arrived)
        });
        assert!(used.contains(&asked.len()), "{target}: {used:?}");
    }
}

/// Two more routers on network 8, between which router 5 chooses, and network 9 behind both.
const BEHIND: &str = "
    network/9/config id=n9 encap=geneve
    router/5/route/3 to=10.8.0.0/16 via=10.1.0.6@8,10.1.0.7@8
    router/5/route/4 to=fd08::/16 via=fd01::6@8,fd01::7@8
    router/6/interface/8 key=61 mac=02:00:00:00:08:06 ips=10.1.0.6/24,fd01::6/64
    router/6/interface/9 key=62 mac=02:00:00:00:09:06 ips=10.8.0.6/24,fd08::6/64
    router/6/route/5 to=10.0.0.0/24 via=10.1.0.254@8
    router/6/route/6 to=fd00::/64 via=fd01::fe@8
    router/7/interface/8 key=71 mac=02:00:00:00:08:07 ips=10.1.0.7/24,fd01::7/64
    router/7/interface/9 key=72 mac=02:00:00:00:09:07 ips=10.8.0.7/24,fd08::7/64
    router/7/route/7 to=10.0.0.0/24 via=10.1.0.254@8
    router/7/route/8 to=fd00::/64 via=fd01::fe@8
";

#[test]
fn echo_of_a_router_behind_a_choice_is_answered_and_limited() {
    for target in ["10.8.0.6", "fd08::7"] {
        let (ovs, mut probe) = world();
        assert_eq!(probe.apply(BEHIND).failures, []);
        let asks = echo(&ends(target), 64, 8);
        let said = exchange(&ovs, ("d1", "d1"), &asks);
        assert_eq!(said.from, ends(target).to.1);
        let (begin, before) = (Instant::now(), upcalls(&ovs));
        until("600 packets at the meter", || {
            burst(&ovs, "d1", &vec![asks.clone(); 60]);
            (datapath_packets(&ovs, &["meter("]) >= 600).then_some(())
        });
        let cost = u128::from(upcalls(&ovs) - before);
        // The meter lets 100 through at once, and 100 in a second.
        let most = 120 + begin.elapsed().as_millis() / 10;
        println!("{target}: {cost} upcalls of {most}");
        assert!(cost < most, "{cost} upcalls of {most}");
    }
}

#[test]
fn a_routed_connection_costs_the_datapath_no_flow_of_its_own() {
    let (ovs, _probe) = world();
    assert_eq!(choices(&ovs, "10.1.0.2", 1000).len(), 1000);
    let flows = datapath_flows(&ovs, &[]);
    assert!(flows.len() < 20, "{flows:?}");
    assert!(
        !flows.iter().any(|flow| flow.contains("recirc(")),
        "{flows:?}"
    );
}
