//! What the instructions of routers say, decoded and checked. It computes no flows. Called by
//! `model::decode`, whose rules hold here too: a body that fails fails alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weft_instructions::v1::{self, EncapType, PolicyVerdict};

use crate::fields::{Mac, ROUTE_TABLE_MAX};
use crate::key::LeakedKey;
use crate::model::{chassis, ip, ips, key24, mac, network_key, optional_ip, port_key};

/// Next hops of one route.
pub const NEXT_HOPS: usize = 16;
/// Port spans of a policy, of sources and of destinations.
const SPANS: usize = 16;

/// An address and how many of its bits name a prefix; the other bits may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    pub ip: IpAddr,
    pub length: u32,
}

impl Prefix {
    /// Whether the prefix holds this address.
    pub fn covers(self, ip: IpAddr) -> bool {
        let theirs = Prefix { ip, ..self };
        self.ip.is_ipv4() == ip.is_ipv4() && self.first() == theirs.first()
    }

    /// The address with the other bits zero.
    pub fn first(self) -> IpAddr {
        match self.ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX
                    .checked_shl(32_u32.saturating_sub(self.length))
                    .unwrap_or(0);
                Ipv4Addr::from_bits(ip.to_bits() & mask).into()
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX
                    .checked_shl(128_u32.saturating_sub(self.length))
                    .unwrap_or(0);
                Ipv6Addr::from_bits(ip.to_bits() & mask).into()
            }
        }
    }

    /// The broadcast address, which IPv4 prefixes of at most 30 bits have.
    pub fn broadcast(self) -> Option<Ipv4Addr> {
        let IpAddr::V4(ip) = self.ip else { return None };
        let hosts = u32::MAX.checked_shr(self.length).unwrap_or(0);
        (self.length <= 30).then(|| Ipv4Addr::from_bits(ip.to_bits() | hosts))
    }
}

/// An interface of a router, or its end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterPort {
    pub router: u32,
    /// Of the network or link.
    pub network: u32,
    /// Of the interface or link.
    pub key: u32,
    pub mac: Mac,
    pub addresses: Vec<Prefix>,
    /// Of what comes in here.
    pub route_table: u32,
    pub mtu: u16,
    pub link: bool,
}

/// A next hop and the network or link that it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    pub network: u32,
    pub ip: IpAddr,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticRoute {
    pub router: u32,
    pub key: u32,
    pub table: u32,
    pub prefix: Prefix,
    /// None: blackhole; several: ECMP.
    pub hops: Vec<Hop>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// What the table says.
    Allow,
    Drop,
    Reroute(Vec<Hop>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRule {
    pub router: u32,
    pub key: u32,
    pub priority: u16,
    pub source: Option<Prefix>,
    pub destination: Option<Prefix>,
    /// 0: any.
    pub protocol: u8,
    /// First and last; none: any.
    pub source_ports: Vec<(u16, u16)>,
    pub destination_ports: Vec<(u16, u16)>,
    /// 0: any.
    pub ingress_network: u32,
    pub verdict: Verdict,
}

/// A port that a router reaches though its location is not told here, by its own addresses or by one
/// that it claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    pub router: u32,
    pub port: u32,
    pub network: u32,
    pub mac: Mac,
    pub ips: Vec<IpAddr>,
    pub chassis: u32,
    /// `None`: on a provider network.
    pub tunnel: Option<(EncapType, IpAddr)>,
}

/// A connected route of another router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaked {
    pub router: u32,
    pub leak: u32,
    pub network: u32,
    pub prefix: Prefix,
    /// Of the other router's interface there.
    pub mac: Mac,
    pub mtu: u16,
}

pub fn router_port(p: &v1::RouterPort) -> Result<RouterPort, String> {
    let addresses = (p.addresses.iter())
        .map(|address| prefix(&address.ip, address.prefix_len))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(RouterPort {
        router: key24(p.router_key, "router")?,
        network: network_key(p.network_key)?,
        key: key24(p.interface_key, "interface")?,
        mac: mac(&p.mac)?,
        addresses,
        route_table: route_table(p.route_table)?,
        mtu: mtu(p.mtu_bytes)?,
        link: p.link,
    })
}

