//! One file a feature: each adds its flows, groups and meters to an `Emit`.
//! Stages read no tables; `units` hands them what they need.

pub mod anti_spoof;
pub mod arp;
pub mod claims;
pub mod classify;
pub mod deliver;
pub mod fence;
pub mod flood;
pub mod l2;
pub mod nd;
pub mod provider;
pub mod tunnel;

use weft_openflow::{Field, Match};

use crate::fields::{Mac, NETWORK};

pub const ETH_IPV4: u16 = 0x0800;
pub const ETH_ARP: u16 = 0x0806;
pub const ETH_IPV6: u16 = 0x86dd;
pub const PROTO_ICMP6: u8 = 58;
pub const PROTO_UDP: u8 = 17;
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
