//! Small topologies of routers: what they hold, as instructions, and at random.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::common::world::Dice;
use crate::reference::bits;

/// An address and the length of its prefix.
pub type Net = (IpAddr, u32);

pub struct Segment {
    pub key: u32,
    /// Ports with port security off may have unknown addresses.
    pub open: bool,
    pub link: bool,
}

pub struct Interface {
    pub router: u32,
    pub segment: u32,
    pub mac: u64,
    pub addresses: Vec<Net>,
    pub table: u32,
    pub mtu: u32,
}

pub struct Host {
    pub key: u32,
    pub segment: u32,
    pub mac: u64,
    pub ips: Vec<IpAddr>,
    /// Of a local port; elsewhere it is behind 172.31.0.2.
    pub ofport: Option<u32>,
    pub up: bool,
}

pub struct Route {
    pub router: u32,
    pub key: u32,
    pub table: u32,
    pub to: Net,
    pub hops: Vec<(IpAddr, u32)>,
}

pub enum Verdict {
    Allow,
    Drop,
    Reroute(Vec<(IpAddr, u32)>),
}

pub struct Policy {
    pub router: u32,
    pub key: u32,
    pub priority: u32,
    pub source: Option<Net>,
    pub destination: Option<Net>,
    pub protocol: u8,
    pub ports: Option<(u16, u16)>,
    pub ingress: u32,
    pub verdict: Verdict,
}

pub struct Leak {
    pub router: u32,
    pub key: u32,
    pub segment: u32,
    pub to: Net,
    pub mac: u64,
    /// Whom the router reaches there, all behind 172.31.0.3.
    pub hosts: Vec<(u32, u64, IpAddr)>,
}

#[derive(Default)]
pub struct Topology {
    pub segments: Vec<Segment>,
    pub interfaces: Vec<Interface>,
    pub hosts: Vec<Host>,
    pub routes: Vec<Route>,
    pub policies: Vec<Policy>,
    pub leaks: Vec<Leak>,
}

fn mac(bits: u64) -> String {
    let bytes = &bits.to_be_bytes()[2..];
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

fn hex(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(_) => format!("{:08x}", bits(ip)),
        IpAddr::V6(_) => format!("{:032x}", bits(ip)),
    }
}

fn hops(hops: &[(IpAddr, u32)]) -> String {
    let hops: Vec<String> = hops.iter().map(|(ip, on)| format!("{ip}@{on}")).collect();
    if hops.is_empty() {
        return String::new();
    }
    format!("via={}", hops.join(","))
}

/// The topology as instructions.
pub fn instructions(t: &Topology) -> String {
    let mut lines = vec![
        "chassis/c1/config key=1".to_owned(),
        "local/tunnel/1 ofport=100 ips=172.31.0.1".to_owned(),
    ];
    for segment in t.segments.iter().filter(|segment| !segment.link) {
        let unknown = if segment.open { "unknown=on" } else { "" };
        let key = segment.key;
        lines.push(format!(
            "network/{key}/config id=n{key} encap=geneve {unknown}"
        ));
    }
    lines.extend(
        t.interfaces
            .iter()
            .map(|interface| interface_line(t, interface)),
    );
    lines.extend(t.hosts.iter().map(host_lines));
    for route in &t.routes {
        let (router, key, (to, length)) = (route.router, route.key, route.to);
        let (table, via) = (route.table, hops(&route.hops));
        lines.push(format!(
            "router/{router}/route/{key} to={to}/{length} table={table} {via}"
        ));
    }
    lines.extend(t.policies.iter().map(policy_line));
    for leak in &t.leaks {
        let (router, key, on, (to, length)) = (leak.router, leak.key, leak.segment, leak.to);
        let (to, via) = (hex(to), mac(leak.mac));
        lines.push(format!(
            "router/{router}/leaked/{key}/{on}/{to}/{length} mac={via} mtu=1300"
        ));
        for (port, host, ip) in &leak.hosts {
            let mac = mac(*host);
            lines.push(format!(
                "router/{router}/neighbour/{port} network={on} mac={mac} ips={ip} chassis=3 \
                 encap=geneve vtep=172.31.0.3"
            ));
        }
    }
    lines.join("\n")
}

fn interface_line(t: &Topology, i: &Interface) -> String {
    let ips = i
        .addresses
        .iter()
        .map(|(ip, length)| format!("{ip}/{length}"));
    let link = t.segments.iter().any(|s| s.key == i.segment && s.link);
    format!(
        "router/{}/interface/{} key={} mac={} ips={} table={} mtu={} link={}",
        i.router,
        i.segment,
        i.router * 256 + i.segment,
        mac(i.mac),
        ips.collect::<Vec<_>>().join(","),
        i.table,
        i.mtu,
        if link { "on" } else { "off" }
    )
}

