//! Broadcast, multicast and unknown unicast: replication to local ports and to other chassis.
//! Tables 5, 6, 7, 50 and all groups of networks. Called once for each network.
//!
//! Who gets a copy: all local ports by a group; without relays all other chassis of the network;
//! with relays the other chassis of our own block and the relay of every other block. A relay
//! copies to its block, never further: copies go out with egress key *flood*, which no chassis
//! sends into a tunnel again. No copy comes back to its sender: OVS does not send to the input
//! port, our own chassis is left out of our lists, and blocks are disjoint by chassis key, so that
//! no relay that we ask has us in its block.

use std::net::IpAddr;

use weft_instructions::v1::EncapType;
use weft_openflow::{Action, Field, MAX_MESSAGE_BYTES, Match, port};

use super::{GROUP_BIT, in_network, provider, tunnel};
use crate::cookie::Rule;
use crate::emit::Emit;
use crate::fields::{
    EGRESS, EGRESS_FLOOD, EGRESS_RELAY, EGRESS_RELAY_UNKNOWN, EGRESS_UNKNOWN, FLAG_UNKNOWN, FLAGS,
    group_id, tlv,
};
use crate::model::{Attachment, FloodPeer, Network, Port, Tunnel};
use crate::pipeline::{INGRESS_POLICY, L2, PROVIDER_IN, TUNNEL_IN, TUNNEL_IN_BY_MAC, priority};

/// Chassis keys of one block share their quotient by this.
pub const BLOCK: u32 = 128;
/// Buckets of one group.
const BUCKETS: usize = 256;
/// Bytes of datapath actions that one packet may lead to: their length has 16 bits, and OVS 3.1
/// silently drops the copies that lie beyond.
const ACTIONS_BYTES: usize = 65_535;
/// Bytes of such actions for a copy into a Geneve tunnel over (IPv4, IPv6), which is the longest: 100
/// and 120 where the underlay has one port, and room for a VLAN tag there.
const COPY_BYTES: (usize, usize) = (112, 132);
/// The same for a local copy: 8, and room for what policies may add.
const LOCAL_COPY_BYTES: usize = 16;
/// Ports here that get a copy: each costs two lookups of the 4,096 that Open vSwitch makes for a packet, and
/// beyond those it drops it for everybody.
const LOCAL_COPIES: usize = 2_000;
/// Room for the header of a group message.
const GROUP_HEADER_BYTES: usize = 64;

/// The way out of the chassis.
#[derive(Debug)]
pub enum Uplink<'a> {
    /// `peers`: the other chassis.
    Overlay {
        tunnel: &'a Tunnel,
        peers: Vec<&'a FloodPeer>,
        own_block: u32,
    },
    Provider {
        vlan: u16,
        patch: u32,
    },
    /// Nobody else is there.
    None,
}

/// One of the two kinds of replication.
struct Kind {
    rule: Rule,
    local_group: u32,
    remote_group: u32,
    relay_group: u32,
    egress: u32,
    relay_egress: u32,
    unknown: bool,
}

const FLOOD: Kind = Kind {
    rule: Rule::Flood,
    local_group: group_id::LOCAL_FLOOD,
    remote_group: group_id::REMOTE_FLOOD,
    relay_group: group_id::RELAY_FLOOD,
    egress: EGRESS_FLOOD,
    relay_egress: EGRESS_RELAY,
    unknown: false,
};

const UNKNOWN: Kind = Kind {
    rule: Rule::UnknownUnicast,
    local_group: group_id::LOCAL_UNKNOWN,
    remote_group: group_id::REMOTE_UNKNOWN,
    relay_group: group_id::RELAY_UNKNOWN,
    egress: EGRESS_UNKNOWN,
    relay_egress: EGRESS_RELAY_UNKNOWN,
    unknown: true,
};

/// `ports`: those plugged here and up, by key.
pub fn network(
    emit: &mut Emit,
    network: &Network,
    ports: &[&Port],
    uplink: &Uplink<'_>,
) -> Result<(), String> {
    replicate(emit, network, ports, uplink, &FLOOD)?;
    if network.unknown_unicast {
        unknown(emit, network, ports, uplink)?;
    } else if let Uplink::Provider { vlan, patch } = uplink {
        let at = (L2, priority::UNKNOWN);
        let matching = in_network(network.key);
        emit.flow(
            at,
            Rule::ProviderOut,
            matching,
            provider::out(*vlan, *patch),
            None,
        );
    }
    Ok(())
}

/// Unknown unicast alone: for routers that ask who has an address.
pub fn unknown(
    emit: &mut Emit,
    network: &Network,
    ports: &[&Port],
    uplink: &Uplink<'_>,
) -> Result<(), String> {
    replicate(emit, network, ports, uplink, &UNKNOWN)
}

