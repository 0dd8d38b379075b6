//! Flows, groups and meters that together use every field, action and property that Weft sends.
//! They are valid for Open vSwitch on a bridge of `Switch::add_bridge` with the TLV map of [`tlv_map`].
//! Used by the tests against a real switch.

use super::sample_actions::action_lists;
use weft_openflow::{
    Action, Band, Bucket, Field, Flow, Group, GroupKind, Instructions, Match, Meter, Selection,
    Subfield, TlvMap, meter, port,
};

pub fn tlv_map() -> TlvMap {
    TlvMap {
        class: 0xfff1,
        kind: 0x80,
        length: 12,
        index: 0,
    }
}

pub(super) fn m() -> Match {
    Match::new()
}

pub(super) fn eth(ethertype: u16) -> Match {
    m().set(Field::EthType, ethertype)
}

pub(super) fn ip(ethertype: u16, proto: u8) -> Match {
    eth(ethertype).set(Field::IpProto, proto)
}

pub(super) fn nd(kind: u8) -> Match {
    ip(0x86dd, 58)
        .set(Field::Icmpv6Type, kind)
        .set(Field::Icmpv6Code, 0_u8)
}

pub(super) fn v4(a: u8, b: u8, c: u8, d: u8) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::new(a, b, c, d)
}

pub(super) fn v6(last: u16) -> std::net::Ipv6Addr {
    std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)
}

pub(super) const MAC: [u8; 6] = [0x0a, 0, 0, 1, 2, 3];

