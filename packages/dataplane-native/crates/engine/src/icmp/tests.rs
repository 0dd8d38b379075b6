//! Errors judged as bytes: two whole frames computed elsewhere, then a reader of its own for lengths, types and sums.
//! Needs no switch.

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
            ([10, 5, 0, 254].into(), 24),
            ([10, 0, 0, 254].into(), 24),
            (v6("fd05::fe").into(), 64),
            (v6("fd00::fe").into(), 64),
        ],
        link_local: v6("fe80::ff:fe00:fe"),
    }
}

fn v6(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.split_whitespace();
    digits
        .map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal"))
        .collect()
}

/// UDP from 10.0.0.1 to 10.9.0.1, TTL 1, three bytes of payload.
const OFFENDER_V4: &str = "
    02 00 00 00 00 fe 02 00 00 00 00 01 08 00 45 00 00 1f 00 07 00 00 01 11 a5 bd 0a 00 00 01 0a 09
    00 01 03 e8 00 35 00 0b 00 00 61 62 63";
const TTL_V4: &str = "
    02 00 00 00 00 01 02 00 00 00 00 fe 08 00 45 c0 00 3b 00 00 40 00 ff 01 66 03 0a 00 00 fe 0a 00
    00 01 0b 00 2c 75 00 00 00 00 45 00 00 1f 00 07 00 00 01 11 a5 bd 0a 00 00 01 0a 09 00 01 03 e8
    00 35 00 0b 00 00 61 62 63";
/// The same from `fd00::1` to `fd09::1`.
const OFFENDER_V6: &str = "
    02 00 00 00 00 fe 02 00 00 00 00 01 86 dd 60 00 00 00 00 0b 11 01 fd 00 00 00 00 00 00 00 00 00
    00 00 00 00 00 01 fd 09 00 00 00 00 00 00 00 00 00 00 00 00 00 01 03 e8 00 35 00 0b 00 00 61 62
    63";
const TOO_BIG_V6: &str = "
    02 00 00 00 00 01 02 00 00 00 00 fe 86 dd 60 00 00 00 00 3b 3a ff fd 00 00 00 00 00 00 00 00 00
    00 00 00 00 00 fe fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 02 00 c9 43 00 00 05 a2 60 00
    00 00 00 0b 11 01 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 fd 09 00 00 00 00 00 00 00 00
    00 00 00 00 00 01 03 e8 00 35 00 0b 00 00 61 62 63";

#[test]
fn whole_frames_are_as_computed_elsewhere() {
    let answer = error(&bytes(OFFENDER_V4), Trouble::TtlExceeded, &interface());
    assert_eq!(answer, Some(bytes(TTL_V4)));
    let too_big = Trouble::TooBig { mtu_bytes: 1442 };
    let answer = error(&bytes(OFFENDER_V6), too_big, &interface());
    assert_eq!(answer, Some(bytes(TOO_BIG_V6)));
}

/// One's complement sum of everything, word by word; all ones in a right packet.
fn adds_up(parts: &[&[u8]]) -> bool {
    let mut sum = 0_u64;
    for part in parts {
        for (at, byte) in part.iter().enumerate() {
            sum += u64::from(*byte) << if at % 2 == 0 { 8 } else { 0 };
        }
    }
    sum != 0 && sum.is_multiple_of(0xffff)
}

#[derive(Debug, PartialEq, Eq)]
struct Said {
    source: IpAddr,
    to: IpAddr,
    kind: u8,
    code: u8,
    rest: u32,
    quoted: Vec<u8>,
}