fn replicate(
    emit: &mut Emit,
    network: &Network,
    ports: &[&Port],
    uplink: &Uplink<'_>,
    kind: &Kind,
) -> Result<(), String> {
    let mark = kind
        .unknown
        .then(|| Action::set_masked(FLAGS, FLAG_UNKNOWN, FLAG_UNKNOWN));
    let mut here = local_groups(emit, network, ports, kind)?;
    if !here.is_empty() {
        here.splice(0..0, mark.clone());
    }

    let mut out = if here.is_empty() {
        Vec::from_iter(mark.clone())
    } else {
        here.clone()
    };
    let marks = out.len();
    if kind.unknown && matches!(uplink, Uplink::Provider { .. }) {
        // The MAC of an interface is not seen on a physical network.
        ask(emit, network.key, here.clone());
    }
    match uplink {
        Uplink::None => {}
        Uplink::Provider { vlan, patch } => out.extend(provider::out(*vlan, *patch)),
        Uplink::Overlay {
            tunnel,
            peers,
            own_block,
        } => {
            let copies = sender_copies(network, tunnel, peers, *own_block, kind)?;
            if !copies.buckets.is_empty() {
                out.extend(tunnel::header(
                    tunnel.encap,
                    network.key,
                    kind.egress,
                    false,
                ));
                let group = (network, kind.remote_group);
                out.extend(chunks(emit, group, copies, ports.len())?);
            }
        }
    }
    if out.len() > marks || !here.is_empty() {
        if kind.unknown && !matches!(uplink, Uplink::Provider { .. }) {
            ask(emit, network.key, out.clone());
        }
        let (matching, band) = destinations(network.key, kind);
        emit.flow((L2, band), kind.rule, matching, out, None);
    }
    arrivals(emit, network, uplink, kind, (here, ports.len()))
}

/// Questions of routers, which are broadcast but go where unknown unicast goes.
fn ask(emit: &mut Emit, network: u32, actions: Vec<Action>) {
    if !actions.is_empty() {
        let asked = in_network(network).masked(FLAGS, FLAG_UNKNOWN, FLAG_UNKNOWN);
        emit.flow((L2, priority::ASK), Rule::Ask, asked, actions, None);
    }
}

/// A question that nobody is there for ends: broadcast it would show the MAC of a router to a
/// physical network. Once in the pipeline.
pub fn unasked(emit: &mut Emit) {
    let asked = Match::new().masked(FLAGS, FLAG_UNKNOWN, FLAG_UNKNOWN);
    emit.drop((L2, priority::ASK_NOBODY), Rule::Ask, asked);
}

/// The groups of local copies; none when no port here gets one.
fn local_groups(
    emit: &mut Emit,
    network: &Network,
    ports: &[&Port],
    kind: &Kind,
) -> Result<Vec<Action>, String> {
    let targets = ports.iter().filter(|port| !kind.unknown || !port.security);
    let copy = |port: &&Port| {
        vec![
            Action::set(EGRESS, port.key),
            Action::resubmit(INGRESS_POLICY),
        ]
    };
    let buckets: Vec<_> = targets.map(copy).collect();
    if buckets.len() > LOCAL_COPIES {
        return Err(format!(
            "network {}: a broadcast would need {} copies on this chassis, more than the {LOCAL_COPIES} \
             that Open vSwitch makes of one packet: spread its ports over more chassis",
            network.id,
            buckets.len(),
        ));
    }
    Ok(groups(emit, (network, kind.local_group), buckets))
}

/// Copies into a tunnel, a bucket each.
#[derive(Default)]
struct Copies {
    buckets: Vec<Vec<Action>>,
    /// Of datapath actions, at most.
    bytes: usize,
}

impl Copies {
    fn push(&mut self, vtep: IpAddr, actions: Vec<Action>) {
        let (v4, v6) = COPY_BYTES;
        self.bytes += if vtep.is_ipv4() { v4 } else { v6 };
        self.buckets.push(actions);
    }
}

/// What goes out of a local port's packet: one bucket for each chassis that we send to.
fn sender_copies(
    network: &Network,
    tunnel: &Tunnel,
    peers: &[&FloodPeer],
    own_block: u32,
    kind: &Kind,
) -> Result<Copies, String> {
    let wanted = |peer: &FloodPeer| !kind.unknown || peer.unknown_unicast;
    let mut copies = Copies::default();
    for peer in peers {
        let mut actions = Vec::new();
        if network.relayed && peer.block != own_block {
            let asked = peers
                .iter()
                .any(|other| other.block == peer.block && wanted(other));
            if !peer.relay || !asked {
                continue;
            }
            actions.push(Action::load(tlv::EGRESS, kind.relay_egress));
        } else if !wanted(peer) {
            continue;
        }
        let vtep = vtep(network, peer)?;
        actions.extend(tunnel::addresses(tunnel, vtep));
        actions.push(Action::output(tunnel.ofport));
        copies.push(vtep, actions);
    }
    Ok(copies)
}