fn host_lines(host: &Host) -> String {
    let ips: Vec<String> = host.ips.iter().map(ToString::to_string).collect();
    let (key, on, ips, mac) = (host.key, host.segment, ips.join(","), mac(host.mac));
    let Some(ofport) = host.ofport else {
        return format!(
            "network/{on}/location/{key} mac={mac} ips={ips} chassis=2 vtep=172.31.0.2"
        );
    };
    let up = if host.up { "on" } else { "off" };
    // Any source may be tried.
    format!(
        "chassis/c1/port/{key} id=p{key} network={on} mac={mac} ips={ips} up={up} security=off
         local/vif/p{key} ofport={ofport}"
    )
}

fn policy_line(policy: &Policy) -> String {
    let verdict = match &policy.verdict {
        Verdict::Allow => "do=allow".to_owned(),
        Verdict::Drop => "do=drop".to_owned(),
        Verdict::Reroute(to) => format!("do=reroute {}", hops(to)),
    };
    let side = |name: &str, net: Option<Net>| {
        net.map_or(String::new(), |(ip, length)| {
            format!("{name}={ip}/{length}")
        })
    };
    let ports = policy
        .ports
        .map(|(first, last)| format!("dport={first}-{last}"));
    format!(
        "router/{}/policy/{} priority={} {verdict} {} {} proto={} {} in={}",
        policy.router,
        policy.key,
        policy.priority,
        side("src", policy.source),
        side("dst", policy.destination),
        policy.protocol,
        ports.unwrap_or_default(),
        policy.ingress
    )
}

pub fn v4(b: u32, c: u32, d: u32) -> IpAddr {
    let byte = |n: u32| u8::try_from(n).expect("a byte");
    Ipv4Addr::new(10, byte(b), byte(c), byte(d)).into()
}

pub fn v6(b: u32, c: u32, d: u32) -> IpAddr {
    let word = |n: u32| u16::try_from(n).expect("a word");
    Ipv6Addr::new(0xfd00, word(b), word(c), 0, 0, 0, 0, word(d)).into()
}

fn either(ipv4: bool, b: u32, d: u32) -> IpAddr {
    if ipv4 { v4(b, 0, d) } else { v6(b, 0, d) }
}

/// Networks 11.. have 10.<network>.0.0/24 and its like in IPv6; links 40.. 10.<link>.0.0/30.
pub fn random(dice: &mut Dice) -> Topology {
    let mut t = Topology::default();
    // Now and then a chain that is longer than packets may pass.
    let long = dice.roll(8) == 0;
    let routers = if long {
        11
    } else {
        dice.of(&[1u32, 2, 2, 3, 4])
    };
    let networks = 11..11 + dice.of(&[1u32, 2, 3, 4]);
    for key in networks.clone() {
        let open = dice.roll(3) == 0;
        t.segments.push(Segment {
            key,
            open,
            link: false,
        });
    }
    for router in 1..=routers {
        for key in networks.clone() {
            if dice.roll(2) == 0 || (router == 1 && key == 11) {
                t.interfaces.push(random_interface(dice, router, key));
            }
        }
        if router < routers {
            join(&mut t, router);
        }
    }
    for (number, key) in (0..).zip(networks) {
        for host in 0..4 {
            t.hosts.push(random_host(dice, number, key, host));
        }
    }
    random_routes(dice, &mut t, routers, long);
    for key in 1..=u32::try_from(dice.roll(6)).expect("small") {
        let policy = random_policy(dice, &t, routers, key);
        t.policies.push(policy);
    }
    for key in 0..u32::try_from(dice.roll(3)).expect("small") {
        let host = 0x0200_0000_ff00 | u64::from(key);
        t.leaks.push(Leak {
            router: 1,
            key: key + 1,
            segment: 90 + key,
            to: (v4(60, key, 0), 24),
            mac: 0x02ff_0000_ff00 | u64::from(key),
            hosts: vec![(2000 + key, host, v4(60, key, 5))],
        });
    }
    t
}

fn random_interface(dice: &mut Dice, router: u32, key: u32) -> Interface {
    let mut addresses = vec![(v4(key, 0, router), 24)];
    if dice.roll(4) > 0 {
        addresses.push((v6(key, 0, router), 64));
    }
    Interface {
        router,
        segment: key,
        mac: 0x02ff_0000_0000 | u64::from(router << 8 | key),
        addresses,
        table: dice.of(&[0u32, 0, 1]),
        mtu: dice.of(&[1442u32, 1300]),
    }
}

/// A link from a router to the next one.
fn join(t: &mut Topology, router: u32) {
    let key = 40 + router;
    t.segments.push(Segment {
        key,
        open: false,
        link: true,
    });
    for (end, router, side) in [(1, router, 0x5d_u64), (2, router + 1, 0x5c)] {
        t.interfaces.push(Interface {
            router,
            segment: key,
            mac: 0x0a00_0000_0000 | side << 24 | u64::from(key),
            addresses: vec![(v4(key, 0, end), 30), (v6(key, 0, end), 64)],
            table: 0,
            mtu: 1442,
        });
    }
}

