//! How routers should treat a packet: plain loops over what a topology says, from router to router.
//! It shares nothing with the compiler but the words.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::topology::{Host, Interface, Net, Policy, Route, Topology, Verdict};

#[derive(Debug, Clone, Copy)]
pub struct Ip {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    /// Of ICMP; else the destination port.
    pub kind: u16,
    pub ttl: u8,
    pub length: u32,
    pub fragment: bool,
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Dropped,
    /// Reason, router, network by which it came there.
    GivenUp(u8, u32, u32),
    /// Port of the switch, tunnel destination, port key, MACs, TTL, source, destination, length.
    Sent(u32, u32, u32, u64, u64, u8, IpAddr, IpAddr),
}

pub const TIME: u8 = 1;
pub const NO_ROUTE: u8 = 2;
pub const UNREACHABLE: u8 = 3;
pub const TOO_BIG: u8 = 4;
pub const RESOLVE: u8 = 5;

pub fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

pub fn inside((net, length): Net, ip: IpAddr) -> bool {
    let width = if net.is_ipv4() { 32 } else { 128 };
    let same_bits = |count: u32| {
        (0..count).all(|bit| {
            let at = width - 1 - bit;
            bits(net) >> at & 1 == bits(ip) >> at & 1
        })
    };
    net.is_ipv4() == ip.is_ipv4() && same_bits(length)
}

/// The last address of an IPv4 network that has more than two.
pub fn is_broadcast(net: Net, ip: IpAddr) -> bool {
    net.0.is_ipv4()
        && net.1 <= 30
        && inside(net, ip)
        && (0..32 - net.1).all(|bit| bits(ip) >> bit & 1 == 1)
}

pub fn never(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_loopback()
                || ip.is_multicast()
                || ip.is_link_local()
                || ip.is_broadcast()
                || ip.is_unspecified()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_multicast()
                || ip.is_unicast_link_local()
                || ip.is_unspecified()
        }
    }
}

/// A next hop, the segment that it is on, the MAC that is sent from.
type Way = (IpAddr, u32, u64);

#[derive(Clone, Copy)]
pub struct Walk {
    pub router: u32,
    pub ingress: u32,
    pub hops: u32,
    /// The router's own packet.
    pub own: bool,
}

impl Topology {
    pub fn interface(&self, router: u32, segment: u32) -> Option<&Interface> {
        self.interfaces
            .iter()
            .find(|i| i.router == router && i.segment == segment)
    }

    fn holds(&self, router: u32, (ip, segment): (IpAddr, u32)) -> bool {
        let host = |host: &Host| host.segment == segment && host.up && host.ips.contains(&ip);
        let other = |i: &Interface| {
            i.segment == segment && i.router != router && i.addresses.iter().any(|own| own.0 == ip)
        };
        self.hosts.iter().any(host) || self.interfaces.iter().any(other)
    }

    /// Next hops with the MACs they are sent from: all that may be chosen.
    fn ways(&self, router: u32, hops: &[(IpAddr, u32)]) -> Option<Vec<Way>> {
        let mut hops = hops.to_vec();
        hops.sort_by_key(|(ip, segment)| (*segment, *ip));
        let way = |(ip, segment): &(IpAddr, u32)| {
            Some((*ip, *segment, self.interface(router, *segment)?.mac))
        };
        let usable: Vec<_> = hops.iter().filter_map(way).collect();
        let mut alive = usable.clone();
        alive.retain(|(ip, segment, _)| self.holds(router, (*ip, *segment)));
        match (usable.first(), hops.len(), alive.len()) {
            (None, ..) => None,
            (Some(first), 1, _) | (Some(first), _, 0) => Some(vec![*first]),
            _ => Some(alive),
        }
    }

    pub fn arrive(&self, walk: Walk, mut ip: Ip, out: &mut BTreeSet<Outcome>) {
        let given_up = |reason| Outcome::GivenUp(reason, walk.router, walk.ingress);
        if walk.hops == 8 {
            out.insert(given_up(TIME));
            return;
        }
        let mut own = self.interfaces.iter().filter(|i| i.router == walk.router);
        let here = |i: &Interface| i.addresses.iter().any(|own| own.0 == ip.destination);
        if own.clone().any(here) {
            let asks = if ip.destination.is_ipv4() {
                ip.protocol == 1 && ip.kind == 8
            } else {
                ip.protocol == 58 && ip.kind == 128
            };
            if !asks || ip.fragment {
                out.insert(Outcome::Dropped);
                return;
            }
            (ip.source, ip.destination) = (ip.destination, ip.source);
            ip.kind = if ip.protocol == 1 { 0 } else { 129 };
            ip.ttl = 255;
            // An answer is a packet of its own.
            let walk = Walk {
                own: true,
                hops: 0,
                ..walk
            };
            self.route(walk, ip, out);
            return;
        }
        let nets = own.clone().flat_map(|i| &i.addresses);
        let broadcast = nets.clone().any(|net| is_broadcast(*net, ip.destination));
        if never(ip.source) || never(ip.destination) || broadcast || own.next().is_none() {
            out.insert(Outcome::Dropped);
        } else if ip.ttl <= 1 {
            out.insert(given_up(TIME));
        } else {
            self.route(walk, ip, out);
        }
    }