/// Packets that come from a tunnel or from the physical network: local copies, `here`, and a relay's.
fn arrivals(
    emit: &mut Emit,
    network: &Network,
    uplink: &Uplink<'_>,
    kind: &Kind,
    (here, local): (Vec<Action>, usize),
) -> Result<(), String> {
    let geneve = network.attachment == Attachment::Overlay(EncapType::Geneve);
    if !geneve {
        let (matching, band) = destinations(network.key, kind);
        let table = match network.attachment {
            Attachment::Provider { .. } => PROVIDER_IN,
            Attachment::Overlay(_) => TUNNEL_IN_BY_MAC,
        };
        if !here.is_empty() {
            emit.flow((table, band), kind.rule, matching, here, None);
        }
        return Ok(());
    }
    let named = |egress| in_network(network.key).set(EGRESS, egress);
    let at = (TUNNEL_IN, priority::MULTICAST);
    let mut relayed = here.clone();
    if !here.is_empty() {
        emit.flow(at, Rule::TunnelFlood, named(kind.egress), here, None);
    }
    if let (
        true,
        Uplink::Overlay {
            tunnel,
            peers,
            own_block,
        },
    ) = (network.relayed, uplink)
    {
        let mut copies = Copies::default();
        let block = peers.iter().filter(|peer| peer.block == *own_block);
        for peer in block.filter(|peer| !kind.unknown || peer.unknown_unicast) {
            let vtep = vtep(network, peer)?;
            let mut actions = tunnel::forget_other_family(tunnel, vtep);
            actions.extend(tunnel::addresses(tunnel, vtep));
            // To the tunnel port by its number OVS would not send: it is the input port.
            actions.push(Action::output(port::IN_PORT));
            copies.push(vtep, actions);
        }
        if !copies.buckets.is_empty() {
            relayed.extend(tunnel::header(tunnel.encap, network.key, kind.egress, true));
            relayed.extend(chunks(emit, (network, kind.relay_group), copies, local)?);
        }
    }
    if network.relayed && !relayed.is_empty() {
        emit.flow(
            at,
            Rule::TunnelRelay,
            named(kind.relay_egress),
            relayed,
            None,
        );
    }
    Ok(())
}

fn destinations(network: u32, kind: &Kind) -> (Match, u16) {
    let all = in_network(network);
    if kind.unknown {
        (all, priority::UNKNOWN)
    } else {
        (
            all.masked(Field::EthDst, GROUP_BIT, GROUP_BIT),
            priority::MULTICAST,
        )
    }
}

fn vtep(network: &Network, peer: &FloodPeer) -> Result<IpAddr, String> {
    let missing = || {
        format!(
            "flood peer {} of network {} has no VTEP",
            peer.chassis, network.id
        )
    };
    peer.vtep.ok_or_else(missing)
}

/// Groups of copies; answers the actions that run them all. `local`: ports here that get a copy beside them.
fn chunks(
    emit: &mut Emit,
    (network, kind): (&Network, u32),
    copies: Copies,
    local: usize,
) -> Result<Vec<Action>, String> {
    let Copies { buckets, bytes } = copies;
    if bytes + local * LOCAL_COPY_BYTES > ACTIONS_BYTES {
        return Err(format!(
            "network {}: a broadcast would need {} tunnel copies and {local} here, more than Open \
             vSwitch makes of one packet: spread its ports over fewer chassis or use a Geneve \
             network with relays",
            network.id,
            buckets.len(),
        ));
    }
    Ok(groups(emit, (network, kind), buckets))
}

/// Splits buckets into groups that fit one message each; answers the actions that run them all.
fn groups(
    emit: &mut Emit,
    (network, kind): (&Network, u32),
    buckets: Vec<Vec<Action>>,
) -> Vec<Action> {
    let mut groups: Vec<Vec<Vec<Action>>> = Vec::new();
    let mut bytes = 0;
    for bucket in buckets {
        let more = bucket_bytes(&bucket);
        let full = groups.last().is_none_or(|group| group.len() == BUCKETS);
        if full || bytes + more > MAX_MESSAGE_BYTES - GROUP_HEADER_BYTES {
            groups.push(Vec::new());
            bytes = 0;
        }
        bytes += more;
        if let Some(group) = groups.last_mut() {
            group.push(bucket);
        }
    }
    let mut actions = Vec::new();
    for (chunk, group) in (0..).zip(groups) {
        let id = group_id::of(kind, chunk, network.key);
        emit.group(id, group);
        actions.push(Action::Group { id });
    }
    actions
}

/// Bytes of a bucket on the wire: its header and 4 + 4 bytes and the value (and mask) for each set
/// field,
/// 16 for an output, all padded to 8.
fn bucket_bytes(actions: &[Action]) -> usize {
    let action = |action: &Action| match action {
        Action::SetField { field, mask, .. } => {
            let copies = if *mask == field.all_ones() { 1 } else { 2 };
            (8 + copies * field.bytes()).next_multiple_of(8)
        }
        _ => 16,
    };
    8 + actions.iter().map(action).sum::<usize>()
}
