//! What routers hand to the engine, and what the engine needs to answer: which interface speaks,
//! with which addresses, and how its packets get in. Pure; the engine builds the packets, sees to it
//! that no error is about an error, and sends. The userdata of such a packet-in is
//!
//! ```text
//! byte 0: 3 = from a router   byte 1: the reason, see `Reason`
//! ```
//!
//! and its metadata holds the registers that `fields` draws: `read_punt` reads them.

use std::net::{IpAddr, Ipv6Addr};

use weft_openflow::{Action, Field, PacketIn};

use crate::fields::{
    EGRESS, FLAG_UNKNOWN, FLAGS, HOPS, IDENTITY, INGRESS, INGRESS_NETWORK, Mac, NETWORK,
    NEXT_HOP_V4, OWN, ROUTE_TABLE, ROUTER, routed,
};
use crate::key::Key;
use crate::model::Body;
use crate::pipeline::{L2, ROUTE};
use crate::router_model::{Prefix, RouterPort};
use crate::services::ServiceTable;
use crate::stages::ETH_IPV4;
use crate::stages::anti_spoof::link_local;

/// First byte of the userdata.
const FROM_ROUTER: u8 = 3;

/// Why a router gives a packet up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// TTL or hop limit 0 or 1 on arrival, or a ninth router in one pass.
    TimeExceeded = 1,
    NoRoute = 2,
    /// Nobody is known to have the next hop, and nobody could.
    HostUnreachable = 3,
    /// Longer than the MTU of the network it was to go to, [`ServiceTable::segment_mtu`].
    TooBig = 4,
    /// Nobody is known to have the next hop, but a port with port security off may: ask with ARP or
    /// a neighbour solicitation from [`ServiceTable::interface`] of the egress network, sent with
    /// [`ask`]. Where the router has no interface there, it is host unreachable.
    Resolve = 5,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 5] = [
        Reason::TimeExceeded,
        Reason::NoRoute,
        Reason::HostUnreachable,
        Reason::TooBig,
        Reason::Resolve,
    ];

    /// The userdata of a packet-in.
    pub fn encode(self) -> Vec<u8> {
        vec![FROM_ROUTER, self as u8]
    }

    /// `None`: not from a router.
    pub fn decode(userdata: &[u8]) -> Option<Self> {
        let [FROM_ROUTER, number] = *userdata else {
            return None;
        };
        Reason::ALL
            .into_iter()
            .find(|reason| *reason as u8 == number)
    }
}

/// A packet that a router gave up, as its registers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Punt {
    pub reason: Reason,
    /// The local port that sent it: see [`ServiceTable::port`]. The input port of the packet-in is
    /// not it after a first router.
    pub port_key: u32,
    pub router_key: u32,
    /// By which it came to that router: [`ServiceTable::interface`] speaks for the router.
    pub ingress_network_key: u32,
    /// To which it was to go; with `TooBig`, `HostUnreachable` and `Resolve` alone.
    pub egress_network_key: u32,
    /// With `HostUnreachable` and `Resolve` alone.
    pub next_hop: IpAddr,
}

/// Reads a packet-in; `None`: not one of a router.
pub fn read_punt(packet: &PacketIn) -> Option<Punt> {
    let reason = Reason::decode(&packet.userdata)?;
    // The switch leaves out registers that are zero.
    let read = |field: Field| packet.metadata.exact(field).unwrap_or(0);
    let low = |field| u32::try_from(read(field) & 0x00ff_ffff).ok();
    let ethertype = packet.packet.get(12..14)?;
    let next_hop = if ethertype == ETH_IPV4.to_be_bytes() {
        IpAddr::V4(u32::try_from(read(NEXT_HOP_V4)).ok()?.into())
    } else {
        let quarters = (12..16).filter_map(Field::reg);
        let bits = quarters.fold(0, |bits, quarter| bits << 32 | read(quarter));
        IpAddr::V6(Ipv6Addr::from_bits(bits))
    };
    Some(Punt {
        reason,
        port_key: low(INGRESS)?,
        router_key: low(ROUTER)?,
        ingress_network_key: low(INGRESS_NETWORK)?,
        egress_network_key: low(NETWORK)?,
        next_hop,
    })
}