    fn route(&self, walk: Walk, ip: Ip, out: &mut BTreeSet<Outcome>) {
        let router = walk.router;
        let ingress = self.interface(router, walk.ingress).expect("it came in");
        // {length, rank, ways; none: dropped}
        let mut best: Option<(u32, u32, Option<Vec<Way>>)> = None;
        let mut offer = |length: u32, rank: u32, ways| {
            if best
                .as_ref()
                .is_none_or(|best| (best.0, best.1) < (length, rank))
            {
                best = Some((length, rank, ways));
            }
        };
        for i in self.interfaces.iter().filter(|i| i.router == router) {
            for net in i
                .addresses
                .iter()
                .filter(|net| inside(**net, ip.destination))
            {
                offer(net.1, 3, Some(vec![(ip.destination, i.segment, i.mac)]));
            }
        }
        let tables = |r: &&Route| r.router == router && r.table == ingress.table;
        for route in self.routes.iter().filter(tables) {
            if !inside(route.to, ip.destination) {
                continue;
            }
            if route.hops.is_empty() {
                offer(route.to.1, 2, None);
            } else if let Some(ways) = self.ways(router, &route.hops) {
                offer(route.to.1, 2, Some(ways));
            }
        }
        for leak in self.leaks.iter().filter(|leak| leak.router == router) {
            if inside(leak.to, ip.destination) {
                offer(
                    leak.to.1,
                    1,
                    Some(vec![(ip.destination, leak.segment, leak.mac)]),
                );
            }
        }
        let Some((_, _, ways)) = best else {
            out.insert(Outcome::GivenUp(NO_ROUTE, router, walk.ingress));
            return;
        };
        let Some(mut ways) = ways else {
            out.insert(Outcome::Dropped);
            return;
        };
        let mut policies: Vec<&Policy> = self.policies.iter().collect();
        policies.sort_by_key(|policy| std::cmp::Reverse(policy.priority));
        let takes = |p: &&&Policy| {
            let side = |net: Option<Net>, ip| net.is_none_or(|net| inside(net, ip));
            let family = match &p.verdict {
                Verdict::Reroute(hops) => hops[0].0.is_ipv4() == ip.source.is_ipv4(),
                _ => true,
            };
            let ports = p
                .ports
                .is_none_or(|(first, last)| !ip.fragment && (first..=last).contains(&ip.kind));
            p.router == router
                && side(p.source, ip.source)
                && side(p.destination, ip.destination)
                && (p.protocol == 0 || p.protocol == ip.protocol)
                && (p.ingress == 0 || p.ingress == walk.ingress)
                && ports
                && family
                && match &p.verdict {
                    Verdict::Reroute(hops) => self.ways(router, hops).is_some(),
                    _ => true,
                }
        };
        match policies.iter().find(takes).map(|policy| &policy.verdict) {
            None | Some(Verdict::Allow) => {}
            Some(Verdict::Drop) => {
                out.insert(Outcome::Dropped);
                return;
            }
            Some(Verdict::Reroute(hops)) => ways = self.ways(router, hops).expect("usable"),
        }
        for (next, segment, mac) in ways {
            self.leave(&walk, ip, (next, segment, mac), out);
        }
    }

    fn leave(
        &self,
        walk: &Walk,
        mut ip: Ip,
        (next, segment, from): (IpAddr, u32, u64),
        out: &mut BTreeSet<Outcome>,
    ) {
        let given_up = |reason| Outcome::GivenUp(reason, walk.router, walk.ingress);
        let own = self.interface(walk.router, segment);
        if ip.length > own.map_or(1300, |i| i.mtu) + 14 {
            out.insert(given_up(TOO_BIG));
            return;
        }
        if !walk.own {
            ip.ttl -= 1;
        }
        let sent = |port, tunnel, key, to| {
            Outcome::Sent(
                port,
                tunnel,
                key,
                from,
                to,
                ip.ttl,
                ip.source,
                ip.destination,
            )
        };
        for i in self.interfaces.iter().filter(|i| i.segment == segment) {
            if i.addresses.iter().any(|own| own.0 == next) {
                let walk = Walk {
                    router: i.router,
                    ingress: segment,
                    // Who made a packet does not count.
                    hops: walk.hops + u32::from(!walk.own),
                    own: false,
                };
                self.arrive(walk, ip, out);
                return;
            }
        }
        let has = |host: &&Host| host.segment == segment && host.up && host.ips.contains(&next);
        if let Some(host) = self.hosts.iter().find(has) {
            out.insert(match host.ofport {
                Some(ofport) => sent(ofport, 0, 0, host.mac),
                None => sent(100, 0xac1f_0002, host.key, host.mac),
            });
            return;
        }
        let leaks = self.leaks.iter().filter(|leak| leak.router == walk.router);
        let mut hosts = leaks
            .filter(|leak| leak.segment == segment)
            .flat_map(|leak| &leak.hosts);
        if let Some((key, mac, _)) = hosts.find(|host| host.2 == next) {
            out.insert(sent(100, 0xac1f_0003, *key, *mac));
            return;
        }
        let open = self.segments.iter().any(|s| s.key == segment && s.open);
        out.insert(given_up(if open { RESOLVE } else { UNREACHABLE }));
    }
}
