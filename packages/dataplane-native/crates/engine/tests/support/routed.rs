//! A chassis with two networks, two routers and four ports, for tests of what routers do with packets.
//! It judges nothing. Used by tests that include `packets` and `support`.
#![allow(dead_code, reason = "each test file uses a part")]

use crate::packets::{Ends, Mac, frames};
use crate::support::{Ovs, Probe};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks 7 and 8, joined by router 5; router 6 is on network 7 as well. Port 104 may have any address.
pub const WORLD: &str = "
    chassis/c1/config key=258
    network/7/config id=n7 encap=geneve
    network/8/config id=n8 encap=geneve
    chassis/c1/port/101 id=p101 network=7 mac=02:00:00:00:00:01 ips=10.0.0.1,fd00::1
    chassis/c1/port/102 id=p102 network=7 mac=02:00:00:00:00:02 ips=10.0.0.2,fd00::2
    chassis/c1/port/103 id=p103 network=8 mac=02:00:00:00:00:03 ips=10.1.0.3,fd01::3
    chassis/c1/port/104 id=p104 network=7 mac=02:00:00:00:00:04 ips=10.0.0.4,fd00::4 security=off
    local/vif/p101 ofport=21
    local/vif/p102 ofport=22
    local/vif/p103 ofport=23
    local/vif/p104 ofport=24
    router/5/config id=r5
    router/5/interface/7 key=51 mac=02:00:00:00:07:fe ips=10.0.0.254/24,fd00::fe/64
    router/5/interface/8 key=52 mac=02:00:00:00:08:fe ips=10.1.0.254/24,fd01::fe/64
    router/6/config id=r6
    router/6/interface/7 key=61 mac=02:00:00:00:07:fd ips=10.0.0.253/24,fd00::fd/64
";
pub const GUEST: Mac = [2, 0, 0, 0, 0, 1];
pub const MATE: Mac = [2, 0, 0, 0, 0, 2];
pub const PEER: Mac = [2, 0, 0, 0, 0, 3];
pub const OPEN: Mac = [2, 0, 0, 0, 0, 4];
/// Of router 5 on network 7 and on network 8, and of router 6.
pub const NEAR: Mac = [2, 0, 0, 0, 7, 0xfe];
pub const FAR: Mac = [2, 0, 0, 0, 8, 0xfe];
pub const SECOND: Mac = [2, 0, 0, 0, 7, 0xfd];
pub const PORTS: [&str; 4] = ["d1", "d2", "d3", "d4"];

/// {IPv4, IPv6} of the same thing.
pub type Both = (&'static str, &'static str);

pub const GUEST_IP: Both = ("10.0.0.1", "fd00::1");
pub const MATE_IP: Both = ("10.0.0.2", "fd00::2");
pub const PEER_IP: Both = ("10.1.0.3", "fd01::3");
pub const OPEN_IP: Both = ("10.0.0.4", "fd00::4");
pub const NEAR_IP: Both = ("10.0.0.254", "fd00::fe");
pub const SECOND_IP: Both = ("10.0.0.253", "fd00::fd");

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub fn of(both: Both, v6: bool) -> IpAddr {
    ip(if v6 { both.1 } else { both.0 })
}

/// From the guest to an address, by whoever has this MAC.
pub fn by(mac: Mac, target: Both, v6: bool) -> Ends {
    Ends {
        from: (GUEST, of(GUEST_IP, v6)),
        to: (mac, of(target, v6)),
    }
}

pub fn world_with(more: &str) -> (Ovs, Probe) {
    let ovs = Ovs::start();
    for (name, ofport) in PORTS.iter().zip(21..) {
        ovs.add_dummy(name, ofport);
    }
    let mut probe = Probe::open(&ovs.mgmt());
    assert_eq!(probe.apply(&format!("{WORLD}\n{more}")).failures, []);
    (ovs, probe)
}

pub fn counts(ovs: &Ovs) -> [usize; 4] {
    PORTS.map(|port| frames(&ovs.sent(port)).len())
}

pub fn v4(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

pub fn v6(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

/// The ARP replies among frames: {to, from, who has, which address}.
pub fn replies(frames: &[Vec<u8>]) -> Vec<(Mac, Mac, Mac, Ipv4Addr)> {
    let mac = |frame: &[u8], at: usize| -> Mac { frame[at..at + 6].try_into().expect("6 bytes") };
    let replies = frames.iter().filter(|f| f[12..14] == [8, 6] && f[21] == 2);
    let read = |f: &Vec<u8>| {
        let ip: [u8; 4] = f[28..32].try_into().expect("4 bytes");
        (mac(f, 0), mac(f, 6), mac(f, 22), ip.into())
    };
    replies.map(read).collect()
}