/// An interface of a router or its end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceFacts {
    pub router_key: u32,
    pub network_key: u32,
    pub mac: Mac,
    /// Addresses with the lengths of their prefixes, without the link-local one.
    pub addresses: Vec<(IpAddr, u32)>,
    pub link_local: Ipv6Addr,
    /// In which table what comes in here is looked up.
    pub route_table: u32,
    pub mtu_bytes: u16,
}

impl InterfaceFacts {
    /// The address to speak from to `peer`: the one whose prefix holds it, else the first of that
    /// family. `None`: the interface has none of that family but the link-local one.
    pub fn source(&self, peer: IpAddr) -> Option<IpAddr> {
        let family = |(ip, _): &&(IpAddr, u32)| ip.is_ipv4() == peer.is_ipv4();
        let near = |(ip, length): &&(IpAddr, u32)| {
            let prefix = Prefix {
                ip: *ip,
                length: *length,
            };
            prefix.covers(peer)
        };
        let mut same = self.addresses.iter().filter(family);
        let near = self.addresses.iter().find(near);
        near.or_else(|| same.next()).map(|(ip, _)| *ip)
    }
}

impl ServiceTable<'_> {
    /// The interface of a router on a network or link.
    pub fn interface(self, router_key: u32, network_key: u32) -> Option<InterfaceFacts> {
        let row = self.tables.get(&Key::RouterPort(router_key, network_key))?;
        match row.working() {
            Ok(Body::RouterPort(port)) => Some(facts(port)),
            _ => None,
        }
    }

    /// The MTU of a network as a router sends to it, also where it does so by a leak.
    pub fn segment_mtu(self, router_key: u32, network_key: u32) -> Option<u16> {
        let own = self.interface(router_key, network_key);
        own.map(|interface| interface.mtu_bytes)
            .or_else(|| self.tables.leaked_mtu(router_key, network_key))
    }
}

fn facts(port: &RouterPort) -> InterfaceFacts {
    let addresses = port.addresses.iter();
    InterfaceFacts {
        router_key: port.router,
        network_key: port.network,
        mac: port.mac,
        addresses: addresses
            .map(|address| (address.ip, address.length))
            .collect(),
        link_local: link_local(port.mac),
        route_table: port.route_table,
        mtu_bytes: port.mtu,
    }
}

/// The actions of a packet-out (input port controller) that lets a router send a packet of its own:
/// as if it had come in by `interface`. Ethernet addresses may be anything; TTL 255.
pub fn inject(interface: &InterfaceFacts) -> Vec<Action> {
    let mut actions = blank();
    actions.extend([
        Action::load(OWN, 1u8),
        Action::set(NETWORK, interface.network_key),
        Action::set(ROUTER, routed(interface.router_key)),
        Action::set(INGRESS_NETWORK, interface.network_key),
        Action::set(ROUTE_TABLE, interface.route_table),
        Action::resubmit(ROUTE),
    ]);
    actions
}

/// The actions of a packet-out (input port controller) that brings a question to all ports of the
/// network with port security off, whatever its destination MAC.
pub fn ask(network_key: u32) -> Vec<Action> {
    let mut actions = blank();
    actions.extend([
        Action::set(FLAGS, FLAG_UNKNOWN),
        Action::set(NETWORK, network_key),
        Action::resubmit(L2),
    ]);
    actions
}

/// Nobody sent it: what a router gives up of it leads to no further error.
fn blank() -> Vec<Action> {
    [FLAGS, INGRESS, EGRESS, IDENTITY, ROUTER, HOPS]
        .map(|register| Action::set(register, 0u32))
        .to_vec()
}
