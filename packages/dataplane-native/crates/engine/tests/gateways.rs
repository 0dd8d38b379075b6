//! Routers among others on a network, through a real switch: who answers for which address, and whose MAC is seen where.
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

use packets::{Ends, Mac, arp, arp_request, echo, frames, read_icmp, solicit};
use routed::{
    Both, FAR, GUEST, GUEST_IP, MATE, MATE_IP, NEAR, NEAR_IP, OPEN, PEER, PEER_IP, SECOND,
    SECOND_IP, by, counts, ip, of, replies, v4, v6, world_with,
};
use support::until;
use wire::{exchange, since};

#[test]
fn two_routers_on_a_network_answer_for_their_own_addresses_alone() {
    let (ovs, _probe) = world_with("");
    for (mac, address) in [(NEAR, NEAR_IP), (SECOND, SECOND_IP)] {
        let before = counts(&ovs);
        ovs.receive("d1", &arp_request((GUEST, v4(GUEST_IP.0)), v4(address.0)));
        let answers = until("an answer", || {
            Some(replies(&since(&ovs, "d1", before[0]))).filter(|all| !all.is_empty())
        });
        assert_eq!(answers, [(GUEST, mac, mac, v4(address.0))]);
        let asks = solicit((GUEST, v6(GUEST_IP.1)), v6(address.1), true);
        let said = exchange(&ovs, ("d1", "d1"), &asks);
        assert_eq!((said.kind, said.eth), (136, (GUEST, mac)));
        for v6 in [false, true] {
            let said = exchange(&ovs, ("d1", "d1"), &echo(&by(mac, address, v6), 64, 8));
            assert_eq!((said.eth, said.from), ((GUEST, mac), of(address, v6)));
        }
        // Each once, and the others were not asked.
        let [d1, d2, d3, d4] = before;
        assert_eq!(counts(&ovs), [d1 + 4, d2, d3, d4]);
    }
    // Who is asked speaks: the second has no way to network 8.
    for v6 in [false, true] {
        let said = exchange(&ovs, ("d1", "d1"), &echo(&by(SECOND, PEER_IP, v6), 64, 8));
        assert_eq!((said.from, said.eth), (of(SECOND_IP, v6), (GUEST, SECOND)));
        assert_eq!((said.kind, said.code), if v6 { (1, 0) } else { (3, 0) });
    }
    // One router's address by the other's MAC is routed there, and the answer comes by its owner.
    for v6 in [false, true] {
        let said = exchange(&ovs, ("d1", "d1"), &echo(&by(SECOND, NEAR_IP, v6), 64, 8));
        assert_eq!((said.from, said.eth.1), (of(NEAR_IP, v6), NEAR));
    }
}

#[test]
fn a_physical_network_sees_the_mac_of_the_chassis_and_never_a_routers() {
    let (ovs, _probe) = world_with(
        "network/4/config id=n4 physical=outer vlan=30
         local/patch/outer ofport=25
         chassis/c1/port/105 id=p105 network=4 mac=02:00:00:00:00:05 ips=192.0.2.5,fd04::5
         local/vif/p105 ofport=26
         router/5/interface/4 key=54 mac=02:00:00:00:04:fe ips=192.0.2.254/24,fd04::fe/64
         router/5/neighbour/301 network=4 mac=02:00:00:00:03:01 ips=192.0.2.30,fd04::30 chassis=2",
    );
    ovs.add_dummy("d5", 25);
    ovs.add_dummy("d6", 26);
    let own = [0x0e, 0x57, 0, 0, 1, 2];
    let router: Mac = [2, 0, 0, 0, 4, 0xfe];
    let there: Mac = [2, 0, 0, 0, 3, 1];
    for v6 in [false, true] {
        let before = frames(&ovs.sent("d5")).len();
        let host = ("192.0.2.30", "fd04::30");
        ovs.receive("d1", &echo(&by(NEAR, host, v6), 64, 8));
        let frame = until("the packet", || since(&ovs, "d5", before).pop());
        assert_eq!(frame[..6], there);
        assert_eq!(frame[6..16], [&own[..], &[0x81, 0, 0, 30]].concat());
        // A port here is reached from the interface's own MAC, and speaks to it, and asks for it.
        let here = ("192.0.2.5", "fd04::5");
        let said = exchange(&ovs, ("d1", "d6"), &echo(&by(NEAR, here, v6), 64, 8));
        assert_eq!(said.eth, ([2, 0, 0, 0, 0, 5], router));
        let back = |target: Both, ttl| {
            let ends = Ends {
                from: ([2, 0, 0, 0, 0, 5], of(here, v6)),
                to: (router, of(target, v6)),
            };
            echo(&ends, ttl, 8)
        };
        let gateway = ("192.0.2.254", "fd04::fe");
        for (frame, kinds) in [
            (back(gateway, 64), (0, 129)),
            (back(PEER_IP, 1), (11, 3)),
            (back(("203.0.113.1", "2001:db8::1"), 64), (3, 1)),
        ] {
            let said = exchange(&ovs, ("d6", "d6"), &frame);
            assert_eq!(said.kind, if v6 { kinds.1 } else { kinds.0 });
            assert_eq!(said.eth.1, router);
        }
        let said = exchange(&ovs, ("d6", "d1"), &back(GUEST_IP, 64));
        assert_eq!(said.eth, (GUEST, NEAR));
    }
    let port = ([2, 0, 0, 0, 0, 5], v4("192.0.2.5"));
    let before = frames(&ovs.sent("d6")).len();
    ovs.receive("d6", &arp_request(port, v4("192.0.2.254")));
    until("the interface's answer", || {
        Some(replies(&since(&ovs, "d6", before))).filter(|all| !all.is_empty())
    });
    // Nobody out there is answered, and no router's MAC came by.
    let outer = frames(&ovs.sent("d5"));
    let asks = arp_request((there, v4("192.0.2.30")), v4("192.0.2.254"));
    let tagged = [&asks[..12], &[0x81, 0, 0, 30], &asks[12..]].concat();
    ovs.receive("d5", &tagged);
    until("the question at the port", || {
        let seen = since(&ovs, "d6", before);
        seen.iter().any(|frame| frame[6..12] == there).then_some(())
    });
    assert_eq!(frames(&ovs.sent("d5")).len(), outer.len());
    for frame in &outer {
        assert!(
            [router, NEAR, FAR].iter().all(|mac| frame[6..12] != *mac),
            "{frame:02x?}"
        );
    }
}