/// Two of the four hosts of a network are here.
fn random_host(dice: &mut Dice, number: u32, key: u32, host: u32) -> Host {
    let local = host < 2;
    let mut ips = vec![v4(key, 0, 100 + host)];
    if dice.roll(3) > 0 {
        ips.push(v6(key, 0, 100 + host));
    }
    Host {
        key: 1000 + key * 10 + host,
        segment: key,
        mac: 0x0200_0000_0000 | u64::from(key << 8 | host),
        ips,
        ofport: local.then_some(1 + number * 2 + host),
        up: !(local && host == 1 && dice.roll(4) == 0),
    }
}

fn random_hops(dice: &mut Dice, t: &Topology, router: u32, ipv4: bool) -> Vec<(IpAddr, u32)> {
    let mut hops: BTreeSet<(IpAddr, u32)> = BTreeSet::new();
    let on = t.interfaces.iter().filter(|i| i.router == router);
    let on: Vec<u32> = on.map(|i| i.segment).collect();
    for _ in 0..dice.of(&[1, 1, 2, 3, 5]) {
        // Sometimes a segment that the router is not on.
        let astray = dice.roll(10) == 0 || on.is_empty();
        let segment = if astray { 77 } else { dice.of(&on) };
        let first = |i: &Interface| i.addresses[0].0 == v4(segment, 0, 1);
        let other = if t.interface(router, segment).is_some_and(first) {
            2
        } else {
            1
        };
        let last = if segment >= 40 {
            other
        } else {
            dice.of(&[100u32, 101, 102, 103, 120, other])
        };
        hops.insert((either(ipv4, segment, last), segment));
    }
    hops.into_iter().collect()
}

fn random_net(dice: &mut Dice, ipv4: bool) -> Net {
    let lengths: &[u32] = if ipv4 {
        &[0, 8, 16, 24, 24, 25, 28, 31]
    } else {
        &[0, 16, 32, 48, 64, 64, 124, 127]
    };
    let ip = either(ipv4, dice.of(&[11u32, 12, 13, 14, 50, 60]), 96);
    let length = dice.of(lengths);
    let free: u32 = if ipv4 { 32 } else { 128 } - length;
    let high = bits(ip).checked_shr(free).unwrap_or(0);
    let kept = high.checked_shl(free).unwrap_or(0);
    let ip = if ipv4 {
        IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(kept).expect("32 bits")))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(kept))
    };
    (ip, length)
}

fn random_routes(dice: &mut Dice, t: &mut Topology, routers: u32, long: bool) {
    let mut taken = BTreeSet::new();
    for key in 1..=u32::try_from(dice.roll(14)).expect("small") {
        let router = 1 + u32::try_from(dice.roll(routers as usize)).expect("small");
        let ipv4 = dice.roll(2) == 0;
        let (to, table) = (random_net(dice, ipv4), dice.of(&[0u32, 0, 1]));
        let blackhole = dice.roll(8) == 0;
        let hops = random_hops(dice, t, router, ipv4);
        if taken.insert((router, table, to)) {
            t.routes.push(Route {
                router,
                key,
                table,
                to,
                hops: if blackhole { Vec::new() } else { hops },
            });
        }
    }
    // Along the chain.
    for router in (1..routers).filter(|_| long) {
        let to = (v4(60, 0, 0), 16);
        if taken.insert((router, 0, to)) {
            t.routes.push(Route {
                router,
                key: 100 + router,
                table: 0,
                to,
                hops: vec![(v4(40 + router, 0, 2), 40 + router)],
            });
        }
    }
}

fn random_policy(dice: &mut Dice, t: &Topology, routers: u32, key: u32) -> Policy {
    let router = 1 + u32::try_from(dice.roll(routers as usize)).expect("small");
    let ipv4 = dice.roll(2) == 0;
    let protocol = dice.of(&[0u8, 0, 6, 17, 1]);
    let verdict = match dice.roll(4) {
        0 => Verdict::Allow,
        1 => Verdict::Drop,
        _ => Verdict::Reroute(random_hops(dice, t, router, ipv4)),
    };
    Policy {
        router,
        key,
        priority: 10 * key + 7,
        source: (dice.roll(3) == 0).then(|| random_net(dice, ipv4)),
        destination: (dice.roll(2) == 0).then(|| random_net(dice, ipv4)),
        protocol,
        ports: (matches!(protocol, 6 | 17) && dice.roll(2) == 0).then_some((1000, 4321)),
        ingress: dice.of(&[0u32, 0, 11, 12]),
        verdict,
    }
}
