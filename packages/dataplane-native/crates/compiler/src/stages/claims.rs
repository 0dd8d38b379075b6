//! Claims: who speaks for an address that only allowed pairs name, or that a router asked for. Actions of
//! tables 10 and 11, meters. It decides no owner; central does. `services::read_claim` reads what these
//! actions send.

use weft_openflow::{Action, Controller, Field, Match};

use super::{ETH_ARP, NEIGHBOUR_ADVERTISEMENT, icmp6};
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{INGRESS, meter_id};
use crate::model::Port;
use crate::pipeline::{ANTI_SPOOF, SERVICES, priority};
use crate::services::Service;

/// Sends a copy to the engine, few a second for each port; the packet goes on.
pub fn report(ofport: u32) -> Action {
    Action::controller(Controller {
        userdata: Service::Claim.encode(),
        meter_id: Some(meter_id::claims(ofport)),
        ..Controller::default()
    })
}

/// The meter behind [`report`], for ports that have something to claim.
pub fn meter(emit: &mut Emit, ofport: u32) {
    emit.meter(meter_id::claims(ofport), meter_id::CLAIMS);
}

/// A port with port security off may speak for any address: all that could announce one is reported on
/// the way, and nothing is checked. A match cannot tell an announcement by ARP from a question; the
/// reader does.
pub fn open(emit: &mut Emit, port: &Port, ofport: u32) {
    let from = || Match::new().set(INGRESS, port.key);
    let arp = from().set(Field::EthType, ETH_ARP);
    let at = (ANTI_SPOOF, priority::ANNOUNCEMENT);
    for says in [arp, icmp6(from(), NEIGHBOUR_ADVERTISEMENT)] {
        let report = vec![report(ofport)];
        emit.flow(at, Rule::Announcement, says, report, Some(SERVICES));
    }
    let rest = (ANTI_SPOOF, priority::UNGUARDED);
    emit.flow(rest, Rule::Unguarded, from(), vec![], Some(SERVICES));
}
