//! The rules of routing through a real switch: what is routed and what is not, by which route, and what nobody is told.
//! Every packet is judged by its bytes. Needs ovs-vswitchd; no privileges.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/packets.rs"]
mod packets;
#[path = "support/routed.rs"]
mod routed;
mod support;
#[path = "support/wire.rs"]
mod wire;

use packets::{Ends, echo, frames};
use routed::{
    FAR, GUEST, GUEST_IP, MATE, MATE_IP, NEAR, NEAR_IP, OPEN, OPEN_IP, PEER, PEER_IP, PORTS, by,
    counts, ip, of, world_with,
};
use support::{Ovs, Probe, until};
use wire::{exchange, since};

/// Nothing of `sent` leaves by any port, nor reaches the engine: what is sent after them arrives first.
fn expect_silence(ovs: &Ovs, probe: &mut Probe, port: &str, sent: &[Vec<u8>]) {
    let (before, asked) = (counts(ovs), probe.engine.stats().packet_ins);
    for frame in sent {
        ovs.receive(port, frame);
    }
    let from = match port {
        "d1" => (GUEST, ip(GUEST_IP.0)),
        _ => (OPEN, ip(OPEN_IP.0)),
    };
    let ends = Ends {
        from,
        to: (NEAR, ip(NEAR_IP.0)),
    };
    exchange(ovs, (port, port), &echo(&ends, 64, 8));
    // Behind a barrier the engine has what the switch had for it.
    probe.apply("");
    let mut expected = before;
    let at = PORTS.iter().position(|name| *name == port);
    expected[at.expect("a port")] += 1;
    assert_eq!(counts(ovs), expected);
    assert_eq!(probe.engine.stats().packet_ins, asked);
}

#[test]
fn what_is_not_for_a_router_is_untouched() {
    let (ovs, _probe) = world_with("");
    for v6 in [false, true] {
        for ttl in [1, 64] {
            let sent = echo(&by(MATE, MATE_IP, v6), ttl, 8);
            let before = frames(&ovs.sent("d2")).len();
            ovs.receive("d1", &sent);
            let got = until("the frame", || since(&ovs, "d2", before).pop());
            assert_eq!(got[..sent.len()], sent);
        }
    }
}

#[test]
fn a_router_sends_back_to_where_a_packet_came_from_and_says_nothing_about_it() {
    // The guest itself is a next hop.
    let (ovs, probe) = world_with(
        "router/5/route/1 to=10.5.0.0/16 via=10.0.0.1@7
         router/5/route/2 to=fd05::/16 via=fd00::1@7",
    );
    for v6 in [false, true] {
        let before = counts(&ovs);
        // To the network that it came from, and out of the port that it came from.
        let said = exchange(&ovs, ("d1", "d2"), &echo(&by(NEAR, MATE_IP, v6), 64, 8));
        assert_eq!((said.eth, said.ttl), ((MATE, NEAR), 63));
        let behind = ("10.5.0.9", "fd05::9");
        let said = exchange(&ovs, ("d1", "d1"), &echo(&by(NEAR, behind, v6), 64, 8));
        assert_eq!((said.eth, said.ttl), ((GUEST, NEAR), 63));
        assert_eq!(
            (said.to, said.kind),
            (of(behind, v6), if v6 { 128 } else { 8 })
        );
        let [d1, d2, d3, d4] = before;
        assert_eq!(counts(&ovs), [d1 + 1, d2 + 1, d3, d4], "no redirect");
    }
    assert_eq!(probe.engine.stats().packet_ins, 0);
}

