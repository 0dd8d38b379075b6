//! Echo: answers of routers to echo requests, so many a second for each port. Tables 40 and 41, and
//! 22 for what goes back by its port. It does not decide who is asked: table 31 does. Called once for
//! the pipeline, and for local ports of networks with routers.
//!
//! Setting the type is slow, so the answer is made in a pass of its own, behind the meter: see `limit`.

use std::net::Ipv6Addr;

use weft_openflow::{Action, Field, Match, Subfield, port as of_port};

use super::{
    ECHO_REPLY, ECHO_REPLY_V6, ECHO_REQUEST, ECHO_REQUEST_V6, ETH_IPV4, ETH_IPV6, PROTO_ICMP,
    icmp6, limit,
};
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{ANSWER_MAC, HOPS, HOPS_MAX, INGRESS, NEXT_HOP_V4, NEXT_HOP_V6, OWN, meter_id};
use crate::pipeline::{ANSWER, ECHO, ECHO_LIMIT, ROUTE, priority};

/// TTL of what a router sends itself.
const TTL: u8 = 255;
const LINK_LOCAL: (Ipv6Addr, u32) = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);

/// Lets so many requests of a port through. What no local port sent ends here.
pub fn port(emit: &mut Emit, port: u32, ofport: u32) {
    let id = meter_id::echoes(ofport);
    emit.meter(id, meter_id::ECHOES);
    for eth in [ETH_IPV4, ETH_IPV6] {
        let matching = Match::new().set(INGRESS, port).set(Field::EthType, eth);
        let at = (ECHO_LIMIT, priority::ECHO);
        emit.flow(at, Rule::EchoMeter, matching, limit::into(ECHO, id), None);
    }
}

/// What makes the answers: once in the pipeline.
pub fn answers(emit: &mut Emit) {
    let routed = (ECHO, priority::ECHO);
    let asks = Match::new().set(Field::EthType, ETH_IPV4);
    let asks = asks.set(Field::IpProto, PROTO_ICMP);
    let asks = asks.set(Field::Icmpv4Type, ECHO_REQUEST);
    let mut actions = turned_v4();
    actions.push(Action::resubmit(ROUTE));
    emit.flow(routed, Rule::EchoAnswer, asks, actions, None);
    let asks = || icmp6(Match::new(), ECHO_REQUEST_V6);
    let mut actions = turned_v6();
    actions.push(Action::resubmit(ROUTE));
    emit.flow(routed, Rule::EchoAnswer, asks(), actions, None);

    // Nobody routes to link-local addresses, nor from them.
    for side in [Field::Ipv6Src, Field::Ipv6Dst] {
        let (prefix, length) = LINK_LOCAL;
        let asks = asks().prefix(side, prefix, length);
        let actions = vec![Action::resubmit(ANSWER)];
        let at = (ECHO, priority::ECHO_LINK_LOCAL);
        emit.flow(at, Rule::EchoAnswer, asks, actions, None);
    }
    let mut actions = vec![
        Action::copy(Subfield::whole(Field::EthDst), ANSWER_MAC),
        Action::copy(Field::EthSrc, Field::EthDst),
        Action::copy(ANSWER_MAC, Subfield::whole(Field::EthSrc)),
    ];
    actions.extend(turned_v6());
    actions.push(Action::output(of_port::IN_PORT));
    let at = (ANSWER, priority::ANSWER_FLOWS);
    emit.flow(at, Rule::EchoAnswer, asks(), actions, None);
}

/// An answer is a packet of its own: it may pass as many routers as any.
fn no_hops() -> Action {
    Action::load(Subfield::new(HOPS, 0, HOPS_MAX), 0u8)
}

fn turned_v4() -> Vec<Action> {
    vec![
        Action::copy(Field::Ipv4Src, NEXT_HOP_V4),
        Action::copy(Field::Ipv4Dst, Field::Ipv4Src),
        Action::copy(NEXT_HOP_V4, Field::Ipv4Dst),
        Action::set(Field::Icmpv4Type, ECHO_REPLY),
        Action::set(Field::IpTtl, TTL),
        Action::load(OWN, 1u8),
        no_hops(),
    ]
}

fn turned_v6() -> Vec<Action> {
    vec![
        Action::copy(Field::Ipv6Src, NEXT_HOP_V6),
        Action::copy(Field::Ipv6Dst, Field::Ipv6Src),
        Action::copy(NEXT_HOP_V6, Field::Ipv6Dst),
        Action::set(Field::Icmpv6Type, ECHO_REPLY_V6),
        Action::set(Field::IpTtl, TTL),
        Action::load(OWN, 1u8),
        no_hops(),
    ]
}
