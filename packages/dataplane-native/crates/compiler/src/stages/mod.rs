//! One file a feature: each adds its flows, groups and meters to an `Emit`.
//! Stages read no tables; `units` hands them what they need.

pub mod anti_spoof;
pub mod arp;
pub mod claims;
pub mod classify;
pub mod deliver;
pub mod echo;
pub mod ecmp;
pub mod fence;
pub mod flood;
pub mod l2;
pub mod limit;
pub mod nd;
pub mod neighbour;
pub mod policy_route;
pub mod provider;
pub mod punt;
pub mod route;
pub mod router_entry;
pub mod router_in;
pub mod router_out;
pub mod tunnel;

use std::net::IpAddr;

use weft_openflow::{Field, Match};

use crate::fields::{Mac, NETWORK};
use crate::router_model::Prefix;

pub const ETH_IPV4: u16 = 0x0800;
pub const ETH_ARP: u16 = 0x0806;
pub const ETH_IPV6: u16 = 0x86dd;
pub const PROTO_ICMP6: u8 = 58;
pub const PROTO_UDP: u8 = 17;
pub const PROTO_ICMP: u8 = 1;
pub const ECHO_REQUEST: u8 = 8;
pub const ECHO_REPLY: u8 = 0;
pub const ECHO_REQUEST_V6: u8 = 128;
pub const ECHO_REPLY_V6: u8 = 129;
pub const NEIGHBOUR_SOLICITATION: u8 = 135;
pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

/// The group bit of a MAC address: broadcast and multicast.
pub const GROUP_BIT: Mac = [1, 0, 0, 0, 0, 0];

/// Packets of a network.
pub fn in_network(network: u32) -> Match {
    Match::new().set(NETWORK, network)
}

/// Packets of ICMP for IPv6 of a type.
pub fn icmp6(base: Match, kind: u8) -> Match {
    base.set(Field::EthType, ETH_IPV6)
        .set(Field::IpProto, PROTO_ICMP6)
        .set(Field::Icmpv6Type, kind)
}

/// IP packets with this address in the field of its family; registers count as well.
pub fn ip(base: Match, v4: Field, v6: Field, address: IpAddr) -> Match {
    let length = if address.is_ipv4() { 32 } else { 128 };
    let whole = Prefix {
        ip: address,
        length,
    };
    prefix(base, v4, v6, whole)
}

/// IP packets with an address of this prefix in the field of its family.
pub fn prefix(base: Match, v4: Field, v6: Field, prefix: Prefix) -> Match {
    match prefix.ip {
        IpAddr::V4(ip) => base
            .set(Field::EthType, ETH_IPV4)
            .prefix(v4, ip, prefix.length),
        IpAddr::V6(ip) => base
            .set(Field::EthType, ETH_IPV6)
            .prefix(v6, ip, prefix.length),
    }
}

/// Of these the fragments, the first ones among them.
pub fn fragment(base: Match) -> Match {
    base.masked(Field::IpFrag, 1u8, 1u8)
}
