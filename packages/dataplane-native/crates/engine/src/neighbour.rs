//! Asking who has an address: ARP requests and neighbour solicitations of a router, and how often.
//! It sends nothing and learns nothing: answers come back as claims. Called by `routing`.
//! RFC 826, RFC 4861 4.3 and 7.2.2; how long a question waits follows RFC 1122 2.3.2.1.

use crate::icmp::{checksum, pseudo_header, source_of};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};
use weft_compiler::fields::Mac;
use weft_compiler::router_services::InterfaceFacts;

/// Between two requests for one address.
const REPEAT: Duration = Duration::from_secs(1);
/// Requests before an address counts as unreachable.
const TRIES: u8 = 3;
/// How long it counts so; then it is asked for again.
const UNREACHABLE: Duration = Duration::from_secs(5);
/// Addresses that are asked for at one time. When all are in use, further ones wait.
const MAX_ASKED: usize = 4_096;

const BROADCAST: Mac = [0xff; 6];

/// What to do about a packet to an unknown address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Ask,
    /// Asked a moment ago.
    Wait,
    /// Asked in vain.
    Unreachable,
}

/// Who was asked for, and when. Bounded, and forgets by itself.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    /// By network key and address: requests sent, and the time of the last.
    asked: HashMap<(u32, IpAddr), (u8, Instant)>,
}

impl Questions {
    /// Counts a packet to an address of a network, and says what it causes.
    pub(crate) fn step(&mut self, wanted: (u32, IpAddr), now: Instant) -> Step {
        let age = |at: Instant| now.saturating_duration_since(at);
        if let Some((tries, at)) = self.asked.get_mut(&wanted) {
            let step = match (*tries, age(*at)) {
                (_, age) if age < REPEAT => return Step::Wait,
                (TRIES, age) if age < UNREACHABLE => return Step::Unreachable,
                (_, age) if age >= UNREACHABLE => 1,
                (tries, _) => tries + 1,
            };
            (*tries, *at) = (step, now);
            return Step::Ask;
        }
        if self.asked.len() >= MAX_ASKED {
            self.asked.retain(|_, (_, at)| age(*at) < UNREACHABLE);
        }
        if self.asked.len() >= MAX_ASKED {
            return Step::Wait;
        }
        self.asked.insert(wanted, (1, now));
        Step::Ask
    }
}

/// The frame that asks for `target` on the interface's network; `None`: it has no address to ask with.
pub(crate) fn request(interface: &InterfaceFacts, target: IpAddr) -> Option<Vec<u8>> {
    match (target, source_of(interface, target)?) {
        (IpAddr::V4(target), IpAddr::V4(from)) => Some(arp_request(interface.mac, from, target)),
        (IpAddr::V6(target), IpAddr::V6(from)) => Some(solicitation(interface.mac, from, target)),
        _ => None,
    }
}

fn arp_request(mac: Mac, from: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = Vec::with_capacity(42);
    frame.extend(BROADCAST);
    frame.extend(mac);
    // ARP of Ethernet and IPv4, request.
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 1]);
    frame.extend(mac);
    frame.extend(from.octets());
    frame.extend([0; 6]);
    frame.extend(target.octets());
    frame
}