/// One match per field and mask form.
pub fn matches() -> Vec<Match> {
    let mut all = vec![
        m(),
        m().set(Field::InPort, 1_u32),
        m().set(Field::InPort, port::LOCAL),
        m().set(Field::InPort16, 3_u16),
        m().set(Field::InPort16, 0xfffe_u16).set(Field::Reg0, 1_u8),
        m().set(Field::ConjId, 77_u32),
        m().set(Field::ActsetOutput, 2_u32),
        m().set(Field::TunId, 0x00ab_cdef_u64)
            .set(Field::InPort, 10_u32),
        m().masked(Field::TunId, 0x1200_u64, 0xff00_u64),
        m().set(Field::TunSrc, v4(192, 0, 2, 1))
            .prefix(Field::TunDst, v4(198, 51, 100, 0), 24),
        m().set(Field::TunIpv6Src, v6(1))
            .prefix(Field::TunIpv6Dst, v6(0), 64),
        m().set(Field::TunFlags, 1_u8),
        m().set(Field::TunFlags, 0_u8),
        m().set(Field::TunMetadata0, 0x1000_00ab_cdef_u128 << 48 | 0x1234),
        m().masked(Field::TunMetadata0, 0xab_u128 << 64, 0xff_ffff_u128 << 64),
        m().set(Field::Metadata, 0x0123_4567_89ab_cdef_u64),
        m().masked(Field::Metadata, 0x10_u64, 0xf0_u64),
        m().masked(Field::PktMark, 0x8000_0000_u32, 0x8000_0000_u32),
        m().set(Field::Xreg3, 0x1_0000_0002_u64),
        m().masked(Field::Xreg3, 0x1_0000_0000_u64, 0xffff_0000_ffff_u64),
        m().set(Field::Xxreg1, v6(9)),
        m().masked(Field::Xxreg2, 0xff_u128, 0xff00_ffff_u128),
        m().masked(Field::CtState, 0x22_u8, 0x2a_u8)
            .set(Field::CtZone, 4097_u16),
        m().set(Field::CtMark, 0xdead_u32)
            .masked(Field::CtLabel, 1_u128 << 100, 3_u128 << 100),
        m().set(Field::CtLabel, v6(3)),
        m().set(Field::EthSrc, MAC)
            .masked(Field::EthDst, [1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]),
        m().set(Field::VlanVid, 0x1064_u16)
            .set(Field::VlanPcp, 5_u8),
        m().masked(Field::VlanVid, 0x1000_u16, 0x1000_u16),
        m().set(Field::VlanVid, 0_u16),
        m().set(Field::VlanTci, 0xb064_u16),
        m().set(Field::VlanTci, 0_u16),
        eth(0x8847)
            .set(Field::MplsLabel, 1000_u32)
            .set(Field::MplsTc, 3_u8)
            .set(Field::MplsBos, 1_u8)
            .set(Field::MplsTtl, 64_u8),
        eth(0x88cc),
        eth(0x0800).set(Field::Ipv4Src, v4(10, 0, 0, 1)).prefix(
            Field::Ipv4Dst,
            v4(10, 1, 0, 0),
            16,
        ),
        eth(0x0800).masked(Field::Ipv4Dst, v4(10, 0, 0, 7), v4(255, 0, 0, 255)),
        eth(0x86dd)
            .set(Field::Ipv6Src, v6(1))
            .prefix(Field::Ipv6Dst, v6(0), 64),
        eth(0x86dd)
            .set(Field::Ipv6Flabel, 0x12345_u32)
            .set(Field::IpDscp, 46_u8),
        eth(0x0800)
            .set(Field::IpDscp, 46_u8)
            .set(Field::IpEcn, 2_u8)
            .set(Field::IpTtl, 1_u8),
        ip(0x0800, 6)
            .set(Field::TcpSrc, 1_u16)
            .masked(Field::TcpDst, 0x1000_u16, 0xf000_u16),
        ip(0x0800, 6).masked(Field::TcpFlags, 0x002_u16, 0x012_u16),
        ip(0x86dd, 6).set(Field::TcpDst, 443_u16),
        ip(0x0800, 17)
            .set(Field::UdpSrc, 68_u16)
            .set(Field::UdpDst, 67_u16),
        ip(0x86dd, 17).set(Field::UdpDst, 547_u16),
        ip(0x0800, 132)
            .set(Field::SctpSrc, 9_u16)
            .set(Field::SctpDst, 10_u16),
        ip(0x0800, 1)
            .set(Field::Icmpv4Type, 8_u8)
            .set(Field::Icmpv4Code, 0_u8),
        ip(0x0800, 89),
        ip(0x86dd, 58)
            .set(Field::Icmpv6Type, 128_u8)
            .set(Field::Icmpv6Code, 0_u8)
            .set(Field::IpTtl, 255_u8),
        ip(0x86dd, 132)
            .set(Field::SctpSrc, 9_u16)
            .masked(Field::SctpDst, 0x0800_u16, 0xf800_u16),
        ip(0x0800, 17).masked(Field::IpFrag, 0_u8, 3_u8).masked(
            Field::UdpSrc,
            0x4000_u16,
            0xc000_u16,
        ),
        eth(0x86dd).masked(Field::IpFrag, 1_u8, 1_u8),
        eth(0x0800)
            .masked(Field::Reg8, 0x0100_0007_u32, 0x01ff_ffff_u32)
            .masked(Field::Reg9, 0x80_u8, 0x80_u8)
            .set(Field::Reg10, 3_u32)
            .set(Field::Reg11, 9_u32)
            .prefix(Field::Ipv4Dst, v4(10, 9, 0, 0), 16),
        eth(0x86dd)
            .set(Field::Reg1, 7_u32)
            .set(Field::Xxreg3, v6(0xfe)),
        nd(135).set(Field::NdTarget, v6(5)).set(Field::NdSll, MAC),
        nd(136).set(Field::NdTarget, v6(5)).set(Field::NdTll, MAC),
        nd(136)
            .set(Field::NdReserved, 0xe000_0000_u32)
            .set(Field::NdOptionsType, 2_u8),
        eth(0x0806)
            .set(Field::ArpOp, 1_u16)
            .set(Field::ArpSpa, v4(10, 0, 0, 1))
            .prefix(Field::ArpTpa, v4(10, 0, 0, 0), 24)
            .set(Field::ArpSha, MAC)
            .set(Field::ArpTha, [0; 6]),
        eth(0x0800)
            .masked(Field::CtState, 0x22_u8, 0x22_u8)
            .set(Field::CtNwSrc, v4(10, 0, 0, 1))
            .prefix(Field::CtNwDst, v4(10, 0, 0, 0), 8)
            .set(Field::CtNwProto, 6_u8)
            .set(Field::CtTpDst, 80_u16)
            .masked(Field::CtTpSrc, 0x400_u16, 0xfc00_u16),
        eth(0x86dd)
            .masked(Field::CtState, 0x20_u8, 0x30_u8)
            .set(Field::CtIpv6Src, v6(1))
            .prefix(Field::CtIpv6Dst, v6(0), 64),
    ];
    for (value, mask) in [(0_u8, 3_u8), (1, 1), (1, 3), (3, 3), (0, 2)] {
        all.push(eth(0x0800).masked(Field::IpFrag, value, mask));
    }
    for n in 0..16 {
        let reg = Field::reg(n).expect("a register");
        all.push(m().set(reg, 0x100 + u32::from(n)).set(Field::InPort, 2_u32));
    }
    all
}

