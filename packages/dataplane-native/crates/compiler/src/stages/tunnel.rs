//! Tunnels: the header of what leaves by one. Tables 51 to 56 for known unicast; as actions for
//! `flood`, whose copies need another destination each. Called for local tunnel ports, by `l2` and
//! by `flood`.

use std::net::IpAddr;

use weft_instructions::v1::EncapType;
use weft_openflow::{Action, Field, Match, Subfield};

use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{EGRESS, IDENTITY, INGRESS, KEY_BITS, NETWORK, key_of, tlv};
use crate::model::Tunnel;
use crate::pipeline::{self, priority};

/// Known unicast into this tunnel: network, egress and ingress key are in registers, and the
/// destination is set.
pub fn unicast(emit: &mut Emit, tunnel: &Tunnel) {
    let shift = if tunnel.encap == EncapType::Gre { 8 } else { 0 };
    for (ipv4, src, local) in [
        (true, Field::TunSrc, tunnel.local_v4),
        (false, Field::TunIpv6Src, tunnel.local_v6),
    ] {
        let Some(table) = pipeline::tunnel_out(tunnel.encap, ipv4) else {
            continue;
        };
        let mut actions = vec![Action::copy(
            key_of(NETWORK),
            Subfield::new(Field::TunId, shift, KEY_BITS),
        )];
        if tunnel.encap == EncapType::Geneve {
            actions.extend([
                Action::set(tlv::FIELD, tlv::value(0)),
                Action::copy(key_of(INGRESS), tlv::INGRESS),
                Action::copy(key_of(EGRESS), tlv::EGRESS),
            ]);
        }
        actions.extend(local.map(|local| set(src, local)));
        actions.push(Action::output(tunnel.ofport));
        let at = (table, priority::TUNNEL_OUT);
        emit.flow(at, Rule::TunnelOut, Match::new(), actions, None);
    }
}

/// The part of the header that all copies share: network, and with Geneve the TLV. The sender's
/// identity is taken along by relays alone: nothing else sets it yet.
pub fn header(encap: EncapType, network: u32, egress: u32, relayed: bool) -> Vec<Action> {
    let key = u64::from(network);
    let key = if encap == EncapType::Gre {
        key << 8
    } else {
        key
    };
    let mut actions = vec![Action::set(Field::TunId, key)];
    if encap == EncapType::Geneve {
        actions.push(Action::set(tlv::FIELD, tlv::value(egress)));
        actions.push(Action::copy(key_of(INGRESS), tlv::INGRESS));
        if relayed {
            actions.push(Action::copy(key_of(IDENTITY), tlv::IDENTITY));
        }
    }
    actions
}

/// Where a packet goes.
pub fn destination(vtep: IpAddr) -> Action {
    match vtep {
        IpAddr::V4(_) => set(Field::TunDst, vtep),
        IpAddr::V6(_) => set(Field::TunIpv6Dst, vtep),
    }
}

/// The addresses of one copy. The source is ours where we know one of that family.
pub fn addresses(tunnel: &Tunnel, vtep: IpAddr) -> Vec<Action> {
    let (src, local) = match vtep {
        IpAddr::V4(_) => (Field::TunSrc, tunnel.local_v4),
        IpAddr::V6(_) => (Field::TunIpv6Src, tunnel.local_v6),
    };
    let mut actions = vec![destination(vtep)];
    actions.extend(local.map(|local| set(src, local)));
    actions
}

/// What a relay has to forget of the copy it received: OVS would send to the IPv4 address of the
/// other family's packet. Only a chassis with tunnel addresses of both families needs it.
pub fn forget_other_family(tunnel: &Tunnel, vtep: IpAddr) -> Vec<Action> {
    match (tunnel.local_v4, tunnel.local_v6, vtep) {
        (Some(_), Some(_), IpAddr::V4(_)) => {
            vec![
                Action::set(Field::TunIpv6Dst, 0u128),
                Action::set(Field::TunIpv6Src, 0u128),
            ]
        }
        (Some(_), Some(_), IpAddr::V6(_)) => {
            vec![
                Action::set(Field::TunDst, 0u32),
                Action::set(Field::TunSrc, 0u32),
            ]
        }
        _ => Vec::new(),
    }
}

fn set(field: Field, ip: IpAddr) -> Action {
    match ip {
        IpAddr::V4(ip) => Action::set(field, ip),
        IpAddr::V6(ip) => Action::set(field, ip),
    }
}
