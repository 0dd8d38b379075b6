//! Provider networks: what is not local goes to the physical network with its VLAN tag. Tables 7
//! and 50. The switch behind the patch port replicates and learns; no tunnel is involved. Called by
//! `flood` and for networks with routers.

use weft_openflow::{Action, Field};

use super::in_network;
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{ROUTED, ROUTER, chassis_mac};
use crate::pipeline::{L2, priority};

/// Out of the patch port; `vlan` 0: untagged.
pub fn out(vlan: u16, patch: u32) -> Vec<Action> {
    let mut actions = Vec::new();
    if vlan != 0 {
        actions.push(Action::PushVlan { ethertype: 0x8100 });
        actions.push(Action::set(Field::VlanVid, 0x1000 | vlan));
    }
    actions.push(Action::output(patch));
    actions
}

/// What routers send there has the MAC of this chassis: that of an interface would be seen on many
/// ports of the physical switch.
pub fn routed(emit: &mut Emit, network: u32, (vlan, patch): (u16, u32), chassis: u32) {
    let mut actions = vec![Action::set(Field::EthSrc, chassis_mac(chassis))];
    actions.extend(out(vlan, patch));
    let matching = in_network(network).masked(ROUTER, ROUTED, ROUTED);
    let at = (L2, priority::ROUTED_OUT);
    emit.flow(at, Rule::RoutedProviderOut, matching, actions, None);
}
