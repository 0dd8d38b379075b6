//! Errors of ICMP for IPv4 and IPv6 about packets that a router does not forward: a frame in, a frame out.
//! It judges whether an error may be sent at all and writes it; it knows no switch and no rate limits.
//! Called by `routing` for punted packets. RFC 792, RFC 1122 3.2.2, RFC 1812 4.3.2, RFC 4443 2.4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use weft_compiler::fields::Mac;
use weft_compiler::router_model::Prefix;
use weft_compiler::router_services::InterfaceFacts;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
/// Type, code, checksum and the four bytes that depend on the type.
const ICMP: usize = 8;
/// The longest error as an IP packet: what every host takes (RFC 1812 4.3.2.3), what every link does (RFC 4443 2.4 c).
const LONGEST: (usize, usize) = (576, 1280);
/// Of an error as its router makes it.
const TTL: u8 = 255;
/// Internetwork control (RFC 1812 4.3.2.5).
const PRECEDENCE: u8 = 0xc0;
/// ICMP messages that are no errors; what is unknown counts as one. Echo, router discovery, timestamp, information,
/// address mask, extended echo.
const QUERIES: [u8; 12] = [0, 8, 9, 10, 13, 14, 15, 16, 17, 18, 42, 43];
/// A redirect is no error by its number, but none may follow on it (RFC 4443 2.4 e.2).
const REDIRECT_V6: u8 = 137;
/// Extension headers that are looked through.
const EXTENSIONS: usize = 8;

/// Why a packet goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    TtlExceeded,
    NoRoute,
    HostUnreachable,
    /// Longer than the next hop's network takes. Said with or without DF: Open vSwitch does not fragment.
    TooBig {
        mtu_bytes: u16,
    },
}

impl Trouble {
    /// Type, code and the four bytes behind the checksum.
    fn header_v4(self) -> (u8, u8, u32) {
        match self {
            Trouble::TtlExceeded => (11, 0, 0),
            Trouble::NoRoute => (3, 0, 0),
            Trouble::HostUnreachable => (3, 1, 0),
            // Two bytes unused, two of the MTU (RFC 1191 4).
            Trouble::TooBig { mtu_bytes } => (3, 4, mtu_bytes.into()),
        }
    }

    /// The same of RFC 4443.
    fn header_v6(self) -> (u8, u8, u32) {
        match self {
            Trouble::TtlExceeded => (3, 0, 0),
            Trouble::NoRoute => (1, 0, 0),
            Trouble::HostUnreachable => (1, 3, 0),
            Trouble::TooBig { mtu_bytes } => (2, 0, mtu_bytes.into()),
        }
    }
}

/// A packet about which an error may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offender<'a> {
    sender: Mac,
    source: IpAddr,
    destination: IpAddr,
    /// From the IP header to the packet's own end; what pads the frame is left out.
    datagram: &'a [u8],
}

/// The error about the packet in `frame`, as a frame from the interface that it came in by to its sender; `None` when
/// there must be none: it is broken, an ICMP error, a later fragment, sent to many, or of a source that is no one host.
pub(crate) fn error(frame: &[u8], trouble: Trouble, ingress: &InterfaceFacts) -> Option<Vec<u8>> {
    let offender = read(frame).filter(|offender| is_answerable(offender, ingress))?;
    let mut out = Vec::with_capacity(ETHERNET + LONGEST.1);
    out.extend(offender.sender);
    out.extend(ingress.mac);
    match (source_of(ingress, offender.source)?, offender.source) {
        (IpAddr::V4(from), IpAddr::V4(to)) => write_v4(&mut out, trouble, (from, to), &offender),
        (IpAddr::V6(from), IpAddr::V6(to)) => write_v6(&mut out, trouble, (from, to), &offender),
        _ => return None,
    }
    Some(out)
}

