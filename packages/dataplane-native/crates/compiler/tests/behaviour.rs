//! What packets live to see, by the interpreter: one line a case. And the copies of a flood through
//! relays, counted over all chassis.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod common;

use std::collections::BTreeMap;

use common::world::{WORLD, words as packet};
use weft_compiler::Compiler;
use weft_compiler::interp::{Switch, Trace};
use weft_openflow::Field as F;

fn ports(trace: &Trace) -> Vec<u32> {
    let mut ports: Vec<u32> = trace.outputs.iter().map(|(port, _)| *port).collect();
    ports.sort_unstable();
    ports
}

#[test]
fn packets_go_where_the_rules_say() {
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(WORLD));
    let switch = Switch::new(compiler.flow_set().iter(), compiler.groups());
    let lines = include_str!("behaviour.txt").lines();
    let mut cases = 0;
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [what, text, expected, asked] = parts[..] else {
            panic!("not a case: {line}")
        };
        let mut sent = packet(text);
        let length = text
            .split_whitespace()
            .find_map(|word| word.strip_prefix("bytes="));
        sent.length = Some(length.map_or(100, |bytes| bytes.parse().expect("a number")));
        let trace = switch.run(sent);
        assert_eq!(trace.aborted, None, "{what}");
        assert_eq!(
            ports(&trace),
            numbers(expected),
            "{what}: {:?}",
            trace.steps
        );
        let services = trace.controller.iter().flat_map(|(data, _)| data);
        let services: Vec<u32> = services.copied().map(u32::from).collect();
        assert_eq!(services, numbers(asked), "{what}");
        cases += 1;
    }
    assert!(cases > 50, "{cases} cases");
}

fn numbers(text: &str) -> Vec<u32> {
    let words = text.split_whitespace();
    words.map(|word| word.parse().expect("a number")).collect()
}

/// The switch of chassis `own` in a network of `count` chassis with relays.
fn chassis(own: u32, count: u32) -> Switch {
    let text = format!(
        "chassis/c/config key={own}
local/tunnel/1 ofport=100 ips=172.31.0.1
network/5/config id=huge encap=geneve relayed=on
chassis/c/port/{own} id=p network=5 mac=02:00:00:00:00:01 ips=10.0.0.2
local/vif/p ofport=1
@1..{count} flood/5/peer/{{i}} vtep=172.16.{{hi}}.{{lo}}"
    );
    let mut compiler = Compiler::new();
    compiler.apply(&common::batch(&text));
    assert!(compiler.failures().is_empty());
    Switch::new(compiler.flow_set().iter(), compiler.groups())
}

#[test]
fn through_relays_each_of_1000_chassis_gets_one_copy_and_the_sender_none() {
    for sender in [1, 200, 256, 1000] {
        let broadcast = "in=1 from=02:00:00:00:00:01 to=ff:ff:ff:ff:ff:ff type=0x800 src=10.0.0.2";
        let mut copies: BTreeMap<u128, u32> = BTreeMap::new();
        let mut tunnel = chassis(sender, 1000).run(packet(broadcast)).outputs;
        while let Some((port, copy)) = tunnel.pop() {
            if port != 100 {
                continue;
            }
            let to = copy.get(F::TunDst) & 0xffff;
            *copies.entry(to).or_default() += 1;
            let egress = copy.get(F::TunMetadata0) >> 40 & 0xff_ffff;
            if egress == 0xff_fffe {
                let arriving = packet("in=100 to=ff:ff:ff:ff:ff:ff tun_src=172.31.0.1");
                let arriving = arriving
                    .with(F::TunId, 5)
                    .with(F::TunMetadata0, copy.get(F::TunMetadata0));
                let relay = chassis(u32::try_from(to).unwrap(), 1000).run(arriving);
                assert!(
                    relay.outputs.iter().any(|(port, _)| *port == 1),
                    "the relay hears it too"
                );
                tunnel.extend(relay.outputs);
            }
        }
        assert_eq!(copies.len(), 999, "from {sender}");
        assert!(
            copies.values().all(|count| *count == 1) && !copies.contains_key(&u128::from(sender))
        );
    }
}