/// Reads a whole frame with an ICMP message, and checks lengths, TTL and sums.
fn understand(frame: &[u8]) -> Said {
    let ip = &frame[14..];
    let address = |at: usize, n: usize| -> IpAddr {
        match n {
            4 => <[u8; 4]>::try_from(&ip[at..at + 4]).expect("4").into(),
            _ => <[u8; 16]>::try_from(&ip[at..at + 16]).expect("16").into(),
        }
    };
    let (source, to, message) = if frame[12] == 8 {
        assert_eq!(frame[12..15], [8, 0, 0x45]);
        assert_eq!(usize::from(ip[2]) * 256 + usize::from(ip[3]), ip.len());
        assert!(ip.len() <= 576, "{}", ip.len());
        assert_eq!(ip[8..10], [255, 1]);
        assert!(adds_up(&[&ip[..20]]), "the header's sum");
        assert!(adds_up(&[&ip[20..]]), "the message's sum");
        (address(12, 4), address(16, 4), &ip[20..])
    } else {
        assert_eq!(frame[12..14], [0x86, 0xdd]);
        assert_eq!(usize::from(ip[4]) * 256 + usize::from(ip[5]), ip.len() - 40);
        assert!(ip.len() <= 1280, "{}", ip.len());
        assert_eq!(ip[6..8], [58, 255]);
        let length = u16::try_from(ip.len() - 40).expect("short").to_be_bytes();
        assert!(
            adds_up(&[&ip[8..40], &length, &[0, 58], &ip[40..]]),
            "the sum"
        );
        (address(8, 16), address(24, 16), &ip[40..])
    };
    Said {
        source,
        to,
        kind: message[0],
        code: message[1],
        rest: u32::from_be_bytes(message[4..8].try_into().expect("4 bytes")),
        quoted: message[8..].to_vec(),
    }
}

#[test]
fn every_trouble_has_its_type_and_code() {
    let too_big = Trouble::TooBig { mtu_bytes: 8942 };
    for (trouble, v4, v6) in [
        (Trouble::TtlExceeded, (11, 0, 0), (3, 0, 0)),
        (Trouble::NoRoute, (3, 0, 0), (1, 0, 0)),
        (Trouble::HostUnreachable, (3, 1, 0), (1, 3, 0)),
        (too_big, (3, 4, 8942), (2, 0, 8942)),
    ] {
        for (offender, expected) in [(OFFENDER_V4, v4), (OFFENDER_V6, v6)] {
            let answer = error(&bytes(offender), trouble, &interface()).expect("an error");
            let said = understand(&answer);
            assert_eq!((said.kind, said.code, said.rest), expected, "{trouble:?}");
            assert_eq!(said.quoted, bytes(offender)[14..], "{trouble:?}");
        }
    }
}

/// A valid packet with `payload` bytes of UDP above IP, and `padding` behind it in the frame.
fn datagram(is_v6: bool, payload: u16, padding: usize) -> Vec<u8> {
    let mut frame = bytes(if is_v6 { OFFENDER_V6 } else { OFFENDER_V4 });
    let header = if is_v6 { 40 } else { 20 };
    frame.truncate(14 + header);
    let at = if is_v6 { 18 } else { 16 };
    let total = payload + if is_v6 { 0 } else { 20 };
    frame[at..at + 2].copy_from_slice(&total.to_be_bytes());
    frame.extend((0..payload).map(|n| n.to_be_bytes()[1]));
    frame.extend(vec![0xee; padding]);
    frame
}

#[test]
fn as_much_is_quoted_as_fits_and_padding_is_not() {
    for (is_v6, payload, quoted) in [
        (false, 0, 20),
        (false, 528, 548),
        (false, 529, 548),
        (false, 9000, 548),
        (true, 0, 40),
        (true, 1191, 1231),
        (true, 1192, 1232),
        (true, 1193, 1232),
        (true, 60_000, 1232),
    ] {
        for padding in [0, 18] {
            let frame = datagram(is_v6, payload, padding);
            let answer = error(&frame, Trouble::NoRoute, &interface()).expect("an error");
            let said = understand(&answer);
            assert_eq!(said.quoted, frame[14..14 + quoted], "{payload} bytes");
        }
    }
}

#[test]
fn the_source_is_the_interfaces_address_nearest_to_the_offender() {
    let from = |source: IpAddr, interface: &InterfaceFacts| {
        let mut frame = datagram(source.is_ipv6(), 8, 0);
        match source {
            IpAddr::V4(ip) => frame[26..30].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => frame[22..38].copy_from_slice(&ip.octets()),
        }
        let answer = error(&frame, Trouble::NoRoute, interface)?;
        let said = understand(&answer);
        assert_eq!((said.to, &answer[6..12]), (source, &MAC[..]));
        Some(said.source)
    };
    let two = interface();
    assert_eq!(
        from([10, 0, 0, 7].into(), &two),
        Some([10, 0, 0, 254].into())
    );
    assert_eq!(
        from([10, 5, 0, 7].into(), &two),
        Some([10, 5, 0, 254].into())
    );
    assert_eq!(
        from([192, 0, 2, 7].into(), &two),
        Some([10, 5, 0, 254].into())
    );
    assert_eq!(
        from(v6("fd00::7").into(), &two),
        Some(v6("fd00::fe").into())
    );
    assert_eq!(
        from(v6("fd77::7").into(), &two),
        Some(v6("fd05::fe").into())
    );
    let bare = InterfaceFacts {
        addresses: vec![],
        ..interface()
    };
    assert_eq!(from([10, 0, 0, 7].into(), &bare), None);
    assert_eq!(
        from(v6("fd00::7").into(), &bare),
        Some(bare.link_local.into())
    );
}

