//! Action lists that together use every action in every form, each with the match it needs.
//! Data only. Used by `samples::flows`.

use super::samples::{MAC, eth, ip, m, nd, v4, v6};
use weft_openflow::{
    Action, Controller, Ct, CtZone, Field, Match, Nat, NatAddresses, NatKind, Subfield, port,
};

/// {prerequisite match, actions} that cover every action.
pub fn action_lists() -> Vec<(Match, Vec<Action>)> {
    let ct = |ct: Ct| Action::ct(ct);
    let nat = |nat: Nat| Action::nat(nat);
    let commit = |actions| Ct {
        commit: true,
        zone: CtZone::Number(7),
        actions,
        ..Ct::default()
    };
    let range4 = NatAddresses::V4 {
        min: v4(10, 0, 0, 1),
        max: Some(v4(10, 0, 0, 9)),
    };
    let one4 = NatAddresses::V4 {
        min: v4(10, 0, 0, 1),
        max: None,
    };
    let range6 = NatAddresses::V6 {
        min: v6(1),
        max: Some(v6(9)),
    };
    let one6 = NatAddresses::V6 {
        min: v6(1),
        max: None,
    };
    let source = NatKind::Source;
    let destination = NatKind::Destination;
    let ipv4 = || eth(0x0800);
    let ipv6 = || eth(0x86dd);
    let any = m;
    vec![
        (any(), vec![]),
        (
            any(),
            vec![
                Action::output(1),
                Action::output(port::LOCAL),
                Action::output(2),
            ],
        ),
        (any(), vec![Action::output(port::IN_PORT)]),
        (any(), vec![Action::output(port::CONTROLLER)]),
        (any(), vec![Action::output(port::NORMAL)]),
        (
            any(),
            vec![Action::OutputReg {
                src: Subfield::new(Field::Reg0, 0, 16),
                max_len: 65535,
            }],
        ),
        (
            any(),
            vec![Action::Group { id: 1 }, Action::Group { id: 2 }],
        ),
        (any(), vec![Action::Meter { id: 1 }, Action::output(1)]),
        (any(), vec![Action::resubmit(5)]),
        (
            any(),
            vec![Action::Resubmit {
                in_port: 2,
                table: 255,
                with_ct_orig: false,
            }],
        ),
        (
            ipv4().masked(Field::CtState, 0x22_u8, 0x22_u8),
            vec![Action::Resubmit {
                in_port: 0xfff8,
                table: 6,
                with_ct_orig: true,
            }],
        ),
        (
            any(),
            vec![
                Action::set(Field::Reg0, 7_u32),
                Action::set(Field::Xreg3, 1_u64 << 40),
            ],
        ),
        (
            any(),
            vec![Action::load(Subfield::new(Field::Reg3, 8, 12), 0xabc_u16)],
        ),
        (
            any(),
            vec![
                Action::set(Field::Xxreg1, v6(1)),
                Action::set(Field::PktMark, 1_u32),
            ],
        ),
        (
            any(),
            vec![
                Action::set(Field::EthDst, MAC),
                Action::set(Field::EthSrc, MAC),
            ],
        ),
        (
            any(),
            vec![Action::set_masked(
                Field::EthDst,
                [1, 0, 0, 0, 0, 0],
                [1, 0, 0, 0, 0, 0],
            )],
        ),
        (
            any(),
            vec![
                Action::set(Field::TunId, 77_u64),
                Action::set(Field::TunDst, v4(10, 9, 9, 9)),
            ],
        ),
        (
            any(),
            vec![
                Action::set(Field::TunIpv6Dst, v6(2)),
                Action::set(Field::TunSrc, v4(1, 2, 3, 4)),
            ],
        ),
        (
            any(),
            vec![
                Action::set(Field::TunMetadata0, 0x10_0000_aaaa_aabb_u128),
                Action::output(10),
            ],
        ),
        (
            any(),
            vec![Action::load(
                Subfield::new(Field::TunMetadata0, 16, 24),
                0x77_u32,
            )],
        ),
        (
            any(),
            vec![
                Action::set(Field::Metadata, 5_u64),
                Action::set(Field::InPort16, 0_u16),
            ],
        ),
        (any(), vec![Action::copy(Field::Reg0, Field::Reg1)]),
        (
            any(),
            vec![Action::copy(
                Subfield::new(Field::TunMetadata0, 40, 24),
                Subfield::new(Field::Reg5, 0, 24),
            )],
        ),
        (
            any(),
            vec![Action::copy(
                Subfield::new(Field::Reg5, 3, 1),
                Subfield::new(Field::Xreg1, 63, 1),
            )],
        ),
        (any(), vec![Action::copy(Field::EthSrc, Field::EthDst)]),
        (
            any(),
            vec![
                Action::PushVlan { ethertype: 0x8100 },
                Action::set(Field::VlanVid, 0x1005_u16),
            ],
        ),
        (
            m().masked(Field::VlanVid, 0x1000_u16, 0x1000_u16),
            vec![Action::set(Field::VlanPcp, 3_u8), Action::PopVlan],
        ),
        (
            ipv4(),
            vec![Action::DecTtl, Action::set(Field::Ipv4Dst, v4(1, 1, 1, 1))],
        ),
        (
            ipv4(),
            vec![
                Action::set(Field::IpTtl, 64_u8),
                Action::set(Field::IpDscp, 10_u8),
            ],
        ),
        (
            ipv4(),
            vec![Action::set_masked(
                Field::Ipv4Src,
                v4(10, 0, 0, 0),
                v4(255, 0, 0, 0),
            )],
        ),
        (
            ipv6(),
            vec![Action::set(Field::Ipv6Src, v6(3)), Action::DecTtl],
        ),
        (ip(0x0800, 6), vec![Action::set(Field::TcpDst, 80_u16)]),
        (ip(0x86dd, 17), vec![Action::set(Field::UdpSrc, 53_u16)]),
        (
            ip(0x0800, 1).set(Field::Icmpv4Type, 8_u8),
            vec![
                Action::set(Field::Icmpv4Type, 0_u8),
                Action::set(Field::IpTtl, 255_u8),
                Action::copy(Field::Ipv4Src, Field::Ipv4Dst),
                Action::set(Field::Ipv4Src, v4(10, 0, 0, 254)),
            ],
        ),
        (
            ip(0x86dd, 58).set(Field::Icmpv6Type, 128_u8),
            vec![
                Action::set(Field::Icmpv6Type, 129_u8),
                Action::set(Field::Icmpv6Code, 0_u8),
                Action::set(Field::IpTtl, 255_u8),
                Action::copy(Field::Ipv6Src, Field::Ipv6Dst),
                Action::set(Field::Ipv6Src, v6(0xfe)),
            ],
        ),
        (
            ipv4().set(Field::Reg11, 5_u32),
            vec![
                Action::copy(Field::Ipv4Dst, Field::Reg15),
                Action::DecTtl,
                Action::copy(
                    Subfield::new(Field::Reg9, 0, 7),
                    Subfield::new(Field::Reg9, 1, 7),
                ),
                Action::set_masked(Field::Reg9, 1_u32, 1_u32),
                Action::set_masked(Field::Reg8, 1_u32 << 24, 1_u32 << 24),
                Action::set(Field::InPort16, 0_u16),
                Action::resubmit(30),
            ],
        ),
        (
            ipv6(),
            vec![
                Action::copy(Field::Ipv6Dst, Field::Xxreg3),
                Action::set(Field::Xxreg3, v6(0xfe)),
                Action::copy(
                    Subfield::new(Field::Reg1, 0, 24),
                    Subfield::new(Field::Reg11, 0, 24),
                ),
            ],
        ),
        (
            eth(0x0806),
            vec![
                Action::copy(Field::ArpSha, Field::ArpTha),
                Action::set(Field::ArpOp, 2_u16),
                Action::set(Field::ArpSha, MAC),
                Action::copy(Field::ArpSpa, Field::ArpTpa),
                Action::set(Field::ArpSpa, v4(10, 0, 0, 1)),
                Action::output(port::IN_PORT),
            ],
        ),
        (
            nd(136),
            vec![
                Action::set(Field::NdTll, MAC),
                Action::set(Field::NdTarget, v6(1)),
            ],
        ),
        (
            nd(135),
            vec![
                Action::set(Field::NdOptionsType, 2_u8),
                Action::set(Field::NdReserved, 0xe000_0000_u32),
                Action::resubmit(7),
            ],
        ),
        (any(), vec![Action::controller(Controller::default())]),
        (
            any(),
            vec![Action::controller(Controller {
                max_len: 128,
                controller_id: 3,
                reason: 2,
                userdata: vec![0, 1, 2, 3, 0xff],
                pause: true,
                meter_id: Some(1),
            })],
        ),
        (
            any(),
            vec![Action::controller(Controller {
                userdata: vec![9; 13],
                ..Controller::default()
            })],
        ),
        (
            ipv4(),
            vec![ct(Ct {
                table: Some(9),
                zone: CtZone::Number(5),
                ..Ct::default()
            })],
        ),
        (
            ipv4(),
            vec![ct(Ct {
                zone: CtZone::Bits(Subfield::new(Field::Reg6, 0, 16)),
                table: Some(10),
                actions: vec![nat(Nat::default())],
                ..Ct::default()
            })],
        ),
        (
            ip(0x0800, 6),
            vec![ct(Ct {
                force: true,
                alg: 21,
                ..commit(vec![
                    Action::set(Field::CtMark, 1_u32),
                    Action::set_masked(Field::CtLabel, 5_u128 << 64, 0xff_u128 << 64),
                ])
            })],
        ),
        (
            ipv4(),
            vec![ct(commit(vec![nat(Nat {
                kind: source,
                addresses: range4,
                ports: Some((1024, Some(65535))),
                persistent: true,
                random: true,
                ..Nat::default()
            })]))],
        ),
        (
            ipv4(),
            vec![ct(commit(vec![
                nat(Nat {
                    kind: destination,
                    addresses: one4,
                    ports: Some((80, None)),
                    ..Nat::default()
                }),
                Action::set_masked(Field::CtMark, 2_u32, 2_u32),
                Action::copy(Field::Reg4, Field::CtMark),
            ]))],
        ),
        (
            ipv4(),
            vec![ct(commit(vec![nat(Nat {
                kind: source,
                ..Nat::default()
            })]))],
        ),
        (
            ipv6(),
            vec![ct(commit(vec![nat(Nat {
                kind: source,
                addresses: range6,
                ports: Some((1024, Some(2048))),
                hash: true,
                ..Nat::default()
            })]))],
        ),
        (
            ipv6(),
            vec![ct(commit(vec![nat(Nat {
                kind: destination,
                addresses: one6,
                ports: Some((80, None)),
                ..Nat::default()
            })]))],
        ),
        (
            ipv6(),
            vec![ct(commit(vec![nat(Nat {
                kind: source,
                addresses: one6,
                ..Nat::default()
            })]))],
        ),
        (
            ipv6(),
            vec![ct(commit(vec![nat(Nat {
                kind: source,
                addresses: range6,
                ..Nat::default()
            })]))],
        ),
        (any(), vec![Action::CtClear, Action::Exit]),
        (
            any(),
            vec![Action::CheckPktLarger {
                max_bytes: 1500,
                dst: Field::Reg2,
                ofs: 5,
            }],
        ),
        (
            any(),
            vec![Action::CheckPktLarger {
                max_bytes: 9000,
                dst: Field::Xreg2,
                ofs: 40,
            }],
        ),
        (
            ipv4(),
            vec![Action::Clone(vec![
                Action::set(Field::Reg0, 1_u32),
                ct(Ct {
                    table: Some(9),
                    ..Ct::default()
                }),
                Action::Clone(vec![Action::output(3)]),
            ])],
        ),
        (
            any(),
            vec![Action::Note(vec![1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0])],
        ),
        (
            any(),
            vec![
                Action::SetQueue { id: 4 },
                Action::output(1),
                Action::PopQueue,
            ],
        ),
        (
            any(),
            vec![
                Action::StackPush(Subfield::whole(Field::Reg0)),
                Action::StackPop(Subfield::new(Field::Xreg1, 32, 32)),
            ],
        ),
        (
            m().set(Field::Reg9, 1_u32),
            vec![Action::Conjunction {
                id: 77,
                clause: 0,
                n_clauses: 2,
            }],
        ),
    ]
}
