//! Claims: who speaks for an address that only allowed pairs name. Actions of tables 10 and 11,
//! meters. It decides no owner; central does. `services::read_claim` reads what these actions send.

use weft_openflow::{Action, Controller};

use crate::emit::Emit;
use crate::fields::meter_id;
use crate::model::Port;
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
pub fn meter(emit: &mut Emit, port: &Port, ofport: u32) {
    if port.security && !port.pairs.is_empty() {
        emit.meter(meter_id::claims(ofport), meter_id::CLAIMS);
    }
}

/// The same for a port with port security off, which routers may ask.
pub fn open_meter(emit: &mut Emit, ofport: u32) {
    emit.meter(meter_id::claims(ofport), meter_id::CLAIMS);
}
