//! Routes: which network a packet goes to, by which next hop, and from which MAC. Table 32.
//! The longest prefix wins; of equal ones connected, then static, then leaked routes. Called for
//! router interfaces, ends of links, static routes and leaked routes.

use weft_openflow::{Action, Field, Match};

use super::prefix;
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{Mac, NETWORK, NEXT_HOP_V4, NEXT_HOP_V6, ROUTE_TABLE, ROUTER, routed};
use crate::pipeline::{POLICY_ROUTE, ROUTE, priority};
use crate::router_model::{Hop, Leaked, Prefix, RouterPort, StaticRoute};

/// A next hop that packets can be sent to, and the MAC of the interface by which they leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via {
    pub hop: Hop,
    pub mac: Mac,
}

impl Via {
    /// The registers and the source MAC of what goes this way.
    pub fn actions(&self) -> Vec<Action> {
        let next = match self.hop.ip {
            std::net::IpAddr::V4(ip) => Action::set(NEXT_HOP_V4, ip),
            std::net::IpAddr::V6(ip) => Action::set(NEXT_HOP_V6, ip),
        };
        vec![
            Action::set(NETWORK, self.hop.network),
            next,
            Action::set(Field::EthSrc, self.mac),
        ]
    }
}

fn to(router: u32, destination: Prefix) -> Match {
    let here = Match::new().set(ROUTER, routed(router));
    prefix(here, Field::Ipv4Dst, Field::Ipv6Dst, destination)
}

fn at(destination: Prefix, kind: u16) -> (u8, u16) {
    let length = u16::try_from(destination.length).unwrap_or(0);
    (ROUTE, priority::ROUTE + 8 * length + kind)
}

/// On the network itself: the next hop is the destination.
fn on_link(destination: Prefix, network: u32, mac: Mac) -> Vec<Action> {
    let next = if destination.ip.is_ipv4() {
        Action::copy(Field::Ipv4Dst, NEXT_HOP_V4)
    } else {
        Action::copy(Field::Ipv6Dst, NEXT_HOP_V6)
    };
    vec![
        Action::set(NETWORK, network),
        next,
        Action::set(Field::EthSrc, mac),
    ]
}

/// The prefixes of an interface.
pub fn connected(emit: &mut Emit, port: &RouterPort) {
    for own in &port.addresses {
        let destination = Prefix {
            ip: own.first(),
            ..*own
        };
        let at = at(destination, priority::CONNECTED);
        let actions = on_link(destination, port.network, port.mac);
        let matching = to(port.router, destination);
        emit.flow(at, Rule::Connected, matching, actions, Some(POLICY_ROUTE));
    }
}

/// A prefix of another router's network.
pub fn leaked(emit: &mut Emit, leaked: &Leaked) {
    let at = at(leaked.prefix, priority::LEAKED);
    let actions = on_link(leaked.prefix, leaked.network, leaked.mac);
    let matching = to(leaked.router, leaked.prefix);
    emit.flow(at, Rule::LeakedRoute, matching, actions, Some(POLICY_ROUTE));
}

fn of_table(route: &StaticRoute) -> Match {
    to(route.router, route.prefix).set(ROUTE_TABLE, route.table)
}

/// A route with one next hop.
pub fn via(emit: &mut Emit, route: &StaticRoute, via: &Via) {
    let at = at(route.prefix, priority::STATIC);
    let actions = via.actions();
    emit.flow(
        at,
        Rule::StaticRoute,
        of_table(route),
        actions,
        Some(POLICY_ROUTE),
    );
}

/// A route that drops.
pub fn blackhole(emit: &mut Emit, route: &StaticRoute) {
    let at = at(route.prefix, priority::STATIC);
    emit.drop(at, Rule::Blackhole, of_table(route));
}

/// A route with several next hops: `choose` for all packets, `fragments` for fragments.
pub fn several(emit: &mut Emit, route: &StaticRoute, choose: Vec<Action>, fragments: Vec<Action>) {
    let whole = at(route.prefix, priority::STATIC);
    emit.flow(whole, Rule::Ecmp, of_table(route), choose, None);
    let fragment = at(route.prefix, priority::STATIC_FRAGMENT);
    let matching = super::fragment(of_table(route));
    emit.flow(fragment, Rule::EcmpFragment, matching, fragments, None);
}
