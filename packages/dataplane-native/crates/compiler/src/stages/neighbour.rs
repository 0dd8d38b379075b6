//! Neighbours: from the next hop to its MAC, and back to table 30 in its network. Table 37.
//! Nothing is learned from the wire: who is not known is asked for by the engine, or unreachable.
//! Called for local ports, locations, address owners, interfaces, neighbours of routers, networks.

use std::net::IpAddr;

use weft_openflow::{Action, Field, Match};

use super::{in_network, ip, punt, tunnel};
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{EGRESS, Mac, NEXT_HOP_V4, NEXT_HOP_V6, ROUTER, routed};
use crate::pipeline::{NEIGHBOUR, ROUTER_ENTRY, priority};
use crate::router_services::Reason;

/// How a neighbour of one router is reached.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// By the L2 lookup of its network.
    Lookup,
    /// Straight into a tunnel: its location is not in table 50.
    Tunnel { port: u32, vtep: IpAddr, out: u8 },
}

fn found(mac: Mac) -> Vec<Action> {
    vec![
        Action::set(Field::EthDst, mac),
        // It may leave by the port that it came from.
        Action::set(Field::InPort16, 0u16),
    ]
}

/// Whoever routes to `address` in the network finds it at `mac`.
pub fn known(emit: &mut Emit, network: u32, address: IpAddr, mac: Mac) {
    let matching = ip(in_network(network), NEXT_HOP_V4, NEXT_HOP_V6, address);
    let mut actions = found(mac);
    actions.push(Action::resubmit(ROUTER_ENTRY));
    let at = (NEIGHBOUR, priority::NEIGHBOUR);
    emit.flow(at, Rule::Neighbour, matching, actions, None);
}

/// So does this one router, unless all do.
pub fn of_router(
    emit: &mut Emit,
    (router, network): (u32, u32),
    address: IpAddr,
    mac: Mac,
    way: Way,
) {
    let here = in_network(network).set(ROUTER, routed(router));
    let matching = ip(here, NEXT_HOP_V4, NEXT_HOP_V6, address);
    let mut actions = found(mac);
    let next = match way {
        Way::Lookup => {
            actions.push(Action::resubmit(ROUTER_ENTRY));
            None
        }
        Way::Tunnel { port, vtep, out } => {
            actions.push(Action::set(EGRESS, port));
            actions.push(tunnel::destination(vtep));
            Some(out)
        }
    };
    let at = (NEIGHBOUR, priority::NEIGHBOUR_OF_ROUTER);
    emit.flow(at, Rule::Neighbour, matching, actions, next);
}

/// Ports with port security off may have addresses that nobody knows.
pub fn resolve(emit: &mut Emit, network: u32) {
    let at = (NEIGHBOUR, priority::RESOLVE);
    let matching: Match = in_network(network);
    punt::give_up(emit, at, Rule::Resolve, matching, Reason::Resolve);
}