fn solicitation(mac: Mac, from: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = target.octets();
    // The solicited-node multicast address (RFC 4291 2.7.1), and its MAC (RFC 2464 7).
    let to = Ipv6Addr::new(
        0xff02,
        0,
        0,
        0,
        0,
        1,
        0xff00 | u16::from(a),
        u16::from_be_bytes([b, c]),
    );
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    // The source link-layer address option.
    message.extend([1, 1]);
    message.extend(mac);
    let sum = checksum(&[&pseudo_header((from, to), 32), &message]);
    message[2..4].copy_from_slice(&sum);

    let mut frame = Vec::with_capacity(14 + 40 + message.len());
    frame.extend([0x33, 0x33, 0xff, a, b, c]);
    frame.extend(mac);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]);
    frame.extend(from.octets());
    frame.extend(to.octets());
    frame.extend(message);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = [2, 0, 0, 0, 0, 0xfe];

    fn interface() -> InterfaceFacts {
        InterfaceFacts {
            router_key: 5,
            network_key: 7,
            route_table: 0,
            mtu_bytes: 1500,
            mac: MAC,
            addresses: vec![
                ([10, 0, 0, 254].into(), 24),
                ([10, 1, 0, 254].into(), 24),
                ("fd00::fe".parse().expect("an address"), 64),
            ],
            link_local: "fe80::ff:fe00:fe".parse().expect("an address"),
        }
    }

    #[test]
    fn an_arp_request_comes_from_the_address_of_the_targets_prefix() {
        let frame = request(&interface(), [10, 1, 0, 9].into()).expect("a frame");
        #[rustfmt::skip]
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0xfe, 8, 6,
            0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 0xfe, 10, 1, 0, 254, 0, 0, 0, 0, 0, 0, 10, 1, 0, 9,
        ];
        assert_eq!(frame, expected);
    }

    #[test]
    fn a_solicitation_goes_to_the_solicited_node_and_its_checksum_is_right() {
        let target: Ipv6Addr = "fd00::12:3456".parse().expect("an address");
        let frame = request(&interface(), target.into()).expect("a frame");
        assert_eq!(
            frame[..12],
            [0x33, 0x33, 0xff, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 0xfe]
        );
        assert_eq!(frame[21], 255, "the hop limit");
        let at = |from: usize| -> Ipv6Addr {
            let bytes: [u8; 16] = frame[from..from + 16].try_into().expect("16 bytes");
            bytes.into()
        };
        assert_eq!(at(22), "fd00::fe".parse::<Ipv6Addr>().expect("an address"));
        assert_eq!(
            at(38),
            "ff02::1:ff12:3456".parse::<Ipv6Addr>().expect("an address")
        );
        assert_eq!((frame[54], at(62)), (135, target));
        assert_eq!(frame[78..], [1, 1, 2, 0, 0, 0, 0, 0xfe]);
        // Addresses, length and next header, message: added up word by word they give all ones.
        let mut sum = 58 + 32;
        for word in frame[22..].chunks(2) {
            sum += u32::from(word[0]) * 256 + u32::from(word[1]);
        }
        assert_eq!(sum % 0xffff, 0);
    }

    #[test]
    fn who_has_no_address_of_the_family_asks_with_its_link_local_one_or_not_at_all() {
        let bare = InterfaceFacts {
            addresses: vec![],
            ..interface()
        };
        assert_eq!(request(&bare, [10, 0, 0, 1].into()), None);
        let frame = request(&bare, "fd00::1".parse().expect("an address")).expect("a frame");
        assert_eq!(frame[22..38], bare.link_local.octets());
    }

    #[test]
    fn an_address_is_asked_for_three_times_and_is_then_unreachable_for_a_while() {
        let mut questions = Questions::default();
        let start = Instant::now();
        let cases = [
            (0, Step::Ask),
            (999, Step::Wait),
            (1000, Step::Ask),
            (1500, Step::Wait),
            (2000, Step::Ask),
            (2999, Step::Wait),
            (3000, Step::Unreachable),
            (6999, Step::Unreachable),
            (7000, Step::Ask),
            (7500, Step::Wait),
            // Nobody wanted it for long: a new beginning.
            (20_000, Step::Ask),
            (21_000, Step::Ask),
            (22_000, Step::Ask),
            (23_000, Step::Unreachable),
        ];
        for (ms, expected) in cases {
            let now = start + Duration::from_millis(ms);
            let step = questions.step((7, [10, 0, 0, 9].into()), now);
            assert_eq!(step, expected, "after {ms} ms");
        }
        let other = questions.step((8, [10, 0, 0, 9].into()), start);
        assert_eq!(other, Step::Ask, "another network has its own");
    }

    #[test]
    fn a_scan_fills_the_table_and_no_more_and_is_forgotten() {
        let mut questions = Questions::default();
        let now = Instant::now();
        let asked = (0..3 * u32::try_from(MAX_ASKED).expect("small"))
            .filter(|n| questions.step((7, IpAddr::from(n.to_be_bytes())), now) == Step::Ask)
            .count();
        assert_eq!((asked, questions.asked.len()), (MAX_ASKED, MAX_ASKED));
        let later = now + UNREACHABLE;
        assert_eq!(questions.step((7, [10, 0, 0, 9].into()), later), Step::Ask);
        assert_eq!(questions.asked.len(), 1);
    }
}
