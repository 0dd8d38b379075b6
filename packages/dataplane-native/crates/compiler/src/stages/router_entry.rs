//! Router entry: what is sent to the MAC of an interface, the router has. Table 30.
//! Called for router interfaces and ends of links.

use weft_openflow::{Action, Field};

use super::in_network;
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{INGRESS_NETWORK, ROUTE_TABLE, ROUTER, routed};
use crate::pipeline::{ROUTER_ENTRY, ROUTER_IN, priority};
use crate::router_model::RouterPort;

/// The registers say from now on which router has the packet, and by which network it came.
pub fn port(emit: &mut Emit, port: &RouterPort) {
    let actions = vec![
        Action::set(ROUTER, routed(port.router)),
        Action::set(INGRESS_NETWORK, port.network),
        Action::set(ROUTE_TABLE, port.route_table),
    ];
    let matching = in_network(port.network).set(Field::EthDst, port.mac);
    let at = (ROUTER_ENTRY, priority::ROUTER_ENTRY);
    emit.flow(at, Rule::RouterEntry, matching, actions, Some(ROUTER_IN));
}
