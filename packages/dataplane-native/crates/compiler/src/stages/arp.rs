//! ARP answers for every known address. Table 20 says whose MAC, table 22 turns the request round.
//! It answers requests only; announcements of a port itself, and of an address that moves, go on to
//! the flood, so that peers learn. Called for local ports, locations, address owners, interfaces of
//! routers and the gateways of networks.

use std::net::Ipv4Addr;

use weft_openflow::{Action, Field, Match, Subfield, port};

use super::{ETH_ARP, in_network};
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{ANSWER_MAC, INGRESS, Mac, SWAP};
use crate::pipeline::{ANSWER, ROUTER_ENTRY, SERVICES, priority};

const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// Whoever asks for `ip` learns `mac`.
pub fn answer(emit: &mut Emit, network: u32, ip: Ipv4Addr, mac: Mac) {
    let at = (SERVICES, priority::SERVICE_ANSWER);
    emit.flow(
        at,
        Rule::ArpAnswer,
        request(network, ip),
        says(mac),
        Some(ANSWER),
    );
}

/// The port that has `ip` is not told that it is taken.
pub fn own(emit: &mut Emit, port: u32, ip: Ipv4Addr) {
    let matching = Match::new().set(INGRESS, port).set(Field::EthType, ETH_ARP);
    let at = (SERVICES, priority::SERVICE_OWN);
    emit.flow(
        at,
        Rule::ArpOwn,
        matching.set(Field::ArpTpa, ip),
        vec![],
        Some(ROUTER_ENTRY),
    );
}

/// Whoever takes `ip` over announces it to all, whoever has it now.
pub fn announced(emit: &mut Emit, network: u32, ip: Ipv4Addr) {
    let matching = request(network, ip).set(Field::ArpSpa, ip);
    let at = (SERVICES, priority::SERVICE_ANNOUNCED);
    emit.flow(at, Rule::ArpOwn, matching, vec![], Some(ROUTER_ENTRY));
}

/// Who probes the gateway's address (RFC 5227 2.1.1) is told that it is taken; ordinary requests go to
/// whoever routes, and so do announcements: a guest that routes makes them.
pub fn gateway(emit: &mut Emit, network: u32, ip: Ipv4Addr, mac: Mac) {
    let matching = request(network, ip).set(Field::ArpSpa, Ipv4Addr::UNSPECIFIED);
    let at = (SERVICES, priority::SERVICE_GATEWAY);
    emit.flow(at, Rule::ArpGateway, matching, says(mac), Some(ANSWER));
}

fn says(mac: Mac) -> Vec<Action> {
    vec![Action::set(ANSWER_MAC.field, mac)]
}

fn request(network: u32, ip: Ipv4Addr) -> Match {
    let arp = in_network(network).set(Field::EthType, ETH_ARP);
    arp.set(Field::ArpOp, REQUEST).set(Field::ArpTpa, ip)
}

/// The flow that turns a request into the answer: once in the pipeline.
pub fn rewrite(emit: &mut Emit) {
    let copy = |from, to| Action::copy(Subfield::whole(from), Subfield::whole(to));
    let actions = vec![
        copy(Field::EthSrc, Field::EthDst),
        Action::copy(ANSWER_MAC, Field::EthSrc),
        Action::set(Field::ArpOp, REPLY),
        copy(Field::ArpSha, Field::ArpTha),
        Action::copy(ANSWER_MAC, Field::ArpSha),
        copy(Field::ArpTpa, SWAP),
        copy(Field::ArpSpa, Field::ArpTpa),
        copy(SWAP, Field::ArpSpa),
        Action::output(port::IN_PORT),
    ];
    let requests = Match::new()
        .set(Field::EthType, ETH_ARP)
        .set(Field::ArpOp, REQUEST);
    emit.flow(
        (ANSWER, priority::ANSWER_FLOWS),
        Rule::ArpAnswer,
        requests,
        actions,
        None,
    );
}
