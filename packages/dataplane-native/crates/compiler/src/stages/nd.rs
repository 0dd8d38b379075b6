//! Neighbour discovery answers for every known address. Tables 20 to 23.
//! A solicitation with a source link-layer option is answered by flows; one without (duplicate
//! address detection among them) by the engine, see `services`. Both are upcalls, and so is each new
//! target: a meter of the port comes first, and all of it is in a pass of its own behind that (see
//! `limit`). Called for local ports, locations, address owners, interfaces of routers and the gateways
//! of networks.
//!
//! 20 meter of the port; the next pass: 21 whose target is it: MAC into xreg3 -> 22 rewrite into an
//! advertisement -> 23 the target option, which OVS lets us set only once the packet is one.

use std::net::Ipv6Addr;

use weft_openflow::{Action, Controller, Field, Match, Subfield, port};

use super::{NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, icmp6, in_network, limit};
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{ANSWER_MAC, INGRESS, IS_ROUTER, Mac, meter_id};
use crate::model::Port;
use crate::pipeline::{ANSWER, ND_REPLY, ND_TARGET, ROUTER_ENTRY, SERVICES, priority};
use crate::services::Service;

/// Solicited and override; the router bit comes from a register (RFC 4861 4.4).
const FLAGS: u32 = 0x6000_0000;
const OPTION_TARGET: u8 = 2;

/// The flows that rewrite: once in the pipeline.
pub fn rewrite(emit: &mut Emit) {
    let asks = || icmp6(Match::new(), NEIGHBOUR_SOLICITATION);
    let service = || {
        let userdata = Service::NeighbourAnswer.encode();
        vec![Action::controller(Controller {
            userdata,
            ..Controller::default()
        })]
    };
    let at = (ANSWER, priority::ANSWER_SERVICE);
    emit.flow(
        at,
        Rule::NdService,
        asks().set(Field::NdSll, [0; 6]),
        service(),
        None,
    );
    let dad = asks().set(Field::Ipv6Src, Ipv6Addr::UNSPECIFIED);
    emit.flow(
        (ANSWER, priority::ANSWER_SERVICE + 1),
        Rule::NdService,
        dad,
        service(),
        None,
    );

    let copy = |from, to| Action::copy(Subfield::whole(from), Subfield::whole(to));
    let actions = vec![
        copy(Field::EthSrc, Field::EthDst),
        Action::copy(ANSWER_MAC, Field::EthSrc),
        copy(Field::Ipv6Src, Field::Ipv6Dst),
        copy(Field::NdTarget, Field::Ipv6Src),
        Action::set(Field::Icmpv6Type, NEIGHBOUR_ADVERTISEMENT),
        Action::set(Field::NdOptionsType, OPTION_TARGET),
        Action::set(Field::NdReserved, FLAGS),
        Action::copy(IS_ROUTER, Subfield::new(Field::NdReserved, 31, 1)),
        Action::resubmit(ND_REPLY),
    ];
    emit.flow(
        (ANSWER, priority::ANSWER_FLOWS),
        Rule::NdAnswer,
        asks(),
        actions,
        None,
    );
    let says = icmp6(Match::new(), NEIGHBOUR_ADVERTISEMENT);
    let actions = vec![
        Action::copy(ANSWER_MAC, Field::NdTll),
        Action::output(port::IN_PORT),
    ];
    emit.flow(
        (ND_REPLY, priority::ANSWER_FLOWS),
        Rule::NdAnswer,
        says,
        actions,
        None,
    );
}

/// Limits the solicitations of a port and sends them to be answered.
pub fn meter(emit: &mut Emit, port: &Port, ofport: u32) {
    let speaks = port.ips.iter().any(std::net::IpAddr::is_ipv6)
        || port.pairs.iter().any(|pair| pair.ip.is_ipv6());
    if !speaks && port.security {
        return;
    }
    let id = meter_id::solicitations(ofport);
    emit.meter(id, meter_id::SOLICITATIONS);
    let asks = icmp6(Match::new().set(INGRESS, port.key), NEIGHBOUR_SOLICITATION);
    let at = (SERVICES, priority::SERVICE_METER);
    emit.flow(at, Rule::NdMeter, asks, limit::into(ND_TARGET, id), None);
}

/// Whoever asks for `ip` learns `mac`.
pub fn answer(emit: &mut Emit, network: u32, ip: Ipv6Addr, mac: Mac) {
    let at = (ND_TARGET, priority::SERVICE_ANSWER);
    let actions = vec![Action::set(ANSWER_MAC.field, mac)];
    let asks = icmp6(in_network(network), NEIGHBOUR_SOLICITATION).set(Field::NdTarget, ip);
    emit.flow(at, Rule::NdTarget, asks, actions, Some(ANSWER));
}

/// The same, but who answers is a router.
pub fn router(emit: &mut Emit, network: u32, ip: Ipv6Addr, mac: Mac) {
    let at = (ND_TARGET, priority::SERVICE_ANSWER);
    let actions = vec![
        Action::set(ANSWER_MAC.field, mac),
        Action::load(IS_ROUTER, 1u8),
    ];
    let asks = icmp6(in_network(network), NEIGHBOUR_SOLICITATION).set(Field::NdTarget, ip);
    emit.flow(at, Rule::NdTarget, asks, actions, Some(ANSWER));
}

/// The port that has `ip` is not told that it is taken.
pub fn own(emit: &mut Emit, port: u32, ip: Ipv6Addr) {
    let asks = icmp6(Match::new().set(INGRESS, port), NEIGHBOUR_SOLICITATION);
    let at = (ND_TARGET, priority::SERVICE_OWN);
    emit.flow(
        at,
        Rule::NdOwn,
        asks.set(Field::NdTarget, ip),
        vec![],
        Some(ROUTER_ENTRY),
    );
}

/// Who tries to take the gateway's address is told that it is taken; ordinary solicitations go to
/// whoever routes.
pub fn gateway(emit: &mut Emit, network: u32, ip: Ipv6Addr, mac: Mac) {
    let asks = icmp6(in_network(network), NEIGHBOUR_SOLICITATION).set(Field::NdTarget, ip);
    let dad = asks.set(Field::Ipv6Src, Ipv6Addr::UNSPECIFIED);
    let at = (ND_TARGET, priority::SERVICE_GATEWAY);
    let actions = vec![Action::set(ANSWER_MAC.field, mac)];
    emit.flow(at, Rule::NdGateway, dad, actions, Some(ANSWER));
}
