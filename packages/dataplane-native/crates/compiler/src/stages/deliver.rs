//! Deliver: out of the port. Table 70.
//! Network and egress key are checked together, so that a key that was used again elsewhere
//! delivers nothing.

use weft_openflow::Action;

use super::in_network;
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::EGRESS;
use crate::model::Port;
use crate::pipeline::{DELIVER, priority};

/// OVS itself never sends a packet out of the port it came in by: copies do not return to their
/// sender.
pub fn port(emit: &mut Emit, port: &Port, ofport: u32) {
    let matching = in_network(port.network).set(EGRESS, port.key);
    let at = (DELIVER, priority::DELIVER);
    emit.flow(
        at,
        Rule::Deliver,
        matching,
        vec![Action::output(ofport)],
        None,
    );
}
