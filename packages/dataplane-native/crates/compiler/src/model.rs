//! What instructions say, decoded and checked: typed addresses, keys that agree with the
//! instruction's key. It computes no flows. Called by `tables` once for each upsert; a body that
//! fails here fails alone.

use std::net::IpAddr;
use std::sync::Arc;

use prost::Message as _;
use weft_instructions::v1::{self, EncapType, instruction_body::Body as Wire};

use crate::fields::{Mac, NETWORK_KEY_MAX, PORT_KEY_MAX};
use crate::key::Key;
use crate::router_model::{self, Leaked, Neighbour, PolicyRule, RouterPort, StaticRoute};

/// A decoded instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Config { chassis_key: u32 },
    Port(Port),
    Network(Network),
    Location(Location),
    FloodPeer(FloodPeer),
    Address(AddressOwner),
    Fence(Vec<IpAddr>),
    Vif { ofport: u32 },
    Tunnel(Tunnel),
    Patch { ofport: u32 },
    Router,
    RouterPort(RouterPort),
    Route(StaticRoute),
    Policy(Box<PolicyRule>),
    Neighbour(Neighbour),
    Leaked(Leaked),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub id: Arc<str>,
    pub key: u32,
    pub network: u32,
    pub mac: Mac,
    pub ips: Vec<IpAddr>,
    pub pairs: Vec<Pair>,
    pub admin_up: bool,
    pub security: bool,
}

/// An allowed pair; `mac` is the port's own where the instruction names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    pub ip: IpAddr,
    pub prefix: u32,
    pub mac: Mac,
}

