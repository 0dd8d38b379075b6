//! Punt: what a router cannot route goes to the engine, few a second of each port. Tables 38 and
//! 39. It decides no answer; `router_services` says what the engine needs for one. Called by stages
//! of routers and for local ports of networks with routers.

use weft_openflow::{Action, Controller, Match};

use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{INGRESS, REASON, meter_id};
use crate::pipeline::{PUNT, PUNT_OUT, priority};
use crate::router_services::Reason;

/// The action and the table of what is given up for a reason.
pub fn because(reason: Reason) -> (Vec<Action>, Option<u8>) {
    let actions = vec![Action::set(REASON, u32::from(reason as u8))];
    (actions, Some(PUNT))
}

/// A flow that gives up.
pub fn give_up(emit: &mut Emit, at: (u8, u16), rule: Rule, matching: Match, reason: Reason) {
    let (actions, next) = because(reason);
    emit.flow(at, rule, matching, actions, next);
}

/// Limits what is given up of a port's packets. What no local port sent ends here: errors of
/// routers among it.
pub fn port(emit: &mut Emit, port: u32, ofport: u32) {
    let id = meter_id::punts(ofport);
    emit.meter(id, meter_id::PUNTS);
    let matching = Match::new().set(INGRESS, port);
    let at = (PUNT, priority::PUNT);
    emit.flow(
        at,
        Rule::PuntMeter,
        matching,
        vec![Action::Meter { id }],
        Some(PUNT_OUT),
    );
}

/// To the engine, with the reason: once in the pipeline.
pub fn out(emit: &mut Emit) {
    for reason in Reason::ALL {
        let matching = Match::new().set(REASON, u32::from(reason as u8));
        let controller = Action::controller(Controller {
            userdata: reason.encode(),
            ..Controller::default()
        });
        let at = (PUNT_OUT, priority::PUNT);
        emit.flow(at, Rule::PuntOut, matching, vec![controller], None);
    }
}
