//! From one instruction to what it wants in the switch: pure functions that read other instructions
//! through the tracking reader. They order the stages; the flows are the stages'. Called by
//! `Compiler::apply`.
//!
//! A local fact that is missing (no VIF) gives nothing. What should work but cannot is an error:
//! the instruction then has no flow at all, and the error says what to do.

use std::net::IpAddr;

use crate::cookie::{Object, Rule};
use crate::emit::{Emit, Output};
use crate::fields::{Mac, meter_id};
use crate::key::Key;
use crate::model::{AddressOwner, Attachment, Body, Location, Network, Port};
use crate::pipeline::{self, Miss, priority};
use crate::reader::Reader;
use crate::router_services::Reason;
use crate::routing;
use crate::stages::{anti_spoof, arp, claims, classify, deliver, echo, fence, flood, l2, nd};
use crate::stages::{neighbour, provider, punt, router_in, router_out, tunnel};

/// Compiles one instruction; `body` is its own.
pub fn compile(key: &Key, body: &Body, reader: &Reader<'_>) -> Result<Output, String> {
    match body {
        Body::Port(body) => port(body, reader),
        Body::Network(body) => network(body, reader),
        Body::Location(body) => location(body, reader),
        Body::Address(body) => address(key, body, reader),
        Body::Fence(vteps) => {
            let chassis = if let Key::Fence(key) = key { *key } else { 0 };
            let mut emit = Emit::of(Object::Chassis(chassis));
            // Two chassis that had one address are both kept out.
            let vteps = vteps.iter().copied();
            fence::peer(
                &mut emit,
                vteps.filter(|vtep| !reader.fenced_before(chassis, *vtep)),
            );
            Ok(emit.finish())
        }
        Body::Tunnel(tunnel) => {
            let mut emit = Emit::of(Object::Pipeline);
            classify::tunnel(&mut emit, tunnel);
            tunnel::unicast(&mut emit, tunnel);
            Ok(emit.finish())
        }
        Body::RouterPort(body) => routing::port(body, reader),
        Body::Route(body) => routing::static_route(body, reader),
        Body::Policy(body) => routing::policy(body, reader),
        Body::Neighbour(body) => routing::neighbour(body, reader),
        Body::Leaked(body) => Ok(routing::leaked(key, body, reader)),
        Body::Router
        | Body::Config { .. }
        | Body::FloodPeer(_)
        | Body::Vif { .. }
        | Body::Patch { .. } => Ok(Output::default()),
    }
}

/// What is there without any instruction.
pub fn pipeline() -> Output {
    let mut emit = Emit::of(Object::Pipeline);
    for table in pipeline::TABLES {
        let (rule, (actions, next)) = match table.miss {
            Miss::Drop => (Rule::Miss, (vec![], None)),
            Miss::Goto(next) => (Rule::Miss, (vec![], Some(next))),
            Miss::Punt(reason) => (missed(reason), punt::because(reason)),
        };
        let all = weft_openflow::Match::new();
        let at = (table.number, priority::MISS);
        emit.flow(at, rule, all, actions, next);
    }
    anti_spoof::guards(&mut emit);
    arp::rewrite(&mut emit);
    nd::rewrite(&mut emit);
    router_in::guards(&mut emit);
    router_out::leave(&mut emit);
    punt::out(&mut emit);
    echo::answers(&mut emit);
    flood::unasked(&mut emit);
    emit.finish()
}

fn missed(reason: Reason) -> Rule {
    match reason {
        Reason::NoRoute => Rule::NoRoute,
        _ => Rule::HostUnreachable,
    }
}