impl Pair {
    /// Whether the pair covers this address.
    pub fn covers(&self, ip: IpAddr) -> bool {
        match (self.ip, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (a.to_bits() ^ b.to_bits())
                    .checked_shr(32 - self.prefix)
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                (a.to_bits() ^ b.to_bits())
                    .checked_shr(128 - self.prefix)
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

/// How a network leaves the chassis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    Overlay(EncapType),
    /// `vlan` 0: flat.
    Provider {
        physical: Arc<str>,
        vlan: u16,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub key: u32,
    pub id: String,
    pub attachment: Attachment,
    pub gateways: Vec<IpAddr>,
    pub gateway_mac: Option<Mac>,
    pub relayed: bool,
    pub unknown_unicast: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    pub port: u32,
    pub network: u32,
    pub mac: Mac,
    pub ips: Vec<IpAddr>,
    pub chassis: u32,
    pub vtep: Option<IpAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloodPeer {
    pub chassis: u32,
    pub vtep: Option<IpAddr>,
    pub block: u32,
    pub relay: bool,
    pub unknown_unicast: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressOwner {
    pub network: u32,
    pub ip: IpAddr,
    pub mac: Mac,
    pub port: u32,
    pub chassis: u32,
    pub vtep: Option<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    pub encap: EncapType,
    pub ofport: u32,
    pub local_v4: Option<IpAddr>,
    pub local_v6: Option<IpAddr>,
}

/// Decodes the body that stands under `key`. The error says what is wrong with it.
pub fn decode(key: &Key, bytes: &[u8]) -> Result<Body, String> {
    if let Key::Unknown(text) = key {
        return Err(format!(
            "{text:?} is not an instruction key that this engine knows: upgrade it"
        ));
    }
    let wire = v1::InstructionBody::decode(bytes)
        .map_err(|error| format!("the body cannot be decoded ({error})"))?
        .body
        .ok_or("the body is of a kind that this engine does not know: upgrade it")?;
    let body = convert(key, wire)?;
    body.ok_or_else(|| "the body is not of the kind that the key names".into())
}

/// `None`: another kind than the key's, or another object's.
fn convert(key: &Key, wire: Wire) -> Result<Option<Body>, String> {
    Ok(match (key, wire) {
        (Key::Config, Wire::ChassisConfig(c)) => Some(Body::Config {
            chassis_key: chassis(c.chassis_key)?,
        }),
        (Key::Port(k), Wire::LocalPort(p)) if *k == p.port_key => Some(Body::Port(port(p)?)),
        (Key::Network(k), Wire::Network(n)) if *k == n.network_key => {
            Some(Body::Network(network(n)?))
        }
        (Key::Location(n, p), Wire::Location(l)) if (*n, *p) == (l.network_key, l.port_key) => {
            network_key(l.network_key)?;
            Some(Body::Location(Location {
                port: port_key(l.port_key)?,
                network: l.network_key,
                mac: mac(&l.mac)?,
                ips: ips(&l.ips)?,
                chassis: chassis(l.chassis_key)?,
                vtep: optional_ip(&l.vtep_ip)?,
            }))
        }
        (Key::Flood(n, c), Wire::FloodPeer(p)) if (*n, *c) == (p.network_key, p.chassis_key) => {
            Some(Body::FloodPeer(FloodPeer {
                chassis: chassis(p.chassis_key)?,
                vtep: optional_ip(&p.vtep_ip)?,
                block: p.block,
                relay: p.relay,
                unknown_unicast: p.unknown_unicast,
            }))
        }
        (Key::Address(n, address) | Key::WiredAddress(n, address), Wire::AddressOwner(a))
            if (*n, *address) == (a.network_key, ip(&a.ip)?) =>
        {
            network_key(a.network_key)?;
            Some(Body::Address(AddressOwner {
                network: a.network_key,
                ip: *address,
                mac: mac(&a.mac)?,
                port: port_key(a.port_key)?,
                chassis: chassis(a.chassis_key)?,
                vtep: optional_ip(&a.vtep_ip)?,
            }))
        }
        (Key::Fence(k), Wire::FencedPeer(f)) if *k == f.chassis_key => {
            Some(Body::Fence(ips(&f.vtep_ips)?))
        }
        (Key::Router(k), Wire::Router(r)) if *k == r.router_key => {
            key24(r.router_key, "router")?;
            Some(Body::Router)
        }
        (Key::RouterPort(r, n), Wire::RouterPort(p))
            if (*r, *n) == (p.router_key, p.network_key) =>
        {
            Some(Body::RouterPort(router_model::router_port(&p)?))
        }
        (Key::Route(r, k), Wire::StaticRoute(s)) if (*r, *k) == (s.router_key, s.route_key) => {
            Some(Body::Route(router_model::static_route(&s)?))
        }
        (Key::Policy(r, k), Wire::PolicyRule(p)) if (*r, *k) == (p.router_key, p.policy_key) => {
            Some(Body::Policy(Box::new(router_model::policy(&p)?)))
        }
        (Key::Neighbour(r, k), Wire::RouterNeighbour(n))
            if (*r, *k) == (n.router_key, n.port_key) =>
        {
            Some(Body::Neighbour(router_model::neighbour(&n)?))
        }
        (Key::Claimed(r, on, address), Wire::RouterNeighbour(n))
            if (*r, *on) == (n.router_key, n.network_key) && ips(&n.ips)? == [*address] =>
        {
            Some(Body::Neighbour(router_model::neighbour(&n)?))
        }
        (Key::Leaked(k), Wire::LeakedRoute(l)) => router_model::leaked(k, &l)?.map(Body::Leaked),
        (Key::Vif(id), Wire::LocalVif(v)) if **id == *v.port_id => Some(Body::Vif {
            ofport: ofport(v.ofport)?,
        }),
        (Key::Tunnel(k), Wire::LocalTunnel(t)) if *k == t.encap => {
            let encap = EncapType::try_from(t.encap).unwrap_or(EncapType::Unspecified);
            if encap == EncapType::Unspecified {
                return Err(format!("{} is not an encap type", t.encap));
            }
            let local = ips(&t.local_ips)?;
            Some(Body::Tunnel(Tunnel {
                encap,
                ofport: ofport(t.ofport)?,
                local_v4: local.iter().copied().find(IpAddr::is_ipv4),
                local_v6: local.iter().copied().find(IpAddr::is_ipv6),
            }))
        }
        (Key::Patch(name), Wire::LocalPatch(p)) if **name == *p.physical_network => {
            Some(Body::Patch {
                ofport: ofport(p.ofport)?,
            })
        }
        _ => None,
    })
}

fn port(p: v1::LocalPort) -> Result<Port, String> {
    let own = mac(&p.mac)?;
    let mut pairs = Vec::with_capacity(p.allowed_pairs.len());
    for pair in &p.allowed_pairs {
        let address = ip(&pair.ip)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if pair.prefix_len > bits {
            return Err(format!(
                "allowed pair {address}/{}: the prefix is too long",
                pair.prefix_len
            ));
        }
        let mac = pair.mac.as_deref().map_or(Ok(own), mac)?;
        pairs.push(Pair {
            ip: address,
            prefix: pair.prefix_len,
            mac,
        });
    }
    network_key(p.network_key)?;
    Ok(Port {
        id: p.port_id.into(),
        key: port_key(p.port_key)?,
        network: p.network_key,
        mac: own,
        ips: ips(&p.ips)?,
        pairs,
        admin_up: p.admin_up,
        security: p.port_security,
    })
}

fn network(n: v1::NetworkConfig) -> Result<Network, String> {
    let encap = EncapType::try_from(n.encap).map_err(|_| format!("unknown encap {}", n.encap))?;
    let attachment = match encap {
        EncapType::Unspecified if n.physical_network.is_empty() => {
            return Err("the network has neither an encap nor a physical network".into());
        }
        EncapType::Unspecified => {
            let vlan = u16::try_from(n.vlan).ok().filter(|vlan| *vlan < 4095);
            let vlan = vlan.ok_or_else(|| format!("VLAN {} is not in 0..4094", n.vlan))?;
            Attachment::Provider {
                physical: n.physical_network.into(),
                vlan,
            }
        }
        encap => Attachment::Overlay(encap),
    };
    let gateway_mac = if n.gateway_mac.is_empty() {
        None
    } else {
        Some(mac(&n.gateway_mac)?)
    };
    Ok(Network {
        key: network_key(n.network_key)?,
        id: n.network_id,
        attachment,
        gateways: ips(&n.gateway_ips)?,
        gateway_mac,
        relayed: n.relayed,
        unknown_unicast: n.unknown_unicast,
    })
}

pub fn port_key(key: u32) -> Result<u32, String> {
    let fits = (1..=PORT_KEY_MAX).contains(&key);
    fits.then_some(key)
        .ok_or_else(|| format!("port key {key} is not in 1..{PORT_KEY_MAX}"))
}

pub fn network_key(key: u32) -> Result<u32, String> {
    let fits = (1..=NETWORK_KEY_MAX).contains(&key);
    fits.then_some(key)
        .ok_or_else(|| format!("network key {key} is not in 1..{NETWORK_KEY_MAX}"))
}

/// The key of an object of the given kind.
pub fn key24(key: u32, kind: &str) -> Result<u32, String> {
    let fits = (1..=NETWORK_KEY_MAX).contains(&key);
    fits.then_some(key)
        .ok_or_else(|| format!("{kind} key {key} is not in 1..{NETWORK_KEY_MAX}"))
}

pub fn chassis(key: u32) -> Result<u32, String> {
    let fits = (1..=0xffff).contains(&key);
    fits.then_some(key)
        .ok_or_else(|| format!("chassis key {key} is not in 1..65535"))
}

fn ofport(number: u32) -> Result<u32, String> {
    let fits = (1..=weft_openflow::port::MAX).contains(&number);
    fits.then_some(number)
        .ok_or_else(|| format!("{number} is not the number of a port"))
}

/// Six bytes, neither zero nor multicast.
pub fn mac(bytes: &[u8]) -> Result<Mac, String> {
    let mac = Mac::try_from(bytes).map_err(|_| format!("a MAC of {} bytes", bytes.len()))?;
    let usable = mac[0] & 1 == 0 && mac != [0; 6];
    usable
        .then_some(mac)
        .ok_or_else(|| "the MAC is zero or a multicast address".into())
}

pub fn ip(bytes: &[u8]) -> Result<IpAddr, String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Ok(v4.into());
    }
    let v6 = <[u8; 16]>::try_from(bytes).map_err(|_| format!("an IP of {} bytes", bytes.len()))?;
    Ok(v6.into())
}

pub fn optional_ip(bytes: &[u8]) -> Result<Option<IpAddr>, String> {
    if bytes.is_empty() {
        Ok(None)
    } else {
        ip(bytes).map(Some)
    }
}

pub fn ips(list: &[Vec<u8>]) -> Result<Vec<IpAddr>, String> {
    list.iter().map(|bytes| ip(bytes)).collect()
}