/// The frame as it came to a router that took one from its TTL before it gave up.
pub(crate) fn before_the_router(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    match (array(&frame, 12), frame.get_mut(ETHERNET..)) {
        (Some([0x08, 0x00]), Some([_, _, _, _, _, _, _, _, ttl, _, sum @ ..]))
            if sum.len() >= 2 =>
        {
            // RFC 1624 3.
            let more = u32::from(!u16::from_be_bytes([sum[0], sum[1]])) + 0x0100;
            let [_, _, high, low] = (!((more & 0xffff) + (more >> 16))).to_be_bytes();
            *ttl = ttl.saturating_add(1);
            (sum[0], sum[1]) = (high, low);
        }
        (Some([0x86, 0xdd]), Some([_, _, _, _, _, _, _, hop_limit, ..])) => {
            *hop_limit = hop_limit.saturating_add(1);
        }
        _ => {}
    }
    frame
}

/// The interface's address that speaks to `peer`; where it has none of that family, for IPv6 its link-local one.
pub(crate) fn source_of(interface: &InterfaceFacts, peer: IpAddr) -> Option<IpAddr> {
    let link_local = || peer.is_ipv6().then_some(interface.link_local.into());
    interface.source(peer).or_else(link_local)
}

/// Both ends are single hosts, and the source is not ourselves.
fn is_answerable(offender: &Offender<'_>, ingress: &InterfaceFacts) -> bool {
    let mut prefixes = ingress
        .addresses
        .iter()
        .map(|&(ip, length)| Prefix { ip, length });
    is_one_host(offender.source)
        && is_one_host(offender.destination)
        && prefixes.all(|prefix| {
            let all = prefix.broadcast().map(IpAddr::V4);
            ![Some(prefix.ip), all].contains(&Some(offender.source))
                && all != Some(offender.destination)
        })
}