fn port(port: &Port, reader: &Reader<'_>) -> Result<Output, String> {
    let mut emit = Emit::of(Object::Port(port.key));
    let Some(ofport) = reader.ofport(port) else {
        return Ok(emit.finish());
    };
    let network = reader.network(port.network)?;
    if let Attachment::Provider { physical, .. } = &network.attachment {
        reader.patch(physical)?;
    }
    if ofport > meter_id::OFPORT_MAX {
        return Err(format!(
            "port {}: ofport {ofport} is above 65279: plug it again",
            port.id
        ));
    }
    let routed = reader.routed(network.key);
    // With port security off it may announce what a router would ask for; else only what a pair names.
    let announces = !port.pairs.is_empty() || (routed && !port.security);
    let next = if port.security || announces {
        pipeline::ANTI_SPOOF
    } else {
        pipeline::SERVICES
    };
    classify::port(&mut emit, port, ofport, next);
    if !port.admin_up {
        return Ok(emit.finish());
    }
    if port.security {
        anti_spoof::port(&mut emit, port, ofport);
    } else if announces {
        claims::open(&mut emit, port, ofport);
    }
    for ip in &port.ips {
        own(&mut emit, port.key, *ip);
        answer(&mut emit, network.key, *ip, port.mac);
    }
    if routed {
        for ip in &port.ips {
            neighbour::known(&mut emit, network.key, *ip, port.mac);
        }
        punt::port(&mut emit, port.key, ofport);
        echo::port(&mut emit, port.key, ofport);
    }
    nd::meter(&mut emit, port, ofport);
    if announces {
        claims::meter(&mut emit, ofport);
    }
    l2::local(&mut emit, network, port.key, port.mac, priority::UNICAST);
    l2::tunnel_key(&mut emit, network, port.key);
    deliver::port(&mut emit, port, ofport);
    Ok(emit.finish())
}

fn location(location: &Location, reader: &Reader<'_>) -> Result<Output, String> {
    let mut emit = Emit::of(Object::Location(location.port));
    let network = reader.network(location.network)?;
    let here = reader.chassis_key()? == location.chassis;
    if here || reader.plugged(location.network, location.port).is_some() {
        return Ok(emit.finish());
    }
    if reader.hosted(network.key) {
        for ip in &location.ips {
            answer(&mut emit, network.key, *ip, location.mac);
        }
    }
    if reader.routed(network.key) {
        for ip in &location.ips {
            neighbour::known(&mut emit, network.key, *ip, location.mac);
        }
    }
    let to = (location.port, location.mac);
    remote(
        &mut emit,
        network,
        to,
        location.vtep,
        priority::UNICAST,
        reader,
    )?;
    Ok(emit.finish())
}

/// An address that a port claimed.
fn address(key: &Key, owner: &AddressOwner, reader: &Reader<'_>) -> Result<Output, String> {
    let mut emit = Emit::of(Object::Address(owner.port));
    let network = reader.network(owner.network)?;
    // One of the addresses with this MAC brings the L2 entry for it: a virtual router has several.
    let brings = |port_mac: Option<Mac>| {
        port_mac != Some(owner.mac) && reader.owned_by(owner.network, owner.mac).next() == Some(key)
    };
    let band = priority::UNICAST_ADDRESS;
    // Of an address on the wire only its frames are taken: machines there may have it, so they are asked
    // who has it, and a router has a row of its own for it.
    let wired = matches!(key, Key::WiredAddress(..));
    if let Some((port, _)) = reader.plugged(owner.network, owner.port) {
        if port.admin_up {
            if !wired {
                own(&mut emit, port.key, owner.ip);
                known(&mut emit, owner, reader);
            }
            if brings(Some(port.mac)) {
                l2::local(&mut emit, network, port.key, owner.mac, band);
            }
        }
    } else if !wired && reader.chassis_key()? != owner.chassis {
        known(&mut emit, owner, reader);
        let location = reader.location(owner.network, owner.port);
        if brings(location.map(|location| location.mac)) {
            let to = (owner.port, owner.mac);
            remote(&mut emit, network, to, owner.vtep, band, reader)?;
        }
    }
    Ok(emit.finish())
}

/// Who asks for the address learns its MAC, whoever takes it over says so to all, and routers send there.
fn known(emit: &mut Emit, owner: &AddressOwner, reader: &Reader<'_>) {
    if reader.hosted(owner.network) {
        answer(emit, owner.network, owner.ip, owner.mac);
        if let IpAddr::V4(ip) = owner.ip {
            arp::announced(emit, owner.network, ip);
        }
    }
    if reader.routed(owner.network) {
        neighbour::known(emit, owner.network, owner.ip, owner.mac);
    }
}

