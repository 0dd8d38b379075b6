//! Random matches, actions and instructions that the wire can carry.
//! Strategies only. Used by `message_strategies` and `roundtrip`.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use weft_openflow::{
    Action, Controller, Ct, CtZone, Field, Instructions, Match, Nat, NatAddresses, NatKind,
    Subfield,
};

pub fn field() -> impl Strategy<Value = Field> {
    proptest::sample::select(Field::ALL)
}

pub fn matching() -> impl Strategy<Value = Match> {
    let condition = (
        field(),
        any::<u128>(),
        prop_oneof![Just(u128::MAX), any::<u128>()],
    );
    vec(condition, 0..8).prop_map(|conditions| {
        let mut found = Match::new();
        for (field, value, mask) in conditions {
            found.put(field, value, mask);
        }
        found
    })
}

pub fn bits(limit: u16) -> impl Strategy<Value = Subfield> {
    (field(), any::<u16>(), any::<u16>()).prop_map(move |(field, ofs, n)| {
        let width = u16::try_from(field.bits()).unwrap();
        let n_bits = 1 + n % width.min(limit);
        Subfield::new(field, ofs % (width - n_bits + 1), n_bits)
    })
}

pub fn moved() -> impl Strategy<Value = Action> {
    (bits(128), bits(128)).prop_map(|(src, dst)| {
        let n_bits = src.n_bits.min(dst.n_bits);
        Action::Move {
            src: Subfield { n_bits, ..src },
            dst: Subfield { n_bits, ..dst },
        }
    })
}

pub fn controller() -> impl Strategy<Value = Action> {
    let fields = (any::<u16>(), any::<u16>(), any::<u8>());
    (
        fields,
        vec(any::<u8>(), 0..40),
        any::<bool>(),
        option::of(any::<u32>()),
    )
        .prop_map(
            |((max_len, controller_id, reason), userdata, pause, meter_id)| {
                let pause = pause || userdata.is_empty();
                Action::controller(Controller {
                    max_len,
                    controller_id,
                    reason,
                    userdata,
                    pause,
                    meter_id,
                })
            },
        )
}

pub fn nat() -> impl Strategy<Value = Action> {
    let kind = prop_oneof![
        Just(NatKind::Existing),
        Just(NatKind::Source),
        Just(NatKind::Destination)
    ];
    let v4 = || any::<u32>().prop_map(Ipv4Addr::from_bits);
    let v6 = || any::<u128>().prop_map(Ipv6Addr::from_bits);
    let addresses = prop_oneof![
        Just(NatAddresses::None),
        (v4(), option::of(v4())).prop_map(|(min, max)| NatAddresses::V4 { min, max }),
        (v6(), option::of(v6())).prop_map(|(min, max)| NatAddresses::V6 { min, max }),
    ];
    let ports = option::of((any::<u16>(), option::of(any::<u16>())));
    (kind, addresses, ports, any::<[bool; 3]>()).prop_map(
        |(kind, addresses, ports, [persistent, hash, random])| {
            let ports = if addresses == NatAddresses::None {
                None
            } else {
                ports
            };
            Action::nat(Nat {
                kind,
                addresses,
                ports,
                persistent,
                hash,
                random,
            })
        },
    )
}

pub fn plain_action() -> impl Strategy<Value = Action> {
    let number = any::<u32>();
    prop_oneof![
        number.prop_map(Action::output),
        number.prop_map(|id| Action::Group { id }),
        number.prop_map(|id| Action::Meter { id }),
        number.prop_map(|id| Action::SetQueue { id }),
        (bits(64), any::<u16>()).prop_map(|(src, max_len)| Action::OutputReg { src, max_len }),
        (
            field(),
            any::<u128>(),
            prop_oneof![Just(u128::MAX), 1..u128::MAX]
        )
            .prop_filter_map(
                "a settable field and a mask with a bit",
                |(field, value, mask)| {
                    let action = Action::set_masked(field, value, mask);
                    let bad = matches!(action, Action::SetField { mask: 0, .. });
                    (!bad && field != Field::InPort).then_some(action)
                }
            ),
        moved(),
        (any::<u16>(), any::<u8>(), any::<bool>()).prop_map(|(in_port, table, with_ct_orig)| {
            Action::Resubmit {
                in_port,
                table,
                with_ct_orig,
            }
        }),
        any::<u16>().prop_map(|ethertype| Action::PushVlan { ethertype }),
        Just(Action::PopVlan),
        Just(Action::DecTtl),
        Just(Action::CtClear),
        Just(Action::PopQueue),
        Just(Action::Exit),
        controller(),
        nat(),
        (number, any::<u8>(), any::<u8>()).prop_map(|(id, clause, n_clauses)| {
            Action::Conjunction {
                id,
                clause,
                n_clauses,
            }
        }),
        (any::<u16>(), bits(1)).prop_map(|(max_bytes, bit)| {
            Action::CheckPktLarger {
                max_bytes,
                dst: bit.field,
                ofs: bit.ofs,
            }
        }),
        bits(128).prop_map(Action::StackPush),
        bits(128).prop_map(Action::StackPop),
        vec(any::<u8>(), 0..3).prop_map(|mut bytes| {
            bytes.resize(6 + 8 * bytes.len(), 7);
            Action::Note(bytes)
        }),
        // OFPAT_DEC_MPLS_TTL, which `Action` has no variant for.
        Just(Action::Raw(Box::new([0, 16, 0, 8, 0, 0, 0, 0]))),
    ]
}

pub fn action() -> impl Strategy<Value = Action> {
    plain_action().prop_recursive(3, 24, 4, |inner| {
        let zone = prop_oneof![
            any::<u16>().prop_map(CtZone::Number),
            bits(16).prop_filter_map("a 4-byte header that is not zero", |bits| {
                Some(CtZone::Bits(bits))
            })
        ];
        let head = (any::<bool>(), any::<bool>(), zone, 0..255_u8, any::<u16>());
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Action::Clone),
            (head, vec(inner, 0..4)).prop_map(|((commit, force, zone, table, alg), actions)| {
                let table = (table > 0).then_some(table);
                Action::ct(Ct {
                    commit,
                    force,
                    zone,
                    table,
                    alg,
                    actions,
                })
            }),
        ]
    })
}

pub fn actions() -> impl Strategy<Value = Vec<Action>> {
    vec(action(), 0..5)
}

pub fn instructions() -> impl Strategy<Value = Instructions> {
    let metadata = option::of((any::<u64>(), any::<u64>()).prop_map(|(v, m)| (v & m, m)));
    (
        actions(),
        any::<bool>(),
        actions(),
        metadata,
        option::of(any::<u8>()),
    )
        .prop_map(
            |(apply, clear_actions, write, write_metadata, goto_table)| Instructions {
                apply,
                clear_actions,
                write,
                write_metadata,
                goto_table,
            },
        )
}
