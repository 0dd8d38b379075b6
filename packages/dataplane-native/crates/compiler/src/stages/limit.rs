//! Limits that hold before a packet costs anything: a meter, and the end of this pass. It decides
//! neither whom it limits nor what comes behind: `echo` and `nd` call it for what flows answer.
//!
//! Open vSwitch sets an ICMP type in ovs-vswitchd alone, a packet at a time, and a meter of that pass
//! comes too late: the packet is there by then. So conntrack, which learns nothing here, ends the pass
//! behind the meter: the datapath drops what is too much, and the rest begins a pass of its own. A group
//! by `dp_hash` would not do: it ends no pass of a packet that already has a hash, as behind ECMP.

use weft_openflow::{Action, Ct, CtZone};

use crate::fields::PASS_ZONE;

/// IP packets that the meter lets through begin again in this table.
pub fn into(table: u8, meter: u32) -> Vec<Action> {
    let pass = Action::ct(Ct {
        zone: CtZone::Number(PASS_ZONE),
        table: Some(table),
        ..Ct::default()
    });
    vec![Action::Meter { id: meter }, pass]
}