fn is_one_host(ip: IpAddr) -> bool {
    match ip {
        // "This" network and class E have no hosts.
        IpAddr::V4(ip) => {
            let reserved = matches!(ip.octets()[0], 0 | 240..);
            !(reserved || ip.is_loopback() || ip.is_multicast() || ip.is_link_local())
        }
        IpAddr::V6(ip) => {
            let several = ip.is_unspecified() || ip.is_loopback() || ip.is_multicast();
            !(several || ip.is_unicast_link_local())
        }
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// An untagged unicast frame with an IP packet that errors may be about.
fn read(frame: &[u8]) -> Option<Offender<'_>> {
    let to_one = frame.first()? & 1 == 0;
    let sender = array(frame, 6)?;
    let datagram = frame.get(ETHERNET..)?;
    match array(frame, 12)? {
        [0x08, 0x00] if to_one => read_v4(sender, datagram),
        [0x86, 0xdd] if to_one => read_v6(sender, datagram),
        _ => None,
    }
}

fn read_v4(sender: Mac, bytes: &[u8]) -> Option<Offender<'_>> {
    let header: [u8; IPV4] = array(bytes, 0)?;
    let header_bytes = usize::from(header[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || header_bytes < IPV4 || total < header_bytes {
        return None;
    }
    let datagram = bytes.get(..total)?;
    let later_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
    let is_error = || {
        let kind = datagram.get(header_bytes);
        header[9] == 1 && !kind.is_some_and(|kind| QUERIES.contains(kind))
    };
    if later_fragment || is_error() {
        return None;
    }
    Some(Offender {
        sender,
        source: array::<4>(bytes, 12)?.into(),
        destination: array::<4>(bytes, 16)?.into(),
        datagram,
    })
}

fn read_v6(sender: Mac, bytes: &[u8]) -> Option<Offender<'_>> {
    let header: [u8; IPV6] = array(bytes, 0)?;
    let payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if header[0] >> 4 != 6 {
        return None;
    }
    let datagram = bytes.get(..IPV6 + payload)?;
    let (protocol, at) = upper_layer(datagram, header[6])?;
    if protocol == 58 {
        let kind = *datagram.get(at)?;
        if kind < 128 || kind == REDIRECT_V6 {
            return None;
        }
    }
    Some(Offender {
        sender,
        source: array::<16>(bytes, 8)?.into(),
        destination: array::<16>(bytes, 24)?.into(),
        datagram,
    })
}

/// The protocol above IPv6 and where it begins; `None` in a later fragment, whose protocol nobody sees, and where the
/// headers are cut short or too many.
fn upper_layer(datagram: &[u8], first: u8) -> Option<(u8, usize)> {
    let (mut next, mut at) = (first, IPV6);
    for _ in 0..EXTENSIONS {
        let bytes = match next {
            // Hop-by-hop, routing, destination options, mobility, HIP, shim6.
            0 | 43 | 60 | 135 | 139 | 140 => 8 * (usize::from(*datagram.get(at + 1)?) + 1),
            // Authentication (RFC 4302 2.2).
            51 => 4 * (usize::from(*datagram.get(at + 1)?) + 2),
            44 if u16::from_be_bytes(array(datagram, at + 2)?) >> 3 == 0 => 8,
            44 => return None,
            _ => return (at <= datagram.len()).then_some((next, at)),
        };
        next = *datagram.get(at)?;
        at += bytes;
    }
    None
}

fn write_v4(out: &mut Vec<u8>, trouble: Trouble, ends: (Ipv4Addr, Ipv4Addr), about: &Offender<'_>) {
    let quoted = about.datagram.len().min(LONGEST.0 - IPV4 - ICMP);
    let total = u16::try_from(IPV4 + ICMP + quoted).unwrap_or(u16::MAX);
    out.extend([0x08, 0x00]);
    let header_at = out.len();
    out.extend([0x45, PRECEDENCE]);
    out.extend(total.to_be_bytes());
    // Identification 0 with DF: it is never fragmented (RFC 6864 4.1).
    out.extend([0, 0, 0x40, 0, TTL, 1, 0, 0]);
    out.extend(ends.0.octets());
    out.extend(ends.1.octets());
    let sum = checksum(&[&out[header_at..]]);
    out[header_at + 10..header_at + 12].copy_from_slice(&sum);
    write_message(out, trouble.header_v4(), &about.datagram[..quoted], &[]);
}

fn write_v6(out: &mut Vec<u8>, trouble: Trouble, ends: (Ipv6Addr, Ipv6Addr), about: &Offender<'_>) {
    let quoted = about.datagram.len().min(LONGEST.1 - IPV6 - ICMP);
    let payload = u16::try_from(ICMP + quoted).unwrap_or(u16::MAX);
    out.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    out.extend(payload.to_be_bytes());
    out.extend([58, TTL]);
    out.extend(ends.0.octets());
    out.extend(ends.1.octets());
    let pseudo = pseudo_header(ends, payload);
    write_message(out, trouble.header_v6(), &about.datagram[..quoted], &pseudo);
}

fn write_message(out: &mut Vec<u8>, header: (u8, u8, u32), quoted: &[u8], pseudo: &[u8]) {
    let (kind, code, rest) = header;
    let at = out.len();
    out.extend([kind, code, 0, 0]);
    out.extend(rest.to_be_bytes());
    out.extend(quoted);
    let sum = checksum(&[pseudo, &out[at..]]);
    out[at + 2..at + 4].copy_from_slice(&sum);
}

/// What a checksum of ICMP for IPv6 covers beside the message (RFC 8200 8.1).
pub(crate) fn pseudo_header(ends: (Ipv6Addr, Ipv6Addr), payload_bytes: u16) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..16].copy_from_slice(&ends.0.octets());
    bytes[16..32].copy_from_slice(&ends.1.octets());
    bytes[34..36].copy_from_slice(&payload_bytes.to_be_bytes());
    bytes[39] = 58;
    bytes
}

/// The checksum of parts of which only the last may have an odd length (RFC 1071).
pub(crate) fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)))
        .sum();
    // At most 2^15 words come in, so that the sum has no third carry.
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    (!u16::try_from(folded).unwrap_or(u16::MAX)).to_be_bytes()
}

#[cfg(test)]
mod tests;
