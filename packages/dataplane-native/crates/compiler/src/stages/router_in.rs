//! Router in: what a router takes itself, and what it never routes. Table 31.
//! Echo requests to it go on to be answered (`echo`); it makes no answers. Called for router
//! interfaces and ends of links, and once for the guards.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weft_openflow::{Field, Match};

use super::anti_spoof::link_local;
use super::{ECHO_REQUEST, ECHO_REQUEST_V6, ETH_IPV4, ETH_IPV6, PROTO_ICMP, icmp6, ip, punt};
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{HOPS, HOPS_MAX, INGRESS_NETWORK, ROUTER, routed};
use crate::pipeline::{ECHO_LIMIT, ROUTE, ROUTER_IN, priority};
use crate::router_model::{Prefix, RouterPort};
use crate::router_services::Reason;

const LINK_LOCAL: (Ipv6Addr, u32) = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);

/// Neither as source nor as destination: unspecified, loopback, link-local and multicast addresses
/// (RFC 1812 4.2.2.11 and 5.3.7, RFC 4291 2.5), and the limited broadcast.
const NEVER_V4: [(Ipv4Addr, u32); 5] = [
    (Ipv4Addr::UNSPECIFIED, 32),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::BROADCAST, 32),
];
const NEVER_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::UNSPECIFIED, 128),
    (Ipv6Addr::LOCALHOST, 128),
    LINK_LOCAL,
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// Flows that hold for every router: once in the pipeline.
pub fn guards(emit: &mut Emit) {
    let at = |priority| (ROUTER_IN, priority);
    let last = 1u32 << (HOPS_MAX - 1);
    let ninth = Match::new().masked(HOPS, last, last);
    let hop_limit = at(priority::HOP_LIMIT);
    punt::give_up(emit, hop_limit, Rule::HopLimit, ninth, Reason::TimeExceeded);
    let never = at(priority::NEVER_ROUTED);
    for (address, length) in NEVER_V4 {
        for side in [Field::Ipv4Src, Field::Ipv4Dst] {
            let matching = Match::new().set(Field::EthType, ETH_IPV4);
            emit.drop(
                never,
                Rule::NeverRouted,
                matching.prefix(side, address, length),
            );
        }
    }
    for (address, length) in NEVER_V6 {
        for side in [Field::Ipv6Src, Field::Ipv6Dst] {
            let matching = Match::new().set(Field::EthType, ETH_IPV6);
            emit.drop(
                never,
                Rule::NeverRouted,
                matching.prefix(side, address, length),
            );
        }
    }
    for eth in [ETH_IPV4, ETH_IPV6] {
        let of_ip = || Match::new().set(Field::EthType, eth);
        for ttl in [0u8, 1] {
            let matching = of_ip().set(Field::IpTtl, ttl);
            let at = at(priority::TIME_EXCEEDED);
            punt::give_up(emit, at, Rule::TimeExceeded, matching, Reason::TimeExceeded);
        }
        let rest = at(priority::ROUTER_IP);
        emit.flow(rest, Rule::RouterIp, of_ip(), vec![], Some(ROUTE));
    }
}

/// The router's addresses of this interface, by whichever interface packets for them come.
pub fn own(emit: &mut Emit, interface: &RouterPort) {
    let here = || Match::new().set(ROUTER, routed(interface.router));
    let echo = (ROUTER_IN, priority::OWN_ECHO);
    let rest = (ROUTER_IN, priority::OWN_REST);
    for own in &interface.addresses {
        let to = ip(here(), Field::Ipv4Dst, Field::Ipv6Dst, own.ip);
        let asks = match own.ip {
            IpAddr::V4(_) => to
                .clone()
                .set(Field::IpProto, PROTO_ICMP)
                .set(Field::Icmpv4Type, ECHO_REQUEST),
            IpAddr::V6(_) => icmp6(to.clone(), ECHO_REQUEST_V6),
        };
        emit.flow(echo, Rule::RouterEcho, asks, vec![], Some(ECHO_LIMIT));
        emit.drop(rest, Rule::RouterOwn, to);
        let broadcast = Prefix::broadcast(*own);
        if let Some(broadcast) = broadcast {
            let at = (ROUTER_IN, priority::NEVER_ROUTED);
            let to = ip(here(), Field::Ipv4Dst, Field::Ipv6Dst, broadcast.into());
            emit.drop(at, Rule::DirectedBroadcast, to);
        }
    }
    // On a link nobody speaks for a link-local address.
    if interface.link {
        return;
    }
    // Of the network alone: interfaces of a router may have one MAC, and so one address.
    let to = here().set(INGRESS_NETWORK, interface.network);
    let to = ip(
        to,
        Field::Ipv4Dst,
        Field::Ipv6Dst,
        link_local(interface.mac).into(),
    );
    let asks = icmp6(to.clone(), ECHO_REQUEST_V6);
    emit.flow(echo, Rule::RouterEcho, asks, vec![], Some(ECHO_LIMIT));
    emit.drop(rest, Rule::RouterOwn, to);
}