/// Every match and every action once, as flows with distinct identities.
pub fn flows() -> Vec<Flow> {
    let with = |n: usize, matching: Match, instructions: Instructions| Flow {
        table: 1,
        priority: u16::try_from(1000 + n).expect("few flows"),
        cookie: 0xabcd_0000_0000 + n as u64,
        matching,
        instructions,
        ..Flow::default()
    };
    let mut all = Vec::new();
    for matching in matches() {
        all.push(with(
            all.len(),
            matching,
            Instructions::apply(vec![Action::output(1)]),
        ));
    }
    for (matching, actions) in action_lists() {
        all.push(with(all.len(), matching, Instructions::apply(actions)));
    }
    let full = Instructions {
        apply: vec![Action::set(Field::Reg0, 1_u32)],
        clear_actions: true,
        write: vec![Action::output(2)],
        write_metadata: Some((0x20, 0xf0)),
        goto_table: Some(9),
    };
    all.push(with(all.len(), Match::new(), full));
    let wide = Instructions {
        write_metadata: Some((5, u64::MAX)),
        ..Instructions::default()
    };
    all.push(with(all.len(), Match::new(), wide.goto(200)));
    all.push(Flow {
        flags: 1 | 8 | 16,
        importance: 3,
        idle_timeout_s: 3000,
        hard_timeout_s: 4000,
        ..with(all.len(), Match::new(), Instructions::drop())
    });
    all
}

pub fn groups() -> Vec<Group> {
    let bucket = |id: u32, actions: Vec<Action>| Bucket {
        id,
        actions,
        ..Bucket::default()
    };
    let weighted = |id: u32, weight: u16| Bucket {
        weight: Some(weight),
        ..bucket(
            id,
            vec![Action::set(Field::Reg1, id), Action::output(id + 1)],
        )
    };
    let live = |id: u32| Bucket {
        watch_port: Some(id),
        ..bucket(id, vec![Action::output(id)])
    };
    let select = |id: u32, selection: Option<Selection>| Group {
        id,
        kind: GroupKind::Select,
        buckets: vec![weighted(0, 100), weighted(1, 1), weighted(2, 0)],
        selection,
    };
    // As many buckets as a datapath hash has values in OVS, each with a number of its own.
    let slots = |id: u32, selection: Selection| Group {
        id,
        kind: GroupKind::Select,
        buckets: (0..256)
            .map(|slot| Bucket {
                weight: Some(1),
                ..bucket(
                    slot,
                    vec![
                        Action::load(Subfield::new(Field::Reg9, 16, 16), slot % 5),
                        Action::resubmit(33),
                    ],
                )
            })
            .collect(),
        selection: Some(selection),
    };
    let masked = Selection::Hash {
        param: 9,
        fields: vec![(Field::IpProto, 0xff), (Field::Ipv4Dst, 0xffff_ff00)],
    };
    vec![
        Group {
            id: 1,
            buckets: (1..=3)
                .map(|n| bucket(n, vec![Action::output(n)]))
                .collect(),
            ..Group::default()
        },
        Group {
            id: 2,
            kind: GroupKind::Indirect,
            buckets: vec![bucket(0, vec![Action::resubmit(9)])],
            selection: None,
        },
        Group {
            id: 3,
            kind: GroupKind::FastFailover,
            buckets: vec![live(1), live(2)],
            selection: None,
        },
        select(4, None),
        select(
            5,
            Some(Selection::hash(&[
                Field::Ipv4Src,
                Field::Ipv4Dst,
                Field::IpProto,
            ])),
        ),
        select(6, Some(masked)),
        select(7, Some(Selection::DpHash { param: 0 })),
        Group {
            id: 8,
            ..Group::default()
        },
        slots(9, Selection::DpHash { param: 0 }),
        slots(10, Selection::hash(&[Field::Ipv4Src, Field::Ipv4Dst])),
        slots(11, Selection::hash(&[Field::Ipv6Dst, Field::Ipv6Src])),
    ]
}

pub fn meters() -> Vec<Meter> {
    let drop = |rate, burst| vec![Band::Drop { rate, burst }];
    vec![
        Meter {
            id: 1,
            flags: meter::PACKETS | meter::BURST,
            bands: drop(100, 50),
        },
        Meter {
            id: 2,
            flags: meter::KBPS | meter::BURST | meter::STATS,
            bands: drop(50_000, 20_000),
        },
    ]
}
