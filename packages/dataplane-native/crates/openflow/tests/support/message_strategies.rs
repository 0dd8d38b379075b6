//! Random messages of every kind that the wire can carry.
//! Strategies only. Used by `roundtrip`.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use weft_openflow::{
    Band, Bucket, BundleControl, BundleStep, ErrorMessage, Features, Flow, FlowDesc, FlowMod,
    FlowModCommand, FlowMonitorCommand, FlowMonitorRequest, FlowRemoved, FlowRequest, FlowStats,
    FlowUpdate, Group, GroupKind, GroupMod, GroupModCommand, Message, Meter, MeterMod,
    MeterModCommand, MultipartReply, MultipartRequest, PacketIn, PacketOut, Port, PortEthernet,
    PortStatus, Role, Selection, TableDesc, TlvMap, TlvTableCommand,
};

use super::value_strategies::{actions, field, instructions, matching};

pub fn flow() -> impl Strategy<Value = Flow> {
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

pub fn stats() -> impl Strategy<Value = FlowStats> {
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

pub fn group() -> impl Strategy<Value = Group> {
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

pub fn meter() -> impl Strategy<Value = Meter> {
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

pub fn port() -> impl Strategy<Value = Port> {
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

pub fn packet_in() -> impl Strategy<Value = Box<PacketIn>> {
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

pub fn flow_message() -> impl Strategy<Value = Message> {
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

pub fn multipart() -> impl Strategy<Value = Message> {
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

pub fn small_message() -> impl Strategy<Value = Message> {
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

pub fn message() -> impl Strategy<Value = Message> {
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
