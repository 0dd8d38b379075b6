//! Packet services: what the engine answers or reports for packets that flows hand to it.
//! Pure functions over packet bytes and facts; the engine receives and sends. The userdata of a packet-in
//! names the service:
//!
//! ```text
//! byte 0: 1 = answer this neighbour solicitation, 2 = report this address claim     (nothing follows)
//! ```
//!
//! Packets come as the guest sent them. A reply goes out of the port that asked (packet-out, input port
//! controller, output to the ofport of the packet-in), so that no table is passed again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::fields::Mac;
use crate::key::Key;
use crate::model::{Body, Pair, Port};
use crate::tables::Tables;

/// What the engine is asked to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Service {
    NeighbourAnswer = 1,
    Claim = 2,
}

impl Service {
    /// The userdata of a packet-in.
    pub fn encode(self) -> Vec<u8> {
        vec![self as u8]
    }

    /// `None`: not one of ours.
    pub fn decode(userdata: &[u8]) -> Option<Self> {
        match userdata {
            [1] => Some(Service::NeighbourAnswer),
            [2] => Some(Service::Claim),
            _ => None,
        }
    }
}

/// A plugged port, as packet services see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFacts {
    pub port_id: Arc<str>,
    pub port_key: u32,
    pub network_key: u32,
    pub ofport: u32,
    pub mac: Mac,
    pub ips: Vec<IpAddr>,
    pub allowed_pairs: Vec<Pair>,
}

/// Who answers for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub mac: Mac,
    /// `None`: the gateway.
    pub port_key: Option<u32>,
}

/// Facts, borrowed from the compiler.
#[derive(Debug, Clone, Copy)]
pub struct ServiceTable<'a> {
    tables: &'a Tables,
}

impl<'a> ServiceTable<'a> {
    pub(crate) fn new(tables: &'a Tables) -> Self {
        Self { tables }
    }

    /// The port behind a port of the switch; of several that claim it the one whose flows are in.
    pub fn port_at(self, ofport: u32) -> Option<PortFacts> {
        self.tables.ports_at(ofport).next().map(|port| facts(port, ofport))
    }

    /// A port of this chassis that is plugged.
    pub fn port(self, port_key: u32) -> Option<PortFacts> {
        let port = self.tables.port(port_key)?;
        Some(facts(port, self.tables.ofport(port)?))
    }

    /// Who has the address in the network: a port here, the owner of a moving address, a port elsewhere,
    /// the gateway.
    pub fn owner(self, network_key: u32, ip: IpAddr) -> Option<Owner> {
        let mut owners = self.tables.owners_of(network_key, ip);
        owners.find_map(|key| self.owner_by(key)).or_else(|| {
            let network = self.tables.network(network_key)?;
            let mac = network.gateway_mac.filter(|_| network.gateways.contains(&ip))?;
            Some(Owner { mac, port_key: None })
        })
    }

    fn owner_by(self, key: &Key) -> Option<Owner> {
        let (mac, port) = match &self.tables.get(key)?.body {
            // A port that is not plugged here may be elsewhere: then its location says so.
            Ok(Body::Port(port)) => {
                self.tables.ofport(port).filter(|_| port.admin_up)?;
                (port.mac, port.key)
            }
            Ok(Body::Address(owner)) => (owner.mac, owner.port),
            Ok(Body::Location(location)) => (location.mac, location.port),
            _ => return None,
        };
        Some(Owner { mac, port_key: Some(port) })
    }

    /// The port that central last named as owner of an address of allowed pairs.
    pub fn claimed_by(self, network_key: u32, ip: IpAddr) -> Option<Owner> {
        let owner = self.tables.address(network_key, ip)?;
        Some(Owner { mac: owner.mac, port_key: Some(owner.port) })
    }
}

fn facts(port: &Port, ofport: u32) -> PortFacts {
    PortFacts {
        port_id: port.id.clone(),
        port_key: port.key,
        network_key: port.network,
        ofport,
        mac: port.mac,
        ips: port.ips.clone(),
        allowed_pairs: port.pairs.clone(),
    }
}

/// A port that speaks for an address which only its allowed pairs name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub port_id: Arc<str>,
    pub ip: IpAddr,
    pub mac: Mac,
}

const ETHERNET: usize = 14;
const IPV6: usize = 40;
/// Neighbour solicitation or advertisement without options (RFC 4861 4.3, 4.4).
const ND: usize = 24;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

/// The ND message of an untagged frame.
struct Neighbour {
    kind: u8,
    sender: Mac,
    source: Ipv6Addr,
    target: Ipv6Addr,
    /// The link-layer address option of this kind of message.
    link_layer: Option<Mac>,
}

fn array<const N: usize>(packet: &[u8], at: usize) -> Option<[u8; N]> {
    packet.get(at..at + N)?.try_into().ok()
}

