//! Packet services: what the engine answers or reports for packets that flows hand to it.
//! Pure functions over packet bytes and facts; the engine receives and sends. The userdata of a
//! packet-in names the service:
//!
//! ```text
//! byte 0: 1 = answer this neighbour solicitation, 2 = report this claim   (nothing follows),
//!         3 = a router gave it up, see `router_services`
//! ```
//!
//! Packets come as the guest sent them. A reply goes out of the port that asked (packet-out, input
//! port controller, output to the ofport of the packet-in), so that no table is passed again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::fields::Mac;
pub use crate::service_table::{Owner, PortFacts, ServiceTable};

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
const ROUTER: u8 = 0x80;
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
    // Ethernet type; next header ICMPv6; hop limit 255, which no router lets through (RFC 4861
    // 7.1).
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

/// The advertisement that answers a solicitation, as a frame; `None` when nobody is known to have
/// the target, when the asking port has it itself, or when the packet is no solicitation.
/// A source of `::` is duplicate address detection: the answer goes to all nodes (RFC 4862 5.4.3).
pub fn answer_nd(packet: &[u8], asks: &PortFacts, table: ServiceTable<'_>) -> Option<Vec<u8>> {
    let question = read_neighbour(packet).filter(|question| question.kind == 135)?;
    let owner = table.owner(asks.network_key, question.target.into())?;
    let dad = question.source.is_unspecified();
    let gateway = owner.port_key.is_none() && owner.router_key.is_none();
    if owner.port_key == Some(asks.port_key) || (gateway && !dad) {
        return None;
    }
    let routes = if owner.router_key.is_some() {
        ROUTER
    } else {
        0
    };
    let (to, to_mac, flags) = if dad {
        (ALL_NODES, [0x33, 0x33, 0, 0, 0, 1], OVERRIDE)
    } else {
        (
            question.source,
            question.link_layer.unwrap_or(question.sender),
            SOLICITED | OVERRIDE,
        )
    };
    Some(advertisement(
        question.target,
        owner.mac,
        to,
        to_mac,
        flags | routes,
    ))
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

/// The checksum of ICMP for IPv6 (RFC 4443 2.3); the message has an even number of bytes, the
/// checksum field being zero.
fn checksum(source: Ipv6Addr, to: Ipv6Addr, message: &[u8]) -> u16 {
    let words = |bytes: &[u8]| -> u64 {
        bytes
            .chunks_exact(2)
            .map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum()
    };
    let mut sum = words(&source.octets()) + words(&to.octets()) + words(message) + 58;
    sum += message.len() as u64;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// The claim in an ARP packet or a neighbour advertisement; `None` when the address is fixed, the
/// port may not use it, or the packet claims nothing.
pub fn read_claim(packet: &[u8], speaker: &PortFacts) -> Option<Claim> {
    let (ip, mac, announced): (IpAddr, Mac, bool) = if array(packet, 12)? == [0x08, 0x06] {
        // Ethernet, IPv4, lengths 6 and 4, request or reply (RFC 826).
        let known = array(packet, 14)? == [0, 1, 8, 0, 6, 4, 0];
        let spoken = matches!(packet.get(21)?, 1 | 2);
        let ip = Ipv4Addr::from(array::<4>(packet, 28)?);
        (known && spoken && !ip.is_unspecified()).then_some(())?;
        // A reply, or a request for the sender's own address (RFC 5227 3).
        let announced = packet.get(21)? == &2 || array::<4>(packet, 38)? == ip.octets();
        (ip.into(), array(packet, 22)?, announced)
    } else {
        let says = read_neighbour(packet).filter(|says| says.kind == 136)?;
        let mac = says.link_layer.unwrap_or(says.sender);
        (says.target.into(), mac, true)
    };
    let mut pairs = speaker.allowed_pairs.iter();
    let pair = pairs.any(|pair| pair.mac == mac && pair.covers(ip));
    // A port with port security off may have any address, and be the way of others' questions.
    let allowed = pair || (!speaker.port_security && announced);
    let claims = allowed && !speaker.ips.contains(&ip);
    claims.then(|| Claim {
        port_id: speaker.port_id.clone(),
        ip,
        mac,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Compiler;
    use prost::Message as _;
    use weft_instructions::v1::{
        self, EngineBatch, Instruction, InstructionBody, instruction_body::Body as Wire,
    };

    const OWN: Mac = [2, 0, 0, 0, 0, 7];
    const VIRTUAL: Mac = [0, 0, 0x5e, 0, 1, 1];
    const PEER: Mac = [2, 0, 0, 0, 0, 8];

    fn v6(last: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last)
    }

    /// A network with a gateway (1), port 7 here with two pairs and port 8 elsewhere, addresses
    /// ending so.
    fn compiler() -> Compiler {
        let bytes = |ip: Ipv6Addr| ip.octets().to_vec();
        let pair = |ip: Vec<u8>, prefix_len| v1::AddressPair {
            ip,
            prefix_len,
            mac: Some(VIRTUAL.to_vec()),
        };
        let bodies = [
            (
                "chassis/c/config",
                Wire::ChassisConfig(v1::ChassisConfig { chassis_key: 1 }),
            ),
            (
                "network/5/config",
                Wire::Network(v1::NetworkConfig {
                    network_key: 5,
                    encap: v1::EncapType::Geneve as i32,
                    gateway_ips: vec![bytes(v6(1))],
                    gateway_mac: vec![2, 0xff, 0, 0, 0, 1],
                    ..v1::NetworkConfig::default()
                }),
            ),
            (
                "chassis/c/port/7",
                Wire::LocalPort(v1::LocalPort {
                    port_id: "p7".into(),
                    port_key: 7,
                    network_key: 5,
                    mac: OWN.to_vec(),
                    ips: vec![vec![10, 0, 0, 7], bytes(v6(7))],
                    allowed_pairs: vec![pair(vec![10, 0, 0, 0], 24), pair(bytes(v6(0x100)), 128)],
                    admin_up: true,
                    port_security: true,
                    ..v1::LocalPort::default()
                }),
            ),
            (
                "local/vif/p7",
                Wire::LocalVif(v1::LocalVif {
                    port_id: "p7".into(),
                    ofport: 3,
                }),
            ),
            (
                "network/5/location/8",
                Wire::Location(v1::PortLocation {
                    port_key: 8,
                    network_key: 5,
                    mac: PEER.to_vec(),
                    ips: vec![bytes(v6(8))],
                    chassis_key: 2,
                    ..v1::PortLocation::default()
                }),
            ),
        ];
        let upserts = bodies.map(|(key, body)| Instruction {
            key: key.into(),
            body: InstructionBody { body: Some(body) }.encode_to_vec(),
        });
        let mut compiler = Compiler::new();
        compiler.apply(&EngineBatch {
            upserts: upserts.into(),
            ..EngineBatch::default()
        });
        compiler
    }

    fn neighbour(kind: u8, from: Ipv6Addr, target: Ipv6Addr, option: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x33, 0x33, 0xff, 0, 0, 8];
        packet.extend(OWN);
        let length = u8::try_from(24 + option.len()).expect("short");
        packet.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, length, 58, 255]);
        packet.extend(from.octets());
        packet.extend(ALL_NODES.octets());
        packet.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend(target.octets());
        packet.extend(option);
        packet
    }

    #[test]
    fn solicitations_are_answered_for_those_who_are_known() {
        let compiler = compiler();
        let table = compiler.service_table();
        let asks = table.port_at(3).expect("plugged");
        let none = Ipv6Addr::UNSPECIFIED;
        // {source, target, whose MAC answers, where to}
        let cases = [
            (none, v6(8), Some(PEER), ALL_NODES),
            (v6(7), v6(8), Some(PEER), v6(7)),
            (none, v6(1), Some([2, 0xff, 0, 0, 0, 1]), ALL_NODES),
            (v6(7), v6(1), None, none),
            (none, v6(7), None, none),
            (none, v6(9), None, none),
        ];
        for (from, target, mac, to) in cases {
            let answer = answer_nd(&neighbour(135, from, target, &[]), &asks, table);
            assert_eq!(answer.is_some(), mac.is_some(), "{from} asks for {target}");
            let (Some(answer), Some(mac)) = (answer, mac) else {
                continue;
            };
            let says = read_neighbour(&answer).expect("an advertisement");
            assert_eq!(
                (says.kind, says.target, says.link_layer),
                (136, target, Some(mac))
            );
            assert_eq!(
                (says.source, array::<16>(&answer, 38)),
                (target, Some(to.octets()))
            );
            let icmp = &answer[ETHERNET + IPV6..];
            assert_eq!(checksum(target, to, icmp), 0, "the checksum adds up");
            assert_eq!(icmp[4] & SOLICITED != 0, !from.is_unspecified());
        }
    }

    #[test]
    fn claims_are_read_for_addresses_of_pairs_alone() {
        let compiler = compiler();
        let speaker = compiler.service_table().port(7).expect("plugged");
        let arp = |op: u8, mac: Mac, ip: [u8; 4]| {
            let mut packet = vec![0xff; 6];
            packet.extend(mac);
            packet.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, op]);
            packet.extend(mac);
            packet.extend(ip);
            packet.extend([0; 6]);
            packet.extend(ip);
            packet
        };
        let says =
            |target, mac: Mac| neighbour(136, v6(7), target, &[[2, 1].as_slice(), &mac].concat());
        let v4 = |last| IpAddr::from([10, 0, 0, last]);
        let cases = [
            (arp(1, VIRTUAL, [10, 0, 0, 9]), Some(v4(9))),
            (arp(2, VIRTUAL, [10, 0, 0, 9]), Some(v4(9))),
            (arp(3, VIRTUAL, [10, 0, 0, 9]), None),
            (arp(1, OWN, [10, 0, 0, 9]), None),
            (arp(1, VIRTUAL, [10, 0, 0, 7]), None),
            (arp(1, VIRTUAL, [10, 0, 1, 9]), None),
            (arp(1, VIRTUAL, [0; 4]), None),
            (says(v6(0x100), VIRTUAL), Some(v6(0x100).into())),
            (says(v6(0x101), VIRTUAL), None),
            (says(v6(7), VIRTUAL), None),
        ];
        for (packet, ip) in cases {
            let claim = read_claim(&packet, &speaker);
            let expected = ip.map(|ip| Claim {
                port_id: "p7".into(),
                ip,
                mac: VIRTUAL,
            });
            assert_eq!(claim, expected, "{packet:02x?}");
        }
    }

    #[test]
    fn with_port_security_off_announcements_are_claims_and_questions_are_not() {
        let compiler = compiler();
        let mut speaker = compiler.service_table().port(7).expect("plugged");
        speaker.port_security = false;
        let arp = |op: u8, target: [u8; 4]| {
            let mut packet = vec![0xff; 12];
            packet.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, op]);
            packet.extend(OWN);
            packet.extend([10, 0, 1, 9]);
            packet.extend([0; 6]);
            packet.extend(target);
            packet
        };
        let gateway = [10, 0, 0, 1];
        for (packet, is_claim) in [
            (arp(1, [10, 0, 1, 9]), true),
            (arp(1, gateway), false),
            (arp(2, gateway), true),
        ] {
            let claim = read_claim(&packet, &speaker).map(|claim| (claim.ip, claim.mac));
            let expected = ([10, 0, 1, 9].into(), OWN);
            assert_eq!(claim, is_claim.then_some(expected), "{packet:02x?}");
        }
    }

    #[test]
    fn broken_packets_are_nobodys() {
        let compiler = compiler();
        let table = compiler.service_table();
        let port = table.port(7).expect("plugged");
        let whole = neighbour(135, v6(7), v6(8), &[1, 1, 2, 0, 0, 0, 0, 7]);
        assert!(answer_nd(&whole, &port, table).is_some());
        for length in 0..whole.len() {
            assert_eq!(answer_nd(&whole[..length], &port, table), None);
            assert_eq!(read_claim(&whole[..length], &port), None);
        }
        for (at, value) in [(21, 64), (20, 17), (55, 1), (79, 0), (54, 136)] {
            let mut packet = whole.clone();
            packet[at] = value;
            assert_eq!(answer_nd(&packet, &port, table), None, "byte {at}");
        }
    }
}