#[test]
fn what_no_router_routes_ends_in_silence() {
    let (ovs, mut probe) = world_with("");
    let from_open = |source: &str, target: &str| Ends {
        from: (OPEN, ip(source)),
        to: (NEAR, ip(target)),
    };
    let ends = [
        // Multicast, broadcast, directed broadcast of both networks, this network, loopback, link-local.
        (OPEN_IP.0, "224.0.0.5"),
        (OPEN_IP.0, "239.1.2.3"),
        (OPEN_IP.0, "255.255.255.255"),
        (OPEN_IP.0, "10.1.0.255"),
        (OPEN_IP.0, "10.0.0.255"),
        (OPEN_IP.0, "0.0.0.0"),
        (OPEN_IP.0, "127.0.0.1"),
        (OPEN_IP.0, "169.254.1.1"),
        ("169.254.1.1", PEER_IP.0),
        ("127.0.0.1", PEER_IP.0),
        ("0.0.0.0", PEER_IP.0),
        ("224.0.0.5", PEER_IP.0),
        ("255.255.255.255", PEER_IP.0),
        (OPEN_IP.1, "ff02::1"),
        (OPEN_IP.1, "ff0e::101"),
        (OPEN_IP.1, "fe80::9"),
        (OPEN_IP.1, "::1"),
        (OPEN_IP.1, "::"),
        ("fe80::ff:fe00:4", PEER_IP.1),
        ("::1", PEER_IP.1),
        ("::", PEER_IP.1),
        ("ff02::1", PEER_IP.1),
    ];
    for ttl in [64, 1] {
        let sent = ends.map(|(source, target)| echo(&from_open(source, target), ttl, 8));
        expect_silence(&ovs, &mut probe, "d4", &sent);
    }
    // It would be routed from an address of its own.
    let said = exchange(
        &ovs,
        ("d4", "d3"),
        &echo(&from_open(OPEN_IP.0, PEER_IP.0), 64, 8),
    );
    assert_eq!(said.eth, (PEER, FAR));
}

#[test]
fn about_some_packets_no_error_is_sent() {
    let (ovs, probe) = world_with("");
    let ends = |v6| by(NEAR, PEER_IP, v6);
    let mut fragment = packets::ip(&ends(false), 1, 17, &[7; 16]);
    fragment[20..22].copy_from_slice(&[0, 1]);
    packets::sum_header(&mut fragment);
    // A fragment header of 8 bytes at 8; the payload of UDP.
    let fragment_v6 = packets::ip(
        &ends(true),
        1,
        44,
        &[&[17, 0, 0, 8, 0, 0, 0, 1][..], &[7; 16]].concat(),
    );
    let message = |kind: u8| [&[kind, 0, 0, 0, 0, 0, 0, 0][..], &[7; 40]].concat();
    let mut sent: Vec<_> = [3, 4, 5, 11, 12]
        .map(|kind| packets::ip(&ends(false), 1, 1, &message(kind)))
        .into();
    sent.extend([1, 2, 3, 4].map(|kind| packets::ip(&ends(true), 1, 58, &message(kind))));
    sent.extend([fragment, fragment_v6]);
    let before = counts(&ovs);
    for frame in &sent {
        ovs.receive("d1", frame);
    }
    until("that the engine had all of them", || {
        let dropped = usize::try_from(probe.engine.stats().packet_ins_dropped).expect("few");
        (dropped == sent.len()).then_some(())
    });
    assert_eq!(counts(&ovs), before);
    assert_eq!(probe.engine.stats().packet_outs, 0);
    // The first fragment of the same draws one.
    let mut first = packets::ip(&ends(false), 1, 17, &[7; 16]);
    first[20..22].copy_from_slice(&[0x20, 0]);
    packets::sum_header(&mut first);
    let said = exchange(&ovs, ("d1", "d1"), &first);
    assert_eq!((said.kind, said.from), (11, ip(NEAR_IP.0)));
}