pub fn static_route(r: &v1::StaticRoute) -> Result<StaticRoute, String> {
    let prefix = exact_prefix(&r.prefix, r.prefix_len)?;
    let hops = hops(&r.next_hops)?;
    if hops
        .iter()
        .any(|hop| hop.ip.is_ipv4() != prefix.ip.is_ipv4())
    {
        return Err("a next hop is of another family than the destination".into());
    }
    Ok(StaticRoute {
        router: key24(r.router_key, "router")?,
        key: key24(r.route_key, "route")?,
        table: route_table(r.table)?,
        prefix,
        hops,
    })
}

pub fn policy(p: &v1::PolicyRule) -> Result<PolicyRule, String> {
    let priority = u16::try_from(p.priority).ok();
    let priority = priority.filter(|priority| (1..=32767).contains(priority));
    let protocol =
        u8::try_from(p.protocol).map_err(|_| format!("{} is no IP protocol", p.protocol))?;
    let side = |bytes: &[u8], length| {
        let given = !bytes.is_empty();
        given.then(|| exact_prefix(bytes, length)).transpose()
    };
    let verdict = match PolicyVerdict::try_from(p.verdict) {
        Ok(PolicyVerdict::Allow) => Verdict::Allow,
        Ok(PolicyVerdict::Drop) => Verdict::Drop,
        Ok(PolicyVerdict::Reroute) if !p.next_hops.is_empty() => {
            Verdict::Reroute(hops(&p.next_hops)?)
        }
        Ok(PolicyVerdict::Reroute) => return Err("a reroute without next hops".into()),
        _ => return Err(format!("the verdict {} is not known: upgrade", p.verdict)),
    };
    let rule = PolicyRule {
        router: key24(p.router_key, "router")?,
        key: key24(p.policy_key, "policy")?,
        priority: priority
            .ok_or_else(|| format!("the priority {} is not in 1..32767", p.priority))?,
        source: side(&p.source, p.source_len)?,
        destination: side(&p.destination, p.destination_len)?,
        protocol,
        source_ports: spans(&p.source_ports)?,
        destination_ports: spans(&p.destination_ports)?,
        ingress_network: p.ingress_network_key,
        verdict,
    };
    let ports = !rule.source_ports.is_empty() || !rule.destination_ports.is_empty();
    if ports && !matches!(protocol, 6 | 17 | 132) {
        return Err("ports need the protocol TCP, UDP or SCTP".into());
    }
    if rule.families().is_empty() {
        return Err("source, destination and next hops are not all of one family".into());
    }
    Ok(rule)
}

impl PolicyRule {
    /// Whether it is about IPv4, IPv6 or both, `true` being IPv4.
    pub fn families(&self) -> Vec<bool> {
        let sides = self.source.iter().chain(&self.destination);
        let mut named: Vec<bool> = sides.map(|side| side.ip.is_ipv4()).collect();
        if let Verdict::Reroute(hops) = &self.verdict {
            named.extend(hops.iter().map(|hop| hop.ip.is_ipv4()));
        }
        let fits = |family: &bool| named.iter().all(|name| name == family);
        [true, false].into_iter().filter(fits).collect()
    }
}

pub fn neighbour(n: &v1::RouterNeighbour) -> Result<Neighbour, String> {
    let encap = EncapType::try_from(n.encap).map_err(|_| format!("unknown encap {}", n.encap))?;
    let tunnel = match (encap, optional_ip(&n.vtep_ip)?) {
        (EncapType::Unspecified, _) => None,
        (encap, Some(vtep)) => Some((encap, vtep)),
        (_, None) => return Err("the neighbour has an encap but no VTEP".into()),
    };
    Ok(Neighbour {
        router: key24(n.router_key, "router")?,
        port: port_key(n.port_key)?,
        network: network_key(n.network_key)?,
        mac: mac(&n.mac)?,
        ips: ips(&n.ips)?,
        chassis: chassis(n.chassis_key)?,
        tunnel,
    })
}

/// `None`: it is not what the key names.
pub fn leaked(key: &LeakedKey, l: &v1::LeakedRoute) -> Result<Option<Leaked>, String> {
    let prefix = exact_prefix(&l.prefix, l.prefix_len)?;
    let named = LeakedKey {
        router: l.router_key,
        leak: l.leak_key,
        network: l.network_key,
        prefix: prefix.ip,
        length: prefix.length,
    };
    if named != *key {
        return Ok(None);
    }
    Ok(Some(Leaked {
        router: key24(l.router_key, "router")?,
        leak: key24(l.leak_key, "leak")?,
        network: network_key(l.network_key)?,
        prefix,
        mac: mac(&l.mac)?,
        mtu: mtu(l.mtu_bytes)?,
    }))
}

