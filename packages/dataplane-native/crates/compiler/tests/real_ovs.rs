//! Open vSwitch itself judges our flows: it takes them all, and on random packets its
//! `ofproto/trace` looks up the same flows, sends to the same ports and ends with the same packet
//! as our interpreter. Runs its own ovsdb-server and ovs-vswitchd with dummy ports in a folder of
//! its own.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod common;
#[path = "common/ovs.rs"]
mod ovs;

use std::collections::BTreeSet;

use common::world::{Dice, WORLD, packet};
use ovs::Ovs;
use weft_compiler::Compiler;
use weft_compiler::interp::{Packet, Step, Switch, Trace};
use weft_compiler::pipeline::ROUTER_OUT;
use weft_openflow::Field;

/// What `ofproto/trace` says, in the interpreter's terms: lookups, outputs, packet-ins, the final
/// flow.
fn read(text: &str) -> (Vec<Step>, Vec<u32>, usize, String) {
    let (mut steps, mut outputs, mut controller) = (Vec::new(), Vec::new(), 0);
    let (mut first, mut last) = ("", "");
    let (mut in_port, mut pass) = (0, 0);
    for line in text.lines() {
        let line = line.trim();
        if let Some(flow) = line.strip_prefix("Flow: ") {
            pass += 1;
            if pass == 1 {
                in_port = value(flow, "in_port").parse().expect("a port");
                first = flow;
            }
        } else if let Some(flow) = line.strip_prefix("Final flow: ").filter(|_| pass == 1) {
            // A further pass has a copy of the packet.
            last = if flow == "unchanged" { first } else { flow };
        } else if let Some((before, cookie)) = line.split_once(", cookie 0x") {
            let (table, matched) = before.split_once(". ").expect("a table");
            let priority = matched.rsplit_once("priority ").expect("a priority").1;
            steps.push(Step {
                table: table.parse().expect("a table"),
                flow: Some((
                    priority.parse().expect("a priority"),
                    u64::from_str_radix(cookie, 16).expect("a cookie"),
                )),
            });
        } else if let Some(port) = line.strip_prefix("output:") {
            outputs.push(port.parse().expect("a port"));
        } else if line == "IN_PORT" {
            outputs.push(in_port);
        } else if line == ">> skipping output to input port" {
            outputs.pop();
        } else if line.starts_with("controller(") {
            controller += 1;
        }
    }
    (steps, outputs, controller, last.to_owned())
}

fn value<'a>(flow: &'a str, name: &str) -> &'a str {
    let found = flow
        .split(',')
        .find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or("")
}

/// Fields whose values at the end are compared, as OVS names them.
const COMPARED: &[(Field, &str)] = &[
    (Field::Reg0, "reg0"),
    (Field::Reg1, "reg1"),
    (Field::Reg2, "reg2"),
    (Field::Reg3, "reg3"),
    (Field::Reg4, "reg4"),
    (Field::Reg6, "reg6"),
    (Field::Reg7, "reg7"),
    (Field::Reg8, "reg8"),
    (Field::Reg9, "reg9"),
    (Field::Reg10, "reg10"),
    (Field::Reg11, "reg11"),
    (Field::Reg12, "reg12"),
    (Field::Reg15, "reg15"),
    (Field::TunMetadata0, "tun_metadata0"),
    (Field::EthSrc, "dl_src"),
    (Field::EthDst, "dl_dst"),
    (Field::VlanVid, "dl_vlan"),
    (Field::ArpOp, "arp_op"),
    (Field::ArpSpa, "arp_spa"),
    (Field::ArpTpa, "arp_tpa"),
    (Field::ArpSha, "arp_sha"),
    (Field::ArpTha, "arp_tha"),
    (Field::Ipv4Src, "nw_src"),
    (Field::Ipv4Dst, "nw_dst"),
    (Field::IpTtl, "nw_ttl"),
    (Field::Ipv6Src, "ipv6_src"),
    (Field::Ipv6Dst, "ipv6_dst"),
    (Field::Icmpv6Type, "icmp_type"),
    (Field::NdTarget, "nd_target"),
];

fn number(text: &str) -> u128 {
    if text.matches(':').count() == 5 && !text.contains("::") {
        return u128::from_str_radix(&text.replace(':', ""), 16).expect("a MAC");
    }
    match text.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => return u128::from(ip.to_bits()),
        Ok(std::net::IpAddr::V6(ip)) => return ip.to_bits(),
        Err(_) => {}
    }
    match text.strip_prefix("0x") {
        Some(hex) => u128::from_str_radix(hex, 16).expect("a number"),
        None => text.parse().unwrap_or(0),
    }
}

fn check_last(ours: &Trace, theirs: &str, context: &str) {
    for (field, name) in COMPARED {
        let mut expected = number(value(theirs, name));
        // OVS prints the VID alone.
        if *field == Field::VlanVid && expected != 0 {
            expected |= 0x1000;
        }
        let mut found = ours.last.get(*field);
        if *field == Field::Icmpv6Type {
            found |= ours.last.get(Field::Icmpv4Type);
        }
        // ICMPv6 and ARP fields are printed for packets that have them.
        let printed = !value(theirs, name).is_empty();
        let must = matches!(name.get(..3), Some("reg" | "dl_"));
        if printed || must {
            assert_eq!(found, expected, "{name}\n{context}");
        }
    }
}