#[test]
fn nothing_is_said_about_what_must_stay_unanswered() {
    // {what, family, changes to bytes of the frame}
    let v4 = |at: usize, value: &[u8]| (false, vec![(at, value.to_vec())]);
    let v6 = |at: usize, value: &[u8]| (true, vec![(at, value.to_vec())]);
    let unspecified = [0; 16];
    let mut loopback = [0; 16];
    loopback[15] = 1;
    let icmp4 = |kind: u8| (false, vec![(23, vec![1]), (34, vec![kind])]);
    let icmp6 = |kind: u8| (true, vec![(20, vec![58]), (54, vec![kind])]);
    // A fragment header: next UDP, reserved, offset and flags.
    let fragment6 = |offset: u16| {
        let [high, low] = offset.to_be_bytes();
        (true, vec![(20, vec![44]), (54, vec![17, 0, high, low])])
    };
    // An ICMP message behind a destination options header of eight bytes.
    let behind = |kind: u8| {
        (
            true,
            vec![(20, vec![60]), (54, vec![58, 0]), (62, vec![kind])],
        )
    };
    let silent = [
        ("an echo from a group", v4(26, &[224, 0, 0, 5])),
        ("broadcast source", v4(26, &[255; 4])),
        ("all of a prefix as source", v4(26, &[10, 0, 0, 255])),
        ("class E source", v4(26, &[240, 0, 0, 1])),
        ("loopback source", v4(26, &[127, 0, 0, 1])),
        ("link-local source", v4(26, &[169, 254, 1, 1])),
        ("no source", v4(26, &[0; 4])),
        ("our own address", v4(26, &[10, 0, 0, 254])),
        ("to a group", v4(30, &[239, 1, 1, 1])),
        ("to all", v4(30, &[255; 4])),
        ("to all of a prefix", v4(30, &[10, 0, 0, 255])),
        ("to an L2 group", v4(0, &[3])),
        ("a later fragment", v4(20, &[0x00, 0x01])),
        ("a later fragment, more follow", v4(20, &[0x20, 0x10])),
        ("unreachable", icmp4(3)),
        ("quench", icmp4(4)),
        ("redirect", icmp4(5)),
        ("time exceeded", icmp4(11)),
        ("parameter problem", icmp4(12)),
        ("an unknown ICMP type", icmp4(200)),
        ("not IP", v4(12, &[0x08, 0x06])),
        ("tagged", v4(12, &[0x81, 0x00])),
        ("version 5", v4(14, &[0x55])),
        ("a short header", v4(14, &[0x44])),
        ("a header longer than the packet", v4(14, &[0x4f, 0, 0, 28])),
        ("longer than the frame", v4(16, &[0xff, 0xff])),
        ("shorter than a header", v4(16, &[0, 19])),
        ("version 4 in IPv6", v6(14, &[0x40])),
        ("group source", v6(22, &[0xff, 2])),
        ("no source", v6(22, &unspecified)),
        ("loopback source", v6(22, &loopback)),
        ("link-local source", v6(22, &[0xfe, 0x80])),
        ("to a group", v6(38, &[0xff, 0x0e])),
        ("to an L2 group", v6(0, &[0x33, 0x33])),
        ("a later fragment", fragment6(8)),
        ("a later fragment, more follow", fragment6(0x11)),
        ("unreachable", icmp6(1)),
        ("too big", icmp6(2)),
        ("time exceeded", icmp6(3)),
        ("private error", icmp6(100)),
        ("redirect", icmp6(137)),
        ("an error behind options", behind(1)),
        (
            "options beyond the end",
            (true, vec![(20, vec![60]), (54, vec![17, 255])]),
        ),
        ("longer than the frame", v6(18, &[1, 0])),
    ];
    let said = [
        ("echo request", icmp4(8)),
        ("echo reply", icmp4(0)),
        ("a first fragment", v4(20, &[0x20, 0x00])),
        ("DF", v4(20, &[0x40, 0x00])),
        ("another protocol", v4(23, &[89])),
        ("a host address that ends in 255", v4(30, &[10, 9, 0, 255])),
        ("echo request", icmp6(128)),
        ("echo behind options", behind(128)),
        ("a first fragment", fragment6(1)),
        ("ESP", v6(20, &[50])),
    ];
    let cases = silent.iter().map(|case| (case, false));
    for ((what, (is_v6, changes)), expected) in cases.chain(said.iter().map(|case| (case, true))) {
        let mut frame = datagram(*is_v6, 64, 0);
        for (at, value) in changes {
            frame[*at..at + value.len()].copy_from_slice(value);
        }
        for trouble in [Trouble::TtlExceeded, Trouble::TooBig { mtu_bytes: 1400 }] {
            let answer = error(&frame, trouble, &interface());
            assert_eq!(answer.is_some(), expected, "{what}, IPv6: {is_v6}");
            answer.map(|answer| understand(&answer));
        }
    }
}

