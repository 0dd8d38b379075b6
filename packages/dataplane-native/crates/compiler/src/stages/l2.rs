//! L2 lookup of known unicast: tables 5, 6, 7, 50.
//! It sends to one place only; what is not known is `flood`'s. Called for local ports, locations
//! and address owners.

use std::net::IpAddr;

use weft_instructions::v1::EncapType;
use weft_openflow::{Action, Field};

use super::{in_network, tunnel};
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{EGRESS, Mac};
use crate::model::{Attachment, Network};
use crate::pipeline::{INGRESS_POLICY, L2, PROVIDER_IN, TUNNEL_IN, TUNNEL_IN_BY_MAC, priority};

/// Packets to `mac` go to the local port `key`. `band` is the priority.
pub fn local(emit: &mut Emit, network: &Network, key: u32, mac: Mac, band: u16) {
    let matching = || in_network(network.key).set(Field::EthDst, mac);
    let actions = || vec![Action::set(EGRESS, key)];
    emit.flow(
        (L2, band),
        Rule::LocalUnicast,
        matching(),
        actions(),
        Some(INGRESS_POLICY),
    );
    let (table, rule) = match network.attachment {
        // The egress key is in the packet: see `tunnel_key`.
        Attachment::Overlay(EncapType::Geneve) => return,
        Attachment::Overlay(_) => (TUNNEL_IN_BY_MAC, Rule::TunnelToPort),
        Attachment::Provider { .. } => (PROVIDER_IN, Rule::ProviderToPort),
    };
    emit.flow(
        (table, band),
        rule,
        matching(),
        actions(),
        Some(INGRESS_POLICY),
    );
}

/// Tunnel packets that name the local port `key`: accepted in its own network only.
pub fn tunnel_key(emit: &mut Emit, network: &Network, key: u32) {
    if network.attachment == Attachment::Overlay(EncapType::Geneve) {
        let matching = in_network(network.key).set(EGRESS, key);
        let at = (TUNNEL_IN, priority::UNICAST);
        emit.flow(
            at,
            Rule::TunnelToPort,
            matching,
            vec![],
            Some(INGRESS_POLICY),
        );
    }
}

/// Packets to `mac` go to the port `key` behind `vtep`, by the `out` table of its encap and family,
/// which has the rest of the header. Of these flows there are many: keep them small.
pub fn remote(
    emit: &mut Emit,
    network: u32,
    (key, mac): (u32, Mac),
    (vtep, out): (IpAddr, u8),
    band: u16,
) {
    let actions = vec![Action::set(EGRESS, key), tunnel::destination(vtep)];
    let matching = in_network(network).set(Field::EthDst, mac);
    let rule = Rule::RemoteUnicast;
    emit.flow((L2, band), rule, matching, actions, Some(out));
}