/// Routers 11 to `last` in a row between network 7 and network 8, router 11 being the guest's gateway.
fn row(last: u32) -> String {
    let ends = format!(
        "router/11/interface/7 key=11 mac=02:00:00:00:0b:fe ips=10.0.0.11/24,fd00::11/64
         router/{last}/interface/8 key=8 mac=02:00:00:00:99:fe ips=10.1.0.99/24,fd01::99/64\n"
    );
    let routers = (11..=last).map(|one| format!("router/{one}/config id=r{one}\n"));
    let links = (11..last).map(|one| {
        let next = one + 1;
        let (here, there) = (format!("192.0.{one}"), format!("fd99:{one}:"));
        let link = |end, mac| {
            let ips = format!("{here}.{end}/24,{there}:{end}/64");
            format!("key={one} mac=0a:00:{mac}:00:00:{one} ips={ips} link=on")
        };
        let (near, far) = (link(1, "5d"), link(2, "5c"));
        format!(
            "router/{one}/interface/{one} {near}
             router/{next}/interface/{one} {far}
             router/{one}/route/1 to=10.1.0.0/16 via={here}.2@{one}
             router/{one}/route/2 to=fd01::/16 via={there}:2@{one}
             router/{next}/route/3 to=10.0.0.0/16 via={here}.1@{one}
             router/{next}/route/4 to=fd00::/16 via={there}:1@{one}\n"
        )
    });
    routers.chain(links).fold(ends, |text, lines| text + &lines)
}

#[test]
fn eight_routers_pass_a_packet_on_and_the_ninth_ends_it() {
    let gateway = [2, 0, 0, 0, 0x0b, 0xfe];
    let (ovs, _probe) = world_with(&row(18));
    for v6 in [false, true] {
        let said = exchange(&ovs, ("d1", "d3"), &echo(&by(gateway, PEER_IP, v6), 64, 8));
        assert_eq!((said.eth, said.ttl), ((PEER, [2, 0, 0, 0, 0x99, 0xfe]), 56));
    }
    drop(ovs);
    let (ovs, _probe) = world_with(&row(19));
    for v6 in [false, true] {
        let said = exchange(&ovs, ("d1", "d1"), &echo(&by(gateway, PEER_IP, v6), 64, 8));
        assert_eq!((said.kind, said.code), if v6 { (3, 0) } else { (11, 0) });
        // By the eighth link; eight routers took from the TTL of the error.
        assert_eq!(said.from, of(("192.0.18.2", "fd99:18::2"), v6));
        assert_eq!(said.ttl, 255 - 8);
    }
    assert_eq!(frames(&ovs.sent("d3")), [[0; 0]; 0]);
    until("both to be counted", || {
        let flows = ovs.ofctl("dump-flows", &["table=31"]);
        let ninth = flows.lines().find(|flow| flow.contains("priority=700"));
        ninth?.contains("n_packets=2,").then_some(())
    });
}

#[test]
fn the_longest_prefix_wins_a_policy_overrides_it_and_a_blackhole_says_nothing() {
    let (ovs, mut probe) = world_with(
        "router/5/route/1 to=10.9.0.0/16 via=10.0.0.2@7
         router/5/route/2 to=10.9.9.0/24 via=10.1.0.3@8
         router/5/route/3 to=10.9.9.64/26
         router/5/route/4 to=10.9.9.66/32 via=10.0.0.2@7
         router/5/route/5 to=fd09::/16 via=fd00::2@7
         router/5/route/6 to=fd09:9::/32 via=fd01::3@8
         router/5/route/7 to=fd09:9:9::/48
         router/5/route/8 to=fd09:9:9:9::/64 via=fd00::2@7
         router/5/policy/1 priority=10 do=reroute dst=10.9.7.0/24 via=10.1.0.3@8
         router/5/policy/2 priority=20 do=allow dst=10.9.7.7/32
         router/5/policy/3 priority=10 do=reroute dst=fd09:7::/32 via=fd01::3@8
         router/5/policy/4 priority=20 do=allow dst=fd09:7:7::/48
         router/5/policy/5 priority=30 do=drop dst=10.1.0.3/32 src=10.0.0.4/32",
    );
    // {IPv4, IPv6, by which port}
    let cases = [
        ("10.9.1.1", "fd09:1::1", "d2"),
        ("10.9.9.1", "fd09:9::1", "d3"),
        ("10.9.9.66", "fd09:9:9:9::1", "d2"),
        ("10.9.7.1", "fd09:7::1", "d3"),
        ("10.9.7.7", "fd09:7:7::7", "d2"),
    ];
    for (ip4, ip6, port) in cases {
        for v6 in [false, true] {
            let ends = by(NEAR, (ip4, ip6), v6);
            let said = exchange(&ovs, ("d1", port), &echo(&ends, 64, 8));
            assert_eq!((said.to, said.ttl), (ends.to.1, 63));
        }
    }
    let gone = [false, true].map(|v6| echo(&by(NEAR, ("10.9.9.65", "fd09:9:9::1"), v6), 64, 8));
    expect_silence(&ovs, &mut probe, "d1", &gone);
    let dropped = Ends {
        from: (OPEN, ip(OPEN_IP.0)),
        to: (NEAR, ip(PEER_IP.0)),
    };
    expect_silence(&ovs, &mut probe, "d4", &[echo(&dropped, 64, 8)]);
}

