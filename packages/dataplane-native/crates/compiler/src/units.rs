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
use crate::stages::{anti_spoof, arp, claims, classify, deliver, fence, flood, l2, nd};
use crate::tables::Reader;

/// Compiles one instruction; `body` is its own.
pub fn compile(key: &Key, body: &Body, reader: &Reader<'_>) -> Result<Output, String> {
    match body {
        Body::Port(body) => port(body, reader),
        Body::Network(body) => network(body, reader),
        Body::Location(body) => location(body, reader),
        Body::Address(body) => address(body, reader),
        Body::Fence(vteps) => {
            let chassis = if let Key::Fence(key) = key { *key } else { 0 };
            let mut emit = Emit::of(Object::Chassis(chassis));
            fence::peer(&mut emit, vteps);
            Ok(emit.finish())
        }
        Body::Tunnel(tunnel) => {
            let mut emit = Emit::of(Object::Pipeline);
            classify::tunnel(&mut emit, tunnel);
            Ok(emit.finish())
        }
        Body::Config { .. } | Body::FloodPeer(_) | Body::Vif { .. } | Body::Patch { .. } => {
            Ok(Output::default())
        }
    }
}

/// What is there without any instruction.
pub fn pipeline() -> Output {
    let mut emit = Emit::of(Object::Pipeline);
    for table in pipeline::TABLES {
        let next = match table.miss {
            Miss::Drop => None,
            Miss::Goto(next) => Some(next),
        };
        let all = weft_openflow::Match::new();
        emit.flow(
            (table.number, priority::MISS),
            Rule::Miss,
            all,
            vec![],
            next,
        );
    }
    anti_spoof::guards(&mut emit);
    arp::rewrite(&mut emit);
    nd::rewrite(&mut emit);
    emit.finish()
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
    classify::port(&mut emit, port, ofport);
    if !port.admin_up {
        return Ok(emit.finish());
    }
    if port.security {
        anti_spoof::port(&mut emit, port, ofport);
    }
    for ip in &port.ips {
        own(&mut emit, port.key, *ip);
        answer(&mut emit, network.key, *ip, port.mac);
    }
    for pair in &port.pairs {
        if let IpAddr::V4(ip) = pair.ip {
            arp::own_pair(&mut emit, port.key, ip, pair.prefix);
        }
    }
    nd::meter(&mut emit, port, ofport);
    claims::meter(&mut emit, port, ofport);
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
    for ip in &location.ips {
        answer(&mut emit, network.key, *ip, location.mac);
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

fn address(owner: &AddressOwner, reader: &Reader<'_>) -> Result<Output, String> {
    let mut emit = Emit::of(Object::Address(owner.port));
    let network = reader.network(owner.network)?;
    // One of the addresses with this MAC brings the L2 entry for it: a virtual router has several.
    let brings = |port_mac: Option<Mac>| {
        port_mac != Some(owner.mac)
            && reader.first_owned_by(owner.network, owner.mac) == Some(owner.ip)
    };
    let band = priority::UNICAST_ADDRESS;
    if let Some((port, _)) = reader.plugged(owner.network, owner.port) {
        if port.admin_up {
            own(&mut emit, port.key, owner.ip);
            answer(&mut emit, network.key, owner.ip, owner.mac);
            if brings(Some(port.mac)) {
                l2::local(&mut emit, network, port.key, owner.mac, band);
            }
        }
    } else if reader.chassis_key()? != owner.chassis {
        answer(&mut emit, network.key, owner.ip, owner.mac);
        let known = reader
            .location(owner.network, owner.port)
            .map(|location| location.mac);
        if brings(known) {
            remote(
                &mut emit,
                network,
                (owner.port, owner.mac),
                owner.vtep,
                band,
                reader,
            )?;
        }
    }
    Ok(emit.finish())
}

fn network(network: &Network, reader: &Reader<'_>) -> Result<Output, String> {
    let mut emit = Emit::of(Object::Network(network.key));
    let plugged = |port: &&Port| port.admin_up && reader.ofport(port).is_some();
    let ports: Vec<&Port> = reader.ports_of(network.key).filter(plugged).collect();
    let uplink = match &network.attachment {
        Attachment::Provider { physical, vlan } => {
            let patch = reader.patch(physical)?;
            classify::provider(&mut emit, network.key, *vlan, patch);
            flood::Uplink::Provider { vlan: *vlan, patch }
        }
        Attachment::Overlay(encap) => {
            if network.relayed && *encap != weft_instructions::v1::EncapType::Geneve {
                return Err(format!(
                    "network {}: only Geneve carries the key that relays need: \
                     use a Geneve network or at most 200 chassis",
                    network.id
                ));
            }
            let mut peers = reader.flood_peers(network.key).peekable();
            if peers.peek().is_none() {
                flood::Uplink::None
            } else {
                let own = reader.chassis_key()?;
                let peers: Vec<_> = peers.filter(|peer| peer.chassis != own).collect();
                if peers.is_empty() {
                    flood::Uplink::None
                } else {
                    let tunnel = reader.tunnel(*encap)?;
                    flood::Uplink::Overlay {
                        tunnel,
                        peers,
                        own_block: own / flood::BLOCK,
                    }
                }
            }
        }
    };
    flood::network(&mut emit, network, &ports, &uplink)?;
    if let Some(mac) = network.gateway_mac {
        for gateway in &network.gateways {
            match gateway {
                IpAddr::V4(ip) => arp::gateway(&mut emit, network.key, *ip, mac),
                IpAddr::V6(ip) => nd::gateway(&mut emit, network.key, *ip, mac),
            }
        }
    }
    Ok(emit.finish())
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
        let tunnel = reader.tunnel(encap)?;
        let missing = || format!("port key {} of network {}: no VTEP", to.0, network.id);
        let vtep = vtep.ok_or_else(missing)?;
        l2::remote(emit, network.key, to, (tunnel, vtep), band);
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
