//! Packets between a real Open vSwitch and us: out, in, resumed, and into the middle of the pipeline.
//! Needs ovs-vswitchd, ovsdb-server and ovs-ofctl (package openvswitch-switch); no privileges.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test fails by panicking; sample tables are long"
)]
#![allow(dead_code, reason = "each test file uses a part of the support")]

#[path = "support"]
mod support {
    mod harness;
    mod sample_actions;
    pub mod samples;
    pub use harness::*;
}

use support::{Switch, samples};
use weft_openflow::{
    Action, Controller, Field, Flow, FlowMod, FlowModCommand, FlowRequest, GroupMod,
    GroupModCommand, Instructions, Match, Message, MultipartReply, MultipartRequest, PacketOut,
    async_kinds, port,
};

fn add_flow(flow: &Flow) -> Message {
    Message::FlowMod(Box::new(FlowMod::new(FlowModCommand::Add, flow.clone())))
}

#[test]
fn packets_go_out_come_in_and_resume() {
    let switch = Switch::start("packets");
    switch.add_bridge("br0", "p");
    let mut connection = switch.connect("br0");
    connection.silently(&Message::SetConfig {
        flags: 0,
        miss_send_len: 0xffff,
    });
    connection.silently(&Message::SetPacketInFormat(2));
    let masks = vec![
        (async_kinds::PACKET_IN, 0x3f),
        (async_kinds::PORT_STATUS, 0),
    ];
    connection.silently(&Message::SetAsync(masks));
    let pause = Action::controller(Controller {
        userdata: vec![1, 2, 3],
        pause: true,
        ..Controller::default()
    });
    let plain = Flow {
        cookie: 0x33,
        matching: Match::new().set(Field::InPort, 3_u32),
        instructions: Instructions::apply(vec![Action::controller(Controller {
            userdata: vec![7],
            max_len: 20,
            ..Controller::default()
        })]),
        ..Flow::default()
    };
    let first = Flow {
        cookie: 0x11,
        matching: Match::new().set(Field::InPort, 2_u32),
        instructions: Instructions::apply(vec![
            Action::set(Field::Reg0, 0xabcd_u32),
            pause,
            Action::resubmit(4),
        ]),
        ..Flow::default()
    };
    let second = Flow {
        table: 4,
        cookie: 0x22,
        matching: Match::new().set(Field::Reg0, 0xabcd_u32),
        instructions: Instructions::apply(vec![Action::output(1)]),
        ..Flow::default()
    };
    connection.silently(&add_flow(&plain));
    connection.silently(&add_flow(&first));
    connection.silently(&add_flow(&second));
    let mut packet = vec![0xff; 6];
    packet.extend([0x0a, 0, 0, 0, 0, 1, 0x12, 0x34]);
    packet.resize(60, 0x5a);
    let mut through = |in_port: u32| {
        let out = PacketOut {
            metadata: Match::new().set(Field::InPort, in_port),
            actions: vec![Action::output(port::TABLE)],
            packet: packet.clone(),
        };
        connection.silently(&Message::PacketOut(Box::new(out)));
        connection.wait(|message| match message {
            Message::PacketIn2(packet_in) => Some(packet_in.clone()),
            _ => None,
        })
    };
    let packet_in = through(3);
    // OVS buffers no packets and therefore ignores max_len.
    assert_eq!((&packet_in.packet, packet_in.full_len), (&packet, None));
    assert_eq!(
        (packet_in.table, packet_in.cookie, packet_in.reason),
        (0, Some(0x33), 1)
    );
    assert_eq!(
        (packet_in.userdata.as_slice(), &packet_in.continuation),
        (&[7][..], &None)
    );
    let packet_in = through(2);
    assert_eq!(packet_in.packet, packet);
    assert_eq!(packet_in.userdata, [1, 2, 3]);
    assert_eq!(packet_in.metadata.exact(Field::InPort), Some(2));
    assert_eq!(packet_in.metadata.exact(Field::Reg0), Some(0xabcd));
    assert!(packet_in.continuation.is_some());
    connection.silently(&Message::Resume(packet_in));
    let request = FlowRequest {
        table: 4,
        ..FlowRequest::default()
    };
    // Counters of a packet that the switch itself executed are there at once.
    let parts = connection.ask(MultipartRequest::FlowDesc(request));
    let [MultipartReply::FlowDesc(flows)] = parts.as_slice() else {
        panic!("{parts:?}")
    };
    assert_eq!(flows[0].stats.packets, Some(1));
}

#[test]
fn a_packet_enters_in_the_middle_with_registers_and_goes_back_by_a_select_group() {
    let switch = Switch::start("middle");
    switch.add_bridge("br0", "p");
    let mut connection = switch.connect("br0");
    let mut groups = samples::groups().into_iter();
    let slots = groups.find(|group| group.id == 9).unwrap();
    let add = GroupMod::new(GroupModCommand::Add, slots);
    connection.silently(&Message::GroupMod(Box::new(add)));
    let flow = |table, matching: Match, actions| Flow {
        table,
        matching: matching.set(Field::EthType, 0x0800_u16),
        instructions: Instructions::apply(actions),
        ..Flow::default()
    };
    let routed = Match::new()
        .masked(Field::Reg8, 7_u32, 0x00ff_ffff_u32)
        .set(Field::Reg10, 3_u32);
    for flow in [
        flow(32, routed, vec![Action::DecTtl, Action::Group { id: 9 }]),
        flow(
            33,
            Match::new(),
            vec![Action::CheckPktLarger {
                max_bytes: 114,
                dst: Field::Reg5,
                ofs: 0,
            }],
        ),
    ] {
        connection.silently(&add_flow(&flow));
    }
    let mut packet = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    packet.extend([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0x66, 0xc0]);
    packet.extend([10, 0, 0, 1, 10, 0, 1, 2, 0, 1, 0, 2, 0, 8, 0, 0]);
    let controller = Match::new().set(Field::InPort, port::CONTROLLER);
    let set = vec![
        Action::set(Field::Reg8, 7_u32),
        Action::set(Field::Reg10, 3_u32),
        Action::resubmit(32),
    ];
    let registers = controller.clone().set(Field::Reg8, 7_u32);
    let cases = [
        (controller, set),
        (
            registers.set(Field::Reg10, 3_u32),
            vec![Action::resubmit(32)],
        ),
    ];
    for (sent, (metadata, actions)) in (1..).zip(cases) {
        connection.silently(&Message::PacketOut(Box::new(PacketOut {
            metadata,
            actions,
            packet: packet.clone(),
        })));
        for table in [32, 33] {
            let request = FlowRequest {
                table,
                ..FlowRequest::default()
            };
            let parts = connection.ask(MultipartRequest::FlowDesc(request));
            let [MultipartReply::FlowDesc(flows)] = parts.as_slice() else {
                panic!("{parts:?}")
            };
            assert_eq!(flows[0].stats.packets, Some(sent), "table {table}");
        }
    }
}