#[test]
fn interfaces_with_tables_of_their_own_find_their_own_routes_and_tenants_may_overlap() {
    // Network 9 has the addresses of network 7, a router of its own, and the same guest.
    let (ovs, _probe) = world_with(
        "network/9/config id=n9 encap=geneve
         chassis/c1/port/105 id=p105 network=9 mac=02:00:00:00:00:01 ips=10.0.0.1,fd00::1
         chassis/c1/port/106 id=p106 network=9 mac=02:00:00:00:00:06 ips=10.0.0.6,fd00::6
         local/vif/p105 ofport=25
         local/vif/p106 ofport=26
         router/9/config id=r9
         router/9/interface/9 key=91 mac=02:00:00:00:07:fe ips=10.0.0.254/24,fd00::fe/64
         router/9/route/1 to=10.9.0.0/16 via=10.0.0.6@9
         router/9/route/2 to=fd09::/16 via=fd00::6@9
         router/7/config id=r7
         router/7/interface/7 key=71 mac=02:00:00:00:07:fc ips=10.0.0.252/24,fd00::fc/64 table=4
         router/7/interface/8 key=72 mac=02:00:00:00:08:fc ips=10.1.0.252/24,fd01::fc/64
         router/7/route/1 to=10.9.0.0/16 via=10.1.0.3@8 table=4
         router/7/route/2 to=fd09::/16 via=fd01::3@8 table=4
         router/7/route/3 to=10.9.0.0/16 via=10.0.0.2@7
         router/7/route/4 to=fd09::/16 via=fd00::2@7",
    );
    ovs.add_dummy("d5", 25);
    ovs.add_dummy("d6", 26);
    let target = ("10.9.0.9", "fd09::9");
    for v6 in [false, true] {
        // By table 4, by the table without a number, and in the other tenant's network.
        let said = exchange(
            &ovs,
            ("d1", "d3"),
            &echo(&by([2, 0, 0, 0, 7, 0xfc], target, v6), 64, 8),
        );
        assert_eq!(said.eth, (PEER, [2, 0, 0, 0, 8, 0xfc]));
        let from_far = Ends {
            from: (PEER, of(PEER_IP, v6)),
            to: ([2, 0, 0, 0, 8, 0xfc], of(target, v6)),
        };
        let said = exchange(&ovs, ("d3", "d2"), &echo(&from_far, 64, 8));
        assert_eq!(said.eth, (MATE, [2, 0, 0, 0, 7, 0xfc]));
        let before = counts(&ovs);
        let said = exchange(&ovs, ("d5", "d6"), &echo(&by(NEAR, target, v6), 64, 8));
        assert_eq!(said.eth, ([2, 0, 0, 0, 0, 6], NEAR));
        // The router of network 7 has a way to network 8; the other tenant's says that it has none.
        let said = exchange(&ovs, ("d5", "d5"), &echo(&by(NEAR, PEER_IP, v6), 64, 8));
        assert_eq!((said.kind, said.code), if v6 { (1, 0) } else { (3, 0) });
        assert_eq!(counts(&ovs), before);
    }
}
