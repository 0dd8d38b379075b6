//! Properties of the codec: decode(encode(x)) = x for every message, and no input makes a decoder panic
//! or produce more than a small multiple of its size.
//! Needs nothing but the crate; `tests/ovs_vectors.rs` holds what needs Open vSwitch.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test fails by panicking; lists of strategies are long"
)]

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use weft_openflow::{
    Action, Band, Bucket, BundleControl, BundleStep, Controller, Ct, CtZone, Error, ErrorMessage,
    Features, Field, Flow, FlowDesc, FlowMod, FlowModCommand, FlowMonitorCommand,
    FlowMonitorRequest, FlowRemoved, FlowRequest, FlowStats, FlowUpdate, Framer, Group, GroupKind,
    GroupMod, GroupModCommand, Instructions, MAX_MESSAGE_BYTES, Match, Message, Meter, MeterMod,
    MeterModCommand, MultipartReply, MultipartRequest, Nat, NatAddresses, NatKind, PacketIn,
    PacketOut, Port, PortEthernet, PortStatus, Role, Selection, Subfield, TableDesc, TlvMap,
    TlvTableCommand, decode, encode,
};

fn field() -> impl Strategy<Value = Field> {
    proptest::sample::select(Field::ALL)
}

fn matching() -> impl Strategy<Value = Match> {
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

fn bits(limit: u16) -> impl Strategy<Value = Subfield> {
    (field(), any::<u16>(), any::<u16>()).prop_map(move |(field, ofs, n)| {
        let width = u16::try_from(field.bits()).unwrap();
        let n_bits = 1 + n % width.min(limit);
        Subfield::new(field, ofs % (width - n_bits + 1), n_bits)
    })
}

fn moved() -> impl Strategy<Value = Action> {
    (bits(128), bits(128)).prop_map(|(src, dst)| {
        let n_bits = src.n_bits.min(dst.n_bits);
        Action::Move {
            src: Subfield { n_bits, ..src },
            dst: Subfield { n_bits, ..dst },
        }
    })
}

fn controller() -> impl Strategy<Value = Action> {
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

fn nat() -> impl Strategy<Value = Action> {
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

fn plain_action() -> impl Strategy<Value = Action> {
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

fn action() -> impl Strategy<Value = Action> {
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

fn actions() -> impl Strategy<Value = Vec<Action>> {
    vec(action(), 0..5)
}

fn instructions() -> impl Strategy<Value = Instructions> {
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

fn flow() -> impl Strategy<Value = Flow> {
    let numbers = (any::<u8>(), any::<u64>(), any::<[u16; 5]>());
    (numbers, matching(), instructions()).prop_map(
        |((table, cookie, [priority, flags, importance, idle, hard]), matching, instructions)| {
            Flow {
                table,
                priority,
                matching,
                cookie,
                instructions,
                flags,
                importance,
                idle_timeout_s: idle,
                hard_timeout_s: hard,
            }
        },
    )
}

fn stats() -> impl Strategy<Value = FlowStats> {
    let time = || option::of(0..1_u64 << 60);
    let count = || option::of(any::<u64>());
    (time(), time(), option::of(any::<u32>()), count(), count()).prop_map(
        |(duration_ns, idle_ns, flow_count, packets, bytes)| FlowStats {
            duration_ns,
            idle_ns,
            flow_count,
            packets,
            bytes,
        },
    )
}

fn group() -> impl Strategy<Value = Group> {
    let kind = prop_oneof![
        Just(GroupKind::All),
        Just(GroupKind::Select),
        Just(GroupKind::Indirect),
        Just(GroupKind::FastFailover)
    ];
    let watch = || option::of(any::<u32>());
    let bucket = (
        any::<u32>(),
        option::of(any::<u16>()),
        watch(),
        watch(),
        actions(),
    )
        .prop_map(|(id, weight, watch_port, watch_group, actions)| Bucket {
            id,
            weight,
            watch_port,
            watch_group,
            actions,
        });
    let selection = prop_oneof![
        any::<u64>().prop_map(|param| Selection::DpHash { param }),
        vec(field(), 0..4).prop_map(|fields| Selection::hash(&fields)),
        (any::<u64>(), vec(any::<u8>(), 0..9)).prop_map(|(param, fields)| Selection::Other {
            method: "other".into(),
            param,
            fields
        }),
    ];
    (any::<u32>(), kind, vec(bucket, 0..4), option::of(selection)).prop_map(
        |(id, kind, buckets, selection)| Group {
            id,
            kind,
            buckets,
            selection,
        },
    )
}

fn meter() -> impl Strategy<Value = Meter> {
    let band = prop_oneof![
        any::<[u32; 2]>().prop_map(|[rate, burst]| Band::Drop { rate, burst }),
        (any::<[u32; 2]>(), any::<u8>()).prop_map(|([rate, burst], precedence_levels)| {
            Band::DscpRemark {
                rate,
                burst,
                precedence_levels,
            }
        }),
    ];
    (any::<u32>(), any::<u16>(), vec(band, 0..3)).prop_map(|(id, flags, bands)| Meter {
        id,
        flags,
        bands,
    })
}

fn port() -> impl Strategy<Value = Port> {
    let ethernet = any::<[u32; 6]>().prop_map(|[a, b, c, d, e, f]| PortEthernet {
        current: a,
        advertised: b,
        supported: c,
        peer: d,
        current_speed_kbps: e,
        max_speed_kbps: f,
    });
    (
        any::<[u32; 3]>(),
        any::<[u8; 6]>(),
        "[a-z0-9-]{0,15}",
        option::of(ethernet),
    )
        .prop_map(|([number, config, state], mac, name, ethernet)| Port {
            number,
            mac,
            name,
            config,
            state,
            ethernet,
        })
}

fn packet_in() -> impl Strategy<Value = Box<PacketIn>> {
    let bytes = || vec(any::<u8>(), 0..40);
    let ids = (
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        option::of(any::<u64>()),
    );
    (
        bytes(),
        ids,
        any::<[u8; 2]>(),
        matching(),
        bytes(),
        option::of(bytes()),
    )
        .prop_map(
            |(packet, (full_len, buffer_id, cookie), [table, reason], metadata, userdata, rest)| {
                let continuation = rest;
                Box::new(PacketIn {
                    packet,
                    full_len,
                    buffer_id,
                    table,
                    cookie,
                    reason,
                    metadata,
                    userdata,
                    continuation,
                })
            },
        )
}

fn flow_message() -> impl Strategy<Value = Message> {
    let flow_mod = (0..5_u8, flow(), any::<u64>(), any::<[u32; 2]>()).prop_map(
        |(command, flow, mask, only)| {
            use FlowModCommand as C;
            let command = [
                C::Add,
                C::Modify,
                C::ModifyStrict,
                C::Delete,
                C::DeleteStrict,
            ][usize::from(command)];
            let [out_port, out_group] = only;
            let flow_mod = FlowMod {
                command,
                flow,
                cookie_mask: mask,
                out_port,
                out_group,
            };
            Message::FlowMod(Box::new(flow_mod))
        },
    );
    let group_mod = (0..6_u8, group(), any::<u32>()).prop_map(|(command, group, bucket_id)| {
        use GroupModCommand as C;
        let all = [
            C::Add,
            C::Modify,
            C::Delete,
            C::InsertBucket,
            C::RemoveBucket,
            C::AddOrModify,
        ];
        let command = all[usize::from(command)];
        Message::GroupMod(Box::new(GroupMod {
            command,
            group,
            bucket_id,
        }))
    });
    let meter_mod = (0..3_u8, meter()).prop_map(|(command, meter)| {
        use MeterModCommand as C;
        let command = [C::Add, C::Modify, C::Delete][usize::from(command)];
        Message::MeterMod(Box::new(MeterMod { command, meter }))
    });
    let packet_out =
        (matching(), actions(), vec(any::<u8>(), 0..60)).prop_map(|(metadata, actions, packet)| {
            Message::PacketOut(Box::new(PacketOut {
                metadata,
                actions,
                packet,
            }))
        });
    prop_oneof![flow_mod, group_mod, meter_mod, packet_out]
}

fn multipart() -> impl Strategy<Value = Message> {
    let flow_request = || {
        (
            any::<u8>(),
            any::<[u32; 2]>(),
            any::<[u64; 2]>(),
            matching(),
        )
            .prop_map(
                |(table, [out_port, out_group], [cookie, cookie_mask], matching)| FlowRequest {
                    table,
                    out_port,
                    out_group,
                    cookie,
                    cookie_mask,
                    matching,
                },
            )
    };
    let monitor = (
        any::<[u32; 3]>(),
        any::<u16>(),
        any::<u8>(),
        matching(),
        0..3_usize,
    )
        .prop_map(
            |([id, out_port, out_group], flags, table, matching, command)| {
                use FlowMonitorCommand as C;
                let command = [C::Add, C::Modify, C::Delete][command];
                FlowMonitorRequest {
                    id,
                    command,
                    flags,
                    table,
                    out_port,
                    out_group,
                    matching,
                }
            },
        );
    let request = prop_oneof![
        flow_request().prop_map(MultipartRequest::FlowDesc),
        flow_request().prop_map(MultipartRequest::Aggregate),
        any::<u32>().prop_map(|group_id| MultipartRequest::GroupDesc { group_id }),
        any::<u32>().prop_map(|meter_id| MultipartRequest::MeterConfig { meter_id }),
        any::<u32>().prop_map(|port| MultipartRequest::PortDesc { port }),
        Just(MultipartRequest::TableDesc),
        vec(monitor, 0..3).prop_map(MultipartRequest::FlowMonitor),
        vec(any::<u8>(), 0..9).prop_map(|body| MultipartRequest::Unknown { kind: 99, body }),
    ];
    let bare = || {
        flow().prop_map(|flow| Flow {
            flags: 0,
            importance: 0,
            ..flow
        })
    };
    let update = prop_oneof![
        bare().prop_map(FlowUpdate::Initial),
        bare().prop_map(FlowUpdate::Added),
        bare().prop_map(FlowUpdate::Modified),
        (bare(), any::<u8>()).prop_map(|(flow, reason)| FlowUpdate::Removed { flow, reason }),
        any::<u32>().prop_map(|xid| FlowUpdate::Own { xid }),
        Just(FlowUpdate::Paused),
        Just(FlowUpdate::Resumed),
    ];
    let desc = (flow(), stats()).prop_map(|(flow, stats)| FlowDesc { flow, stats });
    let table = (any::<u8>(), any::<u32>()).prop_map(|(table, config)| TableDesc { table, config });
    let reply = prop_oneof![
        vec(desc, 0..4).prop_map(MultipartReply::FlowDesc),
        stats().prop_map(MultipartReply::Aggregate),
        vec(group(), 0..3).prop_map(MultipartReply::GroupDesc),
        vec(meter(), 0..3).prop_map(MultipartReply::MeterConfig),
        vec(port(), 0..3).prop_map(MultipartReply::PortDesc),
        vec(table, 0..3).prop_map(MultipartReply::TableDesc),
        vec(update, 0..3).prop_map(MultipartReply::FlowMonitor),
        vec(any::<u8>(), 0..9).prop_map(|body| MultipartReply::Unknown { kind: 99, body }),
    ];
    prop_oneof![
        (any::<bool>(), request).prop_map(|(more, body)| Message::MultipartRequest { more, body }),
        (any::<bool>(), reply).prop_map(|(more, body)| Message::MultipartReply { more, body }),
    ]
}

fn small_message() -> impl Strategy<Value = Message> {
    let bytes = || vec(any::<u8>(), 0..80);
    let error = (0..20_u16, any::<u16>(), any::<bool>(), bytes()).prop_map(
        |(kind, code, experimenter, data)| {
            let (kind, experimenter) = if experimenter {
                (0xffff, Some(0x2320))
            } else {
                (kind, None)
            };
            Message::Error(ErrorMessage {
                kind,
                code,
                experimenter,
                data,
            })
        },
    );
    let role = prop_oneof![
        Just(Role::NoChange),
        Just(Role::Equal),
        Just(Role::Primary),
        Just(Role::Secondary)
    ];
    let step = prop_oneof![Just(BundleStep::OpenRequest), Just(BundleStep::CommitReply)];
    let maps = || {
        vec((any::<[u16; 2]>(), any::<[u8; 2]>()), 0..4).prop_map(|maps| {
            let map = |([class, index], [kind, length]): ([u16; 2], [u8; 2])| TlvMap {
                class,
                kind,
                length,
                index,
            };
            maps.into_iter().map(map).collect::<Vec<_>>()
        })
    };
    let removed = (
        any::<[u8; 2]>(),
        any::<[u16; 3]>(),
        any::<u64>(),
        matching(),
        stats(),
    )
        .prop_map(
            |([table, reason], [priority, idle, hard], cookie, matching, stats)| {
                Message::FlowRemoved(Box::new(FlowRemoved {
                    table,
                    reason,
                    priority,
                    idle_timeout_s: idle,
                    hard_timeout_s: hard,
                    cookie,
                    matching,
                    stats,
                }))
            },
        );
    let features = (any::<u64>(), any::<[u32; 2]>(), any::<[u8; 2]>()).prop_map(
        |(datapath_id, [buffers, capabilities], [tables, auxiliary_id])| {
            Message::FeaturesReply(Features {
                datapath_id,
                buffers,
                tables,
                auxiliary_id,
                capabilities,
            })
        },
    );
    prop_oneof![
        any::<u64>().prop_map(|versions| Message::Hello { versions }),
        error,
        bytes().prop_map(Message::EchoRequest),
        bytes().prop_map(Message::EchoReply),
        Just(Message::FeaturesRequest),
        features,
        any::<[u16; 2]>().prop_map(|[flags, miss_send_len]| Message::SetConfig {
            flags,
            miss_send_len
        }),
        packet_in().prop_map(Message::PacketIn2),
        packet_in().prop_map(Message::Resume),
        removed,
        (any::<u8>(), port())
            .prop_map(|(reason, port)| Message::PortStatus(Box::new(PortStatus { reason, port }))),
        Just(Message::BarrierRequest),
        Just(Message::BarrierReply),
        (role, any::<u64>())
            .prop_map(|(role, generation)| Message::RoleRequest { role, generation }),
        vec((any::<u16>(), any::<u32>()), 0..4).prop_map(Message::SetAsync),
        (any::<u32>(), step, any::<u16>()).prop_map(|(bundle_id, step, flags)| {
            Message::BundleControl(BundleControl {
                bundle_id,
                step,
                flags,
            })
        }),
        any::<u32>().prop_map(Message::SetPacketInFormat),
        any::<u16>().prop_map(Message::SetControllerId),
        any::<u16>().prop_map(Message::CtFlushZone),
        maps().prop_map(|maps| {
            Message::TlvTableMod {
                command: TlvTableCommand::Delete,
                maps,
            }
        }),
        Just(Message::TlvTableRequest),
        (any::<u32>(), any::<u16>(), maps()).prop_map(|(max_option_bytes, max_fields, maps)| {
            Message::TlvTableReply {
                max_option_bytes,
                max_fields,
                maps,
            }
        }),
        (100..200_u8, bytes()).prop_map(|(kind, body)| Message::Unknown { kind, body }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let any_message = || prop_oneof![flow_message(), multipart(), small_message()];
    let bundled =
        (any::<u32>(), any::<u16>(), any_message()).prop_map(|(bundle_id, flags, message)| {
            Message::BundleAdd {
                bundle_id,
                flags,
                message: Box::new(message),
            }
        });
    prop_oneof![4 => any_message(), 1 => bundled]
}

/// `None` when the message is over the limit.
fn bytes_of(xid: u32, message: &Message) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match encode(&mut bytes, xid, message) {
        Ok(()) => Some(bytes),
        Err(Error::TooLong { .. }) => None,
        Err(error) => panic!("{error}: {message:?}"),
    }
}

/// Text of what was decoded, as a measure of its size: it must not grow out of proportion.
fn check_bounded(bytes: &[u8]) {
    if let Ok((xid, message)) = decode(bytes) {
        // Flows are compared, so whatever bytes they came from, they have one form.
        let mut again = Vec::new();
        let flow = matches!(message, Message::FlowMod(_));
        if flow && encode(&mut again, xid, &message).is_ok() {
            assert_eq!(decode(&again), Ok((xid, message.clone())), "a second form of one value");
        }
        let size = format!("{message:?}").len();
        assert!(
            size < 4096 + 200 * bytes.len(),
            "{} bytes became {size}",
            bytes.len()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn decoding_undoes_encoding(xid: u32, message in message()) {
        let Some(bytes) = bytes_of(xid, &message) else { return Ok(()) };
        prop_assert!(bytes.len() <= MAX_MESSAGE_BYTES);
        prop_assert_eq!(decode(&bytes), Ok((xid, message)));
    }

    #[test]
    fn a_match_does_not_depend_on_order(
        conditions in vec((field(), any::<u128>(), any::<u128>()), 0..8),
    ) {
        // Fields that share storage (wide registers, VLAN, ports) overwrite each other, so keep one kind.
        let separate = |field: &Field| {
            !(Field::Xreg0..=Field::Xxreg3).contains(field)
                && !matches!(field, Field::VlanTci | Field::InPort16)
        };
        let mut conditions = conditions;
        conditions.retain(|(field, ..)| separate(field));
        conditions.sort_by_key(|(field, ..)| *field);
        conditions.dedup_by_key(|(field, ..)| *field);
        let build = |list: &[(Field, u128, u128)]| {
            list.iter().fold(Match::new(), |m, (f, v, k)| m.masked(*f, *v, *k))
        };
        let forward = build(&conditions);
        conditions.reverse();
        prop_assert_eq!(&forward, &build(&conditions));
        prop_assert_eq!(Match::from_oxm(forward.as_oxm()), Ok(forward));
    }

    #[test]
    fn random_bytes_do_not_panic(mut bytes in vec(any::<u8>(), 0..300), kind in 0..40_u8) {
        check_bounded(&bytes);
        if bytes.len() >= 8 {
            let [high, low] = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            bytes[..4].copy_from_slice(&[6, kind, high, low]);
            check_bounded(&bytes);
        }
        let mut framer = Framer::default();
        framer.feed(&bytes);
        while let Ok(Some(_)) = framer.next_message() {}
    }

    #[test]
    fn damaged_messages_do_not_panic(
        message in message(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
    ) {
        let Some(mut bytes) = bytes_of(1, &message) else { return Ok(()) };
        for (at, byte) in damage {
            // The header stays, or most inputs would go no further than it.
            let at = 8 + at.index(bytes.len());
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
        }
        check_bounded(&bytes);
        bytes.truncate(8 + cut.index(bytes.len()));
        let [high, low] = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        bytes[2..4].copy_from_slice(&[high, low]);
        check_bounded(&bytes);
    }
}

#[test]
fn what_is_decoded_from_damage_can_be_encoded_again() {
    // A raw action keeps what the type cannot hold; here a move with bits outside the field.
    let action = Action::copy(Field::Reg0, Field::Reg1);
    let flow = Flow {
        instructions: Instructions::apply(vec![action]),
        ..Flow::default()
    };
    let message = Message::FlowMod(Box::new(FlowMod::add(flow)));
    let mut bytes = bytes_of(1, &message).unwrap();
    let at = bytes.len() - 24 + 4;
    bytes[at..at + 2].copy_from_slice(&99_u16.to_be_bytes());
    let (xid, decoded) = decode(&bytes).unwrap();
    assert_eq!(bytes_of(xid, &decoded), Some(bytes));
}

#[test]
fn a_long_message_is_refused_by_name_and_leaves_nothing() {
    let flow = Flow {
        instructions: Instructions::apply(vec![Action::output(1); 3000]),
        ..Flow::default()
    };
    let mut bytes = vec![1, 2, 3];
    let error = encode(
        &mut bytes,
        1,
        &Message::FlowMod(Box::new(FlowMod::add(flow))),
    )
    .unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLong {
                what: "flow mod",
                length: 48_064,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(bytes, [1, 2, 3]);
}

#[test]
fn nesting_is_limited_both_ways() {
    let mut action = Action::output(1);
    for _ in 0..9 {
        action = Action::Clone(vec![action]);
    }
    let flow = Flow {
        instructions: Instructions::apply(vec![action]),
        ..Flow::default()
    };
    let message = Message::FlowMod(Box::new(FlowMod::add(flow)));
    assert!(matches!(
        encode(&mut Vec::new(), 1, &message),
        Err(Error::TooDeep { .. })
    ));
}
