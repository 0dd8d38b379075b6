//! The instructions of routers: what each wants in the switch. As `units`, which calls it: pure
//! functions that read other instructions through the tracking reader.
//!
//! A router may send by an interface on a provider network only where that physical network is:
//! elsewhere the interface fails and says so, and with it what needs it.

use std::net::IpAddr;

use crate::cookie::Object;
use crate::emit::{Emit, Output};
use crate::key::Key;
use crate::pipeline::{self, ECMP_MEMBER, POLICY_ROUTE};
use crate::reader::Reader;
use crate::router_model::{Hop, Leaked, Neighbour, PolicyRule, RouterPort, StaticRoute, Verdict};
use crate::stages::ecmp::{self, Member, Set};
use crate::stages::neighbour::{self as next_hop, Way};
use crate::stages::route::{self, Via};
use crate::stages::{anti_spoof, arp, nd, policy_route, router_entry, router_in, router_out};

/// An interface or an end of a link.
pub fn port(port: &RouterPort, reader: &Reader<'_>) -> Result<Output, String> {
    let mut emit = Emit::of(if port.link {
        Object::RouterLink(port.key)
    } else {
        Object::RouterInterface(port.key)
    });
    reader.segment(port.router, port.network)?;
    router_entry::port(&mut emit, port);
    router_in::own(&mut emit, port);
    route::connected(&mut emit, port);
    router_out::mtu(&mut emit, port.router, port.network, port.mtu);
    for own in &port.addresses {
        next_hop::known(&mut emit, port.network, own.ip, port.mac);
    }
    if !port.link && reader.hosted(port.network) {
        for own in &port.addresses {
            match own.ip {
                IpAddr::V4(ip) => arp::answer(&mut emit, port.network, ip, port.mac),
                IpAddr::V6(ip) => nd::router(&mut emit, port.network, ip, port.mac),
            }
        }
        let ip = anti_spoof::link_local(port.mac);
        nd::router(&mut emit, port.network, ip, port.mac);
    }
    Ok(emit.finish())
}

/// Next hops that packets can be sent to.
enum Ways {
    One(Via),
    Several(Vec<Member>),
}

/// Of several next hops those that somebody is known to have, by their numbers among all; if
/// nobody has any, the first, so that packets draw an error or a question. An error when no
/// interface leads to any of them.
fn ways(router: u32, hops: &[Hop], reader: &Reader<'_>) -> Result<Ways, String> {
    let mut reason = "it has no next hop".to_owned();
    let mut usable: Vec<Member> = Vec::with_capacity(hops.len());
    for (number, hop) in (1..).zip(hops) {
        match reader.segment(router, hop.network) {
            Ok(port) => usable.push(Member {
                number,
                via: Via {
                    hop: *hop,
                    mac: port.mac,
                },
            }),
            Err(missing) => reason = missing,
        }
    }
    let first = usable.first().ok_or(reason)?.via;
    if hops.len() == 1 {
        return Ok(Ways::One(first));
    }
    usable.retain(|member| reader.alive(router, member.via.hop));
    Ok(match usable[..] {
        [] => Ways::One(first),
        [one] => Ways::One(one.via),
        _ => Ways::Several(usable),
    })
}

/// A static route.
pub fn static_route(route: &StaticRoute, reader: &Reader<'_>) -> Result<Output, String> {
    let mut emit = Emit::of(Object::Route(route.key));
    if route.hops.is_empty() {
        route::blackhole(&mut emit, route);
        return Ok(emit.finish());
    }
    match ways(route.router, &route.hops, reader)? {
        Ways::One(via) => route::via(&mut emit, route, &via),
        Ways::Several(members) => {
            let set = Set {
                policy: false,
                key: route.key,
                next: POLICY_ROUTE,
            };
            let (choose, fragments) = ecmp::choose(&mut emit, set, &members);
            route::several(&mut emit, route, choose, fragments);
        }
    }
    Ok(emit.finish())
}

/// A policy route.
pub fn policy(rule: &PolicyRule, reader: &Reader<'_>) -> Result<Output, String> {
    let mut emit = Emit::of(Object::PolicyRoute(rule.key));
    match &rule.verdict {
        Verdict::Allow => policy_route::allow(&mut emit, rule)?,
        Verdict::Drop => policy_route::drop(&mut emit, rule)?,
        Verdict::Reroute(hops) => match ways(rule.router, hops, reader)? {
            Ways::One(via) => policy_route::via(&mut emit, rule, &via)?,
            Ways::Several(members) => {
                let set = Set {
                    policy: true,
                    key: rule.key,
                    next: ECMP_MEMBER,
                };
                let (choose, fragments) = ecmp::choose(&mut emit, set, &members);
                policy_route::several(&mut emit, rule, &choose, &fragments)?;
            }
        },
    }
    Ok(emit.finish())
}

/// A port that one router reaches, on a provider network or behind a leak: by its own addresses, or by
/// one that it claimed, maybe with a MAC that is not its own.
pub fn neighbour(neighbour: &Neighbour, reader: &Reader<'_>) -> Result<Output, String> {
    let mut emit = Emit::of(Object::RouterNeighbour(neighbour.port));
    let plugged = reader.plugged(neighbour.network, neighbour.port);
    let way = match (plugged, neighbour.tunnel) {
        (Some((port, _)), _) if port.admin_up => Way::Lookup,
        (Some(_), _) => return Ok(emit.finish()),
        (None, _) if reader.chassis_key()? == neighbour.chassis => return Ok(emit.finish()),
        (None, None) => Way::Lookup,
        (None, Some((encap, vtep))) => {
            reader.tunnel(encap)?;
            let out = pipeline::tunnel_out(encap, vtep.is_ipv4())
                .ok_or_else(|| format!("{encap:?} carries no packets"))?;
            Way::Tunnel {
                port: neighbour.port,
                vtep,
                out,
            }
        }
    };
    let of = (neighbour.router, neighbour.network);
    for ip in &neighbour.ips {
        next_hop::of_router(&mut emit, of, *ip, neighbour.mac, way);
    }
    Ok(emit.finish())
}

/// A connected route of another router.
pub fn leaked(key: &Key, leaked: &Leaked, reader: &Reader<'_>) -> Output {
    let mut emit = Emit::of(Object::Leak(leaked.leak));
    route::leaked(&mut emit, leaked);
    if reader.first_leak(leaked.router, leaked.network, key) {
        router_out::mtu(&mut emit, leaked.router, leaked.network, leaked.mtu);
    }
    emit.finish()
}