fn prefix(bytes: &[u8], length: u32) -> Result<Prefix, String> {
    let ip = ip(bytes)?;
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    if length > bits {
        return Err(format!("{ip}/{length}: the prefix is too long"));
    }
    Ok(Prefix { ip, length })
}

/// Without bits beyond its length: two would be one to the switch.
fn exact_prefix(bytes: &[u8], length: u32) -> Result<Prefix, String> {
    let prefix = prefix(bytes, length)?;
    if prefix.first() != prefix.ip {
        return Err(format!(
            "{}/{length}: bits beyond the prefix are set",
            prefix.ip
        ));
    }
    Ok(prefix)
}

fn hops(list: &[v1::SegmentHop]) -> Result<Vec<Hop>, String> {
    if list.len() > NEXT_HOPS {
        return Err(format!("{} next hops are more than 16", list.len()));
    }
    let hop = |hop: &v1::SegmentHop| {
        Ok(Hop {
            network: network_key(hop.network_key)?,
            ip: ip(&hop.ip)?,
        })
    };
    let mut hops = list.iter().map(hop).collect::<Result<Vec<_>, String>>()?;
    hops.sort_unstable();
    hops.dedup();
    Ok(hops)
}

fn spans(list: &[v1::PortSpan]) -> Result<Vec<(u16, u16)>, String> {
    if list.len() > SPANS {
        return Err(format!("{} port spans are more than {SPANS}", list.len()));
    }
    let port = |number| u16::try_from(number).ok();
    let ends = list
        .iter()
        .map(|span| port(span.first).zip(port(span.last)));
    let ordered = ends.map(|ends| ends.filter(|(first, last)| first <= last));
    let ordered: Option<Vec<_>> = ordered.collect();
    ordered.ok_or_else(|| "a port span is not of two ports in order".to_owned())
}

fn route_table(number: u32) -> Result<u32, String> {
    let fits = number <= ROUTE_TABLE_MAX;
    fits.then_some(number)
        .ok_or_else(|| format!("the route table {number} is above {ROUTE_TABLE_MAX}"))
}

/// With the Ethernet header it has to fit 16 bits.
fn mtu(bytes: u32) -> Result<u16, String> {
    let fits = u16::try_from(bytes).ok();
    fits.filter(|mtu| (68..=65_521).contains(mtu))
        .ok_or_else(|| format!("the MTU {bytes} is not in 68..65521"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_cover_and_end() {
        // {prefix, first, broadcast, inside, outside}
        let cases = [
            (
                "10.1.2.3",
                24,
                "10.1.2.0",
                Some("10.1.2.255"),
                "10.1.2.9",
                "10.1.3.0",
            ),
            ("10.1.2.3", 31, "10.1.2.2", None, "10.1.2.2", "10.1.2.4"),
            ("10.1.2.3", 32, "10.1.2.3", None, "10.1.2.3", "10.1.2.2"),
            (
                "10.1.2.3",
                0,
                "0.0.0.0",
                Some("255.255.255.255"),
                "9.9.9.9",
                "::",
            ),
            ("fd00::1", 64, "fd00::", None, "fd00::ffff", "fd00:0:0:1::"),
            ("fd00::1", 0, "::", None, "ff::", "0.0.0.0"),
            ("fd00::1", 64, "fd00::", None, "fd00::9", "10.0.0.1"),
            ("fd00::1", 128, "fd00::1", None, "fd00::1", "fd00::2"),
        ];
        for (ip, length, first, broadcast, inside, outside) in cases {
            let parse = |text: &str| text.parse::<IpAddr>().expect("an address");
            let prefix = Prefix {
                ip: parse(ip),
                length,
            };
            assert_eq!(prefix.first(), parse(first));
            assert_eq!(prefix.broadcast().map(IpAddr::from), broadcast.map(parse));
            assert!(prefix.covers(parse(inside)) && !prefix.covers(parse(outside)));
        }
    }
}