/// What anything at all leads to: nothing, or a whole and right error.
fn judge(frame: &[u8], interface: &InterfaceFacts) -> bool {
    let answer = error(frame, Trouble::TooBig { mtu_bytes: 1500 }, interface);
    answer.is_some_and(|answer| {
        let said = understand(&answer);
        assert!(frame[14..].starts_with(&said.quoted));
        assert!(is_one_host(said.to));
        true
    })
}

#[test]
fn arbitrary_and_damaged_bytes_do_no_harm() {
    let mut random = fastrand::Rng::with_seed(4443);
    let interface = interface();
    for offender in [OFFENDER_V4, OFFENDER_V6] {
        let whole = bytes(offender);
        assert!(judge(&whole, &interface));
        for length in 0..whole.len() {
            assert!(!judge(&whole[..length], &interface), "cut to {length}");
        }
    }
    let mut answered = 0_u32;
    for round in 0..40_000 {
        let mut frame = match round % 4 {
            0 => vec![0; random.usize(..120)],
            1 => datagram(true, random.u16(..80), random.usize(..20)),
            2 => datagram(false, random.u16(..80), random.usize(..20)),
            // Extension headers of all kinds behind one another.
            _ => {
                let mut frame = datagram(true, 200, 0);
                for at in (54..250).step_by(8) {
                    frame[at] = *random
                        .choice(&[0, 17, 43, 44, 51, 58, 60, 135])
                        .expect("some");
                    frame[at + 1] = random.u8(..3);
                }
                frame[20] = frame[54];
                frame
            }
        };
        if round % 4 == 0 {
            random.fill(&mut frame);
        }
        for _ in 0..random.usize(..4) {
            if !frame.is_empty() {
                let at = random.usize(..frame.len());
                frame[at] = random.u8(..);
            }
        }
        frame.truncate(random.usize(..=frame.len().max(1)).max(frame.len() / 2));
        answered += u32::from(judge(&frame, &interface));
    }
    assert!(
        answered > 2_000,
        "only {answered} of the packets were whole"
    );
}

#[test]
fn a_packet_is_given_back_its_ttl() {
    for ttl in [1u8, 2, 63, 64, 127, 254] {
        let mut v4 = vec![0; 34];
        v4[12..15].copy_from_slice(&[8, 0, 0x45]);
        v4[23] = 1;
        v4[26..30].copy_from_slice(&[192, 0, 2, 1]);
        v4[22] = ttl;
        let sum = checksum(&[&v4[14..34]]);
        v4[24..26].copy_from_slice(&sum);
        let back = before_the_router(&v4);
        assert_eq!(back[22], ttl + 1);
        assert!(adds_up(&[&back[14..34]]), "{ttl}");
        let mut v6 = v4.clone();
        v6[12..14].copy_from_slice(&[0x86, 0xdd]);
        v6[21] = ttl;
        let mut expected = v6.clone();
        expected[21] += 1;
        assert_eq!(before_the_router(&v6), expected);
        // What is cut short, or something else, stays.
        for frame in [&v4[..25], &v6[..21], &v4[..3], &[0; 60]] {
            assert_eq!(before_the_router(frame), frame);
        }
    }
}
