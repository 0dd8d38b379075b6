//! Provider networks: what is not local goes to the physical network with its VLAN tag. Tables 30
//! and 42. The switch behind the patch port replicates and learns; no tunnel is involved. Called by
//! `flood`.

use weft_openflow::Action;
use weft_openflow::Field;

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