/// What a network is for its own ports here and for routers; where it has neither it has nothing.
fn network(network: &Network, reader: &Reader<'_>) -> Result<Output, String> {
    let mut emit = Emit::of(Object::Network(network.key));
    let (hosted, routed) = (reader.hosted(network.key), reader.routed(network.key));
    let asked = routed && network.unknown_unicast;
    if routed {
        if let Attachment::Provider { physical, vlan } = &network.attachment
            && let (Ok(patch), Ok(own)) = (reader.patch(physical), reader.chassis_key())
        {
            provider::routed(&mut emit, network.key, (*vlan, patch), own);
        }
        if asked {
            neighbour::resolve(&mut emit, network.key);
        }
    }
    if hosted {
        let uplink = uplink(network, reader)?;
        if let flood::Uplink::Provider { vlan, patch } = uplink {
            classify::provider(&mut emit, network.key, vlan, patch);
        }
        let plugged = |port: &&Port| port.admin_up && reader.ofport(port).is_some();
        let ports: Vec<&Port> = reader.ports_of(network.key).filter(plugged).collect();
        flood::network(&mut emit, network, &ports, &uplink)?;
    } else if asked && matches!(network.attachment, Attachment::Overlay(_)) {
        flood::unknown(&mut emit, network, &[], &uplink(network, reader)?)?;
    }
    let gateway = network.gateway_mac.filter(|_| hosted);
    if let Some(mac) = gateway {
        for gateway in &network.gateways {
            match gateway {
                IpAddr::V4(ip) => arp::gateway(&mut emit, network.key, *ip, mac),
                IpAddr::V6(ip) => nd::gateway(&mut emit, network.key, *ip, mac),
            }
        }
    }
    Ok(emit.finish())
}

/// The way of a network out of the chassis.
fn uplink<'a>(network: &Network, reader: &Reader<'a>) -> Result<flood::Uplink<'a>, String> {
    let encap = match &network.attachment {
        Attachment::Provider { physical, vlan } => {
            let patch = reader.patch(physical)?;
            return Ok(flood::Uplink::Provider { vlan: *vlan, patch });
        }
        Attachment::Overlay(encap) => *encap,
    };
    if network.relayed && encap != weft_instructions::v1::EncapType::Geneve {
        return Err(format!(
            "network {}: only Geneve carries the key that relays need: \
             use a Geneve network or at most 200 chassis",
            network.id
        ));
    }
    let mut peers = reader.flood_peers(network.key).peekable();
    if peers.peek().is_none() {
        return Ok(flood::Uplink::None);
    }
    let own = reader.chassis_key()?;
    let peers: Vec<_> = peers.filter(|peer| peer.chassis != own).collect();
    if peers.is_empty() {
        return Ok(flood::Uplink::None);
    }
    Ok(flood::Uplink::Overlay {
        tunnel: reader.tunnel(encap)?,
        peers,
        own_block: own / flood::BLOCK,
    })
}

/// Unicast to a port elsewhere. On a provider network it goes to the patch port with all that is
/// unknown.
fn remote(
    emit: &mut Emit,
    network: &Network,
    to: (u32, Mac),
    vtep: Option<IpAddr>,
    band: u16,
    reader: &Reader<'_>,
) -> Result<(), String> {
    if let Attachment::Overlay(encap) = network.attachment {
        reader.tunnel(encap)?;
        let missing = || format!("port key {} of network {}: no VTEP", to.0, network.id);
        let vtep = vtep.ok_or_else(missing)?;
        let out = pipeline::tunnel_out(encap, vtep.is_ipv4())
            .ok_or_else(|| format!("network {}: {encap:?} carries no packets", network.id))?;
        l2::remote(emit, network.key, to, (vtep, out), band);
    }
    Ok(())
}

fn answer(emit: &mut Emit, network: u32, ip: IpAddr, mac: Mac) {
    match ip {
        IpAddr::V4(ip) => arp::answer(emit, network, ip, mac),
        IpAddr::V6(ip) => nd::answer(emit, network, ip, mac),
    }
}

fn own(emit: &mut Emit, port: u32, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => arp::own(emit, port, ip),
        IpAddr::V6(ip) => nd::own(emit, port, ip),
    }
}
