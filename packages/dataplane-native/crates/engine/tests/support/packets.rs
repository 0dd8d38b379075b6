//! Frames as guests send them, and a reader of what comes back that checks every length and sum.
//! Shares no code with the engine. Used by the routing tests.
#![allow(dead_code, reason = "each test file uses a part")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub type Mac = [u8; 6];

/// The ends of a packet: {MAC, address} of the sender, and of whoever is addressed.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    pub from: (Mac, IpAddr),
    pub to: (Mac, IpAddr),
}

fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        for (at, byte) in part.iter().enumerate() {
            sum += u64::from(*byte) << if at % 2 == 0 { 8 } else { 0 };
        }
    }
    u16::try_from(sum % 0xffff).expect("16 bits")
}

fn pseudo(from: Ipv6Addr, to: Ipv6Addr, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).expect("short").to_be_bytes();
    [&from.octets()[..], &to.octets(), &length, &[0, 0, 0, 58]].concat()
}

/// An IP packet of `protocol` in a frame.
pub fn ip(ends: &Ends, ttl: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = [ends.to.0, ends.from.0].concat();
    let length = u16::try_from(payload.len()).expect("short");
    match (ends.from.1, ends.to.1) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0];
            header.extend((length + 20).to_be_bytes());
            header.extend([0, 7, 0, 0, ttl, protocol, 0, 0]);
            header.extend(from.octets());
            header.extend(to.octets());
            let sum = !sum(&[&header]);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            frame.extend([8, 0]);
            frame.extend(header);
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length.to_be_bytes());
            frame.extend([protocol, ttl]);
            frame.extend(from.octets());
            frame.extend(to.octets());
        }
        _ => panic!("two families in one packet"),
    }
    frame.extend(payload);
    frame
}

/// Puts the sum of the IPv4 header right after a change.
pub fn sum_header(frame: &mut [u8]) {
    frame[24..26].fill(0);
    let sum = !sum(&[&frame[14..34]]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
}

/// An echo request with this many bytes of data.
pub fn echo(ends: &Ends, ttl: u8, bytes: usize) -> Vec<u8> {
    let data = (0..bytes).map(|n| n.to_be_bytes()[7]);
    let v6 = ends.from.1.is_ipv6();
    let mut message = vec![if v6 { 128 } else { 8 }, 0, 0, 0, 0x12, 0x34, 0, 1];
    message.extend(data);
    let sum = match (ends.from.1, ends.to.1) {
        (IpAddr::V6(from), IpAddr::V6(to)) => !sum(&[&pseudo(from, to, message.len()), &message]),
        _ => !sum(&[&message]),
    };
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    ip(ends, ttl, if v6 { 58 } else { 1 }, &message)
}

/// Who has this address? With the sender's link-layer option or without (RFC 4861 4.3).
pub fn solicit(from: (Mac, Ipv6Addr), target: Ipv6Addr, option: bool) -> Vec<u8> {
    let [.., a, b, c] = target.octets();
    let mut group = [0_u8; 16];
    group[..2].copy_from_slice(&[0xff, 2]);
    group[11..].copy_from_slice(&[1, 0xff, a, b, c]);
    let group = Ipv6Addr::from(group);
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    if option {
        message.extend([1, 1]);
        message.extend(from.0);
    }
    let sum = !sum(&[&pseudo(from.1, group, message.len()), &message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let ends = Ends {
        from: (from.0, from.1.into()),
        to: ([0x33, 0x33, 0xff, a, b, c], group.into()),
    };
    ip(&ends, 255, 58, &message)
}

/// Who has this address? To all.
pub fn arp_request(from: (Mac, Ipv4Addr), target: Ipv4Addr) -> Vec<u8> {
    arp(1, from, ([0; 6], target), [0xff; 6])
}

/// An ARP packet about {sender, target} in a frame to this MAC (RFC 826).
pub fn arp(kind: u8, from: (Mac, Ipv4Addr), about: (Mac, Ipv4Addr), to: Mac) -> Vec<u8> {
    let mut frame = [to, from.0].concat();
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, kind]);
    frame.extend([&from.0[..], &from.1.octets()].concat());
    frame.extend([&about.0[..], &about.1.octets()].concat());
    frame.resize(60, 0);
    frame
}

/// A neighbour advertisement of the sender about itself (RFC 4861 4.4), solicited.
pub fn advertise(ends: &Ends) -> Vec<u8> {
    let (IpAddr::V6(from), IpAddr::V6(to)) = (ends.from.1, ends.to.1) else {
        panic!("neighbours are advertised in IPv6")
    };
    let mut message = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
    message.extend(from.octets());
    message.extend([2, 1]);
    message.extend(ends.from.0);
    let sum = !sum(&[&pseudo(from, to, message.len()), &message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    ip(ends, 255, 58, &message)
}

/// An ICMP message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icmp {
    pub eth: (Mac, Mac),
    pub from: IpAddr,
    pub to: IpAddr,
    pub ttl: u8,
    pub kind: u8,
    pub code: u8,
    /// The four bytes behind the checksum.
    pub rest: u32,
    pub body: Vec<u8>,
}

/// The ICMP message of a frame, `None` when it is something else.
///
/// # Panics
/// When a length or a sum is wrong.
pub fn read_icmp(frame: &[u8]) -> Option<Icmp> {
    let mac = |at: usize| -> Mac { frame[at..at + 6].try_into().expect("6 bytes") };
    let packet = &frame[14..];
    let (from, to, ttl, message): (IpAddr, IpAddr, u8, &[u8]) = match frame[12..14] {
        [8, 0] => {
            let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            assert!(length <= packet.len(), "the length of IPv4");
            assert_eq!(sum(&[&packet[..20]]), 0, "the sum of the IPv4 header");
            if packet[9] != 1 {
                return None;
            }
            let at = |at: usize| {
                let bytes: [u8; 4] = packet[at..at + 4].try_into().expect("4 bytes");
                Ipv4Addr::from(bytes).into()
            };
            assert_eq!(sum(&[&packet[20..length]]), 0, "the sum of ICMP");
            (at(12), at(16), packet[8], &packet[20..length])
        }
        [0x86, 0xdd] if packet[6] == 58 => {
            let length = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
            assert!(length <= packet.len() - 40, "the length of IPv6");
            let at = |at: usize| -> Ipv6Addr {
                let bytes: [u8; 16] = packet[at..at + 16].try_into().expect("16 bytes");
                bytes.into()
            };
            let message = &packet[40..40 + length];
            let pseudo = pseudo(at(8), at(24), length);
            assert_eq!(sum(&[&pseudo, message]), 0, "the sum of ICMPv6");
            (at(8).into(), at(24).into(), packet[7], message)
        }
        _ => return None,
    };
    Some(Icmp {
        eth: (mac(0), mac(6)),
        from,
        to,
        ttl,
        kind: message[0],
        code: message[1],
        rest: u32::from_be_bytes(message[4..8].try_into().expect("4 bytes")),
        body: message[8..].to_vec(),
    })
}

/// The frames of a pcap file.
pub fn frames(pcap: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = pcap.get(24..).unwrap_or_default();
    let mut frames = Vec::new();
    while rest.len() >= 16 {
        let length = u32::from_le_bytes(rest[8..12].try_into().expect("4 bytes"));
        let end = 16 + usize::try_from(length).expect("short");
        // The last may be half written.
        let Some(frame) = rest.get(16..end) else {
            break;
        };
        frames.push(frame.to_vec());
        rest = &rest[end..];
    }
    frames
}