#[test]
fn nobody_learns_a_gateway_from_the_wire() {
    let (ovs, _probe) = world_with("");
    // A port that may have any address says that it is the gateway, in every way that there is.
    let gateway = v4(NEAR_IP.0);
    let claims = [
        arp(1, (OPEN, gateway), ([0; 6], gateway), [0xff; 6]),
        arp(2, (OPEN, gateway), (GUEST, v4(GUEST_IP.0)), GUEST),
        arp(2, (NEAR, gateway), (GUEST, v4(GUEST_IP.0)), [0xff; 6]),
        packets::advertise(&Ends {
            from: (OPEN, ip(NEAR_IP.1)),
            to: (GUEST, ip(GUEST_IP.1)),
        }),
    ];
    for frame in claims {
        ovs.receive("d4", &frame);
    }
    let forged = Ends {
        from: (NEAR, ip(NEAR_IP.0)),
        to: (GUEST, ip(GUEST_IP.0)),
    };
    assert_eq!(exchange(&ovs, ("d4", "d1"), &echo(&forged, 64, 8)).ttl, 64);
    let before = frames(&ovs.sent("d1")).len();
    ovs.receive("d1", &arp_request((GUEST, v4(GUEST_IP.0)), gateway));
    let answers = until("an answer", || {
        Some(replies(&since(&ovs, "d1", before))).filter(|all| !all.is_empty())
    });
    assert_eq!(answers, [(GUEST, NEAR, NEAR, gateway)]);
    let asks = solicit((GUEST, v6(GUEST_IP.1)), v6(NEAR_IP.1), true);
    assert_eq!(exchange(&ovs, ("d1", "d1"), &asks).eth, (GUEST, NEAR));
    for v6 in [false, true] {
        let before = frames(&ovs.sent("d4")).len();
        let said = exchange(&ovs, ("d1", "d3"), &echo(&by(NEAR, PEER_IP, v6), 64, 8));
        assert_eq!(said.eth, (PEER, FAR));
        assert_eq!(frames(&ovs.sent("d4")).len(), before);
    }
}

#[test]
fn a_port_that_is_down_is_answered_for_by_nobody_and_unreachable() {
    let (ovs, mut probe) = world_with("");
    let down =
        "chassis/c1/port/102 id=p102 network=7 mac=02:00:00:00:00:02 ips=10.0.0.2,fd00::2 up=off";
    assert_eq!(probe.apply(down).failures, []);
    ovs.settle();
    let before = counts(&ovs);
    ovs.receive("d1", &arp_request((GUEST, v4(GUEST_IP.0)), v4(MATE_IP.0)));
    ovs.receive("d1", &solicit((GUEST, v6(GUEST_IP.1)), v6(MATE_IP.1), true));
    for v6 in [false, true] {
        ovs.receive("d1", &echo(&by(MATE, MATE_IP, v6), 64, 8));
        let said = exchange(&ovs, ("d1", "d1"), &echo(&by(NEAR, MATE_IP, v6), 64, 8));
        assert_eq!((said.kind, said.code), if v6 { (1, 3) } else { (3, 1) });
        assert_eq!(said.from, of(NEAR_IP, v6));
    }
    // As of any address that nobody has, the others are asked: here the open port alone is left.
    let [d1, d2, d3, d4] = before;
    assert_eq!(counts(&ovs), [d1 + 2, d2, d3, d4 + 2]);
    assert!(
        since(&ovs, "d1", d1)
            .iter()
            .all(|frame| read_icmp(frame).is_some())
    );
}
