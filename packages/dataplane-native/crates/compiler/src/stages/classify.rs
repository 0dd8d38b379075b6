//! Classify: where a packet comes from becomes registers. Table 0.
//! It lets in nothing but untagged frames of plugged ports, tunnel packets of our format and the
//! tags of provider networks. Called for local ports, tunnel ports and provider networks.

use weft_instructions::v1::EncapType;
use weft_openflow::{Action, Field, Match, Subfield};

use super::in_network;
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{
    EGRESS, FLAG_PROVIDER, FLAG_TUNNEL, FLAGS, IDENTITY, INGRESS, NETWORK, key_of, tlv,
};
use crate::model::{Port, Tunnel};
use crate::pipeline::{self, priority};

const AT: (u8, u16) = (pipeline::CLASSIFY, priority::CLASSIFY);
const REST: (u8, u16) = (pipeline::CLASSIFY, priority::CLASSIFY_REST);
/// `vlan_vid` of a frame with a tag.
const TAGGED: u16 = 0x1000;

/// Packets of a port. A tag of the guest's own could reach another VLAN of a flat network, so
/// tagged frames stop here; others go on at `next`.
pub fn port(emit: &mut Emit, port: &Port, ofport: u32, next: u8) {
    // Up or down, it is one flow that changes: two that overlap would both be there for a moment.
    let here = Match::new()
        .set(Field::InPort, ofport)
        .set(Field::VlanVid, 0u16);
    if !port.admin_up {
        emit.drop(AT, Rule::AdminDown, here);
        let to = in_network(port.network).set(Field::EthDst, port.mac);
        emit.drop((pipeline::L2, priority::UNICAST), Rule::AdminDown, to);
        return;
    }
    let actions = vec![
        Action::set(NETWORK, port.network),
        Action::set(INGRESS, port.key),
    ];
    emit.flow(AT, Rule::PortIn, here, actions, Some(next));
}

/// Packets of a tunnel port.
pub fn tunnel(emit: &mut Emit, tunnel: &Tunnel) {
    let here = Match::new().set(Field::InPort, tunnel.ofport);
    let from_key = |ofs| Action::copy(Subfield::new(Field::TunId, ofs, 24), key_of(NETWORK));
    let mut actions = vec![Action::set(FLAGS, FLAG_TUNNEL)];
    match tunnel.encap {
        EncapType::Geneve => {
            let version = tlv::VERSION << tlv::VERSION_SHIFT;
            let ours = here
                .clone()
                .masked(tlv::FIELD, version, 0xfu128 << tlv::VERSION_SHIFT);
            actions.extend([
                from_key(0),
                Action::copy(tlv::INGRESS, key_of(INGRESS)),
                Action::copy(tlv::EGRESS, key_of(EGRESS)),
                Action::copy(tlv::IDENTITY, key_of(IDENTITY)),
            ]);
            emit.flow(AT, Rule::TunnelIn, ours, actions, Some(pipeline::TUNNEL_IN));
            emit.drop(REST, Rule::TunnelVersion, here);
        }
        encap => {
            actions.push(from_key(if encap == EncapType::Gre { 8 } else { 0 }));
            emit.flow(
                AT,
                Rule::TunnelIn,
                here,
                actions,
                Some(pipeline::TUNNEL_IN_BY_MAC),
            );
        }
    }
}

/// Packets of a provider network; `vlan` 0: untagged.
pub fn provider(emit: &mut Emit, network: u32, vlan: u16, patch: u32) {
    let here = Match::new().set(Field::InPort, patch);
    let tag = if vlan == 0 { 0 } else { TAGGED | vlan };
    let mut actions = vec![
        Action::set(FLAGS, FLAG_PROVIDER),
        Action::set(NETWORK, network),
    ];
    if vlan != 0 {
        actions.insert(0, Action::PopVlan);
    }
    let matching = here.set(Field::VlanVid, tag);
    emit.flow(
        AT,
        Rule::ProviderIn,
        matching,
        actions,
        Some(pipeline::PROVIDER_IN),
    );
}