/// Of a pair of ports: here, to another chassis, and through two routers.
fn one_megaflow_for_all_connections(ovs: &Ovs) {
    let pairs = [
        (
            1u128,
            0x0200_0000_0001u128,
            0x0200_0000_0002u128,
            0x0a00_0002u128,
            0x0a00_0004u128,
        ),
        (
            1,
            0x0200_0000_0001,
            0x0200_0000_0003,
            0x0a00_0002,
            0x0a00_0004,
        ),
        (
            8,
            0x0200_0000_0011,
            0x02ff_0000_0011,
            0x0a0b_0002,
            0x0a0c_0002,
        ),
    ];
    for (in_port, from, to, source, destination) in pairs {
        let tcp = Packet::default()
            .with(Field::InPort, in_port)
            .with(Field::EthType, 0x0800);
        let tcp = tcp.with(Field::EthSrc, from).with(Field::EthDst, to);
        let tcp = tcp
            .with(Field::Ipv4Src, source)
            .with(Field::Ipv4Dst, destination)
            .with(Field::IpTtl, 64);
        let tcp = tcp
            .with(Field::IpProto, 6)
            .with(Field::TcpSrc, 4321)
            .with(Field::TcpDst, 80);
        let text = ovs.trace(&tcp);
        let megaflow = text
            .lines()
            .find(|line| line.starts_with("Megaflow: "))
            .expect("one");
        assert!(
            !megaflow.contains("tp_") && !megaflow.contains("nw_dst=10.0.0.4"),
            "{megaflow}"
        );
    }
}

#[test]
fn the_interpreter_agrees_with_open_vswitch() {
    let ovs = Ovs::start("trace");
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    assert_eq!(compiler.failures().len(), 0, "{:?}", compiler.failures());
    ovs.install(&compiler);
    let dumped = ovs.ofctl("dump-flows", &["--no-stats"]);
    let dumped = dumped
        .lines()
        .filter(|line| line.contains("cookie=0x57"))
        .count();
    assert_eq!(
        dumped,
        compiler.flow_set().len(),
        "Open vSwitch holds other flows"
    );

    let switch = Switch::new(compiler.flow_set().iter(), compiler.groups());
    let mut dice = Dice(0x5745_4654);
    let mut seen = BTreeSet::new();
    for _ in 0..1600 {
        let packet = packet(&mut dice);
        let ours = switch.run(packet.clone());
        let text = ovs.trace(&packet);
        let (steps, outputs, controller, last) = read(&text);
        let context = format!("{text}\nours: {:?} {:?}", ours.steps, ours.outputs);
        assert_eq!(ours.aborted, None, "{context}");
        seen.extend(
            ours.steps
                .iter()
                .filter_map(|step| step.flow.map(|(_, cookie)| cookie)),
        );
        // Which member gets a fragment is Open vSwitch's own business.
        let fragment = packet.get(Field::IpFrag) != 0;
        let group = |step: &Step| compiler.explain(step.flow.expect("a flow").1);
        let ecmp = |step: &Step| group(step).is_some_and(|flow| flow.rule.starts_with("fragments"));
        if let Some(at) = ours.steps.iter().position(ecmp).filter(|_| fragment) {
            assert_eq!(ours.steps[..=at], steps[..=at], "{context}");
            assert!(text.contains("using bucket"), "{context}");
            continue;
        }
        assert_eq!(ours.steps, steps, "{context}");
        let sent: Vec<u32> = ours.outputs.iter().map(|(port, _)| *port).collect();
        assert_eq!(sent, outputs, "{context}");
        assert_eq!(ours.controller.len(), controller, "{context}");
        // Both ways are gone from table 35 on, and forgotten at the end.
        if ours.steps.iter().all(|step| step.table != ROUTER_OUT) {
            check_last(&ours, &last, &context);
        }
    }
    one_megaflow_for_all_connections(&ovs);
    // The packets reach most of the rules, or the comparison would say little. Misses aside, of
    // which most should never happen.
    let rule = |cookie: u64| {
        let flow = compiler.explain(cookie).expect("one of ours");
        (flow.table, flow.rule)
    };
    let flows = compiler.flow_set().iter().filter(|flow| flow.priority > 0);
    let all: BTreeSet<(u8, &str)> = flows.map(|flow| rule(flow.cookie)).collect();
    let seen: BTreeSet<(u8, &str)> = seen.into_iter().map(rule).collect();
    let missed: Vec<_> = all.difference(&seen).collect();
    println!("of {} rules never met: {missed:?}", all.len());
    assert!(
        missed.len() * 6 < all.len(),
        "of {} never met: {missed:#?}",
        all.len()
    );
}