fn read_neighbour(packet: &[u8]) -> Option<Neighbour> {
    let icmp = ETHERNET + IPV6;
    // Ethernet type; next header ICMPv6; hop limit 255, which no router lets through (RFC 4861 7.1).
    if array(packet, 12)? != [0x86, 0xdd] || *packet.get(20)? != 58 || *packet.get(21)? != 255 {
        return None;
    }
    let payload = usize::from(u16::from_be_bytes(array(packet, 18)?));
    let message = packet.get(icmp..icmp + payload)?;
    let [kind, 0, ..] = *message else { return None };
    let wanted = match kind {
        135 => 1,
        136 => 2,
        _ => return None,
    };
    let mut options = message.get(ND..)?;
    let mut link_layer = None;
    while let [option, length, ..] = *options {
        let bytes = usize::from(length) * 8;
        if bytes == 0 {
            return None;
        }
        if option == wanted {
            link_layer = array(options, 2);
        }
        options = options.get(bytes..)?;
    }
    Some(Neighbour {
        kind,
        sender: array(packet, 6)?,
        source: array::<16>(packet, ETHERNET + 8)?.into(),
        target: array::<16>(message, 8)?.into(),
        link_layer,
    })
}

/// The advertisement that answers a solicitation, as a frame; `None` when nobody is known to have the
/// target, when the asking port has it itself, or when the packet is no solicitation.
/// A source of `::` is duplicate address detection: the answer goes to all nodes (RFC 4862 5.4.3).
pub fn answer_nd(packet: &[u8], asks: &PortFacts, table: ServiceTable<'_>) -> Option<Vec<u8>> {
    let question = read_neighbour(packet).filter(|question| question.kind == 135)?;
    let owner = table.owner(asks.network_key, question.target.into())?;
    let dad = question.source.is_unspecified();
    if owner.port_key == Some(asks.port_key) || (owner.port_key.is_none() && !dad) {
        return None;
    }
    let (to, to_mac, flags) = if dad {
        (ALL_NODES, [0x33, 0x33, 0, 0, 0, 1], OVERRIDE)
    } else {
        (question.source, question.link_layer.unwrap_or(question.sender), SOLICITED | OVERRIDE)
    };
    Some(advertisement(question.target, owner.mac, to, to_mac, flags))
}

fn advertisement(target: Ipv6Addr, mac: Mac, to: Ipv6Addr, to_mac: Mac, flags: u8) -> Vec<u8> {
    let mut message = vec![136, 0, 0, 0, flags, 0, 0, 0];
    message.extend(target.octets());
    message.extend([2, 1]);
    message.extend(mac);
    let sum = checksum(target, to, &message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);

    let mut frame = Vec::with_capacity(ETHERNET + IPV6 + message.len());
    frame.extend(to_mac);
    frame.extend(mac);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]);
    frame.extend(target.octets());
    frame.extend(to.octets());
    frame.extend(message);
    frame
}

/// The checksum of ICMP for IPv6 (RFC 4443 2.3); the message has an even number of bytes, the checksum field being zero.
fn checksum(source: Ipv6Addr, to: Ipv6Addr, message: &[u8]) -> u16 {
    let words = |bytes: &[u8]| -> u64 {
        bytes.chunks_exact(2).map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]]))).sum()
    };
    let mut sum = words(&source.octets()) + words(&to.octets()) + words(message) + 58;
    sum += message.len() as u64;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// The claim in an ARP packet or a neighbour advertisement; `None` when the address is fixed, is not
/// covered by an allowed pair, or the packet claims nothing.
pub fn read_claim(packet: &[u8], speaker: &PortFacts) -> Option<Claim> {
    let (ip, mac): (IpAddr, Mac) = match array(packet, 12)? {
        [0x08, 0x06] => {
            // Ethernet, IPv4, lengths 6 and 4, request or reply (RFC 826).
            let known = array(packet, 14)? == [0, 1, 8, 0, 6, 4, 0];
            let spoken = matches!(packet.get(21)?, 1 | 2);
            let ip = Ipv4Addr::from(array::<4>(packet, 28)?);
            (known && spoken && !ip.is_unspecified()).then_some(())?;
            (ip.into(), array(packet, 22)?)
        }
        _ => {
            let says = read_neighbour(packet).filter(|says| says.kind == 136)?;
            (says.target.into(), says.link_layer.unwrap_or(says.sender))
        }
    };
    let mut pairs = speaker.allowed_pairs.iter();
    let allowed = pairs.any(|pair| pair.mac == mac && pair.covers(ip));
    let claims = allowed && !speaker.ips.contains(&ip);
    claims.then(|| Claim { port_id: speaker.port_id.clone(), ip, mac })
}
