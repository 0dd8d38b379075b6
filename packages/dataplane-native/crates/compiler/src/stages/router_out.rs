//! Router out: what is longer than the MTU of its network is given up; the rest loses one of its
//! TTL, but for what the router made itself. Tables 35 and 36. Called for router interfaces, ends of links and leaked routes, and once for
//! the pipeline.

use weft_openflow::{Action, Field, Match, Subfield};

use super::{ETH_IPV4, ETH_IPV6, punt};
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{HOPS, HOPS_MAX, NETWORK, OWN, REASON, ROUTER, TOO_BIG, routed};
use crate::pipeline::{NEIGHBOUR, ROUTER_LEAVE, ROUTER_OUT, priority};
use crate::router_services::Reason;

const ETHERNET_BYTES: u16 = 14;

/// What a router sends to a network has to fit it.
pub fn mtu(emit: &mut Emit, router: u32, network: u32, mtu: u16) {
    let check = Action::CheckPktLarger {
        max_bytes: mtu.saturating_add(ETHERNET_BYTES),
        dst: REASON,
        ofs: 0,
    };
    let matching = Match::new()
        .set(NETWORK, network)
        .set(ROUTER, routed(router));
    let at = (ROUTER_OUT, priority::MTU);
    emit.flow(
        at,
        Rule::MtuCheck,
        matching,
        vec![check],
        Some(ROUTER_LEAVE),
    );
}

/// The flows that hold for every router: once in the pipeline.
pub fn leave(emit: &mut Emit) {
    let large = Match::new().masked(REASON, TOO_BIG, TOO_BIG);
    let at = (ROUTER_LEAVE, priority::TOO_BIG);
    punt::give_up(emit, at, Rule::TooBig, large, Reason::TooBig);
    let bits = |ofs| Subfield::new(HOPS, ofs, HOPS_MAX - 1);
    let count = [
        Action::copy(bits(0), bits(1)),
        Action::load(Subfield::new(HOPS, 0, 1), 1u8),
    ];
    // Who made a packet does not count among the routers that it passes.
    let actions = vec![Action::load(OWN, 0u8)];
    let own = Match::new().masked(OWN.field, 1u32 << OWN.ofs, OWN.mask());
    let at = (ROUTER_LEAVE, priority::LEAVE_OWN);
    emit.flow(at, Rule::RouterLeaveOwn, own, actions, Some(NEIGHBOUR));
    for eth in [ETH_IPV4, ETH_IPV6] {
        let mut actions = vec![Action::DecTtl];
        actions.extend(count.clone());
        let at = (ROUTER_LEAVE, priority::LEAVE);
        let matching = Match::new().set(Field::EthType, eth);
        emit.flow(at, Rule::RouterLeave, matching, actions, Some(NEIGHBOUR));
    }
}
